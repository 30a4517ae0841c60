//! The image ↔ latents transform of a model, whichever kind it is.

use flextok_compute::Backend;

use super::NetworkError;
use super::kl::{KlDecoder, KlEncoder};
use super::lapped::{Analysis, Synthesis};
use crate::config::VaeConfig;
use crate::weights::Weights;

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
                let mut latents = backend.zeros(&[height, width, both / 2])?;
                match noise {
                    None => backend.copy_columns(&moments, 0, &mut latents),
                    Some(noise) => {
                        let values = backend.download(&moments)?;
                        let sampled = sample_posterior(&values, both / 2, noise);
                        latents = backend.upload(&sampled, &[height, width, both / 2])?;
                    }
                }
                backend.scale(&mut latents, *scaling_factor);
                Ok(latents)
            }
        }
    }
}

/// A sample of each pixel's posterior, of which `moments` has the means and then the log-variances.
fn sample_posterior(moments: &[f32], channels: usize, noise: &[f32]) -> Vec<f32> {
    let pixels = moments
        .chunks_exact(2 * channels)
        .zip(noise.chunks_exact(channels));
    let samples = pixels.flat_map(|(pixel, noise)| {
        let (means, log_variances) = pixel.split_at(channels);
        let values = means.iter().zip(log_variances).zip(noise);
        values.map(|((mean, log_variance), noise)| {
            let clamped = log_variance.clamp(LOG_VARIANCE.0, LOG_VARIANCE.1);
            mean + (0.5 * clamped).exp() * noise
        })
    });
    samples.collect()
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
