//! The threads that share the work: a dedicated pool or, where the target has no threads, the calling thread.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::ComputeError;

/// A pool of threads that engines and other parallel work share. Clones are handles of the same pool, whose threads end
/// with the last one: they have ended when it is gone, so that a program may unload their code.
#[derive(Clone)]
pub struct Threads {
    /// None on WebAssembly, which starts no threads. Rayon's global pool is then the calling thread alone, so that
    /// parallel loops run there, in order.
    pool: Option<Arc<Pool>>,
}

/// Threads that are waited for in the end.
struct Pool {
    /// None only while it ends.
    pool: Option<rayon::ThreadPool>,
    threads: Vec<JoinHandle<()>>,
    /// The process that started them: a forked child has none of them to wait for.
    process: u32,
}

impl Pool {
    fn new(threads: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        let started = Mutex::new(Vec::new());
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("flextok-{index}"))
            .spawn_handler(|thread| {
                let handle = spawn(thread)?;
                let mut started = started.lock().unwrap_or_else(PoisonError::into_inner);
                started.push(handle);
                Ok(())
            })
            .build()?;
        Ok(Self {
            pool: Some(pool),
            threads: started.into_inner().unwrap_or_else(PoisonError::into_inner),
            process: std::process::id(),
        })
    }

    fn get(&self) -> Option<&rayon::ThreadPool> {
        self.pool.as_ref()
    }
}

fn spawn(thread: rayon::ThreadBuilder) -> io::Result<JoinHandle<()>> {
    let name = thread.name().unwrap_or("flextok").to_owned();
    thread::Builder::new().name(name).spawn(|| thread.run())
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Tells the threads to end.
        drop(self.pool.take());
        if self.process != std::process::id() {
            return;
        }
        let current = thread::current().id();
        let mut threads = self.threads.drain(..);
        // One of them cannot wait for itself, nor for others that may wait for it.
        if threads
            .as_slice()
            .iter()
            .any(|thread| thread.thread().id() == current)
        {
            return;
        }
        threads.by_ref().for_each(|thread| {
            // They catch panics of their work.
            let _ = thread.join();
        });
    }
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
        let pool = Pool::new(threads).map_err(|error| ComputeError::threads(threads, &error))?;
        Ok(Self {
            pool: Some(Arc::new(pool)),
        })
    }

    /// Number of threads.
    #[must_use]
    pub fn count(&self) -> usize {
        match self.pool() {
            Some(pool) => pool.current_num_threads(),
            None => 1,
        }
    }

    fn pool(&self) -> Option<&rayon::ThreadPool> {
        self.pool.as_ref().and_then(|pool| pool.get())
    }

    /// Runs `work` so that its parallel loops use these threads.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self.pool() {
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

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    thread_local! {
        static ENDING: std::cell::RefCell<Option<Ending>> = const { std::cell::RefCell::new(None) };
    }

    static ENDED: AtomicUsize = AtomicUsize::new(0);

    /// Dropped where its thread ends.
    struct Ending;

    impl Drop for Ending {
        fn drop(&mut self) {
            ENDED.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn the_threads_have_ended_when_the_last_handle_is_gone() {
        let threads = Threads::new(3).unwrap();
        let pool = threads.pool().unwrap();
        pool.broadcast(|_| ENDING.set(Some(Ending)));
        let other = threads.clone();
        drop(threads);
        assert_eq!(ENDED.load(Ordering::SeqCst), 0);
        assert_eq!(other.count(), 3);
        drop(other);
        assert_eq!(ENDED.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn the_last_handle_may_go_on_a_thread_of_its_own_pool() {
        let threads = Threads::new(2).unwrap();
        let (sent, received) = std::sync::mpsc::channel();
        let last = threads.clone();
        threads.pool().unwrap().spawn(move || {
            // Until the other handle is gone.
            while last
                .pool
                .as_ref()
                .is_some_and(|pool| Arc::strong_count(pool) > 1)
            {
                thread::yield_now();
            }
            drop(last);
            sent.send(()).unwrap();
        });
        drop(threads);
        received.recv().unwrap();
    }
}
