//! The fused kernel, a block of queries of one head for each cube; the parent module documents geometry and
//! cost.

use cubecl::prelude::*;

use super::ROWS;
use super::load::{QueryBlock, load_keys, load_queries, load_values};
use super::tile::Tile;

/// Stands for the logit of a key that is not seen: less than any real one.
const UNSEEN: f32 = -1.0e30;

/// A number for each of a unit's queries.
type Each = Vector<f32, Const<4>>;

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
    // Units of one row group are adjacent and read the same queries, which shared memory broadcasts; their keys are
    // neighbouring rows, kept in different banks by the stride.
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
            // A unit takes every `key_groups`-th key, so that units side by side read keys side by side.
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
    weights: &Shared<[Each]>,
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
            // Here `group` selects channels, no longer keys: every unit needs the weights of all keys for its channels.
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

/// Adds the products of a unit's queries with its keys of the tile from `start` on to its logits, chunk by chunk.
#[cube]
fn add_tile<T: Float, N: Size>(
    qkv: &[Vector<T, N>],
    moments: &[f32],
    queries: &mut Shared<[Vector<f32, N>]>,
    keys: &mut Shared<[Vector<f32, N>]>,
    logits: &mut Array<f32>,
    query_block: &QueryBlock,
    start: u32,
    scale: f32,
    #[comptime] tile: Tile,
    #[comptime] normed: bool,
) {
    for chunk in 0..comptime!(tile.chunks() as u32) {
        // Several chunks overwrite queries and keys that units may still read. A single chunk needs no barrier here:
        // the loop over values ends with one, and before the first tile nothing is read.
        if comptime![tile.chunks() > 1] {
            sync_cube();
            load_queries(
                qkv,
                moments,
                queries,
                query_block,
                chunk,
                scale,
                tile,
                normed,
            );
        }
        load_keys(qkv, moments, keys, query_block, start, chunk, tile, normed);
        sync_cube();
        add_products(&*queries, &*keys, logits, tile);
    }
}

/// Adds multiplicities to the logits of the tile from `start` on, hides those of keys that are not seen, and gives each
/// query's largest.
#[cube]
fn mask<W: Float>(
    logits: &mut Array<f32>,
    multiplicities: &[W],
    query_block: &QueryBlock,
    start: u32,
    #[comptime] tile: Tile,
    #[comptime] weighted: bool,
) -> Each {
    let group = UNIT_POS % comptime!(tile.key_groups as u32);
    let mut best = Each::new(UNSEEN);
    #[unroll]
    for number in 0..comptime!(tile.keys_per_unit) {
        let key = start + group + comptime!((number * tile.key_groups) as u32);
        let mut more = 0.0f32;
        if comptime![weighted] {
            let there = key < query_block.end;
            if there {
                more = f32::cast_from(multiplicities[query_block.row(key) as usize]);
            }
        }
        #[unroll]
        for row in 0..ROWS {
            let at = comptime!(number * ROWS + row);
            // A value that is set, not added: padding keys have logit 0 and must lose against any real one as well.
            logits[at] = select(key < query_block.seen(row, tile), logits[at] + more, UNSEEN);
            best.insert(row, best.extract(row).max(logits[at]));
        }
    }
    best
}

/// The largest of what the units with the same queries have.
#[cube]
fn largest_of_units(own: Each, of_units: &mut Shared<[Each]>, #[comptime] tile: Tile) -> Each {
    let groups = comptime!(tile.key_groups as u32);
    // Every unit reduces its whole row group in the same order: this takes one barrier, a tree one per halving,
    // and all units get the same bits.
    of_units[UNIT_POS as usize] = own;
    sync_cube();
    let mut best = own;
    for other in 0..groups {
        best = best.max(of_units[(UNIT_POS / groups * groups + other) as usize]);
    }
    best
}

/// The sum of what the units with the same queries have.
#[cube]
fn sum_of_units(own: Each, of_units: &mut Shared<[Each]>, #[comptime] tile: Tile) -> Each {
    let groups = comptime!(tile.key_groups as u32);
    of_units[UNIT_POS as usize] = own;
    sync_cube();
    let mut total = Each::new(0.0f32);
    for other in 0..groups {
        total += of_units[(UNIT_POS / groups * groups + other) as usize];
    }
    total
}

