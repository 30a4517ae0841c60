//! What a cube's block of queries is, and loading it and the keys and values that it meets into shared memory.

use cubecl::prelude::*;

use super::ROWS;
use super::table::BLOCK;
use super::tile::Tile;

/// A block of queries of one head: its sequence's rows, which positions it has, and which keys they see.
#[derive(CubeType)]
pub(super) struct QueryBlock {
    prefix_start: u32,
    prefix: u32,
    suffix_start: u32,
    positions: u32,
    first: u32,
    count: u32,
    /// Every query sees this many keys, and its own position's besides.
    always: u32,
    /// The end of the keys that any query of the block sees.
    pub(super) end: u32,
    heads: u32,
    head: u32,
}

#[cube]
impl QueryBlock {
    /// The block of this cube.
    pub(super) fn of_cube(table: &[u32], heads: u32, blocks: u32, causal: u32) -> Self {
        let number = CUBE_POS as u32;
        // Blocks vary faster than heads, so that neighbouring cubes find the same head's keys and values in the cache.
        let entry = (number % blocks) as usize * BLOCK;
        let prefix = table[entry + 1];
        let positions = table[entry + 3];
        let first = table[entry + 4];
        let mut count = table[entry + 5];
        let mut head = number / blocks;
        let mut always = positions;
        if causal != 0 {
            always = prefix;
        }
        let mut end = always.max(first + count);
        if number >= blocks * heads {
            // One of the cubes that only fill up the launch: nothing to visit, nothing to write.
            count = 0u32;
            head = 0u32;
            end = 0u32;
        }
        QueryBlock {
            prefix_start: table[entry],
            prefix,
            suffix_start: table[entry + 2],
            positions,
            first,
            count,
            always,
            end,
            heads,
            head,
        }
    }

    /// The row of a position.
    pub(super) fn row(&self, position: u32) -> u32 {
        let mut row = self.prefix_start + position;
        if position >= self.prefix {
            row = self.suffix_start + position - self.prefix;
        }
        row
    }

    /// The position of a query of this unit's.
    fn position(&self, #[comptime] query: usize, #[comptime] tile: Tile) -> u32 {
        let row_group = UNIT_POS / comptime!(tile.key_groups as u32);
        self.first + row_group * comptime!(ROWS as u32) + comptime!(query as u32)
    }

    /// The end of the keys that a query of this unit's sees.
    pub(super) fn seen(&self, #[comptime] query: usize, #[comptime] tile: Tile) -> u32 {
        let own = self.position(query, tile) + 1;
        self.positions.min(self.always.max(own))
    }

    /// Where the head of a query of this unit's stands in the output, counted in heads, and whether there is that query.
    pub(super) fn target(&self, #[comptime] query: usize, #[comptime] tile: Tile) -> (u32, bool) {
        let position = self.position(query, tile);
        let head = self.row(position) * self.heads + self.head;
        (head, position < self.first + self.count)
    }
}

/// Loads one chunk of the queries (`part` 0) or keys (`part` 1) of the positions `first..end`, at most `rows` of them, normed
/// and times `factor`; zeros in the rows and channels beyond.
#[cube]
fn load_chunk<T: Float, N: Size>(
    qkv: &[Vector<T, N>],
    moments: &[f32],
    target: &mut Shared<[Vector<f32, N>]>,
    query_block: &QueryBlock,
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
        // Channels vary fastest, so that neighbouring units read neighbouring addresses.
        let (row, within) = (index / chunk_width, index % chunk_width);
        let column = chunk * chunk_width + within;
        let mut value = Vector::<f32, N>::new(0.0f32);
        if first + row < end && column < comptime!(tile.columns as u32) {
            let row = query_block.row(first + row);
            let head = part * query_block.heads + query_block.head;
            // A row of `qkv` is 3·heads vectors of a head each: all queries, then all keys, then all values.
            let at = (row * 3 * query_block.heads + head) * comptime!(tile.columns as u32) + column;
            value = Vector::<f32, N>::cast_from(qkv[at as usize]);
            if comptime![normed] {
                // Moments exist for queries and keys only, hence 2·heads pairs a row.
                let pair = ((row * 2 * query_block.heads + head) * 2) as usize;
                value = (value - Vector::new(moments[pair])) * Vector::new(moments[pair + 1]);
            }
            value *= Vector::new(factor);
        }
        target[(row * comptime!(tile.stride() as u32) + within) as usize] = value;
        index += comptime!(tile.units() as u32);
    }
}

/// Loads one chunk of the block's queries, normed and times `scale`.
#[cube]
pub(super) fn load_queries<T: Float, N: Size>(
    qkv: &[Vector<T, N>],
    moments: &[f32],
    target: &mut Shared<[Vector<f32, N>]>,
    query_block: &QueryBlock,
    chunk: u32,
    scale: f32,
    #[comptime] tile: Tile,
    #[comptime] normed: bool,
) {
    load_chunk(
        qkv,
        moments,
        target,
        query_block,
        query_block.first,
        query_block.first + query_block.count,
        chunk,
        scale,
        0u32,
        comptime!(tile.queries()),
        tile,
        normed,
    );
}

/// Loads one chunk of a tile's keys from `first` on, normed.
#[cube]
pub(super) fn load_keys<T: Float, N: Size>(
    qkv: &[Vector<T, N>],
    moments: &[f32],
    target: &mut Shared<[Vector<f32, N>]>,
    query_block: &QueryBlock,
    first: u32,
    chunk: u32,
    #[comptime] tile: Tile,
    #[comptime] normed: bool,
) {
    load_chunk(
        qkv,
        moments,
        target,
        query_block,
        first,
        query_block.end,
        chunk,
        1.0f32,
        1u32,
        comptime!(tile.keys()),
        tile,
        normed,
    );
}

/// Loads the values of `tile.value_keys` positions from `first` on; zeros where there are no keys.
#[cube]
pub(super) fn load_values<T: Float, N: Size>(
    qkv: &[Vector<T, N>],
    target: &mut Shared<[Vector<f32, N>]>,
    query_block: &QueryBlock,
    first: u32,
    #[comptime] tile: Tile,
) {
    let columns = comptime!(tile.columns as u32);
    let mut index = UNIT_POS;
    while index < comptime!((tile.value_keys * tile.columns) as u32) {
        let position = first + index / columns;
        let mut value = Vector::<f32, N>::new(0.0f32);
        if position < query_block.end {
            // Values are the third part of a row.
            let head = (query_block.row(position) * 3 + 2) * query_block.heads + query_block.head;
            value = Vector::<f32, N>::cast_from(qkv[(head * columns + index % columns) as usize]);
        }
        target[index as usize] = value;
        index += comptime!(tile.units() as u32);
    }
}
