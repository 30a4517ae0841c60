//! Values that are made when they are first needed: the layers of a network, packed for an engine.

use std::sync::{Arc, Mutex, PoisonError};

use flextok_compute::ComputeError;

use crate::network::NetworkError;

/// A value that is made on first use; unlike `OnceLock`, a failure is not kept and the next use tries again.
pub(super) struct Lazy<T>(Mutex<Option<Arc<T>>>);

impl<T> Lazy<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Must not be called from the engine's own threads: they make the value, while the caller waits with the lock.
    ///
    /// The caller may be a thread of another pool. It waits for a thread of its own here, because waiting for the engine's
    /// pool would let it take up other work of its pool meanwhile, which may need this very lock.
    pub(super) fn get(
        &self,
        make: impl FnOnce() -> Result<T, NetworkError> + Send,
    ) -> Result<Arc<T>, NetworkError>
    where
        T: Send + Sync,
    {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = &*slot {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(on_own_thread(make)?);
        *slot = Some(Arc::clone(&value));
        Ok(value)
    }
}

/// Runs `make` on a thread of its own; on WebAssembly, which starts none and has no other pool to wait for, at once.
fn on_own_thread<T: Send>(
    make: impl FnOnce() -> Result<T, NetworkError> + Send,
) -> Result<T, NetworkError> {
    if cfg!(target_family = "wasm") {
        return make();
    }
    std::thread::scope(|scope| {
        // Unlike `scope.spawn`, the builder does not panic where the system starts no more threads.
        let thread = std::thread::Builder::new()
            .spawn_scoped(scope, make)
            .map_err(|error| ComputeError::threads(1, &error))?;
        let made = thread.join();
        made.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lazy_value_can_be_asked_for_again_after_a_failure() {
        let lazy = Lazy::<u32>::new();
        let failure = || Err(NetworkError::Cancelled { done: 0, total: 1 });
        assert!(lazy.get(failure).is_err());
        assert_eq!(*lazy.get(|| Ok(7)).unwrap(), 7);
        assert_eq!(*lazy.get(failure).unwrap(), 7);
    }
}
