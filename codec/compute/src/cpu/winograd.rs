//! 3×3 convolutions of stride 1 by Winograd's minimal filtering F(4×4, 3×3) (Lavin and Gray, "Fast algorithms for
//! convolutional neural networks", 2016): 36 products per sixteen outputs instead of 144.
//!
//! A task takes a block of tiles through all three steps (transform inputs, a matrix product for each point, transform
//! outputs) while they are in cache. Tiles lie at multiples of [`TILE`], and each output is computed from its own tile's
//! inputs alone: its bits depend on neither the picture's size nor the number of tiles and threads.

use std::ops::Range;

use rayon::prelude::*;

use self::transform::{LANES, TILE, from_points, load, to_points};
use super::buffer::CpuTensor;
use super::context::Context;
use super::conv::Epilogue;
use super::microkernel::{Kernels, RowBlock, SharedMut, multiply};
use super::outputs::Source;
use super::packed::PackedLinear;
use super::products::Products;
use crate::{ComputeError, DType, Weight};

mod transform;

/// Side of a transformed tile: the outputs and the two inputs more that a 3×3 kernel sees.
const SIDE: usize = TILE + 2;
/// Values of a transformed tile.
const POINTS: usize = SIDE * SIDE;
/// Floats that a task's tiles take, so that they stay in a core's own cache of the second level, beside the weights.
const BLOCK: usize = 80 << 10;

/// Channels that a tile is transformed for at once: memory is then read and written in runs of several cache lines.
const CHANNELS: usize = 64;

/// A tile that is transformed along one axis.
type Between = [[[f32; CHANNELS]; SIDE]; SIDE];

/// Whether a convolution of these channels gains from the transform.
pub(super) fn suits(inputs: usize, outputs: usize) -> bool {
    inputs >= 32 && outputs >= 32
}

/// Transforms and packs `[outputs, inputs, 3, 3]` weights: a matrix for each point of a tile.
pub(super) fn pack(
    kernels: Kernels,
    weight: &Weight,
    (outputs, inputs): (usize, usize),
) -> Result<PackedLinear, ComputeError> {
    let factors = transform::weight_factors();
    // Once, since every point needs all of them.
    let originals = weight.to_f32()?;
    let fill = |output: usize, row: &mut [f32], _: &mut [f32]| {
        let (point, output) = (output / outputs, output % outputs);
        let (down, across) = (factors[point / SIDE], factors[point % SIDE]);
        let factors: [f64; 9] = std::array::from_fn(|tap| down[tap / 3] * across[tap % 3]);
        let originals = &originals[output * inputs * 9..];
        for (value, taps) in row.iter_mut().zip(originals.as_chunks::<9>().0) {
            let products = taps.iter().zip(factors);
            *value = products.map(|(&tap, f)| f64::from(tap) * f).sum::<f64>() as f32;
        }
    };
    PackedLinear::pack(
        Products::single(kernels),
        // Transformed weights are sums of the stored ones, which 16 bits would round.
        DType::F32,
        inputs,
        &[outputs; POINTS],
        Vec::new(),
        &Source {
            fill: &fill,
            scratch: 0,
        },
    )
}

/// What the tasks of one convolution share.
pub(super) struct Job<'a> {
    /// The input, `[height, width, inputs]`.
    pub(super) x: &'a [f32],
    /// Height and width of input and output.
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
    let (inputs, outputs) = (
        job.weights.outputs().inputs(),
        job.weights.outputs().count() / POINTS,
    );
    let (height, width) = job.size;
    assert_eq!(
        out.shape(),
        [height, width, outputs],
        "convolution into another shape"
    );
    assert_eq!(
        job.x.len(),
        height * width * inputs,
        "input of another size"
    );
    let tiles = height.div_ceil(TILE) * width.div_ceil(TILE);
    // Of many channels more than fit: all weights pass by once for each task.
    let most = (BLOCK / (POINTS * inputs.max(outputs))).max(inputs.min(outputs) / 4);
    // A multiple of the threads, so that none runs a last task while the others wait.
    let tasks = tiles.div_ceil(most).next_multiple_of(context.threads);
    let slots = tiles.div_ceil(tasks);
    let target = SharedMut::new(out.values_mut());
    (0..tiles.div_ceil(slots))
        .into_par_iter()
        .with_max_len(1)
        .try_for_each(|task| {
            let tiles = task * slots..tiles.min((task + 1) * slots);
            // A line more than the tiles take: points that lie a power of two apart would share a cache's sets.
            let plane = slots * inputs.max(outputs) + LANES;
            let block = Block {
                job,
                tiles,
                plane: plane.next_multiple_of(LANES),
            };
            block.run(context, target)
        })
}

