//! Image files to decoded pictures: format from the content, limits from the header, upright.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::color::{self, ColorConversion, Described};
use super::guard::guarded;
use super::{PictureError, jpeg, memory, metadata, png, webp};

/// The formats [`open`] reads, for messages.
pub const READABLE: &str = "bmp, gif, ico, jpeg, png, pnm, qoi, tga, tiff, webp";

/// Limits of loading. All of them are checked before the memory they bound is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadOptions {
    /// Most bytes of the input file.
    pub max_bytes: u64,
    /// Most pixels, width times height.
    pub max_pixels: u64,
    /// Most pixels per side.
    pub max_side: u32,
    /// Most bytes of memory that loading takes at its peak: the file, the decoded image, what the decoder works in, and
    /// the copy for an image stored on its side.
    pub max_memory: u64,
    /// Whether pixels with a colour profile are converted to sRGB, which the codec works in.
    pub color_management: bool,
}

impl Default for LoadOptions {
    /// 512 MiB of file, 2^27 pixels (134 million), 2^20 pixels per side as in a `.flxt` file, 1 GiB of memory; colours are
    /// converted.
    fn default() -> Self {
        Self {
            max_bytes: 512 << 20,
            max_pixels: 1 << 27,
            max_side: 1 << 20,
            max_memory: 1 << 30,
            color_management: true,
        }
    }
}

/// A decoded image with what is worth keeping of its file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoadedPicture {
    /// The pixels in sRGB, the EXIF orientation applied; of an animation the first frame.
    pub image: DynamicImage,
    /// How they came to be in sRGB.
    pub color_conversion: ColorConversion,
    /// The description inside the embedded ICC profile.
    pub color_profile: Option<String>,
    /// When the picture was taken, from EXIF, as `YYYY-MM-DDThh:mm:ss` with the zone if it is known.
    pub capture_time: Option<String>,
    /// The title, from PNG text.
    pub title: Option<String>,
    /// The format of the file.
    pub format: ImageFormat,
}

/// Loads an image file. The extension only matters for formats whose content does not tell (TGA).
///
/// # Errors
/// [`PictureError::Io`], [`PictureError::Directory`], and everything [`decode_bytes`] reports.
pub fn open(path: impl AsRef<Path>, options: &LoadOptions) -> Result<LoadedPicture, PictureError> {
    let path = path.as_ref();
    let io = |source| PictureError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_dir() {
        return Err(PictureError::Directory {
            path: path.to_owned(),
        });
    }
    let bytes = read_limited(file, path, options.max_bytes)?;
    decode(&bytes, ImageFormat::from_path(path).ok(), options)
}

/// Loads an image from a stream such as standard input; `name` is what errors call it.
///
/// # Errors
/// [`PictureError::Io`] and everything [`decode_bytes`] reports.
pub fn read(
    reader: impl Read,
    name: impl AsRef<Path>,
    options: &LoadOptions,
) -> Result<LoadedPicture, PictureError> {
    let bytes = read_limited(reader, name.as_ref(), options.max_bytes)?;
    decode_bytes(&bytes, options)
}

/// Decodes the bytes of an image file.
///
/// # Errors
/// By kind: unreadable ([`PictureError::Empty`], [`PictureError::UnknownFormat`],
/// [`PictureError::UnsupportedFormat`], [`PictureError::Malformed`], [`PictureError::Truncated`]) or
/// a limit ([`PictureError::TooManyBytes`], [`PictureError::TooManyPixels`],
/// [`PictureError::SideTooLong`], [`PictureError::TooMuchMemory`]), or that the system does not have the
/// memory ([`PictureError::OutOfMemory`]).
pub fn decode_bytes(bytes: &[u8], options: &LoadOptions) -> Result<LoadedPicture, PictureError> {
    decode(bytes, None, options)
}