/// Writes the exponentials of a unit's logits, relative to `best`, as weights of its keys, and gives `before` plus their
/// sum.
#[cube]
fn weigh(
    logits: &Array<f32>,
    weights: &mut Shared<[Each]>,
    best: Each,
    before: Each,
    #[comptime] tile: Tile,
) -> Each {
    let groups = comptime!(tile.key_groups as u32);
    let (row_group, group) = (UNIT_POS / groups, UNIT_POS % groups);
    let mut total = before;
    #[unroll]
    for number in 0..comptime!(tile.keys_per_unit) {
        let mut weight = Each::new(0.0f32);
        #[unroll]
        for row in 0..ROWS {
            let logit = logits[comptime!(number * ROWS + row)];
            // If no key was seen yet, `best` is `UNSEEN` too and the exponential would be 1, hence the `select`.
            let share = (logit - best.extract(row)).exp();
            weight.insert(row, select(logit <= UNSEEN, 0.0f32, share));
        }
        total += weight;
        let key = group as usize + comptime!(number * tile.key_groups);
        weights[key * comptime!(tile.row_groups) + row_group as usize] = weight;
    }
    total
}

/// Writes a unit's sums over the queries' totals.
#[cube]
fn store<O: Float, N: Size>(
    sums: &Array<Vector<f32, N>>,
    total: Each,
    out: &mut [Vector<O, N>],
    query_block: &QueryBlock,
    #[comptime] tile: Tile,
) {
    let columns = comptime!(tile.columns as u32);
    let group = UNIT_POS % comptime!(tile.key_groups as u32);
    #[unroll]
    for index in 0..comptime!(tile.sums()) {
        let row = comptime!(index % ROWS);
        // Sums are laid out `[own column][query]`, as `add_values` fills them.
        let (head, there) = query_block.target(row, tile);
        let column = group + comptime!((index / ROWS * tile.key_groups) as u32);
        if there && column < columns {
            let sum = sums[index] / Vector::new(total.extract(row));
            out[(head * columns + column) as usize] = Vector::cast_from(sum);
        }
    }
}

/// The fused kernel, for one block of queries of one head.
#[cube(launch)]
pub(super) fn attention_kernel<T: Float, W: Float, O: Float, N: Size>(
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
    let mut queries = Shared::<[Vector<f32, N>]>::new_slice(comptime!(tile.query_vectors()));
    let mut keys = Shared::<[Vector<f32, N>]>::new_slice(comptime!(tile.key_vectors()));
    let mut weights = Shared::<[Each]>::new_slice(comptime!(tile.keys() * tile.row_groups));
    let mut of_units = Shared::<[Each]>::new_slice(comptime!(tile.units()));
    let query_block = QueryBlock::of_cube(table, heads, blocks, causal);
    if comptime![tile.chunks() == 1] {
        load_queries(
            qkv,
            moments,
            &mut queries,
            &query_block,
            0u32,
            scale,
            tile,
            normed,
        );
    }
    let mut sums = Array::<Vector<f32, N>>::new(comptime!(tile.sums()));
    #[unroll]
    for index in 0..comptime!(tile.sums()) {
        sums[index] = Vector::new(0.0f32);
    }
    let mut largest = Each::new(UNSEEN);
    let mut total = Each::new(0.0f32);
    let mut start = 0u32;
    // `query_block.end` is the same for a whole cube, so all its units meet at the barriers inside.
    while start < query_block.end {
        let mut logits = Array::<f32>::new(comptime!(ROWS * tile.keys_per_unit));
        #[unroll]
        for index in 0..comptime!(ROWS * tile.keys_per_unit) {
            logits[index] = 0.0f32;
        }
        add_tile(
            qkv,
            moments,
            &mut queries,
            &mut keys,
            &mut logits,
            &query_block,
            start,
            scale,
            tile,
            normed,
        );
        let own = mask(
            &mut logits,
            multiplicities,
            &query_block,
            start,
            tile,
            weighted,
        );
        // The barrier in here also ends the reading of the keys, whose memory the values then take.
        let best = largest_of_units(own, &mut of_units, tile).max(largest);
        // Online softmax: sums relative to the old maximum are rescaled to the new one. `UNSEEN` is finite, so that
        // the first tile gives e^(−huge) = 0 and never ∞ − ∞.
        let factor = (largest - best).exp();
        largest = best;
        #[unroll]
        for index in 0..comptime!(tile.sums()) {
            sums[index] *= Vector::new(factor.extract(comptime!(index % ROWS)));
        }
        // `total` covers this unit's keys only; the row group's totals are added once, after the last tile.
        total = weigh(&logits, &mut weights, best, total * factor, tile);
        let mut run = 0u32;
        while run < comptime!(tile.keys() as u32) && start + run < query_block.end {
            load_values(qkv, &mut keys, &query_block, start + run, tile);
            sync_cube();
            // The barrier before makes values and weights visible to all units; the one after lets the next run or
            // tile overwrite them.
            add_values(&weights, &keys, &mut sums, run, tile);
            sync_cube();
            run += comptime!(tile.value_keys as u32);
        }
        start += comptime!(tile.keys() as u32);
    }
    let total = sum_of_units(total, &mut of_units, tile);
    store(&sums, total, out, &query_block, tile);
}
