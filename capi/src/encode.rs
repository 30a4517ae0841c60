//! Pixels to files.

use std::ffi::{CStr, c_char};
use std::num::NonZeroU8;
use std::ptr;

use flextok::container::Metadata;
use flextok::{CanvasChoice, EncodeOptions as Options, Size};

use crate::buffer::Buffer;
use crate::codec::{CodecHandle, CodecState};
use crate::failure::{Failure, Outcome};
use crate::guard::{bytes, check_reserved, clear, need, put, switch};
use crate::handle::with;
use crate::shape::Shape;
use crate::status::Status;

/// The canvas of which `FlextokEncodeOptions.canvas` chooses the size.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canvas {
    /// What suits the bytes.
    Auto = 0,
    /// The picture's own size. The numbers 1 to 255 mean so many blocks of 32 pixels along the long side.
    Own = 256,
}

/// How a picture is encoded. All zero is the default: `FlextokEncodeOptions options = {0};`
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct EncodeOptions {
    /// Most bytes of the file, metadata included; 0 is 1024 and the metadata, or of a FlexTok model all tokens.
    pub bytes: u64,
    /// For a later cut of the file: most bytes of the cut, for which the canvas is chosen; 0 is no cut. Built-in model.
    pub cut_at: u64,
    /// Number of tokens instead of bytes; 0 is what `bytes` says. FlexTok models.
    pub tokens: u32,
    /// A number of blocks, or FLEXTOK_CANVAS_AUTO or FLEXTOK_CANVAS_OWN. Built-in model.
    pub canvas: u32,
    /// Width and height of the canvas in pixels; 0 and 0 are the model's own. FlexTok models.
    pub canvas_width: u32,
    /// See `canvas_width`.
    pub canvas_height: u32,
    /// 1: take the centre of the picture that has the canvas's aspect; 0: all of it. FlexTok models.
    pub crop: u32,
    /// Colour behind transparent pixels: red, green, blue, 255. All zero is white; black is 0, 0, 0, 255.
    pub background: [u8; 4],
    /// Title to store, UTF-8; null is none.
    pub title: *const c_char,
    /// When the picture was taken, as RFC 3339 has it, to store, UTF-8; null is none.
    pub capture_time: *const c_char,
    /// Name of the program that makes the file, to store, UTF-8; null is none.
    pub encoder: *const c_char,
    /// For later versions; zero.
    pub reserved: [u64; 4],
}

/// `EncodeOptions` as the library has them.
///
/// # Safety
/// The texts are null or end with a zero byte.
unsafe fn options(given: Option<&EncodeOptions>) -> Outcome<Options> {
    let mut options = Options::default();
    let Some(given) = given else {
        return Ok(options);
    };
    check_reserved(&given.reserved, "encode")?;
    match (given.bytes, given.tokens) {
        (0, 0) => {}
        (bytes, 0) => options = options.with_bytes(bytes),
        (0, tokens) => options = options.with_tokens(tokens),
        (bytes, tokens) => {
            return Err(Failure::usage(format!(
                "{bytes} bytes and {tokens} tokens; allowed: one of them, 0 for the other"
            )));
        }
    }
    if given.cut_at > 0 {
        options = options.with_cut_at(given.cut_at);
    }
    let background = match given.background {
        [0, 0, 0, 0] => [255; 3],
        [red, green, blue, 255] => [red, green, blue],
        [.., alpha] => {
            return Err(Failure::usage(format!(
                "a background whose fourth byte is {alpha}; allowed: 255, or four times 0 for white"
            )));
        }
    };
    // SAFETY: the caller's promise.
    let texts = unsafe {
        Metadata {
            title: text(given.title, "title")?,
            capture_time: text(given.capture_time, "capture_time")?,
            encoder: text(given.encoder, "encoder")?,
            ..Metadata::default()
        }
    };
    Ok(options
        .with_canvas(canvas(given)?)
        .with_crop(switch(given.crop, "crop")?)
        .with_background(background)
        .with_metadata(texts))
}

