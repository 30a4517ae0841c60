//! The reader: every prefix, every way to cut the input into pieces, events, limits.

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::{
    CanvasGrid, Chunk, Coded, CodedCanvas, Fault, Fingerprint, Ids, KeepMetadata, LimitKind,
    Region, Size, TablesName,
};

mod damage;

fn metadata() -> Metadata {
    Metadata {
        encoder: Some("flextok 0.1.0".into()),
        title: Some("Tür".into()),
        other: vec![
            Chunk::new(50, vec![0, 0x40, 0x80]).unwrap(),
            Chunk::new(0, vec![]).unwrap(),
        ],
        ..Metadata::default()
    }
}

/// Numbers without a pattern.
fn noise(seed: u32) -> impl Iterator<Item = u32> {
    core::iter::successors(Some(seed | 1), |state| {
        Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
    })
    .map(|state| state >> 8)
}

fn coded(bytes: u64, size: Size, metadata: Metadata) -> TokenFile {
    let coded = Coded {
        tables: TablesName::BUILTIN,
        canvas: CodedCanvas::Long(core::num::NonZeroU8::new(9).unwrap()),
        bytes,
    };
    let header = Header::coded(size, coded).unwrap();
    let payload = noise(bytes as u32).map(|n| n as u8);
    TokenFile::new(header, payload.take(bytes as usize).collect(), metadata).unwrap()
}

fn ids(tokens: u32, columns: u32, rows: u32, metadata: Metadata) -> TokenFile {
    let mut ids = Ids::new(Fingerprint([9, 8, 7, 6]), tokens, 64_000);
    ids.grid = CanvasGrid { columns, rows };
    let size = Size {
        width: 70_000,
        height: 9,
    };
    let header = Header::ids(size, ids).unwrap();
    let count = ids.total_tokens() as usize;
    let list: Vec<u16> = noise(tokens)
        .map(|n| (n % 64_000) as u16)
        .take(count)
        .collect();
    TokenFile::of_ids(header, &list, metadata).unwrap()
}

const PHOTO: Size = Size {
    width: 4000,
    height: 3000,
};

/// Files of both kinds, with and without metadata, of all kinds of ends.
fn samples() -> Vec<TokenFile> {
    let mut files = Vec::new();
    for metadata in [Metadata::default(), metadata()] {
        for bytes in [1, 2, 63, 64, 65, 128, 256, 257, 700, 1024, 1025, 4097] {
            files.push(coded(bytes, PHOTO, metadata.clone()));
        }
        for (tokens, columns, rows) in [(1, 1, 1), (32, 1, 1), (33, 1, 1), (300, 1, 1), (17, 3, 2)]
        {
            files.push(ids(tokens, columns, rows, metadata.clone()));
        }
        files.push(ids(3, 30, 40, metadata));
    }
    files
}

fn in_pieces(bytes: &[u8], size: usize) -> Result<TokenFile, Error> {
    let mut reader = Reader::new();
    for piece in bytes.chunks(size) {
        reader.feed(piece)?;
    }
    reader.finish()
}

#[test]
fn every_prefix_gives_the_payload_that_is_there() {
    for file in samples() {
        let bytes = file.to_bytes().unwrap();
        let layout = file.header().layout();
        assert_eq!(TokenFile::parse(&bytes).as_ref(), Ok(&file));
        let mut reader = Reader::new();
        for len in 0..bytes.len() {
            let have_bytes = len as u64;
            if have_bytes < layout.header_bytes() {
                let needed = if len <= 2 { 9 } else { layout.header_bytes() };
                let have = have_bytes;
                assert_eq!(
                    reader.clone().finish(),
                    Err(Error::NeedMore { have, needed })
                );
            } else {
                let head = reader.partial().unwrap();
                let payload = layout.payload_within(have_bytes);
                let have = payload
                    - if file.ids().is_empty() {
                        0
                    } else {
                        payload % 2
                    };
                let total = file.payload().len() as u64;
                assert_eq!(head.state(), State::Truncated { have, total });
                assert_eq!(head.payload(), &file.payload()[..have as usize]);
                assert_eq!(head.header(), file.header());
                assert_eq!(head.proven_bytes(), layout.proven_within(have_bytes));
                if len % 64 == 0 {
                    assert_eq!(TokenFile::parse(&bytes[..len]), Ok(head));
                }
            }
            reader.feed(&bytes[len..=len]).unwrap();
        }
        assert_eq!(reader.finish(), Ok(file));
    }
}

