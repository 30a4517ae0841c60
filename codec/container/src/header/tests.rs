//! The header: fields in their places, one encoding for each, every fault under its name.

use alloc::vec::Vec;

use super::*;
use crate::{Fault, Region};

const PHOTO: Size = Size {
    width: 4000,
    height: 3000,
};
const MODEL: Fingerprint = Fingerprint([0x5f, 0x1e, 0x7c, 0x0a]);

fn long(blocks: u8) -> CodedCanvas {
    CodedCanvas::Long(NonZeroU8::new(blocks).unwrap())
}

fn coded(bytes: u64) -> Coded {
    Coded {
        tables: TablesName::BUILTIN,
        canvas: long(9),
        bytes,
    }
}

/// The header with a new parity and a new check.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let kind = bytes[2] & 0x7f;
    bytes[2] = kind
        | if kind.count_ones().is_multiple_of(2) {
            0x80
        } else {
            0
        };
    let ids = kind & 0x10 != 0;
    let end = bytes.len() - if ids { 4 } else { 1 };
    let check = if ids {
        crc32fast::hash(&bytes[..end])
    } else {
        crate::checks::header8(&bytes[..end]).into()
    };
    let check = check.to_le_bytes();
    let length = bytes.len() - end;
    bytes[end..].copy_from_slice(&check[..length]);
    bytes
}

fn headers() -> Vec<Header> {
    let sizes = [1, 128, 129, 8160, 16_384, 16_385, MAX_DIMENSION];
    let mut headers = Vec::new();
    for width in sizes {
        for height in sizes {
            let size = Size { width, height };
            for bytes in [1, 127, 128, 16_384, MAX_CODED_BYTES] {
                for tables in [TablesName::BUILTIN, TablesName::Model(MODEL)] {
                    let coded = Coded {
                        tables,
                        bytes,
                        canvas: long(255),
                    };
                    headers.push(Header::coded(size, coded).unwrap());
                }
            }
            for tokens in [1, 128, 129, MAX_TOKENS] {
                let mut ids = Ids::new(MODEL, tokens, 64_000);
                headers.push(Header::ids(size, ids).unwrap());
                ids.canvas = Some(CanvasGrid {
                    columns: 256,
                    rows: 256,
                });
                ids.grid = CanvasGrid {
                    columns: MAX_GRID,
                    rows: MAX_GRID,
                };
                ids.codebook_size = MAX_CODEBOOK;
                headers.push(Header::ids(size, ids).unwrap());
            }
        }
    }
    headers
}

#[test]
fn fields_stand_where_the_specification_says() {
    let bytes = Header::coded(PHOTO, coded(300)).unwrap().to_bytes();
    let fields = [0xf6, 0xdc, 0x83, 1, 9, 0x9f, 0x1f, 0xb7, 0x17, 0xac, 0x02];
    assert_eq!(bytes[..11], fields);
    assert_eq!(bytes[11..], [crate::checks::header8(&fields)]);

    let own = Coded {
        tables: TablesName::Model(MODEL),
        canvas: CodedCanvas::Own,
        bytes: 5,
    };
    let header = Header::coded(
        Size {
            width: 3,
            height: 2,
        },
        own,
    );
    let bytes = header.unwrap().with_metadata(true).to_bytes();
    let fields = [
        0xf6,
        0xdc,
        0x24 | 0x80,
        0,
        0x5f,
        0x1e,
        0x7c,
        0x0a,
        0,
        2,
        1,
        5,
    ];
    assert_eq!(bytes[..12], fields);

    let mut ids = Ids::new(MODEL, 256, 64_000);
    ids.grid = CanvasGrid {
        columns: 3,
        rows: 2,
    };
    let bytes = Header::ids(PHOTO, ids).unwrap().to_bytes();
    let fields = [
        0xf6, 0xdc, 0x15, 0x5f, 0x1e, 0x7c, 0x0a, 0x9f, 0x1f, 0xb7, 0x17, 0xff, 0x01, 0xff, 0xf3,
        0x03, 0, 0, 2, 1,
    ];
    assert_eq!(bytes[..19], fields[..19]);
    assert_eq!(bytes[19], 1);
    assert_eq!(bytes[20..], crc32fast::hash(&fields).to_le_bytes());
}

