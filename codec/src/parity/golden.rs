//! Reading dumps, and the stages of the network under test, on any engine.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use flextok_compute::{Backend, CpuEngine};
use safetensors::{Dtype, SafeTensors};

use crate::network::{Decoder, Encoder, VaeDecoder, VaeEncoder};
use crate::sampler::{Guidance, Settings, sample};
use crate::weights::{OpenOptions, Weights};

/// A file under `tests/data`.
pub(super) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data")
        .join(name)
}

/// A file of dumped tensors.
pub(super) struct Golden(Vec<u8>);

impl Golden {
    pub(super) fn open(name: &str) -> Self {
        Self(std::fs::read(data(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    fn tensors(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).unwrap()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.tensors()
            .names()
            .into_iter()
            .map(ToOwned::to_owned)
            .collect()
    }

    pub(super) fn shape(&self, name: &str) -> Vec<usize> {
        self.tensors().tensor(name).unwrap().shape().to_vec()
    }

    pub(super) fn f32(&self, name: &str) -> Vec<f32> {
        let tensors = self.tensors();
        let tensor = tensors
            .tensor(name)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(tensor.dtype(), Dtype::F32, "{name}");
        tensor
            .data()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|raw| f32::from_le_bytes(*raw))
            .collect()
    }

    pub(super) fn ids(&self, name: &str) -> Vec<u16> {
        let tensors = self.tensors();
        let tensor = tensors.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), Dtype::I64, "{name}");
        let values = tensor.data().as_chunks::<8>().0;
        values
            .iter()
            .map(|raw| u16::try_from(i64::from_le_bytes(*raw)).unwrap())
            .collect()
    }

    pub(super) fn u8(&self, name: &str) -> Vec<u8> {
        self.tensors().tensor(name).unwrap().data().to_vec()
    }
}

/// Largest absolute difference; infinite as soon as a value of either is not finite.
pub(super) fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len(), "sizes differ");
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| {
            if a.is_finite() && b.is_finite() {
                (a - b).abs()
            } else {
                f32::INFINITY
            }
        })
        .fold(0.0, f32::max)
}

#[track_caller]
pub(super) fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    let difference = difference(found, expected);
    assert!(
        difference <= tolerance,
        "{what}: differs by {difference}, allowed {tolerance}"
    );
}

/// An engine that tests run on.
pub(super) trait TestEngine: Backend + Sized + 'static {
    /// Of so many trajectories of a long file one is compared: drivers that run on a CPU take minutes for all of them.
    const TRAJECTORIES: usize;

    /// The one that all tests share.
    fn shared() -> &'static Self;
}

impl TestEngine for CpuEngine {
    const TRAJECTORIES: usize = 1;

    fn shared() -> &'static Self {
        static ENGINE: OnceLock<CpuEngine> = OnceLock::new();
        ENGINE.get_or_init(|| CpuEngine::new(2).unwrap())
    }
}

#[cfg(feature = "gpu")]
impl TestEngine for flextok_compute::GpuEngine {
    const TRAJECTORIES: usize = 3;

    fn shared() -> &'static Self {
        use flextok_compute::gpu::{GpuEngine, GpuOptions, Precision, devices};
        static ENGINE: OnceLock<GpuEngine> = OnceLock::new();
        ENGINE.get_or_init(|| {
            let devices = devices();
            let device = devices
                .first()
                .expect("a Vulkan driver, such as Mesa's lavapipe");
            let mut options = GpuOptions::default();
            options.precision = Precision::F32;
            GpuEngine::open(device, &options).expect("an engine")
        })
    }
}

/// Makes a test on each engine of functions that are generic over it.
macro_rules! on_every_engine {
    ($($test:ident),+ $(,)?) => {
        mod on_cpu {
            $(#[test]
            fn $test() {
                super::$test::<flextok_compute::CpuEngine>();
            })+
        }

        #[cfg(feature = "gpu")]
        mod on_gpu {
            $(#[test]
            #[ignore = "needs a device: .ci/run gpu"]
            fn $test() {
                super::$test::<flextok_compute::GpuEngine>();
            })+
        }
    };
}
pub(super) use on_every_engine;

/// All stages of a model.
pub(super) struct Stages<B: TestEngine = CpuEngine> {
    pub(super) backend: &'static B,
    pub(super) weights: Weights,
}

impl<B: TestEngine> Stages<B> {
    pub(super) fn open(name: &str) -> Self {
        let weights = Weights::open(data(name), &OpenOptions::default())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        Self {
            backend: B::shared(),
            weights,
        }
    }

    pub(super) fn with(weights: Weights) -> Self {
        Self {
            backend: B::shared(),
            weights,
        }
    }

    fn channels(&self) -> usize {
        self.weights.network().unwrap().vae.latent_channels()
    }

    /// Scaled latents `[C, h, w]` of an image `[3, H, W]`.
    pub(super) fn latents(&self, image: &[f32], height: usize, noise: Option<&[f32]>) -> Vec<f32> {
        let width = image.len() / 3 / height;
        let vae = VaeEncoder::load(self.backend, &self.weights).unwrap();
        let image = self
            .backend
            .upload(&to_last(image, 3), &[height, width, 3])
            .unwrap();
        let noise = noise.map(|noise| to_last(noise, self.channels()));
        let latents = vae.forward(self.backend, image, noise.as_deref()).unwrap();
        to_first(&self.backend.download(&latents).unwrap(), self.channels())
    }

