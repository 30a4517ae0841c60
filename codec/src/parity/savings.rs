//! The savings of the network, each against the plain computation that it replaces.

use flextok_compute::{Backend, CpuEngine};

use super::golden::{Golden, Stages, data};
use super::plain::Plain;
use crate::config::{DroppedRegisters, MaskMode};
use crate::network::Decoder;
use crate::sampler::{Guidance, standard_normal};
use crate::weights::{OpenOptions, Weights};

/// The model that the official dumps are of.
fn tiny() -> Stages {
    Stages::open("tiny/model.safetensors")
}

pub(super) fn embedded() -> Stages {
    Stages::with(Weights::open(data("nano.safetensors"), &OpenOptions::default()).unwrap())
}

/// Every available model in the published layout: masks, null conditions, widths and element types differ.
pub(super) fn published() -> Vec<(String, Stages)> {
    let mut folders: Vec<_> = std::fs::read_dir(data("variants"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| format!("variants/{name}"))
        .collect();
    folders.sort();
    assert!(folders.len() >= 4, "variants are missing: {folders:?}");
    folders.push("tiny".to_owned());
    let open = |name: String| {
        let stages = Stages::open(&name);
        (name, stages)
    };
    folders.into_iter().map(open).collect()
}

/// Rows of the latents of a model's own canvas, and how many numbers they have.
pub(super) fn latents(stages: &Stages) -> (usize, usize) {
    let config = stages.weights.network().unwrap();
    let [channels, rows, columns] = config.latent_shape(config.canvas).unwrap();
    (rows, channels * rows * columns)
}

/// Ids that look like an image's: spread over the whole codebook.
pub(super) fn ids(stages: &Stages) -> Vec<u16> {
    let config = stages.weights.network().unwrap();
    (0..config.registers as u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) % config.codebook_size()) as u16)
        .collect()
}

fn largest_difference(found: &[f32], plain: &[f64]) -> f64 {
    assert_eq!(found.len(), plain.len());
    let pairs = found.iter().zip(plain);
    pairs
        .map(|(&a, b)| {
            if a.is_finite() {
                (f64::from(a) - b).abs()
            } else {
                f64::INFINITY
            }
        })
        .fold(0.0, f64::max)
}

#[track_caller]
fn assert_close(what: &str, found: &[f32], plain: &[f64], tolerance: f64) {
    let worst = largest_difference(found, plain);
    assert!(
        worst <= tolerance,
        "{what}: differs by {worst:.2e}, allowed {tolerance:.0e}"
    );
}

/// Compares passes with few, some and all tokens, and the unconditional one, with the sequence at full length.
fn compare_with_plain(name: &str, stages: &Stages, counts: &[usize]) {
    let (height, count) = latents(stages);
    let x = standard_normal(3, 0, count);
    let ids = ids(stages);
    let plain = Plain(&stages.weights);
    for (index, &k) in counts.iter().enumerate() {
        let t = [1.0, 0.52, 0.04][index % 3];
        let expected = plain.predict(&x, height, t, &plain.registers(Some(&ids[..k])));
        let found = stages.predict(&x, height, t, Some(&ids[..k]));
        assert_close(
            &format!("{name}, {k} tokens at {t}"),
            &found,
            &expected,
            1e-4,
        );
    }
    let expected = plain.predict(&x, height, 0.52, &plain.registers(None));
    let found = stages.predict(&x, height, 0.52, None);
    assert_close(&format!("{name}, unconditional"), &found, &expected, 1e-4);
}

#[test]
fn one_representative_stands_for_all_dropped_registers() {
    for (name, stages) in published() {
        let config = stages.weights.network().unwrap();
        assert_eq!(
            config.decoder.dropped,
            DroppedRegisters::MaskToken,
            "{name}"
        );
        let registers = config.registers;
        let plain = Plain(&stages.weights).registers(Some(&[7]));
        assert_eq!(
            plain.len(),
            registers * config.decoder.transformer.width,
            "{name}"
        );
        compare_with_plain(&name, &stages, &[1, 17, registers - 1, registers]);

        // The comparison would fail if the representative did not count as all of them.
        let (height, count) = latents(&stages);
        let x = standard_normal(3, 0, count);
        let once = &plain[..2 * config.decoder.transformer.width];
        let expected = Plain(&stages.weights).predict(&x, height, 1.0, once);
        let found = stages.predict(&x, height, 1.0, Some(&[7]));
        assert!(
            largest_difference(&found, &expected) > 1e-3,
            "{name}: the number of dropped registers does not matter"
        );
    }
}

#[test]
fn a_model_without_dropped_registers_is_computed_as_it_is() {
    compare_with_plain("embedded", &embedded(), &[4]);
}