#[test]
fn every_header_is_read_as_it_was_written() {
    let mut lengths = Vec::new();
    for header in headers() {
        for metadata in [false, true] {
            let header = header.with_metadata(metadata);
            let bytes = header.to_bytes();
            assert_eq!(Header::parse(&bytes), Ok(header));
            assert_eq!(header.byte_len(), bytes.len() as u64);
            lengths.push(bytes.len() as u64);
            for length in 0..bytes.len() {
                let least = if header.as_ids().is_some() && length > 2 {
                    19
                } else {
                    9
                };
                let known = if length > 2 { bytes.len() as u64 } else { 9 };
                let (have, needed) = (length as u64, known);
                assert!(needed >= least);
                let expected = Err(Error::NeedMore { have, needed });
                assert_eq!(Header::parse(&bytes[..length]), expected);
            }
        }
    }
    assert_eq!(lengths.iter().max(), Some(&MAX_HEADER_BYTES));
    assert_eq!(lengths.iter().min(), Some(&crate::layout::MIN_HEADER_BYTES));
}

/// A flip never moves the place of the check, so that each is found for certain.
#[test]
fn every_flipped_bit_is_found() {
    for header in headers() {
        let bytes = header.to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // What stands behind the header does not matter.
            flipped.extend([0x5a; 40]);
            match Header::parse(&flipped) {
                Err(Error::NotFlextok { offset, .. }) => assert_eq!(offset, bit as u64 / 8),
                Err(Error::Corrupt {
                    region: Region::Header,
                    fault: Fault::Parity { .. },
                    ..
                }) => assert_eq!(bit / 8, 2),
                Err(Error::Corrupt {
                    region: Region::Header,
                    range,
                    ..
                }) => assert_eq!(range, 0..bytes.len() as u64),
                other => panic!("bit {bit}: {other:?}"),
            }
        }
    }
}

#[test]
fn later_versions_are_told_from_damage() {
    let mut bytes = Header::coded(PHOTO, coded(9)).unwrap().to_bytes().to_vec();
    bytes[2] ^= 0x40;
    assert!(matches!(Header::parse(&bytes), Err(Error::Corrupt { .. })));
    let later = Error::UnsupportedVersion { supported: 2 };
    assert_eq!(Header::parse(&resealed(bytes)[..3]), Err(later));
}

/// Only the shortest form of a number is read, and only fields that fill the header.
#[test]
fn one_encoding_for_each_header() {
    let good = Header::coded(PHOTO, coded(5)).unwrap().to_bytes().to_vec();
    let refused = |bytes: Vec<u8>, name: &str| match Header::parse(&resealed(bytes)) {
        Err(Error::MalformedHeader { field, .. }) => assert_eq!(field, name),
        other => panic!("{other:?}"),
    };
    let with = |at: usize, new: &[u8]| {
        let mut bytes = good.clone();
        bytes[2] += new.len() as u8 - 1;
        bytes.splice(at..=at, new.iter().copied());
        bytes
    };
    refused(with(9, &[0x85, 0]), "length");
    refused(with(9, &[0x85, 0x80, 0x80, 0]), "length");
    refused(with(9, &[0]), "length");
    refused(with(9, &[0x80]), "length"); // ends behind the header
    refused(with(9, &[5, 5]), "extent");
    refused(with(9, &[0xff, 0xff, 0xff, 0xff, 0x7f]), "length");
    refused(with(9, &[0x80, 0x80, 0x80, 0x80, 0x80, 1]), "length");
    // 2^20 as stored would be a width of 2^20 + 1.
    refused(with(6, &[0x80, 0x40]), "width");
    refused(with(8, &[0x80, 0x40]), "height");
    // 16 384 pixels are too many for a canvas of the picture's own size.
    let mut own = with(6, &[0x7f]);
    own[4] = 0;
    refused(own, "canvas");

    let good = Header::ids(PHOTO, Ids::new(MODEL, 5, 129)).unwrap();
    let good = good.to_bytes().to_vec();
    assert_eq!(good.len(), 22);
    let patch = |at: usize, new: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    };
    refused(patch(12, &[0x80, 0]), "codebook");
    refused(patch(14, &[0, 1]), "rows");
    let with = |at: usize, new: &[u8]| {
        let mut bytes = good.clone();
        bytes[2] += new.len() as u8 - 1;
        bytes.splice(at..=at, new.iter().copied());
        bytes
    };
    refused(with(11, &[0x80, 0x80, 4]), "tokens");
    refused(with(14, &[0x81, 2]), "columns");
    refused(with(15, &[0x80, 2]), "rows");
    refused(with(16, &[0x80, 0x80, 4]), "grid-columns");
    refused(with(17, &[0x80, 0x80, 4]), "grid-rows");
    let mut least = good.clone();
    least.remove(13);
    least[12] = 0; // a codebook of one id
    least[2] -= 1;
    refused(least, "codebook");
}

