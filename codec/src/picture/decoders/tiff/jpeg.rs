//! Strips and tiles that are JPEG streams (TIFF Technical Note 2).

use super::fill::{Part, Source};
use super::layout::Meaning;
use super::tag;
use crate::picture::decoders::jpeg::{Strip, decode_strip};
use crate::picture::{LoadNote, LoadOptions, PictureError};

/// How much larger than a strip or tile its stream may be, in pixels per side: to whole blocks of subsampled colours.
const MOST_SURPLUS: u32 = 32;

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
    let width = source.strips.width;
    let most = width
        .saturating_add(MOST_SURPLUS)
        .max(part.rows.saturating_add(MOST_SURPLUS));
    // The size is that of the whole picture, which has been checked.
    let options = LoadOptions {
        max_side: most,
        max_pixels: u64::from(width + MOST_SURPLUS) * u64::from(part.rows + MOST_SURPLUS),
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
    if strip.width < width || strip.height < part.rows {
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
