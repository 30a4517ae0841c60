//! The files of `format-spec/` against this crate: the worked example byte for byte, and every
//! vector with the outcome that the specification gives it.

use std::fs;
use std::path::PathBuf;

use flextok_container::{Error, Fingerprint, Header, Metadata, Reader, Region, State, TokenFile};

fn specification(path: &str) -> PathBuf {
    let crate_dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    crate_dir.join("../../format-spec").join(path)
}

/// The result in one line, as section 15 defines it.
fn outcome(result: Result<TokenFile, Error>) -> String {
    let error = match result {
        Ok(file) => return describe(&file),
        Err(error) => error,
    };
    let text = match error {
        Error::NotFlextok { .. } => "not-flextok".into(),
        Error::NeedMore { have, needed } => format!("need-more {}", needed - have),
        Error::UnsupportedVersion { .. } => "unsupported-version".into(),
        Error::UnsupportedFlags { .. } => "unsupported-flags".into(),
        Error::UnsupportedChunk { index, .. } => format!("unsupported-chunk {index}"),
        Error::DuplicateChunk { index, .. } => format!("duplicate-chunk {index}"),
        Error::MalformedHeader { .. } => "invalid-header".into(),
        Error::Limit { .. } => "limit".into(),
        Error::Corrupt { region, range, .. } => match region {
            Region::Header => "corrupt header".into(),
            Region::Layers { first, last } => format!("corrupt layers {first} {last}"),
            Region::Token { layer, canvas } => format!("corrupt token {layer} {canvas}"),
            Region::Chunk { index } => format!("corrupt chunk {index}"),
            Region::Trailing => format!("corrupt trailing {}", range.start),
            other => format!("corrupt {other}"),
        },
        other => other.to_string(),
    };
    format!("error {text}")
}

fn describe(file: &TokenFile) -> String {
    let state = match file.state() {
        State::Complete => "complete",
        State::Truncated { have, total } => {
            assert_eq!(have, file.ids().len() as u64);
            assert_eq!(total, file.header().total_tokens());
            "truncated"
        }
    };
    let ids: Vec<String> = file.ids().iter().map(u16::to_string).collect();
    let text = format!(
        "{state} {}/{} proven {} chunks {} ids {}",
        ids.len(),
        file.header().total_tokens(),
        file.proven_layers(),
        file.metadata().len(),
        ids.join(",")
    );
    text.trim_end().to_string()
}

fn from_hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2) && digits.is_ascii());
    let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits");
    (0..digits.len()).step_by(2).map(pair).collect()
}

#[test]
fn every_vector_has_its_outcome() {
    let text = fs::read_to_string(specification("vectors/container.tsv")).expect("vectors");
    let mut count = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, expected, digits] = fields[..] else {
            panic!("three fields in {line:?}");
        };
        let bytes = from_hex(digits);
        assert_eq!(outcome(TokenFile::parse(&bytes)), expected, "{name}");
        let mut reader = Reader::new();
        let fed = bytes.iter().try_for_each(|&byte| reader.feed(&[byte]));
        let bytewise = fed.and_then(|()| reader.finish());
        assert_eq!(outcome(bytewise), expected, "{name} byte by byte");
        if expected.starts_with("complete") && name != "unknown-ancillary" {
            let file = TokenFile::parse(&bytes).expect("a complete file");
            assert_eq!(file.to_bytes().as_deref(), Ok(&bytes[..]), "{name}");
        }
        count += 1;
    }
    assert!(count >= 46, "{count} vectors");
}

#[test]
fn the_worked_example_is_what_the_text_says() {
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
    assert_eq!(TokenFile::parse(&bytes), Ok(file));

    // The hex dump printed in the specification is this file.
    let text = fs::read_to_string(specification("README.md")).expect("specification");
    let rows = bytes.chunks(16).enumerate().map(|(row, bytes)| {
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:08x}  {}", row * 16, digits.join(" "))
    });
    for row in rows {
        assert!(text.contains(&row), "{row:?} is not in the specification");
    }
}
