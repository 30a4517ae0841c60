//! The image ↔ latents transform of a model, whichever kind it is.

use super::NetworkError;
use super::kl::{KlDecoder, KlEncoder};
use super::lapped::{Analysis, Synthesis};
use crate::config::VaeConfig;
use crate::weights::Weights;
use flextok_compute::Backend;

/// Bounds of the log-variance of a sampled posterior.
const LOG_VARIANCE: (f32, f32) = (-30.0, 20.0);

/// Image to latents.
pub enum VaeEncoder<B: Backend> {
    /// See [`KlEncoder`].
    Kl(Box<KlEncoder<B>>, f32),
    /// See [`Analysis`].
    Lapped(Analysis<B>),
}

impl<B: Backend> VaeEncoder<B> {
    /// Prepares the encoder half of the model's VAE.
    ///
    /// # Errors
    /// [`NetworkError`] if a tensor is missing or has a shape that does not fit.
    pub fn load(backend: &B, weights: &Weights) -> Result<Self, NetworkError> {
        Ok(match &weights.config().vae {
            VaeConfig::AutoencoderKl(config) => Self::Kl(
                Box::new(KlEncoder::load(backend, weights, config)?),
                config.scaling_factor,
            ),
            VaeConfig::Lapped(config) => Self::Lapped(Analysis::load(backend, weights, config)?),
        })
    }

    /// Scaled latents `[h, w, C]` of an image `[H, W, 3]` in [-1, 1]: the posterior's mode, or, where `noise` gives
    /// standard normals `[h, w, C]`, a sample of it.
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
        match self {
            Self::Lapped(analysis) => analysis.forward(backend, &image),
            Self::Kl(encoder, scaling_factor) => {
                let moments = encoder.forward(backend, image)?;
                let &[height, width, both] = backend.shape(&moments) else {
                    unreachable!("moments are [h, w, 2·C]")
                };
                let channels = both / 2;
                let values = backend.download(&moments)?;
                let mut latents = Vec::with_capacity(height * width * channels);
                for (index, pixel) in values.chunks_exact(both).enumerate() {
                    let (means, log_variances) = pixel.split_at(channels);
                    for (channel, (mean, log_variance)) in
                        means.iter().zip(log_variances).enumerate()
                    {
                        let deviation = noise.map_or(0.0, |noise| {
                            let clamped = log_variance.clamp(LOG_VARIANCE.0, LOG_VARIANCE.1);
                            (0.5 * clamped).exp() * noise[index * channels + channel]
                        });
                        latents.push((mean + deviation) * scaling_factor);
                    }
                }
                Ok(backend.upload(&latents, &[height, width, channels])?)
            }
        }
    }
}

/// Latents to image.
pub enum VaeDecoder<B: Backend> {
    /// See [`KlDecoder`].
    Kl(Box<KlDecoder<B>>, f32),
    /// See [`Synthesis`].
    Lapped(Synthesis<B>),
}

impl<B: Backend> VaeDecoder<B> {
    /// Prepares the decoder half of the model's VAE.
    ///
    /// # Errors
    /// [`NetworkError`] if a tensor is missing or has a shape that does not fit.
    pub fn load(backend: &B, weights: &Weights) -> Result<Self, NetworkError> {
        Ok(match &weights.config().vae {
            VaeConfig::AutoencoderKl(config) => Self::Kl(
                Box::new(KlDecoder::load(backend, weights, config)?),
                config.scaling_factor,
            ),
            VaeConfig::Lapped(config) => Self::Lapped(Synthesis::load(backend, weights, config)?),
        })
    }

    /// The image `[H, W, 3]`, nominally in [-1, 1], of scaled latents `[h, w, C]`.
    ///
    /// # Errors
    /// [`NetworkError::Compute`].
    ///
    /// # Panics
    /// If the shape is another one.
    pub fn forward(&self, backend: &B, mut latents: B::Tensor) -> Result<B::Tensor, NetworkError> {
        match self {
            Self::Lapped(synthesis) => synthesis.forward(backend, &mut latents),
            Self::Kl(decoder, scaling_factor) => {
                backend.scale(&mut latents, 1.0 / scaling_factor);
                decoder.forward(backend, latents)
            }
        }
    }
}
