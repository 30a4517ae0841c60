//! The reader: every prefix, every flipped bit, every way to cut the input into pieces.

use alloc::vec;

use super::*;
use crate::{Chunk, Fingerprint};

fn metadata() -> Metadata {
    Metadata {
        encoder: Some("flextok 0.1.0".into()),
        title: Some("Tür".into()),
        other: vec![Chunk::new(50, vec![0, 0x40, 0x80]).unwrap()],
        ..Metadata::default()
    }
}

/// Files of one and of several canvases, with and without metadata, of all kinds of ends.
fn samples() -> Vec<TokenFile> {
    let mut files = Vec::new();
    for (tokens, grid) in [
        (1, (1, 1)),
        (4, (1, 1)),
        (6, (1, 1)),
        (70, (1, 1)),
        (17, (3, 2)),
    ] {
        for metadata in [Metadata::default(), metadata()] {
            let header = Header::new(Fingerprint([9, 8, 7, 6]), 70_000, 9, tokens, 64_000);
            let header = header.unwrap().with_grid(grid.0, grid.1).unwrap();
            let count = u16::try_from(header.total_tokens()).unwrap();
            let ids = (0..count).map(|i| i.wrapping_mul(40_503) % 64_000);
            files.push(TokenFile::new(header, ids.collect(), metadata).unwrap());
        }
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
fn every_prefix_gives_the_tokens_that_are_there() {
    for file in samples() {
        let bytes = file.to_bytes().unwrap();
        let layout = file.header().layout();
        assert_eq!(TokenFile::parse(&bytes).as_ref(), Ok(&file));
        for len in 0..bytes.len() {
            let result = TokenFile::parse(&bytes[..len]);
            let have_bytes = len as u64;
            if have_bytes < layout.header_bytes() {
                let needed = if len <= 5 { 21 } else { layout.header_bytes() };
                let have = have_bytes;
                assert_eq!(result, Err(Error::NeedMore { have, needed }));
                continue;
            }
            let head = result.unwrap();
            let have = layout.tokens_within(have_bytes);
            let total = layout.total_tokens();
            assert_eq!(head.state(), State::Truncated { have, total });
            assert_eq!(head.ids(), &file.ids()[..have as usize]);
            assert_eq!(head.header(), file.header());
            let whole = |layer| layout.checkpoint_end(layer).unwrap() <= have_bytes;
            let proven = (1..=layout.layers())
                .rev()
                .find(|&layer| layout.has_checkpoint(layer) && whole(layer));
            assert_eq!(head.proven_layers(), proven.unwrap_or(0));
        }
    }
}

#[test]
fn every_flipped_bit_of_a_complete_file_is_noticed() {
    for file in samples() {
        let bytes = file.to_bytes().unwrap();
        let tokens_end = file.header().layout().tokens_end();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let at = bit as u64 / 8;
            match TokenFile::parse(&flipped) {
                Err(Error::Corrupt { range, .. }) => {
                    let trailing = at >= tokens_end;
                    assert!(range.contains(&at) || trailing, "bit {bit}: {range:?}");
                }
                Err(Error::NotFlextok { offset, .. }) => assert_eq!(offset, at),
                Err(Error::UnsupportedVersion { .. }) => assert_eq!(at, 4),
                Err(Error::UnsupportedFlags { .. }) => assert_eq!(at, 5),
                // A longer chunk than there are bytes: as if the file had been cut in it.
                Ok(cut) => {
                    assert!(at > tokens_end, "bit {bit}");
                    let total = file.header().total_tokens();
                    assert_eq!(cut.state(), State::Truncated { have: total, total });
                    assert_eq!(cut.ids(), file.ids());
                    assert_eq!(cut.proven_layers(), file.header().tokens());
                }
                Err(other) => panic!("bit {bit}: {other}"),
            }
        }
    }
}

#[test]
fn flips_are_placed() {
    let file = &samples()[6]; // 70 layers, one canvas, no metadata; header of 22 bytes
    let bytes = file.to_bytes().unwrap();
    let region_of = |at: usize| {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        match TokenFile::parse(&flipped) {
            Err(Error::Corrupt { region, range, .. }) => (region, range),
            other => panic!("{other:?}"),
        }
    };
    let layers = |first, last| Region::Layers { first, last };
    assert_eq!(region_of(12), (Region::Header, 0..22));
    assert_eq!(region_of(22), (layers(1, 4), 22..34));
    assert_eq!(region_of(33), (layers(1, 4), 22..34));
    assert_eq!(region_of(34), (layers(5, 16), 34..62));
    assert_eq!(region_of(62), (layers(17, 64), 62..162));
    assert_eq!(region_of(162), (layers(65, 70), 162..178));
    assert_eq!(region_of(177), (layers(65, 70), 162..178));
}

#[test]
fn ids_beyond_the_codebook_are_corrupt_with_their_place() {
    let header = Header::new(Fingerprint([0; 4]), 5, 5, 6, 1000).unwrap();
    let header = header.with_grid(3, 1).unwrap();
    let file = TokenFile::new(header, vec![999; 18], Metadata::default()).unwrap();
    let mut bytes = file.to_bytes().unwrap();
    let offset = header.layout().token_offset(14).unwrap();
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
    };
    for size in 1..bytes.len() {
        assert_eq!(in_pieces(&bytes, size), Err(expected.clone()));
    }
    // Even when the file is cut right after it; not when it is cut within.
    assert!(TokenFile::parse(&bytes[..offset as usize + 2]).is_err());
    assert_eq!(
        TokenFile::parse(&bytes[..offset as usize + 1])
            .unwrap()
            .ids()
            .len(),
        14
    );
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
    let file = &samples()[5]; // six layers, header of 22 bytes, three chunks
    let bytes = file.to_bytes().unwrap();
    let mut reader = Reader::new();
    assert_eq!(reader.next_event(), None);
    let mut events = Vec::new();
    for byte in &bytes {
        reader.feed(&[*byte]).unwrap();
        events.extend(core::iter::from_fn(|| reader.next_event()));
    }
    let tokens = |available| Event::Tokens { available };
    let proven = |layers| Event::Proven { layers };
    let chunks = |chunks| Event::Metadata { chunks };
    let story = [
        Event::Header(*file.header()),
        tokens(1),
        tokens(2),
        tokens(3),
        tokens(4),
        proven(4),
        tokens(5),
        tokens(6),
        proven(6),
        chunks(1),
        chunks(2),
        chunks(3),
        Event::Complete,
    ];
    assert_eq!(events, story);

    let mut reader = Reader::new();
    reader.feed(&bytes).unwrap();
    let merged: Vec<_> = core::iter::from_fn(|| reader.next_event()).collect();
    let short = [
        Event::Header(*file.header()),
        tokens(6),
        proven(6),
        chunks(3),
        Event::Complete,
    ];
    assert_eq!(merged, short);
    assert_eq!(reader.partial().as_ref(), Some(file));
}

