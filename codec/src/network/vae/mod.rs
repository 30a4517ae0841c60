//! The image ↔ latents transform of a model, whichever kind it is. Each kind has a module here and an arm in each `match`.

mod kl;
mod lapped;

use flextok_compute::Backend;

use self::kl::{KlDecoder, KlEncoder};
use self::lapped::{Analysis, Synthesis};
use super::NetworkError;
use super::builder::VarBuilder;
use crate::config::VaeConfig;
use crate::weights::Weights;

/// Image to latents.
pub struct VaeEncoder<B: Backend>(Encoder<B>);

enum Encoder<B: Backend> {
    Kl(Box<KlEncoder<B>>),
    Lapped(Analysis<B>),
}

impl<B: Backend> VaeEncoder<B> {
    /// Prepares the encoder half of the model's VAE.
    ///
    /// # Errors
    /// [`NetworkError`] if a tensor is missing or has the wrong shape.
    pub fn load(backend: &B, weights: &Weights) -> Result<Self, NetworkError> {
        let vs = VarBuilder::new(backend, weights).pp("vae");
        Ok(Self(match &weights.network()?.vae {
            VaeConfig::AutoencoderKl(config) => {
                Encoder::Kl(Box::new(KlEncoder::load(&vs, config)?))
            }
            VaeConfig::Lapped(config) => Encoder::Lapped(Analysis::load(&vs, config)?),
        }))
    }

    /// Scaled latents `[h, w, C]` of an image `[H, W, 3]` in [-1, 1]. Where the VAE gives a distribution of latents, these
    /// are its mode, or, where `noise` gives standard normals `[h, w, C]`, a sample of it.
    ///
    /// # Errors
    /// [`NetworkError::Compute`].
    ///
    /// # Panics
    /// If the shape is another one.
    pub fn forward(
        &self,
        backend: &B,
        image: B::Tensor,
        noise: Option<&[f32]>,
    ) -> Result<B::Tensor, NetworkError> {
        match &self.0 {
            Encoder::Kl(encoder) => encoder.forward(backend, image, noise),
            Encoder::Lapped(analysis) => analysis.forward(backend, &image),
        }
    }
}

/// Latents to image.
pub struct VaeDecoder<B: Backend>(Decoder<B>);

enum Decoder<B: Backend> {
    Kl(Box<KlDecoder<B>>),
    Lapped(Synthesis<B>),
}

impl<B: Backend> VaeDecoder<B> {
    /// Prepares the decoder half of the model's VAE.
    ///
    /// # Errors
    /// [`NetworkError`] if a tensor is missing or has the wrong shape.
    pub fn load(backend: &B, weights: &Weights) -> Result<Self, NetworkError> {
        let vs = VarBuilder::new(backend, weights).pp("vae");
        Ok(Self(match &weights.network()?.vae {
            VaeConfig::AutoencoderKl(config) => {
                Decoder::Kl(Box::new(KlDecoder::load(&vs, config)?))
            }
            VaeConfig::Lapped(config) => Decoder::Lapped(Synthesis::load(&vs, config)?),
        }))
    }

    /// The image `[H, W, 3]`, nominally in [-1, 1], of scaled latents `[h, w, C]`.
    ///
    /// # Errors
    /// [`NetworkError::Compute`].
    ///
    /// # Panics
    /// If the shape is another one.
    pub fn forward(&self, backend: &B, mut latents: B::Tensor) -> Result<B::Tensor, NetworkError> {
        match &self.0 {
            Decoder::Kl(decoder) => decoder.forward(backend, latents),
            Decoder::Lapped(synthesis) => synthesis.forward(backend, &mut latents),
        }
    }
}
