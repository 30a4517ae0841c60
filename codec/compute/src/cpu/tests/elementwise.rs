//! Patches, Euler steps, guidance and FSQ.

use super::{assert_close, bits, engines, untouched, upload, values};
use crate::Backend;
use crate::backend::ApgParameters;
use crate::{ComputeError, CpuEngine, Quantizer};

#[test]
fn patches_hold_rows_columns_and_channels_in_order() {
    let [engine, _] = engines(2);
    for (rows, columns, patch, channels) in
        [(1, 1, 1, 1), (2, 3, 2, 16), (4, 2, 4, 5), (3, 5, 1, 3)]
    {
        for images in [1, 3] {
            let (height, width) = (rows * patch, columns * patch);
            let shape = [images, height, width, channels];
            let latents = values(1, shape.iter().product());
            let mut expected = vec![0.0; latents.len()];
            for (index, &value) in latents.iter().enumerate() {
                let (pixel, channel) = (index / channels, index % channels);
                let (image, y, x) = (
                    pixel / width / height,
                    pixel / width % height,
                    pixel % width,
                );
                let row = (image * rows + y / patch) * columns + x / patch;
                let column = (y % patch * patch + x % patch) * channels + channel;
                expected[row * patch * patch * channels + column] = value * 0.25;
            }
            let x = upload(&engine, &latents, &shape);
            let cut_shape = [images * rows * columns, patch * patch * channels];
            let mut cut = untouched(&engine, &cut_shape);
            engine.patchify(&x, patch, 0.25, &mut cut).unwrap();
            assert_eq!(cut.values(), expected);
            let mut back = untouched(&engine, &shape);
            engine.patchify(&x, patch, 1.0, &mut cut).unwrap();
            engine.unpatchify(&cut, patch, &mut back).unwrap();
            assert_eq!(back.values(), latents);
        }
    }
}

#[test]
fn rows_are_copied_where_they_belong() {
    let [engine, _] = engines(1);
    let source = upload(&engine, &values(1, 12), &[4, 3]);
    let mut target = upload(&engine, &values(2, 15), &[5, 3]);
    let before = target.values().to_vec();
    engine.copy_rows(&source, 1, &mut target, 3, 2).unwrap();
    engine.copy_rows(&source, 4, &mut target, 5, 0).unwrap();
    assert_eq!(target.values()[..9], before[..9]);
    assert_eq!(target.values()[9..], source.values()[3..9]);
}

#[test]
fn tensors_keep_their_values_and_take_other_shapes() {
    let [engine, _] = engines(1);
    let mut tensor = upload(&engine, &values(1, 35), &[5, 7]);
    assert_eq!(engine.download(&tensor).unwrap(), values(1, 35));
    assert_eq!(engine.shape(&tensor), [5, 7]);
    engine.reshape(&mut tensor, &[2, 3, 4]).unwrap();
    assert_eq!(
        (engine.shape(&tensor), tensor.values().len()),
        (&[2, 3, 4][..], 24)
    );
    engine.reshape(&mut tensor, &[100]).unwrap();
    assert_eq!(tensor.values().len(), 100);
    assert!(engine.zeros(&[0, 7]).unwrap().values().is_empty());
    for shape in [[usize::MAX, 2], [1 << (usize::BITS / 2 + 8); 2]] {
        let error = engine.zeros(&shape).unwrap_err();
        assert!(matches!(error, ComputeError::OutOfMemory { .. }));
        assert!(matches!(
            engine.reshape(&mut tensor, &shape),
            Err(ComputeError::OutOfMemory { .. })
        ));
    }
}

#[test]
fn euler_steps_and_guidance_follow_their_equations() {
    for engine in engines(2) {
        let count = 341;
        let numbers = [1, 2].map(|seed| values(seed, count));
        let [a, b] = numbers
            .each_ref()
            .map(|values| upload(&engine, values, &[count]));
        let expect = |f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
            let pairs = numbers[0].iter().zip(&numbers[1]);
            pairs
                .map(|(&a, &b)| f(f64::from(a), f64::from(b)))
                .collect()
        };
        let fresh = || upload(&engine, a.values(), &[count]);

        let mut x = fresh();
        engine.euler_step(&mut x, &b, 0.04).unwrap();
        assert_close(
            "euler",
            x.values(),
            &expect(&|x, v| x - 0.04f32 as f64 * v),
            1e-6,
        );
        let mut x = fresh();
        engine.clean_to_velocity(&b, 0.52, &mut x).unwrap();
        assert_close(
            "velocity",
            x.values(),
            &expect(&|clean, x| (x - clean) / 0.52f32 as f64),
            1e-6,
        );
        let both = upload(&engine, &[a.values(), b.values()].concat(), &[2, count]);
        let mut x = untouched(&engine, &[1, count]);
        engine.guide_cfg(&both, 1.5, &mut x).unwrap();
        assert_close("cfg", x.values(), &expect(&|c, u| u + 1.5 * (c - u)), 1e-6);
        assert_eq!(both.values()[..count], *a.values(), "predictions stay");
        // Two predictions of the same latents.
        let mut x = upload(&engine, &[a.values(), a.values()].concat(), &[2, count]);
        engine.clean_to_velocity(&b, 0.52, &mut x).unwrap();
        let velocity = expect(&|clean, x| (x - clean) / 0.52f32 as f64);
        let twice = [velocity.as_slice(), &velocity].concat();
        assert_close("velocities", x.values(), &twice, 1e-6);
        let mut x = fresh();
        engine.scale(&mut x, -3.0).unwrap();
        assert_close("scale", x.values(), &expect(&|x, _| -3.0 * x), 1e-6);
    }
}