#[test]
fn an_error_stays_and_what_precedes_it_remains() {
    let file = &samples()[6];
    let mut bytes = file.to_bytes().unwrap();
    bytes[40] ^= 1; // in layers 5..=16
    let mut reader = Reader::new();
    let error = reader.feed(&bytes).unwrap_err();
    assert_eq!(reader.feed(&[]), Err(error.clone()));
    let partial = reader.partial().unwrap();
    assert_eq!(partial.ids(), &file.ids()[..4]);
    assert_eq!(partial.proven_layers(), 4);
    assert!(!partial.is_complete());
    assert_eq!(reader.finish(), Err(error));
}

#[test]
fn limits_stop_before_memory_is_spent() {
    let refuse = |limits: Limits, bytes: &[u8], name: &str, exceeded: (u64, u64)| {
        match TokenFile::parse_with(bytes, &limits) {
            Err(Error::Limit {
                what,
                actual,
                allowed,
            }) => assert_eq!((what, (actual, allowed)), (name, exceeded)),
            other => panic!("{other:?}"),
        }
    };
    let header = |grid: (u32, u32)| {
        let header = Header::new(Fingerprint([0; 4]), 1, 1, 256, 2).unwrap();
        header.with_grid(grid.0, grid.1).unwrap().to_bytes()
    };
    let defaults = Limits::default();
    let most = (1 << 32, 65_536);
    refuse(
        defaults,
        &header((65_536, 65_536)),
        "number of canvases",
        most,
    );
    assert!(TokenFile::parse(&header((256, 256))).is_ok());
    let mut limits = defaults;
    limits.tokens = 511;
    refuse(limits, &header((2, 1)), "number of tokens", (512, 511));

    let file = &samples()[1];
    let bytes = file.to_bytes().unwrap();
    let chunks = bytes.len() as u64 - file.header().layout().tokens_end();
    limits = defaults;
    limits.metadata_bytes = chunks;
    assert_eq!(TokenFile::parse_with(&bytes, &limits).as_ref(), Ok(file));
    limits.metadata_bytes = chunks - 1;
    let metadata = (chunks, chunks - 1);
    refuse(limits, &bytes, "metadata bytes", metadata);
}

#[test]
fn a_reader_tells_what_is_there_so_far() {
    let file = samples().remove(5);
    let bytes = file.to_bytes().unwrap();
    let mut reader = Reader::default();
    assert!(reader.header().is_none() && reader.ids().is_empty());
    reader.feed(&bytes).unwrap();
    assert_eq!(reader.header(), Some(file.header()));
    assert_eq!(reader.ids(), file.ids());
    assert_eq!(reader.proven_layers(), file.header().tokens());
    assert_eq!(reader.metadata(), file.metadata());
    assert!(reader.is_complete());
}

/// The stages guard these; should a stage ever be wrong, the reader stands still and does not panic.
#[test]
fn steps_out_of_turn_do_nothing() {
    let mut reader = Reader::new();
    assert_eq!(reader.take_tokens(&[1, 2]), Ok(()));
    assert!(reader.ids().is_empty());
    reader.pending.push(7);
    assert_eq!(reader.feed_tokens(&[]), Ok(&[][..]));
    assert_eq!(reader.pending, [7]);

    let mut reader = Reader::new();
    reader.feed(&samples()[0].to_bytes().unwrap()).unwrap();
    assert_eq!(reader.feed_checkpoint(&[0; 5]), Ok(&[0][..]));
    assert_eq!(reader.proven_layers(), 1);
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
fn events_in_order_have_each_layer_checkpoint_and_chunk_once() {
    for file in samples() {
        let bytes = file.to_bytes().unwrap();
        let (header, layout) = (*file.header(), file.header().layout());
        let mut expected = vec![Event::Header(header)];
        for layer in 1..=layout.layers() {
            let available = header.canvases() * u64::from(layer);
            expected.push(Event::Tokens { available });
            if layout.has_checkpoint(layer) {
                expected.push(Event::Proven { layers: layer });
            }
        }
        let chunks = if header.has_metadata() { 3 } else { 0 };
        expected.extend((1..=chunks).map(|chunks| Event::Metadata { chunks }));
        expected.push(Event::Complete);
        for size in [1, 2, 3, 7, 123, bytes.len()] {
            assert_eq!(told_in_order(&bytes, size, true).0, expected, "{size}");
        }
    }
}

#[test]
fn events_in_order_of_damaged_and_cut_files_do_not_depend_on_the_pieces() {
    for file in samples() {
        let bytes = file.to_bytes().unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x80;
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
