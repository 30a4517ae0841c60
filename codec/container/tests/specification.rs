//! The files of `format-spec/` against this crate: the worked examples byte for byte, and every
//! vector with what the specification says of it.

mod report;

use std::fs;

use flextok_container::{
    Error, Fingerprint, Header, KeepMetadata, Limits, Metadata, Reader, State, TokenFile,
};
use report::{report, specification};
use serde_json::Value;

/// A report in one line, as `vectors/container.tsv` has it.
fn outcome(report: &Value) -> String {
    if let Some(error) = report["error"].as_str() {
        return format!("error {error}");
    }
    let list = |name: &str| report[name].as_array().expect("a list");
    let ids: Vec<String> = list("ids").iter().map(Value::to_string).collect();
    let text = format!(
        "{} {}/{} proven {} chunks {} ids {}",
        report["state"].as_str().expect("a state"),
        report["have"],
        report["total"],
        report["proven"],
        list("chunks").len(),
        ids.join(",")
    );
    text.trim_end().to_string()
}

fn byte_by_byte(bytes: &[u8]) -> Result<TokenFile, Error> {
    let mut reader = Reader::new();
    bytes.iter().try_for_each(|&byte| reader.feed(&[byte]))?;
    reader.finish()
}

#[test]
fn every_line_has_its_outcome() {
    let lines = report::lines();
    assert!(lines.len() >= 46, "{} vectors", lines.len());
    for (name, expected, bytes) in lines {
        let whole = report(&TokenFile::parse(&bytes));
        assert_eq!(outcome(&whole), expected, "{name}");
        let pieces = report(&byte_by_byte(&bytes));
        assert_eq!(pieces, whole, "{name} byte by byte");
    }
}

#[test]
fn every_valid_file_has_its_report() {
    let files = report::files("valid");
    assert!(files.len() >= 50, "{} vectors", files.len());
    for (name, bytes, expected) in files {
        assert_eq!(report(&TokenFile::parse(&bytes)), expected, "{name}");
        assert_eq!(
            report(&byte_by_byte(&bytes)),
            expected,
            "{name} byte by byte"
        );
    }
}

#[test]
fn every_invalid_file_has_its_error() {
    let files = report::files("invalid");
    assert!(files.len() >= 70, "{} vectors", files.len());
    for (name, bytes, expected) in files {
        let error = expected["error"].as_str().expect("an error");
        assert!(
            name.starts_with(error.split(' ').next().expect("a word")),
            "{name}: {error}"
        );
        assert_eq!(report(&TokenFile::parse(&bytes)), expected, "{name}");
        assert_eq!(
            report(&byte_by_byte(&bytes)),
            expected,
            "{name} byte by byte"
        );
    }
}

/// A reader that keeps fields, ids and chunks writes the same bytes again.
#[test]
fn a_complete_file_is_written_as_it_was_read() {
    let mut count = 0;
    for (name, bytes, _) in report::files("valid") {
        let file = TokenFile::parse(&bytes).expect("a valid file");
        if file.is_complete() && name != "metadata-private" && name != "metadata-other-order" {
            assert_eq!(file.to_bytes().as_deref(), Ok(&bytes[..]), "{name}");
            count += 1;
        }
    }
    assert!(count >= 30, "{count} files");
}

/// The order of chunks is not kept between known and unknown types, but each of them is.
#[test]
fn unknown_chunks_are_kept_in_their_order() {
    for name in ["metadata-private", "metadata-reserved"] {
        let bytes = fs::read(specification(&format!("vectors/valid/{name}.flxt"))).expect(name);
        let file = TokenFile::parse(&bytes).expect(name);
        let cut = file.cut(1, KeepMetadata::Yes).expect(name);
        let again = TokenFile::parse(&cut.to_bytes().expect(name)).expect(name);
        assert!(again.metadata().other.len() >= 3, "{name}");
        assert_eq!(again.metadata(), file.metadata(), "{name}");
    }
}

