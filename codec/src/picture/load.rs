//! Image files to decoded pictures: format from the content, limits from the header, in sRGB, upright.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use image::DynamicImage;
use image::metadata::Orientation;

use super::decoders::{self, Stored, guarded};
use super::{LoadNote, PictureError, PictureFormat, color, format, memory, metadata, xmp};

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
    /// The pixels in sRGB, upright; of an animation the first frame.
    pub image: DynamicImage,
    /// Whether they were converted to sRGB.
    pub color_converted: bool,
    /// What the pixels do not show: what was left out, and what may be wrong.
    pub notes: Vec<LoadNote>,
    /// The description inside the embedded ICC profile.
    pub color_profile: Option<String>,
    /// When the picture was taken, from EXIF, as `YYYY-MM-DDThh:mm:ss` with the zone if it is known.
    pub capture_time: Option<String>,
    /// The title, from PNG text.
    pub title: Option<String>,
    /// The format of the file.
    pub format: PictureFormat,
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
    decode(&bytes, Some(path), options)
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

/// [`decode_bytes`] of a file of this name, as a member of an archive has one. Its extension matters only for formats whose
/// content does not tell (TGA).
///
/// # Errors
/// As [`decode_bytes`].
pub fn decode_named(
    bytes: &[u8],
    name: impl AsRef<Path>,
    options: &LoadOptions,
) -> Result<LoadedPicture, PictureError> {
    decode(bytes, Some(name.as_ref()), options)
}

fn decode(
    bytes: &[u8],
    path: Option<&Path>,
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
    let format = format::recognise(bytes, path)?;
    let stored = decoders::decode(bytes, format, options)?;
    // Profiles and EXIF are read by other crates too.
    guarded(format.name(), || {
        finish(stored, bytes.len() as u64, format, options)
    })
}

/// Colours, orientation and facts. `held` bytes are taken beside the pixels.
fn finish(
    stored: Stored,
    held: u64,
    format: PictureFormat,
    options: &LoadOptions,
) -> Result<LoadedPicture, PictureError> {
    let Stored {
        pixels,
        blocks,
        mut notes,
    } = stored;
    let described = match options.color_management {
        true => color::described(format, &blocks)?,
        false => color::Described::Not,
    };
    let (mut image, color_converted) = color::to_srgb(pixels, &described, &mut notes)?;
    let exif = blocks.exif.as_deref();
    // What cameras write goes before what editors write, as in the guidelines of the Metadata Working Group.
    let orientation = exif
        .and_then(metadata::orientation)
        .or(blocks.orientation)
        .or_else(|| xmp::orientation(blocks.xmp.as_deref()?))
        .filter(|_| !blocks.upright)
        .unwrap_or(Orientation::NoTransforms);
    if swaps_sides(orientation) {
        let copy = image.as_bytes().len() as u64;
        let needed = held.saturating_add(copy.saturating_mul(2));
        memory::check(needed, options.max_memory)?;
        memory::probe(copy)?;
    }
    image.apply_orientation(orientation);
    if is_transparent(&image) {
        notes.push(LoadNote::Transparent);
    }
    Ok(LoadedPicture {
        image,
        color_converted,
        notes,
        color_profile: blocks.icc.as_deref().and_then(metadata::profile_name),
        capture_time: exif.and_then(metadata::capture_time),
        title: blocks.title,
        format,
    })
}

/// Whether an orientation takes a copy.
fn swaps_sides(orientation: Orientation) -> bool {
    use Orientation as O;
    !matches!(
        orientation,
        O::NoTransforms | O::Rotate180 | O::FlipHorizontal | O::FlipVertical
    )
}

fn is_transparent(image: &DynamicImage) -> bool {
    use DynamicImage as D;
    match image {
        D::ImageLumaA8(image) => image.pixels().any(|pixel| pixel[1] != u8::MAX),
        D::ImageRgba8(image) => image.pixels().any(|pixel| pixel[3] != u8::MAX),
        D::ImageLumaA16(image) => image.pixels().any(|pixel| pixel[1] != u16::MAX),
        D::ImageRgba16(image) => image.pixels().any(|pixel| pixel[3] != u16::MAX),
        D::ImageRgba32F(image) => image.pixels().any(|pixel| pixel[3] < 1.0),
        _ => false,
    }
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

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "load_orientation_tests.rs"]
mod orientation_tests;

#[cfg(test)]
#[path = "load_beside_tests.rs"]
mod beside_tests;
