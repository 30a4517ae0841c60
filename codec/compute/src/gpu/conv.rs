//! Convolutions as matrix products whose left operand is gathered from the image while it is staged (implicit GEMM).
//!
//! The product has a row for each output pixel, a column for each output channel, and sums over k = (tap row, tap column,
//! input channel). A cube computes a tile of 64 pixels × 64 channels with 128 units (128 × 16 for convolutions of at most
//! 16 outputs); for each 16 values of k it stages both operands in shared memory as vectors of four pixels or channels,
//! with the border's zeros, the reflection or the doubling resolved on the way, and each unit adds to its 8 × 4 (4 × 4)
//! sums in registers. Neighbouring units read neighbouring channels of a pixel and neighbouring outputs of a weight.
//! Cubes: ⌈pixels / tile⌉·⌈channels / tile⌉. Cost: the image is read ⌈channels / tile⌉·taps times, mostly from caches, the
//! weights ⌈pixels / tile⌉ times, the output is written once; bias and residual are added on the way. Sums are in f32.
//!
//! Weights are `[k, outputs]` in the engine's precision, outputs padded to a multiple of four, and split by outputs where
//! a buffer would grow too large; there is one launch for each part. Doubling by nearest neighbour before a 3×3 kernel
//! makes output pixels of each parity see only 2×2 different input pixels: the kernel is folded into four 2×2 kernels
//! once, `[parity, k, outputs]`, which saves five ninths of the work, and each cube computes pixels of one parity.

use super::engine::GpuEngine;
use super::tensor::GpuTensor;
use crate::backend::{ConvKind, GroupNorm};
use crate::{ComputeError, Weight};
use cubecl::prelude::*;

/// Values of k that are staged at a time.
const DEPTH: usize = 16;
/// Outputs of split weights come in multiples of this, the columns of a whole tile.
const SPLIT: usize = 64;

/// Four values side by side.
type Four<T> = Vector<T, Const<4>>;

/// The shape of a cube's tile, in vectors of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Tile {
    /// Vectors of pixels.
    rows: usize,
    /// Vectors of output channels.
    columns: usize,
    /// Vectors of pixels that each unit computes, for one vector of channels.
    unit_rows: usize,
}

const WIDE: Tile = Tile {
    rows: 16,
    columns: 16,
    unit_rows: 2,
};

const NARROW: Tile = Tile {
    rows: 32,
    columns: 4,
    unit_rows: 1,
};

impl Tile {
    fn units(self) -> usize {
        self.rows / self.unit_rows * self.columns
    }
}

/// What is outside the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Border {
    Zero,
    Reflection,
}

/// The weights of a convolution.
#[derive(Debug)]
pub struct GpuConv {
    inputs: usize,
    outputs: usize,
    kernel: usize,
    kind: ConvKind,
    /// `[parities·k, outputs / 4]` vectors, cut by outputs where a buffer would grow too large.
    pieces: Vec<GpuTensor>,
    /// `[outputs]` in f32; zeros for a convolution without.
    bias: GpuTensor,
}

impl GpuConv {
    /// See [`crate::Backend::conv_weights`].
    pub(super) fn new(
        engine: &GpuEngine,
        weight: &Weight,
        bias: Option<&Weight>,
        kind: ConvKind,
    ) -> Result<Self, ComputeError> {
        let (outputs, inputs, kernel) = kind.check_weights(weight, bias)?;
        let bias = bias.map_or_else(|| vec![0.0; outputs], Weight::to_f32);
        let taps = if kind == ConvKind::DoubleNearest {
            16
        } else {
            kernel * kernel
        };
        let fitting =
            engine.buffer_limit() / (taps * inputs * engine.element().size()).max(1) as u64;
        let fitting = usize::try_from(fitting).unwrap_or(usize::MAX);
        let most = if fitting >= outputs.next_multiple_of(4) {
            outputs
        } else if fitting >= SPLIT {
            fitting / SPLIT * SPLIT
        } else {
            // If four outputs do not fit either, their upload reports it with the numbers.
            (fitting / 4 * 4).max(4)
        };
        let mut pieces = Vec::new();
        for first in (0..outputs).step_by(most) {
            let count = most.min(outputs - first);
            pieces.push(upload_piece(engine, weight, kind, (first, count))?);
        }
        Ok(Self {
            inputs,
            outputs,
            kernel,
            kind,
            pieces,
            bias: engine.upload_f32(&bias, &[outputs])?,
        })
    }
}

