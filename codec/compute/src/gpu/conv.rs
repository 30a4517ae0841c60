//! Convolutions as matrix products whose left operand is gathered from the image while it is staged (implicit GEMM).
//!
//! The product has a row for each output pixel, a column for each output channel, and sums over k = (tap row, tap column,
//! input channel). A cube computes a tile of 64 pixels × 64 channels with 128 units (128 × 16 for convolutions of at most
//! 16 outputs); for each 16 values of k it stages both operands in shared memory as vectors of four pixels or channels,
//! with the border's zeros, the reflection or the doubling resolved on the way, and each unit adds to its 8 × 4 (4 × 4)
//! sums in registers. Neighbouring units read neighbouring channels of a pixel and neighbouring outputs of a weight.
//! Cubes: ⌈pixels / tile⌉·⌈channels / tile⌉. Cost: the image is read ⌈channels / tile⌉·taps times, mostly from caches, the
//! weights ⌈pixels / tile⌉ times, the output is written once; bias and epilogue are applied on the way. Sums are in f32.
//!
//! Weights are `[k, outputs]` in the engine's precision, outputs padded to a multiple of four, and split by outputs where
//! a buffer would grow too large; there is one launch for each part. Doubling by nearest neighbour before a 3×3 kernel
//! makes output pixels of each parity see only 2×2 different input pixels: the kernel is folded into four 2×2 kernels
//! once, `[parity, k, outputs]`, which saves five ninths of the work, and each cube computes pixels of one parity.

mod kernel;

use cubecl::prelude::CubeDim;
use kernel::{Border, Finish, NARROW, SizesLaunch, Variant, WIDE, conv_kernel};

use super::engine::GpuEngine;
use super::self_test::{self, IMAGE, Results, activations, full, weight};
use super::tensor::GpuTensor;
use crate::backend::{ConvEpilogue, ConvKind, GroupNorm};
use crate::memory::with_capacity;
use crate::{Backend, ComputeError, Weight};

/// Outputs of split weights come in multiples of this, the columns of a whole tile.
const SPLIT: usize = 64;

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
        let bias = bias.map_or_else(|| zeros(outputs), Weight::to_f32)?;
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

