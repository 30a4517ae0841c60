//! Image files to decoded pictures: format from the content, limits from the header, upright.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::{PictureError, jpeg, metadata};

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
    /// Most bytes of the decoded image, and of the decoder's buffers where it counts them.
    pub max_memory: u64,
}

impl Default for LoadOptions {
    /// 512 MiB of file, 2^27 pixels (134 million), 2^20 pixels per side as in a `.flxt` file, 1 GiB of memory.
    fn default() -> Self {
        Self {
            max_bytes: 512 << 20,
            max_pixels: 1 << 27,
            max_side: 1 << 20,
            max_memory: 1 << 30,
        }
    }
}

/// A decoded image with what is worth keeping of its file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoadedPicture {
    /// The pixels as stored, the EXIF orientation applied; of an animation the first frame.
    pub image: DynamicImage,
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
/// [`PictureError::SideTooLong`], [`PictureError::TooMuchMemory`]).
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
    let failed = |error| from_image_error(error, name, options);
    if let Some((width @ 1.., height @ 1..)) = png_size(bytes, format) {
        check_size(width, height, 0, name, options)?;
    }

    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(options.max_memory);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, decoder.total_bytes(), name, options)?;
    check_end(bytes, format, name)?;
    // A picture with damaged metadata is still a picture.
    let icc = decoder.icc_profile().ok().flatten();
    let exif = decoder.exif_metadata().ok().flatten();
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);

    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    image.apply_orientation(orientation);
    Ok(LoadedPicture {
        image,
        color_profile: icc.and_then(|icc| metadata::profile_name(&icc)),
        capture_time: exif.and_then(|exif| metadata::capture_time(&exif)),
        title: (format == ImageFormat::Png)
            .then(|| metadata::png_title(bytes))
            .flatten(),
        format,
    })
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

/// The size in a PNG's header. The decoder of this format is given the limit on memory before it tells the size, and a
/// refusal is to name the size.
fn png_size(bytes: &[u8], format: ImageFormat) -> Option<(u32, u32)> {
    let header = bytes.get(12..24).filter(|_| format == ImageFormat::Png)?;
    let (words, _) = header.as_chunks::<4>();
    let [kind, width, height] = words else {
        return None;
    };
    let number = |bytes: &[u8; 4]| u32::from_be_bytes(*bytes);
    (kind == b"IHDR").then(|| (number(width), number(height)))
}

fn check_size(
    width: u32,
    height: u32,
    bytes: u64,
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
    if bytes > options.max_memory {
        return Err(PictureError::TooMuchMemory {
            max: options.max_memory,
        });
    }
    Ok(())
}

/// Refuses files whose end is missing although their decoders would not mind.
fn check_end(bytes: &[u8], format: ImageFormat, name: &'static str) -> Result<(), PictureError> {
    let detail = match format {
        ImageFormat::Jpeg if !jpeg::is_complete(bytes) => {
            format!("no end-of-image marker in {} bytes", bytes.len())
        }
        ImageFormat::WebP => {
            // What a WebP file loses first is its orientation.
            let length = bytes.get(4..).and_then(|rest| rest.first_chunk::<4>());
            let need = length.map_or(12, |length| u64::from(u32::from_le_bytes(*length)) + 8);
            if need <= bytes.len() as u64 {
                return Ok(());
            }
            format!("it has {} of {need} bytes", bytes.len())
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
