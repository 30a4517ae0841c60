//! A codec that is used for the first time by many threads at once, of its own and of other thread pools.

mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::MODELS;
use flextok::{Codec, DecodeOptions, EncodeOptions, Size, image};

/// Long beyond any machine's need: only a hang takes it.
const PATIENCE: Duration = Duration::from_secs(300);

fn pictures(codec: &Codec) -> Vec<image::DynamicImage> {
    let Size { width, height } = codec.config().unwrap().canvas;
    let picture = |seed: u8| {
        image::RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([x as u8 ^ seed, y as u8, seed])
        })
    };
    (0..6).map(|seed| picture(seed * 40).into()).collect()
}

/// Encodes and decodes every picture on a thread of `run`, and returns the tokens.
fn round_trips(
    codec: &Codec,
    run: impl Fn(
        &(dyn Fn(&image::DynamicImage) -> Vec<u16> + Sync),
        &[image::DynamicImage],
    ) -> Vec<Vec<u16>>,
) -> Vec<Vec<u16>> {
    let options = EncodeOptions::default().with_tokens(2);
    let once = |picture: &image::DynamicImage| {
        let ids = codec.tokenize(picture, &options).unwrap();
        codec
            .detokenize(&ids, &DecodeOptions::default().with_steps(1))
            .unwrap();
        ids
    };
    run(&once, &pictures(codec))
}

#[test]
fn a_cold_codec_serves_many_callers_at_once() {
    let (done, finished) = mpsc::channel();
    std::thread::spawn(move || {
        for (_, open) in MODELS {
            let cold = || open(Codec::builder().with_threads(2));
            let expected = round_trips(&cold(), |once, pictures| {
                pictures.iter().map(once).collect()
            });
            let by_threads = round_trips(&cold(), |once, pictures| {
                std::thread::scope(|scope| {
                    let spawned: Vec<_> = pictures
                        .iter()
                        .map(|picture| scope.spawn(move || once(picture)))
                        .collect();
                    spawned
                        .into_iter()
                        .map(|thread| thread.join().unwrap())
                        .collect()
                })
            });
            assert_eq!(by_threads, expected);
            for _ in 0..3 {
                let by_pool = round_trips(&cold(), |once, pictures| {
                    use rayon::prelude::*;
                    pictures.par_iter().map(once).collect()
                });
                assert_eq!(by_pool, expected);
            }
        }
        done.send(()).unwrap();
    });
    finished
        .recv_timeout(PATIENCE)
        .expect("neither a hang nor another result");
}
