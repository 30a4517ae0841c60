//! The network on one engine, with the engine's type hidden: latents in, tokens out, and back.
//!
//! The encoder's and the decoder's weights are prepared when they are first needed, so that encoding never touches the
//! decoder's, nor decoding the encoder's.

use std::ops::ControlFlow;
use std::sync::Arc;

use flextok_compute::Backend;

use crate::Size;
use crate::codec::device::Engines;
use crate::codec::lazy::Lazy;
use crate::config::ModelConfig;
use crate::error::Error;
use crate::network::{Decoder, Encoder, NetworkError, VaeDecoder, VaeEncoder};
use crate::picture::Canvas;
use crate::sampler::{Settings, sample};
use crate::weights::{Weights, WeightsError};

/// Reports a step (done, total) and says whether to go on.
pub(in crate::codec) type OnStep<'a> = &'a mut (dyn FnMut(u32, u32) -> ControlFlow<()> + Send);

/// One decode of a batch of images, as the network sees it.
pub(in crate::codec) struct Job<'a> {
    /// Tokens of each image, coarse to fine.
    pub(in crate::codec) ids: &'a [&'a [u16]],
    /// Columns and rows of the latents of each image.
    pub(in crate::codec) latents: Size,
    /// Starting noise `[H, W, C]` of each image, or the noised latents of a warm start.
    pub(in crate::codec) noise: &'a [f32],
    /// Steps and guidance.
    pub(in crate::codec) settings: Settings,
    /// Whether the latents are wanted as well.
    pub(in crate::codec) keep_latents: bool,
}

/// The result for one image of a job.
pub(in crate::codec) struct Decoded {
    pub(in crate::codec) canvas: Canvas,
    /// The clean latents `[H, W, C]`, if they were wanted.
    pub(in crate::codec) latents: Option<Vec<f32>>,
}

/// The network on some engine. What it makes of an image does not depend on the others of its batch.
pub(in crate::codec) trait Engine: Send + Sync {
    /// The first `tokens` tokens of each of some canvases, which are of one size. `posterior` is noise `[H, W, C]` that
    /// samples the VAE's posterior of each.
    fn tokenize(
        &self,
        canvases: &[Canvas],
        tokens: usize,
        posterior: Option<&[f32]>,
    ) -> Result<Vec<Vec<u16>>, Error>;

    /// The canvases that the job's tokens describe.
    fn detokenize(&self, job: &Job<'_>, on_step: OnStep<'_>) -> Result<Vec<Decoded>, Error>;
}

struct EncoderHalf<B: Backend> {
    vae: VaeEncoder<B>,
    encoder: Encoder<B>,
}

struct DecoderHalf<B: Backend> {
    vae: VaeDecoder<B>,
    decoder: Decoder<B>,
}

/// The network on the engine `B`.
pub(in crate::codec) struct NetworkOn<B: Backend> {
    engines: Engines<B>,
    weights: Arc<Weights>,
    config: ModelConfig,
    encoder: Lazy<EncoderHalf<B>>,
    decoder: Lazy<DecoderHalf<B>>,
}

impl<B: Backend> NetworkOn<B> {
    pub(in crate::codec) fn new(
        engines: Engines<B>,
        weights: Arc<Weights>,
    ) -> Result<Self, WeightsError> {
        Ok(Self {
            engines,
            config: weights.network()?.clone(),
            weights,
            encoder: Lazy::new(),
            decoder: Lazy::new(),
        })
    }

    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn encoder(&self) -> Result<Arc<EncoderHalf<B>>, NetworkError> {
        let (backend, weights) = (&self.engines.encoding, &*self.weights);
        self.encoder.get(|| {
            backend.run(|| {
                let vae = VaeEncoder::load(backend, weights)?;
                let encoder = Encoder::load(backend, weights)?;
                weights.release_pages();
                Ok(EncoderHalf { vae, encoder })
            })
        })
    }

    fn decoder(&self) -> Result<Arc<DecoderHalf<B>>, NetworkError> {
        let (backend, weights) = (self.engines.decoding(), &*self.weights);
        self.decoder.get(|| {
            backend.run(|| {
                let vae = VaeDecoder::load(backend, weights)?;
                let decoder = Decoder::load(backend, weights)?;
                weights.release_pages();
                Ok(DecoderHalf { vae, decoder })
            })
        })
    }

