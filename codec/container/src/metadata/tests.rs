//! Chunks: round trips and refusals.

use alloc::string::ToString;
use alloc::vec;

use super::*;

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

fn read(mut bytes: &[u8]) -> Result<Metadata, Error> {
    let (mut metadata, mut index, mut offset) = (Metadata::default(), 0, 100);
    while !bytes.is_empty() {
        let (chunk, rest) = bytes.split_at(RawChunk::byte_len(bytes).unwrap());
        let raw = RawChunk::verify(chunk, index, offset)?;
        assert_eq!(raw.is_last(), rest.is_empty());
        metadata.accept(raw)?;
        bytes = rest;
        index += 1;
        offset += chunk.len() as u64;
    }
    Ok(metadata)
}

fn write(chunks: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, &(tag, payload)) in chunks.iter().enumerate() {
        let last = if i + 1 == chunks.len() { LAST } else { 0 };
        write_chunk(&mut out, tag | last, payload);
    }
    out
}

#[test]
fn everything_survives_a_round_trip() {
    let mut bytes = Vec::new();
    all().write(&mut bytes);
    assert_eq!(read(&bytes), Ok(all()));
    assert_eq!(all().len(), 7);
    assert!(Metadata::default().is_empty());
}

#[test]
fn a_chunk_stands_as_the_specification_says() {
    let metadata = Metadata {
        title: Some("ab".into()),
        ..Metadata::default()
    };
    let mut bytes = Vec::new();
    metadata.write(&mut bytes);
    assert_eq!(bytes[..5], [0x42, 2, 0, b'a', b'b']);
    assert_eq!(bytes[5..], crc32fast::hash(&bytes[..5]).to_le_bytes());
}

#[test]
fn critical_types_are_refused_whatever_their_number() {
    for kind in 0..64 {
        let refused = read(&write(&[(1, b"x"), (kind | CRITICAL, b"y")]));
        assert_eq!(refused, Err(Error::UnsupportedChunk { index: 1, kind }));
    }
}

#[test]
fn known_types_occur_once() {
    for kind in 1..5 {
        let refused = read(&write(&[(kind, b"x"), (9, b""), (kind, b"x")]));
        assert_eq!(refused, Err(Error::DuplicateChunk { index: 2, kind }));
    }
}

#[test]
fn texts_are_utf8() {
    let refused = read(&write(&[(7, b"\xff"), (2, b"\xff")]));
    let corrupt = Error::Corrupt {
        region: Region::Chunk { index: 1 },
        range: 108..116,
        fault: Fault::Text,
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
    let mut bytes = Vec::new();
    longest.write(&mut bytes);
    assert_eq!(read(&bytes), Ok(longest));

    for kind in [1, 2, 3, 4, 64, 255] {
        assert!(Chunk::new(kind, vec![]).is_err(), "type {kind}");
    }
    assert!(Chunk::new(63, vec![0; 65_536]).is_err());
}

#[test]
fn the_length_told_is_the_length_written() {
    for metadata in [Metadata::default(), all()] {
        let mut bytes = Vec::new();
        metadata.write(&mut bytes);
        assert_eq!(metadata.byte_len(), bytes.len() as u64);
    }
}

#[test]
fn a_chunk_gives_back_what_it_was_made_of() {
    let chunk = Chunk::new(63, vec![1, 2]).unwrap();
    assert_eq!((chunk.kind(), chunk.payload()), (63, &[1, 2][..]));
}

#[test]
fn fewer_bytes_than_a_frame_are_no_chunk() {
    for length in 0..7 {
        let error = RawChunk::verify(&[0; 7][..length], 3, 100).err();
        let have = length as u64;
        assert_eq!(error, Some(Error::NeedMore { have, needed: 7 }));
    }
}
