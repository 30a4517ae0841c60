//! The codec: a model, opened at its first use, with settings, limits and the caller's function.

use std::ffi::{CStr, c_char, c_void};
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;

use flextok::{Codec, Limits};

use crate::failure::{Failure, Outcome};
use crate::guard::{bytes, clear, guarded, need, put};
use crate::handle::{Cell, Handle, into_raw, message, release, with};
use crate::progress::{Callback, ProgressCallback};
use crate::status::Status;

/// A bound that `flextok_codec_set_limit` sets. Exceeding one is FLEXTOK_LIMIT, before memory is taken for it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Pixels of a picture, encoded or restored; 134217728 (2^27) by default.
    Pixels = 0,
    /// Longest side of a picture in pixels; 1048576 by default, the most that the format has.
    Side = 1,
    /// Bytes of payload of a file; 32 MiB by default.
    PayloadBytes = 2,
    /// Bytes of metadata of a file; 1 MiB by default.
    MetadataBytes = 3,
    /// Bytes of memory for the canvas of a picture; 1 GiB by default.
    Memory = 4,
    /// Bytes of memory for the work of the learned decoder, which divides larger pictures; 256 MiB by default.
    TileMemory = 5,
    /// Pixels of the canvas of a FlexTok model; 2097152 (2^21) by default.
    CanvasPixels = 6,
    /// Steps of a decode by a FlexTok model; 1000 by default.
    Steps = 7,
}

/// Most threads of a codec.
const MAX_THREADS: u32 = 1024;

/// A model and what it is used with. Made by `flextok_codec_new`, ended by `flextok_codec_free`. It serves one call at a
/// time and may go from thread to thread; threads that work at the same time take one each (`flextok_codec_clone`). A codec
/// that has been used does not work in a forked child process.
pub struct CodecHandle(Cell<CodecState>);

impl Handle for CodecHandle {
    type State = CodecState;

    fn cell(&self) -> &Cell<CodecState> {
        &self.0
    }
}

/// What a codec keeps.
#[derive(Clone)]
pub(crate) struct CodecState {
    model: Model,
    threads: u32,
    limits: Limits,
    callback: Callback,
    opened: Option<Arc<Codec>>,
}

#[derive(Clone)]
enum Model {
    Embedded,
    File(PathBuf),
    Bytes(Arc<Vec<u8>>),
}

impl CodecState {
    fn new() -> Self {
        Self {
            model: Model::Embedded,
            threads: 0,
            limits: Limits::default(),
            callback: Callback::NONE,
            opened: None,
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
            Model::Bytes(bytes) => builder.from_bytes(copy(bytes)?),
        };
        let codec = Arc::new(codec?);
        self.opened = Some(Arc::clone(&codec));
        Ok(codec)
    }

    /// The bounds that are set.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The caller's function.
    pub(crate) fn callback(&self) -> Callback {
        self.callback
    }

    /// Changes a setting; the model is opened anew at its next use.
    fn set(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        self.opened = None;
    }

    fn set_limit(&mut self, limit: u32, value: u64) -> Outcome<()> {
        let mut limits = self.limits.clone();
        // What is larger than the number of a limit bounds nothing either.
        let short = u32::try_from(value).unwrap_or(u32::MAX);
        match limit {
            _ if limit == Limit::Pixels as u32 => limits.pixels = value,
            _ if limit == Limit::Side as u32 => limits.side = short,
            _ if limit == Limit::PayloadBytes as u32 => limits.container.payload_bytes = value,
            _ if limit == Limit::MetadataBytes as u32 => limits.container.metadata_bytes = value,
            _ if limit == Limit::Memory as u32 => limits.image_memory = value,
            _ if limit == Limit::TileMemory as u32 => limits.tile_memory = value,
            _ if limit == Limit::CanvasPixels as u32 => limits.canvas_pixels = value,
            _ if limit == Limit::Steps as u32 => limits.steps = short,
            _ => {
                let most = Limit::Steps as u32;
                return Err(Failure::usage(format!(
                    "limit {limit}; allowed: FLEXTOK_LIMIT_PIXELS and the like, 0 to {most}"
                )));
            }
        }
        self.set(|codec| codec.limits = limits);
        Ok(())
    }
}