/// The weights of `count` outputs from `first` on.
fn upload_piece(
    engine: &GpuEngine,
    weight: &Weight,
    kind: ConvKind,
    (first, count): (usize, usize),
) -> Result<GpuTensor, ComputeError> {
    let inputs = weight.shape()[1];
    let taps = weight.shape()[2] * weight.shape()[3];
    let doubling = kind == ConvKind::DoubleNearest;
    let rows = if doubling { 16 } else { taps } * inputs;
    let width = count.next_multiple_of(4);
    let mut values = vec![0.0; rows * width];
    let mut original = vec![0.0; inputs * taps];
    for output in 0..count {
        weight.read_f32((first + output) * inputs * taps, &mut original);
        for (index, &value) in original.iter().enumerate() {
            let (input, tap) = (index / taps, index % taps);
            let mut add = |place: usize| values[(place * inputs + input) * width + output] += value;
            if doubling {
                (0..4).for_each(|parity| add(parity * 4 + folded_tap(parity, tap)));
            } else {
                add(tap);
            }
        }
    }
    let mut piece = engine.upload_rounded(&values, &[rows, width])?;
    // Kernels see vectors of four.
    piece.shape = vec![rows, width / 4];
    Ok(piece)
}

/// The place in a 2×2 kernel that a tap of the 3×3 one falls on, for output pixels of parity `2·row + column`.
fn folded_tap(parity: usize, tap: usize) -> usize {
    // An even output's taps −1, 0, +1 fall on inputs −1, 0, 0; an odd one's on 0, 0, +1, counted here from its first.
    let folded = |parity: usize, tap: usize| (tap + 1 - parity) / 2;
    folded(parity / 2, tap / 3) * 2 + folded(parity % 2, tap % 3)
}

/// The source of place `place` of an axis that has `pad` pixels of border before `size` pixels, and whether it is one.
#[cube]
fn source(place: u32, pad: u32, size: u32, #[comptime] border: Border) -> (u32, bool) {
    if comptime![border == Border::Reflection] {
        let mut index = place - pad;
        if place < pad {
            index = pad - place;
        }
        if index >= size {
            index = 2 * (size - 1) - index;
        }
        (index, true.runtime())
    } else {
        // Before the image, the difference wraps around to more than any size.
        let index = place - pad;
        (index, index < size)
    }
}

