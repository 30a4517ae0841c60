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
//! launch, or two with that norm. Which queries and rows a block has stands in a table that is uploaded once for each
//! choice of sequences and queries, and kept. Cost: queries are read and outputs written once, keys and values once per
//! block of queries (and from the cache where blocks run side by side); 4·d operations for each visible pair. Arithmetic
//! is in f32 whatever the tensors' types, and in a fixed order: a device gives the same bytes on each run.

mod table;
mod tile;

pub(super) use table::Tables;
pub(super) use tile::Tile;

use super::engine::{GpuEngine, Scratch};
use super::norm::lanes_moments;
use super::tensor::{Element, GpuTensor};
use crate::ComputeError;
use crate::backend::{AttentionSpec, Mask};
use cubecl::prelude::*;
use std::ops::Range;
use table::{BLOCK, table};

/// Queries of a unit.
const ROWS: usize = 4;
/// Units of a cube that takes moments.
const MOMENT_UNITS: usize = 128;
/// Stands for the logit of a key that is not seen: less than any real one.
const UNSEEN: f32 = -1.0e30;

/// Mean and reciprocal standard deviation of each head's queries and keys: `[rows, 2·heads, 2]`, by `lanes` units for each
/// pair from `first` on.
#[cube(launch)]
fn moments_kernel<T: Float>(
    qkv: &[T],
    moments: &mut [f32],
    heads: u32,
    head_dim: u32,
    first: u32,
    pairs: u32,
    eps: f32,
    #[comptime] lanes: u32,
    #[define(T)] _type: ElemType,
) {
    let mut shared = Shared::<[f32]>::new_slice(MOMENT_UNITS);
    let mut pair = CUBE_POS as u32 * comptime!(MOMENT_UNITS as u32 / lanes) + UNIT_POS / lanes;
    let inside = pair < pairs;
    if !inside {
        pair = pairs - 1;
    }
    pair += first;
    let start = (pair / (2 * heads) * 3 * heads + pair % (2 * heads)) * head_dim;
    let (mean, factor) = lanes_moments::<T>(qkv, start as usize, head_dim, eps, &mut shared, lanes);
    let lane = UNIT_POS % lanes;
    if inside && lane == 0 {
        moments[pair as usize * 2] = mean;
        moments[pair as usize * 2 + 1] = factor;
    }
}

/// A block of queries of one head: its sequence's rows, and which positions it has.
#[derive(CubeType, Clone, Copy)]
struct Place {
    prefix_start: u32,
    prefix: u32,
    suffix_start: u32,
    positions: u32,
    first: u32,
    count: u32,
    heads: u32,
    head: u32,
}

#[cube]
impl Place {
    /// The row of a position.
    fn row(&self, position: u32) -> u32 {
        let mut row = self.prefix_start + position;
        if position >= self.prefix {
            row = self.suffix_start + position - self.prefix;
        }
        row
    }
}

/// Loads one chunk of the queries (`part` 0) or keys (`part` 1) of the positions `first..end`, at most `rows` of them, normed
/// and times `factor`; zeros in the rows and channels beyond.
#[cube]
fn load_chunk<T: Float, N: Size>(
    qkv: &[Vector<T, N>],
    moments: &[f32],
    target: &mut Shared<[Vector<f32, N>]>,
    place: &Place,
    first: u32,
    end: u32,
    chunk: u32,
    factor: f32,
    #[comptime] part: u32,
    #[comptime] rows: usize,
    #[comptime] tile: Tile,
    #[comptime] normed: bool,
) {
    let chunk_width = comptime!(tile.chunk as u32);
    let mut index = UNIT_POS;
    while index < comptime!((rows * tile.chunk) as u32) {
        let (row, within) = (index / chunk_width, index % chunk_width);
        let column = chunk * chunk_width + within;
        let mut value = Vector::<f32, N>::new(0.0f32);
        if first + row < end && column < comptime!(tile.columns as u32) {
            let row = place.row(first + row);
            let head = part * place.heads + place.head;
            let at = (row * 3 * place.heads + head) * comptime!(tile.columns as u32) + column;
            value = Vector::<f32, N>::cast_from(qkv[at as usize]);
            if comptime![normed] {
                let pair = ((row * 2 * place.heads + head) * 2) as usize;
                value = (value - Vector::new(moments[pair])) * Vector::new(moments[pair + 1]);
            }
            value *= Vector::new(factor);
        }
        target[(row * comptime!(tile.stride() as u32) + within) as usize] = value;
        index += comptime!(tile.units() as u32);
    }
}

