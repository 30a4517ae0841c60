//! Files to pixels.

use flextok::container::{Limits, TokenFile};
use flextok::image::RgbImage;
use flextok::{DecodeOptions as Options, Look};

use crate::codec::{CodecHandle, with};
use crate::guard::{bytes, bytes_mut, put};
use crate::pixels::{Image, Shape, allocate};
use crate::status::{Outcome, Status};

/// What becomes of the digits of a coded file.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookName {
    /// What the model does by itself: halfway between faithful and sharp.
    Default = 0,
    /// The digits alone, ten times as fast.
    Plain = 1,
    /// The learned decoder for the least squared error.
    Faithful = 2,
    /// The learned decoder for sharpness.
    Sharp = 3,
}

/// How a file is decoded; all zero is the default.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct DecodeOptions {
    /// One of `FLEXTOK_LOOK_NAME_…`, for the built-in model.
    pub look: u32,
    /// Not 0: of a damaged file, use what a check proves.
    pub salvage: u32,
    /// Most tokens to use, for FlexTok models; 0 is all.
    pub tokens: u32,
    /// Steps, for FlexTok models; 0 is what the model does by itself.
    pub steps: u32,
    /// Seed of the noise, for FlexTok models.
    pub seed: u64,
}

/// `DecodeOptions` as the library has them.
pub(crate) fn options(given: &DecodeOptions) -> Outcome<Options> {
    let mut options = Options::default().with_seed(given.seed);
    let looks = [
        (LookName::Default, None),
        (LookName::Plain, Some(Look::Plain)),
        (LookName::Faithful, Some(Look::FAITHFUL)),
        (LookName::Sharp, Some(Look::SHARP)),
    ];
    let look = looks.iter().find(|(name, _)| *name as u32 == given.look);
    let Some((_, look)) = look else {
        return Err(crate::status::Failure::usage(format!(
            "look {}; allowed: 0 (default), 1 (plain), 2 (faithful), 3 (sharp)",
            given.look
        )));
    };
    options.look = *look;
    if given.tokens > 0 {
        options = options.with_tokens(given.tokens);
    }
    if given.steps > 0 {
        options = options.with_steps(given.steps);
    }
    Ok(options)
}

/// Decodes a file, whole or cut, to pixels in `format`. `options` may be null. `*image` receives the picture, whose pixels
/// `flextok_free` frees; after a failure it is unchanged.
///
/// # Safety
/// `codec` as for `flextok_codec_message`; `file` points to `file_size` bytes; `options` is null or points to options; `image`
/// points to a place for an image.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_decode(
    codec: *mut CodecHandle,
    file: *const u8,
    file_size: usize,
    options: *const DecodeOptions,
    format: u32,
    image: *mut Image,
) -> Status {
    let work = |handle: &mut CodecHandle| {
        Shape::of((0, 0), 0, format)?;
        // SAFETY: the caller's promises.
        let (file, options) = unsafe { (bytes(file, file_size, "file")?, options.as_ref()) };
        let picture = decode(handle, file, options)?;
        // SAFETY: the caller's promise.
        unsafe { put_image(image, &picture, format) }
    };
    // SAFETY: the caller's promise.
    unsafe { with(codec, work) }
}

/// Decodes a file, whole or cut, into `pixels_size` bytes at `pixels`, with `stride` bytes from one row to the next (0: no
/// gaps). `flextok_file_info` says the size beforehand. After a failure the pixels are unchanged.
///
/// # Safety
/// `codec` as for `flextok_codec_message`; `file` points to `file_size` bytes; `options` is null or points to options; `pixels`
/// points to `pixels_size` bytes.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C" fn flextok_decode_into(
    codec: *mut CodecHandle,
    file: *const u8,
    file_size: usize,
    options: *const DecodeOptions,
    pixels: *mut u8,
    pixels_size: usize,
    stride: usize,
    format: u32,
) -> Status {
    let work = |handle: &mut CodecHandle| {
        // SAFETY: the caller's promises.
        let (file, options) = unsafe { (bytes(file, file_size, "file")?, options.as_ref()) };
        let header = TokenFile::parse_with(file, &Limits::default());
        if let Ok(parsed) = &header {
            // Before any work.
            let size = parsed.header().size();
            Shape::new((size.width, size.height), stride, format, pixels_size)?;
        }
        let picture = decode(handle, file, options)?;
        let shape = Shape::new(picture.dimensions(), stride, format, pixels_size)?;
        // SAFETY: the caller's promise.
        shape.write(&picture, unsafe {
            bytes_mut(pixels, pixels_size, "pixels")
        }?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with(codec, work) }
}

fn decode(
    handle: &mut CodecHandle,
    file: &[u8],
    given: Option<&DecodeOptions>,
) -> Outcome<RgbImage> {
    let given = given.copied().unwrap_or_default();
    let codec = handle.codec()?;
    let options = handle.watch(options(&given)?);
    if given.salvage == 0 {
        return Ok(codec.decode(file, &options)?);
    }
    let salvaged = TokenFile::salvage(file, &codec.limits().container);
    let salvaged = salvaged.map_err(flextok::Error::from)?;
    Ok(codec.decode_file(&salvaged.file, &options)?)
}

/// Hands a picture out to a place that is not null.
pub(crate) unsafe fn put_image(place: *mut Image, picture: &RgbImage, format: u32) -> Outcome<()> {
    if place.is_null() {
        return Err(crate::status::Failure::usage(
            "image is null; give a place for the result",
        ));
    }
    // SAFETY: the caller's promise.
    unsafe { put(place, allocate(picture, format)?, "image") }
}
