//! The push decoder: bytes as they arrive, and the best picture of them whenever it is wanted.

use std::ffi::{CString, c_char};
use std::time::Duration;

use flextok::container::State;
use flextok::image::RgbImage;
use flextok::progressive::{ProgressiveOptions, ProgressiveReader};

use crate::codec::{CodecHandle, with};
use crate::decode::{DecodeOptions, options, put_image};
use crate::guard::{bytes, guarded, put};
use crate::pixels::{Image, Shape};
use crate::status::{Failure, Outcome, Status};

/// A file while it arrives. It belongs to one thread at a time, and may outlive the codec that it was made from.
pub struct PushDecoder {
    reader: ProgressiveReader,
    /// The last picture, and of how many units of payload it is.
    picture: Option<(u64, RgbImage)>,
    message: CString,
}

/// What a push decoder has.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct PushState {
    /// Width of the picture in pixels; 0 before the header has arrived.
    pub width: u32,
    /// Height of the picture in pixels; 0 before the header has arrived.
    pub height: u32,
    /// Units of payload to show: bytes, or tokens of a FlexTok model.
    pub units: u64,
    /// Units that a check proves.
    pub proven: u64,
    /// 1 if the file has arrived to its end.
    pub complete: u32,
}

/// Works with a push decoder, keeps the message of a failure in it.
///
/// # Safety
/// `decoder` is null or came from `flextok_push_new`, was not freed, and nothing else uses it during the call.
unsafe fn with_push(
    decoder: *mut PushDecoder,
    work: impl FnOnce(&mut PushDecoder) -> Outcome<()>,
) -> Status {
    // SAFETY: the caller's promise.
    let Some(decoder) = (unsafe { decoder.as_mut() }) else {
        return Status::Usage;
    };
    let (status, message) = match guarded(|| work(decoder)) {
        Ok(()) => (Status::Ok, String::new()),
        Err(Failure { status, message }) => (status, message),
    };
    decoder.message = CString::new(message.replace('\0', "?")).unwrap_or_default();
    status
}

/// A decoder of one file that arrives in pieces. `options` may be null. `*decoder` receives it; `flextok_push_free` frees it.
///
/// # Safety
/// `codec` as for `flextok_codec_message`; `options` is null or points to options; `decoder` points to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_push_new(
    codec: *mut CodecHandle,
    given: *const DecodeOptions,
    decoder: *mut *mut PushDecoder,
) -> Status {
    let work = |handle: &mut CodecHandle| {
        // SAFETY: the caller's promise.
        let given = unsafe { given.as_ref() }.copied().unwrap_or_default();
        let decode = handle.watch(options(&given)?);
        let progressive = ProgressiveOptions::default().with_decode(decode);
        let reader = ProgressiveReader::new(handle.codec()?, progressive)?;
        if decoder.is_null() {
            return Err(Failure::usage("decoder is null; give a place for it"));
        }
        let push = Box::new(PushDecoder {
            reader,
            picture: None,
            message: CString::default(),
        });
        // SAFETY: the caller's promise.
        unsafe { put(decoder, Box::into_raw(push), "decoder") }
    };
    // SAFETY: the caller's promise.
    unsafe { with(codec, work) }
}

/// Frees a push decoder. Null is allowed.
///
/// # Safety
/// `decoder` is null, or came from `flextok_push_new` and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_push_free(decoder: *mut PushDecoder) {
    if !decoder.is_null() {
        // SAFETY: the caller's promise.
        let decoder = unsafe { Box::from_raw(decoder) };
        let _ = guarded(|| {
            drop(decoder);
            Ok(())
        });
    }
}

/// A line about the last call's failure, as `flextok_codec_message`.
///
/// # Safety
/// `decoder` is null, or came from `flextok_push_new` and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_push_message(decoder: *const PushDecoder) -> *const c_char {
    // SAFETY: the caller's promise.
    match unsafe { decoder.as_ref() } {
        Some(decoder) => decoder.message.as_ptr(),
        None => c"the handle is null".as_ptr(),
    }
}

/// Takes the next bytes of the file, any number of them. After a failure, what came before the fault can still be shown.
///
/// # Safety
/// `decoder` as for `flextok_push_message`; `data` points to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_push_feed(
    decoder: *mut PushDecoder,
    data: *const u8,
    size: usize,
) -> Status {
    let work = |push: &mut PushDecoder| {
        // SAFETY: the caller's promise.
        let data = unsafe { bytes(data, size, "data") }?;
        push.reader.feed(data)?;
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with_push(decoder, work) }
}

/// What has arrived so far.
///
/// # Safety
/// `decoder` as for `flextok_push_message`; `state` points to a place for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_push_state(
    decoder: *mut PushDecoder,
    state: *mut PushState,
) -> Status {
    let work = |push: &mut PushDecoder| {
        let size = push.reader.header().map(flextok::container::Header::size);
        let found = PushState {
            width: size.map_or(0, |size| size.width),
            height: size.map_or(0, |size| size.height),
            units: push.reader.units(),
            proven: push.reader.proven_units(),
            complete: push.reader.is_complete().into(),
        };
        // SAFETY: the caller's promise.
        unsafe { put(state, found, "state") }
    };
    // SAFETY: the caller's promise.
    unsafe { with_push(decoder, work) }
}

/// Decodes what has arrived so far to pixels in `format`; `FLEXTOK_NEED_MORE` if that is nothing yet. `*image` receives the
/// picture, whose pixels `flextok_free` frees. The same payload is not decoded twice.
///
/// # Safety
/// `decoder` as for `flextok_push_message`; `image` points to a place for an image.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_push_picture(
    decoder: *mut PushDecoder,
    format: u32,
    image: *mut Image,
) -> Status {
    let work = |push: &mut PushDecoder| {
        Shape::of((0, 0), 0, format)?;
        let picture = push.decode()?;
        // SAFETY: the caller's promise.
        unsafe { put_image(image, picture, format) }
    };
    // SAFETY: the caller's promise.
    unsafe { with_push(decoder, work) }
}

/// Ends the file: `*complete`, unless it is null, receives 1 if it arrived to its end and 0 if it is truncated, which is no
/// failure. Its last picture can be decoded afterwards.
///
/// # Safety
/// `decoder` as for `flextok_push_message`; `complete` is null or points to a place for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_push_finish(
    decoder: *mut PushDecoder,
    complete: *mut u32,
) -> Status {
    let work = |push: &mut PushDecoder| {
        let state = push.reader.end()?;
        if complete.is_null() {
            return Ok(());
        }
        let is_complete = matches!(state, State::Complete);
        // SAFETY: the caller's promise.
        unsafe { put(complete, is_complete.into(), "complete") }
    };
    // SAFETY: the caller's promise.
    unsafe { with_push(decoder, work) }
}

impl PushDecoder {
    /// The picture of all units so far.
    fn decode(&mut self) -> Outcome<&RgbImage> {
        let units = self.reader.units();
        let stale = self.picture.as_ref().is_none_or(|(of, _)| *of != units);
        if stale {
            let Some(job) = self.reader.job(Duration::ZERO) else {
                return Err(Failure {
                    status: Status::NeedMore,
                    message: "nothing of the picture has arrived yet; feed more bytes".to_owned(),
                });
            };
            let picture = job.run(None)?;
            self.picture = Some((units, picture.image));
        }
        match &self.picture {
            Some((_, picture)) => Ok(picture),
            None => Err(Failure {
                status: Status::Internal,
                message: "there is no picture".to_owned(),
            }),
        }
    }
}
