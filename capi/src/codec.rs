//! The handle: a model, opened at its first use, with settings, limits, a callback, and the message of the last failure.

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;

use flextok::{CancelToken, Codec, DecodeOptions, Limits, Progress};

use crate::guard::{bytes, guarded};
use crate::status::{Failure, Outcome, Status};

/// Called while a decode computes: `done` of `total` steps, and the pointer given with it. Anything but 0 stops the decode,
/// which then returns `FLEXTOK_CANCELLED`. It may be called on a thread of the library, but never twice at once.
pub type ProgressCallback =
    Option<unsafe extern "C" fn(done: u32, total: u32, user: *mut c_void) -> i32>;

/// Which bound [`flextok_codec_set_limit`] sets.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitName {
    /// Pixels of a picture, encoded or restored (default 2^27).
    Pixels = 0,
    /// Longest side of a picture in pixels (default 2^20).
    Side = 1,
    /// Bytes of payload of a file (default 32 MiB).
    PayloadBytes = 2,
    /// Bytes of memory for the canvas of a picture (default 1 GiB).
    Memory = 3,
    /// Bytes of memory for the work of the learned decoder (default 256 MiB).
    TileMemory = 4,
    /// Steps of a FlexTok network (default 1000).
    Steps = 5,
}

/// A model and what it is used with. It belongs to one thread at a time.
pub struct CodecHandle {
    model: Model,
    threads: u32,
    limits: Limits,
    callback: Callback,
    opened: Option<Arc<Codec>>,
    message: CString,
}

enum Model {
    Embedded,
    File(PathBuf),
    Bytes(Vec<u8>),
}

/// The caller's function and its pointer.
#[derive(Clone, Copy)]
struct Callback {
    function: ProgressCallback,
    user: *mut c_void,
}

// SAFETY: the pointer is only handed back to the caller's function, which the documentation of `ProgressCallback` prepares
// for calls from other threads; the library never looks behind it.
unsafe impl Send for Callback {}
// SAFETY: as for Send; calls never overlap.
unsafe impl Sync for Callback {}

impl CodecHandle {
    fn new() -> Self {
        Self {
            model: Model::Embedded,
            threads: 0,
            limits: Limits::default(),
            callback: Callback {
                function: None,
                user: ptr::null_mut(),
            },
            opened: None,
            message: CString::default(),
        }
    }

    /// The codec, opened now if it was not yet.
    pub(crate) fn codec(&mut self) -> Outcome<Arc<Codec>> {
        if let Some(codec) = &self.opened {
            return Ok(Arc::clone(codec));
        }
        let builder = Codec::builder()
            .with_threads(self.threads as usize)
            .with_limits(self.limits.clone());
        let codec = match &self.model {
            Model::Embedded => builder.embedded(),
            Model::File(path) => builder.open(path),
            Model::Bytes(bytes) => builder.from_bytes(bytes.clone()),
        };
        let codec = Arc::new(codec?);
        self.opened = Some(Arc::clone(&codec));
        Ok(codec)
    }

    /// Reports the progress of a decode with these options to the caller's function.
    pub(crate) fn watch(&self, options: DecodeOptions) -> DecodeOptions {
        let callback = self.callback;
        let Some(function) = callback.function else {
            return options;
        };
        let stop = CancelToken::new();
        let stopped = stop.clone();
        let watched = options.with_cancel(stop);
        watched.with_progress(move |Progress { step, total, .. }| {
            // The whole of it, with its promise to be usable on other threads.
            let callback = callback;
            // SAFETY: the caller gave a function of this type.
            if unsafe { function(step, total, callback.user) } != 0 {
                stopped.cancel();
            }
        })
    }

    /// Changes a setting; the model is opened anew at its next use.
    fn set(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        self.opened = None;
    }

    /// Keeps the message of a failure and returns the status.
    pub(crate) fn report(&mut self, outcome: Outcome<()>) -> Status {
        let (status, message) = match outcome {
            Ok(()) => (Status::Ok, String::new()),
            Err(Failure { status, message }) => (status, message),
        };
        // The messages of the library have no zero bytes but those in names that a caller gave.
        self.message = CString::new(message.replace('\0', "?")).unwrap_or_default();
        status
    }
}

/// Works with a handle, keeps the message of a failure in it.
///
/// # Safety
/// `handle` is null or came from `flextok_codec_new`, was not freed, and nothing else uses it during the call.
pub(crate) unsafe fn with<'a>(
    handle: *mut CodecHandle,
    work: impl FnOnce(&mut CodecHandle) -> Outcome<()> + 'a,
) -> Status {
    // SAFETY: the caller's promise.
    let Some(handle) = (unsafe { handle.as_mut() }) else {
        return Status::Usage;
    };
    let outcome = guarded(|| work(handle));
    handle.report(outcome)
}

