//! Tests of whole streams: valid ones come out as libjpeg has them, the others are refused for the right reason.

use image::{DynamicImage, RgbImage};

use super::*;
use crate::picture::fixtures;

/// One scan of three components, restart markers after every second unit.
const RESTARTS: &str = "jpeg-restarts.jpg";

fn load(bytes: &[u8]) -> Result<(RgbImage, Vec<LoadNote>), PictureError> {
    let stored = decode(bytes, &LoadOptions::default())?;
    let image = match stored.pixels {
        Pixels::Image(image) => image,
        Pixels::Cmyk { .. } => DynamicImage::default(),
    };
    Ok((image.to_rgb8(), stored.notes))
}

fn pixels(bytes: &[u8]) -> RgbImage {
    let (image, notes) = load(bytes).expect("a valid stream");
    assert_eq!(notes, []);
    image
}

fn refusal(bytes: &[u8]) -> String {
    load(bytes).expect_err("a damaged stream").to_string()
}

/// Peak signal-to-noise ratio in decibels.
fn psnr(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let squares = a
        .iter()
        .zip(b.iter())
        .map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    let mean = squares.sum::<f64>() / a.len() as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}

/// Where a segment begins.
fn place(bytes: &[u8], marker: u8) -> usize {
    let found = bytes.windows(2).position(|pair| pair == [0xff, marker]);
    found.expect("a stream with that marker")
}

/// The stream with other bytes instead of some.
fn spliced(bytes: &[u8], at: std::ops::Range<usize>, new: &[u8]) -> Vec<u8> {
    [&bytes[..at.start], new, &bytes[at.end..]].concat()
}

#[test]
fn every_layout_of_scans_comes_out_right() {
    // The expected pixels are those of libjpeg-turbo.
    for (name, expected) in [
        ("jpeg-scan-per-component.jpg", "jpeg-scan-per-component.png"),
        ("jpeg-chroma-scans-first.jpg", "jpeg-scan-per-component.png"),
        (
            "jpeg-chroma-wider-than-luma.jpg",
            "jpeg-chroma-wider-than-luma.png",
        ),
        (
            "jpeg-scan-of-two-components.jpg",
            "jpeg-scan-of-two-components.png",
        ),
        ("jpeg-luma-4x1-restarts.jpg", "jpeg-luma-4x1-restarts.png"),
        (
            "jpeg-fine-chroma-separate-scans.jpg",
            "jpeg-fine-chroma-separate-scans.png",
        ),
        ("jpeg-fine-chroma-1x1.jpg", "jpeg-fine-chroma-1x1.png"),
        (
            "jpeg-progressive-restarts.jpg",
            "jpeg-progressive-restarts.png",
        ),
        (RESTARTS, "jpeg-restarts.png"),
    ] {
        let psnr = psnr(&pixels(&fixtures::bytes(name)), &fixtures::rgb(expected));
        assert!(psnr > 45.0, "{name}: {psnr} dB");
    }
}

#[test]
fn missing_data_before_the_end_marker_are_told() {
    assert_eq!(
        refusal(&fixtures::bytes("jpeg-half-its-data.jpg")),
        "truncated jpeg image: its scan 1 ends after 144 of 288 blocks"
    );
    for name in [
        RESTARTS,
        "jpeg-progressive-restarts.jpg",
        "jpeg-scan-per-component.jpg",
    ] {
        let bytes = fixtures::bytes(name);
        for cut in 2..bytes.len() {
            refusal(&bytes[..cut]);
            // A progressive file may end between any two scans, once all components have DC.
            let ended = [&bytes[..cut], &[0xff, segments::EOI]].concat();
            let whole = cut >= bytes.len() - 2 || name.contains("progressive");
            assert!(whole || load(&ended).is_err(), "{name} cut to {cut}");
        }
    }
}

#[test]
fn components_without_a_scan_are_missing() {
    let bytes = fixtures::bytes("jpeg-scan-per-component.jpg");
    let last = bytes
        .windows(2)
        .rposition(|pair| pair == [0xff, segments::SOS]);
    let last = last.expect("three scans");
    let end = bytes.len() - 2;
    let without = spliced(&bytes, last..end, &[]);
    assert!(refusal(&without).ends_with("its component 3 of 3 is in none of its 2 scans"));
    let twice = spliced(&bytes, end..end, &bytes[last..end]);
    assert!(refusal(&twice).ends_with("its component 3 is in two scans"));
    let first = place(&bytes, segments::SOS);
    let none = spliced(&bytes, first..end, &[]);
    assert!(refusal(&none).ends_with("it ends before its first scan"));
    assert!(refusal(&[0xff, 0xd8, 0xff, 0xd9]).ends_with("it has no frame"));
}

