//! Fused attention: query and key norm, logits, online softmax and the weighted sum of values, a block of queries at a
//! time. At most [`QUERIES`] × [`KEYS`] logits exist per task, never a head's whole matrix.
//!
//! Each query's result is independent of which other queries are computed: keys are visited in fixed blocks from the
//! first on, and keys that a query may not see contribute exact zeros.

use rayon::prelude::*;

use super::buffer::CpuTensor;
use super::context::Context;
use super::math::{exp, exp_minus, max, moments};
use super::microkernel::{Panel, RowBlock, SharedMut, multiply};
use super::products::Operands;
use crate::ComputeError;
use crate::backend::{AttentionSpec, Sequence};

/// Queries of a task: a multiple of the rows of every kernel.
const QUERIES: usize = 48;
/// Keys that are visited at a time: a multiple of the widest panel.
const KEYS: usize = 1024;

/// The sizes of one attention.
#[derive(Clone, Copy)]
struct Sizes {
    /// Positions of all sequences, each rounded up to whole panels.
    padded: usize,
    heads: usize,
    head_dim: usize,
    /// Form of the operands of both products.
    operands: Operands,
    /// Floats of a query, and of a key.
    query_len: usize,
    /// Channels of a value row: `head_dim` rounded up to whole panels.
    value_width: usize,
    panel_width: usize,
}

/// All heads' queries as `[head][position][channel]`, keys as `[head][position panel][channel][position]` and values as
/// `[head][position][channel]`; the sequences follow one another, each padded with zeros to whole panels. As operands, what
/// is summed over may be in pairs: the channels of queries and keys, the positions of values.
struct Packed<'a> {
    queries: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
    sizes: Sizes,
}

/// A sequence and its place among the packed positions.
#[derive(Clone, Copy)]
struct Placed<'a> {
    sequence: &'a Sequence,
    /// Its first packed position.
    base: usize,
    /// Its positions, rounded up to whole panels.
    padded: usize,
}

/// See [`crate::Backend::attention`].
pub(super) fn attention(
    context: Context<'_>,
    qkv: &CpuTensor,
    spec: &AttentionSpec<'_, CpuTensor>,
    out: &mut CpuTensor,
) -> Result<(), ComputeError> {
    let sizes = sizes(context, qkv, spec, out);
    let Sizes {
        heads,
        operands,
        query_len,
        padded,
        value_width,
        panel_width,
        ..
    } = sizes;
    let mut queries = context.pool.take(heads * padded * query_len)?;
    let mut keys = context.pool.take(heads * padded * query_len)?;
    let mut values = context
        .pool
        .take(operands.floats(heads * padded) * value_width)?;
    let targets = [&mut queries, &mut keys, &mut values].map(|buffer| SharedMut::new(buffer));
    (0..padded / panel_width)
        .into_par_iter()
        .try_for_each(|panel| {
            let len = panel_width * query_len + 2 * sizes.head_dim;
            let mut scratch = context.pool.take_in_task(len)?;
            context.vectorized_mut(
                #[inline(always)]
                || {
                    let first = panel * panel_width;
                    pack_panel(qkv, spec, sizes, first, targets, &mut scratch);
                },
            );
            Ok(())
        })?;
    let packed = Packed {
        queries: &queries,
        keys: &keys,
        values: &values,
        sizes,
    };
    let target = SharedMut::new(out.values_mut());
    let blocks = |sequence: &Sequence| sequence.positions_in(&spec.queries).len().div_ceil(QUERIES);
    let tasks = heads * spec.sequences.iter().map(blocks).sum::<usize>();
    (0..tasks)
        .into_par_iter()
        // Causal masks make late blocks see more keys than early ones: single tasks let threads balance that.
        .with_max_len(1)
        .try_for_each(|mut task| {
            for place in placed(spec.sequences, panel_width) {
                let (here, wanted) = (
                    blocks(place.sequence),
                    place.sequence.positions_in(&spec.queries),
                );
                if task >= heads * here {
                    task -= heads * here;
                    continue;
                }
                // A sequence's tasks are numbered head by head, blocks fastest: neighbours read the same keys.
                let first = wanted.start + task % here * QUERIES;
                let count = QUERIES.min(wanted.end - first);
                return attend(
                    context,
                    spec,
                    &packed,
                    place,
                    (task / here, first, count),
                    target,
                );
            }
            Ok(())
        })
}

