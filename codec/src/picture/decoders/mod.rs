//! Image files to pixels as stored, by format: the border to decoders of other crates.

mod bmp;
mod ends;
mod generic;
pub(super) mod gif;
mod guard;
mod jpeg;
#[cfg(feature = "jxl")]
mod jxl;
pub(super) mod png;
mod stored;
mod webp;

pub use guard::is_decoding;
pub(super) use stored::{Blocks, Calibration, Pixels, Stored};

use super::{LoadOptions, PictureError, PictureFormat};

/// Decodes a file of this format.
///
/// Memory counts together with the file itself: `max_memory` bounds the file, the pixels, and what the decoder works in.
///
/// # Errors
/// All of [`PictureError`] that is about the content of a file and about limits; a decoder that panics is
/// [`PictureError::Malformed`].
pub(super) fn decode(
    bytes: &[u8],
    format: PictureFormat,
    options: &LoadOptions,
) -> Result<Stored, PictureError> {
    guard::guarded(format.name(), || match format {
        #[cfg(feature = "jxl")]
        PictureFormat::Jxl => jxl::decode(bytes, options),
        _ => generic::decode(bytes, format, options),
    })
}

/// Working memory of the decoder of a format, without the file and the returned pixels.
fn working_bytes(file: &[u8], format: PictureFormat, pixels: u64) -> u64 {
    let length = file.len() as u64;
    match format {
        // The decoder copies the file, and its segments once more.
        PictureFormat::Jpeg => jpeg::coefficient_bytes(file).saturating_add(2 * length),
        PictureFormat::WebP => webp::working_bytes(file, pixels),
        // Packed runs and palette indices are unpacked first.
        PictureFormat::Tga => match file.get(2) {
            Some(2 | 3) => 0,
            _ => pixels.saturating_mul(4),
        },
        _ => 0,
    }
}