#[test]
fn the_encoder_gives_what_every_row_through_every_block_gives() {
    for (name, stages) in published() {
        let (height, count) = latents(&stages);
        let x = standard_normal(5, 0, count);
        let expected = Plain(&stages.weights).encode(&x, height);
        let registers = stages.weights.network().unwrap().registers;
        let (z, _) = stages.encode(&x, height, registers);
        assert_close(&name, &z, &expected, 1e-4);
        let channels = z.len() / registers;
        let (some, _) = stages.encode(&x, height, 9);
        assert_close(&name, &some, &expected[..9 * channels], 1e-4);
    }
}

#[test]
fn fewer_registers_have_the_same_bits() {
    let mut models = published();
    models.push(("embedded".to_owned(), embedded()));
    for (name, stages) in models {
        let (height, count) = latents(&stages);
        let x = standard_normal(7, 0, count);
        let registers = stages.weights.network().unwrap().registers;
        let (all, all_ids) = stages.encode(&x, height, registers);
        let channels = all.len() / registers;
        let counts: &[usize] = match (
            name.as_str(),
            stages.weights.network().unwrap().encoder.mask,
        ) {
            ("tiny" | "embedded", MaskMode::CausalLast) => &[1, 2, 3, 17, 64, 255],
            _ => &[1, 17, 63],
        };
        for &k in counts {
            let (z, ids) = stages.encode(&x, height, k);
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(
                bits(&z),
                bits(&all[..k * channels]),
                "{name}: {k} of {registers}"
            );
            assert_eq!(ids, all_ids[..k], "{name}: {k} of {registers}");
        }
    }
}

/// Predictions for both conditions at `step` of the current schedule.
fn predictions(
    backend: &CpuEngine,
    conditioned: &mut crate::network::Conditioned<'_, CpuEngine>,
    x: &<CpuEngine as Backend>::Tensor,
    (t, step): (f32, usize),
) -> [Vec<f32>; 2] {
    let mut shape = backend.shape(x).to_vec();
    shape[0] = conditioned.predictions();
    let mut out = backend.zeros(&shape).unwrap();
    conditioned.embed(x, t).unwrap();
    conditioned.predict(step, &mut out).unwrap();
    let (conditional, unconditional) = out.values().split_at(x.values().len());
    [conditional.to_vec(), unconditional.to_vec()]
}

#[test]
fn modulation_of_all_steps_at_once_has_the_bits_of_each_step_alone() {
    for stages in [tiny(), embedded()] {
        let (height, count) = latents(&stages);
        let channels = stages.weights.network().unwrap().vae.latent_channels();
        let shape = [1, height, count / channels / height, channels];
        let backend = stages.backend;
        let x = backend
            .upload(&standard_normal(9, 0, count), &shape)
            .unwrap();
        let decoder = Decoder::load(backend, &stages.weights).unwrap();
        let ids = &ids(&stages)[..5];
        let grid = (shape[1], shape[2]);
        let mut together = decoder.condition(backend, grid, &[ids], true).unwrap();
        let mut alone = decoder.condition(backend, grid, &[ids], true).unwrap();
        let times: Vec<f32> = (0..71).map(|i| 1.0 - i as f32 / 80.0).collect();
        together.schedule(&times).unwrap();
        for step in [0, 1, 31, 32, 33, 63, 64, 70, 3] {
            alone.schedule(&times[step..=step]).unwrap();
            let expected = predictions(backend, &mut alone, &x, (times[step], 0));
            let found = predictions(backend, &mut together, &x, (times[step], step));
            assert_eq!(found, expected, "step {step}");
            assert_ne!(found[0], found[1], "both conditions give the same");
        }
    }
}

#[test]
fn schedules_beyond_one_table_go_on_where_it_ends() {
    let stages = tiny();
    // More than the modulation tables hold at once.
    let steps = 37;
    let (height, count) = latents(&stages);
    let noise = Golden::open("tiny/trajectories.safetensors").f32("noise");
    assert_eq!(noise.len(), count);
    let ids = &ids(&stages)[..3];
    let found = stages.sample(&noise, height, ids, steps as u32, Guidance::Cfg(1.5));

    let mut x = noise;
    let dt = 1.0 / steps as f32;
    for done in 0..steps {
        let t = (steps - done) as f32 / steps as f32;
        let conditional = stages.predict(&x, height, t, Some(ids));
        let unconditional = stages.predict(&x, height, t, None);
        for ((x, c), u) in x.iter_mut().zip(conditional).zip(unconditional) {
            *x -= dt * (u + 1.5 * (c - u));
        }
    }
    assert_eq!(found, x);
}