fn canvas(given: &EncodeOptions) -> Outcome<CanvasChoice> {
    let (width, height) = (given.canvas_width, given.canvas_height);
    let blocks = u8::try_from(given.canvas).ok().and_then(NonZeroU8::new);
    match (given.canvas, blocks) {
        (0, _) if (width, height) == (0, 0) => Ok(CanvasChoice::Auto),
        (0, _) if width > 0 && height > 0 => Ok(CanvasChoice::Pixels(Size::new(width, height))),
        (canvas, _) if (width, height) != (0, 0) => Err(Failure::usage(format!(
            "a canvas of {canvas} and of {width}x{height} pixels; allowed: one of them, 0 and 0 for no pixels"
        ))),
        (_, Some(blocks)) => Ok(CanvasChoice::Blocks(blocks)),
        (canvas, None) if canvas == Canvas::Own as u32 => Ok(CanvasChoice::Own),
        (canvas, None) => Err(Failure::usage(format!(
            "canvas {canvas}; allowed: FLEXTOK_CANVAS_AUTO (0), 1 to 255 blocks, FLEXTOK_CANVAS_OWN (256)"
        ))),
    }
}

/// # Safety
/// `text` is null or ends with a zero byte.
unsafe fn text(text: *const c_char, name: &str) -> Outcome<Option<String>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    match unsafe { CStr::from_ptr(text) }.to_str() {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(error) => Err(Failure::usage(format!(
            "{name} is UTF-8 only up to byte {}; allowed: UTF-8",
            error.valid_up_to()
        ))),
    }
}

/// Encodes a picture: `pixels_size` bytes at `pixels`, of `width` x `height` pixels in `format` (FLEXTOK_FORMAT_RGB or
/// FLEXTOK_FORMAT_RGBA), with `stride` bytes from one row to the next (0: no gaps). `options` may be null. `*file` and
/// `*file_size` receive the file, which `flextok_free` frees; null and 0 after a failure.
///
/// # Safety
/// `codec` is null or a codec; `pixels` is null or points to `pixels_size` bytes; `options` is null or points to options,
/// whose texts are null or end with a zero byte; `file` and `file_size` are null or places for a pointer and a size.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C" fn flextok_encode(
    codec: *mut CodecHandle,
    pixels: *const u8,
    pixels_size: usize,
    width: u32,
    height: u32,
    stride: usize,
    format: u32,
    options: *const EncodeOptions,
    file: *mut *mut u8,
    file_size: *mut usize,
) -> Status {
    let work = |state: &mut CodecState| {
        need(file, "file")?;
        need(file_size, "file_size")?;
        let shape = Shape::new((width, height), stride, format, pixels_size)?;
        // SAFETY: the caller's promises.
        let (pixels, options) = unsafe {
            let options = self::options(options.as_ref())?;
            (bytes(pixels, pixels_size, "pixels")?, options)
        };
        // Before memory is taken for a copy.
        state.limits().check_size(width.into(), height.into())?;
        let encoded = encode(state, &shape, pixels, &options)?;
        let buffer = Buffer::of(&encoded)?;
        // SAFETY: the caller's promises.
        unsafe {
            put(file_size, encoded.len(), "file_size")?;
            put(file, buffer.into_raw(), "file")
        }
    };
    // SAFETY: the caller's promises.
    unsafe {
        clear(file, ptr::null_mut());
        clear(file_size, 0);
        with(codec, work)
    }
}

fn encode(
    state: &mut CodecState,
    shape: &Shape,
    pixels: &[u8],
    options: &Options,
) -> Outcome<Vec<u8>> {
    let codec = state.codec()?;
    state.callback().watch(|watch| {
        let file = codec.encode(&shape.read(pixels)?, options)?;
        watch.report(1, 1);
        Ok(file)
    })
}
