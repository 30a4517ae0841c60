//! The kinds of image ↔ latents transform, and how the embedded form of a config describes them.
//!
//! A kind is a variant here, with its parameters and an arm in each `match`, and a module of `network::vae`.

use serde::Serialize;

use super::error::ConfigError;
use super::fields::Fields;
use super::read::MAX_CHANNELS;

/// Pixels per latent and side of every `AutoencoderKL` of this layout: three halvings.
const AUTOENCODER_KL_FACTOR: usize = 8;

/// The image ↔ latents transform and its scaling.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum VaeConfig {
    /// The `AutoencoderKL` of the published models. Its widths are taken from the tensors' shapes.
    AutoencoderKl(AutoencoderKlConfig),
    /// A lapped linear transform: a strided convolution and its transposed counterpart.
    Lapped(LappedConfig),
}

/// Parameters of an `AutoencoderKL` that do not follow from its tensors.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AutoencoderKlConfig {
    /// Channels of the latents (16 in all published models).
    pub latent_channels: usize,
    /// Factor on the latents after encoding; its inverse is applied before decoding.
    pub scaling_factor: f32,
    /// Whether the official code would sample the posterior. This codec takes its mode by default.
    pub sample_posterior: bool,
}

/// Parameters of a lapped linear transform.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LappedConfig {
    /// Channels of the latents.
    pub channels: usize,
    /// Side of the square kernel in pixels.
    pub kernel: usize,
    /// Step between neighbouring latents in pixels.
    pub stride: usize,
    /// Pixels that are added on each side by reflection before analysis, and cropped after synthesis.
    pub pad: usize,
    /// Factor on the latents after analysis; its inverse is applied before synthesis.
    pub scaling_factor: f32,
}

impl VaeConfig {
    /// Pixels per latent along each side.
    #[must_use]
    pub fn factor(&self) -> usize {
        match self {
            Self::AutoencoderKl(_) => AUTOENCODER_KL_FACTOR,
            Self::Lapped(lapped) => lapped.stride,
        }
    }

    /// Channels of the latents.
    #[must_use]
    pub fn latent_channels(&self) -> usize {
        match self {
            Self::AutoencoderKl(kl) => kl.latent_channels,
            Self::Lapped(lapped) => lapped.channels,
        }
    }

    /// Reads the embedded form.
    pub(super) fn read(mut fields: Fields<'_>) -> Result<Self, ConfigError> {
        type Read = fn(&mut Fields<'_>) -> Result<VaeConfig, ConfigError>;
        let kinds: [(&str, Read); 2] = [
            ("lapped", |fields| lapped(fields).map(Self::Lapped)),
            ("autoencoder_kl", |fields| {
                autoencoder_kl(fields).map(Self::AutoencoderKl)
            }),
        ];
        let vae = fields.choice("kind", &kinds)?(&mut fields)?;
        fields.finish()?;
        Ok(vae)
    }
}

fn autoencoder_kl(fields: &mut Fields<'_>) -> Result<AutoencoderKlConfig, ConfigError> {
    Ok(AutoencoderKlConfig {
        latent_channels: fields.size("latent_channels", 1..=MAX_CHANNELS)?,
        scaling_factor: fields.number("scaling_factor", 0.0, 1e6)?,
        sample_posterior: fields.flag_or("sample_posterior", false)?,
    })
}

fn lapped(fields: &mut Fields<'_>) -> Result<LappedConfig, ConfigError> {
    let channels = fields.size("channels", 1..=MAX_CHANNELS)?;
    let stride = fields.size("stride", 1..=64)?;
    // Less than a stride, so that even the smallest canvas has the pixels that reflection takes.
    let pad = fields.size("pad", 0..=stride.saturating_sub(1))?;
    let kernel = stride.saturating_add(pad.saturating_mul(2));
    fields.size_is("kernel", kernel, "stride plus two pads")?;
    fields.choice("padding", &[("reflect", ())])?;
    let scaling_factor = fields.number("scaling_factor", 0.0, 1e6)?;
    Ok(LappedConfig {
        channels,
        kernel,
        stride,
        pad,
        scaling_factor,
    })
}
