//! Files cut anywhere, and what `truncate`, `head -c`, `info`, `verify` and `decode` make of them.

use flextok::container::{KeepMetadata, State, TokenFile};
use flextok::{Codec, DecodeOptions, EncodeOptions, ErrorKind, image};
use flextok_tests::{
    arg, encode, encode_ids, photo, pipe, read, run, run_ids, tiny, workplace, write,
};

/// Bytes of payload in the first `bytes` of a file: behind the header, less the checks after 64 and 256 bytes.
fn payload_within(bytes: usize, header: usize, total: usize) -> usize {
    let end =
        |payload: usize| header + payload + [64, 256].iter().filter(|&&c| c < payload).count();
    (0..=total)
        .rev()
        .find(|&payload| end(payload) <= bytes)
        .unwrap_or(0)
}

#[test]
fn every_length_through_the_library() {
    let codec = Codec::open(tiny()).expect("the tiny model");
    let photo = image::open(photo("chelsea.png")).expect("the photo");
    // A small canvas is enough here.
    let options = EncodeOptions::default().with_canvas(flextok::Size::new(64, 32).into());
    let file = codec.encode(&photo, &options).expect("it encodes");
    const HEADER: usize = 24;
    assert_eq!(file.len(), 540);
    let options = DecodeOptions::default()
        .with_steps(1)
        .with_guidance(1.0, false);
    let mut last = (0, None);
    for length in 0..=file.len() {
        let tokens = payload_within(length, HEADER, 512) / 2;
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
    let lengths = (0..30).chain([76, 77, 78, 100, 268, 269, 270, 400, 1021, 1022, 1023]);
    for length in lengths {
        write(directory, "cut.flxt", &file[..length]);
        let have = payload_within(length, 12, 1008);
        let decoded = run(
            directory,
            ["decode", "cut.flxt", "-o", "cut.png", "--force"],
        );
        if have == 0 {
            decoded.fails(3, &["cut.flxt: "]);
            assert!(!directory.join("cut.png").exists(), "{length} bytes");
        } else {
            assert_eq!(decoded.code, Some(0), "{length}: {decoded:?}");
            let note =
                format!("flextok: note: cut.flxt is truncated: {have} of 1008 bytes of payload");
            assert!(decoded.stderr.starts_with(&note), "{length}: {decoded:?}");
            assert_eq!(decoded.stderr.lines().count(), 1, "{length}: {decoded:?}");
            run(
                directory,
                ["decode", "cut.flxt", "-o", "cut.png", "--force", "--quiet"],
            )
            .ok();
        }
        if length < 12 {
            run(directory, ["info", "cut.flxt"]).fails(3, &["cut.flxt: ", "at least"]);
            continue;
        }
        let info = run(directory, ["info", "cut.flxt", "--json"]).ok().json();
        assert_eq!(info["state"], "truncated");
        assert_eq!(
            (&info["bytes_have"], &info["bytes_total"]),
            (&have.into(), &1008.into())
        );
        assert_eq!(info["bytes"], length);
        let verified = run(directory, ["verify", "cut.flxt"]).ok();
        let expected = format!("truncated ({have} of 1008");
        assert!(verified.text().contains(&expected), "{verified:?}");
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
    assert_eq!(cuts.len(), 11, "powers of two, and all");
    for cut in cuts {
        let head = cut["prefix_bytes"].as_u64().expect("a number") as usize;
        let bytes = cut["complete_bytes"].to_string();
        let args = ["truncate", "a.flxt", "-o", "-", "--bytes", &bytes];
        let complete = run(directory, args).ok().stdout;
        assert_eq!(complete.len().to_string(), bytes);
        let whole = pipe(directory, ["decode", "-"], &complete).ok().stdout;
        let prefix = pipe(directory, ["decode", "-", "--quiet"], &file[..head]);
        assert!(whole == prefix.ok().stdout, "{cut}");
    }
}

#[test]
fn tokens_can_be_counted_where_there_are_some() {
    let place = workplace();
    let directory = place.path();
    let file = encode_ids(directory, "coffee.png");
    let info = run(directory, ["info", "a.flxt", "--json"]).ok().json();
    let cuts = info["cuts"].as_array().expect("a table");
    assert_eq!(cuts.len(), 256);
    for tokens in [1, 16, 17, 255, 256] {
        let cut = &cuts[tokens - 1];
        assert_eq!(cut["tokens"], tokens);
        let head = cut["prefix_bytes"].as_u64().expect("a number") as usize;
        let (k, bytes) = (tokens.to_string(), cut["complete_bytes"].to_string());
        let truncate = |by: [&str; 2]| {
            let args = ["truncate", "a.flxt", "-o", "-", by[0], by[1]];
            run(directory, args).ok().stdout
        };
        let by_tokens = truncate(["--tokens", &k]);
        assert!(by_tokens == truncate(["--bytes", &bytes]), "{tokens}");
        assert_eq!(by_tokens.len().to_string(), bytes);
        write(directory, "b.flxt", by_tokens);
        write(directory, "c.flxt", &file[..head]);
        let decode = |args: &[&str]| {
            let args = ["decode", "-q", "-o", "-"].iter().chain(args);
            run_ids(directory, args).ok().stdout
        };
        let complete = decode(&["b.flxt"]);
        assert!(complete == decode(&["c.flxt"]), "{tokens}");
        assert!(complete == decode(&["a.flxt", "-k", &k]), "{tokens}");
    }
    // A coded payload has none.
    encode_coded(directory);
    run(
        directory,
        ["truncate", "coded.flxt", "-o", "x.flxt", "-k", "2"],
    )
    .fails(2, &["coded.flxt", "--bytes"]);
    run(directory, ["decode", "coded.flxt", "-k", "2"])
        .fails(2, &["coded.flxt", "the option tokens"]);
    run(directory, ["tokens", "coded.flxt"]).fails(2, &["coded.flxt", "FlexTok"]);
}

fn encode_coded(directory: &std::path::Path) {
    let photo = photo("coffee.png");
    run(directory, ["encode", arg(&photo), "-o", "coded.flxt"]).ok();
}

#[test]
fn truncate_keeps_only_what_is_requested() {
    let place = workplace();
    let (directory, photo) = (place.path(), photo("chelsea.png"));
    let args = ["encode", arg(&photo), "-o", "a.flxt", "--metadata"];
    let title = ["--title", "Chelsea"];
    run(directory, args.into_iter().chain(title)).ok();
    let info = run(directory, ["info", "a.flxt", "--json"]).ok().json();
    assert_eq!(info["metadata"]["title"], "Chelsea");
    assert!(
        info["metadata"]["encoder"]
            .as_str()
            .is_some_and(|name| name.starts_with("flextok "))
    );
    let args = ["truncate", "a.flxt", "-o", "bare.flxt", "--bytes", "61"];
    run(directory, args).ok();
    let bare = run(directory, ["info", "bare.flxt", "--json"]).ok().json();
    assert_eq!(
        (&bare["bytes"], &bare["metadata"]["title"]),
        (&61.into(), &().into())
    );
    let args = ["truncate", "a.flxt", "-o", "kept.flxt", "--bytes", "100"];
    run(directory, args.into_iter().chain(["--keep-metadata"])).ok();
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
    let args = ["truncate", "a.flxt", "-o", "a.flxt", "--bytes", "40"];
    run(directory, args).fails(7, &["a.flxt", "--force"]);
    run(directory, args.into_iter().chain(["--force"])).ok();
    let cut = read(directory, "a.flxt");
    assert_eq!(cut.len(), 40);
    let again = TokenFile::parse(&cut).and_then(|file| file.cut(100, KeepMetadata::No));
    assert!(again.is_err(), "what is cut off is gone");
    let args = ["truncate", "a.flxt", "-o", "b.flxt", "--bytes", "9"];
    run(directory, args).fails(2, &["a.flxt", "9 bytes", "13 bytes"]);
}

#[test]
fn truncating_a_cut_file_says_what_is_unproven() {
    let place = workplace();
    let directory = place.path();
    let file = encode(directory, "chelsea.png");
    let unproven = pipe(directory, ["truncate", "-", "--bytes", "90"], &file[..100]);
    assert_eq!(
        (unproven.code, unproven.stderr.lines().count()),
        (Some(0), 1),
        "{unproven:?}"
    );
    let mention = "only 64 were proven";
    assert!(unproven.stderr.contains(mention), "{unproven:?}");
    let proven = pipe(directory, ["truncate", "-", "--bytes", "60"], &file[..100]);
    assert!(!proven.stderr.contains("proven"), "{proven:?}");
}
