//! Inputs that are not ordinary photos: strange sizes, pixel types, files that are no images.

use flextok::image::{self, DynamicImage, Rgb, RgbImage};
use flextok_tests::{arg, data, listing, picture, run, workplace, write};

fn size_of(directory: &std::path::Path, file: &str) -> (u32, u32) {
    let picture = image::open(directory.join(file)).expect("a picture");
    (picture.width(), picture.height())
}

/// Notes that some of the pictures give.
const TRANSPARENT: &str = "transparent parts show the background";
const FRAMES: &str = "animated; only the first frame is used";

#[test]
fn strange_sizes() {
    let place = workplace();
    let directory = place.path();
    for (width, height) in [
        (1, 1),
        (1, 300),
        (20_000, 10),
        (3, 20_000),
        (256, 256),
        (257, 255),
    ] {
        let gradient = |x: u32, y: u32| Rgb([(x * 7) as u8, (y * 5) as u8, (x + y) as u8]);
        RgbImage::from_fn(width, height, gradient)
            .save(directory.join("in.png"))
            .expect("saved");
        run(directory, ["encode", "in.png", "--force"]).ok();
        run(directory, ["decode", "in.flxt", "-o", "out.png", "--force"]).ok();
        assert_eq!(size_of(directory, "out.png"), (width, height));
        run(
            directory,
            ["preview", "in.flxt", "-o", "sheet.png", "--force", "-q"],
        )
        .ok();
        run(directory, ["compare", "in.png", "out.png", "--json"]).ok();
        if height == 20_000 {
            run(directory, ["decode", "in.flxt", "-o", "a.webp"]).fails(2, &["a.webp: ", "16384"]);
        }
    }
}

#[test]
fn a_large_photo() {
    let place = workplace();
    let directory = place.path();
    let wave = |x: u32, y: u32| Rgb([(x / 16) as u8, (y / 12) as u8, ((x * y) >> 12) as u8]);
    RgbImage::from_fn(4000, 3000, wave)
        .save(directory.join("big.jpg"))
        .expect("saved");
    run(directory, ["encode", "big.jpg"]).ok();
    run(directory, ["decode", "big.flxt", "-o", "back.jpg"]).ok();
    assert_eq!(size_of(directory, "back.jpg"), (4000, 3000));
}

#[test]
fn pixel_types_come_out_as_the_pictures_they_are() {
    let place = workplace();
    let directory = place.path();
    for (name, reference) in [("cmyk.jpg", "cmyk_rgb.png"), ("ycck.jpg", "ycck_rgb.png")] {
        let (odd, plain) = (picture(name), picture(reference));
        let comparison = run(directory, ["compare", arg(&plain), arg(&odd), "--json"])
            .ok()
            .json();
        assert!(
            comparison["mae"].as_f64() < Some(6.0),
            "{name}: {comparison}"
        );
        run(
            directory,
            ["encode", arg(&odd), "-o", "odd.flxt", "--force"],
        )
        .ok();
        run(
            directory,
            ["decode", "odd.flxt", "-o", "odd.png", "--force"],
        )
        .ok();
        run(
            directory,
            ["encode", arg(&plain), "-o", "plain.flxt", "--force"],
        )
        .ok();
        run(
            directory,
            ["decode", "plain.flxt", "-o", "plain.png", "--force"],
        )
        .ok();
        let decoded = run(directory, ["compare", "plain.png", "odd.png", "--json"])
            .ok()
            .json();
        assert!(decoded["mae"].as_f64() < Some(12.0), "{name}: {decoded}");
    }
    for (name, note) in [
        ("rgba16.png", TRANSPARENT),
        ("grey16.png", ""),
        ("grey_alpha.png", TRANSPARENT),
        ("palette.png", TRANSPARENT),
        ("bilevel.png", ""),
        ("animated.gif", FRAMES),
        ("animated.png", FRAMES),
        ("animated.webp", FRAMES),
        ("grey.jpg", ""),
        ("progressive.jpg", ""),
        ("cmyk.tiff", ""),
    ] {
        let path = picture(name);
        let encoded = run(directory, ["encode", arg(&path), "-o", "a.flxt", "--force"]);
        match note {
            "" => encoded.ok(),
            note => encoded.notes(note),
        };
        run(directory, ["decode", "a.flxt", "-o", "a.png", "--force"]).ok();
        let expected = image::open(&path).expect("the image crate reads it");
        assert_eq!(
            size_of(directory, "a.png"),
            (expected.width(), expected.height()),
            "{name}"
        );
    }
}

