//! `flextok eval`: figures of a set of pictures by budget.

use flextok_tests::eval::{close, measured, set, small};
use flextok_tests::{arg, data, listing, nano, read, run, run_ids, workplace, write};
use serde_json::Value;

#[test]
fn figures_are_those_of_compare_and_of_scikit_image() {
    let place = workplace();
    let directory = place.path();
    set(directory);
    let args = [
        "eval", "set", "--bytes", "1k,100", "--export", "out", "--json",
    ];
    let results = run(directory, args).ok().json();
    assert_eq!(
        (&results["unit"], &results["budgets"]),
        (&"bytes".into(), &serde_json::json!([100, 1024]))
    );
    let names: Vec<&Value> = { results["pictures"].as_array().expect("a list").iter() }
        .map(|picture| &picture["name"])
        .collect();
    assert_eq!(
        names,
        ["set/astronaut.png", "set/chelsea.png", "set/coffee.png"]
    );
    assert_eq!(
        listing(&directory.join("out")),
        ["flextok-100", "flextok-1024", "original"]
    );
    for (name, budget) in [("chelsea", 100), ("chelsea", 1024), ("astronaut", 100)] {
        let measured = measured(&results, &format!("set/{name}.png"), "flextok", budget);
        let original = format!("out/original/{name}.png");
        let decode = format!("out/flextok-{budget}/{name}.png");
        let compared = run(directory, ["compare", &original, &decode, "--json"])
            .ok()
            .json();
        let figures = &measured["figures"];
        for (figure, of_compare) in [
            ("psnr", "psnr"),
            ("ssim_gaussian11", "ssim"),
            ("ssim_uniform7", "ssim_uniform7"),
            ("mae", "mae"),
            ("ssimulacra2", "ssimulacra2"),
        ] {
            assert_eq!(figures[figure], compared[of_compare], "{name} {figure}");
        }
        assert!(figures["lpips"].is_null());
        let source = format!("set/{name}.png");
        let bytes = budget.to_string();
        let args = ["encode", &source, "-f", "-o", "a.flxt", "--bytes", &bytes];
        run(directory, args).ok();
        assert_eq!(measured["bytes"], read(directory, "a.flxt").len());
        run(directory, ["decode", "a.flxt", "-f", "-o", "a.png"]).ok();
        assert!(read(directory, "a.png") == read(directory, &decode));
    }
    // By scikit-image 0.26 of the pictures exported, structural_similarity with channel_axis=2 and data_range=255, and
    // for the second with gaussian_weights=True, sigma=1.5, use_sample_covariance=False. Other processors may round a
    // sample of the decode differently.
    let figures = &measured(&results, "set/chelsea.png", "flextok", 1024)["figures"];
    close(&figures["psnr"], 32.31774, 2e-3);
    close(&figures["ssim_uniform7"], 0.926_129, 2e-4);
    close(&figures["ssim_gaussian11"], 0.913_133, 2e-4);
}

#[test]
fn lpips_is_that_of_the_published_program() {
    let place = workplace();
    let directory = place.path();
    let folder = data("../docs/metrics");
    let values = std::fs::read(folder.join("values.json")).expect("the checked values");
    let values: Vec<Value> = serde_json::from_slice(&values).expect("JSON");
    assert_eq!(values.len(), 3);
    let weights = folder.join("lpips_alex.safetensors");
    for value in values {
        let of = |key: &str| folder.join(value[key].as_str().expect("a name"));
        let (first, second) = (of("reference"), of("picture"));
        let args = [
            "compare",
            arg(&first),
            arg(&second),
            "--json",
            "--lpips",
            arg(&weights),
        ];
        let found = run(directory, args).ok().json();
        close(
            &found["lpips"],
            value["lpips_alex"].as_f64().expect("a number"),
            1e-3,
        );
        close(
            &found["psnr"],
            value["psnr"].as_f64().expect("a number"),
            1e-3,
        );
    }
    set(directory);
    let args = [
        "eval",
        "set/chelsea.png",
        "--bytes",
        "256",
        "--lpips",
        arg(&weights),
    ];
    let export = ["--export", "out", "--json"];
    let results = run(directory, args.iter().chain(&export)).ok().json();
    let decode = "out/flextok-256/chelsea.png";
    let compare = [
        "compare",
        "set/chelsea.png",
        decode,
        "--json",
        "--lpips",
        arg(&weights),
    ];
    let compared = run(directory, compare).ok().json();
    let measured = measured(&results, "set/chelsea.png", "flextok", 256);
    assert_eq!(measured["figures"]["lpips"], compared["lpips"]);
}

