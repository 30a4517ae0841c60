//! The lapped linear transform of the embedded models: a strided convolution and its transposed counterpart.

use flextok_compute::backend::{ConvEpilogue, ConvKind};
use flextok_compute::{Backend, Weight};

use crate::config::LappedConfig;
use crate::network::builder::VarBuilder;
use crate::network::{NetworkError, with_capacity};
use crate::weights::WeightsError;

/// Colour channels of an image.
const COLOURS: usize = 3;

/// The analysis half: image to latents.
pub(super) struct Analysis<B: Backend> {
    conv: B::Conv,
    config: LappedConfig,
}

impl<B: Backend> Analysis<B> {
    pub(super) fn load(
        vs: &VarBuilder<'_, B>,
        config: &LappedConfig,
    ) -> Result<Self, NetworkError> {
        let shape = [config.channels, COLOURS, config.kernel, config.kernel];
        let weight = vs.get(&shape, "analysis.weight")?;
        let kind = ConvKind::StridedReflect {
            stride: config.stride,
            pad: config.pad,
        };
        Ok(Self {
            conv: vs.backend().conv_weights(&weight, None, kind)?,
            config: config.clone(),
        })
    }

    pub(super) fn forward(
        &self,
        backend: &B,
        image: &B::Tensor,
    ) -> Result<B::Tensor, NetworkError> {
        let &[height, width, _] = backend.shape(image) else {
            unreachable!("an image is [H, W, 3]")
        };
        let LappedConfig {
            channels, stride, ..
        } = self.config;
        let mut latents = backend.zeros(&[height / stride, width / stride, channels])?;
        backend.conv(image, None, &self.conv, ConvEpilogue::Store, &mut latents)?;
        backend.scale(&mut latents, self.config.scaling_factor)?;
        Ok(latents)
    }
}

/// The synthesis half: latents to image.
pub(super) struct Synthesis<B: Backend> {
    weights: B::Linear,
    config: LappedConfig,
}

impl<B: Backend> Synthesis<B> {
    pub(super) fn load(
        vs: &VarBuilder<'_, B>,
        config: &LappedConfig,
    ) -> Result<Self, NetworkError> {
        let name = "synthesis.weight";
        let taps = config.kernel * config.kernel;
        let shape = [config.channels, COLOURS, config.kernel, config.kernel];
        let stored = vs.get(&shape, name)?.to_f32()?;
        // Stored [latent channel][colour][tap]; the engine wants a row of inputs for each output [tap][colour].
        let mut matrix = with_capacity(stored.len())?;
        for output in 0..taps * COLOURS {
            let (tap, colour) = (output / COLOURS, output % COLOURS);
            matrix.extend(
                (0..config.channels)
                    .map(|channel| stored[(channel * COLOURS + colour) * taps + tap]),
            );
        }
        let matrix = Weight::from_f32(&matrix, &[taps * COLOURS, config.channels]);
        let matrix = matrix.map_err(|source| WeightsError::View {
            tensor: vs.path(name),
            source,
        })?;
        Ok(Self {
            weights: vs.backend().linear_weights(&[(&matrix, None)])?,
            config: config.clone(),
        })
    }

    pub(super) fn forward(
        &self,
        backend: &B,
        latents: &mut B::Tensor,
    ) -> Result<B::Tensor, NetworkError> {
        let &[height, width, _] = backend.shape(latents) else {
            unreachable!("latents are [H, W, C]")
        };
        let LappedConfig {
            kernel,
            stride,
            pad,
            ..
        } = self.config;
        let mut image = backend.zeros(&[height * stride, width * stride, COLOURS])?;
        backend.scale(latents, 1.0 / self.config.scaling_factor)?;
        backend.lapped_synthesis(latents, &self.weights, kernel, stride, pad, &mut image)?;
        Ok(image)
    }
}
