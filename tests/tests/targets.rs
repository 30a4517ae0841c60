//! `flextok encode --target-…`: as few bytes as reach a quality.

use std::path::Path;

use flextok_tests::{arg, listing, photo, read, run, run_ids, workplace};

/// A metric of the decode of `file` against a photo; PSNR is that of the plain decode.
fn quality(directory: &Path, file: &str, photo: &str, metric: &str) -> f64 {
    let args = ["decode", file, "-o", "decoded.png", "--force"];
    let look = if metric == "psnr" { "plain" } else { "0.5" };
    run(directory, args.into_iter().chain(["--look", look])).ok();
    let report = run(directory, ["compare", photo, "decoded.png", "--json"]);
    report.ok().json()[metric].as_f64().expect("a number")
}

#[test]
fn the_target_is_reached_and_a_few_bytes_less_miss_it() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("coffee.png");
    let photo = arg(&photo);
    for (option, metric, target) in [
        ("--target-psnr", "psnr", 23.0),
        ("--target-ssim", "ssim", 0.6),
        ("--target-ssimulacra2", "ssimulacra2", -60.0),
    ] {
        let text = target.to_string();
        let title = "metadata stay";
        let args = ["encode", photo, "-o", "a.flxt", "--force", option, &text];
        run(directory, args.into_iter().chain(["--title", title])).ok();
        let reached = quality(directory, "a.flxt", photo, metric);
        assert!(reached >= target, "{metric} {reached}");
        let info = run(directory, ["info", "a.flxt", "--json"]).ok().json();
        assert_eq!(info["metadata"]["title"], title);
        let bytes = info["bytes_total"].as_u64().expect("a number");
        assert!((100..20_000).contains(&bytes), "{metric}: {bytes} bytes");
        let fewer = (bytes * 9 / 10).to_string();
        let args = ["truncate", "a.flxt", "-o", "b.flxt", "--force", "--bytes"];
        run(directory, args.into_iter().chain([&*fewer])).ok();
        let below = quality(directory, "b.flxt", photo, metric);
        assert!(below < target, "{metric} {below} of {fewer} bytes");
    }
}

#[test]
fn a_target_is_reached_on_the_canvas_of_a_later_cut() {
    let place = workplace();
    let photo = photo("coffee.png");
    let args = ["encode", arg(&photo), "-o", "a.flxt", "--target-psnr", "21"];
    run(place.path(), args.into_iter().chain(["--cut-at", "64"])).ok();
    let reached = quality(place.path(), "a.flxt", arg(&photo), "psnr");
    assert!(reached >= 21.0, "{reached}");
}

#[test]
fn every_cut_finds_no_larger_file_and_verbose_reports() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("chelsea.png");
    let target = ["encode", arg(&photo), "--target-psnr", "18"];
    run_ids(directory, target.iter().chain(&["-o", "ladder.flxt"])).ok();
    let more = ["-o", "every.flxt", "--every-cut", "-v"];
    let verbose = run_ids(directory, target.iter().chain(&more));
    assert_eq!(verbose.code, Some(0));
    for mention in ["PSNR 18.", "decode"] {
        assert!(verbose.stderr.contains(mention), "{}", verbose.stderr);
    }
    assert!(read(directory, "every.flxt").len() <= read(directory, "ladder.flxt").len());
}

#[test]
fn an_unreachable_target_is_refused_with_the_best_quality() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("chelsea.png");
    let photo = arg(&photo);
    let args = ["encode", photo, "-o", "x.flxt", "--target-psnr", "60"];
    let mentions = ["chelsea.png", "no cut reaches PSNR 60", "bytes and reaches"];
    run_ids(directory, args).fails(2, &mentions);
    let args = ["encode", photo, "-o", "x.flxt", "--target-ssim", "1"];
    run(directory, args).fails(2, &["chelsea.png", "no cut reaches SSIM 1"]);
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
        (
            &["--target-psnr", "20", "--every-cut"],
            &["the option every cut is for FlexTok models"],
        ),
        (&["--cut-at", "64", "--canvas", "4"], &["--canvas"]),
    ] {
        let start = ["encode", photo, "-o", "x.flxt"];
        run(directory, start.iter().chain(args)).fails(2, mentions);
    }
    assert!(listing(directory).is_empty());
}
