//! How the work of a block of queries is split over the units of a cube.

use super::ROWS;

/// How a cube splits its work; all of it follows from the head size and the device's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct Tile {
    /// Groups of units with the same queries.
    pub(super) row_groups: usize,
    /// Groups of units with the same keys and channels; a power of two.
    pub(super) key_groups: usize,
    /// Keys whose logits a unit computes.
    pub(super) keys_per_unit: usize,
    /// Channels that are read at once.
    pub(super) vector: usize,
    /// Vectors of a head.
    pub(super) columns: usize,
    /// Vectors of a chunk of queries and keys.
    pub(super) chunk: usize,
    /// Keys whose values are loaded at once; divides the keys of a tile.
    pub(super) value_keys: usize,
}

impl Tile {
    /// The tile for heads of `head_dim` channels on a device with `shared` bytes of shared memory and at most `units`
    /// units in a cube.
    pub(in crate::gpu) fn new(head_dim: usize, shared: usize, units: usize) -> Self {
        let words = shared.min(32 << 10) / 4;
        let vector = [4, 2, 1]
            .into_iter()
            .find(|&size| head_dim.is_multiple_of(size))
            .unwrap_or(1);
        // Key groups also divide the channels of the sums: doubling them with the head size keeps a unit at 4 vectors
        // × 4 queries in registers up to 512 channels. Fewer keys per unit then keep tiles small.
        let (row_groups, key_groups, keys_per_unit) = match head_dim {
            0..=128 => (8, 8, 4),
            129..=256 => (8, 16, 4),
            257..=512 => (8, 32, 2),
            _ => (4, 64, 1),
        };
        let columns = head_dim / vector;
        let mut tile = Self {
            row_groups,
            key_groups,
            keys_per_unit,
            vector,
            columns,
            chunk: columns,
            value_keys: 1,
        };
        while tile.units() > units && tile.row_groups > 1 {
            tile.row_groups /= 2;
        }
        while tile.units() > units && tile.key_groups > 1 {
            tile.key_groups /= 2;
        }
        // Large heads in chunks first, then fewer keys at a time, and fewer queries last.
        while tile.words() > words && tile.chunk * tile.vector > 32 {
            tile.chunk = tile.chunk.div_ceil(2);
        }
        while tile.words() > words && tile.keys_per_unit > 1 {
            tile.keys_per_unit /= 2;
        }
        while tile.words() > words && tile.chunk > 1 {
            tile.chunk = tile.chunk.div_ceil(2);
        }
        while tile.words() > words && tile.row_groups > 1 {
            tile.row_groups /= 2;
        }
        // Only doubled, so that it divides the keys of a tile, which are a power of two.
        while tile.value_keys < tile.keys() && 2 * tile.value_keys * columns <= tile.key_vectors() {
            tile.value_keys *= 2;
        }
        tile
    }

    /// Units of a cube.
    pub(super) fn units(&self) -> usize {
        self.row_groups * self.key_groups
    }

    /// Queries of a block.
    pub(super) fn queries(&self) -> usize {
        self.row_groups * ROWS
    }

    /// Keys of a tile.
    pub(super) fn keys(&self) -> usize {
        self.key_groups * self.keys_per_unit
    }

    /// Vectors from row to row of a chunk: one more than it has, so that rows side by side are in different banks.
    pub(super) fn stride(&self) -> usize {
        self.chunk + 1
    }

    /// Chunks of a head.
    pub(super) fn chunks(&self) -> usize {
        self.columns.div_ceil(self.chunk)
    }

    /// Vectors of channels that a unit sums up.
    pub(super) fn own_columns(&self) -> usize {
        self.columns.div_ceil(self.key_groups)
    }

    /// Vectors of sums that a unit has: of each of these channels for each of its queries.
    pub(super) fn sums(&self) -> usize {
        ROWS * self.own_columns()
    }

    /// Vectors of a chunk of queries.
    pub(super) fn query_vectors(&self) -> usize {
        self.queries() * self.stride()
    }

    /// Vectors of a chunk of keys, which a run of values takes too; at least one key's values.
    pub(super) fn key_vectors(&self) -> usize {
        (self.keys() * self.stride()).max(self.columns)
    }

    /// Words of shared memory in all: queries, keys or values, weights, and one vector for each unit.
    fn words(&self) -> usize {
        let rows = self.query_vectors() + self.key_vectors();
        rows * self.vector + ROWS * (self.keys() * self.row_groups + self.units())
    }

    /// Panics unless the tile covers heads of `head_dim` channels within `shared` bytes and `units` units.
    #[cfg(all(test, feature = "gpu"))]
    pub(in crate::gpu) fn assert_fits(&self, head_dim: usize, shared: usize, units: usize) {
        assert!(self.words() * 4 <= shared, "{self:?}");
        assert_eq!(self.columns * self.vector, head_dim, "{self:?}");
        assert!(
            self.chunks() * self.chunk >= self.columns && self.chunk > 0,
            "{self:?}"
        );
        assert!(self.keys().is_multiple_of(self.value_keys), "{self:?}");
        assert!(
            self.value_keys * self.columns <= self.key_vectors(),
            "{self:?}"
        );
        assert!(self.key_groups.is_power_of_two(), "{self:?}");
        let allowed = units.min(64)..=units.min(256);
        assert!(allowed.contains(&self.units()), "{self:?}");
    }
}