fn zeros(len: usize) -> Result<Vec<f32>, ComputeError> {
    let mut values = with_capacity(len)?;
    values.resize(len, 0.0);
    Ok(values)
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
    let mut values = zeros(rows * width)?;
    let mut original = zeros(inputs * taps)?;
    for output in 0..count {
        weight.read_f32((first + output) * inputs * taps, &mut original);
        for (index, &value) in original.iter().enumerate() {
            let (input, tap) = (index / taps, index % taps);
            // Added, not stored: several taps of a doubling kernel fold onto one place.
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

/// See [`crate::Backend::conv`].
pub(super) fn conv(
    engine: &GpuEngine,
    x: &GpuTensor,
    norm: Option<&GroupNorm>,
    conv: &GpuConv,
    epilogue: &ConvEpilogue<'_, GpuTensor>,
    out: &mut GpuTensor,
) -> Result<(), ComputeError> {
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
    if out.len() == 0 {
        return Ok(());
    }
    assert!(height.min(width) > 0, "convolution of an empty image");
    if let ConvKind::StridedReflect { pad, .. } = conv.kind {
        let least = height.min(width);
        assert!(
            pad < least && least + 2 * pad >= conv.kernel,
            "an image too small for its reflection"
        );
    }
    match norm {
        Some(norm) => {
            let normed = engine.scratch(&x.shape, engine.element())?;
            super::group_norm::normalise(engine, x, norm, true, &normed)?;
            launch(engine, &normed, conv, epilogue, out);
        }
        None => launch(engine, x, conv, epilogue, out),
    }
    Ok(())
}

/// The product, in one launch for each part of the weights.
fn launch(
    engine: &GpuEngine,
    x: &GpuTensor,
    conv: &GpuConv,
    epilogue: &ConvEpilogue<'_, GpuTensor>,
    out: &GpuTensor,
) {
    let doubling = conv.kind == ConvKind::DoubleNearest;
    let (parities, kernel) = if doubling { (4, 2) } else { (1, conv.kernel) };
    let (stride, pad, border) = match conv.kind {
        ConvKind::Same => (1, conv.kernel / 2, Border::Zero),
        ConvKind::DoubleNearest => (1, 1, Border::Zero),
        ConvKind::HalveAsymmetric => (2, 0, Border::Zero),
        ConvKind::HalveSymmetric => (2, 1, Border::Zero),
        ConvKind::StridedReflect { stride, pad } => (stride, pad, Border::Reflection),
    };
    let pixels = out.rows() / parities;
    // Output pixels of one parity form a grid of the input's size.
    let grid = if doubling { x.shape[1] } else { out.shape[1] };
    let (finish, gate) = match epilogue {
        ConvEpilogue::Store => (Finish::Store, None),
        ConvEpilogue::Silu => (Finish::Silu, None),
        ConvEpilogue::Add => (Finish::Add, None),
        ConvEpilogue::GatedAdd(gate) => (Finish::GatedAdd, Some(gate)),
    };
    let few = conv.outputs <= 4 * NARROW.columns;
    let variant = Variant {
        kernel: kernel as u32,
        border,
        doubling,
        finish,
        tile: if few { NARROW } else { WIDE },
    };
    let tile = variant.tile;
    // A kernel does not look at what its epilogue lacks, but an argument must be bound.
    let gates = gate.map_or(&conv.bias, |gate| gate.table);
    let first_gate = gate.map_or(0, |gate| gate.row * gate.table.columns() + gate.first);
    let mut first = 0;
    for piece in &conv.pieces {
        let columns = piece.columns();
        let tiles = columns.div_ceil(tile.columns);
        let outputs = (columns * 4).min(conv.outputs - first);
        let passes = if finish.adds() { 2 } else { 1 };
        let written = passes * out.rows() * outputs * out.element.size();
        engine.count(x.len() * x.element.size() + piece.bytes() + written);
        conv_kernel::launch(
            engine.client(),
            engine.cubes(pixels.div_ceil(4 * tile.rows) * parities * tiles),
            CubeDim::new_1d(tile.units() as u32),
            x.arg(),
            piece.arg(),
            conv.bias.arg(),
            gates.arg(),
            out.arg(),
            SizesLaunch::new(
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
                first_gate as u32,
            ),
            variant,
            x.element.kind(),
            engine.element().kind(),
            gates.element.kind(),
            out.element.kind(),
        );
        first += outputs;
    }
}

/// See [`super::self_test`].
pub(super) fn self_test<B: Backend>(engine: &B) -> Result<Results, ComputeError> {
    const COLOURS: usize = 3;
    let [height, width, channels] = IMAGE;
    let picture = full(engine, 8, &[height, width, COLOURS])?;
    let weights = weight(9, &[channels, COLOURS, 3, 3])?;
    let weights = engine.conv_weights(&weights, None, ConvKind::Same)?;
    let mut out = engine.zeros(&IMAGE)?;
    engine.conv(&picture, None, &weights, ConvEpilogue::Silu, &mut out)?;
    let mut results = vec![("a convolution", engine.download(&out)?)];

    let image = activations(engine, 10, &IMAGE)?;
    let norm = self_test::group_norm(channels);
    let weights = weight(10, &[channels, channels, 3, 3])?;
    let weights = engine.conv_weights(&weights, None, ConvKind::Same)?;
    engine.conv(&image, Some(&norm), &weights, ConvEpilogue::Add, &mut out)?;
    results.push(("a normed convolution", engine.download(&out)?));

    for (kind, name) in [
        (ConvKind::DoubleNearest, "a doubling convolution"),
        (ConvKind::HalveAsymmetric, "a halving convolution"),
        (
            ConvKind::HalveSymmetric,
            "a halving convolution with a border",
        ),
    ] {
        let weights = weight(17, &[COLOURS, channels, 3, 3])?;
        let weights = engine.conv_weights(&weights, None, kind)?;
        let size = [height, width].map(|side| kind.output_size(side, 3));
        let mut resized = engine.zeros(&[size[0], size[1], COLOURS])?;
        engine.conv(&image, None, &weights, ConvEpilogue::Store, &mut resized)?;
        results.push((name, engine.download(&resized)?));
    }
    Ok(results)
}
