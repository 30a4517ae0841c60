//! The caller's function: it hears how far the work is, and can stop it.

use std::ffi::{c_int, c_void};
use std::ptr;

use flextok::{CancelToken, DecodeOptions, Progress};

use crate::failure::{Failure, Outcome};
use crate::status::Status;

/// Called while an encode or a decode works, with the pointer that was given with it. The first call is 0 of 1, before any
/// work; the last is `total` of `total`. Between them a decode calls behind each step of a FlexTok model and each tile or part of
/// a large picture, and `total` may be larger. Work that is short has the two calls only: encodes, plain pictures, and pictures
/// of a single tile. Anything but 0 stops the work: it returns FLEXTOK_CANCELLED, also after the last call.
///
/// It may be called on a thread of the library, but for one handle never twice at once; a codec, its clones and its decoders
/// have the same `user`, and may call at the same time. It must return: it neither throws nor jumps out. A call with the handle
/// that is working returns FLEXTOK_BUSY.
pub type ProgressCallback =
    Option<unsafe extern "C" fn(done: u32, total: u32, user: *mut c_void) -> c_int>;

/// The caller's function and its pointer.
#[derive(Clone, Copy)]
pub(crate) struct Callback {
    function: ProgressCallback,
    user: *mut c_void,
}

// SAFETY: the pointer is only handed back to the caller's function, which by its documentation is ready for calls from other
// threads; the library never looks behind it.
unsafe impl Send for Callback {}
// SAFETY: as for Send; for one handle calls never overlap, and by its documentation it is ready for those of others.
unsafe impl Sync for Callback {}

impl Callback {
    pub(crate) const NONE: Self = Self {
        function: None,
        user: ptr::null_mut(),
    };

    pub(crate) fn new(function: ProgressCallback, user: *mut c_void) -> Self {
        Self { function, user }
    }

    /// Does some work, from the first call to the last.
    pub(crate) fn watch<T>(self, work: impl FnOnce(&Watch) -> Outcome<T>) -> Outcome<T> {
        let watch = Watch {
            callback: self,
            stop: CancelToken::new(),
        };
        watch.report(0, 1);
        watch.check()?;
        let done = work(&watch)?;
        watch.check()?;
        Ok(done)
    }
}

/// One piece of work under the eyes of the caller's function.
#[derive(Clone)]
pub(crate) struct Watch {
    callback: Callback,
    stop: CancelToken,
}

impl Watch {
    /// Says how far the work is.
    pub(crate) fn report(&self, done: u32, total: u32) {
        let Callback { function, user } = self.callback;
        let Some(function) = function else { return };
        // SAFETY: the caller gave a function of this type, and its pointer.
        if unsafe { function(done, total, user) } != 0 {
            self.stop.cancel();
        }
    }

    /// Options of a decode that reports its steps.
    pub(crate) fn over(&self, options: DecodeOptions) -> DecodeOptions {
        if self.callback.function.is_none() {
            return options;
        }
        let watch = self.clone();
        let stop = watch.stop.clone();
        options
            .with_cancel(stop)
            .with_progress(move |Progress { step, total, .. }| watch.report(step, total))
    }

    fn check(&self) -> Outcome<()> {
        if !self.stop.is_cancelled() {
            return Ok(());
        }
        Err(Failure {
            status: Status::CANCELLED,
            message: "the progress callback stopped it".to_owned(),
        })
    }
}
