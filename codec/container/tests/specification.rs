//! The files of `format-spec/` against this crate: the worked examples byte for byte, and every
//! vector with what the specification says of it.

mod report;

use std::fs;

use flextok_container::{
    CanvasGrid, Coded, CodedCanvas, Error, Fingerprint, Header, Ids, KeepMetadata, Limits,
    Metadata, Reader, Size, State, TablesName, TokenFile,
};
use report::{report, specification};

const PHOTO: Size = Size {
    width: 4000,
    height: 3000,
};

fn coded(bytes: u64, blocks: u8) -> Coded {
    Coded {
        tables: TablesName::BUILTIN,
        canvas: CodedCanvas::Long(blocks.try_into().expect("not 0")),
        bytes,
    }
}

fn byte_by_byte(bytes: &[u8]) -> Result<TokenFile, Error> {
    let mut reader = Reader::new();
    bytes.iter().try_for_each(|&byte| reader.feed(&[byte]))?;
    reader.finish()
}

#[test]
fn every_valid_file_has_its_report() {
    let files = report::files("valid");
    assert!(files.len() >= 84, "{} vectors", files.len());
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
    assert!(files.len() >= 95, "{} vectors", files.len());
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
    assert!(count >= 60, "{count} files");
}

/// The order of chunks is not kept between known and unknown types, but each of them is.
#[test]
fn unknown_chunks_are_kept_in_their_order() {
    for name in ["metadata-private", "metadata-reserved"] {
        let bytes = fs::read(specification(&format!("vectors/valid/{name}.flxt"))).expect(name);
        let file = TokenFile::parse(&bytes).expect(name);
        let cut = file.cut(2, KeepMetadata::Yes).expect(name);
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
    let header = Header::coded(PHOTO, coded(1, 1)).expect("in range");
    let bytes = TokenFile::new(header, vec![1], metadata).and_then(|file| file.to_bytes());
    // After 11 bytes of header, 1 of payload and its check, chunks of 9 bytes each.
    let tags: Vec<u8> = bytes.expect("valid")[16..]
        .chunks(9)
        .map(|chunk| chunk[0])
        .collect();
    assert_eq!(tags, [1, 2, 3, 0x40 | 4]);
}

/// Cutting makes the file that a writer makes of the start of the payload.
#[test]
fn cuts_are_those_of_the_specification() {
    for name in [
        "coded-1025",
        "ids-canvases-1x3-tokens-17",
        "metadata-texts",
        "metadata-ids",
    ] {
        let bytes = fs::read(specification(&format!("vectors/valid/{name}.flxt"))).expect(name);
        let file = TokenFile::parse(&bytes).expect(name);
        let unit = file.header().unit();
        for keep in [KeepMetadata::No, KeepMetadata::Yes] {
            for payload in (unit..=file.header().payload_bytes()).step_by(unit as usize) {
                let cut = file.cut(payload, keep).expect(name);
                assert_eq!(cut.payload(), &file.payload()[..payload as usize]);
                assert_eq!(cut.header().size(), file.header().size());
                let kept = keep == KeepMetadata::Yes && !file.metadata().is_empty();
                assert_eq!(cut.header().has_metadata(), kept);
                let again = TokenFile::parse(&cut.to_bytes().expect(name));
                assert_eq!(again.as_ref(), Ok(&cut));
            }
        }
    }
}

/// Without limits, a header that asks for 2^49 bytes is read, and costs no more than its bytes: what it asks for, no
/// machine could give.
#[test]
fn a_header_backs_no_memory() {
    let mut ids = Ids::new(Fingerprint([0; 4]), 65_536, 1000);
    ids.grid = CanvasGrid {
        columns: 65_536,
        rows: 65_536,
    };
    let header = Header::ids(PHOTO, ids).expect("in range");
    let mut limits = Limits::default();
    (limits.canvases, limits.payload_bytes) = (u64::MAX, u64::MAX);
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend([1, 0, 2, 0, 3]);
    let file = TokenFile::parse_with(&bytes, &limits).expect("truncated");
    assert_eq!(file.ids(), [1, 2]);
    let (have, total) = (4, 1 << 49);
    assert_eq!(file.state(), State::Truncated { have, total });

    let header = Header::coded(PHOTO, coded(u32::MAX.into(), 255)).expect("in range");
    let bytes = [&header.to_bytes()[..], &[1, 2, 3]].concat();
    let file = TokenFile::parse_with(&bytes, &limits).expect("truncated");
    assert_eq!(file.payload(), [1, 2, 3]);
}

/// The numbers of the specification's section 16.
#[test]
fn default_limits_are_those_of_the_specification() {
    let limits = Limits::default();
    let found = [limits.canvases, limits.payload_bytes, limits.metadata_bytes];
    assert_eq!(found, [65_536, 33_554_432, 1_048_576]);
}

#[test]
fn the_worked_examples_are_what_the_text_says() {
    let metadata = Metadata {
        encoder: Some("flextok 0.1.0".into()),
        title: Some("Harbour".into()),
        ..Metadata::default()
    };
    let header = Header::coded(PHOTO, coded(70, 2)).expect("in range");
    let payload = (0..70_u8).map(|i| i.wrapping_mul(29).wrapping_add(7));
    let coded = TokenFile::new(header, payload.collect(), metadata).expect("valid");
    let cut = coded.cut(20, KeepMetadata::No).expect("20 of 70 bytes");
    let model = Fingerprint([0x5f, 0x1e, 0x7c, 0x0a]);
    let header = Header::ids(PHOTO, Ids::new(model, 5, 64_000)).expect("in range");
    let ids = [17_261, 52, 40_960, 9_817, 63_999];
    let ids = TokenFile::of_ids(header, &ids, Metadata::default()).expect("valid");

    // The hex dumps printed in the specification are these files.
    let text = fs::read_to_string(specification("README.md")).expect("specification");
    for (name, file) in [("coded", coded), ("cut", cut), ("ids", ids)] {
        let bytes = fs::read(specification(&format!("examples/{name}.flxt"))).expect(name);
        assert_eq!(file.to_bytes().as_deref(), Ok(&bytes[..]), "{name}");
        assert_eq!(TokenFile::parse(&bytes), Ok(file), "{name}");
        let rows = bytes.chunks(16).enumerate().map(|(row, bytes)| {
            let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{:08x}  {}", row * 16, digits.join(" "))
        });
        for row in rows {
            assert!(text.contains(&row), "{row:?} is not in the specification");
        }
    }
}
