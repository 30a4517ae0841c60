//! Memory that is an error where the system has none, and that leaves a little for everything else.

use bytemuck::Zeroable;
use bytemuck::allocation::try_zeroed_vec;

use crate::ComputeError;

/// Bytes from which an allocation leaves [`ROOM`].
#[cfg_attr(target_family = "wasm", allow(dead_code))]
const LARGE: usize = 64 << 10;
/// Bytes that the system still has after a large allocation. Small ones (a shape, the task of a thread) end the program
/// where they fail; that glibc asks for 1 MiB at a time where its heap cannot grow is the reason for this size.
#[cfg_attr(target_family = "wasm", allow(dead_code))]
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

/// `len` zeros.
pub(crate) fn zeroed<T: Zeroable>(len: usize) -> Result<Vec<T>, ComputeError> {
    match try_zeroed_vec(len) {
        Ok(values) if leaves_room(len.saturating_mul(size_of::<T>())) => Ok(values),
        _ => Err(ComputeError::OutOfMemory { shape: vec![len] }),
    }
}

/// Whether there is room beside an allocation of `bytes` that was just made. The system is asked, not the allocator, which
/// would keep the memory and change what it does with other requests.
#[cfg(not(target_family = "wasm"))]
fn leaves_room(bytes: usize) -> bool {
    bytes < LARGE || memmap2::MmapMut::map_anon(ROOM).is_ok()
}

/// Where memory never goes back, room that is taken to look for it would be lost.
#[cfg(target_family = "wasm")]
fn leaves_room(_bytes: usize) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_system_has_is_an_error() {
        const PETABYTES: usize = isize::MAX as usize / 16;
        assert_eq!(with_capacity::<u8>(3).unwrap().capacity(), 3);
        assert_eq!(zeroed::<u32>(LARGE).unwrap(), vec![0; LARGE]);
        for result in [with_capacity::<u64>(PETABYTES), zeroed::<u64>(PETABYTES)] {
            match result {
                Err(ComputeError::OutOfMemory { shape }) => assert_eq!(shape, [PETABYTES]),
                other => panic!("{other:?}"),
            }
        }
    }
}
