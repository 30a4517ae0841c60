//! Adaptive projected guidance (network.md section 6.3), with reductions in a fixed order.
//!
//! A norm or dot product over an image's n values is taken in two stages: cubes of 256 units sum one chunk of 4096 values
//! each, every unit its own 16 in order and then pairwise through shared memory; then one cube per image adds the chunks'
//! sums the same way. No float atomics, so a device gives the same bytes on each run. Three launches per step and batch:
//! the running difference with its chunks' sums, the images' sums, the guided velocity. Each value is read and written
//! once per launch that needs it.

use cubecl::prelude::*;

use super::engine::GpuEngine;
use super::self_test::{LATENTS, Results, full};
use super::tensor::{Element, GpuTensor};
use crate::backend::ApgParameters;
use crate::{Backend, ComputeError};

/// Units of a cube.
const UNITS: usize = 256;
/// Times that they are halved until one is left.
const HALVINGS: u32 = UNITS.ilog2();
/// Values that one unit adds up.
const PER_UNIT: usize = 16;
/// Values that one cube adds up.
const CHUNK: usize = UNITS * PER_UNIT;
/// Sums of a chunk or image: |m|², |c|² and m·c.
const SUMS: usize = 3;

/// Adds up `own` over the cube, pairwise in a fixed order; the result is in the first unit's place of `shared`.
#[cube]
fn cube_sum(own: f32, shared: &mut Shared<[f32]>) -> f32 {
    sync_cube();
    // Without the barrier before, a fast unit would overwrite a previous sum that others still read.
    shared[UNIT_POS as usize] = own;
    sync_cube();
    #[unroll]
    for step in 0..HALVINGS {
        let width = comptime!(UNITS as u32 >> (step + 1));
        if UNIT_POS < width {
            let other = shared[(UNIT_POS + width) as usize];
            shared[UNIT_POS as usize] += other;
        }
        sync_cube();
    }
    shared[0]
}

/// `m = c − u + momentum·m` and the sums of each chunk, for cube (chunk, image).
#[cube(launch)]
fn difference_kernel<P: Float, M: Float>(
    predictions: &[P],
    running: &mut [M],
    sums: &mut [f32],
    one: u32,
    all: u32,
    chunks: u32,
    momentum: f32,
    #[define(P)] _predictions_type: ElemType,
    #[define(M)] _running_type: ElemType,
) {
    let (image, chunk) = (CUBE_POS_Y, CUBE_POS_X);
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let mut square = 0.0f32;
    let mut norm = 0.0f32;
    let mut dot = 0.0f32;
    for step in 0..PER_UNIT {
        // A unit strides by the cube's width rather than taking 16 in a row: each step's reads are coalesced.
        let within = chunk as usize * CHUNK + step * UNITS + UNIT_POS as usize;
        if within < one as usize {
            let at = image as usize * one as usize + within;
            let c = f32::cast_from(predictions[at]);
            // The unconditional predictions of all images follow the conditional ones.
            let u = f32::cast_from(predictions[at + all as usize]);
            let m = c - u + momentum * f32::cast_from(running[at]);
            running[at] = M::cast_from(m);
            square += m * m;
            norm += c * c;
            dot += m * c;
        }
    }
    let square = cube_sum(square, &mut shared);
    let norm = cube_sum(norm, &mut shared);
    let dot = cube_sum(dot, &mut shared);
    if UNIT_POS == 0 {
        let place = (image * chunks + chunk) as usize * SUMS;
        sums[place] = square;
        sums[place + 1] = norm;
        sums[place + 2] = dot;
    }
}

/// The sums of each image from those of its chunks, for cube (image).
#[cube(launch)]
fn total_kernel(sums: &[f32], totals: &mut [f32], chunks: u32, rounds: u32) {
    let image = CUBE_POS_X;
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    #[unroll]
    for which in 0..SUMS {
        let mut own = 0.0f32;
        for round in 0..rounds {
            let chunk = round * comptime!(UNITS as u32) + UNIT_POS;
            if chunk < chunks {
                own += sums[(image * chunks + chunk) as usize * SUMS + which];
            }
        }
        let total = cube_sum(own, &mut shared);
        if UNIT_POS == 0 {
            totals[image as usize * SUMS + which] = total;
        }
    }
}

