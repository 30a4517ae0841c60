//! The `AutoencoderKL` of the published models (network.md section 7). Its widths and depths come from the tensors.

use flextok_compute::Backend;
use flextok_compute::backend::{AttentionSpec, ConvKind, Epilogue, GroupNorm, Mask, Sequence};

use super::NetworkError;
use super::block::linear;
use crate::config::AutoencoderKlConfig;
use crate::weights::Weights;

const PREFIX: &str = "vae.vae";
/// Changes of resolution between image and latents: 8 pixels per latent.
const RESAMPLES: usize = 3;
const GROUPS: usize = 32;
const EPS: f32 = 1e-6;

/// Reads the layers under one prefix.
struct Loader<'a, B: Backend> {
    backend: &'a B,
    weights: &'a Weights,
    prefix: String,
}

impl<'a, B: Backend> Loader<'a, B> {
    fn new(backend: &'a B, weights: &'a Weights, part: &str) -> Self {
        Self {
            backend,
            weights,
            prefix: format!("{PREFIX}.{part}"),
        }
    }

    fn at(&self, name: &str) -> Self {
        Self {
            backend: self.backend,
            weights: self.weights,
            prefix: format!("{}.{name}", self.prefix),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.weights
            .try_shape(&format!("{}.{name}", self.prefix))
            .is_some()
    }

    /// The first dimension of a tensor, which the others are checked against.
    fn outputs(&self, name: &str) -> Result<usize, NetworkError> {
        let tensor = format!("{}.{name}", self.prefix);
        let shape = self.weights.try_shape(&tensor);
        let outputs = shape
            .and_then(|shape| shape.first().copied())
            .filter(|&outputs| outputs > 0);
        outputs.ok_or(NetworkError::MissingLayer { tensor })
    }

    fn conv(
        &self,
        name: &str,
        sizes: (usize, usize),
        kernel: usize,
        kind: ConvKind,
    ) -> Result<B::Conv, NetworkError> {
        let (outputs, inputs) = sizes;
        let shape = [outputs, inputs, kernel, kernel];
        let weight = self
            .weights
            .tensor(&format!("{}.{name}.weight", self.prefix), &shape)?;
        let bias = self
            .weights
            .tensor(&format!("{}.{name}.bias", self.prefix), &[outputs])?;
        Ok(self.backend.conv_weights(&weight, Some(&bias), kind)?)
    }

    fn norm(&self, name: &str, channels: usize) -> Result<GroupNorm, NetworkError> {
        let vector = |part: &str| {
            self.weights
                .tensor(&format!("{}.{name}.{part}", self.prefix), &[channels])
        };
        if !channels.is_multiple_of(GROUPS) {
            let layer = format!("{}.{name}", self.prefix);
            return Err(NetworkError::Groups {
                layer,
                channels,
                groups: GROUPS,
            });
        }
        Ok(GroupNorm {
            gamma: vector("weight")?.to_f32(),
            beta: vector("bias")?.to_f32(),
            groups: GROUPS,
            eps: EPS,
        })
    }
}

/// `conv2(SiLU(norm2(conv1(SiLU(norm1 x))))) + shortcut`.
struct Resnet<B: Backend> {
    norms: [GroupNorm; 2],
    convs: [B::Conv; 2],
    shortcut: Option<B::Conv>,
    outputs: usize,
}

impl<B: Backend> Resnet<B> {
    fn load(loader: &Loader<'_, B>, inputs: usize) -> Result<Self, NetworkError> {
        let outputs = loader.outputs("conv1.weight")?;
        let shortcut = (inputs != outputs)
            .then(|| loader.conv("conv_shortcut", (outputs, inputs), 1, ConvKind::Same))
            .transpose()?;
        Ok(Self {
            norms: [
                loader.norm("norm1", inputs)?,
                loader.norm("norm2", outputs)?,
            ],
            convs: [
                loader.conv("conv1", (outputs, inputs), 3, ConvKind::Same)?,
                loader.conv("conv2", (outputs, outputs), 3, ConvKind::Same)?,
            ],
            shortcut,
            outputs,
        })
    }