#[test]
fn restart_markers_must_stand_where_they_are_due() {
    let bytes = fixtures::bytes(RESTARTS);
    let second = place(&bytes, 0xd1);
    let gone = spliced(&bytes, second..second + 2, &[]);
    assert!(refusal(&gone).contains("restart marker 2 where 1 is due, after 24 of 54 blocks"));
    let other = spliced(&bytes, second + 1..second + 2, &[0xd6]);
    assert!(refusal(&other).contains("restart marker 6 where 1 is due"));
    let interval = spliced(&bytes, second..place(&bytes, 0xd2), &[]);
    assert!(refusal(&interval).contains("restart marker 2 where 1 is due"));
    let early = spliced(&bytes, second - 20..second, &[]);
    let text = refusal(&early);
    assert!(
        text.contains("where none is due") || text.contains("no code"),
        "{text}"
    );
    let defined = place(&bytes, 0xdd);
    let undefined = spliced(&bytes, defined..defined + 6, &[]);
    assert!(refusal(&undefined).contains("restart marker 0 where none is due"));
    // Fill bytes may stand before them, and one more at the end does no harm.
    let filled = spliced(&bytes, second..second, &[0xff; 3]);
    let end = bytes.len() - 2;
    let more = spliced(&filled, filled.len() - 2..filled.len() - 2, &[0xff, 0xd4]);
    assert_eq!(pixels(&more), pixels(&bytes));
    assert_eq!(bytes[end..], [0xff, segments::EOI]);
}

#[test]
fn surplus_data_are_noted_and_padding_is_not() {
    let bytes = fixtures::bytes(RESTARTS);
    let end = bytes.len() - 2;
    let right = pixels(&bytes);
    for (more, count) in [(&[0x12, 0xff, 0, 0x34][..], 3), (&[0][..], 1)] {
        let (image, notes) = load(&spliced(&bytes, end..end, more)).expect("all blocks are there");
        assert_eq!(image, right);
        assert_eq!(notes, [LoadNote::SurplusData { bytes: count }]);
    }
    let (_, notes) = load(&spliced(&bytes, 2..2, &[1, 2, 3])).expect("a picture");
    assert_eq!(notes, [LoadNote::SurplusData { bytes: 3 }]);
    let frame = place(&bytes, 0xc0);
    let lower = spliced(&bytes, frame + 5..frame + 7, &[0, 32]);
    let (image, notes) = load(&lower).expect("fewer rows");
    assert_eq!(image.height(), 32);
    assert!(
        matches!(notes.as_slice(), [LoadNote::SurplusData { bytes: 100.. }]),
        "{notes:?}"
    );
    // Ones before the end, fill bytes, another start, a thumbnail, and what cameras append.
    let thumbnail = [&[0xff, 0xe1, 0, 8][..], b"\xff\xd8\xff\xda\xff\xd9"].concat();
    for valid in [
        spliced(&bytes, end..end, &[0xff, 0]),
        spliced(&bytes, end..end, &[0xff, 0xff]),
        spliced(&bytes, 2..2, &[0xff, 0xd8]),
        spliced(&bytes, 2..2, &thumbnail),
        [&bytes[..], b"ftyp", &bytes].concat(),
    ] {
        assert_eq!(pixels(&valid), right);
    }
}

#[test]
fn the_height_may_come_after_the_first_scan() {
    for name in [RESTARTS, "jpeg-scan-per-component.jpg"] {
        let bytes = fixtures::bytes(name);
        let frame = place(&bytes, 0xc0);
        let height = [bytes[frame + 5], bytes[frame + 6]];
        let open = spliced(&bytes, frame + 5..frame + 7, &[0, 0]);
        assert!(refusal(&open).contains("does not tell its height"));
        let scan = place(&open, segments::SOS) + 2;
        let ends =
            |at: &usize| matches!(open[at + 1..], [segments::EOI | 0xc4 | segments::SOS, ..]);
        let marker = (scan..open.len() - 1).find(|at| open[*at] == 0xff && ends(at));
        let marker = marker.expect("the first scan has an end");
        let lines = [0xff, 0xdc, 0, 4, height[0], height[1]];
        assert_eq!(
            pixels(&spliced(&open, marker..marker, &lines)),
            pixels(&bytes),
            "{name}"
        );
    }
}