/// What this crate makes of a picture's facts has none of the reserved types.
#[test]
fn texts_are_written_as_the_types_that_are_defined() {
    let text = || Some("x".to_owned());
    let metadata = Metadata {
        encoder: text(),
        title: text(),
        capture_time: text(),
        color_profile: text(),
        other: Vec::new(),
    };
    let header = Header::new(Fingerprint([0; 4]), 1, 1, 1, 2).expect("in range");
    let bytes = TokenFile::new(header, vec![1], metadata).and_then(|file| file.to_bytes());
    // After 27 bytes of header and token, chunks of 8 bytes each.
    let tags: Vec<u8> = bytes.expect("valid")[27..]
        .chunks(8)
        .map(|chunk| chunk[0])
        .collect();
    assert_eq!(tags, [1, 2, 3, 0x40 | 4]);
}

/// Cutting makes the file that a writer makes of the first layers.
#[test]
fn cuts_are_those_of_the_specification() {
    for name in [
        "tokens-17",
        "canvases-1x3-tokens-17",
        "metadata-texts",
        "minor-15",
    ] {
        let bytes = fs::read(specification(&format!("vectors/valid/{name}.flxt"))).expect(name);
        let file = TokenFile::parse(&bytes).expect(name);
        for keep in [KeepMetadata::No, KeepMetadata::Yes] {
            for tokens in 1..=file.header().tokens() {
                let cut = file.cut(tokens, keep).expect(name);
                let count = usize::from(tokens) * file.header().canvases() as usize;
                assert_eq!(cut.ids(), &file.ids()[..count]);
                assert_eq!(cut.header().version(), file.header().version());
                let kept = keep == KeepMetadata::Yes && !file.metadata().is_empty();
                assert_eq!(cut.header().has_metadata(), kept);
                let again = TokenFile::parse(&cut.to_bytes().expect(name));
                assert_eq!(again.as_ref(), Ok(&cut));
            }
        }
    }
}

/// Without limits, a header that asks for 2^40 tokens is read, and costs no more than its bytes: what
/// it asks for, no machine could give.
#[test]
fn a_header_backs_no_memory() {
    let header = Header::new(Fingerprint([0; 4]), 1, 1, 256, 1000)
        .and_then(|header| header.with_grid(65_536, 65_536))
        .expect("in range");
    let mut limits = Limits::default();
    (limits.canvases, limits.tokens) = (u64::MAX, u64::MAX);
    let mut bytes = header.to_bytes();
    bytes.extend([1, 0, 2, 0, 3]);
    let file = TokenFile::parse_with(&bytes, &limits).expect("truncated");
    assert_eq!(file.ids(), [1, 2]);
    let (have, total) = (2, 1 << 40);
    assert_eq!(file.state(), State::Truncated { have, total });
}

/// The numbers of the specification's section 16.
#[test]
fn default_limits_are_those_of_the_specification() {
    let limits = Limits::default();
    let found = [limits.canvases, limits.tokens, limits.metadata_bytes];
    assert_eq!(found, [65_536, 16_777_216, 1_048_576]);
}

#[test]
fn the_worked_examples_are_what_the_text_says() {
    let bytes = fs::read(specification("examples/worked.flxt")).expect("worked example");
    let header = Header::new(Fingerprint([0x5f, 0x1e, 0x7c, 0x0a]), 4000, 3000, 5, 64_000);
    let metadata = Metadata {
        encoder: Some("flextok 0.1.0".into()),
        title: Some("Harbour".into()),
        ..Metadata::default()
    };
    let ids = vec![17_261, 52, 40_960, 9_817, 63_999];
    let file = TokenFile::new(header.expect("in range"), ids, metadata).expect("valid");
    assert_eq!(file.to_bytes().as_deref(), Ok(&bytes[..]));
    assert_eq!(TokenFile::parse(&bytes), Ok(file.clone()));

    // The hex dumps printed in the specification are this file and its cut to four tokens.
    let cut = file.cut(4, KeepMetadata::No).and_then(|cut| cut.to_bytes());
    let text = fs::read_to_string(specification("README.md")).expect("specification");
    for bytes in [bytes, cut.expect("four layers")] {
        let rows = bytes.chunks(16).enumerate().map(|(row, bytes)| {
            let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{:08x}  {}", row * 16, digits.join(" "))
        });
        for row in rows {
            assert!(text.contains(&row), "{row:?} is not in the specification");
        }
    }
}
