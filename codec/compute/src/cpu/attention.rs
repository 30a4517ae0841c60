//! Fused attention: query and key norm, logits, online softmax and the weighted sum of values, a block of queries at a
//! time. At most [`QUERIES`] × [`KEYS`] logits exist per task, never a head's whole matrix.
//!
//! Each query's result is independent of which other queries are computed: keys are visited in fixed blocks from the
//! first on, and keys that a query may not see contribute exact zeros.

use super::buffer::CpuTensor;
use super::context::Context;
use super::math::{exp, exp_minus, max, moments};
use super::microkernel::{Panel, RowBlock, SharedMut, multiply};
use super::norm::rows_of;
use crate::backend::{AttentionSpec, Mask};
use rayon::prelude::*;

/// Queries of a task: a multiple of the rows of every kernel.
const QUERIES: usize = 48;
/// Keys that are visited at a time: a multiple of the widest panel.
const KEYS: usize = 1024;

/// Keys and values of all heads as panels, and the sizes that go with them.
struct Packed<'a> {
    keys: &'a [f32],
    values: &'a [f32],
    /// Positions, and positions rounded up to whole panels.
    rows: usize,
    padded: usize,
    head_dim: usize,
    /// Channels of a value panel row: `head_dim` rounded up to whole panels.
    value_width: usize,
    panel_width: usize,
}

/// See [`crate::Backend::attention`].
pub(super) fn attention(
    context: Context<'_>,
    qkv: &CpuTensor,
    spec: &AttentionSpec<'_, CpuTensor>,
    out: &mut CpuTensor,
) {
    let width = out.columns();
    let rows = spec.rows;
    assert!(
        qkv.columns() == 3 * width && width.is_multiple_of(spec.heads),
        "attention on other widths"
    );
    assert!(
        qkv.values().len() >= rows * 3 * width,
        "attention over more rows than there are"
    );
    assert!(
        spec.queries.end <= rows,
        "attention for queries beyond the sequence"
    );
    let head_dim = width / spec.heads;
    let panel_width = context.kernels.panel_width();
    let padded = rows.next_multiple_of(panel_width);
    let value_width = head_dim.next_multiple_of(panel_width);
    let mut keys = context.pool.take(spec.heads * padded * head_dim);
    let mut values = context.pool.take(spec.heads * padded * value_width);
    let (key_len, value_len) = (padded * head_dim, padded * value_width);
    keys.par_chunks_mut(key_len)
        .zip(values.par_chunks_mut(value_len))
        .enumerate()
        .for_each(|(head, (keys, values))| {
            let sizes = (head_dim, panel_width, value_width);
            let source = (&qkv.values()[..rows * 3 * width], width, head);
            context.vectorized_mut(
                #[inline(always)]
                || pack_head(source, sizes, spec.qk_norm_eps, keys, values),
            );
        });
    let (keys, values) = (&*keys, &*values);
    let packed = Packed {
        keys,
        values,
        rows,
        padded,
        head_dim,
        value_width,
        panel_width,
    };
    let (target, _) = rows_of(out, spec.queries.end);
    let blocks = spec.queries.len().div_ceil(QUERIES);
    (0..spec.heads * blocks)
        .into_par_iter()
        .with_max_len(1)
        .for_each(|task| {
            let (head, block) = (task / blocks, task % blocks);
            let first = spec.queries.start + block * QUERIES;
            let count = QUERIES.min(spec.queries.end - first);
            attend(context, qkv, spec, &packed, (head, first, count), target);
        });
}

