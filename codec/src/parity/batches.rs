//! Images of a batch, and both passes of guidance, in one computation: the same bits as each image alone.

use super::golden::Stages;
use super::savings::{embedded, ids, latents, published};
use crate::config::MaskMode;
use crate::sampler::{Guidance, standard_normal};

/// Every available model.
fn models() -> Vec<(String, Stages)> {
    let mut models = published();
    models.push(("embedded".to_owned(), embedded()));
    models
}

/// Latents of three images of a model's own canvas, and how many rows they have.
fn three(stages: &Stages) -> ([Vec<f32>; 3], usize) {
    let (height, count) = latents(stages);
    let images = [3, 5, 7].map(|seed| standard_normal(seed, 0, count));
    (images, height)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Numbers of tokens with none, some and all registers dropped.
fn counts(stages: &Stages) -> [usize; 3] {
    [17, 1, stages.weights.network().unwrap().registers]
}

#[test]
fn predictions_are_those_of_each_image_alone() {
    for (name, stages) in models() {
        let (images, height) = three(&stages);
        let ids = ids(&stages);
        let batch: Vec<(&[f32], &[u16])> = images
            .iter()
            .zip(counts(&stages))
            .map(|(x, k)| (x.as_slice(), &ids[..k]))
            .collect();
        for guided in [false, true] {
            let found = stages.predict_batch(&batch, height, 0.52, guided);
            assert_eq!(found.len(), if guided { 6 } else { 3 });
            for (index, &(x, ids)) in batch.iter().enumerate() {
                let what = format!("{name}: image {index}, guided {guided}");
                let alone = stages.predict(x, height, 0.52, Some(ids));
                assert_eq!(bits(&found[index]), bits(&alone), "{what}");
                if guided {
                    let alone = stages.predict(x, height, 0.52, None);
                    assert_eq!(bits(&found[3 + index]), bits(&alone), "{what}, null");
                }
            }
        }
    }
}

#[test]
fn trajectories_are_those_of_each_image_alone() {
    for (name, stages) in models() {
        let (images, height) = three(&stages);
        let ids = ids(&stages);
        let batch: Vec<(&[f32], &[u16])> = images
            .iter()
            .zip(counts(&stages))
            .map(|(x, k)| (x.as_slice(), &ids[..k]))
            .collect();
        for guidance in [Guidance::None, Guidance::Cfg(1.5), Guidance::Apg(7.5)] {
            let found = stages.sample_batch(&batch, height, 3, guidance);
            for (index, &(x, ids)) in batch.iter().enumerate() {
                let alone = stages.sample(x, height, ids, 3, guidance);
                assert_eq!(
                    bits(&found[index]),
                    bits(&alone),
                    "{name}: image {index}, {guidance:?}"
                );
            }
        }
    }
}

#[test]
fn tokens_are_those_of_each_image_alone() {
    let mut masks = Vec::new();
    for (name, stages) in models() {
        let (images, height) = three(&stages);
        let batch = images.each_ref().map(Vec::as_slice);
        let registers = stages.weights.network().unwrap().registers;
        masks.push(stages.weights.network().unwrap().encoder.mask);
        for tokens in [1, 17, registers] {
            let (z, ids) = stages.encode_batch(&batch, height, tokens);
            let alone = images
                .each_ref()
                .map(|image| stages.encode(image, height, tokens));
            let [one, two, three] = &alone;
            assert_eq!(
                bits(&z),
                bits(&[&*one.0, &two.0, &three.0].concat()),
                "{name}: {tokens} tokens"
            );
            assert_eq!(ids, [&*one.1, &two.1, &three.1].concat(), "{name}");
        }
    }
    assert!(masks.contains(&MaskMode::Full) && masks.contains(&MaskMode::CausalLast));
}
