//! `decode --samples`: the mean of several decodes of one file, and where they differ.

use std::path::Path;

use flextok::image::{self, RgbImage};
use flextok_tests::{
    Run, command, encode, finish, listing, photo, read, run, tiny, workplace, write,
};

/// Runs the program with the tiny checkpoint, few steps and a small canvas where it encodes.
fn run_tiny(directory: &Path, args: &[&str]) -> Run {
    finish(command(directory, args).arg("--model").arg(tiny()))
}

/// `a.flxt`: a photo on a canvas of 64×32 of the tiny checkpoint, restored to 60×40.
fn encoded(directory: &Path) {
    let small = image::open(photo("coffee.png")).expect("the photo");
    let small = small.resize_exact(60, 40, image::imageops::FilterType::Triangle);
    small
        .save(directory.join("small.png"))
        .expect("it is saved");
    let args = ["encode", "small.png", "-o", "a.flxt", "--canvas", "64x32"];
    run_tiny(directory, &args).ok();
}

fn rgb(directory: &Path, name: &str) -> RgbImage {
    let picture = image::load_from_memory(&read(directory, name));
    picture.expect("a picture").into_rgb8()
}

const FAST: [&str; 4] = ["--steps", "2", "--tokens", "4"];

/// `args` on `a.flxt`, with few steps and tokens.
fn sampled(directory: &Path, args: &[&str]) -> Run {
    let all = [&["decode", "a.flxt"], args, &FAST[..]].concat();
    run_tiny(directory, &all)
}

#[test]
fn the_mean_and_the_map_are_those_of_single_decodes() {
    let place = workplace();
    let directory = place.path();
    encoded(directory);
    let args = ["--samples", "3", "--seed", "5", "--mean", "mean.png"];
    sampled(directory, &[&args[..], &["--variance", "map.png"]].concat()).ok();
    let decodes = ["5", "6", "7"].map(|seed| {
        sampled(directory, &["-o", "one.png", "--force", "--seed", seed]).ok();
        rgb(directory, "one.png")
    });
    assert!(decodes[0] != decodes[1]);
    let (mean, map) = (rgb(directory, "mean.png"), rgb(directory, "map.png"));
    assert_eq!((mean.dimensions(), map.dimensions()), ((60, 40), (60, 40)));
    for (x, y, found) in mean.enumerate_pixels() {
        let mut variance = 0.0;
        for channel in 0..3 {
            let values = decodes
                .each_ref()
                .map(|d| f64::from(d.get_pixel(x, y)[channel]));
            let expected = values.iter().sum::<f64>() / 3.0;
            assert_eq!(f64::from(found[channel]), expected.round(), "{x} {y}");
            variance += values.iter().map(|v| (v - expected).powi(2)).sum::<f64>() / 9.0;
        }
        let grey = (variance.sqrt() * 4.0).round().min(255.0) as u8;
        assert_eq!(map.get_pixel(x, y).0, [grey; 3], "{x} {y}");
    }
    assert!(map.pixels().any(|pixel| pixel[0] > 0));
}

#[test]
fn one_of_the_pictures_is_enough_and_force_is_honoured() {
    let place = workplace();
    let directory = place.path();
    encoded(directory);
    let args = ["--samples", "2", "--mean", "mean.webp"];
    sampled(directory, &args).ok();
    let again = ["--samples", "2", "--mean", "mean.webp", "--seed", "9"];
    sampled(directory, &again).fails(7, &["mean.webp", "--force"]);
    let before = read(directory, "mean.webp");
    sampled(directory, &[&again[..], &["--force"]].concat()).ok();
    assert!(read(directory, "mean.webp") != before);
    let args = ["--samples", "2", "--variance", "map.png", "--keep-canvas"];
    sampled(directory, &args).ok();
    assert_eq!(rgb(directory, "map.png").dimensions(), (64, 32));
    // The second exists: the first is not written either.
    let args = [
        "--samples",
        "2",
        "--mean",
        "new.png",
        "--variance",
        "map.png",
    ];
    sampled(directory, &args).fails(7, &["map.png"]);
    let names = ["a.flxt", "map.png", "mean.webp", "small.png"];
    assert_eq!(listing(directory), names);
}

#[test]
fn what_cannot_be_is_refused_in_a_line() {
    let place = workplace();
    let directory = place.path();
    encoded(directory);
    let two = ["--samples", "2"];
    for (args, mentions) in [
        (
            &["--samples", "1", "--mean", "m.png"][..],
            &["from 2 to 1024"][..],
        ),
        (
            &["--samples", "1025", "--mean", "m.png"],
            &["from 2 to 1024"],
        ),
        (&two, &["--mean OUT", "--variance OUT"]),
        (&["--mean", "m.png"], &["--samples"]),
        (
            &["--samples", "2", "--mean", "m.png", "-o", "o.png"],
            &["--samples", "--output"],
        ),
        (
            &["--samples", "2", "--mean", "m.png", "o.png"],
            &["--samples", "one file"],
        ),
        (
            &["--samples", "2", "--mean", "m.png", "--variance", "./m.png"],
            &["--mean too"],
        ),
        (
            &["--samples", "2", "--mean", "m.npy"],
            &["npy", "allowed: png"],
        ),
        (
            &["--samples", "2", "--mean", "a.flxt", "--force"],
            &["flxt"],
        ),
        (
            &[
                "--samples",
                "2",
                "--mean",
                "m.png",
                "--seed",
                "18446744073709551615",
            ],
            &["--seed", "18446744073709551615"],
        ),
    ] {
        sampled(directory, args).fails(2, mentions);
    }
    write(directory, "b.png", read(directory, "a.flxt"));
    let args = [
        "decode",
        "b.png",
        "--samples",
        "2",
        "--mean",
        "b.png",
        "--force",
    ];
    run_tiny(directory, &args).fails(2, &["b.png", "the input itself"]);
    let memory = ["--samples", "2", "--mean", "m.png", "--max-memory", "1000"];
    sampled(directory, &memory).fails(5, &["--max-memory"]);
    assert_eq!(listing(directory), ["a.flxt", "b.png", "small.png"]);
}

#[test]
fn the_embedded_model_has_no_noise() {
    let place = workplace();
    let directory = place.path();
    encode(directory, "coffee.png");
    let args = ["decode", "a.flxt", "--samples", "2", "--mean", "m.png"];
    run(directory, args).fails(2, &["--samples", "without noise", "--model"]);
    assert_eq!(listing(directory), ["a.flxt"]);
}
