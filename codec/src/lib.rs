//! An image codec of ordered tokens: a picture becomes a sequence of discrete digits or ids, coarse to fine, and any prefix of
//! them becomes a picture again.
//!
//! There are two families of models behind one door, [`Codec`]. The embedded model is a fixed lapped transform whose
//! coefficients are entropy-coded: a kilobyte makes a good photo, and files may be cut at any byte. FlexTok networks make up
//! to 256 ids of a codebook, two bytes each, for generative models.
//!
//! # Encode, cut, decode
//! ```
//! # #[cfg(feature = "embedded-model")] {
//! # // Stored on its side, 32 x 48 pixels.
//! # let path = "tests/data/picture/orientation6.jpg";
//! use flextok::picture::{LoadOptions, load};
//! use flextok::{Codec, DecodeOptions, EncodeOptions};
//!
//! let photo = load::open(path, &LoadOptions::default())?.image; // upright, in sRGB
//! let codec = Codec::embedded()?; // or Codec::open("model.safetensors")?
//!
//! let file: Vec<u8> = codec.encode(&photo, &EncodeOptions::default().with_bytes(512))?;
//! assert!(file.len() <= 512);
//!
//! let coarse = codec.decode(&file[..14], &DecodeOptions::default())?;
//! assert_eq!(coarse.dimensions(), (photo.width(), photo.height()));
//! # assert_eq!(coarse.dimensions(), (48, 32));
//! # }
//! # Ok::<(), flextok::Error>(())
//! ```
//!
//! # Tokens for generative models
//! ```no_run
//! use flextok::{Codec, DecodeOptions, EncodeOptions, Size, image};
//!
//! let codec = Codec::open("model.safetensors")?; // a FlexTok checkpoint
//! let picture = image::DynamicImage::new_rgb8(256, 256);
//! let ids: Vec<u16> = codec.tokenize(&picture, &EncodeOptions::default().with_tokens(16))?;
//! let picture: image::RgbImage = codec.detokenize(&ids, &DecodeOptions::default())?;
//! let canvas = codec.config().map(|config| config.canvas);
//! assert_eq!(Some(Size::from(picture.dimensions())), canvas);
//! # Ok::<(), flextok::Error>(())
//! ```
//!
//! # Many at once
//! [`Codec::encode_batch`], [`Codec::decode_batch`], [`Codec::tokenize_batch`] and [`Codec::detokenize_batch`] put several
//! pictures through the network together. What becomes of one does not depend on the others.
//!
//! For collections too large for memory, [`Codec::prepare`] shrinks each picture to its canvas where it is loaded, in as many
//! threads as there are, and [`Codec::tokenize_prepared`] makes tokens of what is left.
//!
//! # Photos from files
//! [`picture::load::open`] decodes the common formats within limits, converts what has a colour profile to sRGB and
//! applies the EXIF orientation; `image::open` does none of it.
//!
//! # While the file arrives
//! [`progressive`] decodes a file that is still arriving: better and better pictures, without waiting for the rest.
//!
//! # As many bytes as needed, or as there are
//! [`rate`] chooses where to cut: the smallest cut that reaches a quality, or shares of a budget among several
//! pictures.
//!
//! # On a GPU
//! With the feature `gpu` (Vulkan, Metal, DX12), `cuda` or `rocm`, [`CodecBuilder::with_device`] chooses where the network
//! runs. The pictures are those of the CPU engine, up to rounding.
//!
//! # What is not here
//! Files are parsed, cut and inspected by [`container`], which needs no model and links no network; it is a crate of its
//! own.
#![forbid(unsafe_code)]
// A build without a part keeps the part's code, for the compiler to check and to leave out: see `codec::present`.
#![cfg_attr(not(all(feature = "learned", feature = "networks")), allow(dead_code))]

mod codec;
mod coded;
pub mod config;
mod error;
#[doc(hidden)]
pub mod guard;
pub mod info;
#[doc(hidden)]
pub mod literal;
mod macros;
mod message;
#[cfg(feature = "metrics")]
pub mod metrics;
#[doc(hidden)]
pub mod network;
pub mod npy;
#[cfg(test)]
mod parity;
pub mod picture;
pub mod progressive;
pub mod rate;
mod sampler;
#[cfg(feature = "metrics")]
pub mod uncertainty;
pub mod weights;

pub use codec::{
    Budget, CancelToken, CanvasChoice, Codec, CodecBuilder, DecodeOptions, Device, EncodeOptions,
    EngineInfo, Latents, Limits, Look, ModelName, ParseDeviceError, ParseLookError,
    ParsePrecisionError, Precision, Prepared, Progress, WarmStart,
};
pub use error::{Error, ErrorKind, LimitKind, OptionName, TokenBound};
pub use flextok_compute as compute;
pub use flextok_compute::Threads;
pub use flextok_container as container;
pub use flextok_container::Size;
pub use flextok_plain as plain;
pub use flextok_tokens as tokens;
pub use image;
pub use literal::LiteralError;
pub use network::NetworkError;
pub use progressive::ProgressiveDecoder;
#[doc(hidden)]
pub use sampler::standard_normal;
