//! Strips and tiles that are JPEG streams (TIFF Technical Note 2).

use super::fill::{Part, Source};
use super::layout::Meaning;
use super::tag;
use crate::picture::decoders::jpeg::{Strip, decode_strip};
use crate::picture::{LoadNote, LoadOptions, PictureError};

/// Decodes a strip or tile. `held` bytes of memory are taken already.
pub(super) fn decode(
    source: &Source,
    part: &Part,
    held: u64,
    notes: &mut Vec<LoadNote>,
) -> Result<Strip, PictureError> {
    let layout = source.layout;
    let tables = match layout.directory.find(tag::JPEG_TABLES)? {
        Some(field) => Some(field.raw().ok_or_else(|| field.odd())?),
        None => None,
    };
    let (width, height) = (source.strips.width, source.strips.height);
    // Larger ones are refused before they are decoded.
    let options = LoadOptions {
        max_side: width.max(height),
        max_pixels: u64::from(width) * u64::from(height),
        ..*source.options
    };
    let as_stored = layout.meaning != Meaning::YCbCr || layout.is_planar;
    let strip =
        decode_strip(tables, part.bytes, as_stored, held, &options).map_err(
            |error| match error {
                PictureError::TooManyPixels { width, height, .. }
                | PictureError::SideTooLong { width, height, .. } => {
                    part.failed(&format!("its JPEG stream has {width}x{height} pixels"))
                }
                error => error,
            },
        )?;
    let samples = if layout.is_planar { 1 } else { layout.samples };
    if usize::from(strip.components) != samples {
        return Err(part.failed(&format!(
            "its JPEG stream has {} of {samples} samples",
            strip.components
        )));
    }
    // The last strip may be as high as the others.
    if strip.width != width || !(part.rows..=height).contains(&strip.height) {
        return Err(part.failed(&format!(
            "its JPEG stream has {}x{} of {width}x{} pixels",
            strip.width, strip.height, part.rows
        )));
    }
    for note in &strip.notes {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    Ok(strip)
}
