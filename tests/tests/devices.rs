//! Where the program computes: what `--device` and `--precision` choose, and what happens without a device.

use std::path::Path;

use flextok_tests::{Run, arg, command, finish, listing, nano, photo, workplace};

/// Runs the program with a FlexTok model where no Vulkan driver can be found.
fn run_without_drivers(directory: &Path, args: &[&str]) -> Run {
    let mut command = command(directory, args);
    command.arg("--model").arg(nano());
    for variable in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
        command.env(variable, "/nonexistent/driver.json");
    }
    finish(&mut command)
}

#[test]
fn without_a_device_an_explicit_one_fails_and_names_what_was_searched() {
    let place = workplace();
    let photo = photo("chelsea.png");
    for device in ["gpu", "gpu:3"] {
        let args = ["encode", arg(&photo), "-o", "a.flxt", "--device", device];
        run_without_drivers(place.path(), &args).fails(8, &[device, "looked for", "vulkan"]);
        assert!(listing(place.path()).is_empty());
    }
}

#[test]
fn without_a_device_auto_takes_the_cpu_and_verbose_reports_it() {
    let place = workplace();
    let photo = photo("chelsea.png");
    let args = ["encode", arg(&photo), "-o", "auto.flxt"];
    run_without_drivers(place.path(), &args).ok();
    let args = [
        "encode",
        arg(&photo),
        "-o",
        "auto.flxt",
        "--force",
        "-v",
        "--device",
        "auto",
    ];
    let run = run_without_drivers(place.path(), &args);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.stderr
            .contains("computing on the CPU: no GPU was found"),
        "{run:?}"
    );
    let args = ["encode", arg(&photo), "-o", "cpu.flxt", "--device", "cpu"];
    run_without_drivers(place.path(), &args).ok();
    let read = |name| flextok_tests::read(place.path(), name);
    assert_eq!(read("auto.flxt"), read("cpu.flxt"));
}

#[test]
fn an_empty_list_of_devices_is_not_an_error() {
    let place = workplace();
    let text = run_without_drivers(place.path(), &["devices"]).ok();
    assert!(
        text.text().starts_with("no devices; looked for "),
        "{text:?}"
    );
    let json = run_without_drivers(place.path(), &["devices", "--json"]).ok();
    assert_eq!(json.json(), serde_json::json!([]));
}

#[test]
fn impossible_choices_are_usage_errors() {
    let place = workplace();
    let photo = photo("chelsea.png");
    let encode = |options: &[&str]| {
        let args = [&["encode", arg(&photo), "-o", "a.flxt"], options].concat();
        run_without_drivers(place.path(), &args)
    };
    encode(&["--device", "tpu"]).fails(2, &["tpu", "auto, cpu, gpu, gpu:N"]);
    encode(&["--precision", "f64"]).fails(2, &["f64", "f32"]);
    encode(&["--device", "cpu", "--precision", "f16"]).fails(2, &["precision f16", "f32"]);
    assert!(listing(place.path()).is_empty());
}

/// With a device, which has to be there.
mod gpu {
    use flextok_tests::{PHOTOS, encode_ids, read, run, run_ids, tiny};

    use super::{Path, arg, listing, photo, workplace};

    fn psnr(directory: &Path, a: &str, b: &str) -> f64 {
        let report = run(directory, ["compare", a, b, "--json"]).ok().json();
        // No number: the same pictures.
        report["psnr"].as_f64().unwrap_or(f64::INFINITY)
    }

    #[test]
    #[ignore = "needs a device: .ci/run gpu"]
    fn looks_are_those_of_the_cpu() {
        let place = workplace();
        let (directory, photo) = (place.path(), photo("coffee.png"));
        run(
            directory,
            ["encode", arg(&photo), "-o", "a.flxt", "-b", "400"],
        )
        .ok();
        for (device, precision, out) in [
            ("cpu", "f32", "cpu.png"),
            ("gpu", "f32", "f32.png"),
            ("gpu", "f16", "f16.png"),
        ] {
            let args = ["decode", "a.flxt", "-o", out, "--look", "sharp"];
            let engine = ["--device", device, "--precision", precision];
            run(directory, args.into_iter().chain(engine)).ok();
        }
        assert!(psnr(directory, "cpu.png", "f32.png") > 60.0);
        assert!(psnr(directory, "cpu.png", "f16.png") > 45.0);
    }