/// Loads the values of `tile.value_keys` positions from `first` on; zeros from `end` on.
#[cube]
fn load_values<T: Float, N: Size>(
    qkv: &[Vector<T, N>],
    target: &mut Shared<[Vector<f32, N>]>,
    place: &Place,
    first: u32,
    end: u32,
    #[comptime] tile: Tile,
) {
    let columns = comptime!(tile.columns as u32);
    let mut index = UNIT_POS;
    while index < comptime!((tile.value_keys * tile.columns) as u32) {
        let position = first + index / columns;
        let mut value = Vector::<f32, N>::new(0.0f32);
        if position < end {
            let head = (place.row(position) * 3 + 2) * place.heads + place.head;
            value = Vector::<f32, N>::cast_from(qkv[(head * columns + index % columns) as usize]);
        }
        target[index as usize] = value;
        index += comptime!(tile.units() as u32);
    }
}

/// Adds the products of a unit's queries and keys over one chunk to its logits.
#[cube]
fn add_products<N: Size>(
    queries: &Shared<[Vector<f32, N>]>,
    keys: &Shared<[Vector<f32, N>]>,
    logits: &mut Array<f32>,
    #[comptime] tile: Tile,
) {
    let groups = comptime!(tile.key_groups as u32);
    let stride = comptime!(tile.stride());
    let query = (UNIT_POS / groups) as usize * comptime!(ROWS * tile.stride());
    let key = (UNIT_POS % groups) as usize * stride;
    for within in 0..comptime!(tile.chunk) {
        let mut own = Array::<Vector<f32, N>>::new(ROWS);
        #[unroll]
        for row in 0..ROWS {
            own[row] = queries[query + comptime!(row * tile.stride()) + within];
        }
        #[unroll]
        for number in 0..comptime!(tile.keys_per_unit) {
            let key = keys[key + comptime!(number * tile.key_groups * tile.stride()) + within];
            #[unroll]
            for row in 0..ROWS {
                logits[comptime!(number * ROWS + row)] += own[row].dot(key);
            }
        }
    }
}

/// Adds the weighted values of one run of keys, the first of which is `first` in the tile, to a unit's sums.
#[cube]
fn add_values<N: Size>(
    weights: &Shared<[Vector<f32, Const<4>>]>,
    values: &Shared<[Vector<f32, N>]>,
    sums: &mut Array<Vector<f32, N>>,
    first: u32,
    #[comptime] tile: Tile,
) {
    let groups = comptime!(tile.key_groups as u32);
    let (row_group, group) = (UNIT_POS / groups, UNIT_POS % groups);
    for key in 0..comptime!(tile.value_keys) {
        let weight =
            weights[(first as usize + key) * comptime!(tile.row_groups) + row_group as usize];
        #[unroll]
        for own in 0..comptime!(tile.own_columns()) {
            let mut column = group as usize + comptime!(own * tile.key_groups);
            if comptime![!tile.columns.is_multiple_of(tile.key_groups)] {
                // Sums of channels that do not exist are not written.
                column = column.min(comptime!(tile.columns - 1).runtime());
            }
            let value = values[key * comptime!(tile.columns) + column];
            #[unroll]
            for row in 0..ROWS {
                sums[comptime!(own * ROWS + row)] += value * Vector::new(weight.extract(row));
            }
        }
    }
}

