//! One decoder step: the plain computation over all positions compared with the one that represents identical registers
//! once.
//!
//! With all tokens the sequence is the one that the published code computes whatever the number of tokens: all patches
//! and all registers. The d12 decoder has random weights, written in the published layout to a temporary directory.

#[path = "step/d12.rs"]
mod d12;

use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use flextok::compute::{Backend, CpuEngine};
use flextok::network::Decoder;
use flextok::weights::{OpenOptions, Weights};
use flextok::{Size, standard_normal};

const THREADS: usize = 2;
const T: f32 = 0.52;

/// Times a step with all registers and with few, a guided step, and one of several images.
fn steps(criterion: &mut Criterion, name: &str, weights: &Weights) {
    let backend = CpuEngine::new(THREADS).expect("threads");
    let config = weights.network().expect("a network");
    let (factor, channels) = (config.vae.factor(), config.vae.latent_channels());
    let Size { width, height } = config.canvas;
    let grid = (height as usize / factor, width as usize / factor);
    let decoder = Decoder::load(&backend, weights).expect("a decoder");
    let registers = config.registers;
    let ids: Vec<u16> = (0..registers as u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) % config.codebook_size()) as u16)
        .collect();
    let mut group = criterion.benchmark_group(format!("step of {name}"));
    for (label, tokens, guided, images) in [
        ("all positions", registers, false, 1),
        ("16 tokens", 16, false, 1),
        ("1 token", 1, false, 1),
        ("16 tokens, guided", 16, true, 1),
        ("16 tokens, guided, 4 images", 16, true, 4),
    ] {
        let shape = [images, grid.0, grid.1, channels];
        let noise = standard_normal(0, 0, shape.iter().product());
        let x = backend.upload(&noise, &shape).expect("memory");
        let mut conditioned = decoder
            .condition(&backend, grid, &vec![&ids[..tokens]; images], guided)
            .expect("a condition");
        conditioned.schedule(&[T]).expect("modulation");
        let shape = [conditioned.predictions(), grid.0, grid.1, channels];
        let mut out = backend.zeros(&shape).expect("memory");
        group.bench_function(label, |bencher| {
            bencher.iter(|| {
                let ran = backend.run(|| {
                    conditioned.embed(&x, T)?;
                    conditioned.predict(0, &mut out)
                });
                ran.expect("memory");
            });
        });
    }
    group.finish();
}

fn nano(criterion: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/nano.safetensors");
    let weights = Weights::open(path, &OpenOptions::default()).expect("the small network");
    steps(criterion, "nano", &weights);
}

fn d12(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("model.safetensors");
    d12::write_decoder(&path);
    let weights = Weights::open(path, &OpenOptions::default()).expect("the written decoder");
    steps(criterion, "d12", &weights);
}

criterion_group! {
    name = step;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = nano, d12
}
criterion_main!(step);
