//! Flipped bits and foreign bytes: noticed, named, and what is proven can still be used.

use flextok::container::{Error, KeepMetadata, Metadata, TokenFile};
use flextok::{Codec, DecodeOptions, EncodeOptions, image};
use flextok_tests::{encode, encode_ids, read, run, workplace, write};

/// A small file with one chunk of metadata: every kind of region in about 90 bytes.
fn small_file(codec: &Codec) -> Vec<u8> {
    let metadata = Metadata {
        title: Some("small".to_owned()),
        ..Metadata::default()
    };
    let options = EncodeOptions::default()
        .with_bytes(110)
        .with_metadata(metadata);
    let photo = image::open(flextok_tests::photo("coffee.png")).expect("the photo");
    codec.encode(&photo, &options).expect("it encodes")
}

#[test]
fn every_flipped_bit_is_noticed() {
    let codec = Codec::embedded().expect("the embedded model");
    let file = small_file(&codec);
    let whole = TokenFile::parse(&file).expect("it is complete");
    assert!(whole.payload().len() > 64 && whole.metadata().title.is_some());
    for bit in 0..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = TokenFile::parse(&flipped).expect_err("never complete, nor merely cut");
        assert!(
            codec.decode(&flipped, &DecodeOptions::default()).is_err(),
            "bit {bit}: {error}"
        );
        if let Error::Corrupt { proven, .. } = error {
            assert!([0, 64, whole.payload().len() as u64].contains(&proven));
        }
    }
}

#[test]
fn the_program_names_region_and_bytes() {
    let place = workplace();
    let directory = place.path();
    for (file, byte, mentions) in [
        (
            encode(directory, "coffee.png"),
            5,
            &["header", "bytes 0.."][..],
        ),
        (
            read(directory, "a.flxt"),
            40,
            &["payload", "bytes 12..", "nothing before it is proven"],
        ),
        (
            read(directory, "a.flxt"),
            300,
            &["payload", "the first 256 bytes of payload are proven"],
        ),
    ] {
        let mut damaged = file.clone();
        damaged[byte] ^= 0x10;
        write(directory, "bad.flxt", damaged);
        let mentions = [&["bad.flxt: "], mentions].concat();
        for command in ["verify", "info"] {
            run(directory, [command, "bad.flxt"]).fails(3, &mentions);
        }
        run(directory, ["decode", "bad.flxt", "-o", "bad.png"]).fails(3, &mentions);
        let args = ["truncate", "bad.flxt", "-o", "c.flxt", "--bytes", "60"];
        run(directory, args).fails(3, &mentions);
        assert_eq!(flextok_tests::listing(directory), ["a.flxt", "bad.flxt"]);
    }
    let mut longer = read(directory, "a.flxt");
    longer.push(0);
    write(directory, "bad.flxt", longer);
    run(directory, ["verify", "bad.flxt"]).fails(3, &["trailing bytes"]);
}

#[test]
fn the_proven_part_of_a_damaged_file_can_be_used() {
    let place = workplace();
    let directory = place.path();
    let file = encode(directory, "coffee.png");
    let whole = TokenFile::parse(&file).expect("a file");
    let proven = whole
        .cut(256, KeepMetadata::No)
        .and_then(|cut| cut.to_bytes());
    write(directory, "proven.flxt", proven.expect("a cut"));
    run(directory, ["decode", "proven.flxt"]).ok();
    let mut damaged = file.clone();
    damaged[300] ^= 1;
    write(directory, "bad.flxt", &damaged);
    let note = |run: flextok_tests::Run| {
        assert_eq!(
            (run.code, run.stderr.lines().count()),
            (Some(0), 1),
            "{run:?}"
        );
        let expected = "flextok: note: bad.flxt: corrupt file: ";
        assert!(run.stderr.starts_with(expected), "{run:?}");
        run
    };
    note(run(directory, ["decode", "bad.flxt", "--salvage"]));
    assert!(read(directory, "bad.png") == read(directory, "proven.png"));
    let info = note(run(directory, ["info", "bad.flxt", "--salvage", "--json"])).json();
    assert_eq!(info["state"], "damaged");
    assert_eq!(
        (
            &info["bytes_have"],
            &info["bytes_proven"],
            &info["bytes_total"]
        ),
        (&256.into(), &256.into(), &whole.payload().len().into())
    );
    let args = [
        "truncate",
        "bad.flxt",
        "-o",
        "-",
        "--bytes",
        "9999",
        "--salvage",
    ];
    let cut = note(run(directory, args)).stdout;
    assert!(cut == read(directory, "proven.flxt"));
    // Nothing is proven before the first check.
    let mut damaged = file;
    damaged[20] ^= 1;
    write(directory, "bad.flxt", &damaged);
    for command in [
        &["decode", "bad.flxt", "-o", "x.png", "--salvage"][..],
        &["info", "bad.flxt", "--salvage"],
    ] {
        run(directory, command).fails(3, &["bad.flxt: ", "nothing before it is proven"]);
    }
    // An undamaged file stays the same.
    run(directory, ["decode", "a.flxt", "--salvage"]).ok();
}

#[test]
fn verify_reports_each_file_and_the_worst_code() {
    let place = workplace();
    let directory = place.path();
    let file = encode_ids(directory, "coffee.png");
    write(directory, "ids.flxt", &file[..100]);
    std::fs::remove_file(directory.join("a.flxt")).expect("it is there");
    let file = encode(directory, "coffee.png");
    write(directory, "cut.flxt", &file[..100]);
    write(directory, "text.flxt", "hello");
    let all = run(directory, ["verify", "a.flxt", "cut.flxt", "ids.flxt"]).ok();
    assert_eq!(
        all.text(),
        "a.flxt: ok (1008 bytes of payload, 1024 bytes)\n\
         cut.flxt: truncated (87 of 1008 bytes of payload, 64 proven, 100 bytes)\n\
         ids.flxt: truncated (37 of 256 tokens, 32 proven, 100 bytes)\n"
    );
    let mixed = run(directory, ["verify", "text.flxt", "a.flxt"]);
    assert_eq!(
        (mixed.code, mixed.text().lines().count()),
        (Some(3), 1),
        "{mixed:?}"
    );
    let worst = run(directory, ["verify", "text.flxt", "missing.flxt", "a.flxt"]);
    assert_eq!(
        (worst.code, worst.stderr.lines().count()),
        (Some(7), 2),
        "{worst:?}"
    );
    let quiet = run(directory, ["verify", "--quiet", "a.flxt", "cut.flxt"]).ok();
    assert!(quiet.stdout.is_empty());
}
