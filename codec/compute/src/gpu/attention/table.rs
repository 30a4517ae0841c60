//! Which queries and rows each block has, as tables on the device.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::ComputeError;
use crate::backend::Sequence;
use crate::gpu::engine::GpuEngine;
use crate::gpu::tensor::{Element, GpuTensor};

/// Numbers of a block in the table: first prefix row, prefix length, first suffix row, positions, position of the first
/// query, queries.
pub(super) const BLOCK: usize = 6;
/// Tables that are kept.
const TABLES: usize = 16;

/// The tables of blocks on the device, by the choices of sequences and queries that they were made for.
#[derive(Debug, Default)]
pub(in crate::gpu) struct Tables(Mutex<Vec<Table>>);

#[derive(Debug, Clone)]
struct Table {
    sequences: Vec<Sequence>,
    queries: Range<usize>,
    /// Queries of a block.
    block: usize,
    /// `[blocks, BLOCK]` of u32, which have the size of an f32.
    values: Arc<GpuTensor>,
}

/// The blocks of `block` queries each, [`BLOCK`] numbers for each.
fn blocks(sequences: &[Sequence], queries: &Range<usize>, block: usize) -> Vec<u32> {
    let mut values = Vec::new();
    for sequence in sequences {
        let wanted = sequence.positions_in(queries);
        for first in wanted.clone().step_by(block) {
            let count = block.min(wanted.end - first);
            let (prefix, suffix) = (&sequence.prefix, &sequence.suffix);
            let numbers = [
                prefix.start,
                prefix.len(),
                suffix.start,
                sequence.positions(),
                first,
                count,
            ];
            values.extend(numbers.map(|number| number as u32));
        }
    }
    values
}

/// The table for a choice of sequences and queries: one that is kept, or a new one in place of the one that was not used
/// for longest. `None` if there are no queries.
pub(super) fn table(
    engine: &GpuEngine,
    sequences: &[Sequence],
    queries: &Range<usize>,
    block: usize,
) -> Result<Option<Arc<GpuTensor>>, ComputeError> {
    let mut tables = engine
        .tables
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let is_it = |table: &Table| {
        table.sequences == sequences && table.queries == *queries && table.block == block
    };
    if let Some(index) = tables.iter().position(is_it) {
        // The last is the one that was used last.
        tables[index..].rotate_left(1);
        return Ok(tables.last().map(|table| Arc::clone(&table.values)));
    }
    let numbers = blocks(sequences, queries, block);
    if numbers.is_empty() {
        return Ok(None);
    }
    let shape = [numbers.len() / BLOCK, BLOCK];
    let values =
        Arc::new(engine.upload_bytes(bytemuck::cast_slice(&numbers), &shape, Element::F32)?);
    if tables.len() == TABLES {
        tables.remove(0);
    }
    tables.push(Table {
        sequences: sequences.to_vec(),
        queries: queries.clone(),
        block,
        values: Arc::clone(&values),
    });
    Ok(Some(values))
}
