//! Token files: building, cutting, fitting, salvaging.

use alloc::vec;

use super::*;
use crate::{CanvasGrid, Chunk, Coded, CodedCanvas, Fingerprint, Size, TablesName};

const SIZE: Size = Size {
    width: 640,
    height: 480,
};

fn ids_header(tokens: u32) -> Header {
    Header::ids(SIZE, Ids::new(Fingerprint([1, 2, 3, 4]), tokens, 64_000)).unwrap()
}

fn titled() -> Metadata {
    Metadata {
        title: Some("t".into()),
        other: vec![Chunk::new(60, vec![1, 2, 3]).unwrap()],
        ..Metadata::default()
    }
}

fn ids_file(tokens: u16) -> TokenFile {
    let ids: Vec<u16> = (0..tokens).map(|i| i * 200 + 7).collect();
    TokenFile::of_ids(ids_header(tokens.into()), &ids, titled()).unwrap()
}

fn coded_file(bytes: usize) -> TokenFile {
    let coded = Coded {
        tables: TablesName::BUILTIN,
        canvas: CodedCanvas::Own,
        bytes: bytes as u64,
    };
    let header = Header::coded(SIZE, coded).unwrap();
    let payload = (0..bytes).map(|i| (i * 37 + 11) as u8).collect();
    TokenFile::new(header, payload, titled()).unwrap()
}

#[test]
fn every_cut_is_a_file_of_its_own() {
    for whole in [ids_file(256), coded_file(600)] {
        let unit = whole.header().unit();
        let bytes = whole.to_bytes().unwrap();
        let layout = whole.header().layout();
        for payload in (unit..=whole.payload().len() as u64).step_by(unit as usize) {
            let cut = whole.cut(payload, KeepMetadata::No).unwrap();
            let written = cut.to_bytes().unwrap();
            assert_eq!(whole.header().cut_len(payload), Some(written.len() as u64));
            assert_eq!(TokenFile::parse(&written).as_ref(), Ok(&cut));
            assert!(cut.is_complete() && !cut.header().has_metadata());
            assert_eq!(cut.payload(), &whole.payload()[..payload as usize]);
            let kept = whole.cut(payload, KeepMetadata::Yes).unwrap();
            assert_eq!(kept.metadata(), &titled());
            assert_eq!(TokenFile::parse(&kept.to_bytes().unwrap()), Ok(kept));

            // A file that was cut to this payload is cut to the same.
            let prefix = layout.payload_end(payload).unwrap() as usize;
            let head = TokenFile::parse(&bytes[..prefix]).unwrap();
            assert_eq!(head.payload(), cut.payload());
            assert_eq!(head.cut(payload, KeepMetadata::Yes), Ok(cut));
        }
        assert_eq!(whole.header().cut_len(0), None);
        assert_eq!(
            whole.header().cut_len(whole.payload().len() as u64 + 1),
            None
        );
    }
}

#[test]
fn offsets_name_the_places_to_cut() {
    let whole = ids_file(20);
    let offsets: Vec<CutOffset> = whole.cut_offsets().collect();
    assert_eq!(offsets.len(), 20);
    for (offset, tokens) in offsets.iter().zip(1..) {
        assert_eq!(offset.tokens, Some(tokens));
        assert_eq!(offset.payload, u64::from(tokens) * 2);
        let cut = whole.cut_layers(tokens, KeepMetadata::No).unwrap();
        assert_eq!(cut, whole.cut(offset.payload, KeepMetadata::No).unwrap());
        assert_eq!(cut.to_bytes().unwrap().len() as u64, offset.complete_bytes);
        let prefix = &whole.to_bytes().unwrap()[..offset.prefix_bytes as usize];
        assert_eq!(TokenFile::parse(prefix).unwrap().layers(), tokens);
        let shorter = TokenFile::parse(&prefix[..prefix.len() - 1]).unwrap();
        assert_eq!(shorter.layers(), tokens - 1);
    }
    let payloads = |file: &TokenFile| {
        let offsets = file.cut_offsets();
        offsets.map(|offset| offset.payload).collect::<Vec<u64>>()
    };
    assert_eq!(payloads(&coded_file(1)), [1]);
    assert_eq!(payloads(&coded_file(8)), [1, 2, 4, 8]);
    assert_eq!(payloads(&coded_file(9)), [1, 2, 4, 8, 9]);
    assert!(
        coded_file(9)
            .cut_offsets()
            .all(|offset| offset.tokens.is_none())
    );
}

