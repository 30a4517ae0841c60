//! Token files: building, cutting, fitting.

use alloc::vec;

use super::*;
use crate::{Chunk, Fingerprint};

fn header(tokens: u16) -> Header {
    Header::new(Fingerprint([1, 2, 3, 4]), 640, 480, tokens, 64_000).unwrap()
}

fn titled() -> Metadata {
    Metadata {
        title: Some("t".into()),
        other: vec![Chunk::new(60, vec![1, 2, 3]).unwrap()],
        ..Metadata::default()
    }
}

fn file(tokens: u16) -> TokenFile {
    let ids = (0..tokens).map(|i| i * 200 + 7).collect();
    TokenFile::new(header(tokens), ids, titled()).unwrap()
}

#[test]
fn sizes_are_those_of_the_formula() {
    for tokens in 1..=256 {
        let bare = TokenFile::new(header(tokens), vec![1; tokens.into()], Metadata::default());
        let len = bare.unwrap().to_bytes().unwrap().len() as u64;
        assert_eq!(len, header(tokens).layout().tokens_end());
        // What a size-conscious reader of the announcement would expect.
        assert!(len <= 21 + 2 * u64::from(tokens) + 16);
    }
}

#[test]
fn every_cut_is_a_file_of_its_own() {
    let whole = file(256);
    let mut expected = 256;
    for (offset, tokens) in whole.cut_offsets().zip(1..) {
        assert_eq!(offset.tokens, tokens);
        let cut = whole.cut(tokens, KeepMetadata::No).unwrap();
        let bytes = cut.to_bytes().unwrap();
        assert_eq!(bytes.len() as u64, offset.complete_bytes);
        assert_eq!(TokenFile::parse(&bytes).as_ref(), Ok(&cut));
        assert!(cut.is_complete() && !cut.header().has_metadata());
        assert_eq!(cut.ids(), &whole.ids()[..tokens.into()]);

        let kept = whole.cut(tokens, KeepMetadata::Yes).unwrap();
        assert_eq!(kept.metadata(), &titled());
        assert_eq!(TokenFile::parse(&kept.to_bytes().unwrap()), Ok(kept));

        let prefix = &whole.to_bytes().unwrap()[..offset.prefix_bytes as usize];
        let head = TokenFile::parse(prefix).unwrap();
        assert_eq!(head.layers(), tokens);
        let shorter = TokenFile::parse(&prefix[..prefix.len() - 1]).unwrap();
        assert_eq!(shorter.layers(), tokens - 1);
        expected -= 1;
    }
    assert_eq!(expected, 0);
}

#[test]
fn a_truncated_file_can_be_cut_to_what_it_has() {
    let bytes = file(20).to_bytes().unwrap();
    let head = TokenFile::parse(&bytes[..21 + 2 * 10 + 4 + 1]).unwrap();
    assert_eq!(
        head.state(),
        State::Truncated {
            have: 10,
            total: 20
        }
    );
    assert_eq!(head.proven_layers(), 4);
    assert_eq!(
        head.to_bytes(),
        Err(Error::Incomplete {
            have: 10,
            total: 20
        })
    );
    let cut = head.cut(10, KeepMetadata::Yes).unwrap();
    assert_eq!(cut, file(20).cut(10, KeepMetadata::No).unwrap());
    let refused = |requested: u16| {
        let available = 10;
        let requested_wide = requested.into();
        let expected = Error::CannotCut {
            requested: requested_wide,
            available,
        };
        assert_eq!(head.cut(requested, KeepMetadata::No), Err(expected));
    };
    refused(0);
    refused(11);
    refused(257);

    let none = TokenFile::parse(&bytes[..22]).unwrap();
    let no_layer = Error::NoLayer { have: 0, total: 20 };
    assert_eq!(none.cut(1, KeepMetadata::No), Err(no_layer.clone()));
    assert_eq!(none.fit(1000, KeepMetadata::No), Err(no_layer));
    assert_eq!(none.cut_offsets().count(), 0);
}