#[test]
fn other_kinds_of_coding_are_refused_by_name() {
    let bytes = fixtures::bytes(RESTARTS);
    let frame = place(&bytes, 0xc0);
    for (marker, name) in [
        (0xc3, "lossless"),
        (0xc5, "hierarchical"),
        (0xc9, "arithmetic"),
        (0xca, "arithmetic"),
        (0xcb, "lossless"),
        (0xf7, "JPEG-LS"),
    ] {
        let text = refusal(&spliced(&bytes, frame + 1..frame + 2, &[marker]));
        assert!(
            text.contains(name) && text.contains("not supported; "),
            "{text}"
        );
    }
    assert!(refusal(&spliced(&bytes, frame + 4..frame + 5, &[12])).contains("12 bits per sample"));
    // Extended sequential differs in the number of tables only.
    let extended = spliced(&bytes, frame + 1..frame + 2, &[0xc1]);
    assert_eq!(pixels(&extended), pixels(&bytes));
}

/// A progressive grey picture of one block, with these scans: first and last coefficient, bits missing before and after.
/// Each has one block with nothing in it.
fn progressive(scans: impl IntoIterator<Item = [u8; 4]>) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    bytes.extend([1; 64]);
    bytes.extend([0xff, 0xc2, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
    for class in [0, 0x10] {
        // One code of one bit: no difference, or nothing more in the block.
        bytes.extend([0xff, 0xc4, 0, 20, class, 1]);
        bytes.extend([0; 16]);
    }
    for [first, last, high, low] in scans {
        bytes.extend([
            0xff,
            0xda,
            0,
            8,
            1,
            1,
            0,
            first,
            last,
            high << 4 | low,
            0x7f,
        ]);
    }
    bytes.extend([0xff, 0xd9]);
    bytes
}

#[test]
fn progressive_scans_come_in_order_and_are_not_endless() {
    let good = [
        [0, 0, 0, 1],
        [1, 5, 0, 2],
        [6, 63, 0, 0],
        [0, 0, 1, 0],
        [1, 5, 2, 1],
        [1, 5, 1, 0],
    ];
    assert!(pixels(&progressive(good)).iter().all(|&value| value == 128));
    for bad in [
        &[[1, 5, 0, 0]][..],                         // AC before DC
        &[[0, 0, 1, 0]],                             // a second bit before the first
        &[[0, 0, 0, 0], [0, 0, 0, 0]],               // twice
        &[[0, 0, 0, 0], [1, 5, 2, 0]],               // two bits at once
        &[[0, 0, 0, 0], [1, 5, 2, 1]],               // not the first bits
        &[[0, 5, 0, 0]],                             // DC and AC together
        &[[0, 0, 0, 14]],                            // more bits than there are
        &[[0, 0, 0, 0], [1, 64, 0, 0]],              // beyond the last
        &[[0, 0, 0, 0], [5, 4, 0, 0]],               // backwards
        &[[0, 0, 0, 0], [1, 5, 0, 0], [5, 6, 0, 0]], // overlapping
    ] {
        let text = refusal(&progressive(bad.iter().copied()));
        assert!(
            text.contains("is not one that can come there"),
            "{bad:?}: {text}"
        );
    }
    let first = std::iter::once([0, 0, 0, 0]).chain((1..64).map(|band| [band, band, 0, 1]));
    let second = (1..64).map(|band| [band, band, 1, 0]);
    assert!(load(&progressive(first.clone())).is_ok());
    assert!(refusal(&progressive(first.chain(second))).contains("more than 100 scans"));
}

#[test]
fn memory_is_bounded_before_it_is_taken() {
    for (name, samples, pixels) in [
        // 3x3 units of 16x16, four blocks of luma and two of chroma; a progressive one keeps coefficients of two bytes
        (RESTARTS, 9 * 6 * 64, 45 * 37 * 3),
        ("jpeg-progressive-restarts.jpg", 9 * 6 * 64, 2 * 9 * 6 * 64),
    ] {
        let bytes = fixtures::bytes(name);
        let max_memory = bytes.len() as u64 + samples + pixels;
        let options = LoadOptions {
            max_memory,
            ..LoadOptions::default()
        };
        assert!(decode(&bytes, &options).is_ok(), "{name}");
        let max_memory = max_memory - 1;
        let refused = decode(
            &bytes,
            &LoadOptions {
                max_memory,
                ..options
            },
        );
        let refused = refused.map(|_| ()).expect_err("too little");
        assert!(
            matches!(refused, PictureError::TooMuchMemory { .. }),
            "{name}: {refused}"
        );
    }
    // Few bytes that claim many blocks.
    let bytes = fixtures::bytes(RESTARTS);
    let frame = place(&bytes, 0xc0);
    let large = spliced(&bytes, frame + 5..frame + 9, &[0x20, 0, 0x20, 0]);
    assert!(refusal(&large).contains("8192x8192 pixels need at least"));
}

/// The tables of a stream, and the stream without them.
fn abbreviated(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut tables, mut rest) = (vec![0xff, 0xd8], vec![0xff, 0xd8]);
    let mut segments = segments::Segments::new(bytes);
    let mut before = 2;
    while let Some(segment) = segments.next().expect("a valid stream") {
        if segment.marker == segments::SOS {
            break;
        }
        let target = match segment.marker {
            0xc4 | 0xdb => &mut tables,
            _ => &mut rest,
        };
        target.extend_from_slice(&bytes[before..segments.at]);
        before = segments.at;
    }
    tables.extend([0xff, segments::EOI]);
    rest.extend_from_slice(&bytes[before..]);
    (tables, rest)
}