    /// Latents `[images, h, w, C]` of the canvases.
    fn latents(
        &self,
        half: &EncoderHalf<B>,
        canvases: &[Canvas],
        posterior: Option<&[f32]>,
    ) -> Result<B::Tensor, NetworkError> {
        let backend = &self.engines.encoding;
        let channels = self.config().vae.latent_channels();
        let mut all = None;
        for (index, canvas) in canvases.iter().enumerate() {
            let shape = [canvas.size.height as usize, canvas.size.width as usize, 3];
            let image = backend.upload(&canvas.data, &shape)?;
            let latents = half.vae.forward(backend, image, posterior)?;
            let &[height, width, _] = backend.shape(&latents) else {
                unreachable!("latents are [h, w, C]")
            };
            let all = match &mut all {
                Some(all) => all,
                None => {
                    let shape = [canvases.len(), height, width, channels];
                    all.insert(backend.zeros(&shape)?)
                }
            };
            let pixels = height * width;
            backend.copy_rows(&latents, 0, all, index * pixels, pixels)?;
        }
        match all {
            Some(all) => Ok(all),
            None => Ok(backend.zeros(&[0, 0, 0, channels])?),
        }
    }

    /// Clean latents `[images, h, w, C]`.
    fn sample(
        &self,
        half: &DecoderHalf<B>,
        job: &Job<'_>,
        on_step: OnStep<'_>,
    ) -> Result<B::Tensor, NetworkError> {
        let backend = self.engines.decoding();
        let (height, width) = (job.latents.height as usize, job.latents.width as usize);
        let channels = self.config().vae.latent_channels();
        let noise = job.noise.repeat(job.ids.len());
        let x = backend.upload(&noise, &[job.ids.len(), height, width, channels])?;
        let (decoder, guided) = (&half.decoder, job.settings.is_guided());
        let mut conditioned = decoder.condition(backend, (height, width), job.ids, guided)?;
        let prediction = decoder.prediction();
        sample(
            backend,
            &mut conditioned,
            prediction,
            x,
            job.settings,
            on_step,
        )
    }

    /// Image `index` of the latents.
    fn one(&self, latents: &B::Tensor, index: usize) -> Result<B::Tensor, NetworkError> {
        let backend = self.engines.decoding();
        let &[_, height, width, channels] = backend.shape(latents) else {
            unreachable!("latents are [images, h, w, C]")
        };
        let mut one = backend.zeros_full(&[height, width, channels])?;
        let pixels = height * width;
        backend.copy_rows(latents, index * pixels, &mut one, 0, pixels)?;
        Ok(one)
    }

    /// The canvas of the latents of one image, which are also kept if the job requests them.
    fn decoded(
        &self,
        half: &DecoderHalf<B>,
        latents: B::Tensor,
        job: &Job<'_>,
    ) -> Result<Decoded, Error> {
        let (backend, config) = (self.engines.decoding(), self.config());
        let kept = match job.keep_latents {
            true => Some(backend.download(&latents).map_err(NetworkError::from)?),
            false => None,
        };
        let image = half.vae.forward(backend, latents)?;
        let image = backend.download(&image).map_err(NetworkError::from)?;
        let side = |latents: u32| latents * config.vae.factor() as u32;
        let size = Size::new(side(job.latents.width), side(job.latents.height));
        Ok(Decoded {
            canvas: Canvas::new(size, image)?,
            latents: kept,
        })
    }
}

impl<B: Backend> Engine for NetworkOn<B> {
    fn tokenize(
        &self,
        canvases: &[Canvas],
        tokens: usize,
        posterior: Option<&[f32]>,
    ) -> Result<Vec<Vec<u16>>, Error> {
        let (half, backend) = (self.encoder()?, &self.engines.encoding);
        let ids = backend.run(|| {
            let latents = self.latents(&half, canvases, posterior)?;
            let z = half.encoder.forward(backend, &latents, tokens)?;
            Ok::<_, NetworkError>(backend.quantize(&z, &self.config().quantizer)?)
        });
        let ids = ids?;
        Ok(ids.chunks(tokens.max(1)).map(<[u16]>::to_vec).collect())
    }

    fn detokenize(&self, job: &Job<'_>, on_step: OnStep<'_>) -> Result<Vec<Decoded>, Error> {
        let half = self.decoder()?;
        self.engines.decoding().run(|| {
            let latents = self.sample(&half, job, on_step)?;
            (0..job.ids.len())
                .map(|index| self.decoded(&half, self.one(&latents, index)?, job))
                .collect()
        })
    }
}