    /// `work` are the input, which becomes the output, and two tensors to work in.
    fn forward(&self, backend: &B, work: &mut Work<B>) -> Result<(), NetworkError> {
        let Work { x, hidden, spare } = work;
        let &[height, width, _] = backend.shape(x) else {
            unreachable!("activations are [H, W, C]")
        };
        let shape = [height, width, self.outputs];
        backend.reshape(hidden, &shape)?;
        backend.conv(x, Some(&self.norms[0]), &self.convs[0], None, hidden);
        backend.reshape(spare, &shape)?;
        if let Some(shortcut) = &self.shortcut {
            backend.conv(x, None, shortcut, None, spare);
            std::mem::swap(x, spare);
            backend.reshape(spare, &shape)?;
        }
        backend.conv(hidden, Some(&self.norms[1]), &self.convs[1], Some(x), spare);
        std::mem::swap(x, spare);
        Ok(())
    }
}

/// The activation that is passed on, and memory that layers write to in turn.
struct Work<B: Backend> {
    x: B::Tensor,
    hidden: B::Tensor,
    spare: B::Tensor,
}

impl<B: Backend> Work<B> {
    fn new(backend: &B, x: B::Tensor) -> Result<Self, NetworkError> {
        Ok(Self {
            x,
            hidden: backend.zeros(&[0])?,
            spare: backend.zeros(&[0])?,
        })
    }

    /// Replaces the activation by its convolution.
    fn conv(
        &mut self,
        backend: &B,
        conv: &B::Conv,
        norm: Option<&GroupNorm>,
        (kind, outputs): (ConvKind, usize),
    ) -> Result<(), NetworkError> {
        let &[height, width, _] = backend.shape(&self.x) else {
            unreachable!("activations are [H, W, C]")
        };
        let shape = [
            kind.output_size(height, 3),
            kind.output_size(width, 3),
            outputs,
        ];
        backend.reshape(&mut self.spare, &shape)?;
        backend.conv(&self.x, norm, conv, None, &mut self.spare);
        std::mem::swap(&mut self.x, &mut self.spare);
        Ok(())
    }
}

/// Attention over all positions with a single head.
struct MidAttention<B: Backend> {
    norm: GroupNorm,
    qkv: B::Linear,
    out: B::Linear,
    channels: usize,
}

impl<B: Backend> MidAttention<B> {
    fn load(loader: &Loader<'_, B>, channels: usize) -> Result<Self, NetworkError> {
        let layer = |name: &str| {
            super::block::layer(
                loader.weights,
                &format!("{}.{name}", loader.prefix),
                (channels, channels),
                true,
            )
        };
        let (q, k, v) = (layer("to_q")?, layer("to_k")?, layer("to_v")?);
        let parts = [
            (&q.0, q.1.as_ref()),
            (&k.0, k.1.as_ref()),
            (&v.0, v.1.as_ref()),
        ];
        Ok(Self {
            norm: loader.norm("group_norm", channels)?,
            qkv: loader.backend.linear_weights(&parts)?,
            out: linear(
                loader.backend,
                loader.weights,
                &format!("{}.to_out.0", loader.prefix),
                channels,
                channels,
            )?,
            channels,
        })
    }

    fn forward(&self, backend: &B, work: &mut Work<B>) -> Result<(), NetworkError> {
        let &[height, width, channels] = backend.shape(&work.x) else {
            unreachable!("activations are [H, W, C]")
        };
        let rows = height * width;
        backend.reshape(&mut work.hidden, &[height, width, channels])?;
        backend.group_norm(&work.x, &self.norm, &mut work.hidden);
        let mut qkv = backend.zeros(&[rows, 3 * self.channels])?;
        backend.linear(&work.hidden, 0..rows, &self.qkv, Epilogue::Store, &mut qkv);
        let spec = AttentionSpec {
            sequences: &[Sequence::single(rows, rows)],
            heads: 1,
            scale: 1.0 / (self.channels as f32).sqrt(),
            qk_norm_eps: None,
            mask: Mask::Full,
            log_multiplicity: None,
            queries: 0..rows,
        };
        backend.attention(&qkv, &spec, &mut work.hidden);
        backend.linear(
            &work.hidden,
            0..rows,
            &self.out,
            Epilogue::Residual,
            &mut work.x,
        );
        Ok(())
    }
}

/// Resnet, attention, resnet at the lowest resolution.
struct Mid<B: Backend> {
    resnets: [Resnet<B>; 2],
    attention: MidAttention<B>,
}

impl<B: Backend> Mid<B> {
    fn load(loader: &Loader<'_, B>, channels: usize) -> Result<Self, NetworkError> {
        let loader = loader.at("mid_block");
        Ok(Self {
            resnets: [
                Resnet::load(&loader.at("resnets.0"), channels)?,
                Resnet::load(&loader.at("resnets.1"), channels)?,
            ],
            attention: MidAttention::load(&loader.at("attentions.0"), channels)?,
        })
    }

