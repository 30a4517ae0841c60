//! Pixels to files.

use flextok::EncodeOptions as Options;

use crate::buffer::Buffer;
use crate::codec::{CodecHandle, with};
use crate::guard::{bytes, put};
use crate::pixels::Shape;
use crate::status::{Failure, Outcome, Status};

/// How a picture is encoded; all zero is the default.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct EncodeOptions {
    /// Most bytes of the file; 0 is what the model does by itself, 1024 of the built-in one.
    pub bytes: u64,
    /// Number of tokens of a FlexTok model instead of bytes; 0 is the model's maximum.
    pub tokens: u32,
    /// Colour behind transparent pixels, `0xRRGGBB`, with the highest byte 1; 0 is white.
    pub background: u32,
}

/// `EncodeOptions` as the library has them.
fn options(given: &EncodeOptions) -> Options {
    let mut options = Options::default();
    if given.tokens > 0 {
        options = options.with_tokens(given.tokens);
    }
    if given.bytes > 0 {
        options = options.with_bytes(given.bytes);
    }
    if given.background != 0 {
        let [_, red, green, blue] = given.background.to_be_bytes();
        options = options.with_background([red, green, blue]);
    }
    options
}

/// Encodes `width` x `height` pixels in `format` (`FLEXTOK_RGB` or `FLEXTOK_RGBA`, in sRGB) with `stride` bytes from one row to
/// the next (0: no gaps) as a file. `options` may be null. `*file` and `*file_size` receive the file, which `flextok_free`
/// frees; after a failure they are unchanged.
///
/// # Safety
/// `codec` as for `flextok_codec_message`; `pixels` points to `pixels_size` bytes; `options` is null or points to options;
/// `file` and `file_size` point to places for a pointer and a size.
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
    let work = |handle: &mut CodecHandle| {
        let shape = Shape::new((width, height), stride, format, pixels_size)?;
        // SAFETY: the caller's promises.
        let (pixels, options) =
            unsafe { (bytes(pixels, pixels_size, "pixels")?, options.as_ref()) };
        for (is_null, name) in [(file.is_null(), "file"), (file_size.is_null(), "file_size")] {
            if is_null {
                return Err(Failure::usage(format!(
                    "{name} is null; give a place for it"
                )));
            }
        }
        let encoded = encode(handle, &shape, pixels, options)?;
        let buffer = Buffer::of(&encoded)?;
        // SAFETY: the caller's promises.
        unsafe {
            put(file_size, encoded.len(), "file_size")?;
            put(file, buffer.into_raw(), "file")
        }
    };
    // SAFETY: the caller's promise.
    unsafe { with(codec, work) }
}

fn encode(
    handle: &mut CodecHandle,
    shape: &Shape,
    pixels: &[u8],
    given: Option<&EncodeOptions>,
) -> Outcome<Vec<u8>> {
    let codec = handle.codec()?;
    let options = options(&given.copied().unwrap_or_default());
    Ok(codec.encode(&shape.read(pixels)?, &options)?)
}
