//! The stages of a model that are timed, each as a function that can be run again and again.

use std::path::Path;

use flextok::compute::{Backend, CpuEngine, Threads};
use flextok::image::DynamicImage;
use flextok::network::{Decoder, VaeDecoder, VaeEncoder};
use flextok::weights::{OpenOptions, Weights};
use flextok::{
    Codec, CodecBuilder, DecodeOptions, EncodeOptions, Precision, Size, standard_normal,
};

/// A model on an engine, with everything prepared that its stages need.
pub struct Stages<B: Backend = CpuEngine> {
    backend: B,
    decoder: Decoder<B>,
    vae_encoder: VaeEncoder<B>,
    vae_decoder: VaeDecoder<B>,
    codec: Codec,
    /// Rows, columns and channels of the latents.
    latents: [usize; 3],
    /// Pixels a side of a latent.
    factor: usize,
    picture: DynamicImage,
    tokens: Vec<u16>,
}

impl Stages {
    /// Opens the model at `path` on `threads` threads, in f32, bf16 or int8.
    ///
    /// # Panics
    /// For other precisions.
    #[must_use]
    pub fn open(path: &Path, threads: usize, precision: Precision) -> Self {
        let threads = Threads::new(threads).expect("threads");
        let builder = Codec::builder()
            .with_threads(threads.count())
            .with_precision(precision);
        let engine = match precision {
            Precision::F32 => CpuEngine::on(threads),
            Precision::BF16 => CpuEngine::with_bf16(threads),
            Precision::Int8 => CpuEngine::with_int8(threads),
            other => panic!("{other} is not f32, bf16 or int8"),
        };
        Self::on(engine, path, builder)
    }
}

impl<B: Backend> Stages<B> {
    /// Opens the model at `path` on an engine; `builder` makes the codec for what is timed as a whole.
    #[must_use]
    pub fn on(backend: B, path: &Path, builder: CodecBuilder) -> Self {
        let weights =
            Weights::open(path, &OpenOptions::default()).expect("a model in the published layout");
        let config = weights.network().expect("a network").clone();
        let factor = config.vae.factor();
        let Size { width, height } = config.canvas;
        let channels = config.vae.latent_channels();
        let codec = builder.open(path).expect("the same model");
        let picture = synthetic_picture(width, height);
        let options = EncodeOptions::default();
        let tokens = codec
            .tokenize(&picture, &options)
            .expect("tokens of a picture of the canvas's size");
        Self {
            decoder: Decoder::load(&backend, &weights).expect("a decoder"),
            vae_encoder: VaeEncoder::load(&backend, &weights).expect("a VAE"),
            vae_decoder: VaeDecoder::load(&backend, &weights).expect("a VAE"),
            backend,
            codec,
            latents: [height as usize / factor, width as usize / factor, channels],
            factor,
            picture,
            tokens,
        }
    }

    /// The engine.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// Bytes of the decoder's weights that a step reads at least once, at `element` bytes each.
    #[must_use]
    pub fn step_weight_bytes(&self, element: u64) -> u64 {
        let weights = self.codec.weights();
        // The modulation of all steps is computed before them.
        let is_read = |name: &str| {
            name.starts_with("decoder.")
                && name.ends_with("weight")
                && !name.contains("adaLN")
                && !name.contains("time_embedder")
        };
        let sizes = weights
            .names()
            .filter(|name| is_read(name))
            .filter_map(|name| weights.try_shape(name));
        sizes
            .map(|shape| shape.iter().product::<usize>() as u64 * element)
            .sum()
    }

    /// Prepares steps of the first `tokens` tokens, with both passes if `guided`, and hands `run` a function that takes as
    /// many as requested and waits for the last.
    pub fn with_decoder_steps(
        &self,
        tokens: usize,
        guided: bool,
        run: impl FnOnce(&mut dyn FnMut(usize)),
    ) {
        let [height, width, channels] = self.latents;
        let backend = &self.backend;
        let mut conditioned = self
            .decoder
            .condition(backend, (height, width), &[&self.tokens[..tokens]], guided)
            .expect("a condition");
        conditioned.schedule(&[0.52]).expect("modulation");
        let mut shape = [1, height, width, channels];
        let noise = standard_normal(0, 0, shape.iter().product());
        let x = backend.upload(&noise, &shape).expect("memory");
        shape[0] = conditioned.predictions();
        let mut out = backend.zeros_full(&shape).expect("memory");
        run(&mut |steps| {
            backend.run(|| {
                for _ in 0..steps {
                    conditioned.embed(&x, 0.52).expect("memory");
                    conditioned.predict(0, &mut out).expect("memory");
                }
                backend.download(&out).expect("a velocity");
            });
        });
    }

    /// The VAE's decoder on one canvas.
    pub fn vae_decode(&self) {
        let noise = standard_normal(0, 0, self.latents.iter().product());
        let latents = self.backend.upload(&noise, &self.latents).expect("memory");
        self.backend.run(|| {
            let image = self
                .vae_decoder
                .forward(&self.backend, latents)
                .expect("an image");
            self.backend.download(&image).expect("an image");
        });
    }

    /// The VAE's encoder on one canvas.
    pub fn vae_encode(&self) {
        let [height, width, _] = self.latents;
        let shape = [height * self.factor, width * self.factor, 3];
        let image = standard_normal(1, 0, shape.iter().product());
        let image = self.backend.upload(&image, &shape).expect("memory");
        self.backend.run(|| {
            let latents = self
                .vae_encoder
                .forward(&self.backend, image, None)
                .expect("latents");
            self.backend.download(&latents).expect("latents");
        });
    }

    /// A picture of the canvas's size to all tokens.
    pub fn tokenize(&self) {
        self.codec
            .tokenize(&self.picture, &EncodeOptions::default())
            .expect("tokens");
    }

    /// So many pictures to all tokens, as a batch.
    pub fn tokenize_batch(&self, pictures: usize) {
        self.codec
            .tokenize_batch(&vec![&self.picture; pictures], &EncodeOptions::default())
            .expect("tokens");
    }

    /// Tokens to a picture.
    pub fn decode(&self, tokens: usize, options: &DecodeOptions) {
        self.codec
            .detokenize(&self.tokens[..tokens], options)
            .expect("a picture");
    }
}

/// A picture with gradients and texture, the same on each run.
#[must_use]
pub fn synthetic_picture(width: u32, height: u32) -> DynamicImage {
    let picture = flextok::image::RgbImage::from_fn(width, height, |x, y| {
        let texture = x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503);
        flextok::image::Rgb([
            (x * 255 / width) as u8,
            (y * 255 / height) as u8,
            (texture >> 24) as u8,
        ])
    });
    DynamicImage::ImageRgb8(picture)
}