#[test]
fn a_truncated_file_can_be_cut_to_what_it_has() {
    let bytes = ids_file(80).to_bytes().unwrap();
    let start = ids_header(80).byte_len() as usize;
    let head = TokenFile::parse(&bytes[..start + 64 + 1 + 7]).unwrap();
    let (have, total) = (70, 160);
    assert_eq!(head.state(), State::Truncated { have, total });
    assert_eq!((head.layers(), head.proven_layers()), (35, 32));
    assert_eq!(head.proven_bytes(), 64);
    assert_eq!(head.to_bytes(), Err(Error::Incomplete { have, total }));
    let cut = head.cut_layers(35, KeepMetadata::Yes).unwrap();
    assert_eq!(cut, ids_file(80).cut_layers(35, KeepMetadata::No).unwrap());
    for tokens in [0, 36, 257] {
        let refused = Error::CannotCut {
            requested: tokens.into(),
            available: 35,
            unit: CutUnit::Tokens,
        };
        assert_eq!(head.cut_layers(tokens, KeepMetadata::No), Err(refused));
    }
    for payload in [0, 1, 71, 160] {
        let refused = Error::CannotCut {
            requested: payload,
            available: 70,
            unit: CutUnit::PayloadBytes,
        };
        assert_eq!(head.cut(payload, KeepMetadata::No), Err(refused));
    }
    assert_eq!(
        head.cut(69, KeepMetadata::No),
        head.cut(68, KeepMetadata::No)
    );

    let none = TokenFile::parse(&bytes[..=start]).unwrap();
    let nothing = Error::NoPayload { have: 0, total };
    assert_eq!(none.cut(1, KeepMetadata::No), Err(nothing.clone()));
    assert_eq!(none.cut_layers(1, KeepMetadata::No), Err(nothing.clone()));
    assert_eq!(none.fit(1000, KeepMetadata::No), Err(nothing));
    assert_eq!(none.cut_offsets().count(), 0);
    let coded = coded_file(9).cut_layers(1, KeepMetadata::No);
    assert!(matches!(coded, Err(Error::CannotCut { available: 0, .. })));
}

#[test]
fn fit_takes_the_largest_file_that_fits() {
    for whole in [ids_file(256), coded_file(1500)] {
        let unit = whole.header().unit();
        for keep in [KeepMetadata::No, KeepMetadata::Yes] {
            let least = whole.cut(unit, keep).unwrap().to_bytes().unwrap().len() as u64;
            for bytes in 0..whole.to_bytes().unwrap().len() as u64 + 9 {
                let fitted = whole.fit(bytes, keep);
                if bytes < least {
                    let minimum = least;
                    assert_eq!(fitted, Err(Error::CannotFit { bytes, minimum }));
                    continue;
                }
                let fitted = fitted.unwrap();
                assert!(fitted.to_bytes().unwrap().len() as u64 <= bytes);
                let more = fitted.payload().len() as u64 + unit;
                if let Ok(next) = whole.cut(more, keep) {
                    assert!(next.to_bytes().unwrap().len() as u64 > bytes);
                }
            }
            let all = whole.fit(u64::MAX, keep).unwrap();
            assert_eq!(all.payload(), whole.payload());
        }
    }
    // What is left for payload in common sizes.
    for (bytes, payload) in [
        (32, 20),
        (64, 52),
        (128, 114),
        (512, 496),
        (1024, 1008),
        (4096, 4074),
    ] {
        let fitted = coded_file(5000).fit(bytes, KeepMetadata::No).unwrap();
        assert_eq!(fitted.payload().len(), payload, "{bytes}");
    }
}

#[test]
fn canvases_interleave_layer_by_layer() {
    let mut ids = Ids::new(Fingerprint([1; 4]), 3, 64_000);
    ids.grid = CanvasGrid {
        columns: 2,
        rows: 2,
    };
    let header = Header::ids(SIZE, ids).unwrap();
    let canvases = [[1, 2, 3], [11, 12, 13], [21, 22, 23], [31, 32, 33]];
    let file = TokenFile::from_canvases(header, &canvases, Metadata::default()).unwrap();
    assert_eq!(file.ids(), [1, 11, 21, 31, 2, 12, 22, 32, 3, 13, 23, 33]);
    for (index, canvas) in (0..).zip(&canvases) {
        assert!(file.canvas_ids(index).eq(canvas.iter().copied()));
    }
    assert_eq!(file.canvas_ids(4).count(), 0);
    assert_eq!(file.canvas_ids(u64::MAX).count(), 0);

    // Six and a half tokens: one whole layer, two canvases with a token more.
    let bytes = file.to_bytes().unwrap();
    let start = header.byte_len() as usize;
    let head = TokenFile::parse(&bytes[..start + 13]).unwrap();
    assert_eq!((head.layers(), head.ids().len()), (1, 6));
    assert!(head.canvas_ids(1).eq([11, 12]));
    assert!(head.canvas_ids(2).eq([21]));
    let cut = head.cut_layers(1, KeepMetadata::No).unwrap();
    assert_eq!(cut.ids(), [1, 11, 21, 31]);
    assert_eq!(cut.header().as_ids().unwrap().grid, ids.grid);
}

