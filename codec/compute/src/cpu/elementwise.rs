//! Operations on single elements and whole-tensor reductions: patches, Euler steps, guidance, FSQ.

use super::buffer::CpuTensor;
use super::context::Context;
use crate::backend::ApgParameters;

/// The grid of patches that `[H, W, C]` latents have, as (columns, floats of one patch row).
fn patch_row(latents: &CpuTensor, patch: usize) -> (usize, usize) {
    let &[height, width, channels] = latents.shape() else {
        panic!("latents are [H, W, C]")
    };
    assert!(
        height % patch == 0 && width % patch == 0,
        "latents are no whole patches"
    );
    (width / patch, patch * channels)
}

/// See [`crate::Backend::patchify`].
pub(super) fn patchify(latents: &CpuTensor, patch: usize, factor: f32, out: &mut CpuTensor) {
    let (columns, run) = patch_row(latents, patch);
    let out = out.values_mut();
    for (index, values) in latents.values().chunks_exact(run).enumerate() {
        let (row, column) = (index / columns, index % columns);
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

/// Calls `update` on the corresponding elements of two tensors, vectorised.
pub(super) fn zip(
    context: Context<'_>,
    x: &mut CpuTensor,
    y: &CpuTensor,
    update: impl Fn(&mut f32, f32),
) {
    assert_eq!(
        x.values().len(),
        y.values().len(),
        "tensors of different sizes"
    );
    context.vectorized_mut(
        #[inline(always)]
        || {
            for (x, &y) in x.values_mut().iter_mut().zip(y.values()) {
                update(x, y);
            }
        },
    );
}

/// Sum in f64 in one fixed order.
fn sum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |total, value| total + value)
}

/// See [`crate::Backend::guide_apg`].
pub(super) fn guide_apg(
    unconditional: &CpuTensor,
    parameters: ApgParameters,
    running: &mut CpuTensor,
    conditional: &mut CpuTensor,
) {
    let (c, u) = (conditional.values_mut(), unconditional.values());
    let m = running.values_mut();
    for ((m, c), u) in m.iter_mut().zip(c.iter()).zip(u) {
        *m = (c - u) + parameters.momentum * *m;
    }
    let norm = sum(m.iter().map(|&m| f64::from(m) * f64::from(m))).sqrt();
    let shrink = (parameters.norm_threshold / norm as f32).min(1.0);
    let c_norm = sum(c.iter().map(|&c| f64::from(c) * f64::from(c)))
        .sqrt()
        .max(1e-12);
    let along = sum(m
        .iter()
        .zip(c.iter())
        .map(|(&m, &c)| f64::from(m * shrink) * (f64::from(c) / c_norm)));
    let (scale, eta) = (parameters.scale - 1.0, parameters.eta);
    for (c, &m) in c.iter_mut().zip(m.iter()) {
        let parallel = along * (f64::from(*c) / c_norm);
        let orthogonal = (f64::from(m * shrink) - parallel) as f32;
        *c += scale * (orthogonal + eta * parallel as f32);
    }
}

/// See [`crate::Backend::quantize`]. The hyperbolic tangent is taken in f64, so that an index never depends on how
/// exact a platform's f32 version is.
pub(super) fn quantize(latents: &CpuTensor, levels: &[u32]) -> Vec<u16> {
    let quantizer: Vec<(f32, f32, f32, i64)> = levels
        .iter()
        .map(|&level| {
            let half_range = (level as f32 - 1.0) * 1.001 / 2.0;
            let offset = if level % 2 == 0 { 0.5 } else { 0.0 };
            let shift = (f64::from(offset) / f64::from(half_range)).atanh() as f32;
            (half_range, offset, shift, i64::from(level / 2))
        })
        .collect();
    let mut ids = Vec::with_capacity(latents.values().len() / levels.len().max(1));
    for row in latents.values().chunks_exact(levels.len()) {
        let (mut id, mut basis) = (0i64, 1i64);
        for ((&z, &level), &(half_range, offset, shift, half)) in
            row.iter().zip(levels).zip(&quantizer)
        {
            let bounded = f64::from(z + shift).tanh() as f32 * half_range - offset;
            let digit = (bounded.round_ties_even() as i64 + half).clamp(0, i64::from(level) - 1);
            id += digit * basis;
            basis *= i64::from(level);
        }
        ids.push(id as u16);
    }
    ids
}
