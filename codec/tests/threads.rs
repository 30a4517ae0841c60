//! A codec's threads are all there are: nothing sets up a pool beside them. One test, since it counts the process's.
#![cfg(all(target_os = "linux", feature = "metrics"))]

mod common;

use std::fs;

use common::{picture, tiny_path};
use flextok::metrics::{Metric, compare};
use flextok::picture::{published_crop, resize, restore};
use flextok::rate::{Search, Target};
use flextok::{Codec, DecodeOptions, EncodeOptions, Size};

/// Threads of this process.
fn running() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux lists them");
    tasks.count()
}

#[test]
fn one_thread_means_one() {
    let before = running();
    let codec = Codec::builder().with_threads(1).open(tiny_path()).unwrap();
    assert_eq!(codec.threads().count(), 1);
    let photo = picture(300, 200);
    let (encode, decode) = (EncodeOptions::default(), DecodeOptions::default());
    let decode = decode.with_steps(1);
    let target = Target {
        metric: Metric::Ssim,
        value: -1.0,
    };
    for crop in [false, true] {
        let encode = encode.clone().with_tokens(4).with_crop(crop);
        let encoded = codec.encode_to(&photo, target, Search::Ladder, &encode, &decode);
        encoded.unwrap();
    }
    let (rgb, threads) = (photo.to_rgb8(), codec.threads());
    let canvas = resize(&rgb, Size::new(128, 128), threads).unwrap();
    let cropped = published_crop(&rgb, Size::new(64, 64), threads).unwrap();
    assert_eq!(cropped.picture.dimensions(), (64, 64));
    let restored = restore(&canvas, Size::new(300, 200), threads).unwrap();
    let compared = compare(&rgb, &restored, threads).unwrap();
    assert!(compared.ssimulacra2.is_some());
    assert_eq!(running(), before + 1);
    drop(codec);
}