/// A tile of the product for each cube; see the head of this file. `pixels` are those of one parity, `grid` is their
/// number in a row. `first` is the output that the weights begin with, `tiles` the number of tiles side by side.
#[cube(launch)]
fn conv_kernel<X: Float, W: Float, R: Float, O: Float>(
    x: &[X],
    weights: &[Four<W>],
    bias: &[f32],
    residual: &[R],
    out: &mut [O],
    height: u32,
    width: u32,
    inputs: u32,
    pixels: u32,
    grid: u32,
    outputs: u32,
    first: u32,
    columns: u32,
    tiles: u32,
    stride: u32,
    pad: u32,
    #[comptime] kernel: u32,
    #[comptime] border: Border,
    #[comptime] doubling: bool,
    #[comptime] has_residual: bool,
    #[comptime] tile: Tile,
    #[define(X)] _x_type: ElemType,
    #[define(W)] _weights_type: ElemType,
    #[define(R)] _residual_type: ElemType,
    #[define(O)] _out_type: ElemType,
) {
    let units = comptime!(tile.units());
    // Rows one vector longer than the tile fall on different banks when a column is written.
    let x_row = comptime!(tile.rows + 1);
    let mut xs = Shared::<[Four<f32>]>::new_slice(comptime!(DEPTH * x_row));
    let mut ws = Shared::<[Four<f32>]>::new_slice(comptime!(DEPTH * tile.columns));
    let unit = UNIT_POS as usize;

    let cube = CUBE_POS as u32;
    let column_tile = cube % tiles;
    let mut row_tile = cube / tiles;
    let mut parity = 0u32;
    let mut parity_y = 0u32;
    let mut parity_x = 0u32;
    if comptime![doubling] {
        parity = row_tile % 4;
        row_tile /= 4;
        parity_y = parity / 2;
        parity_x = parity % 2;
    }
    let depth = comptime!(kernel * kernel) * inputs;
    let weights_start = parity * depth * columns;
    let first_pixel = row_tile * comptime!(tile.rows as u32 * 4);

    // The places of the pixels that this unit stages: one value of k for several vectors of pixels.
    let x_depth = unit % DEPTH;
    let x_vector = unit / DEPTH;
    let x_step = comptime!(units / DEPTH);
    let x_count = comptime!(tile.rows * DEPTH / units);
    let mut places_y = Array::<u32>::new(comptime!(x_count * 4));
    let mut places_x = Array::<u32>::new(comptime!(x_count * 4));
    #[unroll]
    for index in 0..x_count {
        #[unroll]
        for lane in 0..4usize {
            let vector = x_vector + index * x_step;
            let mut pixel = first_pixel + (vector * 4 + lane) as u32;
            if pixel >= pixels {
                // Computed like any other, but not stored.
                pixel = pixels - 1;
            }
            places_y[index * 4 + lane] = pixel / grid * stride + parity_y;
            places_x[index * 4 + lane] = pixel % grid * stride + parity_x;
        }
    }

    let w_column = unit % tile.columns;
    let w_depth = unit / tile.columns;
    let w_step = comptime!(units / tile.columns);
    let w_count = comptime!((DEPTH * tile.columns).div_ceil(units));
    let column = column_tile * comptime!(tile.columns as u32) + w_column as u32;

    // The unit's sums: a vector of channels for each of its pixels.
    let unit_row = unit / tile.columns;
    let row_step = comptime!(tile.rows / tile.unit_rows);
    let mut sums = Array::<Four<f32>>::new(comptime!(tile.unit_rows * 4));
    #[unroll]
    for index in 0..comptime!(tile.unit_rows * 4) {
        sums[index] = Four::<f32>::new(0.0f32);
    }

    let mut start = 0u32;
    while start < depth {
        let k = start + x_depth as u32;
        let tap = k / inputs;
        let channel = k % inputs;
        let tap_y = tap / kernel;
        let tap_x = tap % kernel;
        #[unroll]
        for index in 0..x_count {
            let mut values = Four::<f32>::new(0.0f32);
            #[unroll]
            for lane in 0..4usize {
                let place = index * 4 + lane;
                let (row, in_rows) = source(places_y[place] + tap_y, pad, height, border);
                let (column, in_columns) = source(places_x[place] + tap_x, pad, width, border);
                if in_rows && in_columns && k < depth {
                    let at = (row * width + column) * inputs + channel;
                    values.insert(lane, f32::cast_from(x[at as usize]));
                }
            }
            xs[x_depth * x_row + x_vector + index * x_step] = values;
        }
        #[unroll]
        for index in 0..w_count {
            let line = w_depth + index * w_step;
            if comptime!(w_count * units == DEPTH * tile.columns) || line < DEPTH {
                let k = start + line as u32;
                let mut values = Four::<f32>::new(0.0f32);
                if k < depth && column < columns {
                    let at = weights_start + k * columns + column;
                    values = Four::<f32>::cast_from(weights[at as usize]);
                }
                ws[line * tile.columns + w_column] = values;
            }
        }
        sync_cube();
        #[unroll]
        for line in 0..DEPTH {
            let w = ws[line * tile.columns + w_column];
            #[unroll]
            for row in 0..tile.unit_rows {
                let values = xs[line * x_row + unit_row + row * row_step];
                #[unroll]
                for lane in 0..4usize {
                    sums[row * 4 + lane] = fma(
                        Four::<f32>::new(values.extract(lane)),
                        w,
                        sums[row * 4 + lane],
                    );
                }
            }
        }
        sync_cube();
        start += comptime!(DEPTH as u32);
    }

    #[unroll]
    for row in 0..tile.unit_rows {
        #[unroll]
        for lane in 0..4usize {
            let pixel = first_pixel + ((unit_row + row * row_step) * 4 + lane) as u32;
            let mut target = pixel;
            if comptime![doubling] {
                target = (pixel / grid * 2 + parity_y) * 2 * grid + pixel % grid * 2 + parity_x;
            }
            let sum = sums[row * 4 + lane];
            #[unroll]
            for part in 0..4usize {
                let output = first + column * 4 + part as u32;
                if pixel < pixels && column < columns && output < outputs {
                    let at = (target * outputs + output) as usize;
                    let mut y = sum.extract(part) + bias[output as usize];
                    if comptime![has_residual] {
                        y += f32::cast_from(residual[at]);
                    }
                    out[at] = O::cast_from(y);
                }
            }
        }
    }
}

