//! Checkpoints of the published layout with other widths, tables, masks, element types and config forms.
//!
//! Their dumps come from an independent rendering of the network, `benches/pytorch/make_variants.py`.

use image::RgbImage;

use super::golden::{Golden, Stages, TestEngine, assert_close, data, on_every_engine};
use crate::picture::Canvas;
use crate::sampler::Guidance;

on_every_engine!(
    one_modulation_for_all_rows_and_cropped_oblong_tables,
    separable_sums_full_mask_and_biases_from_a_config_beside_the_weights,
    separable_products_and_a_null_condition_of_zeros,
    interpolated_tables_and_a_single_null_register,
);

const TOLERANCE: f32 = 1e-3;
const STEPS: u32 = 5;

/// Compares every dump of one variant.
fn compare<B: TestEngine>(variant: &str) {
    let folder = format!("variants/{variant}");
    let stages: Stages<B> = if data(&folder).join("config.json").exists() {
        Stages::open(&folder)
    } else {
        Stages::open(&format!("{folder}/model.safetensors"))
    };
    let golden = Golden::open(&format!("{folder}/golden.safetensors"));
    let shape = golden.shape("image_u8");
    let (height, width) = (shape[0], shape[1]);
    let picture = RgbImage::from_raw(width as u32, height as u32, golden.u8("image_u8")).unwrap();
    let latents = stages.latents(
        &Canvas::from_rgb(&picture)
            .expect("memory")
            .planes()
            .expect("memory"),
        height,
        None,
    );
    assert_close("latents", &latents, &golden.f32("latents"), TOLERANCE);
    let rows = golden.shape("latents")[2];
    let (z, ids) = stages.encode(&latents, rows, golden.ids("tokens").len());
    assert_close("pre-FSQ values", &z, &golden.f32("pre_fsq"), TOLERANCE);
    assert_eq!(ids, golden.ids("tokens"));

    let noise = golden.f32("noise");
    let (mut velocities, mut trajectories, mut images) = (0, 0, 0);
    for name in golden.names() {
        if let Some(rest) = name.strip_prefix("v.k") {
            let (k, rest) = rest.split_once(".t").unwrap();
            let (t, condition) = rest.rsplit_once('.').unwrap();
            let ids = (condition == "cond").then(|| &ids[..k.parse().unwrap()]);
            let velocity = stages.predict(&noise, rows, t.parse().unwrap(), ids);
            assert_close(&name, &velocity, &golden.f32(&name), TOLERANCE);
            velocities += 1;
        } else if let Some((mode, k)) = name
            .strip_suffix(".x")
            .and_then(|name| name.rsplit_once(".k"))
        {
            let guidance = match mode {
                "none" => Guidance::None,
                "cfg1.5" => Guidance::Cfg(1.5),
                "apg7.5" => Guidance::Apg(7.5),
                other => panic!("unknown mode {other}"),
            };
            let end = stages.sample(&noise, rows, &ids[..k.parse().unwrap()], STEPS, guidance);
            assert_close(&name, &end, &golden.f32(&name), TOLERANCE);
            trajectories += 1;
            let image = format!("{mode}.k{k}.image");
            if golden.names().contains(&image) {
                assert_close(
                    &image,
                    &stages.image(&end, rows),
                    &golden.f32(&image),
                    TOLERANCE,
                );
                images += 1;
            }
        }
    }
    assert!(
        velocities >= 4 && trajectories == 3 && images == 1,
        "dumps are missing"
    );
}

fn one_modulation_for_all_rows_and_cropped_oblong_tables<B: TestEngine>() {
    compare::<B>("adaln1_rect_tables");
}

fn separable_sums_full_mask_and_biases_from_a_config_beside_the_weights<B: TestEngine>() {
    compare::<B>("learnable_sum_full_mask_biases");
}

fn separable_products_and_a_null_condition_of_zeros<B: TestEngine>() {
    compare::<B>("learnable_prod_zero_null");
}

fn interpolated_tables_and_a_single_null_register<B: TestEngine>() {
    compare::<B>("interpolate_single_null");
}