#[test]
fn fit_takes_the_largest_file_that_fits() {
    let whole = file(256);
    for bytes in 0..700_u64 {
        let fitted = whole.fit(bytes, KeepMetadata::No);
        if bytes < 27 {
            let minimum = 27;
            assert_eq!(fitted, Err(Error::CannotFit { bytes, minimum }));
            continue;
        }
        let fitted = fitted.unwrap();
        assert!(fitted.to_bytes().unwrap().len() as u64 <= bytes);
        if fitted.layers() < 256 {
            let next = whole.cut(fitted.layers() + 1, KeepMetadata::No).unwrap();
            assert!(next.to_bytes().unwrap().len() as u64 > bytes);
        }
    }
    assert_eq!(whole.fit(512, KeepMetadata::No).unwrap().layers(), 237);
    assert_eq!(whole.fit(60, KeepMetadata::No).unwrap().layers(), 15);
    assert_eq!(whole.fit(u64::MAX, KeepMetadata::No).unwrap().layers(), 256);
}

#[test]
fn canvases_interleave_layer_by_layer() {
    let header = header(3).with_grid(2, 2).unwrap();
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
    let head = TokenFile::parse(&bytes[..25 + 13]).unwrap();
    assert_eq!((head.layers(), head.ids().len()), (1, 6));
    assert!(head.canvas_ids(1).eq([11, 12]));
    assert!(head.canvas_ids(2).eq([21]));
    let cut = head.cut(1, KeepMetadata::No).unwrap();
    assert_eq!(cut.ids(), [1, 11, 21, 31]);
    assert_eq!(cut.header().grid(), (2, 2));
}

#[test]
fn what_cannot_be_written_is_refused() {
    let count = TokenFile::new(header(3), vec![0; 4], Metadata::default());
    let wrong = Error::InvalidTokenCount {
        count: 4,
        expected: 3,
    };
    assert_eq!(count, Err(wrong));
    let id = TokenFile::new(header(3), vec![63_999, 64_000, 0], Metadata::default());
    let wrong = Error::InvalidId {
        index: 1,
        id: 64_000,
        codebook_size: 64_000,
    };
    assert_eq!(id, Err(wrong));

    let ragged = [vec![1, 2, 3], vec![4, 5]];
    let grid = header(3).with_grid(2, 1).unwrap();
    let wrong = Error::InvalidTokenCount {
        count: 5,
        expected: 6,
    };
    let result = TokenFile::from_canvases(grid, &ragged, Metadata::default());
    assert_eq!(result, Err(wrong));
    // As many ids as needed, unevenly spread.
    let uneven = [vec![1, 2, 3, 4], vec![5, 6]];
    assert!(TokenFile::from_canvases(grid, &uneven, Metadata::default()).is_err());
    let one = [[1, 2, 3]];
    assert!(TokenFile::from_canvases(grid, &one, Metadata::default()).is_err());
}

#[test]
fn a_fitted_file_with_metadata_stays_within_its_bytes() {
    let header = Header::new(Fingerprint([7; 4]), 640, 480, 256, 64_000).unwrap();
    let metadata = Metadata {
        title: Some("A title".into()),
        ..Metadata::default()
    };
    let whole = TokenFile::new(header, vec![1; 256], metadata).unwrap();
    for bytes in 0..700 {
        match whole.fit(bytes, KeepMetadata::Yes) {
            Ok(fitted) => {
                let size = fitted.to_bytes().unwrap().len() as u64;
                assert!(size <= bytes && fitted.metadata().title.is_some());
                let next = whole.cut((fitted.layers() + 1).min(256), KeepMetadata::Yes);
                let next = next.unwrap().to_bytes().unwrap().len() as u64;
                assert!(next > bytes || fitted.layers() == 256, "{bytes}");
            }
            Err(error) => {
                let minimum = 21 + 2 + 4 + 7 + 7;
                assert!(bytes < minimum);
                assert_eq!(error, Error::CannotFit { bytes, minimum });
            }
        }
    }
}

#[test]
fn fractions_count_tokens_and_not_bytes() {
    let whole = file(17).to_bytes().unwrap();
    for length in 21..=whole.len() {
        let cut = TokenFile::parse(&whole[..length]).unwrap();
        let (have, proven) = (cut.ids().len() as f64, f64::from(cut.proven_layers()));
        assert_eq!(cut.declared_fraction(), have / 17.0);
        assert_eq!(cut.proven_fraction(), proven / 17.0);
        assert!(cut.proven_fraction() <= cut.declared_fraction());
    }
    let complete = file(17);
    assert_eq!(complete.declared_fraction(), 1.0);
    assert_eq!(complete.proven_fraction(), 1.0);
    // What was left out on purpose is not missing.
    let small = complete.cut(2, KeepMetadata::No).unwrap();
    assert_eq!(small.declared_fraction(), 1.0);
}