/// APG as network.md section 6.3 writes it, in f64 throughout.
fn plain_apg(u: &[f32], p: ApgParameters, running: &mut [f64], c: &[f32]) -> Vec<f64> {
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let c: Vec<f64> = c.iter().map(|&v| f64::from(v)).collect();
    for ((m, c), &u) in running.iter_mut().zip(&c).zip(u) {
        *m = (c - f64::from(u)) + f64::from(p.momentum) * *m;
    }
    let size = norm(running);
    let shrink = if size > 0.0 {
        (f64::from(p.norm_threshold) / size).min(1.0)
    } else {
        1.0
    };
    let direction: Vec<f64> = c.iter().map(|v| v / norm(&c).max(1e-12)).collect();
    let along: f64 = running
        .iter()
        .zip(&direction)
        .map(|(m, d)| m * shrink * d)
        .sum();
    let parts = running.iter().zip(&direction).zip(&c);
    parts
        .map(|((m, d), c)| {
            let parallel = along * d;
            let orthogonal = m * shrink - parallel;
            c + (f64::from(p.scale) - 1.0) * (orthogonal + f64::from(p.eta) * parallel)
        })
        .collect()
}

/// Conditional and unconditional velocities of one step.
type Velocities = (Vec<f32>, Vec<f32>);

/// The outputs and the running differences of each step of APG over `images` images.
fn apg(
    engine: &CpuEngine,
    p: ApgParameters,
    images: usize,
    steps: &[Velocities],
) -> Vec<[Vec<f32>; 2]> {
    let shape = [images, steps[0].0.len() / images];
    let mut running = engine.zeros(&shape).unwrap();
    let mut out = untouched(engine, &shape);
    let step = |(c, u): &Velocities| {
        let both = upload(engine, &[c.as_slice(), u].concat(), &[2 * images, shape[1]]);
        engine.guide_apg(&both, p, &mut running, &mut out).unwrap();
        [out.values().to_vec(), running.values().to_vec()]
    };
    steps.iter().map(step).collect()
}

/// Runs APG over steps of given velocities of one image and compares each.
fn check_apg(engine: &CpuEngine, p: ApgParameters, steps: &[Velocities]) {
    let mut expected_running = vec![0.0; steps[0].0.len()];
    for (index, [found, running]) in apg(engine, p, 1, steps).iter().enumerate() {
        let (c, u) = &steps[index];
        let expected = plain_apg(u, p, &mut expected_running, c);
        assert_close(&format!("step {index}"), found, &expected, 2e-6);
        assert_close("running difference", running, &expected_running, 2e-6);
    }
}

#[test]
fn apg_of_several_images_is_that_of_each() {
    for engine in engines(2) {
        let (images, count, steps) = (3, 131, 4);
        // Images of different magnitudes; only some exceed the threshold.
        let velocities = |image: usize, step: usize| -> Velocities {
            let seed = (10 * step + image) as u64;
            let factor = [1.0, 0.02, 0.3][image];
            let c = values(seed, count);
            let u = c.iter().zip(values(100 + seed, count));
            let u = u.map(|(c, other)| c + factor * other).collect();
            (c, u)
        };
        let together: Vec<Velocities> = (0..steps)
            .map(|step| {
                let (c, u): (Vec<_>, Vec<_>) =
                    (0..images).map(|image| velocities(image, step)).unzip();
                (c.concat(), u.concat())
            })
            .collect();
        let published = ApgParameters::published(7.5);
        let found = apg(&engine, published, images, &together);
        for image in 0..images {
            let alone: Vec<_> = (0..steps).map(|step| velocities(image, step)).collect();
            let place = image * count..(image + 1) * count;
            for (found, alone) in found.iter().zip(apg(&engine, published, 1, &alone)) {
                for (found, alone) in found.iter().zip(&alone) {
                    assert_eq!(bits(&found[place.clone()]), bits(alone), "image {image}");
                }
            }
        }
    }
}

#[test]
fn apg_carries_its_momentum_over_the_steps() {
    let [engine, _] = engines(2);
    for count in [1, 3, 16 * 12 * 8] {
        // Differences beyond the threshold, and far below it.
        for factor in [1.0, 1e-3] {
            let steps: Vec<_> = (0..6)
                .map(|step| {
                    let c = values(step, count);
                    let u = c.iter().zip(values(100 + step, count));
                    let u = u.map(|(c, other)| c + factor * other).collect();
                    (c, u)
                })
                .collect();
            check_apg(&engine, ApgParameters::published(7.5), &steps);
            let own = ApgParameters {
                scale: 3.0,
                momentum: 0.25,
                norm_threshold: 1.0,
                eta: 0.5,
            };
            check_apg(&engine, own, &steps);
        }
    }
}