/// Normed keys as `[position panel][channel][position]` and values as `[position][channel]`, padded with zeros.
#[inline(always)]
fn pack_head(
    (qkv, width, head): (&[f32], usize, usize),
    (head_dim, panel_width, value_width): (usize, usize, usize),
    eps: Option<f32>,
    keys: &mut [f32],
    values: &mut [f32],
) {
    let rows = qkv.len() / (3 * width);
    let panels = keys.chunks_exact_mut(panel_width * head_dim);
    for (panel, (keys, values)) in panels
        .zip(values.chunks_exact_mut(panel_width * value_width))
        .enumerate()
    {
        for column in 0..panel_width {
            let position = panel * panel_width + column;
            let values = &mut values[column * value_width..(column + 1) * value_width];
            if position >= rows {
                keys.iter_mut()
                    .skip(column)
                    .step_by(panel_width)
                    .for_each(|key| *key = 0.0);
                values.fill(0.0);
                continue;
            }
            let row = &qkv[position * 3 * width..(position + 1) * 3 * width];
            let key = &row[width + head * head_dim..][..head_dim];
            let (mean, scale) = head_moments(key, eps);
            for (target, &value) in keys.iter_mut().skip(column).step_by(panel_width).zip(key) {
                *target = (value - mean) * scale;
            }
            values[..head_dim].copy_from_slice(&row[2 * width + head * head_dim..][..head_dim]);
            values[head_dim..].fill(0.0);
        }
    }
}

/// Mean and factor of the norm of one head's channels; none of either without a norm. A `match`, because a closure
/// would be compiled on its own, without vectors.
#[inline(always)]
fn head_moments(values: &[f32], eps: Option<f32>) -> (f32, f32) {
    match eps {
        Some(eps) => moments(values, eps),
        None => (0.0, 1.0),
    }
}

/// One head's result for one block of queries.
fn attend(
    context: Context<'_>,
    qkv: &CpuTensor,
    spec: &AttentionSpec<'_, CpuTensor>,
    packed: &Packed<'_>,
    (head, first, count): (usize, usize, usize),
    target: SharedMut,
) {
    let Packed {
        rows,
        padded,
        head_dim,
        ..
    } = *packed;
    let width = spec.heads * head_dim;
    let key_block = KEYS.min(padded);
    let mut scratch = context
        .pool
        .take(QUERIES * (head_dim + key_block + packed.value_width + 2));
    let (queries, rest) = scratch.split_at_mut(QUERIES * head_dim);
    let (logits, rest) = rest.split_at_mut(QUERIES * key_block);
    let (sums, rest) = rest.split_at_mut(QUERIES * packed.value_width);
    let (largest, totals) = rest.split_at_mut(QUERIES);
    context.vectorized_mut(
        #[inline(always)]
        || load_queries(qkv, spec, (head, first, count), head_dim, queries),
    );
    largest.fill(f32::NEG_INFINITY);
    totals.fill(0.0);
    let visible = |row: usize| match spec.mask {
        Mask::Full => rows,
        Mask::CausalLast { prefix } => prefix.max(row + 1).min(rows),
    };
    let end = (first..first + count).map(visible).max().unwrap_or(0);
    for start in (0..end).step_by(key_block) {
        let keys = key_block.min((end - start).next_multiple_of(packed.panel_width));
        logits_of_block(
            context,
            packed,
            head,
            (start, keys),
            (queries, count),
            logits,
            key_block,
        );
        context.vectorized_mut(
            #[inline(always)]
            || {
                for index in 0..count {
                    let row_logits = &mut logits[index * key_block..index * key_block + keys];
                    let seen = visible(first + index).saturating_sub(start).min(keys);
                    if let Some(weights) = spec.log_multiplicity {
                        for (logit, weight) in row_logits[..seen]
                            .iter_mut()
                            .zip(&weights.values()[start..])
                        {
                            *logit += weight;
                        }
                    }
                    let state = (&mut largest[index], &mut totals[index]);
                    let row_sums = &mut sums[index * packed.value_width..][..packed.value_width];
                    softmax_block(row_logits, seen, state, row_sums, start > 0);
                }
            },
        );
        weigh_values(
            context,
            packed,
            head,
            (start, keys),
            (logits, key_block),
            (sums, count),
            start > 0,
        );
    }
    for index in 0..count {
        let total = totals[index];
        // SAFETY: queries and heads are shared out so that this row's channels of this head belong to this task alone,
        // and the output has all rows of the queries, which `rows_of` has checked.
        #[allow(unsafe_code)]
        let out = unsafe { target.slice((first + index) * width + head * head_dim, head_dim) };
        for (out, sum) in out.iter_mut().zip(&sums[index * packed.value_width..]) {
            *out = sum / total;
        }
    }
}

