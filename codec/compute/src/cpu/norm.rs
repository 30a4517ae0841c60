//! Layer norm with adaLN modulation, and group norm with SiLU.

use std::ops::Range;

use rayon::prelude::*;

use super::buffer::{CpuTensor, Pooled};
use super::context::Context;
use super::linear::modulation_row;
use super::math::{moments, silu};
use crate::ComputeError;
use crate::backend::{GroupNorm, Modulation};

/// Rows of a task.
const ROWS: usize = 16;

/// See [`crate::Backend::norm_modulate`].
pub(super) fn norm_modulate(
    context: Context<'_>,
    x: &CpuTensor,
    rows: Range<usize>,
    eps: f32,
    modulation: Option<&Modulation<'_, CpuTensor>>,
    out: &mut CpuTensor,
) {
    let columns = x.columns();
    assert_eq!(columns, out.columns(), "layer norm on another width");
    if rows.is_empty() {
        return;
    }
    let range = rows.start * columns..rows.end * columns;
    let x = &x.values()[range.clone()];
    let out = &mut out.values_mut()[range];
    let tasks = x
        .par_chunks(ROWS * columns)
        .zip(out.par_chunks_mut(ROWS * columns))
        .enumerate();
    tasks.for_each(|(task, (x, out))| {
        context.vectorized_mut(
            #[inline(always)]
            || {
                for (index, (x, out)) in x
                    .chunks_exact(columns)
                    .zip(out.chunks_exact_mut(columns))
                    .enumerate()
                {
                    let row = rows.start + task * ROWS + index;
                    let (mean, scale) = moments(x, eps);
                    let Some(Modulation {
                        shift,
                        scale: factor,
                    }) = modulation
                    else {
                        for (out, &x) in out.iter_mut().zip(x) {
                            *out = (x - mean) * scale;
                        }
                        continue;
                    };
                    let shifts = modulation_row(shift, row, 0..columns);
                    let scales = modulation_row(factor, row, 0..columns);
                    for (((out, &x), &factor), &shift) in
                        out.iter_mut().zip(x).zip(scales).zip(shifts)
                    {
                        *out = (x - mean) * scale * (1.0 + factor) + shift;
                    }
                }
            },
        );
    });
}

/// `[channels, 2]`: the factor and the offset of each channel that apply a group norm to `x` of `[pixels, channels]`.
///
/// Sums are taken over fixed blocks of pixels and then over the blocks, in f64, so that they do not depend on threads.
pub(super) fn group_norm_affine<'a>(
    context: Context<'a>,
    x: &[f32],
    norm: &GroupNorm,
) -> Result<Pooled<'a>, ComputeError> {
    const PIXELS: usize = 512;
    let channels = norm.gamma.len();
    let blocks = x.len().div_ceil(PIXELS * channels);
    // Of each block, the sums of all channels and then the sums of squares.
    let mut blocks = context.pool.take(blocks * 2 * channels)?;
    x.par_chunks(PIXELS * channels)
        .zip(blocks.par_chunks_mut(2 * channels))
        .for_each(|(block, totals)| {
            totals.fill(0.0);
            let (sums, squares) = totals.split_at_mut(channels);
            context.vectorized_mut(
                #[inline(always)]
                || {
                    for pixel in block.chunks_exact(channels) {
                        for ((sum, square), &value) in sums.iter_mut().zip(&mut *squares).zip(pixel)
                        {
                            // f32 is enough for 512 values; the sums of blocks are added up in f64.
                            *sum += value;
                            *square += value * value;
                        }
                    }
                },
            );
        });
    let per_group = channels / norm.groups;
    let count = (x.len() / norm.groups) as f64;
    let mut affine = context.pool.take(2 * channels)?;
    for group in 0..norm.groups {
        let range = group * per_group..(group + 1) * per_group;
        let (mut sum, mut square) = (0.0f64, 0.0f64);
        for block in blocks.chunks_exact(2 * channels) {
            let (sums, squares) = block.split_at(channels);
            for (&a, &b) in sums[range.clone()].iter().zip(&squares[range.clone()]) {
                sum += f64::from(a);
                square += f64::from(b);
            }
        }
        let mean = sum / count;
        // Rounding may take the difference of nearly equal numbers below zero.
        let variance = (square / count - mean * mean).max(0.0);
        let scale = 1.0 / (variance + f64::from(norm.eps)).sqrt();
        for channel in range {
            let factor = f64::from(norm.gamma[channel]) * scale;
            affine[2 * channel] = factor as f32;
            affine[2 * channel + 1] = (f64::from(norm.beta[channel]) - mean * factor) as f32;
        }
    }
    Ok(affine)
}

/// One run of pixels, normed, with or without SiLU.
#[inline(always)]
pub(super) fn apply_affine(x: &[f32], affine: &[[f32; 2]], activate: bool, out: &mut [f32]) {
    let channels = affine.len();
    for (x, out) in x.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
        if activate {
            for ((out, &x), &[factor, offset]) in out.iter_mut().zip(x).zip(affine) {
                *out = silu(x * factor + offset);
            }
        } else {
            for ((out, &x), &[factor, offset]) in out.iter_mut().zip(x).zip(affine) {
                *out = x * factor + offset;
            }
        }
    }
}

/// See [`crate::Backend::group_norm`].
pub(super) fn group_norm(
    context: Context<'_>,
    x: &CpuTensor,
    norm: &GroupNorm,
    out: &mut CpuTensor,
) -> Result<(), ComputeError> {
    let affine = group_norm_affine(context, x.values(), norm)?;
    let affine: &[[f32; 2]] = bytemuck::cast_slice(&affine);
    let chunk = 64 * affine.len();
    let out = &mut out.values_mut()[..x.values().len()];
    x.values()
        .par_chunks(chunk)
        .zip(out.par_chunks_mut(chunk))
        .for_each(|(x, out)| {
            context.vectorized_mut(
                #[inline(always)]
                || apply_affine(x, affine, false, out),
            );
        });
    Ok(())
}
