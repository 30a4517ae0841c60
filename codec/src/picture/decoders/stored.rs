//! A picture as its file has it: samples, and the blocks of metadata beside them.

use image::DynamicImage;
use image::metadata::Orientation;

use crate::picture::{LoadNote, LoadOptions, PictureError, PictureFormat};

/// What a decoder makes of a file. Colours and orientation are still as stored.
pub(in crate::picture) struct Stored {
    pub(in crate::picture) pixels: Pixels,
    pub(in crate::picture) blocks: Blocks,
    pub(in crate::picture) notes: Vec<LoadNote>,
}

/// Samples in rows from the top, without padding; alpha is not multiplied in.
pub(in crate::picture) enum Pixels {
    Image(DynamicImage),
    /// Four bytes a pixel, 0 for no ink.
    Cmyk {
        width: u32,
        height: u32,
        samples: Vec<u8>,
    },
}

/// Metadata as it stands in the file. A block that is damaged or too long is absent.
#[derive(Default)]
pub(in crate::picture) struct Blocks {
    /// An ICC profile.
    pub(in crate::picture) icc: Option<Vec<u8>>,
    /// Coding points (ITU-T H.273), which go before the profile: colour primaries and transfer characteristics.
    pub(in crate::picture) coding_points: Option<[u8; 2]>,
    /// The chromaticities and the exponent of the pixels, which go after the profile.
    pub(in crate::picture) calibration: Option<Calibration>,
    /// A TIFF structure with EXIF fields, with or without the prefix `Exif\0\0`.
    pub(in crate::picture) exif: Option<Vec<u8>>,
    /// An XMP packet, in UTF-8 or UTF-16.
    pub(in crate::picture) xmp: Option<Vec<u8>>,
    /// The orientation that the format has a place of its own for, where the file says it: of a TIFF file the tag, which
    /// goes before an XMP packet.
    pub(in crate::picture) orientation: Option<Orientation>,
    /// Whether the decoder has turned the pixels already, so that no block counts.
    pub(in crate::picture) upright: bool,
    pub(in crate::picture) title: Option<String>,
}

/// How the colours of a file were calibrated, as far as it says so.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::picture) struct Calibration {
    /// x and y of white, red, green and blue (CIE 1931).
    pub(in crate::picture) chromaticities: Option<[[f64; 2]; 4]>,
    /// The exponent from light to samples: 0.45455 for 2.2.
    pub(in crate::picture) gamma: Option<f64>,
}

/// Refuses sizes of zero and over the limits.
///
/// # Errors
/// [`PictureError::Malformed`], [`PictureError::TooManyPixels`], [`PictureError::SideTooLong`].
pub(in crate::picture) fn check_size(
    width: u32,
    height: u32,
    format: PictureFormat,
    options: &LoadOptions,
) -> Result<(), PictureError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(PictureError::Malformed {
            format: format.name(),
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
