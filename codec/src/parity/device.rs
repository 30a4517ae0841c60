//! A device compared with the CPU engine where there are no dumps: batches, odd numbers of tokens, other grids.

use flextok_compute::{CpuEngine, GpuEngine};

use super::golden::{Stages, assert_close};
use super::savings::{ids, latents, published};
use crate::sampler::{Guidance, standard_normal};

/// Additions in another order, over a trajectory.
const TOLERANCE: f32 = 1e-3;

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn gpu_batches_of_three_are_those_of_the_cpu() {
    for (name, cpu) in published() {
        let gpu: Stages<GpuEngine> = Stages::open(&name);
        let (height, count) = latents(&cpu);
        let ids = ids(&cpu);
        let registers = ids.len();
        let noise = [3, 5, 7].map(|seed| standard_normal(seed, 0, count));
        let tokens = [1, registers - 1, registers.min(17)];
        let batch: Vec<(&[f32], &[u16])> = noise
            .iter()
            .zip(tokens)
            .map(|(x, k)| (x.as_slice(), &ids[..k]))
            .collect();
        let found = gpu.sample_batch(&batch, height, 3, Guidance::Apg(7.5));
        let expected = cpu.sample_batch(&batch, height, 3, Guidance::Apg(7.5));
        for (image, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_close(
                &format!("{name}: image {image}"),
                found,
                expected,
                TOLERANCE,
            );
        }
        let images = noise.each_ref().map(Vec::as_slice);
        for tokens in [1, registers - 1] {
            let (found, found_ids) = gpu.encode_batch(&images, height, tokens);
            let (expected, expected_ids) = cpu.encode_batch(&images, height, tokens);
            assert_close(
                &format!("{name}: {tokens} tokens"),
                &found,
                &expected,
                TOLERANCE,
            );
            assert_eq!(found_ids, expected_ids, "{name}: {tokens} tokens");
        }
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn gpu_latents_of_24_by_40_are_those_of_the_cpu() {
    let name = "variants/interpolate_single_null";
    let (cpu, gpu): (Stages<CpuEngine>, Stages<GpuEngine>) =
        (Stages::open(name), Stages::open(name));
    let channels = cpu.weights.network().unwrap().vae.latent_channels();
    let noise = standard_normal(11, 0, channels * 24 * 40);
    let ids = ids(&cpu);
    let sample = |k: usize| {
        let expected = cpu.sample(&noise, 24, &ids[..k], 3, Guidance::Cfg(1.5));
        let found = gpu.sample(&noise, 24, &ids[..k], 3, Guidance::Cfg(1.5));
        assert_close("latents", &found, &expected, TOLERANCE);
        assert_close(
            "image",
            &gpu.image(&found, 24),
            &cpu.image(&expected, 24),
            TOLERANCE,
        );
    };
    sample(1);
    sample(ids.len() - 1);
    let (_, found) = gpu.encode(&noise, 24, ids.len());
    let (_, expected) = cpu.encode(&noise, 24, ids.len());
    assert_eq!(found, expected);
}