#[test]
fn what_cannot_be_written_is_refused() {
    let header = ids_header(3);
    let none = Metadata::default;
    let wrong = |count, expected| Err(Error::InvalidTokenCount { count, expected });
    assert_eq!(TokenFile::of_ids(header, &[0; 4], none()), wrong(4, 3));
    let lists = [[1_u16, 2, 3], [1, 2, 3]];
    assert_eq!(
        TokenFile::from_canvases(header, &lists, none()),
        wrong(6, 3)
    );
    assert_eq!(
        TokenFile::from_canvases(header, &[[1, 2]], none()),
        wrong(2, 3)
    );
    let coded = *coded_file(9).header();
    assert_eq!(TokenFile::of_ids(coded, &[0; 3], none()), wrong(3, 0));
    assert_eq!(TokenFile::from_canvases(coded, &[[1]], none()), wrong(1, 0));

    let short = TokenFile::new(coded, vec![1; 8], none());
    let wrong = Error::InvalidPayloadLength {
        count: 8,
        expected: 9,
    };
    assert_eq!(short, Err(wrong));
    let id = TokenFile::of_ids(header, &[63_999, 64_000, 0], none());
    let wrong = Error::InvalidId {
        index: 1,
        id: 64_000,
        codebook_size: 64_000,
    };
    assert_eq!(id, Err(wrong));
    let long = Metadata {
        title: Some("x".repeat(65_536)),
        ..none()
    };
    let text = TokenFile::of_ids(header, &[1, 2, 3], long);
    assert!(matches!(text, Err(Error::InvalidMetadata { .. })));
}

/// Whatever byte is wrong, all that the checks before it cover remains.
#[test]
fn salvage_gives_the_proven_part() {
    let limits = Limits::default();
    for file in [coded_file(5000), ids_file(200)] {
        let bytes = file.to_bytes().unwrap();
        let layout = file.header().layout();
        let undamaged = Salvage {
            file: file.clone(),
            fault: None,
        };
        assert_eq!(TokenFile::salvage(&bytes, &limits), Ok(undamaged));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let fault = TokenFile::parse(&damaged).unwrap_err();
            let proven = layout.proven_within(at as u64);
            if let Error::Corrupt { proven: named, .. } = fault {
                assert_eq!(named, proven, "byte {at}");
            }
            let salvage = TokenFile::salvage(&damaged, &limits);
            if proven == 0 {
                assert_eq!(salvage, Err(fault));
                continue;
            }
            let salvage = salvage.unwrap();
            assert_eq!(salvage.fault, Some(fault));
            assert_eq!(salvage.file.proven_bytes(), proven);
            assert_eq!(salvage.file.payload(), &file.payload()[..proven as usize]);
            assert!(!salvage.file.is_complete());
            let cut = salvage.file.cut(proven, KeepMetadata::No).unwrap();
            assert_eq!(cut, file.cut(proven, KeepMetadata::No).unwrap());
        }
    }
    let bytes = coded_file(300).to_bytes().unwrap();
    let short = TokenFile::salvage(&bytes[..5], &limits);
    assert!(matches!(short, Err(Error::NeedMore { .. })));
    // A file that was only cut has nothing to salvage.
    let cut = TokenFile::salvage(&bytes[..30], &limits).unwrap();
    assert_eq!(Ok(cut.file), TokenFile::parse(&bytes[..30]));
    assert_eq!(cut.fault, None);
}

#[test]
fn fractions_count_what_was_declared() {
    let complete = ids_file(4);
    assert_eq!(complete.declared_fraction(), 1.0);
    assert_eq!(complete.proven_fraction(), 1.0);
    // What was left out on purpose is not missing.
    let small = complete.cut_layers(2, KeepMetadata::No).unwrap();
    assert_eq!(small.declared_fraction(), 1.0);
    assert!(coded_file(5).ids().is_empty());
    assert_eq!(coded_file(5).canvas_ids(0).count(), 0);
}
