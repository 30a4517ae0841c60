//! Flipped bits and foreign bytes: detected, or harmless by the specification's own words.

use flextok::container::{Error, Metadata, State, TokenFile};
use flextok::{Codec, DecodeOptions, EncodeOptions, image};
use flextok_tests::{arg, encode, photo, read, run, workplace, write};

/// A file of five tokens with one chunk of metadata: every kind of region in 60 bytes.
fn small_file(codec: &Codec) -> Vec<u8> {
    let metadata = Metadata {
        title: Some("small".to_owned()),
        ..Metadata::default()
    };
    let options = EncodeOptions::default()
        .with_tokens(5)
        .with_metadata(metadata);
    let photo = image::open(photo("coffee.png")).expect("the photo");
    codec.encode(&photo, &options).expect("it encodes")
}

#[test]
fn every_flipped_bit_is_noticed() {
    let codec = Codec::embedded().expect("the embedded model");
    let file = small_file(&codec);
    let whole = TokenFile::parse(&file).expect("it is complete");
    let picture = codec
        .decode(&file, &DecodeOptions::default())
        .expect("it decodes");
    let mut truncated = 0;
    for bit in 0..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let decoded = codec.decode(&flipped, &DecodeOptions::default());
        match TokenFile::parse(&flipped) {
            Err(error) => {
                assert!(decoded.is_err(), "bit {bit}: {error}");
                if let Error::Corrupt { range, .. } = error {
                    assert!(
                        range.contains(&(bit as u64 / 8)),
                        "bit {bit} is not in {range:?}"
                    );
                }
            }
            // Section 9: a chunk that became longer cannot be told from one that was cut.
            Ok(read) => {
                assert_eq!(
                    read.state(),
                    State::Truncated { have: 5, total: 5 },
                    "bit {bit}"
                );
                assert_eq!(
                    (read.ids(), read.proven_layers()),
                    (whole.ids(), 5),
                    "bit {bit}"
                );
                assert!(decoded.is_ok_and(|decoded| decoded == picture), "bit {bit}");
                truncated += 1;
            }
        }
    }
    assert!(
        (1..=16).contains(&truncated),
        "{truncated} flips of the chunk's length"
    );
}

#[test]
fn the_program_names_region_and_bytes() {
    let place = workplace();
    let (directory, photo) = (place.path(), photo("coffee.png"));
    let args = [
        "encode",
        arg(&photo),
        "-o",
        "a.flxt",
        "-k",
        "16",
        "--title",
        "T",
    ];
    run(directory, args).ok();
    let file = read(directory, "a.flxt");
    for (byte, mentions) in [
        (8, &["header", "bytes 0..21"][..]),
        (25, &["layers 1..=4", "bytes"]),
        (50, &["layers 5..=16", "bytes"]),
        (65, &["metadata chunk 0", "bytes 61.."]),
    ] {
        let mut damaged = file.clone();
        damaged[byte] ^= 0x10;
        write(directory, "bad.flxt", damaged);
        let mentions = [&["bad.flxt: "], mentions].concat();
        for command in ["verify", "info", "tokens"] {
            run(directory, [command, "bad.flxt"]).fails(3, &mentions);
        }
        run(directory, ["decode", "bad.flxt", "-o", "bad.png"]).fails(3, &mentions);
        run(
            directory,
            ["truncate", "bad.flxt", "-o", "c.flxt", "-k", "2"],
        )
        .fails(3, &mentions);
        assert_eq!(flextok_tests::listing(directory), ["a.flxt", "bad.flxt"]);
    }
    let mut longer = file.clone();
    longer.push(0);
    write(directory, "bad.flxt", longer);
    run(directory, ["verify", "bad.flxt"]).fails(3, &["trailing bytes"]);
}

#[test]
fn verify_reports_each_file_and_the_worst_code() {
    let place = workplace();
    let directory = place.path();
    let file = encode(directory, "coffee.png");
    write(directory, "cut.flxt", &file[..100]);
    write(directory, "text.flxt", "hello");
    let all = run(directory, ["verify", "a.flxt", "cut.flxt"]).ok();
    assert_eq!(
        all.text(),
        "a.flxt: ok (256 tokens, 549 bytes)\n\
         cut.flxt: truncated (35 of 256 tokens, 16 proven, 100 bytes)\n"
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