/// The fused kernel, for one block of queries of one head.
#[cube(launch)]
fn attention_kernel<T: Float, W: Float, O: Float, N: Size>(
    qkv: &[Vector<T, N>],
    moments: &[f32],
    multiplicities: &[W],
    table: &[u32],
    out: &mut [Vector<O, N>],
    heads: u32,
    blocks: u32,
    scale: f32,
    causal: u32,
    #[comptime] tile: Tile,
    #[comptime] normed: bool,
    #[comptime] weighted: bool,
    #[define(T)] _qkv_type: ElemType,
    #[define(W)] _multiplicities_type: ElemType,
    #[define(O)] _out_type: ElemType,
    #[define(N)] _vector: usize,
) {
    let mut query_tile =
        Shared::<[Vector<f32, N>]>::new_slice(comptime!(tile.queries() * tile.stride()));
    let mut key_tile = Shared::<[Vector<f32, N>]>::new_slice(comptime!(tile.key_vectors()));
    let mut weights =
        Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(tile.keys() * tile.row_groups));
    let mut of_units = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(tile.units()));
    let groups = comptime!(tile.key_groups as u32);
    let (row_group, group) = (UNIT_POS / groups, UNIT_POS % groups);
    let (own_columns, per_unit) = comptime!((tile.own_columns(), tile.keys_per_unit));
    let number = CUBE_POS as u32;
    let entry = (number % blocks) as usize * BLOCK;
    let mut place = Place {
        prefix_start: table[entry],
        prefix: table[entry + 1],
        suffix_start: table[entry + 2],
        positions: table[entry + 3],
        first: table[entry + 4],
        count: table[entry + 5],
        heads,
        head: number / blocks,
    };
    // Every query sees this many keys, and its own position's besides.
    let mut always = place.positions;
    if causal != 0 {
        always = place.prefix;
    }
    let mut end = always.max(place.first + place.count);
    if number >= blocks * heads {
        // One of the cubes that only fill up the launch: nothing to visit, nothing to write.
        place.count = 0u32;
        place.head = 0u32;
        end = 0u32;
    }
    let first_query = place.first + row_group * comptime!(ROWS as u32);
    let query_end = place.first + place.count;
    if comptime![tile.chunks() == 1] {
        load_chunk(
            qkv,
            moments,
            &mut query_tile,
            &place,
            place.first,
            query_end,
            0u32,
            scale,
            0u32,
            comptime!(tile.queries()),
            tile,
            normed,
        );
    }
    let mut sums = Array::<Vector<f32, N>>::new(comptime!(ROWS * own_columns));
    #[unroll]
    for index in 0..comptime!(ROWS * own_columns) {
        sums[index] = Vector::new(0.0f32);
    }
    let mut largest = Vector::<f32, Const<4>>::new(UNSEEN);
    let mut total = Vector::<f32, Const<4>>::new(0.0f32);
    let mut start = 0u32;
    while start < end {
        let mut logits = Array::<f32>::new(comptime!(ROWS * per_unit));
        #[unroll]
        for index in 0..comptime!(ROWS * per_unit) {
            logits[index] = 0.0f32;
        }
        for chunk in 0..comptime!(tile.chunks() as u32) {
            if comptime![tile.chunks() > 1] {
                sync_cube();
                load_chunk(
                    qkv,
                    moments,
                    &mut query_tile,
                    &place,
                    place.first,
                    query_end,
                    chunk,
                    scale,
                    0u32,
                    comptime!(tile.queries()),
                    tile,
                    normed,
                );
            }
            load_chunk(
                qkv,
                moments,
                &mut key_tile,
                &place,
                start,
                end,
                chunk,
                1.0f32,
                1u32,
                comptime!(tile.keys()),
                tile,
                normed,
            );
            sync_cube();
            add_products(&query_tile, &key_tile, &mut logits, tile);
        }
        let mut best = Vector::<f32, Const<4>>::new(UNSEEN);
        #[unroll]
        for number in 0..per_unit {
            let key = start + group + comptime!((number * tile.key_groups) as u32);
            let mut more = 0.0f32;
            if comptime![weighted] {
                let there = key < end;
                if there {
                    more = f32::cast_from(multiplicities[place.row(key) as usize]);
                }
            }
            #[unroll]
            for row in 0..ROWS {
                let at = comptime!(number * ROWS + row);
                let sees = place
                    .positions
                    .min(always.max(first_query + comptime!(row as u32 + 1)));
                logits[at] = select(key < sees, logits[at] + more, UNSEEN);
                best.insert(row, best.extract(row).max(logits[at]));
            }
        }
        of_units[UNIT_POS as usize] = best;
        sync_cube();
        for other in 0..groups {
            best = best.max(of_units[(row_group * groups + other) as usize]);
        }
        best = best.max(largest);
        let factor = (largest - best).exp();
        largest = best;
        total *= factor;
        #[unroll]
        for index in 0..comptime!(ROWS * own_columns) {
            sums[index] *= Vector::new(factor.extract(comptime!(index % ROWS)));
        }
        #[unroll]
        for number in 0..per_unit {
            let mut weight = Vector::<f32, Const<4>>::new(0.0f32);
            #[unroll]
            for row in 0..ROWS {
                let logit = logits[comptime!(number * ROWS + row)];
                let share = (logit - best.extract(row)).exp();
                weight.insert(row, select(logit <= UNSEEN, 0.0f32, share));
            }
            total += weight;
            let key = group as usize + comptime!(number * tile.key_groups);
            weights[key * comptime!(tile.row_groups) + row_group as usize] = weight;
        }
        let mut run = 0u32;
        while run < comptime!(tile.keys() as u32) && start + run < end {
            load_values(qkv, &mut key_tile, &place, start + run, end, tile);
            sync_cube();
            add_values(&weights, &key_tile, &mut sums, run, tile);
            sync_cube();
            run += comptime!(tile.value_keys as u32);
        }
        start += comptime!(tile.keys() as u32);
    }
    of_units[UNIT_POS as usize] = total;
    sync_cube();
    total = Vector::new(0.0f32);
    for other in 0..groups {
        total += of_units[(row_group * groups + other) as usize];
    }
    #[unroll]
    for index in 0..comptime!(ROWS * own_columns) {
        let query = first_query + comptime!((index % ROWS) as u32);
        let column = group + comptime!((index / ROWS * tile.key_groups) as u32);
        if query < query_end && column < comptime!(tile.columns as u32) {
            let at =
                (place.row(query) * heads + place.head) * comptime!(tile.columns as u32) + column;
            let sum = sums[index] / Vector::new(total.extract(comptime!(index % ROWS)));
            out[at as usize] = Vector::cast_from(sum);
        }
    }
}

