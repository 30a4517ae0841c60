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
#[cfg(feature = "files")]
mod color;
#[cfg(feature = "files")]
mod decoders;
mod error;
mod flatten;
#[cfg(feature = "files")]
mod format;
#[cfg(feature = "files")]
pub mod load;
pub(crate) mod memory;
#[cfg(feature = "files")]
mod metadata;
#[cfg(feature = "files")]
mod note;
mod resize;
#[cfg(feature = "files")]
pub mod save;
#[cfg(feature = "files")]
mod xmp;

pub use canvas::Canvas;
#[cfg(feature = "files")]
pub use decoders::is_decoding;
pub use error::{PictureError, PictureErrorKind};
#[cfg(test)]
use flatten::flatten;
pub use flatten::{try_flatten, try_into_rgb};
#[cfg(feature = "files")]
pub use format::{PictureFormat, READABLE};
#[cfg(feature = "files")]
pub use load::{LoadOptions, LoadedPicture};
#[cfg(feature = "files")]
pub use note::{LoadNote, Parts};
#[cfg(feature = "metrics")]
pub(crate) use resize::enlarge;
pub use resize::{Cropped, SourceRect, published_crop, resize, restore};
pub(crate) use resize::{crop_image, pad_image, resize_image, shrink_image};

/// Text on one line, for messages.
#[cfg(feature = "files")]
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(crate) mod fixtures;
