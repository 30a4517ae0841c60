//! What people type who know other programs: each gets one line that says what to type here.

use flextok_tests::{arg, encode, listing, photo, run, workplace, write};

#[test]
fn habits_of_other_programs_get_a_hint() {
    let place = workplace();
    let directory = place.path();
    encode(directory, "chelsea.png");
    std::fs::copy(photo("chelsea.png"), directory.join("my photo.png")).expect("copied");
    std::fs::copy(photo("chelsea.png"), directory.join("photo")).expect("copied");
    std::fs::copy(directory.join("a.flxt"), directory.join("file")).expect("copied");
    let before = listing(directory);
    for (args, mention) in [
        (&["encode", "photo", "-q", "80"][..], "--bytes 1k"),
        (&["-q", "80", "photo"], "--bytes 1k"),
        (&["encode", "-q80", "photo"], "--bytes 1k"),
        (&["encode", "photo", "--quality", "80"], "--bytes 1k"),
        (&["encode", "photo", "--quality=80"], "--bytes 1k"),
        (&["encode", "photo", "-d", "1.0"], "--bytes 1k"),
        (&["encode", "photo", "-e", "7"], "one effort"),
        (&["decode", "a.flxt", "-q", "80"], "quality 90"),
        (&["-e", "photo", "b.flxt"], "flextok encode photo b.flxt"),
        (&["-d", "a.flxt"], "flextok decode a.flxt"),
        (
            &["cut", "a.flxt", "-b", "60"],
            "flextok truncate a.flxt -b 60 -o OUT.flxt",
        ),
        (
            &["cut", "a.flxt", "100", "-o", "b.flxt"],
            "flextok truncate a.flxt -o b.flxt --bytes 100",
        ),
        (
            &["shrink", "a.flxt"],
            "flextok truncate a.flxt --bytes N -o OUT.flxt",
        ),
        (&["-version"], "flextok version"),
        (&["encode", "-size", "1024", "photo"], "--bytes 1k"),
        (&["encode", "photo", "--target_size", "1000"], "--bytes 1k"),
        (&["compress", "photo"], "flextok encode photo"),
        (&["decompress", "a.flxt"], "flextok decode a.flxt"),
        (
            &["-i", "photo", "-o", "b.flxt"],
            "flextok encode photo -o b.flxt",
        ),
        (
            &["-i", "a.flxt", "-o", "b.png"],
            "flextok decode a.flxt -o b.png",
        ),
        (&["encode", "-i", "photo"], "flextok encode photo"),
        (&["info", "-i", "a.flxt"], "flextok info a.flxt"),
        (&["missing.jpg"], "flextok encode missing.jpg"),
        (&["photo"], "flextok encode photo"),
        (&["file"], "flextok decode file"),
        (&["a.flxt"], "flextok decode a.flxt"),
        (&["my photo.png"], "flextok encode 'my photo.png'"),
    ] {
        let run = run(directory, args).fails(2, &[mention]);
        // A line to be copied is the end of the message.
        assert!(
            !mention.starts_with("flextok ") || run.stderr.ends_with(&format!("{mention}\n")),
            "{run:?}"
        );
    }
    assert_eq!(listing(directory), before);
    // What is no habit is refused as before.
    run(directory, ["frobnicate"]).fails(2, &["unrecognized subcommand", "see --help"]);
    run(directory, ["help", "photo"]).fails(2, &["photo", "see --help"]);
    run(directory, ["encode", "photo", "-o", "-dash.flxt"]).fails(2, &["-d", "see --help"]);
    run(directory, ["encode", "photo", "--lossless"]).fails(2, &["--lossless", "see --help"]);
}

#[test]
fn a_number_after_quiet_may_be_a_file() {
    let place = workplace();
    let directory = place.path();
    std::fs::copy(photo("chelsea.png"), directory.join("80")).expect("copied");
    run(directory, ["encode", "-q", "80"]).ok();
    run(directory, ["encode", "-q", "--", "81"]).fails_in_part(7, &["81: cannot read"]);
    assert_eq!(listing(directory), ["80", "80.flxt"]);
}

#[test]
fn help_and_version_are_commands_too() {
    let place = workplace();
    let directory = place.path();
    let text = |args: &[&str]| run(directory, args).ok().text().to_owned();
    assert_eq!(text(&["help"]), text(&["--help"]));
    assert_eq!(text(&["help", "encode"]), text(&["encode", "--help"]));
    assert_eq!(text(&["version"]), text(&["--version"]));
    run(directory, ["help", "nonsense"]).fails(2, &["nonsense"]);
}

#[test]
fn numbers_of_bytes_have_units() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("chelsea.png");
    for (bytes, size) in [("1k", 1024), ("1K", 1024), ("2KiB", 2048), ("300B", 300)] {
        let args = [
            "encode",
            arg(&photo),
            "-o",
            "a.flxt",
            "--force",
            "--bytes",
            bytes,
        ];
        run(directory, args).ok();
        let length = flextok_tests::read(directory, "a.flxt").len();
        // Some bytes may be left over.
        assert!(length <= size && length > size - 4, "{bytes}: {length}");
    }
    run(
        directory,
        ["truncate", "a.flxt", "-o", "b.flxt", "-b", "60B"],
    )
    .ok();
    assert_eq!(flextok_tests::read(directory, "b.flxt").len(), 60);
    write(directory, "large.png", vec![0; 2048]);
    let args = ["encode", "large.png", "--max-input-bytes", "2k"];
    run(directory, args).fails(6, &["large.png"]);
    let args = ["encode", "large.png", "--max-input-bytes", "1k"];
    run(directory, args).fails(5, &["1024 bytes"]);
    for bytes in ["1KB", "1.5k", "k", "-1"] {
        run(directory, ["encode", arg(&photo), "--bytes", bytes]).fails(2, &["--bytes", "1KiB"]);
    }
}
