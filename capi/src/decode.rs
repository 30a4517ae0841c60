//! Files to pixels.

use std::sync::Arc;

use flextok::container::TokenFile;
use flextok::image::RgbImage;
use flextok::{Codec, DecodeOptions as Options, Look as LibraryLook};

use crate::codec::{CodecHandle, CodecState};
use crate::failure::{Failure, Outcome};
use crate::guard::{bytes, bytes_mut, check_reserved, clear, need, put, switch};
use crate::handle::with;
use crate::pixels::{Image, allocate};
use crate::progress::Callback;
use crate::shape::Shape;
use crate::status::Status;

/// What becomes of the digits of a coded file, such as the built-in model makes.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// What the model does by itself: halfway between faithful and sharp.
    Default = 0,
    /// The digits alone, ten times as fast.
    Plain = 1,
    /// The learned decoder for the least squared error.
    Faithful = 2,
    /// The learned decoder for sharpness.
    Sharp = 3,
    /// The learned decoder between them, as `FlextokDecodeOptions.sharpness` says.
    Between = 4,
}

/// How a FlexTok model follows its tokens.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guidance {
    /// As the model does by itself.
    Default = 0,
    /// Classifier-free guidance, with the scale in `FlextokDecodeOptions.guidance_scale`.
    Cfg = 1,
    /// Adaptive projected guidance, with the same scale.
    Apg = 2,
}

/// How a file is decoded. All zero is the default: `FlextokDecodeOptions options = {0};`
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct DecodeOptions {
    /// One of FLEXTOK_LOOK_PLAIN and the like. Coded files.
    pub look: u32,
    /// With FLEXTOK_LOOK_BETWEEN: 0 is faithful, 1 is sharp. Else 0.
    pub sharpness: f32,
    /// 1: of a damaged file, use what a check proves; 0: refuse it. A decoder that is fed always shows what is proven.
    pub salvage: u32,
    /// Most tokens to use; 0 is all. FlexTok models.
    pub tokens: u32,
    /// Steps; 0 is what the model does by itself. FlexTok models.
    pub steps: u32,
    /// One of FLEXTOK_GUIDANCE_DEFAULT and the like. FlexTok models.
    pub guidance: u32,
    /// Scale of a guidance that is not the default: 1 is none. Else 0.
    pub guidance_scale: f32,
    /// Seed of the noise; 0 is the default. FlexTok models.
    pub seed: u64,
    /// For later versions; zero.
    pub reserved: [u64; 4],
}

/// `DecodeOptions` as the library has them, and whether to salvage.
pub(crate) fn options(given: Option<&DecodeOptions>) -> Outcome<(Options, bool)> {
    let mut options = Options::default();
    let Some(given) = given else {
        return Ok((options, false));
    };
    check_reserved(&given.reserved, "decode")?;
    options.look = look(given)?;
    options.tokens = Some(given.tokens).filter(|&tokens| tokens > 0);
    options.steps = Some(given.steps).filter(|&steps| steps > 0);
    // 0 is the library's default, and files without noise refuse any.
    options.seed = Some(given.seed).filter(|&seed| seed > 0);
    match given.guidance {
        guidance if guidance == Guidance::Default as u32 => {
            unused(given.guidance_scale, "guidance_scale", "a guidance")?;
        }
        guidance if guidance == Guidance::Cfg as u32 || guidance == Guidance::Apg as u32 => {
            let apg = guidance == Guidance::Apg as u32;
            options = options.with_guidance(given.guidance_scale, apg);
        }
        guidance => {
            return Err(Failure::usage(format!(
                "guidance {guidance}; allowed: FLEXTOK_GUIDANCE_DEFAULT (0), _CFG (1), _APG (2)"
            )));
        }
    }
    Ok((options, switch(given.salvage, "salvage")?))
}

