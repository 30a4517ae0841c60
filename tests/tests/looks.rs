//! `--look`: what a decode makes of a coded payload, and what measures it.

use std::path::Path;

use flextok_tests::{arg, data, nano, photo, read, run, workplace, write};

/// The metrics of a decode against a photo.
fn compare(directory: &Path, photo: &str, options: &[&str]) -> serde_json::Value {
    let args = ["compare", photo, "a.flxt", "--json"];
    run(directory, args.iter().chain(options)).ok().json()
}

fn number(report: &serde_json::Value, key: &str) -> f64 {
    report[key].as_f64().expect("a number")
}

#[test]
fn looks_trade_squared_error_for_sharpness() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("coffee.png");
    run(directory, ["encode", arg(&photo), "-o", "a.flxt"]).ok();
    let psnr = |look: &str| number(&compare(directory, arg(&photo), &["--look", look]), "psnr");
    let (plain, faithful, between, sharp) =
        (psnr("plain"), psnr("faithful"), psnr("0.5"), psnr("sharp"));
    assert!(
        faithful > plain + 0.05 && faithful > between && between > sharp,
        "{plain} {faithful} {between} {sharp}"
    );
    assert_eq!(
        number(&compare(directory, arg(&photo), &[]), "psnr"),
        between
    );
    // A comparison with the decoded picture is the same.
    run(
        directory,
        ["decode", "a.flxt", "-o", "a.png", "--look", "sharp"],
    )
    .ok();
    let decoded = run(directory, ["compare", arg(&photo), "a.png", "--json"]);
    assert_eq!(number(&decoded.ok().json(), "psnr"), sharp);
    let swapped = run(directory, ["compare", "a.flxt", arg(&photo)]);
    swapped.fails(2, &["a.flxt", "A is the original"]);
}

#[test]
fn the_memory_for_tiles_does_not_show() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("seeding.jpg");
    let args = ["encode", arg(&photo), "-o", "a.flxt", "-b", "20000"];
    run(directory, args).ok();
    run(
        directory,
        ["decode", "a.flxt", "-o", "whole.png", "--threads", "2"],
    )
    .ok();
    let args = ["decode", "a.flxt", "-o", "tiles.png", "--threads", "1"];
    run(
        directory,
        args.into_iter().chain(["--max-tile-memory", "60000000"]),
    )
    .ok();
    assert!(read(directory, "whole.png") == read(directory, "tiles.png"));
    let args = [
        "decode",
        "a.flxt",
        "-o",
        "none.png",
        "--max-tile-memory",
        "1000",
    ];
    run(directory, args).fails(5, &["tile memory", "--max-tile-memory"]);
}

#[test]
fn targets_and_fits_measure_the_look_but_psnr_is_plain() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("chelsea.png");
    let bytes_for = |options: &[&str]| {
        let args = ["encode", arg(&photo), "-o", "a.flxt", "--force", "-v"];
        let done = run(directory, args.iter().chain(options));
        assert_eq!(done.code, Some(0), "{done:?}");
        (read(directory, "a.flxt").len(), done.stderr)
    };
    let (plain, report) = bytes_for(&["--target-psnr", "26"]);
    assert!(report.contains("PSNR (look plain) 26."), "{report}");
    let plain_report = compare(directory, arg(&photo), &["--look", "plain"]);
    assert!(number(&plain_report, "psnr") >= 26.0);
    assert_eq!(
        bytes_for(&["--target-psnr", "26", "--look", "sharp"]).0,
        plain
    );
    let (sharp, report) = bytes_for(&["--target-ssim", "0.66", "--look", "sharp"]);
    assert!(report.contains("SSIM (look sharp) 0.66"), "{report}");
    let (faithful, _) = bytes_for(&["--target-ssim", "0.66", "--look", "faithful"]);
    assert!(faithful < sharp, "{faithful} {sharp}");
    run(directory, ["encode", arg(&photo), "-o", "b.flxt"]).ok();
    let fit = |options: &[&str]| {
        let args = ["fit", "-b", "600", "b.flxt", "--json", "--quiet"];
        let report = run(directory, args.iter().chain(options)).ok().json();
        number(&report["files"][0], "quality")
    };
    assert_eq!(fit(&[]), fit(&["--look", "sharp"]));
    let ssim = |look| fit(&["--metric", "ssim", "--look", look]);
    assert!((ssim("plain") - ssim("faithful")).abs() > 1e-4);
}

#[test]
fn looks_are_refused_by_name() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("coffee.png");
    run(directory, ["encode", arg(&photo), "-o", "a.flxt"]).ok();
    for look in ["1.5", "-0.1", "soft", "nan", ""] {
        let args = ["decode", "a.flxt", "-o", "b.png", "--look", look];
        run(directory, args).fails(
            2,
            &["--look", "plain, faithful, sharp, or a number from 0 to 1"],
        );
    }
    let model = nano();
    let args = [
        "--model",
        arg(&model),
        "encode",
        arg(&photo),
        "-o",
        "n.flxt",
    ];
    run(directory, args.into_iter().chain(["-k", "4"])).ok();
    let args = [
        "--model",
        arg(&model),
        "decode",
        "n.flxt",
        "--look",
        "plain",
    ];
    run(directory, args).fails(2, &["look", "models with a coded payload"]);
    let args = ["encode", arg(&photo), "-o", "c.flxt", "--look", "sharp"];
    run(directory, args).fails(2, &["--target"]);
}

/// The embedded model with all weights of its learned decoder scaled far beyond what its sums can hold.
fn overflowing() -> Vec<u8> {
    let mut bytes = read(&data("../models"), "builtin.safetensors");
    let header = u64::from_le_bytes(*bytes.first_chunk().expect("a length")) as usize;
    let text = std::str::from_utf8(&bytes[8..8 + header]).expect("JSON");
    let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let tensors = json.as_object().expect("tensors").clone();
    for (name, tensor) in tensors {
        if !name.starts_with("decoder.") {
            continue;
        }
        let at = |index: usize| tensor["data_offsets"][index].as_u64().expect("a number") as usize;
        // 60000 in halves, whatever the weight was.
        for half in bytes[8 + header..][at(0)..at(1)].chunks_exact_mut(2) {
            half.copy_from_slice(&[0x53, 0x7b]);
        }
    }
    bytes
}

#[test]
fn a_model_whose_results_are_not_finite_is_refused() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("coffee.png");
    run(
        directory,
        ["encode", arg(&photo), "-o", "a.flxt", "-b", "64"],
    )
    .ok();
    write(directory, "big.safetensors", overflowing());
    let args = [
        "decode",
        "a.flxt",
        "-o",
        "a.png",
        "--model",
        "big.safetensors",
    ];
    run(directory, args).fails(4, &["big.safetensors", "not finite"]);
    run(directory, args.into_iter().chain(["--look", "plain"])).ok();
}
