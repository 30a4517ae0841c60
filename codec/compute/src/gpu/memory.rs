//! How much of a device's memory an engine has taken, against the limit it was given.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes in use and the most that may be.
#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicU64,
    limit: u64,
}

/// Bytes of a [`Budget`], given back on drop.
#[derive(Debug)]
pub(super) struct Reserved {
    bytes: u64,
    budget: Arc<Budget>,
}

impl Budget {
    pub(super) fn new(limit: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicU64::new(0),
            limit: limit.unwrap_or(u64::MAX),
        })
    }

    /// Takes `bytes`; what would then be in use and the limit if that is too much.
    pub(super) fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Arc<Reserved>, (u64, u64)> {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let reserved = Reserved {
            bytes,
            budget: Arc::clone(self),
        };
        let needed = before.saturating_add(bytes);
        if needed > self.limit {
            return Err((needed, self.limit));
        }
        Ok(Arc::new(reserved))
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_can_be_taken_again() {
        let budget = Budget::new(Some(100));
        let first = budget.reserve(60).unwrap();
        assert_eq!(budget.reserve(41).unwrap_err(), (101, 100));
        assert_eq!(budget.used(), 60);
        drop(first);
        assert!(budget.reserve(100).is_ok());
        assert_eq!(budget.used(), 0);
    }
}
