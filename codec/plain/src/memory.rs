//! Memory that the size of a picture determines: its lack is an error.

use alloc::vec::Vec;

use bytemuck::Zeroable;
use bytemuck::allocation::try_zeroed_vec;

use crate::Error;

/// So many zeros.
pub(crate) fn zeros<T: Zeroable>(len: usize) -> Result<Vec<T>, Error> {
    try_zeroed_vec(len).map_err(|()| lack_of::<T>(len))
}

/// An empty list with room for `len` values.
pub(crate) fn with_capacity<T>(len: usize) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    let reserved = values.try_reserve_exact(len);
    reserved.map_err(|_| lack_of::<T>(len))?;
    Ok(values)
}

fn lack_of<T>(len: usize) -> Error {
    let bytes = (len as u64).saturating_mul(size_of::<T>() as u64);
    Error::OutOfMemory { bytes }
}
