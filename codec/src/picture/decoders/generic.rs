//! Formats through the decoders that the crate `image` has for them.

use std::borrow::Cow;
use std::cell::Cell;

use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::ends::{self, Watched};
use super::stored::check_size;
use super::{
    Blocks, LoadOptions, PictureError, PictureFormat, Pixels, Stored, bmp, gif, png, webp,
};
use crate::picture::{LoadNote, Parts, format as formats, memory, one_line, xmp};

/// What `image` calls a format.
fn name_in_crate(format: PictureFormat) -> Option<ImageFormat> {
    use PictureFormat as F;
    Some(match format {
        F::Bmp => ImageFormat::Bmp,
        F::Gif => ImageFormat::Gif,
        F::Ico => ImageFormat::Ico,
        F::Jpeg => ImageFormat::Jpeg,
        F::Png => ImageFormat::Png,
        F::Pnm => ImageFormat::Pnm,
        F::Qoi => ImageFormat::Qoi,
        F::Tga => ImageFormat::Tga,
        F::Tiff => ImageFormat::Tiff,
        F::WebP => ImageFormat::WebP,
        F::Jxl => return None,
    })
}

/// Decodes a file.
pub(super) fn decode(
    bytes: &[u8],
    format: PictureFormat,
    options: &LoadOptions,
) -> Result<Stored, PictureError> {
    let Some(name) = name_in_crate(format) else {
        return Err(formats::unsupported(format.name(), formats::advice::JXL));
    };
    let mut held = bytes.len() as u64; // taken before the pixels
    let mut file = Cow::Borrowed(bytes);
    let mut first = memory::METADATA;
    match format {
        PictureFormat::Png => {
            if let Some((width @ 1.., height @ 1..)) = png::size(bytes) {
                check_size(width, height, format, options)?;
            }
            // Only the limit that a decoder of PNG is made with counts, and only for what stands before the pixels.
            held = held.saturating_add(png::header_bytes(bytes));
            first = png::header_limit(bytes);
        }
        PictureFormat::Ico => {
            file = png::without_profiles(bytes);
            held = held.saturating_mul(2);
        }
        PictureFormat::WebP => {
            file = webp::without_empty_flags(bytes);
            if matches!(file, Cow::Owned(_)) {
                held = held.saturating_mul(2);
            }
        }
        _ => {}
    }
    memory::check(held, options.max_memory)?;
    memory::probe(held.saturating_add(first))?;
    ends::check(bytes, format)?;
    let first = first.min(options.max_memory);
    let ended = Cell::new(false);
    let failed = |error| from_image_error(error, &ended, format, options);
    let watched = Watched::new(&file, &ended);
    let mut reader = ImageReader::with_format(watched, name);
    reader.limits(limits(first));
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, format, options)?;
    let blocks = blocks(&mut decoder, bytes, format).map_err(failed)?;
    // The decoder may keep the profile.
    let held = held.saturating_add(blocks.icc.as_ref().map_or(0, Vec::len) as u64);
    let room = Room::new(bytes, format, &decoder, held, options)?;
    let failed = |error| room.failed(error, &ended, format, options);
    decoder.set_limits(limits(room.granted)).map_err(failed)?;
    let image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    Ok(Stored {
        pixels: Pixels::Image(image),
        blocks,
        notes: notes(bytes, format),
    })
}

/// What the pixels do not show.
fn notes(bytes: &[u8], format: PictureFormat) -> Vec<LoadNote> {
    let animated = match format {
        PictureFormat::Gif => gif::layout(bytes, 0).frames > 1,
        PictureFormat::Png => png::is_animated(bytes),
        PictureFormat::WebP => webp::frames(bytes) > 1,
        _ => false,
    };
    let frames = animated.then_some(LoadNote::FirstOf(Parts::Frames));
    frames
        .into_iter()
        .chain(ends::note(bytes, format))
        .collect()
}

fn limits(memory: u64) -> image::Limits {
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(memory);
    limits
}

/// A picture with damaged metadata is still a picture; only limits are errors.
fn blocks(
    decoder: &mut impl ImageDecoder,
    bytes: &[u8],
    format: PictureFormat,
) -> image::ImageResult<Blocks> {
    // The decoder of TIFF counts the pixels first, and leaves the rest to the metadata.
    let pixels = stored_bytes(decoder);
    decoder.set_limits(limits(pixels.saturating_add(memory::METADATA)))?;
    match format {
        // The decoder reads only what stands before the pixels.
        PictureFormat::Png => return Ok(png::blocks(bytes)),
        PictureFormat::Bmp => return Ok(bmp::blocks(bytes)),
        _ => {}
    }
    Ok(Blocks {
        icc: decoder.icc_profile().ok().flatten(),
        exif: decoder.exif_metadata().ok().flatten(),
        xmp: match format {
            // The decoder reads only what stands before the first frame.
            PictureFormat::Gif => gif::layout(bytes, xmp::MOST_BYTES).xmp,
            _ => decoder.xmp_metadata().ok().flatten(),
        },
        // Upright is also what the decoder says of a file that says nothing.
        orientation: decoder
            .orientation()
            .ok()
            .filter(|&orientation| orientation != Orientation::NoTransforms),
        ..Blocks::default()
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
        format: PictureFormat,
        decoder: &impl ImageDecoder,
        held: u64,
        options: &LoadOptions,
    ) -> Result<Self, PictureError> {
        let decoded = decoder.total_bytes();
        let (width, height) = decoder.dimensions();
        let pixels = u64::from(width) * u64::from(height);
        let working = match format {
            // The pixels are read as they are, then copied.
            PictureFormat::Tiff => stored_bytes(decoder),
            _ => super::working_bytes(file, format, pixels),
        };
        let peak = decoded.saturating_add(working);
        memory::check(held.saturating_add(peak), options.max_memory)?;
        let most = options.max_memory - held;
        // These two allocate what a header inside the file declares, and check it against their limit.
        let bytes = if matches!(format, PictureFormat::Tiff | PictureFormat::Gif) {
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

    fn failed(
        &self,
        error: ImageError,
        ended: &Cell<bool>,
        format: PictureFormat,
        options: &LoadOptions,
    ) -> PictureError {
        match error {
            ImageError::Limits(_) if self.short => PictureError::OutOfMemory {
                bytes: self.bytes.saturating_add(1),
            },
            error => from_image_error(error, ended, format, options),
        }
    }
}

fn from_image_error(
    error: ImageError,
    ended: &Cell<bool>,
    format: PictureFormat,
    options: &LoadOptions,
) -> PictureError {
    // Decoders wrap an early end in their own error types.
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let mut early_end = ended.get();
    while let Some(inner) = cause {
        early_end |= inner
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof);
        cause = inner.source();
    }
    let detail = one_line(&error.to_string());
    // The decoder of GIF has no kind of error for it.
    early_end |= format == PictureFormat::Gif && detail.ends_with("image truncated");
    let format = format.name();
    match error {
        ImageError::Limits(_) => PictureError::TooMuchMemory {
            needed: options.max_memory.saturating_add(1),
            max: options.max_memory,
        },
        _ if early_end => PictureError::Truncated { format, detail },
        _ => PictureError::Malformed { format, detail },
    }
}