    #[test]
    #[ignore = "needs a device: .ci/run gpu"]
    fn pictures_are_those_of_the_cpu() {
        // A start of the program compiles every kernel anew, so not each photo is decoded in each way.
        for (photo, tokens, precision, least) in [
            (0, "16", "f32", 60.0),
            (1, "256", "f16", 40.0),
            (2, "1", "f16", 40.0),
        ] {
            let place = workplace();
            let (directory, name) = (place.path(), PHOTOS[photo].0);
            encode_ids(directory, name);
            let on = |device: &str, precision: &str, out: &str| {
                let device = ["--device", device, "--precision", precision];
                let args = ["decode", "a.flxt", "-k", tokens, "-o", out];
                run_ids(directory, [&args[..], &device].concat()).ok();
            };
            on("cpu", "f32", "cpu.png");
            on("gpu", precision, "gpu.png");
            on("gpu", precision, "again.png");
            assert_eq!(read(directory, "gpu.png"), read(directory, "again.png"));
            let psnr = psnr(directory, "cpu.png", "gpu.png");
            assert!(
                psnr > least,
                "{name}, {tokens} tokens, {precision}: {psnr} dB"
            );
        }
    }

    #[test]
    #[ignore = "needs a device: .ci/run gpu"]
    fn tokens_are_those_of_the_cpu() {
        let place = workplace();
        for (name, ..) in PHOTOS.into_iter().take(2) {
            let expected = encode_ids(place.path(), name);
            let photo = photo(name);
            let args = ["encode", arg(&photo), "-o", "gpu.flxt", "--force"];
            let device = ["--device", "gpu", "--precision", "f32"];
            run_ids(place.path(), [&args[..], &device].concat()).ok();
            assert_eq!(read(place.path(), "gpu.flxt"), expected, "{name}");
            std::fs::remove_file(place.path().join("a.flxt")).expect("it is there");
        }
    }

    #[test]
    #[ignore = "needs a device: .ci/run gpu"]
    fn checkpoints_with_guidance_decode_as_on_the_cpu() {
        let place = workplace();
        let directory = place.path();
        let (model, photo) = (tiny(), photo("coffee.png"));
        let model = ["--model", arg(&model)];
        run(
            directory,
            [&["encode", arg(&photo), "-o", "a.flxt"][..], &model].concat(),
        )
        .ok();
        for device in ["cpu", "gpu"] {
            let out = format!("{device}.png");
            let args = [
                "decode",
                "a.flxt",
                "-k",
                "17",
                "--steps",
                "5",
                "--guidance",
                "7.5",
                "--apg",
            ];
            let device = ["--device", device, "--precision", "f32", "-o", &out];
            run(directory, [&args[..], &device, &model].concat()).ok();
        }
        let psnr = psnr(directory, "cpu.png", "gpu.png");
        assert!(psnr > 60.0, "{psnr} dB");
    }

    #[test]
    #[ignore = "needs a device: .ci/run gpu"]
    fn a_device_that_cannot_hold_the_model_is_refused_with_the_numbers() {
        let place = workplace();
        let photo = photo("chelsea.png");
        // Enough for the self-test; not for the weights, and then for all weights but not for what they work on.
        for limit in ["1000000", "9000000"] {
            let args = ["encode", arg(&photo), "-o", "a.flxt", "--device", "gpu"];
            let limits = ["--max-device-memory", limit, "--precision", "f32"];
            let allowed = format!("{limit} are allowed");
            run_ids(place.path(), [&args[..], &limits].concat())
                .fails(8, &["cannot hold", &allowed]);
            assert!(listing(place.path()).is_empty());
        }
    }

    #[test]
    #[ignore = "needs a device: .ci/run gpu"]
    fn devices_are_listed_with_their_properties() {
        let place = workplace();
        let list = run(place.path(), ["devices", "--json"]).ok().json();
        let first = &list[0];
        assert_eq!(first["device"], "gpu:0");
        for key in ["name", "backend", "kind", "driver"] {
            assert!(
                first[key].as_str().is_some_and(|text| !text.is_empty()),
                "{key}: {first}"
            );
        }
        for key in [
            "max_binding_bytes",
            "max_buffer_bytes",
            "shared_memory_bytes",
        ] {
            assert!(first[key].as_u64() > Some(0), "{key}: {first}");
        }
        assert!(
            first["f16"].is_boolean() && first["subgroups"].is_boolean(),
            "{first}"
        );
        let text = run(place.path(), ["devices"]).ok();
        assert!(text.text().starts_with("gpu:0 "), "{text:?}");
        let beyond = format!("gpu:{}", list.as_array().map_or(0, Vec::len));
        let photo = photo("chelsea.png");
        run_ids(
            place.path(),
            ["encode", arg(&photo), "-o", "a.flxt", "--device", &beyond],
        )
        .fails(8, &[&beyond, "found gpu:0"]);
    }
}
