//! Copies, Euler steps, velocities, guidance, patches and FSQ.

use proptest::prelude::*;

use super::{assert_close, cpu, engine, half_engine, values};
use crate::backend::ApgParameters;
use crate::{Backend, Quantizer};

/// Everything on tensors of `[images, height, width, channels]`, results one after the other.
fn run<B: Backend>(engine: &B, shape: [usize; 4], patch: usize) -> Vec<Vec<f32>> {
    let [images, height, width, channels] = shape;
    let count = shape.iter().product();
    let x = || engine.upload(&values(1, count), &shape).unwrap();
    let both = [2 * images, height, width, channels];
    let predictions = || engine.upload(&values(2, 2 * count), &both).unwrap();
    let mut results = Vec::new();
    let mut keep = |tensor: &B::Tensor| results.push(engine.download(tensor).unwrap());

    let mut scaled = x();
    engine.scale(&mut scaled, 0.75).unwrap();
    keep(&scaled);
    let mut moved = x();
    engine.euler_step(&mut moved, &scaled, 0.125).unwrap();
    keep(&moved);
    let mut velocities = predictions();
    engine
        .clean_to_velocity(&x(), 0.52, &mut velocities)
        .unwrap();
    keep(&velocities);
    let mut guided = engine.zeros_full(&shape).unwrap();
    engine.guide_cfg(&predictions(), 1.5, &mut guided).unwrap();
    keep(&guided);
    // Two steps, so that the momentum counts; the first shrinks the difference, the second does not.
    let mut running = engine.zeros_full(&shape).unwrap();
    for threshold in [0.5, 1e6] {
        let parameters = ApgParameters {
            norm_threshold: threshold,
            eta: 0.25,
            ..ApgParameters::published(7.5)
        };
        engine
            .guide_apg(&velocities, parameters, &mut running, &mut guided)
            .unwrap();
        keep(&guided);
        keep(&running);
    }
    let cut = [count / (patch * patch * channels), patch * patch * channels];
    let mut patches = engine.zeros(&cut).unwrap();
    engine.patchify(&x(), patch, 0.5, &mut patches).unwrap();
    keep(&patches);
    let mut back = engine.zeros_full(&shape).unwrap();
    engine.unpatchify(&patches, patch, &mut back).unwrap();
    keep(&back);
    let mut rows = engine
        .zeros(&[images * height * width + 2, channels])
        .unwrap();
    engine
        .copy_rows(&x(), 1, &mut rows, 3, count / channels - 1)
        .unwrap();
    keep(&rows);
    let columns = channels.div_ceil(2);
    let mut part = engine.zeros(&[images, height, width, columns]).unwrap();
    engine
        .copy_columns(&x(), channels - columns, &mut part)
        .unwrap();
    keep(&part);
    results
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn every_operation_equals_the_cpu_engines() {
    for (shape, patch) in [
        ([1, 2, 2, 1], 2),
        ([3, 6, 10, 5], 2),
        ([2, 24, 40, 16], 4),
        ([1, 40, 64, 16], 2),
    ] {
        for (found, expected) in run(engine(), shape, patch)
            .iter()
            .zip(run(cpu(), shape, patch))
        {
            assert_close(found, &expected, 2e-5);
        }
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn half_precision_activations_are_close() {
    for (found, expected) in
        run(half_engine(), [2, 8, 8, 4], 2)
            .iter()
            .zip(run(cpu(), [2, 8, 8, 4], 2))
    {
        assert_close(found, &expected, 1e-3);
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn images_of_a_batch_are_guided_as_alone() {
    let (shape, one) = ([3, 40, 52, 4], 40 * 52 * 4);
    let predictions = values(7, 2 * 3 * one);
    let guide = |predictions: &[f32], images: usize| {
        let both = [2 * images, shape[1], shape[2], shape[3]];
        let all = [images, shape[1], shape[2], shape[3]];
        let predictions = engine().upload(predictions, &both).unwrap();
        let mut running = engine().zeros_full(&all).unwrap();
        let mut out = engine().zeros_full(&all).unwrap();
        engine()
            .guide_apg(
                &predictions,
                ApgParameters::published(7.5),
                &mut running,
                &mut out,
            )
            .unwrap();
        engine().download(&out).unwrap()
    };
    let together = guide(&predictions, 3);
    for image in 0..3 {
        let own = |part: usize| predictions[(part * 3 + image) * one..][..one].to_vec();
        let alone = guide(&[own(0), own(1)].concat(), 1);
        assert_eq!(together[image * one..][..one], alone);
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn zeros_are_zeros_whatever_was_in_the_memory_before() {
    for count in [1usize, 255, 4099] {
        let used = engine().upload(&vec![3.0; count], &[count]).unwrap();
        drop(used);
        let mut zeros = engine().zeros(&[count]).unwrap();
        assert_eq!(engine().read_raw(&zeros).unwrap(), vec![0.0; count]);
        engine().reshape(&mut zeros, &[count, 1]).unwrap();
        assert_eq!(engine().shape(&zeros), [count, 1]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "needs a device: .ci/run gpu"]
    fn any_shapes_equal_the_cpu_engines(images in 1usize..4, rows in 1usize..9, columns in 1usize..9, channels in 1usize..4) {
        let shape = [images, 2 * rows, 2 * columns, channels];
        for (found, expected) in run(engine(), shape, 2).iter().zip(run(cpu(), shape, 2)) {
            assert_close(found, &expected, 2e-5);
        }
    }

    #[test]
    #[ignore = "needs a device: .ci/run gpu"]
    fn indices_are_those_of_the_cpu_engine(seed: u64, rows in 1usize..300) {
        for levels in [&[8u32, 8, 8, 5, 5, 5][..], &[2, 3], &[16], &[7, 5, 5, 5, 5]] {
            let latents: Vec<f32> = values(seed, rows * levels.len()).iter().map(|v| v * 3.0).collect();
            let shape = [rows, levels.len()];
            let quantizer = Quantizer::fsq(levels);
            let found = engine().quantize(&engine().upload(&latents, &shape).unwrap(), &quantizer).unwrap();
            let expected = cpu().quantize(&cpu().upload(&latents, &shape).unwrap(), &quantizer).unwrap();
            prop_assert_eq!(found, expected);
        }
    }
}
