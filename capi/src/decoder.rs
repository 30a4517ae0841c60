//! The push decoder: bytes as they arrive, and the best picture of them whenever it is wanted.

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use flextok::container::{Header, State};
use flextok::image::RgbImage;
use flextok::progressive::{ProgressiveOptions, ProgressiveReader};
use flextok::{Codec, DecodeOptions as Options};

use crate::codec::{CodecHandle, CodecState};
use crate::decode::{DecodeOptions, decode_file, options};
use crate::failure::{Failure, Outcome};
use crate::guard::{bytes, bytes_mut, clear, need, put};
use crate::handle::{Cell, Handle, into_raw, message, release, with};
use crate::pixels::{Image, allocate};
use crate::progress::Callback;
use crate::shape::Shape;
use crate::status::Status;

/// A file while it arrives. Made by `flextok_decoder_new`, ended by `flextok_decoder_free`. It serves one call at a time, may
/// go from thread to thread, and may outlive the codec that it was made from.
pub struct DecoderHandle(Cell<DecoderState>);

impl Handle for DecoderHandle {
    type State = DecoderState;

    fn cell(&self) -> &Cell<DecoderState> {
        &self.0
    }
}

/// What a decoder keeps.
pub(crate) struct DecoderState {
    codec: Arc<Codec>,
    reader: ProgressiveReader,
    options: Options,
    callback: Callback,
    /// The last picture, and of how many units of payload it is.
    picture: Option<(u64, RgbImage)>,
    fault: Option<Failure>,
}

/// What has arrived at a decoder. A unit of payload is a byte of a coded file, or a token of a FlexTok model's.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Arrived {
    /// Width of the picture in pixels; 0 before the header has arrived.
    pub width: u32,
    /// Height of the picture in pixels; 0 before the header has arrived.
    pub height: u32,
    /// Units that the next picture shows.
    pub units: u64,
    /// Units that a check proves.
    pub proven: u64,
    /// Units that the file has in all; 0 before the header has arrived.
    pub total: u64,
    /// 1 if the file has arrived to its end, undamaged; else 0.
    pub complete: u32,
    /// 1 if `flextok_decoder_feed` or `flextok_decoder_finish` failed: what comes later is of no use. Else 0.
    pub failed: u32,
    /// For later versions; zero.
    pub reserved: [u64; 2],
}

/// Makes a decoder of one file that arrives in pieces. `options` may be null. `*decoder` receives it; null after a failure. It
/// keeps the model, the limits, the threads and the callback that the codec has now.
///
/// # Safety
/// `codec` is null or a codec; `options` is null or points to options; `decoder` is null or a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_decoder_new(
    codec: *mut CodecHandle,
    options: *const DecodeOptions,
    decoder: *mut *mut DecoderHandle,
) -> Status {
    let work = |state: &mut CodecState| {
        need(decoder, "decoder")?;
        // SAFETY: the caller's promise.
        let (options, _) = self::options(unsafe { options.as_ref() })?;
        let codec = state.codec()?;
        let progressive = ProgressiveOptions::default().with_decode(options.clone());
        let made = DecoderState {
            reader: ProgressiveReader::new(Arc::clone(&codec), progressive)?,
            codec,
            options,
            callback: state.callback(),
            picture: None,
            fault: None,
        };
        let made = into_raw(DecoderHandle(Cell::new(made)))?;
        // SAFETY: the caller's promise.
        unsafe { put(decoder, made, "decoder") }
    };
    // SAFETY: the caller's promises.
    unsafe {
        clear(decoder, ptr::null_mut());
        with(codec, work)
    }
}

/// Ends a decoder. Null is allowed. Pictures that it made live on.
///
/// # Safety
/// `decoder` is null or a decoder, which nothing uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_decoder_free(decoder: *mut DecoderHandle) {
    // SAFETY: the caller's promise.
    unsafe { release(decoder) }
}

/// A line about the failure of the last call with this decoder, UTF-8, empty after a success. It lives until the next call
/// with it.
///
/// # Safety
/// `decoder` is null or a decoder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_decoder_message(decoder: *const DecoderHandle) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { message(decoder) }
}

/// Decodes later pictures with other options, such as a plain look while bytes arrive and the default at the end. `options`
/// may be null. The number of tokens stays that of `flextok_decoder_new`, unless the new one is smaller.
///
/// # Safety
/// `decoder` is null or a decoder; `options` is null or points to options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_decoder_set_options(
    decoder: *mut DecoderHandle,
    options: *const DecodeOptions,
) -> Status {
    let work = |state: &mut DecoderState| {
        // SAFETY: the caller's promise.
        let (options, _) = self::options(unsafe { options.as_ref() })?;
        state.codec.check_options(&options)?;
        state.options = options;
        state.picture = None;
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with(decoder, work) }
}

