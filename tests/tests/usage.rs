//! The command line itself: refusals before any work, limits, models, help, completions, pages.

use std::num::NonZeroU8;

use flextok::Size;
use flextok::container::{Coded, CodedCanvas, Header, Metadata, TablesName, TokenFile};
use flextok_tests::{
    arg, encode, encode_ids, listing, nano, photo, pipe, run, run_ids, tiny, workplace, write,
};

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
            &["--tokens", "from 1 to 65536"][..],
        ),
        (
            &["encode", photo, "-o", "x", "--tokens", "65537"],
            &["--tokens", "from 1 to 65536"],
        ),
        (
            &["decode", "a.flxt", "-o", "x.png", "--tokens", "0"],
            &["--tokens", "from 1 to 65536"],
        ),
        (
            &["decode", "a.flxt", "-o", "x.png", "--tokens", "65537"],
            &["--tokens", "from 1 to 65536"],
        ),
        (
            &["truncate", "a.flxt", "-o", "x", "--tokens", "0"],
            &["--tokens", "from 1 to 65536"],
        ),
        (
            &["truncate", "a.flxt", "-o", "x", "--tokens", "65537"],
            &["--tokens", "from 1 to 65536"],
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
            &["--canvas", "own", "255 blocks"],
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
            &["'nan'", "--guidance", "a finite number"],
        ),
        (
            &["decode", "a.flxt", "-o", "x.png", "--steps", "3"],
            &["the option steps", "FlexTok"],
        ),
        (
            &["decode", "a.flxt", "-o", "x.png", "--seed", "0"],
            &["the option seed", "FlexTok"],
        ),
        (
            &["encode", photo, "-o", "x", "--crop"],
            &["crop", "FlexTok"],
        ),
        (
            &["encode", photo, "-o", "x", "--canvas", "64x64"],
            &["canvas 64x64", "255 blocks"],
        ),
        (
            &["encode", photo, "-o", "x", "-k", "5"],
            &["tokens 5", "bytes"],
        ),
        (&["compare", "-", "-"], &["standard input"]),
        (
            &["decode", "-", "--noise", "-", "-o", "x.png"],
            &["standard input", "both"],
        ),
        (
            &["pack", "x.npy", "--width", "-1", "--height", "9"],
            &["'-1'", "--width", "from 1 to 1048576"],
        ),
        (
            &[
                "pack", "x.npy", "--width", "1", "--height", "9", "--grid", "0x4",
            ],
            &["--grid", "CxR"],
        ),
        (
            &["encode", photo, "-o", "x", "--canvas", "-5x5"],
            &["--canvas", "255 blocks"],
        ),
        (
            &["decode", "a.flxt", "-o", "x.png", "--guidance", "abc"],
            &["--guidance", "a finite number"],
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
            &["decode", "a.flxt", "-o", "x.png", "--max-memory", "4915199"],
            "--max-memory",
        ),
    ] {
        run(directory, args).fails(5, &[mention, args[1]]);
    }
    // 480x320 pixels, 32 bytes each.
    run(
        directory,
        ["decode", "a.flxt", "-o", "-", "--max-memory", "4915200"],
    )
    .ok();
    std::fs::remove_file(directory.join("a.flxt")).expect("it is there");
    encode_ids(directory, "chelsea.png");
    for (option, value, mention) in [
        ("--steps", "1001", "--max-steps"),
        ("--max-canvas-pixels", "65535", "--max-canvas-pixels"),
    ] {
        let args = ["decode", "a.flxt", "-o", "x.png", option, value];
        run_ids(directory, args).fails(5, &[mention, "a.flxt"]);
    }
    assert_eq!(listing(directory), ["a.flxt"]);
    run(
        directory,
        ["encode", photo, "-o", "x.flxt", "--max-pixels", "135300"],
    )
    .ok();
}

