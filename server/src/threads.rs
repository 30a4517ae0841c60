//! The threads of a server: those it needs are there when it starts, or it does not start.

use std::hint::black_box;
use std::io;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::error::StartError;

/// The most threads that answer requests; more would have nothing to do, since all work that takes time waits for the disk
/// or the network.
pub const MAX_THREADS: usize = 256;

/// The most threads that read files.
const READERS: usize = 64;

/// Bytes of a thread's stack: what the standard library and tokio take unless told otherwise.
const STACK: usize = 2 << 20;

/// What a stack of the attempt has more, so that it does not succeed by a hair.
const MARGIN: usize = 256 << 10;

/// Bytes that are left beside all threads: more than allocators have at hand (glibc's heaps have 64 MiB), so that it is
/// the system that gives them or does not.
const ROOM: usize = 72 << 20;

/// How long a thread that reads files is kept without work. One that is let go of may not be had again, and requests would
/// wait for it in vain.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A tokio runtime for [`Server`](crate::Server): `threads` that answer requests, 0 for as many as there are processors, at
/// most [`MAX_THREADS`], and others that read files.
///
/// tokio panics where the system gives it no thread. This function asks for all of them first, and starts the runtime only
/// where they can be had.
///
/// ```
/// let runtime = flextok_server::runtime(2)?;
/// assert_eq!(runtime.block_on(async { 6 * 7 }), 42);
/// # Ok::<(), flextok_server::StartError>(())
/// ```
///
/// # Errors
/// [`StartError::Threads`] if the system does not give so many threads.
pub fn runtime(threads: usize) -> Result<Runtime, StartError> {
    let threads = match threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let threads = threads.min(MAX_THREADS);
    let refused = |source| StartError::Threads { threads, source };
    // One more that reads files, and one for the log.
    attempt(threads + 2).map_err(refused)?;
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(threads)
        .max_blocking_threads(READERS)
        .thread_stack_size(STACK)
        .thread_keep_alive(KEPT)
        .enable_all();
    let runtime = builder.build().map_err(refused)?;
    // The first that reads files starts now, while there is room. Later ones may fail: then this one does their work.
    drop(runtime.spawn_blocking(|| ()));
    Ok(runtime)
}

/// Starts so many threads, all of them there at the same time, and ends them.
fn attempt(threads: usize) -> io::Result<()> {
    let gate = Mutex::new(());
    let (running, is_running) = channel();
    thread::scope(|scope| {
        let _closed = gate.lock();
        for _ in 0..threads {
            // A thread that gets a stack, but not the few pages that it takes next, would end the program.
            check_room()?;
            let (gate, running) = (&gate, running.clone());
            let wait = move || {
                // Allocators set memory aside for each thread that uses them.
                let _ = black_box(Vec::<u8>::new()).try_reserve_exact(1024);
                let _ = running.send(());
                drop(gate.lock());
            };
            let builder = thread::Builder::new().stack_size(STACK + MARGIN);
            builder.spawn_scoped(scope, wait)?;
            is_running.recv().map_err(io::Error::other)?;
        }
        check_room()
    })
}

/// Whether the system would give [`ROOM`] more; it is not used, and so costs nothing.
fn check_room() -> io::Result<()> {
    let mut room = Vec::<u8>::new();
    let reserved = room.try_reserve_exact(ROOM);
    drop(black_box(room));
    reserved.map_err(|_| io::ErrorKind::OutOfMemory.into())
}
