//! The command line itself: refusals before any work, limits, models, help, completions, pages.

use flextok_tests::{arg, encode, listing, photo, pipe, run, tiny, workplace, write};

#[test]
fn impossible_numbers_of_tokens_are_refused_with_what_is_allowed() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("chelsea.png");
    let photo = arg(&photo);
    encode(directory, "chelsea.png");
    for (args, mentions) in [
        (
            &["encode", photo, "-o", "x", "--tokens", "0"][..],
            &["--tokens", "1..=256"][..],
        ),
        (
            &["encode", photo, "-o", "x", "--tokens", "257"],
            &["--tokens", "1..=256"],
        ),
        (
            &["decode", "a.flxt", "-o", "x.png", "--tokens", "0"],
            &["--tokens", "1..=256"],
        ),
        (
            &["decode", "a.flxt", "-o", "x.png", "--tokens", "257"],
            &["--tokens", "1..=256"],
        ),
        (
            &["truncate", "a.flxt", "-o", "x", "--tokens", "0"],
            &["--tokens", "1..=256"],
        ),
        (
            &["truncate", "a.flxt", "-o", "x", "--tokens", "257"],
            &["--tokens", "1..=256"],
        ),
    ] {
        run(directory, args).fails(2, mentions);
    }
    assert_eq!(listing(directory), ["a.flxt"]);
}

#[test]
fn impossible_options_are_refused_with_what_is_allowed() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("chelsea.png");
    let photo = arg(&photo);
    encode(directory, "chelsea.png");
    for (args, mentions) in [
        (
            &["truncate", "a.flxt", "-o", "x"][..],
            &["--tokens", "--bytes"][..],
        ),
        (&["truncate", "a.flxt", "-k", "1"], &["a.flxt", "-o"]),
        (
            &["encode", photo, "-o", "x", "--tokens", "1", "--bytes", "99"],
            &["--tokens", "--bytes"],
        ),
        (
            &["encode", photo, "-o", "x", "--canvas", "256"],
            &["--canvas", "WxH"],
        ),
    ] {
        run(directory, args).fails(2, mentions);
    }
    assert_eq!(listing(directory), ["a.flxt"]);
}

#[test]
fn impossible_outputs_and_sampling_are_refused_with_what_is_allowed() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("chelsea.png");
    let photo = arg(&photo);
    encode(directory, "chelsea.png");
    for (args, mentions) in [
        (
            &["decode", "a.flxt", "-o", "x.gif"][..],
            &["x.gif", "gif", "png, jpg", "npy"][..],
        ),
        (&["decode", "a.flxt", "-o", "x"], &["x: ", "png, jpg"]),
        (
            &["preview", "a.flxt", "-o", "x.npy"],
            &["x.npy", "png, jpg"],
        ),
        (&["tokens", "a.flxt", "-o", "x.txt"], &["x.txt", "npy"]),
        (
            &["decode", "a.flxt", "-o", "x.png", "--steps", "0"],
            &["--steps"],
        ),
        (
            &["decode", "a.flxt", "-o", "x.png", "--guidance", "nan"],
            &["guidance"],
        ),
        (
            &["decode", "a.flxt", "-o", "x.png", "--guidance", "1e9"],
            &["guidance"],
        ),
        (&["compare", "-", "-"], &["standard input"]),
        (
            &["decode", "-", "--noise", "-", "-o", "x.png"],
            &["standard input", "only one"],
        ),
        (
            &["pack", "x.npy", "--width", "-1", "--height", "9"],
            &["'-1'", "--width", "1..=1048576"],
        ),
        (
            &[
                "pack", "x.npy", "--width", "1", "--height", "9", "--grid", "0x4",
            ],
            &["--grid", "CxR"],
        ),
        (
            &["encode", photo, "-o", "x", "--canvas", "-5x5"],
            &["--canvas", "WxH"],
        ),
        (
            &["decode", "a.flxt", "-o", "x.png", "--guidance", "abc"],
            &["--guidance", "a number"],
        ),
        (
            &["compare", photo, arg(&flextok_tests::photo("coffee.png"))],
            &["451x300", "600x400"],
        ),
        (&["frobnicate"], &["frobnicate"]),
        (&["encode"], &["IN"]),
        (&["info", "a.flxt", "-q", "-v"], &["--quiet", "--verbose"]),
    ] {
        run(directory, args).fails(2, mentions);
    }
    assert_eq!(listing(directory), ["a.flxt"]);
    let bare = run(directory, [""; 0]);
    assert_eq!(bare.code, Some(2));
    assert!(bare.stderr.contains("Usage: flextok"));
}

