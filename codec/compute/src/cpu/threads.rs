//! The threads that share the work: a dedicated pool or, where the target has no threads, the calling thread.

use std::sync::Arc;

use crate::ComputeError;

/// A pool of threads that engines and other parallel work share. Clones are handles of the same pool, whose threads end
/// with the last one.
#[derive(Clone)]
pub struct Threads {
    /// None on WebAssembly, which starts no threads. Rayon's global pool is then the calling thread alone, so that
    /// parallel loops run there, in order.
    pool: Option<Arc<rayon::ThreadPool>>,
}

impl Threads {
    /// `threads` threads, or one for each core if 0. On WebAssembly it is always one, the caller's.
    ///
    /// # Errors
    /// [`ComputeError::Threads`] if they cannot be started.
    pub fn new(threads: usize) -> Result<Self, ComputeError> {
        if cfg!(target_family = "wasm") {
            return Ok(Self { pool: None });
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("flextok-{index}"))
            .build()
            .map_err(|error| ComputeError::threads(threads, &error))?;
        Ok(Self {
            pool: Some(Arc::new(pool)),
        })
    }

    /// Number of threads.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.pool {
            Some(pool) => pool.current_num_threads(),
            None => 1,
        }
    }

    /// Runs `work` so that its parallel loops use these threads.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("Threads")
            .field(&self.count())
            .finish()
    }
}