#[test]
fn flips_are_placed() {
    let file = coded(4100, PHOTO, Metadata::default());
    let bytes = file.to_bytes().unwrap();
    let region_of = |at: usize| {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        match TokenFile::parse(&flipped) {
            Err(Error::Corrupt { region, range, .. }) => (region, range),
            other => panic!("{other:?}"),
        }
    };
    let payload = |first, end| Region::Payload { first, end };
    assert_eq!(region_of(11), (Region::Header, 0..12));
    assert_eq!(region_of(2), (Region::Header, 0..3));
    assert_eq!(region_of(12), (payload(0, 64), 12..77));
    assert_eq!(region_of(76), (payload(0, 64), 12..77));
    assert_eq!(region_of(77), (payload(64, 256), 77..270));
    assert_eq!(region_of(270), (payload(256, 1024), 270..1042));
    assert_eq!(region_of(1042), (payload(1024, 4096), 1042..4118));
    assert_eq!(region_of(4125), (payload(4096, 4100), 4118..4126));
}

#[test]
fn ids_beyond_the_codebook_are_corrupt_with_their_place() {
    let mut of = Ids::new(Fingerprint([0; 4]), 6, 1000);
    of.grid = CanvasGrid {
        columns: 3,
        rows: 1,
    };
    let size = Size {
        width: 5,
        height: 5,
    };
    let header = Header::ids(size, of).unwrap();
    let file = TokenFile::of_ids(header, &[999; 18], Metadata::default()).unwrap();
    let mut bytes = file.to_bytes().unwrap();
    let offset = header.layout().payload_end(28).unwrap();
    bytes[offset as usize..][..2].copy_from_slice(&1000_u16.to_le_bytes());
    let expected = Error::Corrupt {
        region: Region::Token {
            layer: 5,
            canvas: 2,
        },
        range: offset..offset + 2,
        fault: Fault::Id {
            id: 1000,
            codebook_size: 1000,
        },
        proven: 0,
    };
    for size in 1..bytes.len() {
        assert_eq!(in_pieces(&bytes, size), Err(expected.clone()));
    }
    // Even when the file is cut right after it; not when it is cut within.
    assert!(TokenFile::parse(&bytes[..offset as usize + 2]).is_err());
    let cut = TokenFile::parse(&bytes[..offset as usize + 1]).unwrap();
    assert_eq!(cut.ids().len(), 14);
}

#[test]
fn nothing_may_follow_the_end() {
    for file in samples() {
        let mut bytes = file.to_bytes().unwrap();
        let end = bytes.len() as u64;
        bytes.extend_from_slice(b"xyz");
        let expected = Error::Corrupt {
            region: Region::Trailing,
            range: end..end + 1,
            fault: Fault::Surplus,
            proven: file.payload().len() as u64,
        };
        for size in [1, 2, 7, bytes.len()] {
            assert_eq!(in_pieces(&bytes, size), Err(expected.clone()));
        }
    }
}

#[test]
fn pieces_do_not_matter() {
    for file in samples() {
        let bytes = file.to_bytes().unwrap();
        for size in 1..40 {
            assert_eq!(in_pieces(&bytes, size).as_ref(), Ok(&file));
            let short = &bytes[..bytes.len() - size.min(bytes.len())];
            assert_eq!(in_pieces(short, size), TokenFile::parse(short));
        }
    }
}

#[test]
fn events_tell_the_story_in_order() {
    let file = coded(66, PHOTO, metadata());
    let bytes = file.to_bytes().unwrap();
    let mut reader = Reader::new();
    assert_eq!(reader.next_event(), None);
    let mut events = Vec::new();
    for byte in &bytes {
        reader.feed(&[*byte]).unwrap();
        events.extend(core::iter::from_fn(|| reader.next_event()));
    }
    let payload = |available| Event::Payload { available };
    let proven = |payload| Event::Proven { payload };
    let chunks = |chunks| Event::Metadata { chunks };
    let mut story = vec![Event::Header(*file.header())];
    story.extend((1..=64).map(payload));
    story.extend([proven(64), payload(65), payload(66), proven(66)]);
    story.extend([chunks(1), chunks(2), chunks(3), chunks(4), Event::Complete]);
    assert_eq!(events, story);

    let mut reader = Reader::new();
    reader.feed(&bytes).unwrap();
    let merged: Vec<_> = core::iter::from_fn(|| reader.next_event()).collect();
    let short = [
        Event::Header(*file.header()),
        payload(66),
        proven(66),
        chunks(4),
        Event::Complete,
    ];
    assert_eq!(merged, short);
    assert_eq!(reader.partial().as_ref(), Some(&file));
}

#[test]
fn an_error_stays_and_what_is_proven_remains() {
    let file = ids(300, 1, 1, Metadata::default());
    let mut bytes = file.to_bytes().unwrap();
    bytes[140] ^= 1; // between the checks after 64 and 256 bytes
    let mut reader = Reader::new();
    let error = reader.feed(&bytes).unwrap_err();
    assert_eq!(reader.feed(&[]), Err(error.clone()));
    assert_eq!(reader.error(), Some(&error));
    let partial = reader.partial().unwrap();
    assert_eq!(partial.ids(), &file.ids()[..32]);
    assert_eq!(partial.proven_layers(), 32);
    assert!(!partial.is_complete());
    assert_eq!(reader.finish(), Err(error));
}

