//! The network in the native form against dumps of its training code.

use image::RgbImage;

use super::golden::{Golden, Stages, TestEngine, assert_close, data, on_every_engine};
use crate::picture::Canvas;
use crate::sampler::Guidance;
use crate::weights::{OpenOptions, Weights};

on_every_engine!(
    encoding_matches_at_every_stage,
    predicted_clean_latents_match,
    decoded_images_match,
    one_step_does_not_depend_on_the_noise,
);

const TOLERANCE: f32 = 1e-3;

fn nano<B: TestEngine>() -> Stages<B> {
    Stages::with(Weights::open(data("nano.safetensors"), &OpenOptions::default()).unwrap())
}

fn golden() -> Golden {
    Golden::open("nano.golden.safetensors")
}

fn encoding_matches_at_every_stage<B: TestEngine>() {
    let (stages, golden) = (nano::<B>(), golden());
    let picture = RgbImage::from_raw(256, 256, golden.u8("image_u8")).unwrap();
    let latents = stages.latents(
        &Canvas::from_rgb(&picture)
            .expect("memory")
            .planes()
            .expect("memory"),
        256,
        None,
    );
    assert_close("latents", &latents, &golden.f32("latents"), TOLERANCE);
    let (_, ids) = stages.encode(&latents, 32, 256);
    assert_eq!(ids, golden.ids("tokens"));
    let round_trip = stages.image(&latents, 32);
    assert_close(
        "round trip",
        &round_trip,
        &golden.f32("vae_round_trip"),
        TOLERANCE,
    );
}

fn predicted_clean_latents_match<B: TestEngine>() {
    let (stages, golden) = (nano::<B>(), golden());
    let (ids, noise) = (golden.ids("tokens"), golden.f32("noise"));
    let mut compared = 0;
    for name in golden.names().iter().filter(|name| name.starts_with("x0.")) {
        let (what, t) = name.trim_start_matches("x0.").split_once(".t").unwrap();
        let ids = what.strip_prefix('k').map(|k| &ids[..k.parse().unwrap()]);
        let clean = stages.predict(&noise, 32, t.parse().unwrap(), ids);
        assert_close(name, &clean, &golden.f32(name), TOLERANCE);
        compared += 1;
    }
    assert!(compared >= 9, "{compared} predictions");
}

fn decoded_images_match<B: TestEngine>() {
    let (stages, golden) = (nano::<B>(), golden());
    let (ids, noise) = (golden.ids("tokens"), golden.f32("noise"));
    let mut compared = 0;
    for name in golden
        .names()
        .iter()
        .filter(|name| name.starts_with("image.k"))
    {
        let mut parts = name.trim_start_matches("image.k").split('.');
        let k: usize = parts.next().unwrap().parse().unwrap();
        let steps = parts
            .next()
            .unwrap()
            .trim_start_matches("steps")
            .parse()
            .unwrap();
        let guidance = match parts.next() {
            None => Guidance::None,
            Some(cfg) => Guidance::Cfg(cfg.trim_start_matches("cfg").parse().unwrap()),
        };
        let latents = stages.sample(&noise, 32, &ids[..k], steps, guidance);
        assert_close(
            name,
            &stages.image(&latents, 32),
            &golden.f32(name),
            TOLERANCE,
        );
        compared += 1;
    }
    assert!(compared >= 9, "{compared} images");
}

fn one_step_does_not_depend_on_the_noise<B: TestEngine>() {
    let (stages, golden) = (nano::<B>(), golden());
    let ids = &golden.ids("tokens")[..16];
    let noise = golden.f32("noise");
    let other: Vec<f32> = noise.iter().rev().map(|value| value * 3.0).collect();
    let first = stages.sample(&noise, 32, ids, 1, Guidance::None);
    assert_eq!(first, stages.sample(&other, 32, ids, 1, Guidance::None));
}
