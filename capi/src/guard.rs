//! The border to C: panics stay on this side, and raw pointers become slices in one place.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::bare::border::{slice_of, slice_of_mut};
use crate::failure::{Failure, Outcome};
use crate::status::Status;

/// Runs what a function does; a panic becomes a failure.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(Failure {
            status: Status::INTERNAL,
            message: format!(
                "a defect of the library, please report it: {}",
                text(&*panic)
            ),
        })
    })
}

/// What a panic says.
fn text(panic: &(dyn Any + Send)) -> &str {
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    let text = panic.downcast_ref::<&str>().copied().or_else(owned);
    text.unwrap_or("a panic")
}

/// The bytes that a caller passes: null is allowed for none.
///
/// # Safety
/// `data` is null or points to `size` bytes that nothing changes during `'a`.
pub(crate) unsafe fn bytes<'a>(data: *const u8, size: usize, name: &str) -> Outcome<&'a [u8]> {
    // SAFETY: the caller's promise.
    unsafe { slice_of(data, size) }.map_err(|_| refuse(data, size, name))
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
    // SAFETY: the caller's promise.
    unsafe { slice_of_mut(data, size) }.map_err(|_| refuse(data, size, name))
}

/// Why bytes at a pointer are not taken.
fn refuse(data: *const u8, size: usize, name: &str) -> Failure {
    if data.is_null() {
        return Failure::usage(format!(
            "{name} is null, but its size is {size}; allowed: null of size 0"
        ));
    }
    let most = isize::MAX;
    Failure::usage(format!("{name} has {size} bytes; allowed: at most {most}"))
}

/// Checks, before any work, that there is a place for a result.
pub(crate) fn need<T>(place: *const T, name: &str) -> Outcome<()> {
    if place.is_null() {
        return Err(Failure::usage(format!(
            "{name} is null; give a place for the result"
        )));
    }
    Ok(())
}

/// What a caller lends to receive a result.
///
/// # Safety
/// `place` is null or points to memory for a `T`, initialised or not, that nothing else uses during the call.
pub(crate) unsafe fn put<T>(place: *mut T, value: T, name: &str) -> Outcome<()> {
    need(place, name)?;
    // SAFETY: the caller's promise; what was there is not dropped.
    unsafe { place.write(value) };
    Ok(())
}

/// Empties a place, so that what it holds after a failure can be freed like what it holds after a success.
///
/// # Safety
/// As for [`put`].
pub(crate) unsafe fn clear<T>(place: *mut T, empty: T) {
    if !place.is_null() {
        // SAFETY: the caller's promise; what was there is not dropped.
        unsafe { place.write(empty) };
    }
}

/// Refuses options of a newer header, which this library does not know.
pub(crate) fn check_reserved(reserved: &[u64], name: &str) -> Outcome<()> {
    match reserved.iter().find(|&&value| value != 0) {
        None => Ok(()),
        Some(value) => Err(Failure::usage(format!(
            "a reserved field of the {name} options is {value}; allowed: 0; set all of the options to zero first"
        ))),
    }
}

/// A number that says yes or no.
pub(crate) fn switch(value: u32, name: &str) -> Outcome<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Failure::usage(format!("{name} is {value}; allowed: 0, 1"))),
    }
}