/// See [`crate::Backend::conv`].
pub(super) fn conv(
    engine: &GpuEngine,
    x: &GpuTensor,
    norm: Option<&GroupNorm>,
    conv: &GpuConv,
    residual: Option<&GpuTensor>,
    out: &mut GpuTensor,
) {
    let &[height, width, channels] = &*x.shape else {
        panic!("convolution input is [H, W, C]")
    };
    assert_eq!(channels, conv.inputs, "convolution of other channels");
    let size = [height, width].map(|size| conv.kind.output_size(size, conv.kernel));
    assert_eq!(
        out.shape,
        [size[0], size[1], conv.outputs],
        "convolution into another shape"
    );
    assert!(
        residual.is_none_or(|residual| residual.shape == out.shape),
        "residual of another shape"
    );
    if out.len() == 0 {
        return;
    }
    assert!(height.min(width) > 0, "convolution of an empty image");
    if let ConvKind::StridedReflect { pad, .. } = conv.kind {
        let least = height.min(width);
        assert!(
            pad < least && least + 2 * pad >= conv.kernel,
            "an image too small for its reflection"
        );
    }
    let Some(norm) = norm else {
        return launch(engine, x, conv, residual, out);
    };
    match engine.scratch(&x.shape, engine.element()) {
        Ok(normed) => {
            super::group_norm::normalise(engine, x, norm, true, &normed);
            launch(engine, &normed, conv, residual, out);
        }
        Err(error) => engine.fail_with(Some(&error)),
    }
}

/// The product, in one launch for each part of the weights.
fn launch(
    engine: &GpuEngine,
    x: &GpuTensor,
    conv: &GpuConv,
    residual: Option<&GpuTensor>,
    out: &GpuTensor,
) {
    let doubling = conv.kind == ConvKind::DoubleNearest;
    let (parities, kernel) = if doubling { (4, 2) } else { (1, conv.kernel) };
    let (stride, pad, border) = match conv.kind {
        ConvKind::Same => (1, conv.kernel / 2, Border::Zero),
        ConvKind::DoubleNearest => (1, 1, Border::Zero),
        ConvKind::HalveAsymmetric => (2, 0, Border::Zero),
        ConvKind::StridedReflect { stride, pad } => (stride, pad, Border::Reflection),
    };
    let pixels = out.rows() / parities;
    let grid = if doubling { x.shape[1] } else { out.shape[1] };
    let tile = if conv.outputs <= 4 * NARROW.columns {
        NARROW
    } else {
        WIDE
    };
    let mut first = 0;
    for piece in &conv.pieces {
        let columns = piece.columns();
        let tiles = columns.div_ceil(tile.columns);
        let outputs = (columns * 4).min(conv.outputs - first);
        let images = 1 + usize::from(residual.is_some());
        let written = images * out.rows() * outputs * out.element.size();
        engine.count(x.len() * x.element.size() + piece.bytes() + written);
        conv_kernel::launch(
            engine.client(),
            engine.cubes(pixels.div_ceil(4 * tile.rows) * parities * tiles),
            CubeDim::new_1d(tile.units() as u32),
            x.arg(),
            piece.arg(),
            conv.bias.arg(),
            // A kernel without a residual does not look at it, but something has to stand there.
            residual.unwrap_or(x).arg(),
            out.arg(),
            x.shape[0] as u32,
            x.shape[1] as u32,
            conv.inputs as u32,
            pixels as u32,
            grid as u32,
            conv.outputs as u32,
            first as u32,
            columns as u32,
            tiles as u32,
            stride as u32,
            pad as u32,
            kernel as u32,
            border,
            doubling,
            residual.is_some(),
            tile,
            x.element.kind(),
            engine.element().kind(),
            residual.unwrap_or(x).element.kind(),
            out.element.kind(),
        );
        first += outputs;
    }
}