#[test]
fn limits_are_named_and_can_be_raised() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("chelsea.png");
    let photo = arg(&photo);
    encode(directory, "chelsea.png");
    for (args, mention) in [
        (
            &["encode", photo, "-o", "x.flxt", "--max-pixels", "135299"][..],
            "--max-pixels",
        ),
        (
            &["encode", photo, "-o", "x.flxt", "--max-input-bytes", "1000"],
            "--max-input-bytes",
        ),
        (
            &["encode", photo, "-o", "x.flxt", "--max-memory", "1000"],
            "--max-memory",
        ),
        (
            &["decode", "a.flxt", "-o", "x.png", "--max-pixels", "135299"],
            "--max-pixels",
        ),
        (
            &["decode", "a.flxt", "-o", "x.png", "--steps", "1001"],
            "--max-steps",
        ),
        (
            &[
                "decode",
                "a.flxt",
                "-o",
                "x.png",
                "--max-canvas-pixels",
                "65535",
            ],
            "--max-canvas-pixels",
        ),
    ] {
        run(directory, args).fails(5, &[mention, args[1]]);
    }
    assert_eq!(listing(directory), ["a.flxt"]);
    run(
        directory,
        ["encode", photo, "-o", "x.flxt", "--max-pixels", "135300"],
    )
    .ok();
}

#[test]
fn a_file_cannot_ask_for_any_number_of_pixels() {
    let place = workplace();
    let directory = place.path();
    encode(directory, "chelsea.png");
    // A file may ask for 2^20 x 2^20 pixels; the canvas alone can be had all the same.
    run(directory, ["tokens", "a.flxt", "-o", "ids.npy"]).ok();
    let size = ["--width", "1048576", "--height", "1048576"];
    run(
        directory,
        ["pack", "ids.npy", "-o", "bomb.flxt"]
            .into_iter()
            .chain(size),
    )
    .ok();
    run(directory, ["decode", "bomb.flxt"]).fails(5, &["bomb.flxt", "--max-pixels"]);
    run(directory, ["decode", "bomb.flxt", "--keep-canvas"]).ok();
    run(directory, ["preview", "bomb.flxt"]).ok();
}

/// Puts `nano.flxt` and `tiny.flxt`, of two tokens by the two models, into `directory`.
fn files_of_two_models(directory: &std::path::Path, model: &str, photo: &str) {
    run(directory, ["encode", photo, "-o", "nano.flxt", "-k", "2"]).ok();
    let args = ["encode", photo, "-o", "tiny.flxt", "-k", "2"];
    run(directory, args.into_iter().chain(["--model", model])).ok();
}

#[test]
fn files_of_other_models_are_refused() {
    let place = workplace();
    let (directory, model, photo) = (place.path(), tiny(), photo("chelsea.png"));
    let (model, photo) = (arg(&model), arg(&photo));
    files_of_two_models(directory, model, photo);
    let fingerprint = |file| {
        let info = run(directory, ["info", file, "--json"]).ok().json();
        info["model"].as_str().expect("a fingerprint").to_owned()
    };
    let (nano, tiny) = (fingerprint("nano.flxt"), fingerprint("tiny.flxt"));
    assert_ne!(nano, tiny);
    run(directory, ["decode", "tiny.flxt", "-o", "x.png"]).fails(4, &["tiny.flxt", &nano, &tiny]);
    run(
        directory,
        ["decode", "nano.flxt", "-o", "x.png", "--model", model],
    )
    .fails(4, &["nano.flxt", &nano, &tiny]);
    assert_eq!(listing(directory), ["nano.flxt", "tiny.flxt"]);
}

#[test]
fn what_is_no_model_is_named() {
    let place = workplace();
    let (directory, photo) = (place.path(), photo("chelsea.png"));
    let photo = arg(&photo);
    run(directory, ["encode", photo, "-o", "nano.flxt", "-k", "2"]).ok();
    write(directory, "text.safetensors", "no model");
    std::fs::create_dir(directory.join("empty")).expect("writable");
    for (path, mention) in [
        ("missing.safetensors", "No such file"),
        ("text.safetensors", "safetensors"),
        ("empty", "empty/model.safetensors"),
        (photo, "safetensors"),
    ] {
        for command in [
            &["encode", photo, "-o", "x.flxt", "--model", path][..],
            &["decode", "nano.flxt", "-o", "x.png", "--model", path],
            &["model", "--model", path],
            &["model", "--no-mmap", "--model", path],
        ] {
            run(directory, command).fails(4, &[path, mention]);
        }
    }
    // What needs no model does not look at it.
    run(
        directory,
        ["info", "nano.flxt", "--model", "missing.safetensors"],
    )
    .ok();
    assert_eq!(
        listing(directory),
        ["empty", "nano.flxt", "text.safetensors"]
    );
}

