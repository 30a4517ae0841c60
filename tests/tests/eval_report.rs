//! What `flextok eval` makes beside figures of decodes: a report, the spread of decodes from different noise, and the
//! distance of sets of features.

use flextok::npy;
use flextok_tests::eval::set;
use flextok_tests::{listing, read, run, run_ids, workplace, write};

#[test]
fn the_report_is_one_page_with_all_that_was_measured() {
    let place = workplace();
    let directory = place.path();
    set(directory);
    write(directory, "set/<b>&.png", read(directory, "set/coffee.png"));
    write(directory, "set/broken.png", "no picture");
    let args = ["eval", "set", "--bytes", "64,256", "--html", "r.html"];
    run(directory, args).fails_in_part(6, &["set/broken.png"]);
    let page = String::from_utf8(read(directory, "r.html")).expect("text");
    for part in [
        "<svg",
        "data:image/",
        "&lt;b&gt;&amp;.png",
        "set/broken.png",
        "PSNR",
        "SSIMULACRA 2",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for part in ["<script", "<b>&", "http://", "https://"] {
        assert!(
            !page.replace("http://www.w3.org/", "").contains(part),
            "{part}"
        );
    }
    run(directory, args).fails(7, &["r.html", "exists"]);
    let other = ["eval", "set", "--html", "r.png"];
    run(directory, other).fails(2, &["r.png", "html"]);
    assert_eq!(listing(directory), ["r.html", "set"]);
}

#[test]
fn decodes_from_different_noise_are_split_into_bias_and_variance() {
    let place = workplace();
    let directory = place.path();
    set(directory);
    let args = [
        "eval",
        "set/coffee.png",
        "--tokens",
        "1,16",
        "--steps",
        "4",
        "--guidance",
        "1",
        "--seeds",
        "3",
    ];
    let results = run_ids(directory, args.iter().chain(&["--json"]))
        .ok()
        .json();
    let found = results["uncertainty"].as_array().expect("a list");
    assert_eq!(found.len(), 2);
    for (found, budget) in found.iter().zip([1, 16]) {
        assert_eq!(
            (&found["budget"], &found["seeds"]),
            (&budget.into(), &3.into())
        );
        let number = |key: &str| found[key].as_f64().expect(key);
        let (bias2, variance) = (number("bias2"), number("variance"));
        assert!(bias2 > 0.0 && variance > 0.0);
        assert!((number("mse") - bias2 - variance).abs() < 1e-9 * number("mse"));
        assert!((number("pairwise_mse") - 3.0 * variance).abs() < 1e-9 * variance);
        assert!(number("psnr_mean") > number("psnr_sample"));
        assert!(found["pairwise_lpips"].is_null());
    }
    let table = run_ids(directory, args).ok();
    assert!(table.text().contains("| PSNR of the mean "), "{table:?}");
    let embedded = run(directory, ["eval", "set", "--seeds", "3"]);
    embedded.fails(2, &["--seeds", "without noise", "--model"]);
    let last = u64::MAX.to_string();
    let more = ["--seed", &last];
    run_ids(directory, args.iter().chain(&more)).fails(2, &["--seed", "no 3 seeds"]);
}

#[test]
fn the_frechet_distance_of_two_sets_of_features() {
    let place = workplace();
    let directory = place.path();
    // The means differ by 3 and the standard deviations by 1.
    let array = |name, values: &[f32]| {
        let bytes = npy::write_f32(&[values.len(), 1], values).expect("the shape fits");
        write(directory, name, bytes);
    };
    array("a.npy", &[-1.0, 0.0, 1.0]);
    array("b.npy", &[1.0, 3.0, 5.0]);
    let args = ["eval", "--frechet", "a.npy", "b.npy"];
    let report = run(directory, args.iter().chain(&["--json"])).ok().json();
    assert!((report["frechet"].as_f64().expect("a number") - 10.0).abs() < 1e-9);
    assert_eq!(report["rows"], serde_json::json!([3, 3]));
    let text = run(directory, args).ok();
    let distance: f64 = text.text().trim().parse().expect("a number");
    assert!((distance - 10.0).abs() < 1e-9);
    array("one.npy", &[1.0]);
    run(directory, ["eval", "--frechet", "a.npy", "one.npy"]).fails(2, &["one.npy"]);
    array("nan.npy", &[1.0, f32::NAN]);
    run(directory, ["eval", "--frechet", "a.npy", "nan.npy"]).fails(2, &["nan.npy"]);
    run(directory, ["eval", "--frechet", "a.npy"]).fails(2, &["--frechet"]);
    run(directory, ["eval", "a.npy", "--frechet", "a.npy", "b.npy"]).fails(2, &["--frechet"]);
    run(directory, ["eval", "--frechet", "a.npy", "no.npy"]).fails(7, &["no.npy"]);
    run(directory, ["eval"]).fails(2, &["IN"]);
}
