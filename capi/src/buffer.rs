//! Memory that a caller gets from the library and gives back.

use std::ffi::c_void;
use std::ptr;

use crate::failure::{Failure, Outcome};

/// Bytes from `malloc`, freed when dropped unless they are handed out.
pub(crate) struct Buffer {
    data: *mut u8,
    size: usize,
}

impl Buffer {
    /// `size` zeros.
    pub(crate) fn new(size: usize) -> Outcome<Self> {
        // Of zero bytes the pointer may be null, so one is taken.
        // SAFETY: any size is allowed.
        let data = unsafe { libc::calloc(size.max(1), 1) };
        if data.is_null() {
            return Err(Failure::memory(size));
        }
        Ok(Self {
            data: data.cast(),
            size,
        })
    }

    #[cfg(feature = "encode")]
    pub(crate) fn of(bytes: &[u8]) -> Outcome<Self> {
        let mut buffer = Self::new(bytes.len())?;
        buffer.as_mut().copy_from_slice(bytes);
        Ok(buffer)
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: the allocation has `size` initialised bytes and belongs to `self`.
        unsafe { std::slice::from_raw_parts_mut(self.data, self.size) }
    }

    /// Hands the bytes out.
    pub(crate) fn into_raw(mut self) -> *mut u8 {
        std::mem::replace(&mut self.data, ptr::null_mut())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: it is null or came from `calloc` and was not handed out.
        unsafe { libc::free(self.data.cast()) }
    }
}

/// Frees what a function of this library allocated: files and texts. Null is allowed.
///
/// # Safety
/// `data` is null, or came from a function that says so and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_free(data: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe { libc::free(data) }
}
