//! 3×3 convolutions of stride 1 by Winograd's minimal filtering F(2×2, 3×3) (Lavin and Gray, "Fast algorithms for
//! convolutional neural networks", 2016): sixteen products per four outputs instead of thirty-six.
//!
//! Its transforms only add and halve, so its rounding errors are those of a direct sum. A task takes a block of tiles
//! through all three steps (transform inputs, sixteen matrix products, transform outputs) while they are in cache.

use std::ops::Range;

use rayon::prelude::*;

use super::buffer::CpuTensor;
use super::context::Context;
use super::conv::Epilogue;
use super::microkernel::{Kernels, RowBlock, SharedMut, multiply};
use super::packed::{PackedLinear, Source};
use crate::{ComputeError, DType, Weight};

/// Values of a transformed tile.
const POINTS: usize = 16;
/// Channels that are transformed at once.
const LANES: usize = 16;
/// Most tiles of a task: enough to use each weight often while it is in cache.
const MAX_TILES: usize = 192;

/// Whether a convolution of these channels gains from the transform.
pub(super) fn suits(inputs: usize, outputs: usize) -> bool {
    inputs >= 32 && outputs >= 32
}

/// Transforms and packs `[outputs, inputs, 3, 3]` weights: sixteen matrices, one for each point of a tile.
pub(super) fn pack(
    kernels: Kernels,
    weight: &Weight,
    (outputs, inputs): (usize, usize),
) -> Result<PackedLinear, ComputeError> {
    /// The filter transform G.
    // The interpolation points are 0, 1, −1 and ∞; the halves are G's, which leaves Bᵀ and Aᵀ with 0 and ±1 only.
    const G: [[f32; 3]; 4] = [
        [1.0, 0.0, 0.0],
        [0.5, 0.5, 0.5],
        [0.5, -0.5, 0.5],
        [0.0, 0.0, 1.0],
    ];
    let fill = |output: usize, row: &mut [f32], original: &mut [f32]| {
        let (point, output) = (output / outputs, output % outputs);
        let (down, across) = (G[point / 4], G[point % 4]);
        weight.read_f32(output * inputs * 9, original);
        for (value, taps) in row.iter_mut().zip(original.as_chunks::<9>().0) {
            let line = |y: usize| {
                across[0] * taps[3 * y] + across[1] * taps[3 * y + 1] + across[2] * taps[3 * y + 2]
            };
            *value = down[0] * line(0) + down[1] * line(1) + down[2] * line(2);
        }
    };
    PackedLinear::pack(
        kernels,
        // Transformed weights are sums of the stored ones, which 16 bits would round.
        DType::F32,
        inputs,
        &[outputs; POINTS],
        Vec::new(),
        &Source {
            fill: &fill,
            scratch: inputs * 9,
        },
    )
}

/// What the tasks of one convolution share.
pub(super) struct Job<'a> {
    /// The input with a border of one pixel, sides rounded up to even: `[height + 2, width + 2, inputs]`.
    pub(super) padded: &'a [f32],
    /// Height and width of the output.
    pub(super) size: (usize, usize),
    pub(super) weights: &'a PackedLinear,
    pub(super) bias: &'a [f32],
    pub(super) epilogue: Epilogue<'a>,
}

/// Convolves into `out` of `[height, width, outputs]`.
pub(super) fn convolve(
    context: Context<'_>,
    job: &Job<'_>,
    out: &mut CpuTensor,
) -> Result<(), ComputeError> {
    let outputs = job.weights.outputs() / POINTS;
    let (height, width) = job.size;
    assert_eq!(
        out.shape(),
        [height, width, outputs],
        "convolution into another shape"
    );
    let padded = (height.next_multiple_of(2) + 2) * (width.next_multiple_of(2) + 2);
    assert!(
        job.padded.len() >= padded * job.weights.inputs(),
        "padded input of another size"
    );
    let tiles = height.div_ceil(2) * width.div_ceil(2);
    // A multiple of the threads, so that none runs a last task while the others wait.
    let tasks = tiles.div_ceil(MAX_TILES).next_multiple_of(context.threads);
    let slots = tiles.div_ceil(tasks);
    let target = SharedMut::new(out.values_mut());
    (0..tiles.div_ceil(slots))
        .into_par_iter()
        .with_max_len(1)
        .try_for_each(|task| {
            let tiles = task * slots..tiles.min((task + 1) * slots);
            Block { job, tiles, slots }.run(context, target)
        })
}

