//! Operations on single elements and whole-tensor reductions: patches, Euler steps, guidance.

use super::buffer::CpuTensor;
use super::context::Context;
use crate::backend::ApgParameters;

/// The grid of patches that `[B, H, W, C]` latents have, as (columns, floats of one patch row). Whole patches in height
/// make the images' rows of patches follow one another.
fn patch_row(latents: &CpuTensor, patch: usize) -> (usize, usize) {
    let &[_, height, width, channels] = latents.shape() else {
        panic!("latents are [B, H, W, C]")
    };
    assert!(
        height % patch == 0 && width % patch == 0,
        "latents are not a whole number of patches"
    );
    (width / patch, patch * channels)
}

/// See [`crate::Backend::patchify`].
pub(super) fn patchify(latents: &CpuTensor, patch: usize, factor: f32, out: &mut CpuTensor) {
    let (columns, run) = patch_row(latents, patch);
    let out = out.values_mut();
    for (index, values) in latents.values().chunks_exact(run).enumerate() {
        let (row, column) = (index / columns, index % columns);
        // A run is the part of a pixel row inside one patch; patch (row / patch, column) has `patch` runs.
        let start = ((row / patch * columns + column) * patch + row % patch) * run;
        for (out, value) in out[start..start + run].iter_mut().zip(values) {
            *out = value * factor;
        }
    }
}

/// See [`crate::Backend::unpatchify`].
pub(super) fn unpatchify(patches: &CpuTensor, patch: usize, out: &mut CpuTensor) {
    let (columns, run) = patch_row(out, patch);
    for (index, values) in out.values_mut().chunks_exact_mut(run).enumerate() {
        let (row, column) = (index / columns, index % columns);
        let start = ((row / patch * columns + column) * patch + row % patch) * run;
        values.copy_from_slice(&patches.values()[start..start + run]);
    }
}

/// Calls `update` on the corresponding elements of two slices of one length, vectorised.
fn zip(context: Context<'_>, x: &mut [f32], y: &[f32], update: impl Fn(&mut f32, f32)) {
    assert_eq!(x.len(), y.len(), "tensors of different sizes");
    context.vectorized_mut(
        #[inline(always)]
        || {
            for (x, &y) in x.iter_mut().zip(y) {
                update(x, y);
            }
        },
    );
}

/// See [`crate::Backend::euler_step`].
pub(super) fn euler_step(context: Context<'_>, x: &mut CpuTensor, velocity: &CpuTensor, dt: f32) {
    zip(context, x.values_mut(), velocity.values(), |x, v| {
        *x -= dt * v
    });
}

/// See [`crate::Backend::clean_to_velocity`].
pub(super) fn clean_to_velocity(
    context: Context<'_>,
    x: &CpuTensor,
    t: f32,
    clean: &mut CpuTensor,
) {
    for part in clean.values_mut().chunks_mut(x.values().len().max(1)) {
        zip(context, part, x.values(), |clean, x| {
            *clean = (x - *clean) / t
        });
    }
}

/// See [`crate::Backend::guide_cfg`].
pub(super) fn guide_cfg(
    context: Context<'_>,
    predictions: &CpuTensor,
    scale: f32,
    out: &mut CpuTensor,
) {
    let (conditional, unconditional) = halves(predictions, out);
    out.values_mut().copy_from_slice(conditional);
    zip(context, out.values_mut(), unconditional, |c, u| {
        *c = u + scale * (*c - u)
    });
}

/// The conditional and the unconditional predictions of what `of` has room for.
fn halves<'a>(predictions: &'a CpuTensor, of: &CpuTensor) -> (&'a [f32], &'a [f32]) {
    let count = of.values().len();
    assert_eq!(
        predictions.values().len(),
        2 * count,
        "two predictions of each image"
    );
    predictions.values().split_at(count)
}

/// Sum in f64 in one fixed order.
fn sum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |total, value| total + value)
}

/// See [`crate::Backend::guide_apg`].
pub(super) fn guide_apg(
    predictions: &CpuTensor,
    parameters: ApgParameters,
    running: &mut CpuTensor,
    out: &mut CpuTensor,
) {
    let (conditional, unconditional) = halves(predictions, out);
    let images = out.shape().first().map_or(1, |&images| images.max(1));
    let one = out.values().len() / images;
    let predictions = conditional
        .chunks_exact(one)
        .zip(unconditional.chunks_exact(one));
    let states = running.values_mut().chunks_exact_mut(one);
    for ((both, m), out) in predictions
        .zip(states)
        .zip(out.values_mut().chunks_exact_mut(one))
    {
        guide_one(both, parameters, m, out);
    }
}

/// Adaptive projected guidance of one image: `c` and `u` to `out`, with the state `m`.
fn guide_one((c, u): (&[f32], &[f32]), parameters: ApgParameters, m: &mut [f32], out: &mut [f32]) {
    for ((m, c), u) in m.iter_mut().zip(c).zip(u) {
        *m = (c - u) + parameters.momentum * *m;
    }
    let norm = sum(m.iter().map(|&m| f64::from(m) * f64::from(m))).sqrt();
    // A norm of 0 gives ∞, hence a factor of 1.
    let shrink = (parameters.norm_threshold / norm as f32).min(1.0);
    // The floor keeps a prediction of zeros from dividing 0 by 0.
    let c_norm = sum(c.iter().map(|&c| f64::from(c) * f64::from(c)))
        .sqrt()
        .max(1e-12);
    let along = sum(m
        .iter()
        .zip(c)
        .map(|(&m, &c)| f64::from(m * shrink) * (f64::from(c) / c_norm)));
    let (scale, eta) = (parameters.scale - 1.0, parameters.eta);
    for ((out, &c), &m) in out.iter_mut().zip(c).zip(m.iter()) {
        let parallel = along * (f64::from(c) / c_norm);
        let orthogonal = (f64::from(m * shrink) - parallel) as f32;
        *out = c + scale * (orthogonal + eta * parallel as f32);
    }
}