#[test]
fn means_have_intervals_and_the_table_shows_them() {
    let place = workplace();
    let directory = place.path();
    set(directory);
    let results = run(directory, ["eval", "set", "--bytes", "200", "--json"])
        .ok()
        .json();
    let psnr: Vec<f64> = { results["measurements"].as_array().expect("a list").iter() }
        .map(|measured| measured["figures"]["psnr"].as_f64().expect("a number"))
        .collect();
    let mut means = results["means"].as_array().expect("a list").iter();
    let mean = means.find(|mean| mean["figure"] == "psnr").expect("a mean");
    let (least, most) = psnr
        .iter()
        .fold((f64::MAX, f64::MIN), |(least, most), psnr| {
            (psnr.min(least), psnr.max(most))
        });
    close(&mean["mean"], psnr.iter().sum::<f64>() / 3.0, 1e-9);
    // Of three pictures, one in 27 samples has the worst alone: more than 2.5 %.
    close(&mean["low"], least, 1e-9);
    close(&mean["high"], most, 1e-9);
    assert_eq!(mean["count"], 3);
    let text = run(directory, ["eval", "set", "--bytes", "200"]).ok();
    let cell = format!(
        "{:.2} [{least:.2}, {most:.2}]",
        mean["mean"].as_f64().expect("one")
    );
    assert!(text.text().contains(&cell), "{}", text.text());
}

#[test]
fn a_budget_without_a_file_has_no_mean() {
    let place = workplace();
    let directory = place.path();
    set(directory);
    let results = run(directory, ["eval", "set", "--bytes", "5,64", "--json"])
        .ok()
        .json();
    assert_eq!(results["measurements"].as_array().map(Vec::len), Some(3));
    let means = results["means"].as_array().expect("a list");
    assert!(means.iter().all(|mean| mean["budget"] == 64), "{means:?}");
    let table = run(directory, ["eval", "set", "--bytes", "5,64"]).ok();
    assert!(
        table.text().contains("| 5       | flextok | -     | - "),
        "{}",
        table.text()
    );
}

#[test]
fn a_broken_picture_does_not_stop_the_others() {
    let place = workplace();
    let directory = place.path();
    set(directory);
    write(
        directory,
        "set/broken.png",
        &read(directory, "set/coffee.png")[..500],
    );
    let args = ["eval", "set", "missing.png", "--bytes", "64", "--json"];
    let run = run(directory, args).fails_in_part(
        6,
        &[
            "set/broken.png: ",
            "missing.png: ",
            "measured 3 of 5 files; 2 failed",
        ],
    );
    let results = run.json();
    let failures = results["failures"].as_array().expect("a list");
    let names: Vec<&Value> = failures.iter().map(|failure| &failure["picture"]).collect();
    assert_eq!(names, ["set/broken.png", "missing.png"]);
    assert_eq!(results["pictures"].as_array().map(Vec::len), Some(3));
    let means = results["means"].as_array().expect("a list");
    assert!(!means.is_empty() && means.iter().all(|mean| mean["count"] == 3));
}

#[test]
fn the_protocol_crops_and_seeds_as_published() {
    let place = workplace();
    let directory = place.path();
    small(directory, "chelsea.png", (384, 256));
    let args = [
        "eval",
        "chelsea.png",
        "--protocol",
        "flextok",
        "--tokens",
        "2",
        "--json",
    ];
    let export = ["--export", "out"];
    let results = run_ids(directory, args.iter().chain(&export)).ok().json();
    let picture = &results["pictures"][0];
    assert_eq!(
        (&picture["width"], &picture["height"]),
        (&256.into(), &256.into())
    );
    assert_eq!(results["unit"], "tokens");
    let encode = [
        "encode",
        "out/original/chelsea.png",
        "-o",
        "a.flxt",
        "-k",
        "2",
    ];
    run_ids(directory, encode).ok();
    let one = measured(&results, "chelsea.png", "flextok", 2);
    assert_eq!(one["bytes"], read(directory, "a.flxt").len());
    // zlib.crc32(b"chelsea.png")
    let sampling = [
        "--steps",
        "25",
        "--apg",
        "--guidance",
        "7.5",
        "--seed",
        "3966663779",
    ];
    let decode = ["decode", "a.flxt", "-o", "a.png"];
    run_ids(directory, decode.iter().chain(&sampling)).ok();
    assert!(read(directory, "a.png") == read(directory, "out/flextok-2/chelsea.png"));
    // What is given beside it counts.
    let quick = ["--steps", "2", "--seed", "5"];
    let text = run_ids(directory, args[..6].iter().chain(&quick)).ok();
    assert!(
        text.text().contains("| k | codec   | bytes |"),
        "{}",
        text.text()
    );
}

