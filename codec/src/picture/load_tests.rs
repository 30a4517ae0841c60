//! Tests of loading: odd but valid files come out right, bad ones with the error that fits.

use image::{ExtendedColorType, Rgb, RgbImage};

use super::*;
use crate::picture::fixtures::{bytes, path, photo, rgb};
use crate::picture::{PictureErrorKind, flatten, save};

fn load(name: &str) -> LoadedPicture {
    open(path(name), &LoadOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn pixels(name: &str) -> RgbImage {
    flatten(&load(name).image, [255; 3])
}

/// Largest and mean difference.
fn difference(a: &RgbImage, b: &RgbImage) -> (u8, f64) {
    assert_eq!(a.dimensions(), b.dimensions());
    let each = || a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = each().map(u64::from).sum();
    (each().max().unwrap_or(0), sum as f64 / a.len() as f64)
}

#[test]
fn four_channel_jpegs_are_not_inverted() {
    // The expected pixels are those of libjpeg through the Python Imaging Library.
    for (name, expected) in [
        ("cmyk.jpg", "cmyk_rgb.png"),
        ("cmyk_no_adobe.jpg", "cmyk_rgb.png"),
        ("ycck.jpg", "ycck_rgb.png"),
    ] {
        let (worst, mean) = difference(&pixels(name), &rgb(expected));
        assert!(worst <= 6 && mean < 0.8, "{name}: {worst} {mean}");
        let (worst, mean) = difference(&pixels(name), &rgb("small.png"));
        assert!(
            worst <= 16 && mean < 2.0,
            "{name} against the source: {worst} {mean}"
        );
    }
}

#[test]
fn other_jpegs_come_out_right() {
    for (name, allowed) in [("rgb_adobe.jpg", 2.0), ("progressive.jpg", 6.0)] {
        let (_, mean) = difference(&pixels(name), &rgb("small.png"));
        assert!(mean < allowed, "{name}: {mean}");
    }
    let grey = pixels("grey.jpg");
    assert!(grey.pixels().all(|p| p.0[0] == p.0[1] && p.0[1] == p.0[2]));
}

#[test]
fn every_orientation_is_applied() {
    let upright = rgb("small.png");
    for orientation in 1..=8 {
        let name = format!("orientation{orientation}.jpg");
        let (worst, mean) = difference(&pixels(&name), &upright);
        assert!(worst <= 20 && mean < 3.0, "{name}: {worst} {mean}");
    }
    for name in ["orientation8.png", "orientation3.webp", "orientation6.tiff"] {
        assert_eq!(pixels(name), upright, "{name}");
    }
}

#[test]
fn facts_are_kept() {
    let facts = |name| {
        let loaded = load(name);
        (loaded.color_profile, loaded.capture_time, loaded.title)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        facts("orientation6.jpg"),
        (
            some("sRGB built-in"),
            some("2024-05-06T07:08:09+02:00"),
            None
        )
    );
    assert_eq!(
        facts("orientation1.jpg"),
        (None, some("2024-05-06T07:08:09"), None)
    );
    assert_eq!(facts("profile.png"), (some("sRGB built-in"), None, None));
    assert_eq!(facts("palette.png"), (None, None, some("Two colours")));
    assert_eq!(facts("one.png"), (None, None, None));
    assert_eq!(load("orientation6.jpg").format, PictureFormat::Jpeg);
}

#[test]
fn deep_grey_palette_and_alpha() {
    let row = |name: &str| -> Vec<[u8; 3]> { pixels(name).pixels().map(|p| p.0).collect() };
    assert_eq!(
        row("rgba16.png"),
        [[255, 0, 129], [255, 127, 192], [255; 3], [128, 0, 1]]
    );
    assert_eq!(row("grey16.png"), [[0; 3], [129; 3], [255; 3]]);
    assert_eq!(row("grey_alpha.png"), [[0; 3], [204; 3], [255; 3]]);
    assert_eq!(row("palette.png"), [[255, 0, 0], [127, 127, 255]]);
    assert_eq!(row("one.png"), [[12, 34, 56]]);
    assert!(pixels("bilevel.png").iter().all(|&v| v == 0 || v == 255));
    let (worst, _) = difference(&pixels("cmyk.tiff"), &rgb("small.png"));
    assert!(worst <= 2, "{worst}");
}

#[test]
fn animations_give_their_first_frame() {
    for name in ["animated.gif", "animated.webp", "animated.png"] {
        assert_eq!(
            pixels(name),
            RgbImage::from_pixel(6, 4, Rgb([255, 0, 0])),
            "{name}"
        );
    }
}

#[test]
fn content_decides_not_the_name() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let misnamed = folder.path().join("photo.jpg");
    std::fs::copy(path("small.png"), &misnamed).expect("a copy");
    let loaded = open(&misnamed, &LoadOptions::default()).expect("a png");
    assert_eq!(loaded.format, PictureFormat::Png);
}

#[test]
fn what_is_no_image_is_refused() {
    let options = LoadOptions::default();
    let text = open(path("text.png"), &options).expect_err("text");
    assert!(matches!(text, PictureError::UnknownFormat { .. }), "{text}");
    assert_eq!(text.kind(), PictureErrorKind::Unreadable);
    let empty = decode_bytes(b"", &options).expect_err("empty");
    assert!(matches!(empty, PictureError::Empty));
    let folder = open(path(""), &options).expect_err("a directory");
    assert!(matches!(folder, PictureError::Directory { .. }), "{folder}");
    assert_eq!(folder.kind(), PictureErrorKind::Unreadable);
    let missing = open(path("missing.png"), &options).expect_err("missing");
    assert!(matches!(&missing, PictureError::Io { source, .. }
        if source.kind() == std::io::ErrorKind::NotFound));
    assert_eq!(missing.kind(), PictureErrorKind::Io);
    let heif = decode_bytes(b"\0\0\0\x20ftypheic\0\0\0\0", &options).expect_err("heif");
    assert!(
        matches!(heif, PictureError::UnsupportedFormat { .. }),
        "{heif}"
    );
    for error in [text, empty, folder, missing, heif] {
        assert!(!error.to_string().contains('\n'));
    }
}

#[test]
fn truncated_files_are_refused() {
    let whole = |name: &str| (name.to_owned(), bytes(name));
    let names = [
        "cmyk.jpg",
        "progressive.jpg",
        "orientation6.jpg",
        "small.png",
        "rgba16.png",
        "animated.gif",
        "orientation3.webp",
        "orientation6.tiff",
    ];
    for (name, bytes) in names.map(whole) {
        // Of a PNG the image data end 16 bytes before the file, of a GIF the first frame much
        // earlier, and the directory of this TIFF is at its end.
        let needed = match name.as_str() {
            "animated.gif" => 60,
            png if png.ends_with(".png") => bytes.len() - 20,
            _ => bytes.len(),
        };
        for cut in (0..needed).step_by(7).chain([needed - 1]) {
            let error = decode_bytes(&bytes[..cut], &LoadOptions::default())
                .err()
                .unwrap_or_else(|| panic!("{name} cut to {cut} was read"));
            assert_eq!(
                error.kind(),
                PictureErrorKind::Unreadable,
                "{name} {cut}: {error}"
            );
        }
    }
    let small = rgb("small.png");
    for format in save::SaveFormat::ALL {
        // TGA has no signature, only its file name tells.
        if format == save::SaveFormat::Tga {
            continue;
        }
        let bytes = save::encode(&small, format).expect("a small picture");
        let error = decode_bytes(&bytes[..bytes.len() / 2], &LoadOptions::default());
        let error = error.expect_err(format.name());
        assert_eq!(
            error.kind(),
            PictureErrorKind::Unreadable,
            "{format:?} {error}"
        );
    }
    let half = &bytes("cmyk.jpg")[..2000];
    let error = decode_bytes(half, &LoadOptions::default()).expect_err("half a jpeg");
    assert_eq!(
        error.to_string(),
        "truncated jpeg image: its 2000 bytes end in scan 1, after 56 of 96 blocks"
    );
}

#[test]
fn damaged_files_never_panic() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for entry in std::fs::read_dir(path("")).expect("the fixtures") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        for _ in 0..60 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + random() % 4 {
                let at = (random() % bytes.len() as u64) as usize;
                damaged[at] = (random() >> 32) as u8;
            }
            let options = LoadOptions {
                max_pixels: 1 << 20,
                ..LoadOptions::default()
            };
            if let Ok(loaded) = decode_bytes(&damaged, &options) {
                assert!(flatten(&loaded.image, [0; 3]).len() <= 3 << 20);
            }
        }
    }
}

