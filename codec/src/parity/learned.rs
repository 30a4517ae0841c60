//! The learned decoder of the embedded model against pictures of its training code.

use flextok_compute::{Backend, Storage};

use super::golden::{Golden, TestEngine, assert_close, on_every_engine};
use crate::coded::LearnedDecoder;
use crate::config::Config;
use crate::network::builder::VarBuilder;
use crate::weights::{HeaderLimits, Weights};

on_every_engine!(pictures_are_those_of_the_reference);

/// Additions in another order, and products by fewer multiplications.
const TOLERANCE: f32 = 1e-3;
const LOOKS: [(&str, f32); 2] = [("faithful", 0.0), ("sharp", 1.0)];

fn weights() -> Weights {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/builtin.safetensors");
    let storage = Storage::from_vec(std::fs::read(path).unwrap());
    Weights::from_storage(storage, None, &HeaderLimits::default()).unwrap()
}

/// A golden picture, `[3, height, width]`, as `[height, width, 3]`.
fn picture(golden: &Golden, name: &str) -> Vec<f32> {
    let planes = golden.f32(name);
    let pixels = planes.len() / 3;
    (0..pixels)
        .flat_map(|pixel| [0, 1, 2].map(|channel| planes[channel * pixels + pixel]))
        .collect()
}

/// Calls `check` with the name of each look, what an engine makes of the golden plain picture, and what is expected.
fn on_each_look<B: Backend>(backend: &B, check: impl Fn(&str, &[f32], &[f32])) {
    let (weights, golden) = (weights(), Golden::open("learned.golden.safetensors"));
    let Config::Coded(config) = weights.config() else {
        panic!("another family");
    };
    let config = config.decoder.as_ref().unwrap();
    let vs = VarBuilder::new(backend, &weights).pp("decoder");
    let decoder = backend.run(|| LearnedDecoder::load(&vs, config)).unwrap();
    let plain = picture(&golden, "plain");
    let shape = golden.shape("plain");
    let slope = i32::from_le_bytes(golden.u8("slope").try_into().unwrap());
    for (name, look) in LOOKS {
        let mut found = plain.clone();
        let corrected = backend.run(|| {
            let condition = decoder.condition(backend, slope, look)?;
            decoder.correct(backend, &condition, &mut found, [shape[1], shape[2]])
        });
        corrected.unwrap();
        check(name, &found, &picture(&golden, name));
    }
}

fn pictures_are_those_of_the_reference<B: TestEngine>() {
    on_each_look(B::shared(), |name, found, expected| {
        assert_close(name, found, expected, TOLERANCE);
    });
}

/// In halves the pictures are above 45 dB of the reference, where the peak is 2.
#[cfg(feature = "gpu")]
#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn gpu_pictures_in_halves_are_close_to_the_reference() {
    use flextok_compute::gpu::{GpuEngine, GpuOptions, Precision, devices};
    let mut options = GpuOptions::default();
    options.precision = Precision::F16;
    let engine = GpuEngine::open(&devices()[0], &options).unwrap();
    on_each_look(&engine, |name, found, expected| {
        let squares = found
            .iter()
            .zip(expected)
            .map(|(a, b)| f64::from(a - b).powi(2));
        let error = squares.sum::<f64>() / found.len() as f64;
        let psnr = 10.0 * (4.0 / error).log10();
        assert!(psnr > 45.0, "{name}: {psnr} dB");
    });
}