#[test]
fn numbers_out_of_range_are_refused() {
    let refused = |header: Result<Header, Error>, name: &str, found: u64| match header {
        Err(Error::InvalidHeader { field, value, .. }) => assert_eq!((field, value), (name, found)),
        other => panic!("{other:?}"),
    };
    let size = |width, height| Size { width, height };
    refused(Header::coded(size(0, 1), coded(1)), "width", 0);
    refused(
        Header::coded(size(1, 1_048_577), coded(1)),
        "height",
        1_048_577,
    );
    refused(Header::coded(PHOTO, coded(0)), "payload length", 0);
    refused(
        Header::coded(PHOTO, coded(1 << 32)),
        "payload length",
        1 << 32,
    );
    let own = Coded {
        canvas: CodedCanvas::Own,
        ..coded(1)
    };
    assert!(Header::coded(size(8160, 1), own).is_ok());
    let field = "long side on a canvas of its own size";
    refused(Header::coded(size(1, 8161), own), field, 8161);
    for (field, found, change) in [
        (
            "tokens per canvas",
            0,
            (|ids| ids.tokens = 0) as fn(&mut Ids),
        ),
        ("tokens per canvas", 65_537, |ids| ids.tokens = 65_537),
        ("codebook size", 1, |ids| ids.codebook_size = 1),
        ("codebook size", 65_537, |ids| ids.codebook_size = 65_537),
        ("canvas columns", 0, |ids| {
            ids.canvas = Some(CanvasGrid {
                columns: 0,
                rows: 1,
            });
        }),
        ("canvas rows", 257, |ids| {
            ids.canvas = Some(CanvasGrid {
                columns: 1,
                rows: 257,
            });
        }),
        ("grid columns", 0, |ids| ids.grid.columns = 0),
        ("grid rows", 65_537, |ids| ids.grid.rows = 65_537),
    ] {
        let mut ids = Ids::new(MODEL, 5, 9);
        change(&mut ids);
        refused(Header::ids(PHOTO, ids), field, found);
    }
}

#[test]
fn payload_changes_by_whole_units() {
    let header = Header::coded(PHOTO, coded(300)).unwrap();
    assert_eq!(header.with_payload_bytes(7), Header::coded(PHOTO, coded(7)));
    assert_eq!((header.unit(), header.layers_in(300)), (1, 0));
    let mut ids = Ids::new(MODEL, 5, 9);
    ids.grid = CanvasGrid {
        columns: 3,
        rows: 2,
    };
    let header = Header::ids(PHOTO, ids).unwrap();
    assert_eq!((header.unit(), header.payload_bytes()), (12, 60));
    assert_eq!((header.layers_in(23), header.layers_in(24)), (1, 2));
    ids.tokens = 2;
    assert_eq!(header.with_payload_bytes(24), Header::ids(PHOTO, ids));
    for bytes in [0, 1, 11, 25, u64::MAX] {
        let refused = header.with_payload_bytes(bytes);
        assert!(
            matches!(refused, Err(Error::InvalidHeader { .. })),
            "{bytes}"
        );
    }
}

#[test]
fn blocks_are_those_of_the_rule() {
    let blocks = |width, height, canvas| {
        let coded = Coded { canvas, ..coded(1) };
        let header = Header::coded(Size { width, height }, coded).unwrap();
        let CanvasGrid { columns, rows } = header.blocks().unwrap();
        (columns, rows)
    };
    assert_eq!(blocks(1, 1, CodedCanvas::Own), (1, 1));
    assert_eq!(blocks(33, 64, CodedCanvas::Own), (2, 2));
    assert_eq!(blocks(8160, 8129, CodedCanvas::Own), (255, 255));
    assert_eq!(blocks(4000, 3000, long(8)), (8, 6));
    assert_eq!(blocks(3000, 4000, long(9)), (7, 9)); // 6.75
    assert_eq!(blocks(4, 3, long(2)), (2, 2)); // 1.5, halves up
    assert_eq!(blocks(1, 20_000, long(255)), (1, 255));
    assert_eq!(blocks(1 << 20, 1 << 20, long(255)), (255, 255));
    let ids = Header::ids(PHOTO, Ids::new(MODEL, 5, 9)).unwrap();
    assert_eq!(ids.blocks(), None);
}
