//! The `AutoencoderKL` of the published models (network.md section 7). Its widths and depths come from the tensors.

use flextok_compute::Backend;
use flextok_compute::backend::{
    AttentionSpec, ConvEpilogue, ConvKind, Epilogue, GroupNorm, Mask, Sequence,
};

use crate::config::AutoencoderKlConfig;
use crate::network::NetworkError;
use crate::network::builder::VarBuilder;

/// Changes of resolution between image and latents: 8 pixels per latent.
const RESAMPLES: usize = 3;
/// Groups and epsilon of every group norm: defaults of diffusers, which no config holds.
const GROUPS: usize = 32;
const EPS: f32 = 1e-6;
/// Bounds of the log-variance of a sampled posterior, as in diffusers, so that its exponential stays finite.
const LOG_VARIANCE: (f32, f32) = (-30.0, 20.0);

/// The group norm at `vs`.
fn group_norm<B>(vs: &VarBuilder<'_, B>, channels: usize) -> Result<GroupNorm, NetworkError> {
    if !channels.is_multiple_of(GROUPS) {
        return Err(NetworkError::Groups {
            layer: vs.prefix().to_owned(),
            channels,
            groups: GROUPS,
        });
    }
    Ok(GroupNorm {
        gamma: vs.get(&[channels], "weight")?.to_f32()?,
        beta: vs.get(&[channels], "bias")?.to_f32()?,
        groups: GROUPS,
        eps: EPS,
    })
}

/// `conv2(SiLU(norm2(conv1(SiLU(norm1 x))))) + shortcut`.
struct Resnet<B: Backend> {
    norms: [GroupNorm; 2],
    convs: [B::Conv; 2],
    shortcut: Option<B::Conv>,
    outputs: usize,
}

