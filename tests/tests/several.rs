//! Several inputs in one run: their outputs, what stops them and what does not, what is said in the end.

use flextok_tests::{arg, encode, encode_ids, listing, photo, pipe, read, run, workplace, write};

/// Puts sample photos into `directory`.
fn photos(directory: &std::path::Path, names: &[&str]) {
    for name in names {
        std::fs::copy(photo(name), directory.join(name)).expect("copied");
    }
}

#[test]
fn two_names_are_in_and_out() {
    let place = workplace();
    let directory = place.path();
    photos(directory, &["chelsea.png"]);
    let expected = encode(directory, "chelsea.png");
    run(directory, ["encode", "chelsea.png", "b.FLXT"]).ok();
    assert!(read(directory, "b.FLXT") == expected);
    let photo = read(directory, "chelsea.png");
    pipe(directory, ["encode", "-", "c.flxt"], &photo).ok();
    assert!(read(directory, "c.flxt") == expected);
    run(directory, ["decode", "a.flxt", "a.webp"]).ok();
    run(directory, ["decode", "a.flxt", "a.npy"]).ok();
    assert!(read(directory, "a.webp").starts_with(b"RIFF"));
    assert!(read(directory, "a.npy").starts_with(b"\x93NUMPY"));
    run(directory, ["decode", "a.flxt", "a.gif"]).fails(2, &["a.gif", "png, jpg"]);
    run(directory, ["encode", "chelsea.png", "a.flxt"]).fails(7, &["a.flxt", "--force"]);
    let names = ["a.flxt", "a.npy", "a.webp", "b.FLXT", "c.flxt"];
    assert_eq!(listing(directory), [&names[..], &["chelsea.png"]].concat());
}

#[test]
fn all_other_names_are_inputs() {
    let place = workplace();
    let directory = place.path();
    photos(directory, &["chelsea.png", "coffee.png"]);
    run(directory, ["encode", "chelsea.png", "coffee.png"]).ok();
    assert!(read(directory, "chelsea.flxt") == encode(directory, "chelsea.png"));
    // Beside the inputs, in a directory that is made, and in one that exists.
    run(
        directory,
        ["decode", "chelsea.flxt", "coffee.flxt", "a.flxt"],
    )
    .fails_in_part(7, &["chelsea.png: already exists", "coffee.png: already"]);
    assert_eq!(
        listing(directory),
        [
            "a.flxt",
            "a.png",
            "chelsea.flxt",
            "chelsea.png",
            "coffee.flxt",
            "coffee.png"
        ]
    );
    let out = ["-o", "out/"];
    let inputs = ["chelsea.flxt", "coffee.flxt"];
    run(directory, ["decode"].iter().chain(&inputs).chain(&out)).ok();
    assert_eq!(
        listing(&directory.join("out")),
        ["chelsea.png", "coffee.png"]
    );
    run(directory, ["encode", "chelsea.png", "-o", "out"]).ok();
    assert!(read(directory, "out/chelsea.flxt") == read(directory, "chelsea.flxt"));
}

#[test]
fn a_failure_does_not_stop_the_others_and_the_first_is_the_exit_code() {
    let place = workplace();
    let directory = place.path();
    photos(directory, &["chelsea.png", "coffee.png"]);
    write(directory, "text.png", "text");
    let inputs = ["chelsea.png", "text.png", "missing.png", "coffee.png"];
    let args = || ["encode"].into_iter().chain(inputs);
    run(directory, args().chain(["-o", "out/"])).fails_in_part(
        6,
        &[
            "text.png: ",
            "missing.png: ",
            "encoded 2 of 4 files, 2048 bytes written; 2 failed",
        ],
    );
    assert_eq!(
        listing(&directory.join("out")),
        ["chelsea.flxt", "coffee.flxt"]
    );
    run(
        directory,
        ["encode", "missing.png", "text.png", "-o", "new/"],
    )
    .fails_in_part(7, &["missing.png", "text.png", "encoded 0 of 2"]);
    // A directory into which nothing came is gone.
    assert!(!directory.join("new").exists());
    // Errors are said with --quiet too, the summary is not.
    let quiet = run(directory, args().chain(["-q", "-o", "out", "--force"]));
    assert_eq!(
        (quiet.code, quiet.stderr.lines().count()),
        (Some(6), 2),
        "{quiet:?}"
    );
}