    /// Latents `[C, h, w]` of each image, as the transformers take them.
    fn upload(&self, images: &[&[f32]], height: usize) -> B::Tensor {
        let channels = self.channels();
        let width = images[0].len() / channels / height;
        let values: Vec<f32> = images
            .iter()
            .flat_map(|image| to_last(image, channels))
            .collect();
        let shape = [images.len(), height, width, channels];
        self.backend.upload(&values, &shape).unwrap()
    }

    /// Latents `[C, h, w]` of each image of a batch.
    fn download(&self, latents: &B::Tensor) -> Vec<Vec<f32>> {
        let one: usize = self.backend.shape(latents)[1..].iter().product();
        let values = self.backend.download(latents).unwrap();
        let images = values.chunks_exact(one);
        images
            .map(|image| to_first(image, self.channels()))
            .collect()
    }

    /// Values before quantization and the ids, of scaled latents `[C, h, w]`.
    pub(super) fn encode(
        &self,
        latents: &[f32],
        height: usize,
        tokens: usize,
    ) -> (Vec<f32>, Vec<u16>) {
        self.encode_batch(&[latents], height, tokens)
    }

    /// [`Stages::encode`] of several images at once; values and ids are concatenated.
    pub(super) fn encode_batch(
        &self,
        latents: &[&[f32]],
        height: usize,
        tokens: usize,
    ) -> (Vec<f32>, Vec<u16>) {
        let encoder = Encoder::load(self.backend, &self.weights).unwrap();
        let latents = self.upload(latents, height);
        let z = encoder.forward(self.backend, &latents, tokens).unwrap();
        let ids = self
            .backend
            .quantize(&z, &self.weights.network().unwrap().quantizer)
            .unwrap();
        (self.backend.download(&z).unwrap(), ids)
    }

    /// The decoder's raw output for `x` of `[C, h, w]` at time `t`; without ids, the unconditional one.
    pub(super) fn predict(
        &self,
        x: &[f32],
        height: usize,
        t: f32,
        ids: Option<&[u16]>,
    ) -> Vec<f32> {
        let images = [(x, ids.unwrap_or(&[0]))];
        let mut predictions = self.predict_batch(&images, height, t, ids.is_none());
        // The unconditional ones come last.
        predictions.pop().unwrap()
    }

    /// The decoder's raw outputs for several images at once, each given as its `x` and its ids.
    pub(super) fn predict_batch(
        &self,
        images: &[(&[f32], &[u16])],
        height: usize,
        t: f32,
        guided: bool,
    ) -> Vec<Vec<f32>> {
        let (x, ids): (Vec<&[f32]>, Vec<&[u16]>) = images.iter().copied().unzip();
        let backend = self.backend;
        let decoder = Decoder::load(backend, &self.weights).unwrap();
        let x = self.upload(&x, height);
        let mut shape = backend.shape(&x).to_vec();
        let grid = (shape[1], shape[2]);
        let mut conditioned = decoder.condition(backend, grid, &ids, guided).unwrap();
        shape[0] = conditioned.predictions();
        let mut out = backend.zeros_full(&shape).unwrap();
        conditioned.schedule(&[t]).unwrap();
        conditioned.embed(&x, t).unwrap();
        conditioned.predict(0, &mut out).unwrap();
        self.download(&out)
    }

    /// Final latents `[C, h, w]` of a whole trajectory.
    pub(super) fn sample(
        &self,
        noise: &[f32],
        height: usize,
        ids: &[u16],
        steps: u32,
        guidance: Guidance,
    ) -> Vec<f32> {
        let mut all = self.sample_batch(&[(noise, ids)], height, steps, guidance);
        all.pop().unwrap()
    }

    /// Final latents of the trajectories of several images at once, each given as its noise and its ids.
    pub(super) fn sample_batch(
        &self,
        images: &[(&[f32], &[u16])],
        height: usize,
        steps: u32,
        guidance: Guidance,
    ) -> Vec<Vec<f32>> {
        let (noise, ids): (Vec<&[f32]>, Vec<&[u16]>) = images.iter().copied().unzip();
        let decoder = Decoder::load(self.backend, &self.weights).unwrap();
        let x = self.upload(&noise, height);
        let settings = Settings {
            steps,
            guidance,
            start: 1.0,
        };
        let grid = (self.backend.shape(&x)[1], self.backend.shape(&x)[2]);
        let mut conditioned = decoder
            .condition(self.backend, grid, &ids, settings.is_guided())
            .unwrap();
        let mut on_step = |_, _| ControlFlow::Continue(());
        let out = sample(
            self.backend,
            &mut conditioned,
            decoder.prediction(),
            x,
            settings,
            &mut on_step,
        )
        .unwrap();
        self.download(&out)
    }

    /// The image `[3, H, W]` of scaled latents `[C, h, w]`.
    pub(super) fn image(&self, latents: &[f32], height: usize) -> Vec<f32> {
        let channels = self.channels();
        let width = latents.len() / channels / height;
        let vae = VaeDecoder::load(self.backend, &self.weights).unwrap();
        let latents = self
            .backend
            .upload(&to_last(latents, channels), &[height, width, channels])
            .unwrap();
        let image = vae.forward(self.backend, latents).unwrap();
        to_first(&self.backend.download(&image).unwrap(), 3)
    }
}

fn to_last(planes: &[f32], channels: usize) -> Vec<f32> {
    let pixels = planes.len() / channels;
    (0..planes.len())
        .map(|index| planes[index % channels * pixels + index / channels])
        .collect()
}

fn to_first(values: &[f32], channels: usize) -> Vec<f32> {
    let pixels = values.len() / channels;
    (0..values.len())
        .map(|index| values[index % pixels * channels + index / pixels])
        .collect()
}