#[test]
fn orientation_is_applied() {
    let place = workplace();
    let directory = place.path();
    let upright = picture("orientation1.jpg");
    let (width, height) = size_of(directory, arg(&upright));
    for orientation in 2..=8 {
        let path = picture(&format!("orientation{orientation}.jpg"));
        let comparison = run(directory, ["compare", arg(&upright), arg(&path), "--json"])
            .ok()
            .json();
        assert!(
            comparison["mae"].as_f64() < Some(4.0),
            "{orientation}: {comparison}"
        );
        run(directory, ["encode", arg(&path), "-o", "a.flxt", "--force"]).ok();
        run(directory, ["decode", "a.flxt", "-o", "a.png", "--force"]).ok();
        assert_eq!(
            size_of(directory, "a.png"),
            (width, height),
            "orientation {orientation}"
        );
    }
}

#[test]
fn transparency_goes_on_the_chosen_background() {
    let place = workplace();
    let directory = place.path();
    let glass = image::RgbaImage::from_pixel(64, 64, image::Rgba([255, 0, 0, 0]));
    glass.save(directory.join("glass.png")).expect("saved");
    for (color, rgb) in [
        ("white", [255; 3]),
        ("black", [0; 3]),
        ("2040c0", [0x20, 0x40, 0xc0]),
    ] {
        let flat = RgbImage::from_pixel(64, 64, Rgb(rgb));
        flat.save(directory.join("flat.png")).expect("saved");
        let encode = |name| {
            run(
                directory,
                ["encode", name, "-o", "-", "--background", color],
            )
        };
        assert!(
            encode("glass.png").notes(TRANSPARENT).stdout == encode("flat.png").ok().stdout,
            "{color}"
        );
    }
    let default = run(directory, ["encode", "glass.png", "-o", "-"])
        .notes(TRANSPARENT)
        .stdout;
    let white = run(
        directory,
        ["encode", "glass.png", "-o", "-", "--background", "FFFFFF"],
    )
    .notes(TRANSPARENT);
    assert!(default == white.stdout);
    run(
        directory,
        ["encode", "glass.png", "-o", "-", "--background", "pinkish"],
    )
    .fails(2, &["pinkish", "RRGGBB"]);
}

#[test]
fn a_file_that_is_not_an_image_is_named_and_leaves_nothing() {
    let place = workplace();
    let directory = place.path();
    let png = std::fs::read(picture("small.png")).expect("it is there");
    write(directory, "text.png", "just text");
    write(directory, "empty.png", "");
    write(directory, "cut.png", &png[..png.len() / 2]);
    write(directory, "fake.heic", b"\0\0\0\x18ftypheic\0\0\0\0");
    std::fs::create_dir(directory.join("folder")).expect("writable");
    let before = listing(directory);
    for (name, code, mention) in [
        ("text.png", 6, "readable formats"),
        ("empty.png", 6, "empty"),
        ("cut.png", 6, "png"),
        ("fake.heic", 6, "readable formats"),
        // For these `encode` asks where its outputs go.
        ("folder", 6, "directory"),
        (".", 6, "directory"),
        ("missing.png", 7, "No such file"),
        ("folder/missing.png", 7, "No such file"),
    ] {
        let name_colon = format!("{name}: ");
        let of_encode = if mention == "directory" { 2 } else { code };
        for (command, code) in [("encode", of_encode), ("preview", code)] {
            run(directory, [command, name]).fails(code, &[&name_colon, mention]);
        }
        run(directory, ["compare", name, arg(&picture("small.png"))])
            .fails(code, &[&name_colon, mention]);
    }
    assert_eq!(listing(directory), before);
}

