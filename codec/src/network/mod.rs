//! The FlexTok network, written once over the operations of [`flextok_compute::Backend`].
//!
//! The text that it follows is the published network's specification; section numbers in these modules are those of
//! `format-spec/network.md`. Latents and images are channels-last here, `[height, width, channels]`.

mod block;
mod decoder;
mod encoder;
mod error;
mod fsq;
mod kl;
mod lapped;
pub(crate) mod positions;
mod time;
mod vae;

pub use decoder::{Condition, Conditioned, Decoder};
pub use encoder::Encoder;
pub use error::NetworkError;
pub use kl::{KlDecoder, KlEncoder};
pub use lapped::{Analysis, Synthesis};
pub use vae::{VaeDecoder, VaeEncoder};
