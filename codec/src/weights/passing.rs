//! Reading through a mapped file without keeping it in memory.

use flextok_compute::Storage;

/// Bytes that are kept at most.
const KEPT: usize = 16 << 20;
/// What a read of a few bytes may bring in: systems map the pages around the one that was asked for.
const AROUND: usize = 64 << 10;

/// Gives the memory of a mapped file back, now and then, while it is read from one end to the other.
pub(super) struct Passing<'a> {
    storage: &'a Storage,
    kept: usize,
}

impl<'a> Passing<'a> {
    pub(super) fn through(storage: &'a Storage) -> Self {
        Self { storage, kept: 0 }
    }

    /// So many bytes that lie together have been read.
    pub(super) fn by(&mut self, bytes: usize) {
        self.kept = self.kept.saturating_add(bytes.max(AROUND));
        if self.kept > KEPT {
            self.storage.release_pages();
            self.kept = 0;
        }
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.storage.release_pages();
    }
}