fn look(given: &DecodeOptions) -> Outcome<Option<LibraryLook>> {
    let look = given.look;
    if look == Look::Between as u32 {
        return Ok(Some(LibraryLook::Learned(given.sharpness)));
    }
    unused(given.sharpness, "sharpness", "FLEXTOK_LOOK_BETWEEN")?;
    match look {
        _ if look == Look::Default as u32 => Ok(None),
        _ if look == Look::Plain as u32 => Ok(Some(LibraryLook::Plain)),
        _ if look == Look::Faithful as u32 => Ok(Some(LibraryLook::FAITHFUL)),
        _ if look == Look::Sharp as u32 => Ok(Some(LibraryLook::SHARP)),
        _ => Err(Failure::usage(format!(
            "look {look}; allowed: FLEXTOK_LOOK_DEFAULT (0), _PLAIN (1), _FAITHFUL (2), _SHARP (3), _BETWEEN (4)"
        ))),
    }
}

/// Refuses a number that would be ignored.
fn unused(value: f32, name: &str, owner: &str) -> Outcome<()> {
    if value == 0.0 {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{name} is {value} without {owner}; allowed: 0"
    )))
}

/// Decodes a file, whole or cut, to pixels in `format` (FLEXTOK_FORMAT_RGB or FLEXTOK_FORMAT_RGBA, opaque). `options` may be
/// null. `*image` receives the picture, which `flextok_image_free` frees; all zero after a failure.
///
/// # Safety
/// `codec` is null or a codec; `file` is null or points to `file_size` bytes; `options` is null or points to options; `image`
/// is null or a place for an image.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_decode(
    codec: *mut CodecHandle,
    file: *const u8,
    file_size: usize,
    options: *const DecodeOptions,
    format: u32,
    image: *mut Image,
) -> Status {
    let work = |state: &mut CodecState| {
        need(image, "image")?;
        Shape::of((0, 0), 0, format)?;
        // SAFETY: the caller's promises.
        let (file, options) = unsafe { (bytes(file, file_size, "file")?, options.as_ref()) };
        let picture = decode(state, file, options, |_| Ok(()))?;
        // SAFETY: the caller's promise.
        unsafe { put(image, allocate(&picture, format)?, "image") }
    };
    // SAFETY: the caller's promises.
    unsafe {
        clear(image, Image::EMPTY);
        with(codec, work)
    }
}

/// Decodes a file, whole or cut, into `pixels_size` bytes at `pixels`, with `stride` bytes from one row to the next (0: no
/// gaps), of which only pixels are written. `flextok_file_info` says the size of the picture beforehand. After a failure the
/// bytes are as they were; too small a place fails before any work.
///
/// # Safety
/// `codec` is null or a codec; `file` is null or points to `file_size` bytes; `options` is null or points to options; `pixels`
/// is null or points to `pixels_size` bytes, other ones than the file's.
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
    let work = |state: &mut CodecState| {
        let shape = |size| Shape::new(size, stride, format, pixels_size);
        shape((0, 0))?;
        // SAFETY: the caller's promises.
        let (file, options, pixels) = unsafe {
            let pixels = bytes_mut(pixels, pixels_size, "pixels")?;
            (bytes(file, file_size, "file")?, options.as_ref(), pixels)
        };
        let fits = |file: &TokenFile| {
            let size = file.header().size();
            shape((size.width, size.height))?;
            Ok(())
        };
        let picture = decode(state, file, options, fits)?;
        shape(picture.dimensions())?.write(&picture, pixels);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with(codec, work) }
}

/// Decodes a file that `check` accepts before any work.
fn decode(
    state: &mut CodecState,
    file: &[u8],
    given: Option<&DecodeOptions>,
    check: impl FnOnce(&TokenFile) -> Outcome<()>,
) -> Outcome<RgbImage> {
    let (options, salvage) = options(given)?;
    let codec = state.codec()?;
    let limits = &codec.limits().container;
    let file = if salvage {
        TokenFile::salvage(file, limits).map(|salvaged| salvaged.file)
    } else {
        TokenFile::parse_with(file, limits)
    };
    let file = file.map_err(flextok::Error::from)?;
    check(&file)?;
    decode_file(&codec, &file, &options, state.callback())
}

/// Decodes a parsed file under the eyes of the caller's function.
pub(crate) fn decode_file(
    codec: &Arc<Codec>,
    file: &TokenFile,
    options: &Options,
    callback: Callback,
) -> Outcome<RgbImage> {
    callback.watch(|watch| Ok(codec.decode_file(file, &watch.over(options.clone()))?))
}
