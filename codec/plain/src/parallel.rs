//! Pieces of a slice that are worked on by several threads, where the build and the caller have them.

#[cfg(feature = "threads")]
use rayon::prelude::*;

/// Threads that [`chunks`] spreads work over: those of the rayon pool that calls. Outside of one it is the caller alone, since
/// rayon would start a pool of its own for the rest of the process.
#[cfg(feature = "threads")]
pub(crate) fn threads() -> usize {
    rayon::current_thread_index().map_or(1, |_| rayon::current_num_threads())
}

/// Threads that [`chunks`] spreads work over.
#[cfg(not(feature = "threads"))]
pub(crate) fn threads() -> usize {
    1
}

/// Calls `work` with the number and the values of each piece of `length` values, the last of which may be shorter. A thread
/// takes at least `least` pieces, and has something of `make` for all of its pieces.
///
/// # Errors
/// The first error that `work` gives; what follows may be left out.
#[cfg_attr(
    not(feature = "threads"),
    expect(unused_variables, reason = "all pieces are one thread's")
)]
pub(crate) fn chunks<T: Send, M, E: Send>(
    values: &mut [T],
    (length, least): (usize, usize),
    make: impl Fn() -> M + Sync + Send,
    work: impl Fn(&mut M, usize, &mut [T]) -> Result<(), E> + Sync + Send,
) -> Result<(), E> {
    #[cfg(feature = "threads")]
    if threads() > 1 {
        let pieces = values.par_chunks_mut(length).enumerate();
        return pieces
            .with_min_len(least)
            .try_for_each_init(make, |made, (number, piece)| work(made, number, piece));
    }
    let mut made = make();
    let mut pieces = values.chunks_mut(length).enumerate();
    pieces.try_for_each(|(number, piece)| work(&mut made, number, piece))
}

#[cfg(all(test, feature = "threads"))]
mod tests {
    use std::thread;
    use std::vec::Vec;

    use super::*;

    /// The threads that worked on a hundred pieces.
    fn workers() -> Vec<thread::ThreadId> {
        let mut workers = [thread::current().id(); 100];
        let note = |(): &mut (), _, piece: &mut [thread::ThreadId]| {
            piece.fill(thread::current().id());
            Ok::<_, core::convert::Infallible>(())
        };
        let Ok(()) = chunks(&mut workers, (1, 1), || (), note);
        workers.to_vec()
    }

    #[test]
    fn outside_of_a_pool_the_caller_works_alone() {
        let own = thread::current().id();
        assert!(workers().iter().all(|&worker| worker == own));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2);
        let pool = pool.build().unwrap();
        assert!(pool.install(workers).iter().all(|&worker| worker != own));
        assert_eq!(pool.install(threads), 2);
    }
}