/// The moments of queries and keys of the given rows.
fn moments<'a>(
    engine: &'a GpuEngine,
    qkv: &GpuTensor,
    rows: Range<usize>,
    (heads, head_dim): (usize, usize),
    eps: f32,
) -> Result<Scratch<'a>, ComputeError> {
    let moments = engine.scratch(&[rows.end, 2 * heads, 2], Element::F32)?;
    let pairs = rows.len() * 2 * heads;
    let lanes = head_dim.div_ceil(8).next_power_of_two().clamp(4, 32);
    engine.count(pairs * (head_dim * qkv.element.size() + 8));
    moments_kernel::launch(
        engine.client(),
        engine.cubes(pairs.div_ceil(MOMENT_UNITS / lanes)),
        CubeDim::new_1d(MOMENT_UNITS as u32),
        qkv.arg(),
        moments.arg(),
        heads as u32,
        head_dim as u32,
        (rows.start * 2 * heads) as u32,
        pairs as u32,
        eps,
        lanes as u32,
        qkv.element.kind(),
    );
    Ok(moments)
}

/// See [`crate::Backend::attention`].
pub(super) fn attention(
    engine: &GpuEngine,
    qkv: &GpuTensor,
    spec: &AttentionSpec<'_, GpuTensor>,
    out: &mut GpuTensor,
) {
    if let Err(error) = launch(engine, qkv, spec, out) {
        engine.fail_with(Some(&error));
    }
}

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

fn launch(
    engine: &GpuEngine,
    qkv: &GpuTensor,
    spec: &AttentionSpec<'_, GpuTensor>,
    out: &GpuTensor,
) -> Result<(), ComputeError> {
    let rows = rows(qkv, spec, out);
    let head_dim = out.columns() / spec.heads;
    if head_dim == 0 {
        return Ok(());
    }
    let tile = Tile::new(head_dim, engine.shared_memory());
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
    // A kernel that does not norm or weight does not look at these, but something has to stand there.
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
