//! Memory that a grid determines: its lack is an error.

use alloc::vec::Vec;

use crate::Error;

/// A list of `len` copies of `value`.
pub(crate) fn filled<T: Clone>(value: T, len: usize) -> Result<Vec<T>, Error> {
    let mut values = with_capacity(len)?;
    values.resize(len, value);
    Ok(values)
}

/// An empty list with room for `len` values.
pub(crate) fn with_capacity<T>(len: usize) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    reserve(&mut values, len)?;
    Ok(values)
}

/// Makes room for `more` values.
pub(crate) fn reserve<T>(values: &mut Vec<T>, more: usize) -> Result<(), Error> {
    values.try_reserve(more).map_err(|_| Error::OutOfMemory {
        bytes: more.saturating_mul(size_of::<T>()),
    })
}
