//! Names that occurred, in memory that does not depend on their length.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// Names that occurred: of each a hash of 128 bits, so that no two share one.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    names: HashSet<(u64, u64)>,
    first: RandomState,
    second: RandomState,
}

impl Seen {
    /// Whether a name is new.
    pub(crate) fn insert(&mut self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        self.names
            .insert((self.first.hash_one(name), self.second.hash_one(name)))
    }
}
