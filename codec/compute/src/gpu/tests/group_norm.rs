//! Group norm against the CPU engine, and against f64 where the CPU engine's own rounding would show.

use proptest::prelude::*;

use super::conv::{activations, assert_close, group_norm};
use super::{engine, half_engine, values};
use crate::backend::GroupNorm;
use crate::{Backend, CpuEngine};

fn run<B: Backend>(engine: &B, numbers: &[f32], shape: [usize; 3], norm: &GroupNorm) -> Vec<f32> {
    let x = activations(engine, numbers, &shape);
    let mut out = engine.zeros(&shape).unwrap();
    engine.group_norm(&x, norm, &mut out).unwrap();
    engine.download(&out).unwrap()
}

/// In f64.
fn plain(x: &[f32], norm: &GroupNorm) -> Vec<f32> {
    let channels = norm.gamma.len();
    let of = channels / norm.groups;
    let count = (x.len() / norm.groups) as f64;
    let group = |index: usize| index % channels / of;
    let mut means = vec![0.0f64; norm.groups];
    let mut squares = vec![0.0f64; norm.groups];
    for (index, &value) in x.iter().enumerate() {
        means[group(index)] += f64::from(value) / count;
    }
    for (index, &value) in x.iter().enumerate() {
        squares[group(index)] += (f64::from(value) - means[group(index)]).powi(2) / count;
    }
    let normed = x.iter().enumerate().map(|(index, &value)| {
        let (group, channel) = (group(index), index % channels);
        let scale = 1.0 / (squares[group] + f64::from(norm.eps)).sqrt();
        let centred = (f64::from(value) - means[group]) * scale;
        (centred * f64::from(norm.gamma[channel]) + f64::from(norm.beta[channel])) as f32
    });
    normed.collect()
}

fn check(shape: [usize; 3], groups: usize, mean: f32, tolerance: f32) {
    let numbers = values(1, shape.iter().product());
    let numbers: Vec<f32> = numbers.iter().map(|v| v + mean).collect();
    let norm = group_norm(shape[2], groups);
    let found = run(engine(), &numbers, shape, &norm);
    let what = format!("{shape:?} in {groups} groups around {mean}");
    assert_close(&what, &found, &plain(&numbers, &norm), tolerance);
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn awkward_sizes_are_right() {
    for (height, width) in [(1, 1), (3, 5), (17, 9), (40, 41)] {
        for (channels, groups) in [
            (1, 1),
            (3, 3),
            (20, 4),
            (33, 11),
            (64, 32),
            (300, 3),
            (512, 32),
        ] {
            check([height, width, channels], groups, 0.3, 1e-5);
        }
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn the_cpu_engine_agrees() {
    let (shape, norm) = ([19, 23, 48], group_norm(48, 8));
    let numbers = values(5, 19 * 23 * 48);
    let cpu = CpuEngine::new(1).unwrap();
    let expected = run(&cpu, &numbers, shape, &norm);
    assert_close(
        "f32",
        &run(engine(), &numbers, shape, &norm),
        &expected,
        1e-5,
    );
    let found = run(half_engine(), &numbers, shape, &norm);
    assert_close("f16", &found, &expected, 2e-3);
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn a_mean_large_beside_the_spread_costs_no_precision() {
    check([40, 41, 12], 3, 1000.0, 1e-5);
    check([7, 3, 512], 32, -1000.0, 1e-5);
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn a_large_image_is_right() {
    check([256, 256, 128], 32, 2.0, 1e-5);
    // Units take more than their least number of pixels.
    check([600, 700, 3], 1, 2.0, 1e-5);
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn parameters_are_not_mixed_up() {
    let (shape, numbers) = ([3, 4, 8], values(1, 96));
    let mut norm = group_norm(8, 2);
    let first = run(engine(), &numbers, shape, &norm);
    norm.beta[7] += 1.0;
    let second = run(engine(), &numbers, shape, &norm);
    assert_close("another offset", &second, &plain(&numbers, &norm), 1e-5);
    norm.beta[7] -= 1.0;
    assert_close(
        "the first again",
        &run(engine(), &numbers, shape, &norm),
        &first,
        1e-6,
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    #[ignore = "needs a device: .ci/run gpu"]
    fn any_size_is_right(
        (height, width) in (1usize..40, 2usize..40),
        (groups, each) in (1usize..20, 1usize..20),
        mean in -3.0f32..3.0,
    ) {
        check([height, width, groups * each], groups, mean, 1e-5);
    }
}