/// At most one byte more than allowed is ever read.
fn read_limited(reader: impl Read, path: &Path, max: u64) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    reader
        .take(max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| PictureError::Io {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

fn decode(
    bytes: &[u8],
    by_name: Option<ImageFormat>,
    options: &LoadOptions,
) -> Result<LoadedPicture, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty);
    }
    if bytes.len() as u64 > options.max_bytes {
        return Err(PictureError::TooManyBytes {
            max: options.max_bytes,
        });
    }
    let format = recognise(bytes, by_name)?;
    let name = name_of(format);
    let mut held = bytes.len() as u64; // taken before the pixels
    let mut file = Cow::Borrowed(bytes);
    let mut first = memory::METADATA;
    match format {
        ImageFormat::Png => {
            if let Some((width @ 1.., height @ 1..)) = png::size(bytes) {
                check_size(width, height, name, options)?;
            }
            // Only the limit that a decoder of PNG is made with counts, and only for what stands before the pixels.
            held = held.saturating_add(png::header_bytes(bytes));
            first = png::header_limit(bytes);
        }
        ImageFormat::Ico => {
            file = png::without_profiles(bytes);
            held = held.saturating_mul(2);
        }
        _ => {}
    }
    memory::check(held, options.max_memory)?;
    memory::probe(held.saturating_add(first))?;
    guarded(name, || {
        let first = first.min(options.max_memory);
        decode_guarded(bytes, &file, format, (held, first), options)
    })
}

/// The part that is done by decoders of other crates. `file` is what they read of the `bytes`; `held` bytes of memory are taken
/// already, and `first` may be taken for what stands before the pixels.
fn decode_guarded(
    bytes: &[u8],
    file: &[u8],
    format: ImageFormat,
    (held, first): (u64, u64),
    options: &LoadOptions,
) -> Result<LoadedPicture, PictureError> {
    let name = name_of(format);
    let failed = |error| from_image_error(error, name, options);
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    reader.limits(limits(first));
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, name, options)?;
    check_end(bytes, format, name)?;
    let facts = facts(&mut decoder).map_err(failed)?;
    let colors = match options.color_management {
        true => color::described((format, name), bytes, facts.icc.as_deref())?,
        false => Described::Not,
    };
    // The decoder may keep the profile.
    let profile_bytes = facts.icc.as_ref().map_or(0, Vec::len);
    let room = Room::new(
        bytes,
        format,
        &decoder,
        held + profile_bytes as u64,
        facts.orientation,
        options,
    )?;
    let failed = |error| room.failed(error, name, options);
    decoder.set_limits(limits(room.granted)).map_err(failed)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    let color_conversion = color::to_srgb(&mut image, &colors)?;
    image.apply_orientation(facts.orientation);
    Ok(LoadedPicture {
        image,
        color_conversion,
        color_profile: facts.color_profile,
        capture_time: facts.capture_time,
        title: (format == ImageFormat::Png)
            .then(|| metadata::png_title(bytes))
            .flatten(),
        format,
    })
}

fn limits(memory: u64) -> image::Limits {
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(memory);
    limits
}

/// The metadata next to the pixels.
struct Facts {
    icc: Option<Vec<u8>>,
    color_profile: Option<String>,
    capture_time: Option<String>,
    orientation: Orientation,
}

/// A picture with damaged metadata is still a picture; only limits are errors.
fn facts(decoder: &mut impl ImageDecoder) -> image::ImageResult<Facts> {
    // The decoder of TIFF counts the pixels first, and leaves the rest to the metadata.
    let pixels = stored_bytes(decoder);
    decoder.set_limits(limits(pixels.saturating_add(memory::METADATA)))?;
    let icc = decoder.icc_profile().ok().flatten();
    let exif = decoder.exif_metadata().ok().flatten();
    let orientation = exif.as_deref().and_then(metadata::orientation);
    Ok(Facts {
        color_profile: icc.as_deref().and_then(metadata::profile_name),
        icc,
        capture_time: exif.and_then(|exif| metadata::capture_time(&exif)),
        orientation: orientation
            .or_else(|| decoder.orientation().ok())
            .unwrap_or(Orientation::NoTransforms),
    })
}

/// Bytes of the pixels as they are in the file.
fn stored_bytes(decoder: &impl ImageDecoder) -> u64 {
    let decoded = decoder.total_bytes();
    match decoder.original_color_type() {
        ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16 => decoded / 3 * 4,
        _ => decoded,
    }
}

/// The memory that the pixels are decoded in: allowed, and there.
struct Room {
    /// Memory that the decoder may take in addition to the returned pixels, if it counts.
    granted: u64,
    /// Whether that is less than the limit allows.
    short: bool,
    /// Memory available for the pixels.
    bytes: u64,
}

