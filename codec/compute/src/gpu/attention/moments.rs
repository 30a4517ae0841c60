//! The moments of each head's queries and keys, for their norm: `[rows, 2·heads, 2]`, mean and reciprocal standard
//! deviation. Cubes of 128 units; 4 to 32 of them (by the head size) work on each head of a row; queries and keys are
//! read twice, the second time from the cache.

use std::ops::Range;

use cubecl::prelude::*;

use super::super::engine::{GpuEngine, Scratch};
use super::super::norm::lanes_moments;
use super::super::tensor::{Element, GpuTensor};
use crate::ComputeError;

/// Units of a cube that takes moments.
const MOMENT_UNITS: usize = 128;

/// Mean and reciprocal standard deviation of each head's queries and keys: `[rows, 2·heads, 2]`, by `lanes` units for each
/// pair from `first` on.
#[cube(launch)]
fn moments_kernel<T: Float>(
    qkv: &[T],
    moments: &mut [f32],
    heads: u32,
    head_dim: u32,
    first: u32,
    pairs: u32,
    eps: f32,
    #[comptime] lanes: u32,
    #[define(T)] _type: ElemType,
) {
    let mut shared = Shared::<[f32]>::new_slice(MOMENT_UNITS);
    let mut pair = CUBE_POS as u32 * comptime!(MOMENT_UNITS as u32 / lanes) + UNIT_POS / lanes;
    // Units beyond the last pair repeat it, since the reduction's barriers need every unit of the cube.
    let inside = pair < pairs;
    if !inside {
        pair = pairs - 1;
    }
    pair += first;
    // 2·heads pairs a row (queries, then keys) in rows of 3·heads: the values are skipped.
    let start = (pair / (2 * heads) * 3 * heads + pair % (2 * heads)) * head_dim;
    let (mean, factor) = lanes_moments::<T>(qkv, start as usize, head_dim, eps, &mut shared, lanes);
    let lane = UNIT_POS % lanes;
    if inside && lane == 0 {
        moments[pair as usize * 2] = mean;
        moments[pair as usize * 2 + 1] = factor;
    }
}

/// The moments of queries and keys of the given rows.
pub(super) fn moments<'a>(
    engine: &'a GpuEngine,
    qkv: &GpuTensor,
    rows: Range<usize>,
    (heads, head_dim): (usize, usize),
    eps: f32,
) -> Result<Scratch<'a>, ComputeError> {
    let moments = engine.scratch(&[rows.end, 2 * heads, 2], Element::F32)?;
    let pairs = rows.len() * 2 * heads;
    let lanes = head_dim.div_ceil(8).next_power_of_two().clamp(4, 32);
    engine.count(pairs * (head_dim * qkv.element.size() + 8));
    moments_kernel::launch(
        engine.client(),
        engine.cubes(pairs.div_ceil(MOMENT_UNITS / lanes)),
        CubeDim::new_1d(MOMENT_UNITS as u32),
        qkv.arg(),
        moments.arg(),
        heads as u32,
        head_dim as u32,
        (rows.start * 2 * heads) as u32,
        pairs as u32,
        eps,
        lanes as u32,
        qkv.element.kind(),
    );
    Ok(moments)
}
