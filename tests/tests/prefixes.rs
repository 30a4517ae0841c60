//! Files cut anywhere, and what `truncate`, `head -c`, `info`, `verify` and `decode` make of them.

use flextok::container::{KeepMetadata, State, TokenFile};
use flextok::{Codec, DecodeOptions, EncodeOptions, ErrorKind, image};
use flextok_tests::{arg, encode, photo, pipe, read, run, tiny, workplace, write};

/// Header, the first checkpoint's place, and so on, as the specification computes them.
fn tokens_within(bytes: usize, header: usize) -> usize {
    let end =
        |layer: usize| header + 2 * layer + 4 * [4, 16, 64].iter().filter(|&&c| c < layer).count();
    (0..=256)
        .rev()
        .find(|&layer| end(layer) <= bytes)
        .unwrap_or(0)
}

#[test]
fn every_length_through_the_library() {
    let codec = Codec::open(tiny()).expect("the tiny model");
    let photo = image::open(photo("chelsea.png")).expect("the photo");
    // A small canvas is enough here and takes two bytes of header.
    let options = EncodeOptions::default().with_canvas(flextok::Size::new(64, 32));
    let file = codec.encode(&photo, &options).expect("it encodes");
    const HEADER: usize = 23;
    assert_eq!(file.len(), 551);
    let options = DecodeOptions::default()
        .with_steps(1)
        .with_guidance(1.0, false);
    let mut last = (0, None);
    for length in 0..=file.len() {
        let tokens = tokens_within(length, HEADER);
        match codec.decode(&file[..length], &options) {
            Ok(picture) => {
                assert!(tokens > 0, "{length} bytes hold no token");
                assert_eq!(picture.dimensions(), (451, 300), "{length} bytes");
                // The same number of tokens is the same picture, another number another one.
                let same = last.1.as_ref() == Some(&picture);
                assert_eq!(same, last.0 == tokens, "{length} bytes, {tokens} tokens");
                last = (tokens, Some(picture));
            }
            Err(error) => {
                assert_eq!(tokens, 0, "{length} bytes: {error}");
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{length} bytes: {error}");
            }
        }
        if length >= HEADER {
            let parsed = TokenFile::parse(&file[..length]).expect("the header is there");
            assert_eq!(parsed.ids().len(), tokens, "{length} bytes");
            let complete = parsed.state() == State::Complete;
            assert_eq!(complete, length == file.len(), "{length} bytes");
        }
    }
    assert_eq!(last.0, 256);
}

#[test]
fn lengths_through_the_program() {
    let place = workplace();
    let directory = place.path();
    let file = encode(directory, "chelsea.png");
    let lengths = (0..30).chain([31, 33, 34, 60, 61, 62, 100, 165, 166, 400, 545, 546, 548]);
    for length in lengths {
        write(directory, "cut.flxt", &file[..length]);
        let tokens = tokens_within(length, 21);
        let decoded = run(
            directory,
            ["decode", "cut.flxt", "-o", "cut.png", "--force"],
        );
        if tokens == 0 {
            decoded.fails(3, &["cut.flxt: "]);
            assert!(!directory.join("cut.png").exists(), "{length} bytes");
        } else {
            assert_eq!(decoded.code, Some(0), "{length}: {decoded:?}");
            let note = format!("flextok: note: cut.flxt is truncated: {tokens} of 256 tokens");
            assert!(decoded.stderr.starts_with(&note), "{length}: {decoded:?}");
            assert_eq!(decoded.stderr.lines().count(), 1, "{length}: {decoded:?}");
            run(
                directory,
                ["decode", "cut.flxt", "-o", "cut.png", "--force", "--quiet"],
            )
            .ok();
        }
        if length < 21 {
            let needed = format!("at least {} more", 21 - length);
            run(directory, ["info", "cut.flxt"]).fails(3, &["cut.flxt: ", &needed]);
            continue;
        }
        let info = run(directory, ["info", "cut.flxt", "--json"]).ok().json();
        assert_eq!(info["state"], "truncated");
        assert_eq!(
            (&info["tokens_have"], &info["tokens_total"]),
            (&tokens.into(), &256.into())
        );
        assert_eq!(info["bytes"], length);
        let verified = run(directory, ["verify", "cut.flxt"]).ok();
        assert!(
            verified
                .text()
                .contains(&format!("truncated ({tokens} of 256")),
            "{verified:?}"
        );
        run(directory, ["verify", "--complete", "cut.flxt"]).fails(3, &["cut.flxt: ", "truncated"]);
    }
}