/// The tiles of one task; each has a slot in the scratch memory.
struct Block<'a> {
    job: &'a Job<'a>,
    tiles: Range<usize>,
    slots: usize,
}

impl Block<'_> {
    /// All three steps. Points are the outer loop of the products, so that a point's inputs stay in cache while all
    /// weights pass by.
    fn run(&self, context: Context<'_>, target: SharedMut) -> Result<(), ComputeError> {
        let (job, slots) = (self.job, self.slots);
        let (inputs, outputs) = (job.weights.inputs(), job.weights.outputs() / POINTS);
        let panels = job.weights.panels() / POINTS;
        let mut scratch = context
            .pool
            .take_in_task(POINTS * slots * (inputs + outputs))?;
        let (transformed, products) = scratch.split_at_mut(POINTS * slots * inputs);
        context.vectorized_mut(
            #[inline(always)]
            || {
                for (slot, tile) in self.tiles.clone().enumerate() {
                    self.transform_input(tile, slot, transformed);
                }
            },
        );
        for index in 0..POINTS * panels {
            let (point, panel) = (index / panels, index % panels);
            let start = job.weights.columns(panel).start;
            let values = job.weights.panel(context.pool, index)?;
            let rows = RowBlock {
                x: transformed[point * slots * inputs..].as_ptr(),
                x_stride: inputs,
                out: products[point * slots * outputs + start..].as_mut_ptr(),
                out_stride: outputs,
                count: self.tiles.len(),
                accumulate: false,
            };
            // SAFETY: the panel is whole and its outputs are `start` and following of the `outputs`; each point has `slots`
            // rows, at least one per tile, of `inputs` floats in `transformed` and of `outputs` floats in `products`.
            #[allow(unsafe_code)]
            unsafe {
                multiply(context.kernels, values.whole(), rows);
            }
        }
        let products = &*products;
        context.vectorized(
            #[inline(always)]
            || {
                for (slot, tile) in self.tiles.clone().enumerate() {
                    self.transform_output(tile, slot, products, target);
                }
            },
        );
        Ok(())
    }

    /// `Bᵀ d B` of the 4×4 input pixels of a tile, for all channels.
    #[inline(always)]
    fn transform_input(&self, tile: usize, slot: usize, transformed: &mut [f32]) {
        let inputs = self.job.weights.inputs();
        let whole = inputs / LANES * LANES;
        for channel in (0..whole).step_by(LANES) {
            self.input_lanes::<LANES>((tile, slot), channel, transformed);
        }
        for channel in whole..inputs {
            self.input_lanes::<1>((tile, slot), channel, transformed);
        }
    }

    #[inline(always)]
    fn input_lanes<const N: usize>(
        &self,
        (tile, slot): (usize, usize),
        channel: usize,
        transformed: &mut [f32],
    ) {
        let inputs = self.job.weights.inputs();
        let columns = self.job.size.1.div_ceil(2);
        let stride = (columns * 2 + 2) * inputs;
        // Tiles are 4×4 pixels, two apart: they overlap by the two pixels that a 3×3 kernel needs around two outputs.
        let start = tile / columns * 2 * stride + tile % columns * 2 * inputs + channel;
        let mut rows = [[[0.0; N]; 4]; 4];
        for column in 0..4 {
            let pixel =
                |row: usize| lanes::<N>(self.job.padded, start + row * stride + column * inputs);
            let transformed = filter_rows([pixel(0), pixel(1), pixel(2), pixel(3)]);
            for (row, values) in rows.iter_mut().zip(transformed) {
                row[column] = values;
            }
        }
        for (row, values) in rows.into_iter().enumerate() {
            for (column, values) in filter_rows(values).into_iter().enumerate() {
                // `[point][slot][channel]`: the tiles of one point are the rows of its matrix product.
                let at = ((row * 4 + column) * self.slots + slot) * inputs + channel;
                transformed[at..at + N].copy_from_slice(&values);
            }
        }
    }

    /// `Aᵀ m A` of the products of a tile, plus the bias, with the epilogue, to its four pixels.
    #[inline(always)]
    fn transform_output(&self, tile: usize, slot: usize, products: &[f32], target: SharedMut) {
        let outputs = self.job.weights.outputs() / POINTS;
        let whole = outputs / LANES * LANES;
        for channel in (0..whole).step_by(LANES) {
            self.output_lanes::<LANES>((tile, slot), channel, products, target);
        }
        for channel in whole..outputs {
            self.output_lanes::<1>((tile, slot), channel, products, target);
        }
    }

    #[inline(always)]
    fn output_lanes<const N: usize>(
        &self,
        (tile, slot): (usize, usize),
        channel: usize,
        products: &[f32],
        target: SharedMut,
    ) {
        let outputs = self.job.weights.outputs() / POINTS;
        let (height, width) = self.job.size;
        let across = width.div_ceil(2);
        let (top, left) = (tile / across * 2, tile % across * 2);
        let point = |row: usize, column: usize| {
            let at = ((row * 4 + column) * self.slots + slot) * outputs + channel;
            lanes::<N>(products, at)
        };
        let column = |column| {
            sum_rows([
                point(0, column),
                point(1, column),
                point(2, column),
                point(3, column),
            ])
        };
        let [a, b, c, d] = [column(0), column(1), column(2), column(3)];
        let rows = [[a[0], b[0], c[0], d[0]], [a[1], b[1], c[1], d[1]]];
        // The last tile of an odd side has one row or column too many.
        for (y, values) in rows.into_iter().enumerate().take(height - top) {
            for (x, mut values) in sum_rows(values).into_iter().enumerate().take(width - left) {
                let at = ((top + y) * width + left + x) * outputs + channel;
                if !self.job.bias.is_empty() {
                    values = add(values, lanes::<N>(self.job.bias, channel));
                }
                // SAFETY: this task's tiles, which share no pixel with any other, are inside `out`, whose shape
                // `convolve` has checked; N channels from `channel` on are inside the pixel.
                #[allow(unsafe_code)]
                let out = unsafe { target.slice(at, N) };
                self.job.epilogue.finish(&values, channel, out);
            }
        }
    }
}

