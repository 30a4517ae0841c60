//! Pieces of a slice that are worked on by several threads, where the build has them.

#[cfg(feature = "threads")]
use rayon::prelude::*;

/// Threads that [`chunks`] spreads work over.
#[cfg(feature = "threads")]
pub(crate) fn threads() -> usize {
    rayon::current_num_threads()
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
#[cfg(feature = "threads")]
pub(crate) fn chunks<T: Send, M, E: Send>(
    values: &mut [T],
    (length, least): (usize, usize),
    make: impl Fn() -> M + Sync + Send,
    work: impl Fn(&mut M, usize, &mut [T]) -> Result<(), E> + Sync + Send,
) -> Result<(), E> {
    let pieces = values.par_chunks_mut(length).enumerate();
    pieces
        .with_min_len(least)
        .try_for_each_init(make, |made, (number, piece)| work(made, number, piece))
}

#[cfg(not(feature = "threads"))]
pub(crate) fn chunks<T: Send, M, E: Send>(
    values: &mut [T],
    (length, _): (usize, usize),
    make: impl Fn() -> M + Sync + Send,
    work: impl Fn(&mut M, usize, &mut [T]) -> Result<(), E> + Sync + Send,
) -> Result<(), E> {
    let mut made = make();
    let mut pieces = values.chunks_mut(length).enumerate();
    pieces.try_for_each(|(number, piece)| work(&mut made, number, piece))
}