#[test]
fn models_are_opened_as_file_or_directory_mapped_or_read() {
    let place = workplace();
    let (directory, model, photo) = (place.path(), tiny(), photo("chelsea.png"));
    let model = arg(&model);
    files_of_two_models(directory, model, arg(&photo));
    let folder = std::path::Path::new(model).parent().expect("it has one");
    let args = [
        "decode",
        "tiny.flxt",
        "-o",
        "a.png",
        "--steps",
        "1",
        "--model",
        arg(folder),
    ];
    run(directory, args).ok();
    let args = [
        "decode",
        "tiny.flxt",
        "-o",
        "b.png",
        "--steps",
        "1",
        "--no-mmap",
        "--model",
        model,
    ];
    run(directory, args).ok();
    let read = |name: &str| std::fs::read(directory.join(name)).expect("it is there");
    assert!(read("a.png") == read("b.png"));
}

#[test]
fn the_model_describes_itself() {
    let place = workplace();
    for model in [vec![], vec!["--model".to_owned(), arg(&tiny()).to_owned()]] {
        let base = ["model".to_owned(), "--json".to_owned()];
        let report = run(place.path(), base.iter().chain(&model)).ok().json();
        let parts = &report["parameters"];
        let sum: u64 = ["vae", "encoder", "decoder", "other"]
            .iter()
            .map(|part| parts[part].as_u64().expect("a number"))
            .sum();
        assert_eq!(parts["total"], sum);
        let stored: u64 = report["stored_types"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|stored| stored["values"].as_u64().expect("a number"))
            .sum();
        assert_eq!(stored, sum);
        assert_eq!(
            (&report["tokens"], &report["codebook_size"]),
            (&256.into(), &64000.into())
        );
        assert_eq!(report["fingerprint"].as_str().map(str::len), Some(8));
        assert!(report["config"]["decoder"]["transformer"]["width"].is_u64());
        let text = run(place.path(), base.iter().take(1).chain(&model)).ok();
        assert!(
            text.text()
                .contains(report["fingerprint"].as_str().expect("text"))
        );
    }
}

#[test]
fn help_completions_and_pages() {
    let place = workplace();
    let directory = place.path();
    let commands = [
        "encode",
        "decode",
        "truncate",
        "fit",
        "serve",
        "info",
        "verify",
        "preview",
        "compare",
        "model",
        "tokens",
        "pack",
        "completions",
        "man",
        "devices",
    ];
    let help = run(directory, ["--help"]).ok();
    assert!(help.text().contains("Exit codes:") && help.text().contains("not a flextok file"));
    for command in commands {
        assert!(help.text().contains(command), "{command}");
        assert!(
            run(directory, [command, "--help"])
                .ok()
                .text()
                .contains("Usage: flextok")
        );
    }
    let version = run(directory, ["--version"]).ok();
    assert_eq!(
        version.text(),
        concat!("flextok ", env!("CARGO_PKG_VERSION"), "\n")
    );
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(directory, ["completions", shell]).ok();
        assert!(script.text().contains("truncate"), "{shell}");
    }
    run(directory, ["man", "-o", "pages"]).ok();
    let pages = listing(&directory.join("pages"));
    assert_eq!(pages.len(), commands.len() + 1, "{pages:?}");
    let page = std::fs::read_to_string(directory.join("pages/flextok-encode.1")).expect("a page");
    assert!(
        page.contains("\\-\\-bytes") && page.starts_with(".ie"),
        "{page}"
    );
    assert!(run(directory, ["man"]).ok().text().contains("Exit codes"));
    run(directory, ["man", "-o", "pages"]).fails(7, &["--force"]);
}

#[test]
fn verbose_tells_and_default_does_not() {
    let place = workplace();
    let photo = std::fs::read(photo("chelsea.png")).expect("the photo");
    let told = pipe(place.path(), ["encode", "-", "-v"], &photo);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    // The engine, why it is no GPU if it is none, and what was done.
    let lines: Vec<&str> = told.stderr.lines().collect();
    assert!((2..=3).contains(&lines.len()), "{lines:?}");
    assert!(
        lines.iter().all(|line| line.starts_with("flextok: ")),
        "{lines:?}"
    );
    let done = lines[lines.len() - 1];
    assert!(
        done.contains("451x300") && done.contains("549 bytes"),
        "{done}"
    );
}
