//! The border to C: panics stay on this side, and raw pointers become slices in one place.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

use crate::status::{Failure, Outcome, Status};

/// Runs what a function does; a panic becomes a failure.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Failure {
            status: Status::Internal,
            message: "the library panicked, which is a defect of it".to_owned(),
        })
    })
}

/// The status alone, for functions without a handle to keep a message.
pub(crate) fn status_of(work: impl FnOnce() -> Outcome<()>) -> Status {
    match guarded(work) {
        Ok(()) => Status::Ok,
        Err(failure) => failure.status,
    }
}

/// The bytes that a caller passes: null is allowed for none.
///
/// # Safety
/// `data` is null or points to `size` bytes that nothing changes during `'a`.
pub(crate) unsafe fn bytes<'a>(data: *const u8, size: usize, name: &str) -> Outcome<&'a [u8]> {
    if size == 0 {
        return Ok(&[]);
    }
    check(data, size, name)?;
    // SAFETY: the caller's promise; it is not null and no longer than an allocation can be.
    Ok(unsafe { slice::from_raw_parts(data, size) })
}

/// The bytes that a caller lends to be written.
///
/// # Safety
/// `data` is null or points to `size` bytes, initialised or not, that nothing else uses during `'a`.
pub(crate) unsafe fn bytes_mut<'a>(
    data: *mut u8,
    size: usize,
    name: &str,
) -> Outcome<&'a mut [u8]> {
    if size == 0 {
        return Ok(&mut []);
    }
    check(data, size, name)?;
    // SAFETY: the caller's promise. They are only written; any value is a valid byte.
    Ok(unsafe { slice::from_raw_parts_mut(data, size) })
}

fn check(data: *const u8, size: usize, name: &str) -> Outcome<()> {
    if data.is_null() {
        return Err(Failure::usage(format!(
            "{name} is null, but its size is {size}; allowed: null of size 0"
        )));
    }
    if size > isize::MAX as usize {
        let most = isize::MAX;
        return Err(Failure::usage(format!(
            "{name} has {size} bytes; allowed: at most {most}"
        )));
    }
    Ok(())
}

/// What a caller lends to receive a result.
///
/// # Safety
/// `place` is null or points to memory for a `T`, initialised or not, that nothing else uses during the call.
pub(crate) unsafe fn put<T>(place: *mut T, value: T, name: &str) -> Outcome<()> {
    if place.is_null() {
        return Err(Failure::usage(format!(
            "{name} is null; give a place for the result"
        )));
    }
    // SAFETY: the caller's promise; what was there is not dropped.
    unsafe { place.write(value) };
    Ok(())
}
