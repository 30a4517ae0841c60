//! JPEG (ITU-T T.81): baseline, extended sequential and progressive files of 8 bits, and the streams inside TIFF.
//!
//! Decoders fill what is missing with grey, and some put the blocks of unusual but valid files in the wrong places, so that
//! a picture comes in wrong and nobody is told. Of 1428 valid files of unusual sampling and scans, `zune-jpeg` 0.5.16-rc3
//! shows 340 as garbage and refuses 301, `jpeg-decoder` 0.3.2 shows 38 as garbage; half a file with an end marker passes in
//! both. This one counts: what does not have exactly the blocks that its frame demands, and restart markers where
//! they are due, is an error or has a note. To count means to decode all of the entropy-coded data, so the rest is here too.

mod blocks;
mod decoder;
mod entropy;
mod frame;
mod huffman;
mod progressive;
mod render;
mod segments;
mod sequential;
mod transform;

#[cfg(test)]
mod tests;

use decoder::{Decoder, Picture};
use image::{DynamicImage, GrayImage, RgbImage};
use render::Colors;

use super::{Pixels, Stored};
use crate::picture::{LoadNote, LoadOptions, PictureError, memory};

/// Decodes a file.
pub(super) fn decode(bytes: &[u8], options: &LoadOptions) -> Result<Stored, PictureError> {
    let mut decoder = Decoder::new(bytes);
    let held = bytes.len() as u64;
    let picture = decoder.decode(held, false, options)?;
    let colors = colors(&picture, &decoder)?;
    let samples = render::pixels(&picture.frame, &picture.planes, colors)?;
    let (width, height) = (picture.frame.width, picture.frame.height);
    let count = picture.planes.len();
    drop(picture);
    let notes = notes(&decoder);
    let blocks = decoder.told.blocks()?;
    let length = samples.len() + blocks.icc.as_ref().map_or(0, Vec::len);
    memory::check(held.saturating_add(length as u64), options.max_memory)?;
    let pixels = match count {
        1 => GrayImage::from_raw(width, height, samples).map(DynamicImage::ImageLuma8),
        3 => RgbImage::from_raw(width, height, samples).map(DynamicImage::ImageRgb8),
        _ => {
            return Ok(Stored {
                pixels: Pixels::Cmyk {
                    width,
                    height,
                    samples,
                },
                blocks,
                notes,
            });
        }
    };
    let pixels = pixels.ok_or_else(|| malformed("its pixels do not fill its frame"))?;
    Ok(Stored {
        pixels: Pixels::Image(pixels),
        blocks,
        notes,
    })
}

/// What the components are, by the rules that decoders share: JFIF, then Adobe's marker, then the names of the components.
fn colors(picture: &Picture, decoder: &Decoder<'_>) -> Result<Colors, PictureError> {
    let ids: Vec<u8> = picture
        .frame
        .components
        .iter()
        .map(|part| part.id)
        .collect();
    Ok(match (ids.as_slice(), decoder.told.adobe) {
        ([_], _) => Colors::AsStored,
        ([_, _, _], _) if decoder.told.jfif => Colors::YcbcrToRgb,
        ([_, _, _], Some(0)) => Colors::AsStored,
        ([_, _, _], Some(_)) => Colors::YcbcrToRgb,
        (b"RGB", None) => Colors::AsStored,
        ([_, _, _], None) => Colors::YcbcrToRgb,
        // Inks are stored inverted whether Adobe's marker is there or not, as every other reader has it.
        ([_, _, _, _], Some(1 | 2)) => Colors::YcckToInks,
        ([_, _, _, _], _) => Colors::InvertedInks,
        _ => {
            return Err(malformed(
                "two components are not supported; save it as PNG",
            ));
        }
    })
}

fn notes(decoder: &Decoder<'_>) -> Vec<LoadNote> {
    let bytes = decoder.surplus;
    (bytes > 0)
        .then_some(LoadNote::SurplusData { bytes })
        .into_iter()
        .collect()
}

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
    tables: Option<&[u8]>,
    strip: &[u8],
    as_stored: bool,
    held: u64,
    options: &LoadOptions,
) -> Result<Strip, PictureError> {
    decode_inside(tables, strip, as_stored, held, options).map_err(|error| {
        let detail = |detail| format!("a JPEG strip of it: {detail}");
        let format = "tiff";
        match error {
            PictureError::Malformed { detail: text, .. } => PictureError::Malformed {
                format,
                detail: detail(text),
            },
            PictureError::Truncated { detail: text, .. } => PictureError::Truncated {
                format,
                detail: detail(text),
            },
            other => other,
        }
    })
}

fn decode_inside(
    tables: Option<&[u8]>,
    strip: &[u8],
    as_stored: bool,
    held: u64,
    options: &LoadOptions,
) -> Result<Strip, PictureError> {
    let mut decoder = Decoder::new(strip);
    if let Some(tables) = tables {
        decoder.read_tables(tables)?;
    }
    let picture = decoder.decode(held, true, options)?;
    let colors = match (as_stored, picture.planes.len()) {
        (false, 3) => Colors::YcbcrToRgb,
        _ => Colors::AsStored,
    };
    Ok(Strip {
        width: picture.frame.width,
        height: picture.frame.height,
        components: picture.planes.len() as u8,
        samples: render::pixels(&picture.frame, &picture.planes, colors)?,
        notes: notes(&decoder),
    })
}

fn malformed(detail: impl Into<String>) -> PictureError {
    PictureError::Malformed {
        format: "jpeg",
        detail: detail.into(),
    }
}

fn truncated(detail: impl Into<String>) -> PictureError {
    PictureError::Truncated {
        format: "jpeg",
        detail: detail.into(),
    }
}