/// The sequences with their positions in the packed order.
#[inline(always)]
fn placed(sequences: &[Sequence], panel_width: usize) -> impl Iterator<Item = Placed<'_>> {
    sequences.iter().scan(0, move |base, sequence| {
        let place = Placed {
            sequence,
            base: *base,
            padded: sequence.positions().next_multiple_of(panel_width),
        };
        *base += place.padded;
        Some(place)
    })
}

fn sizes(
    context: Context<'_>,
    qkv: &CpuTensor,
    spec: &AttentionSpec<'_, CpuTensor>,
    out: &CpuTensor,
) -> Sizes {
    let (width, heads) = (out.columns(), spec.heads);
    let ends = spec
        .sequences
        .iter()
        .map(|sequence| sequence.prefix.end.max(sequence.suffix.end));
    let rows = ends.max().unwrap_or(0);
    assert!(
        qkv.columns() == 3 * width && width.is_multiple_of(heads),
        "attention on other widths"
    );
    assert!(
        qkv.rows() >= rows
            && spec
                .log_multiplicity
                .is_none_or(|weights| weights.values().len() >= rows),
        "attention over more rows than there are"
    );
    assert!(
        out.rows() >= spec.queries.end.min(rows),
        "attention for more queries than the output has rows"
    );
    let head_dim = width / heads;
    let panel_width = context.products.kernels.panel_width();
    assert!(
        KEYS.is_multiple_of(panel_width) && panel_width.is_multiple_of(2),
        "blocks of keys are whole panels, and panels are pairs"
    );
    let operands = context.products.operands;
    Sizes {
        padded: placed(spec.sequences, panel_width)
            .map(|place| place.padded)
            .sum(),
        heads,
        head_dim,
        operands,
        query_len: operands.floats(head_dim),
        value_width: head_dim.next_multiple_of(panel_width),
        panel_width,
    }
}

/// Packs the positions of one panel of keys, from packed position `first` on, head by head: queries and keys normed if the
/// layer norms them, queries times the scale of the logits. `scratch` has room for the panel's keys and for the channels of
/// two heads.
#[inline(always)]
fn pack_panel(
    qkv: &CpuTensor,
    spec: &AttentionSpec<'_, CpuTensor>,
    sizes: Sizes,
    first: usize,
    [queries, keys, values]: [SharedMut; 3],
    scratch: &mut [f32],
) {
    let Sizes {
        padded,
        heads,
        head_dim,
        operands,
        query_len,
        value_width,
        panel_width,
    } = sizes;
    let width = heads * head_dim;
    // A panel belongs to one sequence.
    let mut sequences = placed(spec.sequences, panel_width);
    let Some(place) = sequences.find(|place| first < place.base + place.padded) else {
        return;
    };
    // Zeros after the last position, because padding has weight 0, and 0 times an infinity or NaN left in the pool's memory
    // is NaN.
    let count = panel_width.min(place.sequence.positions() - (first - place.base));
    let row = |column: usize| {
        let row = place.sequence.row(first - place.base + column);
        &qkv.values()[row * 3 * width..][..3 * width]
    };
    let (key_rows, rest) = scratch.split_at_mut(panel_width * query_len);
    let (normed, zeros) = rest.split_at_mut(head_dim);
    key_rows[count * query_len..].fill(0.0);
    zeros.fill(0.0);
    for head in 0..heads {
        let panel = head * padded + first;
        // SAFETY: the buffers hold `heads · padded` positions of these lengths, and each panel of them is packed by one task
        // alone. It has an even number of positions, and so has all before it.
        #[allow(unsafe_code)]
        let (queries, keys, values) = unsafe {
            (
                queries.slice(panel * query_len, panel_width * query_len),
                keys.slice(panel * query_len, panel_width * query_len),
                values.slice(
                    operands.floats(panel) * value_width,
                    operands.floats(panel_width) * value_width,
                ),
            )
        };
        let channels = |column, part| &row(column)[part * width + head * head_dim..][..head_dim];
        for (column, query) in queries.chunks_exact_mut(query_len).take(count).enumerate() {
            // Scaled here once, instead of each of the logits.
            norm_head(channels(column, 0), spec.qk_norm_eps, spec.scale, normed);
            operands.row(normed, query);
        }
        queries[count * query_len..].fill(0.0);
        for (column, key) in key_rows.chunks_exact_mut(query_len).take(count).enumerate() {
            norm_head(channels(column, 1), spec.qk_norm_eps, 1.0, normed);
            operands.row(normed, key);
        }
        // Transposed to `[channel][position]`, the layout that the microkernel expects of weights.
        for (channel, keys) in keys.chunks_exact_mut(panel_width).enumerate() {
            for (key, row) in keys.iter_mut().zip(key_rows.chunks_exact(query_len)) {
                *key = row[channel];
            }
        }
        let pair_len = operands.floats(2) * value_width;
        for (pair, values) in values.chunks_exact_mut(pair_len).enumerate() {
            let value = |column| {
                if column < count {
                    channels(column, 2)
                } else {
                    &*zeros
                }
            };
            operands.two_rows([value(2 * pair), value(2 * pair + 1)], values, value_width);
        }
    }
}