#[test]
fn truncate_and_head_give_the_same_picture() {
    let place = workplace();
    let directory = place.path();
    let file = encode(directory, "coffee.png");
    let info = run(directory, ["info", "a.flxt", "--json"]).ok().json();
    let cuts = info["cuts"].as_array().expect("a table");
    assert_eq!(cuts.len(), 256);
    for tokens in [1, 2, 3, 4, 5, 16, 17, 64, 65, 255, 256] {
        let cut = &cuts[tokens - 1];
        assert_eq!(cut["tokens"], tokens);
        let head = cut["prefix_bytes"].as_u64().expect("a number") as usize;
        let (k, bytes) = (tokens.to_string(), cut["complete_bytes"].to_string());
        let by_tokens = run(directory, ["truncate", "a.flxt", "-o", "-", "--tokens", &k])
            .ok()
            .stdout;
        let by_bytes = run(
            directory,
            ["truncate", "a.flxt", "-o", "-", "--bytes", &bytes],
        )
        .ok()
        .stdout;
        assert!(by_tokens == by_bytes, "{tokens}");
        assert_eq!(by_tokens.len().to_string(), bytes);
        let complete = pipe(directory, ["decode", "-"], &by_tokens).ok().stdout;
        let prefix = pipe(directory, ["decode", "-", "--quiet"], &file[..head])
            .ok()
            .stdout;
        let fewer = run(directory, ["decode", "a.flxt", "-o", "-", "--tokens", &k])
            .ok()
            .stdout;
        assert!(complete == prefix && complete == fewer, "{tokens}");
    }
}

#[test]
fn truncate_keeps_what_it_is_told_to() {
    let place = workplace();
    let (directory, photo) = (place.path(), photo("chelsea.png"));
    let args = [
        "encode",
        arg(&photo),
        "-o",
        "a.flxt",
        "--metadata",
        "--title",
        "Chelsea",
    ];
    run(directory, args).ok();
    let info = run(directory, ["info", "a.flxt", "--json"]).ok().json();
    assert_eq!(info["metadata"]["title"], "Chelsea");
    assert!(
        info["metadata"]["encoder"]
            .as_str()
            .is_some_and(|name| name.starts_with("flextok "))
    );

    run(
        directory,
        ["truncate", "a.flxt", "-o", "bare.flxt", "--tokens", "16"],
    )
    .ok();
    let bare = run(directory, ["info", "bare.flxt", "--json"]).ok().json();
    assert_eq!(
        (&bare["bytes"], &bare["metadata"]["title"]),
        (&61.into(), &().into())
    );

    let args = [
        "truncate",
        "a.flxt",
        "-o",
        "kept.flxt",
        "--bytes",
        "100",
        "--keep-metadata",
    ];
    run(directory, args).ok();
    let kept = run(directory, ["info", "kept.flxt", "--json"]).ok().json();
    assert_eq!(
        (&kept["metadata"]["title"], &kept["state"]),
        (&"Chelsea".into(), &"complete".into())
    );
    let bytes = kept["bytes"].as_u64().expect("a number");
    assert!((95..=100).contains(&bytes), "{bytes} of 100 bytes");
}

#[test]
fn truncate_works_in_place_and_says_what_it_cannot_do() {
    let place = workplace();
    let directory = place.path();
    encode(directory, "chelsea.png");
    // In place: the input is read before the output is replaced.
    run(directory, ["truncate", "a.flxt", "-o", "a.flxt", "-k", "2"])
        .fails(7, &["a.flxt", "--force"]);
    run(
        directory,
        ["truncate", "a.flxt", "-o", "a.flxt", "-k", "2", "--force"],
    )
    .ok();
    let cut = read(directory, "a.flxt");
    assert_eq!(cut.len(), 29);
    let again = TokenFile::parse(&cut).and_then(|file| file.cut(3, KeepMetadata::No));
    assert!(again.is_err(), "what is cut off is gone");
    run(directory, ["truncate", "a.flxt", "-o", "b.flxt", "-k", "3"])
        .fails(2, &["a.flxt", "1 to 2"]);
    run(
        directory,
        ["truncate", "a.flxt", "-o", "b.flxt", "--bytes", "9"],
    )
    .fails(2, &["a.flxt", "27"]);
}

#[test]
fn truncating_a_cut_file_says_what_is_unproven() {
    let place = workplace();
    let directory = place.path();
    let file = encode(directory, "chelsea.png");
    let unproven = pipe(directory, ["truncate", "-", "-k", "15"], &file[..60]);
    assert_eq!(
        (unproven.code, unproven.stderr.lines().count()),
        (Some(0), 1),
        "{unproven:?}"
    );
    assert!(
        unproven.stderr.contains("only 4 were proven"),
        "{unproven:?}"
    );
    let proven = pipe(directory, ["truncate", "-", "-k", "4"], &file[..60]);
    assert!(!proven.stderr.contains("proven"), "{proven:?}");
}
