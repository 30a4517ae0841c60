//! `flextok encode --target-…`: as few tokens as reach a quality.

use std::path::Path;

use flextok_tests::{arg, listing, photo, read, run, workplace};

/// The metrics of the decode of `file` against a photo.
fn quality(directory: &Path, file: &str, photo: &str) -> serde_json::Value {
    run(directory, ["decode", file, "-o", "decoded.png", "--force"]).ok();
    run(directory, ["compare", photo, "decoded.png", "--json"])
        .ok()
        .json()
}

#[test]
fn the_target_is_reached_and_a_token_less_would_not_do() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("coffee.png");
    let photo = arg(&photo);
    for (option, metric, target) in [
        ("--target-psnr", "psnr", 15.0),
        ("--target-ssim", "ssim", 0.45),
        ("--target-ssimulacra2", "ssimulacra2", -250.0),
    ] {
        let text = target.to_string();
        let title = "metadata stay";
        run(
            directory,
            [
                "encode", photo, "-o", "a.flxt", "--force", option, &text, "--title", title,
            ],
        )
        .ok();
        let reached = quality(directory, "a.flxt", photo)[metric]
            .as_f64()
            .expect("a number");
        assert!(reached >= target, "{metric} {reached}");
        let info = run(directory, ["info", "a.flxt", "--json"]).ok().json();
        assert_eq!(info["metadata"]["title"], title);
        let tokens = info["tokens_per_canvas"].as_u64().expect("a number");
        assert!((2..256).contains(&tokens), "{metric}: {tokens} tokens");
        let fewer = (tokens - 1).to_string();
        run(
            directory,
            [
                "truncate", "a.flxt", "-o", "b.flxt", "--force", "-k", &fewer,
            ],
        )
        .ok();
        let below = quality(directory, "b.flxt", photo)[metric]
            .as_f64()
            .expect("a number");
        assert!(below < target, "{metric} {below} of {fewer} tokens");
    }
}

#[test]
fn every_cut_finds_no_larger_file_and_verbose_tells() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("chelsea.png");
    let target = ["encode", arg(&photo), "--target-psnr", "18"];
    run(directory, target.iter().chain(&["-o", "ladder.flxt"])).ok();
    let told = run(
        directory,
        target
            .iter()
            .chain(&["-o", "every.flxt", "--every-cut", "-v"]),
    );
    assert_eq!(told.code, Some(0));
    assert!(
        told.stderr.contains("PSNR 18.") && told.stderr.contains("decode"),
        "{}",
        told.stderr
    );
    assert!(read(directory, "every.flxt").len() <= read(directory, "ladder.flxt").len());
}

#[test]
fn what_cannot_be_reached_is_refused_with_the_best_there_is() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("chelsea.png");
    let photo = arg(&photo);
    run(
        directory,
        ["encode", photo, "-o", "x.flxt", "--target-psnr", "60"],
    )
    .fails(
        2,
        &[
            "chelsea.png",
            "no cut reaches PSNR 60",
            "tokens and reaches",
        ],
    );
    for (args, mentions) in [
        (
            &["--target-psnr", "20", "--tokens", "3"][..],
            &["--tokens"][..],
        ),
        (&["--target-ssim", "0.5", "--bytes", "99"], &["--bytes"]),
        (
            &["--target-ssim", "0.5", "--target-psnr", "9"],
            &["--target-psnr", "--target-ssim"],
        ),
        (&["--target-psnr", "nan"], &["a finite number"]),
        (&["--every-cut"], &["--target-psnr"]),
    ] {
        let start = ["encode", photo, "-o", "x.flxt"];
        run(directory, start.iter().chain(args)).fails(2, mentions);
    }
    assert!(listing(directory).is_empty());
}
