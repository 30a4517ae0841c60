//! Tests of what files say beside their pixels: calibrated colours, titles, frames.

use image::{Rgb, RgbImage};

use super::*;
use crate::picture::decoders::png::chunk;
use crate::picture::fixtures::bytes;
use crate::picture::{Parts, save};

fn load(file: &[u8]) -> LoadedPicture {
    decode_bytes(file, &LoadOptions::default()).unwrap()
}

/// A PNG of one colour with these chunks before the pixels.
fn png(color: [u8; 3], chunks: &[Vec<u8>]) -> Vec<u8> {
    let picture = RgbImage::from_pixel(5, 4, Rgb(color));
    let plain = save::encode(&picture, save::SaveFormat::Png).unwrap();
    [&plain[..33], &chunks.concat(), &plain[33..]].concat()
}

fn close(loaded: &LoadedPicture, expected: [u8; 3]) {
    let found = loaded.image.to_rgb8().get_pixel(4, 3).0;
    let close = found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1);
    assert!(close, "{found:?}, not {expected:?}");
}

/// Adobe RGB, times 100000.
const POINTS: [u32; 8] = [31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000];
const COLOR: [u8; 3] = [200, 100, 50];
/// By the matrices of the standards, in f64.
const IN_SRGB: [u8; 3] = [227, 100, 42];

#[test]
fn calibrated_pngs_are_converted_unless_more_is_said() {
    let points: Vec<u8> = POINTS.into_iter().flat_map(u32::to_be_bytes).collect();
    let calibration = [
        chunk(b"gAMA", &45455_u32.to_be_bytes()),
        chunk(b"cHRM", &points),
    ]
    .concat();
    let loaded = load(&png(COLOR, std::slice::from_ref(&calibration)));
    assert!(loaded.color_converted);
    close(&loaded, IN_SRGB);
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let profile = [b"P3\0\0", &fdeflate::compress_to_vec(&profile)[..]].concat();
    let profile = chunk(b"iCCP", &profile);
    let srgb = chunk(b"sRGB", &[0]);
    let points = |primaries| chunk(b"cICP", &[primaries, 13, 0, 1]);
    let damaged = chunk(b"iCCP", b"P3\0\0damaged");
    for (chunks, expected, note) in [
        (vec![srgb.clone()], COLOR, None),
        (vec![profile.clone()], [215, 93, 31], None),
        (vec![profile.clone(), srgb], [215, 93, 31], None),
        (vec![points(1), profile], COLOR, None),
        (vec![points(12)], [215, 93, 31], None),
        (vec![damaged], COLOR, Some(LoadNote::ProfileDamaged)),
    ] {
        let chunks = [vec![calibration.clone()], chunks].concat();
        let loaded = load(&png(COLOR, &chunks));
        close(&loaded, expected);
        assert_eq!(loaded.color_converted, expected != COLOR);
        assert_eq!(loaded.notes, Vec::from_iter(note));
    }
}

#[test]
fn calibrated_bmps_are_converted() {
    let parts = |share: u32| (f64::from(share) / 1e5 * f64::from(1 << 30)).round() as u32;
    let points = POINTS[2..].as_chunks::<2>().0;
    let colors = points
        .iter()
        .flat_map(|&[x, y]| [x, y, 100_000 - x - y].map(parts));
    let calibration: Vec<u8> = colors
        .chain([144_179; 3])
        .flat_map(u32::to_le_bytes)
        .collect();
    let bmp = |kind: [u8; 4], length: u32, more: &[u8]| {
        let mut bmp = vec![0; 14 + length as usize];
        bmp[..2].copy_from_slice(b"BM");
        bmp[10..14].copy_from_slice(&(14 + length).to_le_bytes());
        bmp[14..18].copy_from_slice(&length.to_le_bytes());
        (bmp[18], bmp[22], bmp[26], bmp[28]) = (5, 4, 1, 24);
        bmp[70..74].copy_from_slice(&kind);
        bmp[74..122].copy_from_slice(&calibration);
        if length == 124 {
            bmp[126..130].copy_from_slice(&(length + 64).to_le_bytes());
            bmp[130..134].copy_from_slice(&(more.len() as u32).to_le_bytes());
        }
        for _ in 0..4 {
            bmp.extend([COLOR[2], COLOR[1], COLOR[0]].repeat(5));
            bmp.push(0);
        }
        bmp.extend(more);
        bmp
    };
    let loaded = load(&bmp([0; 4], 108, &[]));
    assert!(loaded.color_converted);
    close(&loaded, IN_SRGB);
    close(&load(&bmp(*b"BGRs", 108, &[])), COLOR);
    close(&load(&bmp(*b" niW", 124, &[])), COLOR);
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    close(&load(&bmp(*b"DEBM", 124, &profile)), [215, 93, 31]);
    let damaged = load(&bmp(*b"DEBM", 124, b"profile"));
    close(&damaged, COLOR);
    assert_eq!(damaged.notes, [LoadNote::ProfileDamaged]);
}

#[test]
fn animations_are_told() {
    let told = [LoadNote::FirstOf(Parts::Frames)];
    for name in [
        "animated.gif",
        "animated.png",
        "animated.webp",
        "default-image.png",
    ] {
        assert_eq!(load(&bytes(name)).notes, told, "{name}");
    }
    for name in ["interlaced.gif", "small.png", "orientation3.webp"] {
        assert!(load(&bytes(name)).notes.is_empty(), "{name}");
    }
    // Also where it is no frame.
    close(&load(&bytes("default-image.png")), [10, 20, 30]);
}

#[test]
fn small_frames_stand_in_their_place() {
    let blue = [0, 0, 255, 255];
    let red = [255, 0, 0, 255];
    for (name, [left, top, width, height]) in [
        ("frame-on-canvas.gif", [3, 2, 4, 3]),
        ("frame-on-canvas.webp", [2, 4, 4, 2]),
    ] {
        let loaded = load(&bytes(name));
        assert_eq!(
            loaded.notes,
            [LoadNote::FirstOf(Parts::Frames), LoadNote::Transparent]
        );
        let image = loaded.image.to_rgba8();
        assert_eq!(image.dimensions(), (8, 6));
        for (x, y, pixel) in image.enumerate_pixels() {
            let inside = (left..left + width).contains(&x) && (top..top + height).contains(&y);
            match (x, y) {
                _ if !inside => assert_eq!(pixel[3], 0, "{name} {x} {y}"),
                _ if (x, y) == (left, top) => assert_eq!(pixel.0, blue, "{name}"),
                _ => assert_eq!(pixel.0, red, "{name} {x} {y}"),
            }
        }
    }
}

#[test]
fn forgotten_flags_of_webp_hurt_nothing() {
    let mut webp = bytes("frame-on-canvas.webp");
    let right = load(&webp).image;
    webp[20] |= 0x0c;
    assert!(load(&webp).image == right);
}