fn copy(bytes: &[u8]) -> Outcome<Vec<u8>> {
    let mut copy = Vec::new();
    let reserved = copy.try_reserve_exact(bytes.len());
    reserved.map_err(|_| Failure::memory(bytes.len()))?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// The path that a caller gives.
#[cfg(unix)]
fn path_of(text: &CStr) -> Outcome<PathBuf> {
    use std::os::unix::ffi::OsStrExt;

    Ok(std::ffi::OsStr::from_bytes(text.to_bytes()).into())
}

/// The path that a caller gives.
#[cfg(not(unix))]
fn path_of(text: &CStr) -> Outcome<PathBuf> {
    match text.to_str() {
        Ok(path) => Ok(path.into()),
        Err(_) => Err(Failure::usage(
            "the path of the model is not UTF-8; allowed: UTF-8",
        )),
    }
}

/// Makes a codec with the built-in model. Null if there is no memory.
#[unsafe(no_mangle)]
pub extern "C" fn flextok_codec_new() -> *mut CodecHandle {
    let made = guarded(|| into_raw(CodecHandle(Cell::new(CodecState::new()))));
    made.unwrap_or(ptr::null_mut())
}

/// Makes a codec for another thread, with the same model and settings. An open model, its weights and its threads are
/// shared, so that a clone costs little. `*clone` receives it; null after a failure.
///
/// # Safety
/// `codec` is null or a codec; `clone` is null or a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_clone(
    codec: *mut CodecHandle,
    clone: *mut *mut CodecHandle,
) -> Status {
    let work = |state: &mut CodecState| {
        need(clone, "clone")?;
        let made = into_raw(CodecHandle(Cell::new(state.clone())))?;
        // SAFETY: the caller's promise.
        unsafe { put(clone, made, "clone") }
    };
    // SAFETY: the caller's promises.
    unsafe {
        clear(clone, ptr::null_mut());
        with(codec, work)
    }
}

/// Ends a codec. Null is allowed. Decoders made from it live on.
///
/// # Safety
/// `codec` is null or a codec, which nothing uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_free(codec: *mut CodecHandle) {
    // SAFETY: the caller's promise.
    unsafe { release(codec) }
}

/// A line about the failure of the last call with this codec, UTF-8, empty after a success. It lives until the next call
/// with it.
///
/// # Safety
/// `codec` is null or a codec.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_message(codec: *const CodecHandle) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { message(codec) }
}

/// Opens the model now instead of at its first use, to learn early whether it can be used.
///
/// # Safety
/// `codec` is null or a codec.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_open(codec: *mut CodecHandle) -> Status {
    // SAFETY: the caller's promise.
    unsafe { with(codec, |state| state.codec().map(drop)) }
}

/// Takes the model in a file, a checkpoint of FlexTok, or the built-in one if `path` is null. The path is UTF-8 on Windows, and
/// the bytes of a path elsewhere. The file is mapped: nothing may change it while a codec has it.
///
/// # Safety
/// `codec` is null or a codec; `path` is null or a text that ends with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_set_model(
    codec: *mut CodecHandle,
    path: *const c_char,
) -> Status {
    let work = |state: &mut CodecState| {
        let model = if path.is_null() {
            Model::Embedded
        } else {
            // SAFETY: the caller's promise.
            Model::File(path_of(unsafe { CStr::from_ptr(path) })?)
        };
        state.set(|codec| codec.model = model);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with(codec, work) }
}

/// Takes the model whose safetensors file is `size` bytes at `data`. They are copied, and once more when it is opened.
///
/// # Safety
/// `codec` is null or a codec; `data` is null or points to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_set_model_bytes(
    codec: *mut CodecHandle,
    data: *const u8,
    size: usize,
) -> Status {
    let work = |state: &mut CodecState| {
        // SAFETY: the caller's promise.
        let model = copy(unsafe { bytes(data, size, "data") }?)?;
        state.set(|codec| codec.model = Model::Bytes(Arc::new(model)));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with(codec, work) }
}

/// Sets the number of threads that the library computes on, 0 to 1024: 0, the default, is one for each core. Results do not
/// depend on it.
///
/// # Safety
/// `codec` is null or a codec.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_set_threads(
    codec: *mut CodecHandle,
    threads: u32,
) -> Status {
    let work = |state: &mut CodecState| {
        if threads > MAX_THREADS {
            return Err(Failure::usage(format!(
                "{threads} threads; allowed: 0 (one for each core) to {MAX_THREADS}"
            )));
        }
        state.set(|codec| codec.threads = threads);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with(codec, work) }
}

/// Sets a bound on what is accepted; `limit` is one of FLEXTOK_LIMIT_PIXELS and the like.
///
/// # Safety
/// `codec` is null or a codec.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_set_limit(
    codec: *mut CodecHandle,
    limit: u32,
    value: u64,
) -> Status {
    // SAFETY: the caller's promise.
    unsafe { with(codec, |state| state.set_limit(limit, value)) }
}

/// Calls `callback` with `user` while later encodes and decodes with this codec work, and in decoders and clones made from it
/// later, which keep it. Null ends it for this codec.
///
/// # Safety
/// `codec` is null or a codec; `callback` is null or a function that may be called from any thread for as long as the codec,
/// its clones and its decoders live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_codec_set_progress(
    codec: *mut CodecHandle,
    callback: ProgressCallback,
    user: *mut c_void,
) -> Status {
    let work = |state: &mut CodecState| {
        state.callback = Callback::new(callback, user);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with(codec, work) }
}

/// Handles may go from thread to thread; this does not compile otherwise.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<CodecHandle>();
    is_send::<crate::decoder::DecoderHandle>();
};