/// Queries of one head, normed where asked for, times the scale of the logits.
#[inline(always)]
fn load_queries(
    qkv: &CpuTensor,
    spec: &AttentionSpec<'_, CpuTensor>,
    (head, first, count): (usize, usize, usize),
    head_dim: usize,
    queries: &mut [f32],
) {
    let stride = qkv.columns();
    for (index, target) in queries.chunks_exact_mut(head_dim).take(count).enumerate() {
        let query = &qkv.values()[(first + index) * stride + head * head_dim..][..head_dim];
        let (mean, scale) = head_moments(query, spec.qk_norm_eps);
        for (target, &value) in target.iter_mut().zip(query) {
            *target = (value - mean) * scale * spec.scale;
        }
    }
}

fn logits_of_block(
    context: Context<'_>,
    packed: &Packed<'_>,
    head: usize,
    (start, keys): (usize, usize),
    (queries, count): (&[f32], usize),
    logits: &mut [f32],
    stride: usize,
) {
    let Packed {
        padded,
        head_dim,
        panel_width,
        ..
    } = *packed;
    let head_keys = &packed.keys[head * padded * head_dim..(head + 1) * padded * head_dim];
    for offset in (0..keys).step_by(panel_width) {
        let panel = &head_keys[(start + offset) * head_dim..][..panel_width * head_dim];
        let panel = Panel {
            values: panel.as_ptr(),
            stride: panel_width,
            k: head_dim,
            width: panel_width,
        };
        let out = logits[offset..].as_mut_ptr();
        let block = RowBlock {
            x: queries.as_ptr(),
            x_stride: head_dim,
            out,
            out_stride: stride,
            count,
            accumulate: false,
        };
        // SAFETY: the panel was sliced to its size; `queries` has QUERIES ≥ `count` rows of `head_dim`; `logits` has
        // QUERIES rows of `stride` ≥ `offset + panel_width` floats, since `keys` is whole panels and at most `stride`.
        #[allow(unsafe_code)]
        unsafe {
            multiply(context.kernels, panel, block);
        }
    }
}

/// Turns the first `seen` logits into weights relative to the largest so far, the others into zeros.
#[inline(always)]
fn softmax_block(
    logits: &mut [f32],
    seen: usize,
    (largest, total): (&mut f32, &mut f32),
    sums: &mut [f32],
    rescale: bool,
) {
    let (logits, unseen) = logits.split_at_mut(seen);
    unseen.fill(0.0);
    let new_largest = {
        let block = max(logits);
        if block > *largest { block } else { *largest }
    };
    if rescale && new_largest != *largest {
        let factor = exp(*largest - new_largest);
        *total *= factor;
        sums.iter_mut().for_each(|sum| *sum *= factor);
    }
    *largest = new_largest;
    *total += exp_minus(logits, new_largest);
}

fn weigh_values(
    context: Context<'_>,
    packed: &Packed<'_>,
    head: usize,
    (start, keys): (usize, usize),
    (weights, stride): (&[f32], usize),
    (sums, count): (&mut [f32], usize),
    accumulate: bool,
) {
    let Packed {
        padded,
        value_width,
        panel_width,
        ..
    } = *packed;
    let values = &packed.values[(head * padded + start) * value_width..][..keys * value_width];
    for first in (0..packed.head_dim).step_by(panel_width) {
        let width = panel_width.min(packed.head_dim - first);
        let panel = Panel {
            values: values[first..].as_ptr(),
            stride: value_width,
            k: keys,
            width,
        };
        let block = RowBlock {
            x: weights.as_ptr(),
            x_stride: stride,
            out: sums[first..].as_mut_ptr(),
            out_stride: value_width,
            count,
            accumulate,
        };
        // SAFETY: `values` holds `keys` rows of `value_width` floats, a whole number of panels wide; `weights` has
        // QUERIES ≥ `count` rows of `stride` ≥ `keys` floats; `sums` has QUERIES rows of `value_width`.
        #[allow(unsafe_code)]
        unsafe {
            multiply(context.kernels, panel, block);
        }
    }
}
