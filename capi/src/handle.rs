//! What all handles have in common: one call at a time, no panic beyond it, and the message of the last failure.

use std::ffi::{CString, c_char};
use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::failure::{Failure, Outcome};
use crate::guard::guarded;
use crate::status::Status;

/// A type whose pointers callers hold.
pub(crate) trait Handle {
    /// What it keeps between calls.
    type State;

    /// The state and its lock.
    fn cell(&self) -> &Cell<Self::State>;
}

/// The state of a handle. Its lock is only ever tried: a second call at the same time, from another thread or from a
/// callback, is refused and does not wait.
pub(crate) struct Cell<T>(Mutex<Inner<T>>);

struct Inner<T> {
    state: T,
    message: CString,
}

impl<T> Cell<T> {
    pub(crate) fn new(state: T) -> Self {
        Self(Mutex::new(Inner {
            state,
            message: CString::default(),
        }))
    }

    fn enter(&self) -> Option<MutexGuard<'_, Inner<T>>> {
        match self.0.try_lock() {
            Ok(inner) => Some(inner),
            // Panics are caught while the lock is held, so that this does not happen.
            Err(TryLockError::Poisoned(inner)) => Some(inner.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn run(&self, work: impl FnOnce(&mut T) -> Outcome<()>) -> Status {
        let Some(mut inner) = self.enter() else {
            return Status::BUSY;
        };
        let (status, message) = match guarded(|| work(&mut inner.state)) {
            Ok(()) => (Status::OK, String::new()),
            Err(Failure { status, message }) => (status, message),
        };
        // A zero byte can only come from a name that a caller or a file gave.
        inner.message = CString::new(message.replace('\0', "?")).unwrap_or_default();
        status
    }
}

/// Works with a handle, and keeps the message of a failure in it.
///
/// # Safety
/// `handle` is null, or came from [`into_raw`] and was not freed.
pub(crate) unsafe fn with<H: Handle>(
    handle: *const H,
    work: impl FnOnce(&mut H::State) -> Outcome<()>,
) -> Status {
    // SAFETY: the caller's promise.
    match unsafe { handle.as_ref() } {
        Some(handle) => handle.cell().run(work),
        None => Status::USAGE,
    }
}

/// The message of the last failure.
///
/// # Safety
/// As for [`with`].
pub(crate) unsafe fn message<H: Handle>(handle: *const H) -> *const c_char {
    // SAFETY: the caller's promise.
    let Some(handle) = (unsafe { handle.as_ref() }) else {
        return c"the handle is null; make one first".as_ptr();
    };
    match handle.cell().enter() {
        Some(inner) => inner.message.as_ptr(),
        None => c"the handle is in use by another call; give each thread its own".as_ptr(),
    }
}

/// Hands a handle out.
pub(crate) fn into_raw<H: Handle>(handle: H) -> Outcome<*mut H> {
    // Not a box at once, since that ends the process where memory ends.
    let mut place = Vec::new();
    let reserved = place.try_reserve_exact(1);
    reserved.map_err(|_| Failure::memory(size_of::<H>()))?;
    place.push(handle);
    Ok(Box::into_raw(place.into_boxed_slice()).cast())
}

/// Takes a handle back and ends it.
///
/// # Safety
/// As for [`with`]; nothing uses it any more.
pub(crate) unsafe fn release<H: Handle>(handle: *mut H) {
    if handle.is_null() {
        return;
    }
    // SAFETY: the caller's promise; a box of a slice of one has the layout of a box of that one.
    let handle = unsafe { Box::from_raw(handle) };
    // Nobody is left to be told of a panic.
    let _ = guarded(|| {
        drop(handle);
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::ptr;

    use super::*;

    struct Counter(Cell<u32>);

    impl Handle for Counter {
        type State = u32;

        fn cell(&self) -> &Cell<u32> {
            &self.0
        }
    }

    /// # Safety
    /// As for [`with`].
    unsafe fn text(handle: *const Counter) -> String {
        // SAFETY: the caller's promise; messages end with a zero byte.
        let message = unsafe { CStr::from_ptr(message(handle)) };
        message.to_string_lossy().into_owned()
    }

    #[test]
    fn a_panic_becomes_a_status_and_the_handle_lives_on() {
        let handle = into_raw(Counter(Cell::new(0))).unwrap();
        // SAFETY: the handle is there until it is released.
        unsafe {
            let status = with(handle, |count| {
                *count += 1;
                panic!("at {count}");
            });
            assert_eq!(status, Status::INTERNAL);
            assert!(text(handle).contains("at 1"), "{}", text(handle));
            let status = with(handle, |count| {
                *count += 1;
                Err(Failure::usage(format!("count\0{count}")))
            });
            assert_eq!(status, Status::USAGE);
            assert_eq!(text(handle), "count?2");
            assert_eq!(with(handle, |_| Ok(())), Status::OK);
            assert_eq!(text(handle), "");
            release(handle);
        }
    }

    #[test]
    fn a_second_call_at_the_same_time_is_refused() {
        let handle = into_raw(Counter(Cell::new(0))).unwrap();
        // SAFETY: the handle is there until it is released.
        unsafe {
            let status = with(handle, |_| {
                assert_eq!(with(handle, |_| Ok(())), Status::BUSY);
                assert!(text(handle).contains("in use"));
                Ok(())
            });
            assert_eq!(status, Status::OK);
            release(handle);
        }
    }

    #[test]
    fn null_is_no_handle() {
        let null: *mut Counter = ptr::null_mut();
        // SAFETY: null is allowed.
        unsafe {
            assert_eq!(with(null, |_| Ok(())), Status::USAGE);
            assert!(text(null).contains("null"));
            release(null);
        }
    }
}