/// One head's channels, normed if there is an `eps`, times `factor`.
#[inline(always)]
fn norm_head(values: &[f32], eps: Option<f32>, factor: f32, out: &mut [f32]) {
    // A `match`, because a closure would be compiled on its own, without vectors.
    let (mean, scale) = match eps {
        Some(eps) => moments(values, eps),
        None => (0.0, 1.0),
    };
    for (out, &value) in out.iter_mut().zip(values) {
        *out = (value - mean) * scale * factor;
    }
}

/// One head's result for one block of queries of one sequence; `first` is one of its positions.
fn attend(
    context: Context<'_>,
    spec: &AttentionSpec<'_, CpuTensor>,
    packed: &Packed<'_>,
    place: Placed<'_>,
    (head, first, count): (usize, usize, usize),
    target: SharedMut,
) -> Result<(), ComputeError> {
    let Sizes {
        padded,
        heads,
        head_dim,
        operands,
        query_len,
        value_width,
        panel_width,
    } = packed.sizes;
    let key_block = KEYS.min(place.padded);
    let base = head * padded + place.base;
    let queries = &packed.queries[(base + first) * query_len..][..count * query_len];
    let mut scratch = context
        .pool
        .take_in_task(QUERIES * (key_block + value_width + 2))?;
    let (logits, rest) = scratch.split_at_mut(QUERIES * key_block);
    let (sums, rest) = rest.split_at_mut(QUERIES * value_width);
    let (largest, totals) = rest.split_at_mut(QUERIES);
    // The pool's memory is undefined. `sums` need no clearing: the first block of keys overwrites them.
    largest.fill(f32::NEG_INFINITY);
    totals.fill(0.0);
    let visible = |position: usize| place.sequence.visible(spec.mask, position);
    let end = (first..first + count).map(visible).max().unwrap_or(0);
    for start in (0..end).step_by(key_block) {
        // Whole panels; the padding's logits are dropped by `seen` below.
        let keys = key_block.min((end - start).next_multiple_of(panel_width));
        logits_of_block(
            context,
            packed,
            (base + start, keys),
            (queries, count),
            logits,
            key_block,
        );
        context.vectorized_mut(
            #[inline(always)]
            || {
                for index in 0..count {
                    let row_logits = &mut logits[index * key_block..index * key_block + keys];
                    // A causal query may see none of a later block, but sees at least one key of the first.
                    let seen = visible(first + index).saturating_sub(start).min(keys);
                    add_multiplicity(spec, place.sequence, start, &mut row_logits[..seen]);
                    let state = (&mut largest[index], &mut totals[index]);
                    let row_sums = &mut sums[index * value_width..][..value_width];
                    softmax_block(row_logits, seen, state, row_sums, start > 0);
                    operands.in_place(row_logits);
                }
            },
        );
        weigh_values(
            context,
            packed,
            (base + start, keys),
            (logits, key_block),
            (sums, count),
            start > 0,
        );
    }
    for (index, (sums, total)) in sums
        .chunks_exact(value_width)
        .zip(totals)
        .take(count)
        .enumerate()
    {
        let row = place.sequence.row(first + index);
        // SAFETY: queries and heads are shared out so that this row's channels of this head belong to this task alone,
        // and the output has all rows of the queries, which `sizes` has checked.
        #[allow(unsafe_code)]
        let out = unsafe { target.slice((row * heads + head) * head_dim, head_dim) };
        for (out, sum) in out.iter_mut().zip(sums) {
            // Normalised once at the end, not per weight.
            *out = sum / *total;
        }
    }
    Ok(())
}