// Plain loops over arrays, not the closures of `std::array`: those are compiled on their own, without vectors.

/// N values from `start` on.
#[inline(always)]
fn lanes<const N: usize>(values: &[f32], start: usize) -> [f32; N] {
    let mut out = [0.0; N];
    out.copy_from_slice(&values[start..start + N]);
    out
}

#[inline(always)]
fn add<const N: usize>(mut a: [f32; N], b: [f32; N]) -> [f32; N] {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
    a
}

#[inline(always)]
fn sub<const N: usize>(mut a: [f32; N], b: [f32; N]) -> [f32; N] {
    for (a, b) in a.iter_mut().zip(b) {
        *a -= b;
    }
    a
}

/// Bᵀ applied to four values along one axis.
#[inline(always)]
fn filter_rows<const N: usize>([a, b, c, d]: [[f32; N]; 4]) -> [[f32; N]; 4] {
    // Bᵀ = [1 0 −1 0; 0 1 1 0; 0 −1 1 0; 0 1 0 −1].
    [sub(a, c), add(b, c), sub(c, b), sub(b, d)]
}

/// Aᵀ applied to four values along one axis.
#[inline(always)]
fn sum_rows<const N: usize>([a, b, c, d]: [[f32; N]; 4]) -> [[f32; N]; 2] {
    // Aᵀ = [1 1 1 0; 0 1 −1 −1].
    [add(add(a, b), c), sub(sub(b, c), d)]
}
