//! Headers: sizes, ranges, every rule that refuses one.

use super::*;

const MODEL: Fingerprint = Fingerprint([0xde, 0xad, 0xbe, 0xef]);

fn plain() -> Header {
    Header::new(MODEL, 4000, 3000, 256, 64_000).unwrap()
}

/// The bytes with their checksum made right again after a change.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let body = bytes.len() - 4;
    let crc = crc32fast::hash(&bytes[..body]);
    bytes[body..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn fields_stand_where_the_specification_says() {
    let bytes = plain().to_bytes();
    let body = [
        0x89, 0x46, 0x4c, 0x58, 0x10, 0x00, 0xde, 0xad, 0xbe, 0xef, 0xff, 0xff, 0xf9, 0x9f, 0x0f,
        0xb7, 0x0b,
    ];
    assert_eq!(bytes[..17], body);
    assert_eq!(bytes[17..], crc32fast::hash(&body).to_le_bytes());

    let header = Header::new(MODEL, 0x1_2345, 0xf_fffe, 1, 2).unwrap();
    let header = header.with_canvas(Some((256, 3))).unwrap();
    let bytes = header.with_grid(0x1_0000, 2).unwrap().to_bytes();
    assert_eq!(bytes[5], 0b111);
    assert_eq!(bytes[10..17], [0, 1, 0, 0x44, 0x23, 0xfd, 0xff]);
    assert_eq!(bytes[17..24], [0xf1, 255, 2, 0xff, 0xff, 1, 0]);
    assert_eq!(bytes.len(), 28);
}

#[test]
fn every_shape_survives_a_round_trip() {
    let dimensions = [1, 2, 65_535, 65_536, 65_537, 131_072, MAX_DIMENSION];
    let canvases = [None, Some((1, 1)), Some((12, 8)), Some((256, 256))];
    let grids = [(1, 1), (2, 1), (1, 2), (65_536, 65_536)];
    for width in dimensions {
        for height in dimensions {
            for canvas in canvases {
                for (columns, rows) in grids {
                    let header = Header::new(MODEL, width, height, 17, 65_536).unwrap();
                    let header = header.with_canvas(canvas).unwrap();
                    let header = header.with_grid(columns, rows).unwrap();
                    let large = u64::from(width > 65_536 || height > 65_536);
                    let canvas = 2 * u64::from(canvas.is_some());
                    let grid = 4 * u64::from((columns, rows) != (1, 1));
                    assert_eq!(header.byte_len(), 21 + large + canvas + grid);
                    for header in [header, header.with_metadata(true)] {
                        let bytes = header.to_bytes();
                        assert_eq!(bytes.len() as u64, header.byte_len());
                        assert_eq!(Header::parse(&bytes), Ok(header));
                        assert!(grid > 0 || bytes.len() <= 24, "single canvas");
                    }
                }
            }
        }
    }
}

#[test]
fn numbers_out_of_range_are_refused() {
    let refused = |result: Result<Header, Error>, name: &str, number: u64| match result {
        Err(Error::InvalidHeader { field, value, .. }) => {
            assert_eq!((field, value), (name, number));
        }
        other => panic!("{other:?}"),
    };
    let new = |w, h, t, c| Header::new(MODEL, w, h, t, c);
    refused(new(0, 1, 1, 2), "width", 0);
    refused(new((1 << 20) + 1, 1, 1, 2), "width", (1 << 20) + 1);
    refused(new(1, 0, 1, 2), "height", 0);
    refused(new(1, u32::MAX, 1, 2), "height", u32::MAX.into());
    refused(new(1, 1, 0, 2), "tokens per canvas", 0);
    refused(new(1, 1, 257, 2), "tokens per canvas", 257);
    refused(new(1, 1, 1, 1), "codebook size", 1);
    refused(new(1, 1, 1, 65_537), "codebook size", 65_537);
    refused(plain().with_canvas(Some((0, 1))), "canvas columns", 0);
    refused(plain().with_canvas(Some((1, 257))), "canvas rows", 257);
    refused(plain().with_grid(0, 1), "grid columns", 0);
    refused(plain().with_grid(1, 65_537), "grid rows", 65_537);
}

#[test]
fn one_encoding_for_each_header() {
    let large = Header::new(MODEL, 65_537, 1, 1, 2).unwrap().to_bytes();
    let mut zero = large.clone();
    zero[17] = 0;
    let refused = Header::parse(&resealed(zero));
    assert!(
        matches!(refused, Err(Error::MalformedHeader { field, .. }) if field.contains("large")),
        "{refused:?}"
    );

    let mut single = plain().with_grid(2, 1).unwrap().to_bytes();
    single[17] = 0;
    let refused = Header::parse(&resealed(single));
    assert!(
        matches!(refused, Err(Error::MalformedHeader { field, .. }) if field.contains("grid")),
        "{refused:?}"
    );

    let mut one = plain().to_bytes();
    one[11..13].copy_from_slice(&[0, 0]);
    let refused = Header::parse(&resealed(one));
    assert!(
        matches!(
            refused,
            Err(Error::MalformedHeader {
                field: "codebook size",
                value: 1,
                ..
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn short_headers_tell_what_is_missing() {
    let bytes = plain().with_grid(3, 2).unwrap().to_bytes();
    for have in 0..bytes.len() {
        // The flags, byte 5, tell that there are four bytes more.
        let needed = if have <= 5 { 21 } else { 25 };
        let have_bytes = have as u64;
        let expected = Error::NeedMore {
            have: have_bytes,
            needed,
        };
        assert_eq!(Header::parse(&bytes[..have]), Err(expected));
    }
}

#[test]
fn other_files_are_named_as_such_from_their_first_byte() {
    for (text, offset) in [
        (&b"h"[..], 0),
        (b"\x89P", 1),
        (b"\x89FL", 9),
        (b"\x89FLx..", 3),
    ] {
        match Header::parse(text) {
            Err(Error::NotFlextok { offset: at, .. }) => assert_eq!(at, offset),
            Err(Error::NeedMore { .. }) => assert_eq!(offset, 9),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn versions_and_flags_are_checked_before_the_checksum() {
    for version in 0..=255_u8 {
        let mut bytes = plain().to_bytes();
        bytes[4] = version;
        let sealed = Header::parse(&resealed(bytes.clone()));
        if version >> 4 == 1 {
            assert_eq!(sealed.unwrap().version(), (1, version & 15));
        } else {
            let refused = Error::UnsupportedVersion {
                major: version >> 4,
                minor: version & 15,
                supported: 1,
            };
            assert_eq!(sealed, Err(refused.clone()));
            assert_eq!(Header::parse(&bytes[..5]), Err(refused));
        }
    }
    for flags in 16..=255_u8 {
        let mut bytes = plain().to_bytes();
        bytes[5] = flags;
        let refused = Error::UnsupportedFlags {
            flags: flags & 0xf0,
            known: 15,
        };
        assert_eq!(Header::parse(&bytes[..6]), Err(refused.clone()));
        assert_eq!(Header::parse(&resealed(bytes)), Err(refused));
    }
}

#[test]
fn a_wrong_checksum_is_corrupt() {
    let mut bytes = plain().to_bytes();
    bytes.extend_from_slice(&[0; 8]);
    for bit in 6 * 8..21 * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let result = Header::parse(&flipped);
        let Err(Error::Corrupt { region, range, .. }) = result else {
            panic!("bit {bit}: {result:?}");
        };
        assert_eq!((region, range), (Region::Header, 0..21));
    }
}

#[test]
fn a_header_tells_what_it_was_made_of() {
    let header = Header::new(MODEL, 70_000, 9, 17, 1024).unwrap();
    let header = header.with_canvas(Some((12, 8))).unwrap();
    assert_eq!(header.fingerprint(), MODEL);
    assert_eq!((header.width(), header.height()), (70_000, 9));
    assert_eq!(header.canvas(), Some((12, 8)));
    assert_eq!(plain().canvas(), None);
}

#[test]
fn a_body_without_all_its_fields_is_no_header() {
    let bytes = plain().to_bytes();
    let body = &bytes[..bytes.len() - 4];
    for length in 0..body.len() {
        assert_eq!(Header::parse_body(&body[..length]), Ok(None), "{length}");
    }
    assert_eq!(Header::parse_body(body), Ok(Some(plain())));
}
