//! Group norm over channels-last images, with reductions in a fixed order.
//!
//! Statistics are taken of the differences to the group's first value, so that a mean that is large relative to the spread
//! costs no precision, and always as count, mean and centred second moment, merged by Chan's formula. Three launches:
//! 1. Cubes of 256 units for each chunk of pixels (and block of 256 channels, where there are more): each unit takes every
//!    ⌊256 / channels⌋-th of the chunk's pixels of one channel, first for their mean and then for their moment; then the
//!    units of each channel are merged one after the other. `[chunks, channels, 2]` in f32.
//! 2. One cube of 256 units for each group merges chunks and channels, every unit its share in order and then pairwise
//!    through shared memory: `[groups, 2]`, mean and inverse standard deviation.
//! 3. One unit for each element, in cubes of 256, applies them, the affine parameters and the activation.
//!
//! Cost: the image is read three times (the second time from a cache) and written once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use cubecl::prelude::*;

use super::engine::GpuEngine;
use super::self_test::{self, IMAGE, Results, activations};
use super::tensor::{Element, GpuTensor};
use crate::backend::GroupNorm;
use crate::{Backend, ComputeError};

/// Units of a cube.
const UNITS: usize = 256;
/// Fewest pixels of a unit, where there are as many.
const PER_UNIT: usize = 32;
/// Most chunks of an image, roughly: units take more pixels if there would be more.
const CHUNKS: usize = 2048;
/// Parameters that stay on the device.
const KEPT: usize = 256;

/// Affine parameters that are on the device already, those used last at the end.
#[derive(Debug, Default)]
pub(super) struct Parameters(Mutex<Vec<Kept>>);

#[derive(Debug)]
struct Kept {
    hash: u64,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    tensor: Arc<GpuTensor>,
}

impl Parameters {
    /// The scales and then the offsets of all channels, uploaded if they are not there yet.
    fn get(&self, engine: &GpuEngine, norm: &GroupNorm) -> Result<Arc<GpuTensor>, ComputeError> {
        let mut hasher = DefaultHasher::new();
        let values = norm.gamma.iter().chain(&norm.beta);
        values.for_each(|value| value.to_bits().hash(&mut hasher));
        let hash = hasher.finish();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same =
            |kept: &Kept| kept.hash == hash && kept.gamma == norm.gamma && kept.beta == norm.beta;
        let entry = match kept.iter().position(same) {
            Some(index) => kept.remove(index),
            None => Kept {
                hash,
                gamma: norm.gamma.clone(),
                beta: norm.beta.clone(),
                tensor: Arc::new(engine.upload_f32(
                    &[&norm.gamma[..], &norm.beta[..]].concat(),
                    &[2, norm.gamma.len()],
                )?),
            },
        };
        let tensor = Arc::clone(&entry.tensor);
        kept.push(entry);
        if kept.len() > KEPT {
            kept.remove(0);
        }
        Ok(tensor)
    }
}

#[cube]
fn smaller(a: u32, b: u32) -> u32 {
    let mut result = a;
    if b < a {
        result = b;
    }
    result
}

/// Number, mean and centred second moment of some values.
#[derive(CubeType, Clone, Copy)]
struct Moments {
    count: f32,
    mean: f32,
    square: f32,
}

/// The moments of two sets of values together (Chan, Golub and LeVeque).
#[cube]
fn merge(a: Moments, b: Moments) -> Moments {
    let count = a.count + b.count;
    let mut share = 0.0f32;
    // A unit without values has count 0; two such would divide 0 by 0.
    if count > 0.0f32 {
        share = b.count / count;
    }
    let delta = b.mean - a.mean;
    Moments {
        count,
        mean: a.mean + delta * share,
        square: a.square + b.square + delta * delta * a.count * share,
    }
}

