//! Fused softmax attention.
//!
//! `qkv` is `[rows, 3·heads·d]` with queries, keys and values side by side, `out` is `[rows, heads·d]`, for any head size
//! d. A cube handles one block of queries of one head of one sequence and walks over the sequence's keys in tiles: logits,
//! online softmax and weighted values of a tile are done before the next one is loaded, so there is never a matrix of
//! all logits. Launch geometry: ⌈queries / block⌉ cubes for each sequence, times heads, of 64 to 256 units.
//!
//! The units of a cube stand in a grid of row groups × key groups. A unit computes the logits of [`ROWS`] queries with
//! [`Tile::keys_per_unit`] keys, in registers, and keeps the sums of the same queries' outputs for its share of the
//! channels, so that each number read from shared memory enters several products. Keys and then values of a tile take
//! turns in the same shared memory; keys (and queries, if they do not fit as a whole) come in chunks of channels where
//! heads are large, values in runs of few keys. Tiles that no query of the block sees are skipped. No subgroup
//! operations and at most 32 KiB of shared memory, so it is the same kernel on devices with and without them.
//!
//! The norm of queries and keys needs each head's moments, which are the same for every block of queries: one small
//! kernel before takes them in two passes and the fused kernel applies them while it loads. So an attention is one
//! launch, or two with that norm. A table of each block's queries and rows is uploaded once for each
//! choice of sequences and queries, and kept. Cost: queries are read and outputs written once, keys and values once per
//! block of queries (and from the cache where blocks run side by side); 4·d operations for each visible pair. Arithmetic
//! is in f32 whatever the tensors' types, and in a fixed order: a device gives the same bytes on each run.

mod kernel;
mod load;
mod moments;
mod table;
mod tile;

use std::ops::Range;

use cubecl::prelude::CubeDim;
use kernel::attention_kernel;
use moments::moments;
pub(super) use table::Tables;
use table::table;
pub(super) use tile::Tile;

use super::engine::GpuEngine;
use super::self_test::{CHANNELS, POSITIONS, Results, activations};
use super::tensor::GpuTensor;
use crate::backend::{AttentionSpec, Mask, Sequence};
use crate::{Backend, ComputeError};

/// Queries of a unit.
const ROWS: usize = 4;

/// The rows from the first to the last that a sequence has. Panics unless the tensors have them.
fn rows(qkv: &GpuTensor, spec: &AttentionSpec<'_, GpuTensor>, out: &GpuTensor) -> Range<usize> {
    let width = out.columns();
    assert!(
        qkv.columns() == 3 * width && width.is_multiple_of(spec.heads),
        "attention on other widths"
    );
    let parts = spec
        .sequences
        .iter()
        .flat_map(|sequence| [&sequence.prefix, &sequence.suffix]);
    let parts = parts.filter(|part| !part.is_empty());
    let end = parts.clone().map(|part| part.end).max().unwrap_or(0);
    assert!(
        qkv.rows() >= end
            && spec
                .log_multiplicity
                .is_none_or(|weights| weights.len() >= end),
        "attention over more rows than there are"
    );
    assert!(
        out.rows() >= spec.queries.end.min(end),
        "attention for more queries than the output has rows"
    );
    parts.map(|part| part.start).min().unwrap_or(0)..end
}

/// Most units that a cube may have.
fn most_units(engine: &GpuEngine) -> usize {
    let hardware = &engine.client().properties().hardware;
    hardware.max_units_per_cube.min(hardware.max_cube_dim.0) as usize
}

/// See [`crate::Backend::attention`].
pub(super) fn attention(
    engine: &GpuEngine,
    qkv: &GpuTensor,
    spec: &AttentionSpec<'_, GpuTensor>,
    out: &mut GpuTensor,
) -> Result<(), ComputeError> {
    let rows = rows(qkv, spec, out);
    let head_dim = out.columns() / spec.heads;
    if head_dim == 0 {
        return Ok(());
    }
    let tile = Tile::new(head_dim, engine.shared_memory(), most_units(engine));
    let Some(table) = table(engine, spec.sequences, &spec.queries, tile.queries())? else {
        return Ok(());
    };
    let normed = match spec.qk_norm_eps {
        Some(eps) => Some(moments(
            engine,
            qkv,
            rows.clone(),
            (spec.heads, head_dim),
            eps,
        )?),
        None => None,
    };
    // A kernel that does not norm or weight does not look at these, but an argument must be bound.
    let numbers = normed.as_deref().unwrap_or(&table);
    let multiplicities = spec.log_multiplicity.unwrap_or(&table);
    let written = spec.queries.len().min(rows.len()) * out.columns() * out.element.size();
    engine.count(rows.len() * qkv.columns() * qkv.element.size() + written);
    attention_kernel::launch(
        engine.client(),
        engine.cubes(table.rows() * spec.heads),
        CubeDim::new_1d(tile.units() as u32),
        qkv.arg(),
        numbers.arg(),
        multiplicities.arg(),
        table.arg(),
        out.arg(),
        spec.heads as u32,
        table.rows() as u32,
        spec.scale,
        u32::from(spec.mask == Mask::CausalLast),
        tile,
        spec.qk_norm_eps.is_some(),
        spec.log_multiplicity.is_some(),
        qkv.element.kind(),
        multiplicities.element.kind(),
        out.element.kind(),
        tile.vector,
    );
    Ok(())
}

/// See [`super::self_test`].
pub(super) fn self_test<B: Backend>(engine: &B) -> Result<Results, ComputeError> {
    let qkv = activations(engine, 3, &[POSITIONS, 3 * CHANNELS])?;
    let spec = AttentionSpec {
        sequences: &[Sequence::single(POSITIONS / 2, POSITIONS)],
        heads: 1,
        scale: 0.125,
        qk_norm_eps: Some(1e-5),
        mask: Mask::CausalLast,
        log_multiplicity: None,
        queries: 0..POSITIONS,
    };
    let mut out = engine.zeros(&[POSITIONS, CHANNELS])?;
    engine.attention(&qkv, &spec, &mut out)?;
    Ok(vec![("attention", engine.download(&out)?)])
}
