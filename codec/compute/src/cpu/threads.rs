//! The threads of an engine: a pool of its own, or, where the target has no threads, the caller's.

use crate::ComputeError;

/// Where an engine's tasks run.
pub(super) struct Threads {
    /// None on WebAssembly, which starts no threads. Rayon's global pool is then the calling thread alone, so that
    /// parallel loops run there, in order.
    pool: Option<rayon::ThreadPool>,
}

impl Threads {
    /// `threads` threads, or as many as the machine has if 0.
    pub(super) fn new(threads: usize) -> Result<Self, ComputeError> {
        if cfg!(target_family = "wasm") {
            return Ok(Self { pool: None });
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("flextok-{index}"))
            .build()
            .map_err(|error| ComputeError::threads(threads, &error))?;
        Ok(Self { pool: Some(pool) })
    }

    /// Number of threads.
    pub(super) fn count(&self) -> usize {
        match &self.pool {
            Some(pool) => pool.current_num_threads(),
            None => 1,
        }
    }

    /// Runs `work` so that its parallel loops use these threads.
    pub(super) fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}