#[test]
fn a_file_that_is_not_a_token_file_is_named_and_leaves_nothing() {
    let place = workplace();
    let directory = place.path();
    write(directory, "text.flxt", "just text");
    write(directory, "empty.flxt", "");
    std::fs::create_dir(directory.join("folder")).expect("writable");
    let photo = flextok_tests::photo("coffee.png");
    let photo = arg(&photo);
    let before = listing(directory);
    for (name, code, mention) in [
        ("text.flxt", 3, "not a flextok file"),
        (photo, 3, "not a flextok file"),
        ("empty.flxt", 3, "more needed"),
        ("folder", 3, "directory"),
        ("missing.flxt", 7, "No such file"),
    ] {
        let name_colon = format!("{name}: ");
        for command in [
            &["decode", name, "-o", "a.png"][..],
            &["truncate", name, "-o", "a.flxt", "--bytes", "50"],
            &["tokens", name, "-o", "a.npy"],
            &["info", name],
            &["verify", name],
        ] {
            run(directory, command).fails(code, &[&name_colon, mention]);
        }
    }
    assert_eq!(listing(directory), before);
}

#[test]
fn sixteen_bits_are_more_than_eight() {
    let place = workplace();
    let directory = place.path();
    let fine = image::ImageBuffer::from_fn(40, 30, |x, y| {
        image::Rgba([(x * 1600) as u16, (y * 2100) as u16, 30_000, 65_535_u16])
    });
    DynamicImage::ImageRgba16(fine)
        .save(directory.join("fine.png"))
        .expect("saved");
    let coarse = RgbImage::from_fn(40, 30, |x, y| {
        let eight = |value: u32| ((value * 255 + 32_767) / 65_535) as u8;
        Rgb([eight(x * 1600), eight(y * 2100), eight(30_000)])
    });
    coarse.save(directory.join("coarse.png")).expect("saved");
    let comparison = run(directory, ["compare", "coarse.png", "fine.png", "--json"])
        .ok()
        .json();
    assert!(comparison["mae"].as_f64() < Some(0.5), "{comparison}");
}

/// The specification's R-SEC-02: a title can hold any text, and is shown where it cannot do harm.
#[test]
fn texts_of_a_file_stay_on_their_line() {
    let place = workplace();
    let file = data("../format-spec/vectors/valid/metadata-utf-8.flxt");
    let info = run(place.path(), ["info", arg(&file)]).ok();
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!info.text().contains(control), "{info:?}");
    let title = info.text().lines().find(|line| line.starts_with("title "));
    assert_eq!(
        title.map(str::trim_end),
        Some("title          Brücke 橋 🌉\\n\\u{0}")
    );
    let info = run(place.path(), ["info", arg(&file), "--json"])
        .ok()
        .json();
    assert_eq!(info["metadata"]["title"], "Brücke 橋 🌉\n\0");
}

#[test]
fn decoders_that_panic_end_in_one_line() {
    let place = workplace();
    let directory = place.path();
    for name in [
        "jpeg-fine-chroma-1x1.jpg",
        "jpeg-fine-chroma-separate-scans.jpg",
        "jpeg-fine-chroma-in-tiff.tif",
        "tiff-planar-tiled.tif",
    ] {
        let file = picture(name);
        let done = run(directory, ["encode", arg(&file), "-o", "a.flxt", "--force"]);
        if done.code == Some(0) {
            continue;
        }
        assert_eq!(
            (done.code, done.stderr.lines().count()),
            (Some(6), 1),
            "{done:?}"
        );
    }
}
