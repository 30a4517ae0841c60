//! Chunks: round trips and refusals.

use alloc::string::ToString;
use alloc::vec;

use super::*;
use crate::scanner::CRITICAL;
use crate::{Coded, CodedCanvas, Header, Size, TablesName, TokenFile};

fn all() -> Metadata {
    Metadata {
        encoder: Some("flextok 0.1.0".to_string()),
        title: Some("Häfen im Nebel".to_string()),
        capture_time: Some("2024-05-01T12:00:00+02:00".to_string()),
        color_profile: Some(String::new()),
        other: vec![
            Chunk::new(48, vec![0xff; 300]).unwrap(),
            Chunk::new(0, vec![]).unwrap(),
            Chunk::new(48, vec![1]).unwrap(),
        ],
    }
}

/// A file of one byte with these chunks; they start at 14.
fn write(metadata: &Metadata) -> Vec<u8> {
    let coded = Coded {
        tables: TablesName::BUILTIN,
        canvas: CodedCanvas::Own,
        bytes: 1,
    };
    let size = Size {
        width: 1,
        height: 1,
    };
    let header = Header::coded(size, coded).unwrap();
    let file = TokenFile::new(header, vec![5], metadata.clone()).unwrap();
    file.to_bytes().unwrap()
}

fn read(bytes: &[u8]) -> Result<Metadata, Error> {
    TokenFile::parse(bytes).map(|file| file.metadata().clone())
}

fn accept(chunks: &[(u8, &[u8])]) -> Result<Metadata, Error> {
    let mut metadata = Metadata::default();
    for (index, &(tag, content)) in (0..).zip(chunks) {
        metadata.accept(tag, content, (index, 100..200, 64))?;
    }
    Ok(metadata)
}

#[test]
fn everything_survives_a_round_trip() {
    assert_eq!(read(&write(&all())), Ok(all()));
    assert_eq!(all().len(), 7);
    assert!(Metadata::default().is_empty());
}

#[test]
fn a_chunk_stands_as_the_specification_says() {
    let metadata = Metadata {
        title: Some("ab".into()),
        ..Metadata::default()
    };
    let bytes = write(&metadata);
    let chunk = &bytes[14..];
    assert_eq!(chunk[..3], [0x42, 2, 0]);
    assert_eq!(chunk[3], crate::checks::frame8([0x42, 2, 0]));
    assert_eq!(chunk[4..6], *b"ab");
    // Header, payload, chunk: all but the checks at 8, 10..14 and 17.
    let covered = [&bytes[..8], &bytes[9..10], &chunk[..3], b"ab"].concat();
    assert_eq!(chunk[6..], crc32fast::hash(&covered).to_le_bytes());
}

#[test]
fn critical_types_are_refused_whatever_their_number() {
    let metadata = Metadata {
        title: Some("ab".into()),
        ..Metadata::default()
    };
    let mut bytes = write(&metadata);
    for kind in 0..64 {
        bytes[14] = kind | CRITICAL | LAST;
        bytes[17] = crate::checks::frame8([bytes[14], 2, 0]);
        let covered = [&bytes[..8], &bytes[9..10], &bytes[14..17], b"ab"].concat();
        bytes[20..].copy_from_slice(&crc32fast::hash(&covered).to_le_bytes());
        let refused = TokenFile::parse(&bytes);
        assert_eq!(refused, Err(Error::UnsupportedChunk { index: 0, kind }));
    }
}

#[test]
fn known_types_occur_once() {
    for kind in 1..5 {
        let refused = accept(&[(kind, b"x"), (9, b""), (kind, b"x")]);
        assert_eq!(refused, Err(Error::DuplicateChunk { index: 2, kind }));
    }
}

#[test]
fn texts_are_utf8() {
    let refused = accept(&[(7, b"\xff"), (2, b"\xff")]);
    let corrupt = Error::Corrupt {
        region: Region::Chunk { index: 1 },
        range: 100..200,
        fault: Fault::Text,
        proven: 64,
    };
    assert_eq!(refused, Err(corrupt));
}

#[test]
fn what_does_not_fit_is_not_written() {
    let long = Metadata {
        title: Some("x".repeat(65_536)),
        ..Metadata::default()
    };
    assert!(matches!(
        long.check(),
        Err(Error::InvalidMetadata { actual: 65_536, .. })
    ));
    let longest = Metadata {
        title: Some("x".repeat(65_535)),
        ..Metadata::default()
    };
    assert_eq!(read(&write(&longest)), Ok(longest));

    for kind in [1, 2, 3, 4, 64, 255] {
        assert!(Chunk::new(kind, vec![]).is_err(), "type {kind}");
    }
    assert!(Chunk::new(63, vec![0; 65_536]).is_err());
}

#[test]
fn the_length_told_is_the_length_written() {
    let bare = write(&Metadata::default()).len();
    assert_eq!(bare, 9 + 1 + 1);
    // With metadata, the check behind the payload is longer.
    assert_eq!(all().byte_len(), (write(&all()).len() - bare - 3) as u64);
    assert_eq!(Metadata::default().byte_len(), 0);
}

#[test]
fn a_chunk_gives_back_what_it_was_made_of() {
    let chunk = Chunk::new(63, vec![1, 2]).unwrap();
    assert_eq!((chunk.kind(), chunk.content()), (63, &[1, 2][..]));
}
