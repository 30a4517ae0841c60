//! Reads a mapped file from one end to the other without keeping it in memory.

use flextok_compute::Storage;

/// Bytes that may have been read before their pages are released.
const KEPT_BYTES: usize = 16 << 20;
/// Bytes that even a short read may load: systems map the neighbouring pages as well.
const READ_AHEAD: usize = 64 << 10;

/// Releases the pages of a mapped file from time to time while it is read.
pub(super) struct Scan<'a> {
    storage: &'a Storage,
    kept: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(storage: &'a Storage) -> Self {
        Self { storage, kept: 0 }
    }

    /// Counts `bytes` adjacent bytes that were read.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.kept = self.kept.saturating_add(bytes.max(READ_AHEAD));
        if self.kept > KEPT_BYTES {
            self.storage.release_pages();
            self.kept = 0;
        }
    }
}

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        self.storage.release_pages();
    }
}