#[test]
fn limits_stop_before_memory_is_spent() {
    let refuse = |limits: Limits, bytes: &[u8], kind: LimitKind, exceeded: (u64, u64)| {
        match TokenFile::parse_with(bytes, &limits) {
            Err(Error::Limit {
                limit,
                actual,
                allowed,
            }) => assert_eq!((limit, (actual, allowed)), (kind, exceeded)),
            other => panic!("{other:?}"),
        }
    };
    let header = |columns, rows| {
        let mut ids = Ids::new(Fingerprint([0; 4]), 256, 2);
        ids.grid = CanvasGrid { columns, rows };
        Header::ids(PHOTO, ids).unwrap().to_bytes()
    };
    let defaults = Limits::default();
    let most = (1 << 32, 65_536);
    refuse(defaults, &header(65_536, 65_536), LimitKind::Canvases, most);
    assert!(TokenFile::parse(&header(256, 256)).is_ok());
    let mut limits = defaults;
    limits.payload_bytes = 1023;
    refuse(limits, &header(2, 1), LimitKind::PayloadBytes, (1024, 1023));
    limits.payload_bytes = 99;
    let file = coded(100, PHOTO, Metadata::default()).to_bytes().unwrap();
    refuse(limits, &file, LimitKind::PayloadBytes, (100, 99));

    let file = coded(9, PHOTO, metadata());
    let bytes = file.to_bytes().unwrap();
    let chunks = bytes.len() as u64 - file.header().layout().payload_section_end();
    limits = defaults;
    limits.metadata_bytes = chunks;
    assert_eq!(TokenFile::parse_with(&bytes, &limits).as_ref(), Ok(&file));
    limits.metadata_bytes = chunks - 1;
    refuse(
        limits,
        &bytes,
        LimitKind::MetadataBytes,
        (chunks, chunks - 1),
    );
}

#[test]
fn a_reader_tells_what_is_there_so_far() {
    let file = coded(300, PHOTO, metadata());
    let bytes = file.to_bytes().unwrap();
    let mut reader = Reader::default();
    assert!(reader.header().is_none() && reader.payload().is_empty());
    assert!(reader.partial().is_none() && reader.state().is_none());
    reader.feed(&bytes).unwrap();
    assert_eq!(reader.header(), Some(file.header()));
    assert_eq!(reader.payload(), file.payload());
    assert_eq!(reader.proven_bytes(), 300);
    assert_eq!(reader.metadata(), file.metadata());
    assert!(reader.is_complete());
    assert_eq!(reader.state(), Some(State::Complete));
    let cut = file.cut(9, KeepMetadata::Yes).unwrap();
    assert_eq!(cut.metadata(), reader.metadata());
}

/// The events in order of bytes fed in pieces, asked for after each piece or at the end only, and what came of feeding.
fn told_in_order(bytes: &[u8], size: usize, often: bool) -> (Vec<Event>, Result<(), Error>) {
    let mut reader = Reader::new();
    let mut events = Vec::new();
    let mut fed = Ok(());
    for piece in bytes.chunks(size) {
        fed = reader.feed(piece);
        if often {
            events.extend(core::iter::from_fn(|| reader.next_event_in_order()));
        }
        if fed.is_err() {
            break;
        }
    }
    events.extend(core::iter::from_fn(|| reader.next_event_in_order()));
    (events, fed)
}

#[test]
fn events_in_order_have_each_unit_check_and_chunk_once() {
    for file in samples() {
        let bytes = file.to_bytes().unwrap();
        let (header, layout) = (*file.header(), file.header().layout());
        let mut expected = vec![Event::Header(header)];
        let mut proven = 0;
        for available in (0..=header.payload_bytes())
            .step_by(header.unit() as usize)
            .skip(1)
        {
            expected.push(Event::Payload { available });
            if layout.next_check(proven).map(|place| place.payload) == Some(available) {
                proven = available;
                expected.push(Event::Proven { payload: available });
            }
        }
        let chunks = if header.has_metadata() { 4 } else { 0 };
        expected.extend((1..=chunks).map(|chunks| Event::Metadata { chunks }));
        expected.push(Event::Complete);
        for size in [1, 2, 3, 7, 123, bytes.len()] {
            assert_eq!(told_in_order(&bytes, size, true).0, expected, "{size}");
        }
    }
}

#[test]
fn events_in_order_of_damaged_and_cut_files_do_not_depend_on_the_pieces() {
    for file in samples().iter().filter(|file| file.payload().len() < 800) {
        let bytes = file.to_bytes().unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] = 0xff;
            let expected = told_in_order(&damaged, 1, true);
            for (size, often) in [(2, true), (123, true), (bytes.len(), true), (5, false)] {
                // Asking late loses no event, because none is merged.
                let found = told_in_order(&damaged, size, often);
                assert_eq!(found, expected, "byte {at}, pieces of {size}");
            }
            let cut = &bytes[..at];
            assert_eq!(
                told_in_order(cut, bytes.len(), true),
                told_in_order(cut, 1, true)
            );
        }
    }
}