#[test]
fn impossible_combinations_are_refused_before_any_work() {
    let place = workplace();
    let directory = place.path();
    photos(directory, &["chelsea.png"]);
    for name in ["a.png", "a.jpg"] {
        std::fs::copy(directory.join("chelsea.png"), directory.join(name)).expect("copied");
    }
    std::fs::create_dir(directory.join("sub")).expect("writable");
    std::fs::copy(directory.join("a.png"), directory.join("sub/a.png")).expect("copied");
    let photo = read(directory, "chelsea.png");
    for (args, code, mentions) in [
        (
            &["chelsea.png", "a.png", "a.jpg"][..],
            2,
            &["a.jpg: ", "a.png", "a.flxt"][..],
        ),
        (&["a.png", "./a.png"], 2, &["./a.png"]),
        (
            &["a.png", "sub/a.png", "-o", "sub"],
            2,
            &["sub/a.png", "sub/a.flxt"],
        ),
        (
            &["a.png", "chelsea.png", "-o", "x"],
            2,
            &["x: ", "directory"],
        ),
        (
            &["a.png", "chelsea.png", "-o", "-"],
            2,
            &["-: ", "directory"],
        ),
        (
            &["a.png", "chelsea.png", "-o", "no/such/"],
            7,
            &["no/such/"],
        ),
        (&["a.png", "-", "-o", "sub"], 2, &["standard input"]),
        (&["-", "-o", "sub"], 7, &["sub", "no name"]),
    ] {
        let args = ["encode"].iter().chain(args);
        pipe(directory, args, &photo).fails(code, mentions);
    }
    assert_eq!(listing(directory), ["a.jpg", "a.png", "chelsea.png", "sub"]);
    assert_eq!(listing(&directory.join("sub")), ["a.png"]);
}

#[test]
fn an_output_never_replaces_an_input_that_is_still_to_be_read() {
    let place = workplace();
    let directory = place.path();
    encode(directory, "chelsea.png");
    std::fs::create_dir(directory.join("sub")).expect("writable");
    // Token files under the names of pictures, as outputs have them.
    for name in ["b.flxt", "b.png", "sub/b.flxt"] {
        std::fs::copy(directory.join("a.flxt"), directory.join(name)).expect("copied");
    }
    let args = ["decode", "b.flxt", "b.png", "a.flxt", "--force"];
    run(directory, args).fails_in_part(2, &["b.png: the output would overwrite another input"]);
    let args = ["decode", "sub/b.flxt", "b.png", "-o", ".", "--force"];
    run(directory, args).fails(2, &["b.png"]);
    assert!(read(directory, "b.png") == read(directory, "a.flxt"));
    assert!(read(directory, "a.png").starts_with(b"\x89PNG"));
}

#[test]
fn several_files_are_shown_one_after_the_other() {
    let place = workplace();
    let directory = place.path();
    encode_ids(directory, "chelsea.png");
    std::fs::rename(directory.join("a.flxt"), directory.join("ids.flxt")).expect("renamed");
    encode(directory, "chelsea.png");
    let single = |name: &str| run(directory, ["info", name]).ok().text().to_owned();
    let both = run(directory, ["info", "a.flxt", "ids.flxt"]).ok();
    let expected = format!("{}\n{}", single("a.flxt"), single("ids.flxt"));
    assert_eq!(both.text(), expected);
    let json = run(
        directory,
        ["info", "a.flxt", "missing", "ids.flxt", "--json"],
    );
    assert_eq!(json.code, Some(7));
    let lines: Vec<serde_json::Value> = json
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let files: Vec<_> = lines.iter().map(|line| &line["file"]).collect();
    assert_eq!(files, ["a.flxt", "ids.flxt"]);

    std::fs::copy(directory.join("ids.flxt"), directory.join("too.flxt")).expect("copied");
    let one = run(directory, ["tokens", "ids.flxt"]).ok();
    let two = run(directory, ["tokens", "ids.flxt", "too.flxt"]).ok();
    let ids = one.text();
    assert_eq!(two.text(), format!("ids.flxt: {ids}too.flxt: {ids}"));
    let array = run(directory, ["tokens", "ids.flxt", "--json"]).ok().json();
    let two = run(directory, ["tokens", "ids.flxt", "too.flxt", "--json"]).ok();
    let second: serde_json::Value =
        serde_json::from_str(two.text().lines().nth(1).expect("two lines")).expect("JSON");
    assert_eq!(
        second,
        serde_json::json!({"file": "too.flxt", "tokens": array})
    );
    run(
        directory,
        ["tokens", "ids.flxt", "too.flxt", "-o", "arrays/"],
    )
    .ok();
    assert_eq!(listing(&directory.join("arrays")), ["ids.npy", "too.npy"]);
    run(directory, ["tokens", "-", "-"]).fails(2, &["standard input", "once"]);
}

#[test]
fn a_model_that_cannot_be_opened_is_one_error() {
    let place = workplace();
    let directory = place.path();
    photos(directory, &["chelsea.png", "coffee.png"]);
    let args = ["encode", "chelsea.png", "coffee.png", "--model", "missing"];
    run(directory, args).fails(4, &["missing"]);
    let photo = photo("chelsea.png");
    let args = ["encode", arg(&photo), "-o", "a.flxt", "--model", "missing"];
    run(directory, args).fails(4, &["missing"]);
}