    fn forward(&self, backend: &B, work: &mut Work<B>) -> Result<(), NetworkError> {
        self.resnets[0].forward(backend, work)?;
        self.attention.forward(backend, work)?;
        self.resnets[1].forward(backend, work)
    }
}

/// Some resnets, then a change of resolution except in the last block.
struct Stage<B: Backend> {
    resnets: Vec<Resnet<B>>,
    resample: Option<(B::Conv, ConvKind, usize)>,
}

impl<B: Backend> Stage<B> {
    /// Loads `name.resnets.*` and `name.{sampler}.0.conv`; returns the stage and its output channels.
    fn load(
        loader: &Loader<'_, B>,
        inputs: usize,
        (sampler, kind): (&str, ConvKind),
    ) -> Result<(Self, usize), NetworkError> {
        let mut channels = inputs;
        let mut resnets = Vec::new();
        while loader.has(&format!("resnets.{}.conv1.weight", resnets.len())) {
            let resnet = Resnet::load(&loader.at(&format!("resnets.{}", resnets.len())), channels)?;
            channels = resnet.outputs;
            resnets.push(resnet);
        }
        let name = format!("{sampler}.0.conv");
        let resample = loader
            .has(&format!("{name}.weight"))
            .then(|| {
                loader
                    .conv(&name, (channels, channels), 3, kind)
                    .map(|conv| (conv, kind, channels))
            })
            .transpose()?;
        Ok((Self { resnets, resample }, channels))
    }