/// Mean and moment of each channel in each chunk of `rows·per_unit` pixels; `lanes` channels are side by side in a cube.
#[cube(launch)]
fn chunk_kernel<X: Float>(
    x: &[X],
    partial: &mut [f32],
    pixels: u32,
    channels: u32,
    per_group: u32,
    lanes: u32,
    blocks: u32,
    rows: u32,
    per_unit: u32,
    #[define(X)] _x_type: ElemType,
) {
    let mut means = Shared::<[f32]>::new_slice(UNITS);
    let mut squares = Shared::<[f32]>::new_slice(UNITS);
    let cube = CUBE_POS as u32;
    let chunk = cube / blocks;
    // Units are rows × lanes: lanes are neighbouring channels, for coalesced reads; rows are pixels. Surplus units
    // (where 256 is not a multiple of `lanes`) idle, but must reach the barrier.
    let row = UNIT_POS / lanes;
    let channel = cube % blocks * lanes + UNIT_POS % lanes;
    let start = chunk * rows * per_unit;
    let mut here = 0u32;
    if start < pixels {
        here = smaller(pixels - start, rows * per_unit);
    }
    let mut count = 0u32;
    if row < rows && row < here && channel < channels {
        // The pixels `row`, `row + rows`, … of those that the chunk has.
        count = (here - row).div_ceil(rows);
        // One shift for the whole group, so that its channels' means can be merged as they are.
        let shift = f32::cast_from(x[(channel / per_group * per_group) as usize]);
        let base = (start + row) * channels + channel;
        let step = rows * channels;
        let mut sum = 0.0f32;
        for index in 0..count {
            sum += f32::cast_from(x[(base + index * step) as usize]) - shift;
        }
        let mean = sum / f32::cast_from(count);
        let mut square = 0.0f32;
        for index in 0..count {
            let delta = f32::cast_from(x[(base + index * step) as usize]) - shift - mean;
            square += delta * delta;
        }
        means[UNIT_POS as usize] = mean;
        squares[UNIT_POS as usize] = square;
    }
    sync_cube();
    if row == 0 && count > 0 {
        // One unit a channel merges its rows in order: there are at most 256, and the order is fixed.
        let mut merged = f32::cast_from(count);
        let mut mean = means[UNIT_POS as usize];
        let mut square = squares[UNIT_POS as usize];
        for other in 1..smaller(rows, here) {
            let place = (other * lanes + UNIT_POS) as usize;
            let beside = Moments {
                count: f32::cast_from((here - other).div_ceil(rows)),
                mean: means[place],
                square: squares[place],
            };
            let so_far = Moments {
                count: merged,
                mean,
                square,
            };
            let both = merge(so_far, beside);
            merged = both.count;
            mean = both.mean;
            square = both.square;
        }
        let place = ((chunk * channels + channel) * 2) as usize;
        partial[place] = mean;
        partial[place + 1] = square;
    }
}

/// Mean and inverse standard deviation of each group, for cube (group).
#[cube(launch)]
fn group_kernel(
    partial: &[f32],
    statistics: &mut [f32],
    pixels: u32,
    channels: u32,
    per_group: u32,
    chunk: u32,
    chunks: u32,
    groups: u32,
    eps: f32,
) {
    let mut counts = Shared::<[f32]>::new_slice(UNITS);
    let mut means = Shared::<[f32]>::new_slice(UNITS);
    let mut squares = Shared::<[f32]>::new_slice(UNITS);
    let group = CUBE_POS as u32;
    let unit = UNIT_POS as usize;
    let mut count = 0.0f32;
    let mut mean = 0.0f32;
    let mut square = 0.0f32;
    let entries = chunks * per_group;
    for step in 0..entries.div_ceil(comptime!(UNITS as u32)) {
        let index = step * comptime!(UNITS as u32) + UNIT_POS;
        if index < entries && group < groups {
            let which = index / per_group;
            let place = ((which * channels + group * per_group + index % per_group) * 2) as usize;
            let own = Moments {
                count,
                mean,
                square,
            };
            let other = Moments {
                // Only the last chunk is shorter.
                count: f32::cast_from(smaller(pixels - which * chunk, chunk)),
                mean: partial[place],
                square: partial[place + 1],
            };
            let both = merge(own, other);
            count = both.count;
            mean = both.mean;
            square = both.square;
        }
    }
    counts[unit] = count;
    means[unit] = mean;
    squares[unit] = square;
    sync_cube();
    #[unroll]
    for level in 1..=comptime!(UNITS.ilog2()) {
        // Unit i takes in unit i + width; the barrier stands outside the branch, since every unit has to reach it.
        let width = comptime!(UNITS as u32 >> level);
        if UNIT_POS < width {
            let beside = (UNIT_POS + width) as usize;
            let first = Moments {
                count: counts[unit],
                mean: means[unit],
                square: squares[unit],
            };
            let second = Moments {
                count: counts[beside],
                mean: means[beside],
                square: squares[beside],
            };
            let both = merge(first, second);
            counts[unit] = both.count;
            means[unit] = both.mean;
            squares[unit] = both.square;
        }
        sync_cube();
    }
    if UNIT_POS == 0 && group < groups {
        let variance = squares[0] / counts[0];
        statistics[(group * 2) as usize] = means[0];
        statistics[(group * 2 + 1) as usize] = 1.0f32 / (variance + eps).sqrt();
    }
}