#[test]
fn strips_of_tiff_take_their_tables_from_elsewhere() {
    let bytes = fixtures::bytes(RESTARTS);
    let (tables, strip) = abbreviated(&bytes);
    let options = LoadOptions::default();
    let decoded = |as_stored| decode_strip(Some(&tables), &strip, as_stored, 0, &options);
    let colors = decoded(false).expect("a strip");
    assert_eq!(
        (colors.width, colors.height, colors.components),
        (45, 37, 3)
    );
    assert_eq!(
        (&colors.samples, &colors.notes),
        (&pixels(&bytes).into_raw(), &vec![])
    );
    // Y, Cb and Cr of its first pixel belong to its colours.
    let stored = decoded(true).expect("a strip").samples;
    let luma = |[r, g, b]: [f64; 3]| 0.299 * r + 0.587 * g + 0.114 * b;
    let first = [0, 1, 2].map(|channel| f64::from(colors.samples[channel]));
    assert!((luma(first) - f64::from(stored[0])).abs() < 1.5);
    let blue = (first[2] - luma(first)) / 1.772 + 128.0;
    assert!((blue - f64::from(stored[1])).abs() < 1.5);
    // All its blocks are there, so that it may lack the end marker.
    let open = &strip[..strip.len() - 2];
    assert!(decode_strip(Some(&tables), open, true, 0, &options).is_ok());
    let refused = decode_strip(None, &strip, false, 0, &options).expect_err("no tables");
    let text = refused.to_string();
    assert!(
        text.starts_with("damaged or unsupported tiff image: a JPEG strip"),
        "{text}"
    );
    let half = decode_strip(Some(&tables), &strip[..strip.len() / 2], false, 0, &options);
    assert!(matches!(
        half,
        Err(PictureError::Truncated { format: "tiff", .. })
    ));
    let held = options.max_memory - 1000;
    let large = decode_strip(Some(&tables), &strip, false, held, &options);
    assert!(matches!(large, Err(PictureError::TooMuchMemory { .. })));
}

#[test]
fn damaged_metadata_are_absent_and_no_error() {
    let bytes = fixtures::bytes(RESTARTS);
    let with = |marker: u8, body: &[u8]| {
        let length = (body.len() as u16 + 2).to_be_bytes();
        let segment = [&[0xff, marker], &length[..], body].concat();
        let stored = decode(&spliced(&bytes, 2..2, &segment), &LoadOptions::default());
        stored.expect("a picture").blocks
    };
    assert_eq!(
        with(0xe2, b"ICC_PROFILE\0\x01\x01abc").icc.as_deref(),
        Some(&b"abc"[..])
    );
    for damaged in [
        &b"ICC_PROFILE\0\x01\x02abc"[..],
        b"ICC_PROFILE\0\x00\x00abc",
        b"ICC_PROFILE\0\x01",
    ] {
        assert_eq!(with(0xe2, damaged).icc, None);
    }
    let exif = with(0xe1, b"Exif\0\0II*\0").exif;
    assert_eq!(exif.as_deref(), Some(&b"Exif\0\0II*\0"[..]));
    with(0xe1, b"http://ns.adobe.com/xmp/extension/\0x");
    with(0xee, b"Adobe");
}

#[test]
fn mutations_never_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let options = LoadOptions {
        max_pixels: 1 << 16,
        ..LoadOptions::default()
    };
    for name in [
        RESTARTS,
        "jpeg-progressive-restarts.jpg",
        "jpeg-scan-per-component.jpg",
        "ycck.jpg",
    ] {
        let bytes = fixtures::bytes(name);
        for _ in 0..2000 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + random(3) {
                let at = random(damaged.len());
                match random(4) {
                    0 => drop(damaged.remove(at)),
                    1 => damaged.insert(at, random(256) as u8),
                    _ => damaged[at] = random(256) as u8,
                }
            }
            if let Ok(stored) = decode(&damaged, &options) {
                assert!(stored.notes.len() <= 1);
            }
        }
    }
}