/// `out = c + scale·(m′ − (1 − eta)·(m′·ĉ)ĉ)` with m′ shrunk to the norm threshold and ĉ of unit length.
#[cube(launch)]
fn guide_kernel<P: Float, M: Float, O: Float>(
    predictions: &[P],
    running: &[M],
    totals: &[f32],
    out: &mut [O],
    one: u32,
    scale: f32,
    threshold: f32,
    eta: f32,
    #[define(P)] _predictions_type: ElemType,
    #[define(M)] _running_type: ElemType,
    #[define(O)] _out_type: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let place = ABSOLUTE_POS / one as usize * SUMS;
    let norm = totals[place].sqrt();
    let mut shrink = 1.0f32;
    if norm > threshold {
        shrink = threshold / norm;
    }
    let mut square = totals[place + 1];
    // The floor of 1e-12 that the CPU engine sets to the length of c, squared.
    if square < 1e-24f32 {
        square = 1e-24f32;
    }
    // m·c was summed before shrinking, so it is shrunk here; dividing by c·c makes `along·c` the projection onto c.
    let along = totals[place + 2] * shrink / square;
    let c = f32::cast_from(predictions[ABSOLUTE_POS]);
    let m = f32::cast_from(running[ABSOLUTE_POS]) * shrink;
    let parallel = along * c;
    out[ABSOLUTE_POS] = O::cast_from(c + scale * (m - parallel + eta * parallel));
}

/// See [`crate::Backend::guide_apg`].
pub(super) fn guide_apg(
    engine: &GpuEngine,
    predictions: &GpuTensor,
    parameters: ApgParameters,
    running: &GpuTensor,
    out: &GpuTensor,
) -> Result<(), ComputeError> {
    let all = out.len();
    assert_eq!(predictions.len(), 2 * all, "two predictions of each image");
    assert_eq!(running.len(), all, "a state of other images");
    if all == 0 {
        return Ok(());
    }
    let images = out.shape.first().map_or(1, |&images| images.max(1));
    let one = all / images;
    let chunks = one.div_ceil(CHUNK);
    let sums = engine.scratch(&[images, chunks, SUMS], Element::F32)?;
    let totals = engine.scratch(&[images, SUMS], Element::F32)?;
    let dim = CubeDim::new_1d(UNITS as u32);
    let passed = all * 2 * (predictions.element.size() + running.element.size());
    engine.count(passed);
    difference_kernel::launch(
        engine.client(),
        CubeCount::Static(chunks as u32, images as u32, 1),
        dim,
        predictions.arg(),
        running.arg(),
        sums.arg(),
        one as u32,
        all as u32,
        chunks as u32,
        parameters.momentum,
        predictions.element.kind(),
        running.element.kind(),
    );
    engine.count(sums.len() * 4);
    let count = CubeCount::Static(images as u32, 1, 1);
    total_kernel::launch(
        engine.client(),
        count,
        dim,
        sums.arg(),
        totals.arg(),
        chunks as u32,
        chunks.div_ceil(UNITS) as u32,
    );
    let bytes = all * (predictions.element.size() + running.element.size() + out.element.size());
    let Some((count, dim)) = engine.elementwise(all, bytes) else {
        return Ok(());
    };
    guide_kernel::launch(
        engine.client(),
        count,
        dim,
        predictions.arg(),
        running.arg(),
        totals.arg(),
        out.arg(),
        one as u32,
        parameters.scale - 1.0,
        parameters.norm_threshold,
        parameters.eta,
        predictions.element.kind(),
        running.element.kind(),
        out.element.kind(),
    );
    Ok(())
}

/// See [`super::self_test`].
pub(super) fn self_test<B: Backend>(engine: &B) -> Result<Results, ComputeError> {
    let [images, height, width, channels] = LATENTS;
    let predictions = full(engine, 7, &[2 * images, height, width, channels])?;
    let mut running = engine.zeros_full(&LATENTS)?;
    let mut velocity = engine.zeros_full(&LATENTS)?;
    let parameters = ApgParameters::published(7.5);
    engine.guide_apg(&predictions, parameters, &mut running, &mut velocity)?;
    Ok(vec![
        ("projected guidance", engine.download(&velocity)?),
        ("its running difference", engine.download(&running)?),
    ])
}
