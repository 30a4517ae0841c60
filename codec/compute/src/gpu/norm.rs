//! Layer norm with adaLN modulation, and the moments of a layer norm in general.
//!
//! `x` and `out` are `[rows, width]` of any width; modulation tables are `[steps, vectors·width]`. One cube per row, of 32 to
//! 256 units (a power of two that follows from the width), which walk over the row side by side, so that reads and
//! writes are coalesced. Mean and variance are taken in two passes, every unit's own share in order and then pairwise
//! through shared memory: a fixed order, so a device gives the same bytes on each run. Arithmetic is in f32 whatever the
//! tensors' types. Cost: one launch; each row is read three times, the last two from the cache, and
//! written once, and each modulation vector is read once per row.

use std::ops::Range;

use cubecl::prelude::*;

use super::engine::GpuEngine;
use super::linear::offsets;
use super::self_test::{CHANNELS, POSITIONS, Results, activations, full};
use super::tensor::GpuTensor;
use crate::backend::{Modulation, ModulationVector};
use crate::{Backend, ComputeError};

/// Adds up `own` over each run of `lanes` units of the cube, pairwise in a fixed order, for all units to see. `lanes` is a
/// power of two; `shared` has an element for each unit. Every unit of the cube has to call this.
#[cube]
pub(super) fn lanes_sum(own: f32, shared: &mut Shared<[f32]>, #[comptime] lanes: u32) -> f32 {
    // The first barrier is needed because a previous sum's result may still be read. Barriers stay outside the
    // branch on `lane`, since every unit has to reach them.
    let lane = UNIT_POS % lanes;
    sync_cube();
    shared[UNIT_POS as usize] = own;
    sync_cube();
    let mut width = comptime!(lanes / 2).runtime();
    while width > 0 {
        if lane < width {
            let other = shared[(UNIT_POS + width) as usize];
            shared[UNIT_POS as usize] += other;
        }
        sync_cube();
        width /= 2;
    }
    shared[(UNIT_POS - lane) as usize]
}

/// Mean and reciprocal standard deviation (biased variance plus `eps`) of `width` elements of `x` from `start` on, by the
/// `lanes` units that stand side by side from `UNIT_POS − lane` on.
#[cube]
pub(super) fn lanes_moments<T: Float>(
    x: &[T],
    start: usize,
    width: u32,
    eps: f32,
    shared: &mut Shared<[f32]>,
    #[comptime] lanes: u32,
) -> (f32, f32) {
    let lane = UNIT_POS % lanes;
    let mut sum = 0.0f32;
    let mut column = lane;
    while column < width {
        sum += f32::cast_from(x[start + column as usize]);
        column += lanes;
    }
    let mean = lanes_sum(sum, shared, lanes) / f32::cast_from(width);
    let mut square = 0.0f32;
    let mut column = lane;
    while column < width {
        // A second pass over centred values: E[x²] − mean² would cancel in f32 where the mean is large.
        let centred = f32::cast_from(x[start + column as usize]) - mean;
        square += centred * centred;
        column += lanes;
    }
    let variance = lanes_sum(square, shared, lanes) / f32::cast_from(width);
    (mean, 1.0 / (variance + eps).sqrt())
}