/// The tiles of one task; each has a slot in each plane of the scratch memory.
struct Block<'a> {
    job: &'a Job<'a>,
    tiles: Range<usize>,
    /// Floats from one point's values to the next point's: `[slot][channel]` of all tiles, and more.
    plane: usize,
}

impl Block<'_> {
    /// All three steps.
    fn run(&self, context: Context<'_>, target: SharedMut) -> Result<(), ComputeError> {
        let inputs = self.job.weights.outputs().inputs();
        let mut scratch = context
            .pool
            .take_in_task(self.plane * (POINTS + 1) + inputs)?;
        // Products of a point overwrite the inputs of the point before, which are one plane further than its products.
        let (planes, outside) = scratch.split_at_mut(self.plane * (POINTS + 1));
        outside.fill(0.0);
        let outside = &*outside;
        let mut between = [[[0.0; CHANNELS]; SIDE]; SIDE];
        let inputs = &mut planes[self.plane..];
        context.vectorized_mut(
            #[inline(always)]
            || {
                for (slot, tile) in self.tiles.clone().enumerate() {
                    self.transform_input((tile, slot), outside, &mut between, inputs);
                }
            },
        );
        self.multiply(context, planes)?;
        let products = &*planes;
        context.vectorized_mut(
            #[inline(always)]
            || {
                for (slot, tile) in self.tiles.clone().enumerate() {
                    self.transform_output((tile, slot), products, &mut between, target);
                }
            },
        );
        Ok(())
    }

    /// The products of all points. Points are the outer loop, so that a point's inputs stay in cache while all its
    /// weights pass by.
    fn multiply(&self, context: Context<'_>, planes: &mut [f32]) -> Result<(), ComputeError> {
        let weights = self.job.weights;
        let (inputs, outputs) = (
            weights.outputs().inputs(),
            weights.outputs().count() / POINTS,
        );
        let panels = weights.outputs().panels() / POINTS;
        let count = self.tiles.len();
        assert!(
            self.plane >= count * inputs.max(outputs) && planes.len() > self.plane * POINTS,
            "scratch of another size"
        );
        for index in 0..POINTS * panels {
            let (point, panel) = (index / panels, index % panels);
            let start = weights.outputs().columns(panel).start;
            let values = weights.panel(context.pool, index)?;
            let (before, after) = planes.split_at_mut((point + 1) * self.plane);
            let rows = RowBlock {
                x: after.as_ptr(),
                x_stride: inputs,
                out: before[point * self.plane + start..].as_mut_ptr(),
                out_stride: outputs,
                count,
                accumulate: false,
            };
            // SAFETY: the panel is whole and its outputs are `start` and following of the `outputs`; both planes have room
            // for `count` rows, as just checked, and do not overlap.
            #[allow(unsafe_code)]
            unsafe {
                multiply(context.kernels, values.whole(), rows);
            }
        }
        Ok(())
    }

    /// The position of a tile's first output.
    #[inline(always)]
    fn place(&self, tile: usize) -> (usize, usize) {
        let columns = self.job.size.1.div_ceil(TILE);
        (tile / columns * TILE, tile % columns * TILE)
    }

    /// The points of the 6×6 inputs of a tile, for all channels.
    #[inline(always)]
    fn transform_input(
        &self,
        (tile, slot): (usize, usize),
        outside: &[f32],
        between: &mut Between,
        transformed: &mut [f32],
    ) {
        let inputs = self.job.weights.outputs().inputs();
        let (height, width) = self.job.size;
        let (top, left) = self.place(tile);
        for first in (0..inputs).step_by(CHANNELS) {
            let count = CHANNELS.min(inputs - first);
            let whole = count / LANES * LANES;
            for (row, between) in between.iter_mut().enumerate() {
                // One row and column before the outputs; before the picture this wraps around to more than any size.
                let y = (top + row).wrapping_sub(1);
                let mut pixels = [outside; SIDE];
                for (column, pixel) in pixels.iter_mut().enumerate() {
                    let x = (left + column).wrapping_sub(1);
                    if y < height && x < width {
                        *pixel = &self.job.x[(y * width + x) * inputs + first..][..count];
                    }
                }
                for channel in (0..whole).step_by(LANES) {
                    put(between, channel, to_points::<LANES>(load(pixels, channel)));
                }
                for channel in whole..count {
                    put(between, channel, to_points::<1>(load(pixels, channel)));
                }
            }
            let place = slot * inputs + first;
            for column in 0..SIDE {
                let rows = between.each_ref().map(|row| &row[column][..]);
                let out = &mut transformed[column * self.plane + place..];
                for channel in (0..whole).step_by(LANES) {
                    self.put_points::<LANES>(to_points(load(rows, channel)), &mut out[channel..]);
                }
                for channel in whole..count {
                    self.put_points::<1>(to_points(load(rows, channel)), &mut out[channel..]);
                }
            }
        }
    }

    /// Stores a column of points, the first of them at the beginning of `out`.
    #[inline(always)]
    fn put_points<const N: usize>(&self, values: [[f32; N]; SIDE], out: &mut [f32]) {
        for (row, values) in values.iter().enumerate() {
            // The tiles of one point are the rows of its matrix product.
            out[row * SIDE * self.plane..][..N].copy_from_slice(values);
        }
    }

    /// The sixteen outputs of the products of a tile, plus the bias, with the epilogue, for all channels.
    #[inline(always)]
    fn transform_output(
        &self,
        (tile, slot): (usize, usize),
        products: &[f32],
        between: &mut Between,
        target: SharedMut,
    ) {
        let outputs = self.job.weights.outputs().count() / POINTS;
        for first in (0..outputs).step_by(CHANNELS) {
            let count = CHANNELS.min(outputs - first);
            let whole = count / LANES * LANES;
            for column in 0..SIDE {
                let mut points = [products; SIDE];
                for (row, point) in points.iter_mut().enumerate() {
                    let at = (row * SIDE + column) * self.plane + slot * outputs + first;
                    *point = &products[at..][..count];
                }
                for channel in (0..whole).step_by(LANES) {
                    let values = from_points::<LANES>(load(points, channel));
                    put_column(between, (column, channel), values);
                }
                for channel in whole..count {
                    let values = from_points::<1>(load(points, channel));
                    put_column(between, (column, channel), values);
                }
            }
            for (y, row) in between.iter().enumerate().take(TILE) {
                let points = row.each_ref().map(|point| &point[..]);
                for channel in (0..whole).step_by(LANES) {
                    let values = from_points::<LANES>(load(points, channel));
                    self.finish((tile, y), first + channel, values, target);
                }
                for channel in whole..count {
                    let values = from_points::<1>(load(points, channel));
                    self.finish((tile, y), first + channel, values, target);
                }
            }
        }
    }

    /// Bias, epilogue and storing of N channels of one row of a tile's outputs.
    #[inline(always)]
    fn finish<const N: usize>(
        &self,
        (tile, y): (usize, usize),
        channel: usize,
        mut values: [[f32; N]; TILE],
        target: SharedMut,
    ) {
        let outputs = self.job.weights.outputs().count() / POINTS;
        let (height, width) = self.job.size;
        let (top, left) = self.place(tile);
        if !self.job.bias.is_empty() {
            let [bias] = load::<1, N>([self.job.bias], channel);
            for values in &mut values {
                for i in 0..N {
                    values[i] += bias[i];
                }
            }
        }
        // The last tiles of a side that is no multiple have rows or columns too many. The loop's length is constant all the
        // same, so that values stay in registers.
        for (x, values) in values.iter().enumerate() {
            if top + y < height && left + x < width {
                let at = ((top + y) * width + left + x) * outputs + channel;
                // SAFETY: this task's tiles, which share no pixel with any other, are inside `out`, whose shape
                // `convolve` has checked; N channels from `channel` on are inside the pixel.
                #[allow(unsafe_code)]
                let out = unsafe { target.slice(at, N) };
                self.job.epilogue.finish(values, channel, out);
            }
        }
    }
}

/// Stores N channels of a row of points.
#[inline(always)]
fn put<const N: usize>(
    row: &mut [[f32; CHANNELS]; SIDE],
    channel: usize,
    values: [[f32; N]; SIDE],
) {
    for (out, values) in row.iter_mut().zip(&values) {
        out[channel..channel + N].copy_from_slice(values);
    }
}

/// Stores N channels of a column of outputs along the other axis.
#[inline(always)]
fn put_column<const N: usize>(
    between: &mut Between,
    (column, channel): (usize, usize),
    values: [[f32; N]; TILE],
) {
    for (row, values) in between.iter_mut().zip(&values) {
        row[column][channel..channel + N].copy_from_slice(values);
    }
}