#[test]
fn limits_hold_before_decoding() {
    let usual = LoadOptions::default();
    let small = bytes("small.png");
    let expect = |options: LoadOptions, matches: fn(&PictureError) -> bool| {
        let error = decode_bytes(&small, &options).expect_err("over a limit");
        assert!(matches(&error), "{error}");
        assert_eq!(error.kind(), PictureErrorKind::Limit);
    };
    let max_pixels = 48 * 32 - 1;
    expect(
        LoadOptions {
            max_pixels,
            ..usual
        },
        |e| {
            matches!(
                e,
                PictureError::TooManyPixels {
                    pixels: 1536,
                    max: 1535,
                    ..
                }
            )
        },
    );
    expect(
        LoadOptions {
            max_side: 47,
            ..usual
        },
        |e| {
            matches!(
                e,
                PictureError::SideTooLong {
                    width: 48,
                    max: 47,
                    ..
                }
            )
        },
    );
    expect(
        LoadOptions {
            max_memory: 4607 + small.len() as u64,
            ..usual
        },
        |e| matches!(e, PictureError::TooMuchMemory { needed, max } if needed > max),
    );
    let max_bytes = small.len() as u64 - 1;
    expect(LoadOptions { max_bytes, ..usual }, |e| {
        matches!(e, PictureError::TooManyBytes { .. })
    });
    let from_stream = read(&small[..], "-", &LoadOptions { max_bytes, ..usual });
    assert!(matches!(
        from_stream,
        Err(PictureError::TooManyBytes { .. })
    ));
    let exact = LoadOptions {
        max_pixels: 48 * 32,
        max_side: 48,
        max_bytes: small.len() as u64,
        ..usual
    };
    assert!(read(&small[..], "-", &exact).is_ok());
    // A header that announces 4 billion by 4 billion pixels, with nothing behind it.
    let mut bomb = bytes("one.png");
    bomb[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    let crc = crc32fast::hash(&bomb[12..29]).to_be_bytes();
    bomb[29..33].copy_from_slice(&crc);
    let error = decode_bytes(&bomb, &usual).expect_err("a bomb");
    assert_eq!(error.kind(), PictureErrorKind::Limit, "{error}");
    assert!(
        matches!(error, PictureError::TooManyPixels { .. }),
        "{error}"
    );
}

#[test]
fn photos_load() {
    let options = LoadOptions::default();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/photos/coffee.png");
    let loaded = open(path, &options).expect("a photo");
    assert_eq!(flatten(&loaded.image, [0; 3]), photo("coffee.png"));
}

#[test]
fn decoders_that_panic_are_errors() {
    for name in [
        "jpeg-fine-chroma-1x1.jpg",
        "jpeg-fine-chroma-separate-scans.jpg",
        "jpeg-fine-chroma-in-tiff.tif",
        "tiff-planar-tiled.tif",
    ] {
        match open(path(name), &LoadOptions::default()) {
            Ok(picture) => assert!(picture.image.width() > 0, "{name}"),
            Err(error) => {
                assert_eq!(
                    error.kind(),
                    PictureErrorKind::Unreadable,
                    "{name}: {error}"
                );
            }
        }
    }
}

#[test]
fn an_orientation_behind_the_prefix_of_jpeg_is_applied_in_other_formats_too() {
    let image = load("webp-exif-prefix.webp").image;
    assert_eq!((image.width(), image.height()), (16, 24));
}

#[test]
fn impossible_offsets_are_left_out() {
    let time = load("jpeg-impossible-offset.jpg").capture_time;
    let time = time.expect("a local time");
    assert_eq!(time.len(), "2024-02-29T12:34:56".len(), "{time}");
}

/// A PNG of one colour with this profile.
fn with_profile(color: [u8; 3], profile: Vec<u8>) -> Vec<u8> {
    use image::ImageEncoder;
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    encoder.set_icc_profile(profile).expect("PNG has profiles");
    let picture = RgbImage::from_pixel(5, 4, Rgb(color));
    encoder
        .write_image(picture.as_raw(), 5, 4, ExtendedColorType::Rgb8)
        .expect("memory");
    bytes
}

#[test]
fn colors_of_a_phone_are_converted_unless_they_should_not_be() {
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let png = with_profile([200, 100, 50], profile);
    let mut options = LoadOptions::default();
    let color = |loaded: &LoadedPicture| loaded.image.to_rgb8().get_pixel(4, 3).0;
    let loaded = decode_bytes(&png, &options).unwrap();
    assert!(loaded.color_converted);
    // By the matrices of the standards, in f64.
    let close = |(a, b): (u8, u8)| a.abs_diff(b) <= 1;
    let found = color(&loaded);
    assert!(found.into_iter().zip([215, 93, 31]).all(close), "{found:?}");
    options.color_management = false;
    let loaded = decode_bytes(&png, &options).unwrap();
    assert!(!loaded.color_converted);
    assert_eq!(color(&loaded), [200, 100, 50]);
}

#[test]
fn damaged_profiles_are_told_and_taken_as_srgb() {
    let png = with_profile([200, 100, 50], vec![7; 300]);
    let loaded = decode_bytes(&png, &LoadOptions::default()).unwrap();
    assert_eq!(loaded.notes, [LoadNote::ProfileDamaged]);
    assert_eq!(loaded.image.to_rgb8().get_pixel(0, 0).0, [200, 100, 50]);
}

#[test]
fn high_dynamic_range_is_refused_by_name() {
    let plain = bytes("small.png");
    for (transfer, name) in [(16, "PQ"), (18, "HLG")] {
        let body = [b"cICP".as_slice(), &[9, transfer, 0, 1]].concat();
        let chunk = [
            4_u32.to_be_bytes().as_slice(),
            &body,
            &crc32fast::hash(&body).to_be_bytes(),
        ]
        .concat();
        // Behind the header, which has 33 bytes with the signature.
        let png = [&plain[..33], &chunk, &plain[33..]].concat();
        let refused = decode_bytes(&png, &LoadOptions::default()).unwrap_err();
        assert_eq!(refused.kind(), PictureErrorKind::Unreadable);
        assert!(refused.to_string().contains(name), "{refused}");
    }
}
