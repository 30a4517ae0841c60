//! The FlexTok network, written once over the operations of [`flextok_compute::Backend`].
//!
//! Section numbers in these modules are those of `format-spec/network.md`. Images are channels-last here,
//! `[height, width, channels]`, and so are latents.
//!
//! The VAE takes one image after the other. The transformers take the latents of several images of one size at once,
//! `[images, height, width, channels]`: all their sequences are rows of one tensor, and the result for an image does not
//! depend on the others.

mod block;
pub(crate) mod builder;
mod decoder;
mod encoder;
mod error;
mod packing;
pub(crate) mod positions;
mod time;
mod vae;

pub use decoder::{Conditioned, Decoder};
pub use encoder::Encoder;
pub use error::NetworkError;
use flextok_compute::ComputeError;
pub use vae::{VaeDecoder, VaeEncoder};

/// An empty list with room for `len` values, which an input or a model determines.
pub(crate) fn with_capacity<T>(len: usize) -> Result<Vec<T>, ComputeError> {
    let mut values = Vec::new();
    values
        .try_reserve_exact(len)
        .map_err(|_| ComputeError::OutOfMemory { shape: vec![len] })?;
    Ok(values)
}