/// `out = (x − mean)·inverse·gamma + beta`, and SiLU of it with `activate`.
#[cube(launch)]
fn apply_kernel<X: Float, O: Float>(
    x: &[X],
    statistics: &[f32],
    parameters: &[f32],
    out: &mut [O],
    elements: u32,
    channels: u32,
    per_group: u32,
    #[comptime] activate: bool,
    #[define(X)] _x_type: ElemType,
    #[define(O)] _out_type: ElemType,
) {
    if ABSOLUTE_POS >= elements as usize {
        terminate!();
    }
    let channel = ABSOLUTE_POS as u32 % channels;
    let group = channel / per_group;
    let shift = f32::cast_from(x[(group * per_group) as usize]);
    // The mean was taken after the shift, so the shift is subtracted here as well.
    let centred = f32::cast_from(x[ABSOLUTE_POS]) - shift - statistics[(group * 2) as usize];
    let scale = statistics[(group * 2 + 1) as usize] * parameters[channel as usize];
    let mut y = centred * scale + parameters[(channels + channel) as usize];
    if comptime![activate] {
        y = y / (1.0 + (-y).exp());
    }
    out[ABSOLUTE_POS] = O::cast_from(y);
}

/// Group norm of `x`, and SiLU of it where `activate`.
pub(super) fn normalise(
    engine: &GpuEngine,
    x: &GpuTensor,
    norm: &GroupNorm,
    activate: bool,
    out: &GpuTensor,
) -> Result<(), ComputeError> {
    let (pixels, channels) = (x.rows(), x.columns());
    assert!(
        norm.gamma.len() == channels
            && norm.beta.len() == channels
            && norm.groups > 0
            && channels.is_multiple_of(norm.groups),
        "a group norm of other channels"
    );
    assert!(out.len() >= x.len(), "a group norm into a smaller tensor");
    if x.len() == 0 {
        return Ok(());
    }
    let lanes = channels.min(UNITS);
    let blocks = channels.div_ceil(lanes);
    let rows = UNITS / lanes;
    let per_unit = pixels.div_ceil(rows * CHUNKS).max(PER_UNIT);
    let chunk = rows * per_unit;
    let chunks = pixels.div_ceil(chunk);
    let per_group = channels / norm.groups;
    let partial = engine.scratch(&[chunks, channels, 2], Element::F32)?;
    let statistics = engine.scratch(&[norm.groups, 2], Element::F32)?;
    let parameters = engine.group_norms.get(engine, norm)?;
    let dim = CubeDim::new_1d(UNITS as u32);
    engine.count(x.len() * x.element.size() + partial.len() * 4);
    chunk_kernel::launch(
        engine.client(),
        engine.cubes(chunks * blocks),
        dim,
        x.arg(),
        partial.arg(),
        pixels as u32,
        channels as u32,
        per_group as u32,
        lanes as u32,
        blocks as u32,
        rows as u32,
        per_unit as u32,
        x.element.kind(),
    );
    engine.count((partial.len() + statistics.len()) * 4);
    group_kernel::launch(
        engine.client(),
        engine.cubes(norm.groups),
        dim,
        partial.arg(),
        statistics.arg(),
        pixels as u32,
        channels as u32,
        per_group as u32,
        chunk as u32,
        chunks as u32,
        norm.groups as u32,
        norm.eps,
    );
    let bytes = x.len() * (x.element.size() + out.element.size());
    if let Some((count, dim)) = engine.elementwise(x.len(), bytes) {
        apply_kernel::launch(
            engine.client(),
            count,
            dim,
            x.arg(),
            statistics.arg(),
            parameters.arg(),
            out.arg(),
            x.len() as u32,
            channels as u32,
            per_group as u32,
            activate,
            x.element.kind(),
            out.element.kind(),
        );
    }
    Ok(())
}

/// See [`crate::Backend::group_norm`].
pub(super) fn group_norm(
    engine: &GpuEngine,
    x: &GpuTensor,
    norm: &GroupNorm,
    out: &mut GpuTensor,
) -> Result<(), ComputeError> {
    normalise(engine, x, norm, false, out)
}

/// See [`super::self_test`].
pub(super) fn self_test<B: Backend>(engine: &B) -> Result<Results, ComputeError> {
    let image = activations(engine, 8, &IMAGE)?;
    let norm = self_test::group_norm(IMAGE[2]);
    let mut out = engine.zeros(&IMAGE)?;
    engine.group_norm(&image, &norm, &mut out)?;
    Ok(vec![("the group norm", engine.download(&out)?)])
}
