//! Pictures: image files to 8-bit RGB, RGB to the float canvas of the network, and the way back.
//!
//! | step | function |
//! |---|---|
//! | file or bytes → decoded image, upright, in sRGB, with the facts worth keeping | [`load::open`], [`load::decode_bytes`] |
//! | any pixel type → 8-bit RGB on a background | [`try_flatten`], [`try_into_rgb`] |
//! | RGB → canvas size | [`resize`], [`published_crop`] |
//! | RGB ↔ floats in \[-1, 1\] | [`Canvas::from_rgb`], [`Canvas::to_rgb`] |
//! | canvas size → original size | [`restore`] |
//! | RGB → file bytes | [`save::encode`] |
//!
//! Nothing here knows about tokens or models. Every size read from a file is checked before memory
//! is taken for it.

mod canvas;
mod color;
mod decoders;
mod error;
mod flatten;
mod format;
pub mod load;
pub(crate) mod memory;
mod metadata;
mod note;
mod resample;
mod resize;
pub mod save;
mod xmp;

pub use canvas::Canvas;
pub use decoders::is_decoding;
pub use error::{PictureError, PictureErrorKind};
#[cfg(test)]
use flatten::flatten;
pub use flatten::{try_flatten, try_into_rgb};
pub use format::{PictureFormat, READABLE};
pub use load::{LoadOptions, LoadedPicture};
pub use note::{LoadNote, Parts};
pub use resize::{Cropped, SourceRect, published_crop, resize, restore};
pub(crate) use resize::{crop_image, enlarge, pad_image, resize_image, shrink_image};

/// Text on one line, for messages.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(crate) mod fixtures;