    fn forward(&self, backend: &B, work: &mut Work<B>) -> Result<(), NetworkError> {
        for resnet in &self.resnets {
            resnet.forward(backend, work)?;
        }
        if let Some((conv, kind, channels)) = &self.resample {
            work.conv(backend, conv, None, (*kind, *channels))?;
        }
        Ok(())
    }
}

/// All stages under `blocks`, and their output channels.
fn stages<B: Backend>(
    loader: &Loader<'_, B>,
    (part, blocks): (&'static str, &str),
    mut channels: usize,
    sampler: (&str, ConvKind),
) -> Result<(Vec<Stage<B>>, usize), NetworkError> {
    let mut stages = Vec::new();
    while loader.has(&format!("{blocks}.{}.resnets.0.conv1.weight", stages.len())) {
        let (stage, outputs) = Stage::load(
            &loader.at(&format!("{blocks}.{}", stages.len())),
            channels,
            sampler,
        )?;
        channels = outputs;
        stages.push(stage);
    }
    let found = stages
        .iter()
        .filter(|stage| stage.resample.is_some())
        .count();
    if found != RESAMPLES {
        return Err(NetworkError::Resolution {
            part,
            found,
            expected: RESAMPLES,
        });
    }
    Ok((stages, channels))
}

/// The encoder half: image to the posterior's moments.
pub struct KlEncoder<B: Backend> {
    conv_in: B::Conv,
    first: usize,
    stages: Vec<Stage<B>>,
    mid: Mid<B>,
    norm_out: GroupNorm,
    conv_out: B::Conv,
    quant: B::Conv,
    latent_channels: usize,
}

impl<B: Backend> KlEncoder<B> {
    pub(super) fn load(
        backend: &B,
        weights: &Weights,
        config: &AutoencoderKlConfig,
    ) -> Result<Self, NetworkError> {
        let loader = Loader::new(backend, weights, "encoder");
        let moments = 2 * config.latent_channels;
        let first = loader.outputs("conv_in.weight")?;
        let conv_in = loader.conv("conv_in", (first, 3), 3, ConvKind::Same)?;
        let (stages, channels) = stages(
            &loader,
            ("encoder", "down_blocks"),
            first,
            ("downsamplers", ConvKind::HalveAsymmetric),
        )?;
        let root = Loader {
            prefix: PREFIX.to_owned(),
            ..loader.at("")
        };
        Ok(Self {
            conv_in,
            first,
            stages,
            mid: Mid::load(&loader, channels)?,
            norm_out: loader.norm("conv_norm_out", channels)?,
            conv_out: loader.conv("conv_out", (moments, channels), 3, ConvKind::Same)?,
            quant: root.conv("quant_conv", (moments, moments), 1, ConvKind::Same)?,
            latent_channels: config.latent_channels,
        })
    }

    /// Means and log-variances side by side, `[H/8, W/8, 2·channels]`.
    pub(super) fn forward(&self, backend: &B, image: B::Tensor) -> Result<B::Tensor, NetworkError> {
        let mut work = Work::new(backend, image)?;
        work.conv(backend, &self.conv_in, None, (ConvKind::Same, self.first))?;
        for stage in &self.stages {
            stage.forward(backend, &mut work)?;
        }
        self.mid.forward(backend, &mut work)?;
        let moments = 2 * self.latent_channels;
        work.conv(
            backend,
            &self.conv_out,
            Some(&self.norm_out),
            (ConvKind::Same, moments),
        )?;
        work.conv(backend, &self.quant, None, (ConvKind::Same, moments))?;
        Ok(work.x)
    }
}

/// The decoder half: latents to image.
pub struct KlDecoder<B: Backend> {
    post_quant: B::Conv,
    conv_in: B::Conv,
    first: usize,
    mid: Mid<B>,
    stages: Vec<Stage<B>>,
    norm_out: GroupNorm,
    conv_out: B::Conv,
    latent_channels: usize,
}

impl<B: Backend> KlDecoder<B> {
    pub(super) fn load(
        backend: &B,
        weights: &Weights,
        config: &AutoencoderKlConfig,
    ) -> Result<Self, NetworkError> {
        let loader = Loader::new(backend, weights, "decoder");
        let latents = config.latent_channels;
        let first = loader.outputs("conv_in.weight")?;
        let root = Loader {
            prefix: PREFIX.to_owned(),
            ..loader.at("")
        };
        let post_quant = root.conv("post_quant_conv", (latents, latents), 1, ConvKind::Same)?;
        let conv_in = loader.conv("conv_in", (first, latents), 3, ConvKind::Same)?;
        let mid = Mid::load(&loader, first)?;
        let (stages, channels) = stages(
            &loader,
            ("decoder", "up_blocks"),
            first,
            ("upsamplers", ConvKind::DoubleNearest),
        )?;
        Ok(Self {
            post_quant,
            conv_in,
            first,
            mid,
            stages,
            norm_out: loader.norm("conv_norm_out", channels)?,
            conv_out: loader.conv("conv_out", (3, channels), 3, ConvKind::Same)?,
            latent_channels: latents,
        })
    }

    /// The image `[8·H, 8·W, 3]` of unscaled latents `[H, W, C]`.
    pub(super) fn forward(
        &self,
        backend: &B,
        latents: B::Tensor,
    ) -> Result<B::Tensor, NetworkError> {
        let mut work = Work::new(backend, latents)?;
        work.conv(
            backend,
            &self.post_quant,
            None,
            (ConvKind::Same, self.latent_channels),
        )?;
        work.conv(backend, &self.conv_in, None, (ConvKind::Same, self.first))?;
        self.mid.forward(backend, &mut work)?;
        for stage in &self.stages {
            stage.forward(backend, &mut work)?;
        }
        work.conv(
            backend,
            &self.conv_out,
            Some(&self.norm_out),
            (ConvKind::Same, 3),
        )?;
        Ok(work.x)
    }
}
