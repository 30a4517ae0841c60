//! Tests of JPEG XL. The files are by `cjxl`, from pictures of formulas; the pictures beside lossy ones by `djxl`.

use image::metadata::Orientation;
use image::{Rgb, RgbImage, Rgba};

use crate::picture::load::{LoadedPicture, decode_bytes};
use crate::picture::{LoadNote, LoadOptions, Parts, PictureError, PictureErrorKind, fixtures};

fn load(name: &str) -> LoadedPicture {
    decode(&fixtures::bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn decode(file: &[u8]) -> Result<LoadedPicture, PictureError> {
    decode_bytes(file, &LoadOptions::default())
}

fn color(x: u32, y: u32) -> [u8; 3] {
    [(6 * x) as u8, (10 * y) as u8, (x * y % 256) as u8]
}

fn alpha(x: u32, y: u32) -> u8 {
    (4 * (x + y)).min(255) as u8
}

fn decibels(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let squares = a
        .iter()
        .zip(b.iter())
        .map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    let mean = squares.sum::<f64>() / a.len() as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}

#[test]
fn lossless_pictures_are_exact() {
    let source = RgbImage::from_fn(40, 24, |x, y| Rgb(color(x, y)));
    let plain = load("lossless.jxl");
    assert!(plain.image == source.clone().into() && plain.notes.is_empty());
    assert!(!plain.color_converted && plain.color_profile.is_none());
    // As the PNG file with that exponent that it was made of.
    let gamma = load("gamma.jxl");
    assert!(gamma.image == plain.image && !gamma.color_converted);
    assert!(load("grey_gamma.jxl").image == load("grey.jxl").image);
    let with_alpha = load("alpha.jxl");
    assert_eq!(with_alpha.notes, [LoadNote::Transparent]);
    let grey = load("grey.jxl").image;
    let grey_alpha = load("grey_alpha.jxl").image;
    let deep_grey = load("grey16.jxl").image;
    assert!(grey.as_luma8().is_some() && grey_alpha.as_luma_alpha8().is_some());
    for (x, y, pixel) in source.enumerate_pixels() {
        let Rgb([_, green, _]) = *pixel;
        let [red, _, blue] = color(x, y);
        let rgba = Rgba([red, green, blue, alpha(x, y)]);
        assert_eq!(with_alpha.image.to_rgba8()[(x, y)], rgba);
        assert_eq!(grey.to_luma8()[(x, y)].0, [green]);
        assert_eq!(grey_alpha.to_luma_alpha8()[(x, y)].0, [green, alpha(x, y)]);
        assert_eq!(deep_grey.to_luma16()[(x, y)].0, [(1600 * x + y) as u16]);
    }
    let deep = load("rgb16.jxl").image;
    let deep = deep.as_rgb16().expect("16 bits");
    for (x, y, pixel) in deep.enumerate_pixels() {
        let right = [1600 * x + y, 2700 * y, 70 * x * y];
        assert_eq!(pixel.0.map(u32::from), right);
    }
}

#[test]
fn lossy_pictures_are_those_of_another_decoder() {
    for (name, right) in [
        ("lossy.jxl", "lossy_jxl.png"),
        ("from_jpeg.jxl", "from_jpeg_jxl.png"),
        ("grey_lossy.jxl", "grey_lossy_jxl.png"),
    ] {
        let found = load(name).image.to_rgb8();
        let decibels = decibels(&found, &fixtures::rgb(right));
        assert!(decibels > 45.0, "{name}: {decibels} dB");
    }
}

#[test]
fn multiplied_alpha_is_divided_out() {
    let image = load("alpha_multiplied.jxl").image.to_rgba8();
    for (x, y, pixel) in image.enumerate_pixels() {
        let Rgba([colors @ .., found]) = *pixel;
        assert_eq!(found, alpha(x, y));
        // Half a level of what was stored.
        let allowed = 128.0 / f64::from(found) + 0.6;
        for (found, right) in colors.into_iter().zip(color(x, y)) {
            let off = f64::from(found.abs_diff(right));
            assert!(off <= allowed, "{x} {y}: {found}, not {right}");
        }
    }
}

#[test]
fn colors_become_srgb() {
    let by = |kind: &[u8; 4], body: &[u8]| {
        use crate::picture::{decoders::png::chunk, save};
        let source = RgbImage::from_fn(40, 24, |x, y| Rgb(color(x, y)));
        let plain = save::encode(&source, save::SaveFormat::Png).unwrap();
        let png = [&plain[..33], &chunk(kind, body), &plain[33..]].concat();
        decode(&png).unwrap().image.to_rgb8()
    };
    let icc = load("adobe.jxl");
    assert!(icc.color_converted && icc.color_profile.is_some());
    let points = [31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000];
    let points: Vec<u8> = points.into_iter().flat_map(u32::to_be_bytes).collect();
    let right = by(b"cICP", &[12, 13, 0, 1]);
    let p3 = load("p3.jxl").image.to_rgb8();
    assert!(decibels(&p3, &right) > 45.0, "{}", decibels(&p3, &right));
    let linear = load("linear.jxl").image.to_rgb8();
    let right = by(b"cICP", &[1, 8, 0, 1]);
    assert!(
        decibels(&linear, &right) > 45.0,
        "{}",
        decibels(&linear, &right)
    );
    // The profile of Adobe has an exponent, which that of the points does not tell exactly.
    let right = by(b"cHRM", &points);
    let found = icc.image.to_rgb8();
    assert!(
        decibels(&found, &right) > 30.0,
        "{}",
        decibels(&found, &right)
    );
    let lossy = load("adobe_lossy.jxl").image.to_rgb8();
    assert!(
        decibels(&lossy, &found) > 25.0,
        "{}",
        decibels(&lossy, &found)
    );
}

#[test]
fn high_dynamic_range_is_refused_by_name() {
    for (name, range) in [("pq.jxl", "PQ"), ("hlg.jxl", "HLG")] {
        let error = decode(&fixtures::bytes(name)).expect_err(name);
        assert!(error.to_string().contains(range), "{error}");
        assert_eq!(error.kind(), PictureErrorKind::Unreadable);
        let options = LoadOptions {
            color_management: false,
            ..LoadOptions::default()
        };
        assert!(decode_bytes(&fixtures::bytes(name), &options).is_ok());
    }
}

#[test]
fn the_orientation_of_the_codestream_is_the_only_one() {
    let upright = load("orientation1.jxl").image;
    for value in 1..=8 {
        let mut right = upright.clone();
        right.apply_orientation(Orientation::from_exif(value).unwrap());
        let bytes = fixtures::bytes(&format!("orientation{value}.jxl"));
        assert!(decode(&bytes).unwrap().image == right, "{value}");
        let exif = b"\0\0\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x05\0\0\0\0\0\0";
        let length = (8 + exif.len() as u32).to_be_bytes();
        let boxed = [&length[..], b"Exif", exif].concat();
        // Before the codestream, behind the two boxes that all files begin with.
        let file = [&bytes[..32], &boxed, &bytes[32..]].concat();
        assert!(decode(&file).unwrap().image == right, "{value}");
    }
    let photo = load("from_jpeg.jxl");
    assert_eq!((photo.image.width(), photo.image.height()), (24, 40));
    assert_eq!(photo.capture_time.as_deref(), Some("2024-05-06T07:08:09"));
}

#[test]
fn animations_give_their_first_frame() {
    let loaded = load("animated.jxl");
    assert_eq!(loaded.notes, [LoadNote::FirstOf(Parts::Frames)]);
    assert_eq!(
        loaded.image.to_rgb8(),
        RgbImage::from_pixel(6, 4, Rgb([255, 0, 0]))
    );
}

#[test]
fn cut_files_are_truncated() {
    for name in [
        "lossless.jxl",
        "lossy.jxl",
        "alpha.jxl",
        "from_jpeg.jxl",
        "orientation6.jxl",
        "adobe.jxl",
        "animated.jxl",
    ] {
        let whole = fixtures::bytes(name);
        for cut in 2..whole.len() {
            match decode(&whole[..cut]) {
                Err(PictureError::Truncated { .. }) => {}
                // Of the box at the beginning twelve bytes tell the format.
                Err(PictureError::UnknownFormat { .. }) if cut < 12 && whole[0] == 0 => {}
                Ok(part) if name == "animated.jxl" => {
                    let notes = [LoadNote::FirstOf(Parts::Frames), LoadNote::EndMissing];
                    assert_eq!(part.notes, notes, "{cut}");
                }
                Ok(_) => panic!("{name} cut to {cut} was read"),
                Err(error) => panic!("{name} cut to {cut}: {error}"),
            }
        }
    }
}

#[test]
fn limits_hold_before_decoding() {
    let file = fixtures::bytes("lossless.jxl");
    let usual = LoadOptions::default();
    for options in [
        LoadOptions {
            max_pixels: 40 * 24 - 1,
            ..usual
        },
        LoadOptions {
            max_side: 39,
            ..usual
        },
    ] {
        let error = decode_bytes(&file, &options).expect_err("over a limit");
        assert_eq!(error.kind(), PictureErrorKind::Limit, "{error}");
    }
}

#[test]
fn memory_is_limited_before_and_while_decoding() {
    let file = fixtures::bytes("lossy.jxl");
    let limited = |max_memory| {
        let options = LoadOptions {
            max_memory,
            ..LoadOptions::default()
        };
        decode_bytes(&file, &options)
    };
    // What the decoder works in besides the pixels is more than they are.
    for max_memory in (0..20_000).step_by(500) {
        let error = limited(max_memory).expect_err("over the limit");
        assert!(
            matches!(error, PictureError::TooMuchMemory { .. }),
            "{max_memory}: {error}"
        );
    }
    limited(4 << 20).expect("much more than it needs");
}

#[test]
fn damaged_files_are_errors_or_pictures() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let options = LoadOptions {
        max_pixels: 1 << 20,
        max_memory: 64 << 20,
        ..LoadOptions::default()
    };
    let rounds = std::env::var("FLEXTOK_MUTATIONS")
        .ok()
        .and_then(|rounds| rounds.parse().ok());
    for name in [
        "grey.jxl",
        "lossy.jxl",
        "alpha.jxl",
        "from_jpeg.jxl",
        "animated.jxl",
    ] {
        let bytes = fixtures::bytes(name);
        for _ in 0..rounds.unwrap_or(200) {
            let mut damaged = bytes.clone();
            for _ in 0..1 + random() % 3 {
                let at = (random() % bytes.len() as u64) as usize;
                damaged[at] = (random() >> 32) as u8;
            }
            if let Ok(loaded) = decode_bytes(&damaged, &options) {
                assert!(
                    u64::from(loaded.image.width()) * u64::from(loaded.image.height()) <= 1 << 20
                );
            }
        }
    }
}
