//! Kernels on single elements: fills, copies of rows, Euler steps, velocities and classifier-free guidance.
//!
//! Each works on n elements with one unit for each, in cubes of 256 units: ⌈n / 256⌉ cubes. Arithmetic is in f32 whatever
//! the tensors' types. Cost: each input and output element is read or written once.

use cubecl::prelude::*;

use super::engine::GpuEngine;
use super::self_test::{CHANNELS, LATENTS, POSITIONS, Results, activations, full};
use super::tensor::GpuTensor;
use crate::{Backend, ComputeError};

#[cube(launch)]
fn fill_kernel<T: Float>(out: &mut [T], #[define(T)] _type: ElemType) {
    if ABSOLUTE_POS < out.len() {
        out[ABSOLUTE_POS] = T::cast_from(0.0f32);
    }
}

/// Writes zeros to all elements.
pub(super) fn fill_zero(engine: &GpuEngine, out: &GpuTensor) {
    let Some((count, dim)) = engine.elementwise(out.len(), out.len() * out.element.size()) else {
        return;
    };
    fill_kernel::launch(engine.client(), count, dim, out.arg(), out.element.kind());
}

/// `target[to + i] = source[from + i]` for `i < count`, converted to the target's type.
#[cube(launch)]
fn copy_kernel<S: Float, T: Float>(
    source: &[S],
    target: &mut [T],
    from: u32,
    to: u32,
    count: u32,
    #[define(S)] _source_type: ElemType,
    #[define(T)] _target_type: ElemType,
) {
    if ABSOLUTE_POS < count as usize {
        target[ABSOLUTE_POS + to as usize] = T::cast_from(source[ABSOLUTE_POS + from as usize]);
    }
}

/// See [`crate::Backend::copy_rows`].
pub(super) fn copy_rows(
    engine: &GpuEngine,
    source: &GpuTensor,
    from: usize,
    target: &GpuTensor,
    to: usize,
    count: usize,
) {
    let columns = source.columns();
    assert_eq!(columns, target.columns(), "rows of another width");
    assert!(
        from + count <= source.rows() && to + count <= target.rows(),
        "rows beyond their tensors"
    );
    let elements = count * columns;
    let bytes = elements * (source.element.size() + target.element.size());
    let Some((cubes, dim)) = engine.elementwise(elements, bytes) else {
        return;
    };
    copy_kernel::launch(
        engine.client(),
        cubes,
        dim,
        source.arg(),
        target.arg(),
        (from * columns) as u32,
        (to * columns) as u32,
        elements as u32,
        source.element.kind(),
        target.element.kind(),
    );
}

/// `target[row][column] = source[row][first + column]`.
#[cube(launch)]
fn columns_kernel<S: Float, T: Float>(
    source: &[S],
    target: &mut [T],
    first: u32,
    source_columns: u32,
    columns: u32,
    #[define(S)] _source_type: ElemType,
    #[define(T)] _target_type: ElemType,
) {
    if ABSOLUTE_POS < target.len() {
        let (row, column) = (
            ABSOLUTE_POS / columns as usize,
            ABSOLUTE_POS % columns as usize,
        );
        let at = row * source_columns as usize + first as usize + column;
        target[ABSOLUTE_POS] = T::cast_from(source[at]);
    }
}

/// See [`crate::Backend::copy_columns`].
pub(super) fn copy_columns(
    engine: &GpuEngine,
    source: &GpuTensor,
    first: usize,
    target: &GpuTensor,
) {
    let (from, to) = (source.columns(), target.columns());
    assert!(
        first + to <= from && source.rows() == target.rows(),
        "columns beyond their tensor"
    );
    let bytes = target.len() * (source.element.size() + target.element.size());
    let Some((count, dim)) = engine.elementwise(target.len(), bytes) else {
        return;
    };
    columns_kernel::launch(
        engine.client(),
        count,
        dim,
        source.arg(),
        target.arg(),
        first as u32,
        from as u32,
        to as u32,
        source.element.kind(),
        target.element.kind(),
    );
}

#[cube(launch)]
fn scale_kernel<T: Float>(x: &mut [T], factor: f32, #[define(T)] _type: ElemType) {
    if ABSOLUTE_POS < x.len() {
        x[ABSOLUTE_POS] = T::cast_from(f32::cast_from(x[ABSOLUTE_POS]) * factor);
    }
}

/// See [`crate::Backend::scale`].
pub(super) fn scale(engine: &GpuEngine, x: &GpuTensor, factor: f32) {
    let Some((count, dim)) = engine.elementwise(x.len(), 2 * x.len() * x.element.size()) else {
        return;
    };
    let kind = x.element.kind();
    scale_kernel::launch(engine.client(), count, dim, x.arg(), factor, kind);
}

