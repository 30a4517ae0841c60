//! The FlexTok image codec: a picture becomes an ordered sequence of up to 256 discrete tokens, coarse to fine, and any
//! prefix of them becomes a picture again.
//!
//! # Photos from files
//! [`picture::load::open`] decodes the common formats within limits and applies the EXIF orientation.
//!
//! # What is not here
//! Files are parsed, cut and inspected by [`container`], which needs no model and links no network; it is a crate of its
//! own.
#![forbid(unsafe_code)]

mod error;
pub mod config;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod npy;
#[cfg(all(test, feature = "embedded-model"))]
mod parity;
pub mod picture;
pub mod weights;

pub use flextok_compute as compute;
pub use flextok_container as container;
pub use image;