#[test]
fn networks_are_encoded_once_and_cut() {
    let place = workplace();
    let directory = place.path();
    small(directory, "coffee.png", (90, 60));
    let args = [
        "eval",
        "coffee.png",
        "--steps",
        "1",
        "--guidance",
        "1",
        "--json",
    ];
    let results = run_ids(directory, args).ok().json();
    let budgets: Vec<u64> = (0..=8).map(|power| 1 << power).collect();
    assert_eq!(results["budgets"], serde_json::json!(budgets));
    let bytes = ["--bytes", "60"];
    let results = run_ids(directory, args.iter().chain(&bytes)).ok().json();
    let size = measured(&results, "coffee.png", "flextok", 60)["bytes"].as_u64();
    assert!(
        size.is_some_and(|size| (57..=60).contains(&size)),
        "{size:?}"
    );
}

#[test]
fn halting_is_the_search_of_encode() {
    let place = workplace();
    let directory = place.path();
    set(directory);
    let args = ["eval", "set", "--bytes", "64", "--until", "psnr=22"];
    let results = run(directory, args.iter().chain(&["--json"])).ok().json();
    let halting = &results["halting"];
    assert_eq!(
        (&halting["metric"], &halting["target"]),
        (&"psnr".into(), &22.0.into())
    );
    for halt in halting["pictures"].as_array().expect("a list") {
        let name = halt["picture"].as_str().expect("a name");
        run(
            directory,
            ["encode", name, "-f", "-o", "a.flxt", "--target-psnr", "22"],
        )
        .ok();
        assert_eq!(halt["budget"], read(directory, "a.flxt").len(), "{name}");
        assert!(
            halt["reached"]
                .as_f64()
                .is_some_and(|reached| reached >= 22.0)
        );
    }
    assert!(
        run(directory, args)
            .ok()
            .text()
            .contains("psnr 22 is reached at")
    );
    let never = [
        "eval",
        "set/coffee.png",
        "--bytes",
        "64",
        "--until",
        "ssim=1",
        "--json",
    ];
    let halting = run(directory, never).ok().json()["halting"].clone();
    assert_eq!(halting["pictures"][0]["budget"], Value::Null);
    close(&halting["pictures"][0]["reached"], 0.9, 0.1);
}

#[test]
fn impossible_requests_are_refused_before_any_work() {
    let place = workplace();
    let directory = place.path();
    set(directory);
    std::fs::create_dir(directory.join("empty")).expect("writable");
    small(directory, "coffee.png", (30, 20));
    for (args, mentions) in [
        (
            &["set", "--tokens", "4"][..],
            &["--tokens: ", "--model"][..],
        ),
        (&["set", "--bytes", "64", "--tokens", "4"], &["--tokens"]),
        (
            &["set", "--protocol", "flextok"],
            &["--protocol flextok: ", "--model"],
        ),
        (&["set", "--steps", "3"], &["steps"]),
        (
            &["set", "--against", "bpg"],
            &["webp, avif, jpeg, jxl, jpeg2000"],
        ),
        (&["set", "--until", "psnr"], &["psnr=S, ssim=S"]),
        (&["set", "--bytes", "5G"], &["at most 4294967295"]),
        (&["-"], &["standard input"]),
        (&["empty"], &["empty: has no file"]),
        (
            &["set", "set/coffee.png"],
            &["set/coffee.png: is given twice"],
        ),
        (
            &["set", "coffee.png", "--export", "x"],
            &["coffee.png: its exports"],
        ),
    ] {
        run(directory, ["eval"].iter().chain(args)).fails(2, mentions);
    }
    let model = ["eval", "set", "--tokens", "257", "--model"];
    run(directory, model.iter().chain(&[arg(&nano())])).fails(2, &["--tokens: is 257", "1 to 256"]);
    let lpips = ["eval", "set", "--lpips", "coffee.png"];
    run(directory, lpips).fails(4, &["coffee.png"]);
    assert_eq!(listing(directory), ["coffee.png", "empty", "set"]);
}
