//! JPEG (ITU-T T.81): baseline, extended sequential and progressive files, and the streams inside TIFF.

mod segments;

pub(super) use segments::{coefficient_bytes, is_complete};

use crate::picture::{LoadNote, LoadOptions, PictureError};

/// Samples of a JPEG stream inside a TIFF file.
#[derive(Debug)]
pub(in crate::picture) struct Strip {
    pub(in crate::picture) width: u32,
    pub(in crate::picture) height: u32,
    /// Samples of a pixel: 1 to 4.
    pub(in crate::picture) components: u8,
    /// In rows from the top, the samples of a pixel together, without padding.
    pub(in crate::picture) samples: Vec<u8>,
    /// What may be wrong with it.
    pub(in crate::picture) notes: Vec<LoadNote>,
}

/// Decodes a strip or tile of a TIFF file with compression 7 (TIFF Technical Note 2).
///
/// `tables` is the value of the tag JPEGTables (347). Components with fewer samples are brought to the full size. With
/// `as_stored` no colours are converted: for any photometric interpretation but YCbCr, and for planes that are stored
/// apart. Without it, three components are YCbCr and become RGB. `held` bytes are taken already, the whole file among them.
///
/// # Errors
/// [`PictureError::Malformed`] and [`PictureError::Truncated`] of the format "tiff", and all limits.

pub(in crate::picture) fn decode_strip(
    _tables: Option<&[u8]>,
    _strip: &[u8],
    _as_stored: bool,
    _held: u64,
    _options: &LoadOptions,
) -> Result<Strip, PictureError> {
    Err(PictureError::Malformed {
        format: "tiff",
        detail: "JPEG strips are not read".to_owned(),
    })
}