/// Takes the next bytes of the file, any number of them, and decodes nothing. A failure stays: bytes that are damaged, or a
/// file that this codec cannot decode. What was proven before it can still be shown.
///
/// # Safety
/// `decoder` is null or a decoder; `data` is null or points to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_decoder_feed(
    decoder: *mut DecoderHandle,
    data: *const u8,
    size: usize,
) -> Status {
    let work = |state: &mut DecoderState| {
        // SAFETY: the caller's promise.
        let data = unsafe { bytes(data, size, "data") }?;
        if let Some(fault) = &state.fault {
            return Err(fault.clone());
        }
        match state.reader.feed(data) {
            Ok(()) => Ok(()),
            // A call too many is no fault of the file.
            Err(error @ flextok::Error::FedAfterEnd { .. }) => Err(error.into()),
            Err(error) => {
                let fault = Failure::from(error);
                state.fault = Some(fault.clone());
                Err(fault)
            }
        }
    };
    // SAFETY: the caller's promise.
    unsafe { with(decoder, work) }
}

/// Says what has arrived so far. `*arrived` receives it.
///
/// # Safety
/// `decoder` is null or a decoder; `arrived` is null or a place for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_decoder_arrived(
    decoder: *mut DecoderHandle,
    arrived: *mut Arrived,
) -> Status {
    // SAFETY: the caller's promise.
    let work = |state: &mut DecoderState| unsafe { put(arrived, state.arrived(), "arrived") };
    // SAFETY: the caller's promise.
    unsafe { with(decoder, work) }
}

/// Decodes what has arrived so far to pixels in `format`; FLEXTOK_NEED_MORE if that is nothing yet, or after a failure of
/// `flextok_decoder_feed` or `flextok_decoder_finish` that failure. `*image` receives the picture, which `flextok_image_free`
/// frees; all zero after a failure. The same payload is not decoded twice.
///
/// # Safety
/// `decoder` is null or a decoder; `image` is null or a place for an image.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_decoder_picture(
    decoder: *mut DecoderHandle,
    format: u32,
    image: *mut Image,
) -> Status {
    let work = |state: &mut DecoderState| {
        need(image, "image")?;
        Shape::of((0, 0), 0, format)?;
        let made = allocate(state.picture()?, format)?;
        // SAFETY: the caller's promise.
        unsafe { put(image, made, "image") }
    };
    // SAFETY: the caller's promises.
    unsafe {
        clear(image, Image::EMPTY);
        with(decoder, work)
    }
}

/// As `flextok_decoder_picture`, into `pixels_size` bytes at `pixels` with `stride` bytes from one row to the next (0: no
/// gaps), as `flextok_decode_into` has them. `flextok_decoder_arrived` says the size of the picture beforehand.
///
/// # Safety
/// `decoder` is null or a decoder; `pixels` is null or points to `pixels_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_decoder_picture_into(
    decoder: *mut DecoderHandle,
    pixels: *mut u8,
    pixels_size: usize,
    stride: usize,
    format: u32,
) -> Status {
    let work = |state: &mut DecoderState| {
        let Arrived { width, height, .. } = state.arrived();
        let shape = Shape::new((width, height), stride, format, pixels_size)?;
        // SAFETY: the caller's promise.
        let pixels = unsafe { bytes_mut(pixels, pixels_size, "pixels") }?;
        shape.write(state.picture()?.as_raw(), pixels);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with(decoder, work) }
}

/// Ends the file: no bytes follow. `*complete`, unless it is null, receives 1 if it has arrived to its end and 0 if it is
/// truncated, which is no failure. A file too short for any picture, or damaged, is one. The last picture can be decoded
/// afterwards.
///
/// # Safety
/// `decoder` is null or a decoder; `complete` is null or a place for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_decoder_finish(
    decoder: *mut DecoderHandle,
    complete: *mut u32,
) -> Status {
    let work = |state: &mut DecoderState| {
        let ended = state.reader.end().map_err(|error| {
            let fault = Failure::from(error);
            state.picture = None;
            state.fault.get_or_insert(fault).clone()
        });
        let is_complete = matches!(ended?, State::Complete);
        // SAFETY: the caller's promise.
        unsafe { clear(complete, is_complete.into()) };
        Ok(())
    };
    // SAFETY: the caller's promises.
    unsafe {
        clear(complete, 0);
        with(decoder, work)
    }
}

impl DecoderState {
    fn arrived(&self) -> Arrived {
        let header = self.reader.header();
        let size = header.map(Header::size);
        Arrived {
            width: size.map_or(0, |size| size.width),
            height: size.map_or(0, |size| size.height),
            units: self.reader.units(),
            proven: self.reader.proven_units(),
            total: header.map_or(0, |header| header.payload_bytes() / header.unit()),
            complete: self.reader.is_complete().into(),
            failed: self.fault.is_some().into(),
            reserved: [0; 2],
        }
    }

    /// The picture of all units so far.
    fn picture(&mut self) -> Outcome<&RgbImage> {
        let units = self.reader.units();
        let last = self.picture.take().filter(|(of, _)| *of == units);
        let picture = match last {
            Some((_, picture)) => picture,
            None => self.decode()?,
        };
        let (_, picture) = self.picture.insert((units, picture));
        Ok(picture)
    }

    fn decode(&mut self) -> Outcome<RgbImage> {
        let Some(job) = self.reader.job(Duration::ZERO) else {
            return Err(self.fault.clone().unwrap_or_else(|| Failure {
                status: Status::NEED_MORE,
                message: "nothing of the picture has arrived yet; feed more bytes".to_owned(),
            }));
        };
        // Not by the job itself: each decode has a callback of its own, and may be stopped and tried again.
        decode_file(&self.codec, job.file(), &self.options, self.callback)
    }
}