#[test]
fn apg_of_zeros_is_finite() {
    let [engine, _] = engines(1);
    let (zeros, some) = (vec![0.0; 66], values(1, 66));
    let published = ApgParameters::published(7.5);
    check_apg(&engine, published, &[(zeros.clone(), zeros.clone())]);
    check_apg(
        &engine,
        published,
        &[(some.clone(), some.clone()), (some.clone(), zeros.clone())],
    );
    check_apg(
        &engine,
        published,
        &[(zeros.clone(), some.clone()), (zeros.clone(), zeros)],
    );
}

/// FSQ as network.md section 4 writes it, in f64: the id, and how far the nearest rounding boundary is.
fn plain_fsq(z: &[f32], levels: &[u32]) -> (u16, f64) {
    let (mut id, mut basis, mut margin) = (0.0, 1.0, f64::INFINITY);
    for (&z, &level) in z.iter().zip(levels) {
        let half_range = (f64::from(level) - 1.0) * 1.001 / 2.0;
        let offset = if level % 2 == 0 { 0.5 } else { 0.0 };
        let bounded = (f64::from(z) + (offset / half_range).atanh()).tanh() * half_range - offset;
        let digit = bounded.round_ties_even() + f64::from(level / 2);
        margin = margin.min((bounded.fract().abs() - 0.5).abs());
        id += digit * basis;
        basis *= f64::from(level);
    }
    (id as u16, margin)
}

#[test]
fn fsq_indices_are_those_of_the_specification() {
    let [engine, _] = engines(2);
    for levels in [&[8, 8, 8, 5, 5, 5][..], &[3, 4], &[2], &[16, 15, 7, 6]] {
        for factor in [0.3, 1.0, 3.0, 40.0] {
            let rows = 2000;
            let z: Vec<f32> = values(5, rows * levels.len())
                .iter()
                .map(|v| v * factor)
                .collect();
            let tensor = upload(&engine, &z, &[rows, levels.len()]);
            let ids = engine.quantize(&tensor, &Quantizer::fsq(levels)).unwrap();
            assert_eq!(ids.len(), rows);
            let mut compared = 0;
            for (z, &id) in z.chunks_exact(levels.len()).zip(&ids) {
                let (expected, margin) = plain_fsq(z, levels);
                // Within rounding errors of a boundary f32 and f64 may fall on different sides.
                if margin > 1e-5 {
                    assert_eq!(id, expected, "{z:?} of {levels:?}");
                    compared += 1;
                }
            }
            assert!(compared > rows * 9 / 10, "{compared}");
        }
    }
}

#[test]
fn fsq_reaches_every_digit_and_no_more() {
    let [engine, _] = engines(1);
    let levels = Quantizer::fsq(&[8, 5]);
    let ids = |z: &[f32]| {
        engine
            .quantize(&upload(&engine, z, &[z.len() / 2, 2]), &levels)
            .unwrap()
    };
    // tanh saturates: the digits are the first and the last.
    assert_eq!(ids(&[-1e30, -1e30]), [0]);
    assert_eq!(ids(&[1e30, 1e30]), [39]);
    assert_eq!(ids(&[f32::NEG_INFINITY, f32::INFINITY]), [32]);
    let seen: std::collections::BTreeSet<u16> = ids(&values(1, 20_000)
        .iter()
        .map(|v| v * 4.0)
        .collect::<Vec<_>>())
    .into_iter()
    .collect();
    assert_eq!(seen, (0..40).collect());
}

#[test]
fn fsq_ties_go_to_the_even_digit_offset() {
    let [engine, _] = engines(1);
    // Of five levels, tanh(z)·2.002 is within one unit in the last place of a tie somewhere near each of these; stepping
    // through neighbouring floats has to meet exactly one change of digit, and on the tie itself the even value.
    for (tie, even) in [(0.5f32, 0i64), (-0.5, 0), (1.5, 2), (-1.5, -2)] {
        let half_range = (5.0f32 - 1.0) * 1.001 / 2.0;
        let middle = (f64::from(tie) / f64::from(half_range)).atanh() as f32;
        let mut met = false;
        let mut z = f32::from_bits(middle.to_bits() - 200);
        let mut digits = Vec::new();
        for _ in 0..400 {
            z = f32::from_bits(z.to_bits() + 1);
            let id = engine
                .quantize(&upload(&engine, &[z], &[1, 1]), &Quantizer::fsq(&[5]))
                .unwrap()[0];
            let value = i64::from(id) - 2;
            if f64::from(z).tanh() as f32 * half_range == tie {
                assert_eq!(value, even, "tie at {tie}");
                met = true;
            }
            digits.push(value);
        }
        digits.dedup();
        assert_eq!(digits.len(), 2, "around {tie}: {digits:?}");
        assert!(met, "no exact tie near {tie}");
    }
}