/// `out[row] = norm(x[row])·(1 + scale) + shift` for the row `first + CUBE_POS`. Vectors start at `_first` in their table
/// for rows before `_split`, at `_second` from there on.
#[cube(launch)]
fn norm_kernel<X: Float, A: Float, B: Float, O: Float>(
    x: &[X],
    scales: &[A],
    shifts: &[B],
    out: &mut [O],
    width: u32,
    first: u32,
    rows: u32,
    eps: f32,
    scale_split: u32,
    scale_first: u32,
    scale_second: u32,
    shift_split: u32,
    shift_first: u32,
    shift_second: u32,
    #[comptime] units: usize,
    #[comptime] modulated: bool,
    #[define(X)] _x_type: ElemType,
    #[define(A)] _scales_type: ElemType,
    #[define(B)] _shifts_type: ElemType,
    #[define(O)] _out_type: ElemType,
) {
    let mut shared = Shared::<[f32]>::new_slice(units);
    // Cubes beyond the last row work on it too, since all of a cube's units have to meet, but write nothing.
    let mut row = CUBE_POS as u32;
    if row >= rows {
        row = rows - 1;
    }
    row += first;
    let start = (row * width) as usize;
    let (mean, factor) =
        lanes_moments::<X>(x, start, width, eps, &mut shared, comptime!(units as u32));
    let mut scale = scale_first;
    if row >= scale_split {
        scale = scale_second;
    }
    let mut shift = shift_first;
    if row >= shift_split {
        shift = shift_second;
    }
    let mut column = UNIT_POS;
    if (CUBE_POS as u32) >= rows {
        column = width;
    }
    while column < width {
        let at = start + column as usize;
        let mut y = (f32::cast_from(x[at]) - mean) * factor;
        if comptime![modulated] {
            let by = 1.0 + f32::cast_from(scales[(scale + column) as usize]);
            y = y * by + f32::cast_from(shifts[(shift + column) as usize]);
        }
        out[at] = O::cast_from(y);
        column += comptime!(units as u32);
    }
}

/// See [`crate::Backend::norm_modulate`].
pub(super) fn norm_modulate(
    engine: &GpuEngine,
    x: &GpuTensor,
    rows: Range<usize>,
    eps: f32,
    modulation: Option<&Modulation<'_, GpuTensor>>,
    out: &mut GpuTensor,
) {
    let width = x.columns();
    assert_eq!(width, out.columns(), "layer norm on another width");
    assert!(
        x.rows() >= rows.end && out.rows() >= rows.end,
        "layer norm of more rows than its tensors have"
    );
    if rows.is_empty() || width == 0 {
        return;
    }
    let units = width.div_ceil(4).next_power_of_two().clamp(32, 256);
    // A kernel without a modulation does not look at the tables, but an argument must be bound.
    let (scales, shifts) = modulation.map_or((x, x), |m| (m.scale.table, m.shift.table));
    let (scale, shift) =
        modulation.map_or(((0, 0), (0, 0)), |m| (offsets(&m.scale), offsets(&m.shift)));
    let splits = modulation.map_or((0, 0), |m| (m.scale.split, m.shift.split));
    let split = |split: usize| split.min(u32::MAX as usize) as u32;
    if let Some(m) = modulation {
        for vector in [&m.scale, &m.shift] {
            let start = vector.row * vector.table.columns() + vector.first.max(vector.second);
            assert!(
                start + width <= vector.table.len(),
                "a modulation beyond its table"
            );
        }
    }
    let vectors = modulation.map_or(0, |_| scales.element.size() + shifts.element.size());
    engine.count(rows.len() * width * (x.element.size() + out.element.size() + vectors));
    norm_kernel::launch(
        engine.client(),
        engine.cubes(rows.len()),
        CubeDim::new_1d(units as u32),
        x.arg(),
        scales.arg(),
        shifts.arg(),
        out.arg(),
        width as u32,
        rows.start as u32,
        rows.len() as u32,
        eps,
        split(splits.0),
        scale.0,
        scale.1,
        split(splits.1),
        shift.0,
        shift.1,
        units,
        modulation.is_some(),
        x.element.kind(),
        scales.element.kind(),
        shifts.element.kind(),
        out.element.kind(),
    );
}

/// See [`super::self_test`].
pub(super) fn self_test<B: Backend>(engine: &B) -> Result<Results, ComputeError> {
    let x = activations(engine, 1, &[POSITIONS, CHANNELS])?;
    let table = full(engine, 2, &[1, 4 * CHANNELS])?;
    let vector = |first: usize| ModulationVector {
        table: &table,
        row: 0,
        split: POSITIONS / 2,
        first: first * CHANNELS,
        second: (first + 1) * CHANNELS,
    };
    let (shift, scale) = (vector(0), vector(2));
    let mut out = engine.zeros(&[POSITIONS, CHANNELS])?;
    let modulation = Some(Modulation { shift, scale });
    engine.norm_modulate(&x, 0..POSITIONS, 1e-5, modulation, &mut out)?;
    Ok(vec![("the norm", engine.download(&out)?)])
}