/// Adds the log-multiplicities of the keys from position `start` on to their logits.
#[inline(always)]
fn add_multiplicity(
    spec: &AttentionSpec<'_, CpuTensor>,
    sequence: &Sequence,
    start: usize,
    logits: &mut [f32],
) {
    if let Some(weights) = spec.log_multiplicity {
        let prefix = sequence.prefix.len();
        let (in_prefix, in_suffix) =
            logits.split_at_mut(prefix.saturating_sub(start).min(logits.len()));
        // Prefix and suffix are adjacent positions, but their rows may lie apart.
        let rows = &weights.values()[sequence.prefix.clone()][start.min(prefix)..];
        for (logit, weight) in in_prefix.iter_mut().zip(rows) {
            *logit += weight;
        }
        let rows = &weights.values()[sequence.suffix.clone()][start.saturating_sub(prefix)..];
        for (logit, weight) in in_suffix.iter_mut().zip(rows) {
            *logit += weight;
        }
    }
}

/// The logits of `count` queries with `keys` keys from packed position `start` on.
fn logits_of_block(
    context: Context<'_>,
    packed: &Packed<'_>,
    (start, keys): (usize, usize),
    (queries, count): (&[f32], usize),
    logits: &mut [f32],
    stride: usize,
) {
    let Sizes {
        query_len,
        panel_width,
        ..
    } = packed.sizes;
    for offset in (0..keys).step_by(panel_width) {
        let panel = &packed.keys[(start + offset) * query_len..][..panel_width * query_len];
        let panel = Panel {
            values: panel.as_ptr(),
            stride: panel_width,
            k: query_len,
            width: panel_width,
        };
        let out = logits[offset..].as_mut_ptr();
        let block = RowBlock {
            x: queries.as_ptr(),
            x_stride: query_len,
            out,
            out_stride: stride,
            count,
            accumulate: false,
        };
        // SAFETY: the panel was sliced to its size; `queries` was sliced to `count` rows of as many; `logits` has
        // QUERIES rows of `stride` ≥ `offset + panel_width` floats, since `keys` is whole panels and at most `stride`.
        #[allow(unsafe_code)]
        unsafe {
            multiply(context.products.kernels, panel, block);
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
    // Online softmax: earlier sums were relative to the old maximum. In the first block `sums` are still undefined
    // memory, which is not to be scaled: it might hold NaN.
    if rescale && new_largest != *largest {
        let factor = exp(*largest - new_largest);
        *total *= factor;
        sums.iter_mut().for_each(|sum| *sum *= factor);
    }
    *largest = new_largest;
    *total += exp_minus(logits, new_largest);
}

/// Adds the values of `keys` positions from packed position `start` on, weighted, to `count` queries' sums.
fn weigh_values(
    context: Context<'_>,
    packed: &Packed<'_>,
    (start, keys): (usize, usize),
    (weights, stride): (&[f32], usize),
    (sums, count): (&mut [f32], usize),
    accumulate: bool,
) {
    let Sizes {
        head_dim,
        operands,
        value_width,
        panel_width,
        ..
    } = packed.sizes;
    let k = operands.floats(keys);
    let values = &packed.values[operands.floats(start) * value_width..][..k * value_width];
    for first in (0..head_dim).step_by(panel_width) {
        let width = panel_width.min(head_dim - first);
        let panel = Panel {
            values: values[first..].as_ptr(),
            stride: value_width,
            k,
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
        // SAFETY: `values` holds `k` rows of `value_width` floats, a whole number of panels wide; `weights` has
        // QUERIES ≥ `count` rows of `stride` ≥ `keys` floats; `sums` has QUERIES rows of `value_width`.
        #[allow(unsafe_code)]
        unsafe {
            multiply(context.products.kernels, panel, block);
        }
    }
}