impl<B: Backend> Resnet<B> {
    fn load(vs: &VarBuilder<'_, B>, inputs: usize) -> Result<Self, NetworkError> {
        let (conv1, conv2) = (vs.pp("conv1"), vs.pp("conv2"));
        let outputs = conv1.outputs()?;
        let shortcut = vs.pp("conv_shortcut");
        Ok(Self {
            norms: [
                group_norm(&vs.pp("norm1"), inputs)?,
                group_norm(&vs.pp("norm2"), outputs)?,
            ],
            convs: [
                conv1.conv((outputs, inputs), 3, ConvKind::Same)?,
                conv2.conv((outputs, outputs), 3, ConvKind::Same)?,
            ],
            shortcut: (inputs != outputs)
                .then(|| shortcut.conv((outputs, inputs), 1, ConvKind::Same))
                .transpose()?,
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
        backend.conv(
            x,
            Some(&self.norms[0]),
            &self.convs[0],
            ConvEpilogue::Store,
            hidden,
        )?;
        if let Some(shortcut) = &self.shortcut {
            backend.reshape(spare, &shape)?;
            backend.conv(x, None, shortcut, ConvEpilogue::Store, spare)?;
            std::mem::swap(x, spare);
        }
        backend.conv(
            hidden,
            Some(&self.norms[1]),
            &self.convs[1],
            ConvEpilogue::Add,
            x,
        )?;
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
        backend.conv(&self.x, norm, conv, ConvEpilogue::Store, &mut self.spare)?;
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
    fn load(vs: &VarBuilder<'_, B>, channels: usize) -> Result<Self, NetworkError> {
        let sizes = (channels, channels);
        Ok(Self {
            norm: group_norm(&vs.pp("group_norm"), channels)?,
            qkv: vs.linears(&["to_q", "to_k", "to_v"], sizes, true)?,
            // `to_out.1` is the dropout of training, without weights.
            out: vs.pp("to_out.0").linear(channels, channels)?,
            channels,
        })
    }

    fn forward(&self, backend: &B, work: &mut Work<B>) -> Result<(), NetworkError> {
        let &[height, width, channels] = backend.shape(&work.x) else {
            unreachable!("activations are [H, W, C]")
        };
        let rows = height * width;
        backend.reshape(&mut work.hidden, &[height, width, channels])?;
        backend.group_norm(&work.x, &self.norm, &mut work.hidden)?;
        let mut qkv = backend.zeros(&[rows, 3 * self.channels])?;
        backend.linear(&work.hidden, 0..rows, &self.qkv, Epilogue::Store, &mut qkv)?;
        let spec = AttentionSpec {
            sequences: &[Sequence::single(rows, rows)],
            heads: 1,
            // The usual 1/√d, unlike the transformer's 8/d.
            scale: 1.0 / (self.channels as f32).sqrt(),
            qk_norm_eps: None,
            mask: Mask::Full,
            log_multiplicity: None,
            queries: 0..rows,
        };
        backend.attention(&qkv, &spec, &mut work.hidden)?;
        backend.linear(
            &work.hidden,
            0..rows,
            &self.out,
            Epilogue::Residual,
            &mut work.x,
        )?;
        Ok(())
    }
}

/// Resnet, attention, resnet at the lowest resolution.
struct Mid<B: Backend> {
    resnets: [Resnet<B>; 2],
    attention: MidAttention<B>,
}

impl<B: Backend> Mid<B> {
    fn load(vs: &VarBuilder<'_, B>, channels: usize) -> Result<Self, NetworkError> {
        let vs = vs.pp("mid_block");
        Ok(Self {
            resnets: [
                Resnet::load(&vs.pp("resnets.0"), channels)?,
                Resnet::load(&vs.pp("resnets.1"), channels)?,
            ],
            attention: MidAttention::load(&vs.pp("attentions.0"), channels)?,
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
    /// Loads `resnets.*` and `{sampler}.0.conv`; returns the stage and its output channels.
    fn load(
        vs: &VarBuilder<'_, B>,
        inputs: usize,
        (sampler, kind): (&str, ConvKind),
    ) -> Result<(Self, usize), NetworkError> {
        let mut channels = inputs;
        let mut resnets = Vec::new();
        loop {
            let vs = vs.pp(format!("resnets.{}", resnets.len()));
            if vs.shape("conv1.weight").is_none() {
                break;
            }
            let resnet = Resnet::load(&vs, channels)?;
            channels = resnet.outputs;
            resnets.push(resnet);
        }
        let conv = vs.pp(format!("{sampler}.0.conv"));
        let resample = conv.shape("weight").map(|_| {
            let conv = conv.conv((channels, channels), 3, kind)?;
            Ok::<_, NetworkError>((conv, kind, channels))
        });
        let resample = resample.transpose()?;
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
    vs: &VarBuilder<'_, B>,
    (part, blocks): (&'static str, &str),
    mut channels: usize,
    sampler: (&str, ConvKind),
) -> Result<(Vec<Stage<B>>, usize), NetworkError> {
    let mut stages = Vec::new();
    loop {
        let vs = vs.pp(format!("{blocks}.{}", stages.len()));
        if vs.shape("resnets.0.conv1.weight").is_none() {
            break;
        }
        let (stage, outputs) = Stage::load(&vs, channels, sampler)?;
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
pub(super) struct KlEncoder<B: Backend> {
    conv_in: B::Conv,
    first: usize,
    stages: Vec<Stage<B>>,
    mid: Mid<B>,
    norm_out: GroupNorm,
    conv_out: B::Conv,
    quant: B::Conv,
    config: AutoencoderKlConfig,
}

impl<B: Backend> KlEncoder<B> {
    pub(super) fn load(
        vs: &VarBuilder<'_, B>,
        config: &AutoencoderKlConfig,
    ) -> Result<Self, NetworkError> {
        let quant = vs.pp("vae.quant_conv");
        let vs = vs.pp("vae.encoder");
        let moments = 2 * config.latent_channels;
        let conv_in = vs.pp("conv_in");
        let first = conv_in.outputs()?;
        let (stages, channels) = stages(
            &vs,
            ("encoder", "down_blocks"),
            first,
            ("downsamplers", ConvKind::HalveAsymmetric),
        )?;
        Ok(Self {
            conv_in: conv_in.conv((first, 3), 3, ConvKind::Same)?,
            first,
            stages,
            mid: Mid::load(&vs, channels)?,
            norm_out: group_norm(&vs.pp("conv_norm_out"), channels)?,
            conv_out: vs
                .pp("conv_out")
                .conv((moments, channels), 3, ConvKind::Same)?,
            quant: quant.conv((moments, moments), 1, ConvKind::Same)?,
            config: config.clone(),
        })
    }

    /// Scaled latents `[H/8, W/8, C]` of an image: the posterior's mode, or with `noise` a sample of it.
    pub(super) fn forward(
        &self,
        backend: &B,
        image: B::Tensor,
        noise: Option<&[f32]>,
    ) -> Result<B::Tensor, NetworkError> {
        let moments = self.moments(backend, image)?;
        let &[height, width, _] = backend.shape(&moments) else {
            unreachable!("moments are [h, w, 2·C]")
        };
        let channels = self.config.latent_channels;
        let shape = [height, width, channels];
        let mut latents = match noise {
            None => {
                // A normal distribution's mode is its mean, which the first half of the channels holds.
                let mut means = backend.zeros(&shape)?;
                backend.copy_columns(&moments, 0, &mut means)?;
                means
            }
            Some(noise) => {
                let values = backend.download(&moments)?;
                backend.upload(&sample_posterior(&values, channels, noise), &shape)?
            }
        };
        backend.scale(&mut latents, self.config.scaling_factor)?;
        Ok(latents)
    }

    /// Means and log-variances side by side, `[H/8, W/8, 2·channels]`.
    fn moments(&self, backend: &B, image: B::Tensor) -> Result<B::Tensor, NetworkError> {
        let mut work = Work::new(backend, image)?;
        work.conv(backend, &self.conv_in, None, (ConvKind::Same, self.first))?;
        for stage in &self.stages {
            stage.forward(backend, &mut work)?;
        }
        self.mid.forward(backend, &mut work)?;
        let moments = 2 * self.config.latent_channels;
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

/// A sample of each pixel's posterior; `moments` has its means and then its log-variances.
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

/// The decoder half: latents to image.
pub(super) struct KlDecoder<B: Backend> {
    post_quant: B::Conv,
    conv_in: B::Conv,
    first: usize,
    mid: Mid<B>,
    stages: Vec<Stage<B>>,
    norm_out: GroupNorm,
    conv_out: B::Conv,
    config: AutoencoderKlConfig,
}

impl<B: Backend> KlDecoder<B> {
    pub(super) fn load(
        vs: &VarBuilder<'_, B>,
        config: &AutoencoderKlConfig,
    ) -> Result<Self, NetworkError> {
        let post_quant = vs.pp("vae.post_quant_conv");
        let vs = vs.pp("vae.decoder");
        let latents = config.latent_channels;
        let conv_in = vs.pp("conv_in");
        let first = conv_in.outputs()?;
        let (stages, channels) = stages(
            &vs,
            ("decoder", "up_blocks"),
            first,
            ("upsamplers", ConvKind::DoubleNearest),
        )?;
        Ok(Self {
            post_quant: post_quant.conv((latents, latents), 1, ConvKind::Same)?,
            conv_in: conv_in.conv((first, latents), 3, ConvKind::Same)?,
            first,
            mid: Mid::load(&vs, first)?,
            stages,
            norm_out: group_norm(&vs.pp("conv_norm_out"), channels)?,
            conv_out: vs.pp("conv_out").conv((3, channels), 3, ConvKind::Same)?,
            config: config.clone(),
        })
    }

    /// The image `[8·H, 8·W, 3]` of scaled latents `[H, W, C]`.
    pub(super) fn forward(
        &self,
        backend: &B,
        mut latents: B::Tensor,
    ) -> Result<B::Tensor, NetworkError> {
        backend.scale(&mut latents, 1.0 / self.config.scaling_factor)?;
        let mut work = Work::new(backend, latents)?;
        work.conv(
            backend,
            &self.post_quant,
            None,
            (ConvKind::Same, self.config.latent_channels),
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
