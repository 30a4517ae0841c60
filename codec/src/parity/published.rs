//! The published layout: a small checkpoint with dumps made by the official code.

use super::golden::{Golden, Stages, TestEngine, assert_close, on_every_engine};
use crate::sampler::Guidance;

on_every_engine!(
    encoding_matches_at_every_stage,
    a_sampled_posterior_matches_for_the_same_noise,
    the_vae_reconstructs_what_the_official_one_does,
    single_velocities_match,
    single_velocities_of_other_grids_match,
    trajectories_and_their_images_match,
    other_grids_match_throughout,
);

/// Everything but ids may differ by this much: the dumps are f32, and sums of other orders differ in the last bits.
const TOLERANCE: f32 = 1e-3;

fn tiny<B: TestEngine>() -> Stages<B> {
    Stages::open("tiny/model.safetensors")
}

fn encoding_matches_at_every_stage<B: TestEngine>() {
    let stages = tiny::<B>();
    let golden = Golden::open("tiny/encode.safetensors");
    let latents = stages.latents(&golden.f32("input_normalised"), 256, None);
    assert_close(
        "latents",
        &latents,
        &golden.f32("vae_latents_scaled_mode"),
        TOLERANCE,
    );
    let (z, ids) = stages.encode(&latents, 32, 256);
    assert_close("pre-FSQ values", &z, &golden.f32("enc_pre_fsq"), TOLERANCE);
    assert_eq!(ids, golden.ids("tokens"));
}

fn a_sampled_posterior_matches_for_the_same_noise<B: TestEngine>() {
    let golden = Golden::open("tiny/encode.safetensors");
    let noise = golden.f32("vae_sample_noise");
    let latents = tiny::<B>().latents(&golden.f32("input_normalised"), 256, Some(&noise));
    assert_close(
        "sampled latents",
        &latents,
        &golden.f32("vae_latents_sampled_scaled"),
        TOLERANCE,
    );
}

fn the_vae_reconstructs_what_the_official_one_does<B: TestEngine>() {
    let golden = Golden::open("tiny/encode.safetensors");
    let image = tiny::<B>().image(&golden.f32("vae_latents_scaled_mode"), 32);
    assert_close(
        "reconstruction",
        &image,
        &golden.f32("vae_recon_of_mode"),
        TOLERANCE,
    );
}

/// Compares every `v.k{k}.t{t}.{cond|uncond}` of a file.
fn velocities<B: TestEngine>(file: &str, height: usize, ids: &[u16]) {
    let (stages, golden) = (tiny::<B>(), Golden::open(file));
    let x = golden.f32("x");
    let mut compared = 0;
    for name in golden.names().iter().filter(|name| name.starts_with("v.k")) {
        let (k, rest) = name.trim_start_matches("v.k").split_once(".t").unwrap();
        let (t, condition) = rest.rsplit_once('.').unwrap();
        let ids = (condition == "cond").then(|| &ids[..k.parse().unwrap()]);
        let velocity = stages.predict(&x, height, t.parse().unwrap(), ids);
        assert_close(name, &velocity, &golden.f32(name), TOLERANCE);
        compared += 1;
    }
    assert!(compared >= 6, "{compared} velocities");
}

fn single_velocities_match<B: TestEngine>() {
    let ids = Golden::open("tiny/encode.safetensors").ids("tokens");
    velocities::<B>("tiny/velocity.safetensors", 32, &ids);
}

fn single_velocities_of_other_grids_match<B: TestEngine>() {
    let ids = Golden::open("tiny/rect_24x32/encode.safetensors").ids("tokens");
    velocities::<B>("tiny/rect_24x32/velocity.safetensors", 24, &ids);
}

/// Compares the ends of one of so many trajectories of a file, and the images of those that have one.
fn trajectories<B: TestEngine>(folder: &str, height: usize, ids: &[u16], one_of: usize) {
    let stages = tiny::<B>();
    let golden = Golden::open(&format!("{folder}/trajectories.safetensors"));
    let images = Golden::open(&format!("{folder}/images.safetensors"));
    let noise = golden.f32("noise");
    let (mut compared, mut names) = (0, golden.names());
    names.retain(|name| name.ends_with(".x"));
    // By guidance, then by tokens.
    names.sort();
    for name in names.iter().step_by(one_of) {
        let (mode, k) = name.trim_end_matches(".x").rsplit_once(".k").unwrap();
        let guidance = match mode {
            "none" => Guidance::None,
            "cfg1.5" => Guidance::Cfg(1.5),
            "apg7.5" => Guidance::Apg(7.5),
            other => panic!("unknown mode {other}"),
        };
        let found = stages.sample(&noise, height, &ids[..k.parse().unwrap()], 25, guidance);
        let kept = golden.f32(name);
        let expected = &kept[kept.len() - noise.len()..];
        assert_close(name, &found, expected, TOLERANCE);
        let image = format!("{mode}.k{k}.image");
        if images.names().contains(&image) {
            assert_close(
                &image,
                &stages.image(&found, height),
                &images.f32(&image),
                TOLERANCE,
            );
        }
        compared += 1;
    }
    assert!(compared >= 3, "{compared} trajectories");
}

fn trajectories_and_their_images_match<B: TestEngine>() {
    let ids = Golden::open("tiny/encode.safetensors").ids("tokens");
    trajectories::<B>("tiny", 32, &ids, B::TRAJECTORIES);
}

fn other_grids_match_throughout<B: TestEngine>() {
    let golden = Golden::open("tiny/rect_24x32/encode.safetensors");
    let stages = tiny::<B>();
    let latents = stages.latents(&golden.f32("input_normalised"), 192, None);
    assert_close(
        "latents",
        &latents,
        &golden.f32("vae_latents_scaled_mode"),
        TOLERANCE,
    );
    let (z, ids) = stages.encode(&latents, 24, 256);
    assert_close("pre-FSQ values", &z, &golden.f32("enc_pre_fsq"), TOLERANCE);
    assert_eq!(ids, golden.ids("tokens"));
    trajectories::<B>("tiny/rect_24x32", 24, &ids, 1);
}