/// A new handle for the built-in model, or null if there is no memory. It is opened at its first use.
#[unsafe(no_mangle)]
pub extern "C" fn flextok_codec_new() -> *mut CodecHandle {
    guarded(|| Ok(Box::into_raw(Box::new(CodecHandle::new())))).unwrap_or(ptr::null_mut())
}

/// Frees a handle. Null is allowed.
///
/// # Safety
/// `codec` is null, or came from `flextok_codec_new` and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_free(codec: *mut CodecHandle) {
    if !codec.is_null() {
        // SAFETY: the caller's promise.
        let codec = unsafe { Box::from_raw(codec) };
        let _ = guarded(|| {
            drop(codec);
            Ok(())
        });
    }
}

/// A line about the last call's failure, empty after a success: a text that lives until the next call with this handle.
///
/// # Safety
/// `codec` is null, or came from `flextok_codec_new` and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_message(codec: *const CodecHandle) -> *const c_char {
    // SAFETY: the caller's promise.
    match unsafe { codec.as_ref() } {
        Some(codec) => codec.message.as_ptr(),
        None => c"the handle is null".as_ptr(),
    }
}

/// Takes the model in a file in the layout of FlexTok checkpoints, or the built-in one if `path` is null. The path is UTF-8.
///
/// # Safety
/// `codec` as for `flextok_codec_message`; `path` is null or a text that ends with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_set_model(
    codec: *mut CodecHandle,
    path: *const c_char,
) -> Status {
    let work = |handle: &mut CodecHandle| {
        let model = if path.is_null() {
            Model::Embedded
        } else {
            // SAFETY: the caller's promise.
            let path = unsafe { CStr::from_ptr(path) };
            let path = path.to_str();
            Model::File(
                path.map_err(|_| Failure::usage("the path of the model is not UTF-8"))?
                    .into(),
            )
        };
        handle.set(|handle| handle.model = model);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with(codec, work) }
}

/// Takes the model whose safetensors file is `size` bytes at `data`, which are copied.
///
/// # Safety
/// `codec` as for `flextok_codec_message`; `data` points to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_set_model_bytes(
    codec: *mut CodecHandle,
    data: *const u8,
    size: usize,
) -> Status {
    let work = |handle: &mut CodecHandle| {
        // SAFETY: the caller's promise.
        let data = unsafe { bytes(data, size, "data") }?;
        let mut copy = Vec::new();
        let reserved = copy.try_reserve_exact(size);
        reserved.map_err(|_| Failure::memory(size))?;
        copy.extend_from_slice(data);
        handle.set(|handle| handle.model = Model::Bytes(copy));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with(codec, work) }
}

/// Sets the number of threads that the library computes on: 0, the default, is one for each core. Results do not depend on
/// it.
///
/// # Safety
/// `codec` as for `flextok_codec_message`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_set_threads(
    codec: *mut CodecHandle,
    threads: u32,
) -> Status {
    let work = |handle: &mut CodecHandle| {
        handle.set(|handle| handle.threads = threads);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with(codec, work) }
}

/// Sets a bound on what is accepted; `limit` is one of `FLEXTOK_LIMIT_…`.
///
/// # Safety
/// `codec` as for `flextok_codec_message`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_set_limit(
    codec: *mut CodecHandle,
    limit: u32,
    value: u64,
) -> Status {
    let work = |handle: &mut CodecHandle| {
        let mut limits = handle.limits.clone();
        let short = u32::try_from(value).unwrap_or(u32::MAX);
        match limit {
            _ if limit == LimitName::Pixels as u32 => limits.pixels = value,
            _ if limit == LimitName::Side as u32 => limits.side = short,
            _ if limit == LimitName::PayloadBytes as u32 => limits.container.payload_bytes = value,
            _ if limit == LimitName::Memory as u32 => limits.image_memory = value,
            _ if limit == LimitName::TileMemory as u32 => limits.tile_memory = value,
            _ if limit == LimitName::Steps as u32 => limits.steps = short,
            _ => {
                return Err(Failure::usage(format!(
                    "limit {limit}; allowed: 0 to 5, FLEXTOK_LIMIT_NAME_PIXELS and the like"
                )));
            }
        }
        handle.set(|handle| handle.limits = limits);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with(codec, work) }
}

/// Calls `callback` with `user` at each step of later decodes with this handle, and of push decoders made from it later. Null
/// ends it.
///
/// # Safety
/// `codec` as for `flextok_codec_message`; `callback` may be called from any thread while a decode runs, and does not use
/// this handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_set_progress(
    codec: *mut CodecHandle,
    callback: ProgressCallback,
    user: *mut c_void,
) -> Status {
    let work = |handle: &mut CodecHandle| {
        handle.callback = Callback {
            function: callback,
            user,
        };
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with(codec, work) }
}

/// Handles may go from thread to thread; this does not compile otherwise.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<CodecHandle>();
    is_send::<crate::push::PushDecoder>();
};