impl Room {
    /// `held` bytes are taken already.
    fn new(
        file: &[u8],
        format: ImageFormat,
        decoder: &impl ImageDecoder,
        held: u64,
        orientation: Orientation,
        options: &LoadOptions,
    ) -> Result<Self, PictureError> {
        use Orientation as O;
        let decoded = decoder.total_bytes();
        let (width, height) = decoder.dimensions();
        let pixels = u64::from(width) * u64::from(height);
        let working = match format {
            // The pixels are read as they are, then copied.
            ImageFormat::Tiff => stored_bytes(decoder),
            _ => memory::decoding(file, format, pixels),
        };
        let turned = !matches!(
            orientation,
            O::NoTransforms | O::Rotate180 | O::FlipHorizontal | O::FlipVertical
        );
        let copied = if turned { decoded } else { 0 };
        let peak = decoded.saturating_add(working.max(copied));
        memory::check(held.saturating_add(peak), options.max_memory)?;
        let most = options.max_memory - held;
        // These two allocate what a header inside the file declares, and check it against their limit.
        let bytes = if matches!(format, ImageFormat::Tiff | ImageFormat::Gif) {
            memory::obtainable(peak, most)?
        } else {
            memory::probe(peak)?;
            most
        };
        Ok(Self {
            granted: bytes - decoded,
            short: bytes < most,
            bytes,
        })
    }

    fn failed(&self, error: ImageError, name: &'static str, options: &LoadOptions) -> PictureError {
        match error {
            ImageError::Limits(_) if self.short => PictureError::OutOfMemory {
                bytes: self.bytes.saturating_add(1),
            },
            error => from_image_error(error, name, options),
        }
    }
}

/// The format by content; the name decides only where the content has no signature.
fn recognise(bytes: &[u8], by_name: Option<ImageFormat>) -> Result<ImageFormat, PictureError> {
    let unsupported = |format: &str| PictureError::UnsupportedFormat {
        format: format.to_owned(),
        readable: READABLE,
    };
    match image::guess_format(bytes) {
        Ok(format) if format.reading_enabled() => Ok(format),
        Ok(format) => Err(unsupported(name_of(format))),
        Err(_) if bytes.get(4..8) == Some(b"ftyp") => Err(unsupported("heif")),
        Err(_) if by_name == Some(ImageFormat::Tga) => Ok(ImageFormat::Tga),
        Err(_) => Err(PictureError::UnknownFormat { readable: READABLE }),
    }
}

fn check_size(
    width: u32,
    height: u32,
    format: &'static str,
    options: &LoadOptions,
) -> Result<(), PictureError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(PictureError::Malformed {
            format,
            detail: format!("it has {width}x{height} pixels"),
        });
    }
    if pixels > options.max_pixels {
        return Err(PictureError::TooManyPixels {
            width,
            height,
            pixels,
            max: options.max_pixels,
        });
    }
    if width > options.max_side || height > options.max_side {
        return Err(PictureError::SideTooLong {
            width,
            height,
            max: options.max_side,
        });
    }
    Ok(())
}

/// Refuses truncated files that their decoders would accept.
fn check_end(bytes: &[u8], format: ImageFormat, name: &'static str) -> Result<(), PictureError> {
    let detail = match format {
        ImageFormat::Jpeg if !jpeg::is_complete(bytes) => {
            format!("no end-of-image marker in {} bytes", bytes.len())
        }
        ImageFormat::WebP => {
            // What a WebP file loses first is its orientation.
            let length = bytes.get(4..).and_then(|rest| rest.first_chunk::<4>());
            let need = length.map_or(12, |length| u64::from(u32::from_le_bytes(*length)) + 8);
            if need > bytes.len() as u64 {
                format!("it has {} of {need} bytes", bytes.len())
            } else if webp::overclaims(bytes, need) {
                format!("a chunk goes beyond its {} bytes", bytes.len())
            } else {
                return Ok(());
            }
        }
        _ => return Ok(()),
    };
    Err(PictureError::Truncated {
        format: name,
        detail,
    })
}

fn from_image_error(
    error: ImageError,
    format: &'static str,
    options: &LoadOptions,
) -> PictureError {
    // Decoders wrap an early end in their own error types.
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let mut early_end = false;
    while let Some(inner) = cause {
        early_end |= inner
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof);
        cause = inner.source();
    }
    let detail = one_line(&error.to_string());
    match error {
        ImageError::Limits(_) => PictureError::TooMuchMemory {
            needed: options.max_memory.saturating_add(1),
            max: options.max_memory,
        },
        _ if early_end => PictureError::Truncated { format, detail },
        _ => PictureError::Malformed { format, detail },
    }
}

pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The usual name of a format, for messages.
fn name_of(format: ImageFormat) -> &'static str {
    format.extensions_str().first().map_or(
        "image",
        |&first| {
            if first == "jpg" { "jpeg" } else { first }
        },
    )
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