#[test]
fn a_file_cannot_claim_any_number_of_pixels() {
    let place = workplace();
    let directory = place.path();
    // Three bytes of payload: for 2^20 x 2^20 pixels on a small canvas, and on the largest canvas there is.
    for (name, size, canvas, option) in [
        (
            "large.flxt",
            1 << 20,
            CodedCanvas::Long(NonZeroU8::MIN),
            "--max-pixels",
        ),
        ("canvas.flxt", 8160, CodedCanvas::Own, "--max-memory"),
    ] {
        let coded = Coded {
            tables: TablesName::BUILTIN,
            canvas,
            bytes: 3,
        };
        let header = Header::coded(Size::new(size, size), coded).expect("in range");
        let file = TokenFile::new(header, vec![1, 2, 3], Metadata::default());
        let bytes = file.and_then(|file| file.to_bytes()).expect("a file");
        write(directory, name, bytes);
        run(directory, ["verify", name]).ok();
        run(directory, ["decode", name, "-o", "x.png"]).fails(5, &[name, option]);
    }
    let args = ["decode", "large.flxt", "-o", "x.png", "--keep-canvas"];
    run(directory, args).ok();
}

/// Puts `nano.flxt` and `tiny.flxt`, of two tokens by the two models, into `directory`.
fn files_of_two_models(directory: &std::path::Path, model: &str, photo: &str) {
    run_ids(directory, ["encode", photo, "-o", "nano.flxt", "-k", "2"]).ok();
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
    run_ids(directory, ["decode", "tiny.flxt", "-o", "x.png"])
        .fails(4, &["tiny.flxt", &nano, &tiny]);
    run(directory, ["decode", "tiny.flxt", "-o", "x.png"])
        .fails(4, &["tiny.flxt", "tables 1", &tiny]);
    run(
        directory,
        ["decode", "nano.flxt", "-o", "x.png", "--model", model],
    )
    .fails(4, &["nano.flxt", &nano, &tiny]);
    assert_eq!(listing(directory), ["nano.flxt", "tiny.flxt"]);
}

#[test]
fn a_file_that_is_not_a_model_is_named() {
    let place = workplace();
    let (directory, photo) = (place.path(), photo("chelsea.png"));
    let photo = arg(&photo);
    run_ids(directory, ["encode", photo, "-o", "nano.flxt", "-k", "2"]).ok();
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
    let embedded = run(place.path(), ["model", "--json"]).ok().json();
    assert_eq!(
        (&embedded["payload"], &embedded["model"]),
        (&"coded".into(), &"tables 1".into())
    );
    assert_eq!(embedded["config"]["block"], 32);
    for path in [nano(), tiny()] {
        let model = vec!["--model".to_owned(), arg(&path).to_owned()];
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
        "eval",
        "decode",
        "detokenize",
        "truncate",
        "fit",
        "serve",
        "info",
        "verify",
        "preview",
        "compare",
        "model",
        "tokenize",
        "tokens",
        "pack",
        "completions",
        "man",
        "devices",
        "packets",
        "version",
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
    // One of the program, and those of `packets split` and `packets join`.
    assert_eq!(pages.len(), commands.len() + 3, "{pages:?}");
    assert!(pages.contains(&"flextok-packets-join.1".to_owned()));
    let page = std::fs::read_to_string(directory.join("pages/flextok-encode.1")).expect("a page");
    assert!(
        page.contains("\\-\\-bytes") && page.starts_with(".ie"),
        "{page}"
    );
    assert!(run(directory, ["man"]).ok().text().contains("Exit codes"));
    run(directory, ["man", "-o", "pages"]).fails(7, &["--force"]);
}

#[test]
fn verbose_reports_and_default_does_not() {
    let place = workplace();
    let photo = std::fs::read(photo("chelsea.png")).expect("the photo");
    let verbose = pipe(place.path(), ["encode", "-", "-v"], &photo);
    assert_eq!(verbose.code, Some(0), "{}", verbose.stderr);
    // The engine, why it is no GPU if it is none, and what was done.
    let lines: Vec<&str> = verbose.stderr.lines().collect();
    assert!((2..=3).contains(&lines.len()), "{lines:?}");
    assert!(
        lines.iter().all(|line| line.starts_with("flextok: ")),
        "{lines:?}"
    );
    let done = lines[lines.len() - 1];
    assert!(
        done.contains("451x300") && done.contains("1024 bytes"),
        "{done}"
    );
}