#[cube(launch)]
fn euler_kernel<X: Float, V: Float>(
    x: &mut [X],
    velocity: &[V],
    dt: f32,
    #[define(X)] _x_type: ElemType,
    #[define(V)] _velocity_type: ElemType,
) {
    if ABSOLUTE_POS < x.len() {
        let moved = f32::cast_from(x[ABSOLUTE_POS]) - dt * f32::cast_from(velocity[ABSOLUTE_POS]);
        x[ABSOLUTE_POS] = X::cast_from(moved);
    }
}

/// See [`crate::Backend::euler_step`].
pub(super) fn euler_step(engine: &GpuEngine, x: &GpuTensor, velocity: &GpuTensor, dt: f32) {
    assert_eq!(x.len(), velocity.len(), "tensors of different sizes");
    let bytes = x.len() * (2 * x.element.size() + velocity.element.size());
    let Some((count, dim)) = engine.elementwise(x.len(), bytes) else {
        return;
    };
    euler_kernel::launch(
        engine.client(),
        count,
        dim,
        x.arg(),
        velocity.arg(),
        dt,
        x.element.kind(),
        velocity.element.kind(),
    );
}

#[cube(launch)]
fn velocity_kernel<X: Float, C: Float>(
    x: &[X],
    clean: &mut [C],
    t: f32,
    #[define(X)] _x_type: ElemType,
    #[define(C)] _clean_type: ElemType,
) {
    if ABSOLUTE_POS < clean.len() {
        // `clean` may hold several predictions of `x`, one after the other.
        let from = f32::cast_from(x[ABSOLUTE_POS % x.len()]);
        clean[ABSOLUTE_POS] = C::cast_from((from - f32::cast_from(clean[ABSOLUTE_POS])) / t);
    }
}

/// See [`crate::Backend::clean_to_velocity`].
pub(super) fn clean_to_velocity(engine: &GpuEngine, x: &GpuTensor, t: f32, clean: &GpuTensor) {
    assert!(
        !x.shape.is_empty() && clean.len().is_multiple_of(x.len().max(1)),
        "predictions of other tensors"
    );
    let bytes = clean.len() * (2 * clean.element.size() + x.element.size());
    let Some((count, dim)) = engine.elementwise(clean.len(), bytes) else {
        return;
    };
    velocity_kernel::launch(
        engine.client(),
        count,
        dim,
        x.arg(),
        clean.arg(),
        t,
        x.element.kind(),
        clean.element.kind(),
    );
}

#[cube(launch)]
fn cfg_kernel<P: Float, O: Float>(
    predictions: &[P],
    out: &mut [O],
    scale: f32,
    #[define(P)] _predictions_type: ElemType,
    #[define(O)] _out_type: ElemType,
) {
    if ABSOLUTE_POS < out.len() {
        let conditional = f32::cast_from(predictions[ABSOLUTE_POS]);
        // The second half of the predictions.
        let unconditional = f32::cast_from(predictions[ABSOLUTE_POS + out.len()]);
        let guided = unconditional + scale * (conditional - unconditional);
        out[ABSOLUTE_POS] = O::cast_from(guided);
    }
}

/// See [`crate::Backend::guide_cfg`].
pub(super) fn guide_cfg(engine: &GpuEngine, predictions: &GpuTensor, scale: f32, out: &GpuTensor) {
    assert_eq!(
        predictions.len(),
        2 * out.len(),
        "two predictions of each image"
    );
    let bytes = out.len() * (2 * predictions.element.size() + out.element.size());
    let Some((count, dim)) = engine.elementwise(out.len(), bytes) else {
        return;
    };
    cfg_kernel::launch(
        engine.client(),
        count,
        dim,
        predictions.arg(),
        out.arg(),
        scale,
        predictions.element.kind(),
        out.element.kind(),
    );
}

/// See [`super::self_test`].
pub(super) fn self_test<B: Backend>(engine: &B) -> Result<Results, ComputeError> {
    let rows = activations(engine, 1, &[POSITIONS, CHANNELS])?;
    let mut columns = engine.zeros(&[POSITIONS, CHANNELS / 2])?;
    engine.copy_columns(&rows, CHANNELS / 4, &mut columns)?;
    let mut results = vec![
        ("a copy of rows", engine.download(&rows)?),
        ("a copy of columns", engine.download(&columns)?),
    ];

    let mut x = full(engine, 6, &LATENTS)?;
    let mut velocity = full(engine, 7, &LATENTS)?;
    engine.euler_step(&mut x, &velocity, 0.25)?;
    results.push(("a step", engine.download(&x)?));
    engine.clean_to_velocity(&x, 0.5, &mut velocity)?;
    engine.scale(&mut velocity, 0.25)?;
    results.push(("a velocity", engine.download(&velocity)?));

    let predictions = full(engine, 7, &[2, LATENTS[1], LATENTS[2], LATENTS[3]])?;
    engine.guide_cfg(&predictions, 1.5, &mut velocity)?;
    results.push(("plain guidance", engine.download(&velocity)?));
    Ok(results)
}
