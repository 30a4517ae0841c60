//! Folders and tar shards as inputs of `encode`: each picture as alone, in the same places.

use flextok_tests::collection::{part_file, photos, tar, untar};
use flextok_tests::{command, finish, listing, photo, read, run, tiny, workplace, write};

#[test]
fn a_folder_is_encoded_to_the_same_folders() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    run(directory, ["encode", "photos", "-o", "out/"]).fails_in_part(
        6,
        &[
            "shard.tar: bad.jpg: not an image",
            "shard.tar: one.png: a picture of the same key",
            "broken.png: not an image",
            "encoded 7 pictures, 7168 bytes written",
        ],
    );
    let out = directory.join("out");
    assert_eq!(
        listing(&out),
        ["a.flxt", "b.flxt", "shard.tar", "sub", "sub.flxt"]
    );
    assert_eq!(listing(&out.join("sub")), ["a.flxt", "deep"]);
    for (picture, file) in [
        ("photos/a.png", "out/a.flxt"),
        ("photos/sub/a.png", "out/sub/a.flxt"),
        ("photos/sub/deep/é.png", "out/sub/deep/é.flxt"),
    ] {
        run(directory, ["encode", picture, "-o", "one.flxt", "--force"]).ok();
        assert!(
            read(directory, "one.flxt") == read(directory, file),
            "{file}"
        );
    }
    shard(directory);
}

/// Checks the shard of the folder: a file in place of each picture, all else as it was.
fn shard(directory: &std::path::Path) {
    let before = untar(&read(directory, "photos/shard.tar"));
    let after = untar(&read(directory, "out/shard.tar"));
    let names: Vec<&str> = after.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "one.cls",
            "one.flxt",
            "one.txt",
            "bad.cls",
            "d/two.flxt",
            "d/two.json",
            "d/two.seg.png",
            "d/two.tokens.json",
            "alone.txt"
        ]
    );
    for (name, data) in &after {
        let same = before.iter().find(|(other, _)| other == name);
        assert!(
            name.ends_with(".flxt") || same.is_some_and(|(_, old)| old == data),
            "{name}"
        );
    }
    write(directory, "two.png", &before[5].1);
    run(directory, ["encode", "two.png"]).ok();
    assert!(read(directory, "two.flxt") == after[4].1);
}

#[test]
fn networks_and_large_canvases_give_the_same_files_too() {
    let place = workplace();
    let directory = place.path();
    for name in ["coffee.png", "seeding.jpg"] {
        std::fs::create_dir_all(directory.join("p")).expect("writable");
        std::fs::copy(photo(name), directory.join("p").join(name)).expect("copied");
    }
    let ids = tiny().display().to_string();
    for options in [
        &["--model", ids.as_str(), "-k", "9", "--canvas", "64x64"][..],
        &[
            "--canvas",
            "own",
            "--bytes",
            "2k",
            "--max-memory",
            "64M",
            "--threads",
            "8",
        ],
        &["--target-psnr", "20"],
    ] {
        let encode = |args: &[&str]| {
            let args = [&["encode"], args, options, &["--force"]].concat();
            finish(&mut command(directory, args)).ok();
        };
        encode(&["p", "-o", "out/"]);
        for stem in ["coffee.png", "seeding.jpg"] {
            encode(&[&format!("p/{stem}"), "-o", "one.flxt"]);
            let file = format!("out/{}.flxt", &stem[..stem.len() - 4]);
            assert!(
                read(directory, "one.flxt") == read(directory, &file),
                "{options:?}"
            );
        }
    }
}

#[test]
fn what_is_there_stays_and_the_rest_follows() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    run(directory, ["encode", "photos", "-q", "-o", "out/"]);
    let whole = read(directory, "out/b.flxt");
    std::fs::remove_file(directory.join("out/b.flxt")).expect("it is there");
    write(directory, "out/a.flxt", "mine");
    // Without the option it is a failure of that input.
    let args = ["encode", "photos", "-q", "-o", "out", "--bytes", "1k"];
    let again = run(directory, args);
    assert_eq!(again.code, Some(7), "{again:?}");
    assert_eq!(
        again.stderr.matches("already exists").count(),
        5,
        "{again:?}"
    );
    assert!(read(directory, "out/b.flxt") == whole);
    std::fs::remove_file(directory.join("out/b.flxt")).expect("it is there");
    run(directory, ["encode", "photos", "-o", "out", "--resume"])
        .fails_in_part(6, &["broken.png", "encoded 1 picture, 1024 bytes written"]);
    assert!(read(directory, "out/b.flxt") == whole);
    assert_eq!(read(directory, "out/a.flxt"), b"mine");
}

#[test]
fn a_cut_shard_keeps_what_is_proven() {
    let place = workplace();
    let directory = place.path();
    let (one, two) = (part_file(1, "png"), part_file(2, "png"));
    let whole = tar(&[("a.png", &one), ("b.png", &two)]);
    write(directory, "s.tar", &whole[..whole.len() - 2048]);
    run(directory, ["encode", "s.tar", "-o", "out/"])
        .fails_in_part(3, &["s.tar: the archive ends early", "encoded 1 picture"]);
    assert_eq!(untar(&read(directory, "out/s.tar")).len(), 1);
}

#[test]
fn what_cannot_be_is_refused() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    std::fs::create_dir(directory.join("empty")).expect("writable");
    write(directory, "photos/a.jpg", part_file(3, "jpg"));
    let before = listing(directory);
    for (args, code, mentions) in [
        (&["photos"][..], 2, &["photos: a folder", "-o DIR/"][..]),
        (&["photos", "-o", "x.flxt"], 2, &["photos", "-o DIR/"]),
        (&["photos", "x.flxt"], 2, &["photos", "-o DIR/"]),
        (&["photos/shard.tar"], 2, &["shard.tar", "-o DIR/"]),
        (&["empty", "-o", "out/"], 2, &["empty"]),
        (&["photos/sub", "-o", "out/", "-k", "3"], 2, &["tokens 3"]),
        (&["photos/sub", "-o", "no/such/"], 7, &["no/such"]),
        (
            &["photos/b.jpg", "-o", "x.flxt", "--resume"],
            2,
            &["--resume"],
        ),
    ] {
        run(directory, ["encode"].iter().chain(args)).fails(code, mentions);
    }
    let args = ["encode", "photos/shard.tar", "-o", "photos", "--force"];
    run(directory, args).fails_in_part(2, &["shard.tar: the output would overwrite the input"]);
    assert_eq!(listing(directory), before);
}

#[test]
fn of_two_pictures_with_one_output_the_second_fails() {
    let place = workplace();
    let directory = place.path();
    std::fs::create_dir(directory.join("photos")).expect("writable");
    for (number, extension) in [(1, "jpg"), (2, "png")] {
        let file = part_file(number, extension);
        write(directory, &format!("photos/a.{extension}"), file);
    }
    for resume in [&[][..], &["--resume"]] {
        let args = ["encode", "photos", "-o", "out/"].iter().chain(resume);
        run(directory, args).fails_in_part(2, &["photos/a.png: its output out/a.flxt", "1 failed"]);
    }
    run(directory, ["encode", "photos/a.jpg"]).ok();
    assert_eq!(
        read(directory, "photos/a.flxt"),
        read(directory, "out/a.flxt")
    );
}
