//! Memory that is an error where the system has none, and that leaves a little for everything else.

use bytemuck::Zeroable;
use bytemuck::allocation::try_zeroed_vec;

use crate::ComputeError;

/// Bytes from which an allocation leaves [`ROOM`].
const LARGE: usize = 64 << 10;
/// Bytes that the system still has after a large allocation. Small ones (a shape, the task of a thread) end the program
/// where they fail; that glibc asks for 1 MiB at a time where its heap cannot grow is the reason for this size.
const ROOM: usize = 2 << 20;

/// An empty vector with room for `len` elements. What `Vec` would abort for is an error.
pub(crate) fn with_capacity<T>(len: usize) -> Result<Vec<T>, ComputeError> {
    let mut values = Vec::new();
    let reserved = values.try_reserve_exact(len).is_ok();
    if reserved && leaves_room(len.saturating_mul(size_of::<T>())) {
        Ok(values)
    } else {
        Err(ComputeError::OutOfMemory { shape: vec![len] })
    }
}

/// `len` zeros. Large ones come zeroed from the system, page by page when they are first touched.
pub(crate) fn zeroed<T: Zeroable>(len: usize) -> Result<Vec<T>, ComputeError> {
    match try_zeroed_vec(len) {
        Ok(values) if leaves_room(len.saturating_mul(size_of::<T>())) => Ok(values),
        _ => Err(ComputeError::OutOfMemory { shape: vec![len] }),
    }
}

/// Whether there is room beside an allocation of `bytes` that was just made: memory that is asked for, never touched, and
/// given back.
fn leaves_room(bytes: usize) -> bool {
    if bytes < LARGE {
        return true;
    }
    let mut room = Vec::<u8>::new();
    let has_room = room.try_reserve_exact(ROOM).is_ok();
    // Or else the compiler leaves out memory that nobody uses.
    std::hint::black_box(room.as_ptr());
    has_room
}
