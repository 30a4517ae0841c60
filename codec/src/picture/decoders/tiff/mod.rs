//! TIFF (TIFF 6.0 with its supplements, BigTIFF): the picture of the first page, in any depth and most ways to pack it.
//!
//! | file | what |
//! |---|---|
//! | `directory` | fields and their values |
//! | `pages` | which directory has the picture |
//! | `layout`, `strips` | what it says of samples, and where they are |
//! | `unpack`, `fax`, `jpeg`, `predictor` | compressed bytes to rows |
//! | `samples`, `fill` | rows to samples in their places |
//! | `color`, `pixels` | samples to pixels |
//! | `metadata` | ICC, XMP, EXIF, orientation |

mod color;
mod directory;
mod fax;
mod fill;
mod jpeg;
mod layout;
mod metadata;
mod pages;
mod pixels;
mod predictor;
mod samples;
mod strips;
mod tag;
mod unpack;

use directory::File;
use fill::Source;
use layout::Layout;
use strips::Strips;

use super::stored::check_size;
use super::{LoadOptions, PictureError, PictureFormat, Stored};
use crate::picture::{LoadNote, Parts, memory};

const FORMAT: PictureFormat = PictureFormat::Tiff;

/// Decodes a file.
pub(super) fn decode(bytes: &[u8], options: &LoadOptions) -> Result<Stored, PictureError> {
    memory::check(bytes.len() as u64, options.max_memory)?;
    let (file, first) = File::new(bytes)?;
    let choice = pages::choose(file, first)?;
    let layout = Layout::new(choice.picture)?;
    check_size(layout.width, layout.height, FORMAT, options)?;
    let strips = Strips::new(&layout, options.max_pixels)?;
    let blocks = metadata::blocks(&choice)?;
    let metadata = [&blocks.icc, &blocks.xmp, &blocks.exif];
    let metadata: usize = metadata.into_iter().flatten().map(Vec::len).sum();
    let mut notes = Vec::new();
    if choice.more {
        notes.push(LoadNote::FirstOf(Parts::Pages));
    }
    let source = Source {
        layout: &layout,
        strips: &strips,
        held: bytes.len() as u64 + metadata as u64,
        options,
    };
    Ok(Stored {
        pixels: pixels::read(&source, &mut notes)?,
        blocks,
        notes,
    })
}

/// The error that a file contradicts its format.
fn malformed(detail: impl Into<String>) -> PictureError {
    PictureError::Malformed {
        format: FORMAT.name(),
        detail: detail.into(),
    }
}

/// The error that a file has something that is not read.
fn unsupported(what: impl std::fmt::Display) -> PictureError {
    malformed(format!(
        "it uses {what}, which is not supported; save it as plain RGB first"
    ))
}

/// The error that a file ends early.
fn truncated(detail: impl Into<String>) -> PictureError {
    PictureError::Truncated {
        format: FORMAT.name(),
        detail: detail.into(),
    }
}

#[cfg(test)]
mod tests;
