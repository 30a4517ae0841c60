//! Tests of the sizes, against the reference implementation and against plain computations.

use image::{Rgb, imageops};

use super::*;
use crate::picture::fixtures::{photo, rgb};

/// The dumps of the reference as the CRC32 of all samples, and 16 rows of them to look at when it
/// differs.
fn assert_dump(got: &RgbImage, name: &str, crc: u32) {
    let rows = imageops::crop_imm(got, 0, 120, got.width(), 16).to_image();
    assert_eq!(rows, rgb(&format!("{name}_rows120.png")), "{name}");
    assert_eq!(crc32fast::hash(got.as_raw()), crc, "{name}");
}

#[test]
fn published_preprocessing_is_bit_exact() {
    let chelsea = published_crop(&photo("chelsea.png"), 256, 256);
    assert_dump(&chelsea.picture, "chelsea", 0xe23c_ec99);
    let astronaut = photo("astronaut.png");
    let small = imageops::crop_imm(&astronaut, 100, 20, 180, 170).to_image();
    assert_dump(
        &published_crop(&small, 256, 256).picture,
        "upscale",
        0xa9ba_8fd7,
    );
    let whole = published_crop(&astronaut, 256, 256);
    assert_dump(&whole.picture, "astronaut", 0x9ec7_b594);
    assert_eq!(whole.picture, resize(&astronaut, 256, 256));
}

#[test]
fn any_size_to_any_size_is_bit_exact() {
    // CRC32 of what Pillow 11.3 makes of the same noise with Image.resize(size, BILINEAR). Later
    // versions take the vertical pass first where that is cheaper, so the third and the seventh
    // case differ there.
    for (w, h, width, height, crc) in [
        (1, 1, 256, 256, 0xb66b_2fcb),
        (20000, 10, 256, 256, 0x3bec_a801),
        (10, 2000, 256, 384, 0xa755_b92b),
        (333, 77, 97, 301, 0x33a4_ef29),
        (640, 480, 639, 481, 0xccc2_cdf4),
        (7, 5, 3, 2, 0xfcab_a9b0),
        (2, 3, 500, 1, 0x7355_252d),
        (1023, 511, 256, 511, 0xb904_d83e),
        (100, 90, 100, 33, 0xdc9e_5909),
    ] {
        let noise = RgbImage::from_fn(w, h, |x, y| {
            let mixed = x
                .wrapping_mul(2_654_435_761)
                .wrapping_add(y.wrapping_mul(40_503));
            let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519);
            Rgb([8, 16, 24].map(|shift| (mixed >> shift) as u8))
        });
        let got = resize(&noise, width, height);
        assert_eq!(
            crc32fast::hash(got.as_raw()),
            crc,
            "{w}x{h} to {width}x{height}"
        );
    }
}

#[test]
fn only_the_window_is_computed_but_nothing_changes() {
    let coffee = photo("coffee.png");
    // Scaled to cover 300 x 200 and 90 x 200: 300 x 200 exactly, and 300 x 200 before the crop.
    for (width, height, full) in [
        (300, 200, (300, 200)),
        (90, 200, (300, 200)),
        (600, 7, (600, 400)),
    ] {
        let scaled = resize(&coffee, full.0, full.1);
        let x = half_to_even(u64::from(full.0 - width)) as u32;
        let y = half_to_even(u64::from(full.1 - height)) as u32;
        let want = imageops::crop_imm(&scaled, x, y, width, height).to_image();
        assert_eq!(published_crop(&coffee, width, height).picture, want);
    }
}

#[test]
fn crops_report_their_source() {
    let rect = |w, h, width, height| {
        let crop = published_crop(&RgbImage::new(w, h), width, height);
        assert_eq!(crop.picture.dimensions(), (width, height));
        let SourceRect {
            x,
            y,
            width,
            height,
        } = crop.source;
        (x, y, width, height)
    };
    assert_eq!(rect(451, 300, 256, 256), (75, 0, 300, 300));
    assert_eq!(rect(300, 451, 256, 256), (0, 75, 300, 300));
    assert_eq!(rect(256, 256, 256, 256), (0, 0, 256, 256));
    assert_eq!(rect(1600, 900, 384, 256), (125, 0, 1350, 900));
    assert_eq!(rect(1600, 900, 256, 384), (500, 0, 600, 900));
    assert_eq!(rect(1, 1, 256, 256), (0, 0, 1, 1));
    assert_eq!(rect(20_000, 10, 256, 256), (9_995, 0, 10, 10));
    assert_eq!(rect(10, 20_000, 384, 256), (0, 9_996, 10, 7));
    // 3 x 2 onto a canvas of 256 x 1: less than half a source row, still one row.
    assert_eq!(rect(3, 2, 256, 1), (0, 0, 3, 1));
}

fn threads() -> Threads {
    Threads::new(2).expect("two threads")
}

fn resize(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    super::resize(picture, Size::new(width, height), &threads()).expect("memory")
}

fn restore(canvas: &RgbImage, width: u32, height: u32) -> RgbImage {
    super::restore(canvas, Size::new(width, height), &threads()).expect("memory")
}

fn published_crop(picture: &RgbImage, width: u32, height: u32) -> Cropped {
    super::published_crop(picture, Size::new(width, height), &threads()).expect("memory")
}

#[test]
fn rows_made_one_by_one_are_those_of_the_flattened_picture() {
    let clear = |x: u32, y: u32| image::Rgba([x as u8, y as u8, (x * y) as u8, (x + y) as u8]);
    let image = DynamicImage::from(image::RgbaImage::from_fn(90, 70, clear));
    let background = [250, 0, 99];
    let flat = crate::picture::flatten(&image, background);
    for deep in [image.clone(), DynamicImage::from(image.to_rgba16())] {
        let resized =
            resize_image(&deep, background, Size::new(32, 48), &threads()).expect("memory");
        assert_eq!(resized, resize(&flat, 32, 48));
        let cropped = crop_image(&deep, background, Size::new(32, 48), &threads()).expect("memory");
        assert_eq!(cropped, published_crop(&flat, 32, 48));
    }
}

#[test]
fn halves_go_to_the_even_offset() {
    let got: Vec<u64> = (0..8).map(half_to_even).collect();
    assert_eq!(got, [0, 0, 1, 2, 2, 2, 3, 4]);
}

#[test]
fn flat_pictures_stay_flat() {
    let grey = RgbImage::from_pixel(13, 40, Rgb([0, 128, 255]));
    for (w, h) in [(1, 1), (256, 256), (7, 300), (13, 39)] {
        for got in [
            resize(&grey, w, h),
            restore(&grey, w, h),
            published_crop(&grey, w, h).picture,
        ] {
            assert_eq!(
                got,
                RgbImage::from_pixel(w, h, Rgb([0, 128, 255])),
                "{w}x{h}"
            );
        }
    }
}

#[test]
fn equal_sizes_are_not_resampled() {
    let coffee = photo("coffee.png");
    assert_eq!(resize(&coffee, 600, 400), coffee);
    assert_eq!(restore(&coffee, 600, 400), coffee);
    assert_eq!(published_crop(&coffee, 600, 400).picture, coffee);
}

#[test]
fn both_orders_of_restore_agree() {
    let canvas = resize(&photo("chelsea.png"), 64, 64);
    let wide = restore(&canvas, 300, 100);
    let swapped = imageops::rotate90(&imageops::flip_vertical(&canvas));
    let tall = imageops::rotate90(&imageops::flip_vertical(&restore(&swapped, 100, 300)));
    assert_eq!(wide, tall);
}

#[test]
fn strips_and_empty_sizes() {
    let strip = RgbImage::from_fn(20_000, 10, |x, y| Rgb([(x / 79) as u8, (y * 25) as u8, 9]));
    let canvas = resize(&strip, 256, 256);
    let back = restore(&canvas, 20_000, 10);
    let mean: u64 = back
        .iter()
        .zip(strip.iter())
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    assert!(mean < 2 * 600_000, "mean error {}", mean as f64 / 600_000.0);
    assert_eq!(restore(&canvas, 10, 20_000).dimensions(), (10, 20_000));
    for (w, h) in [(0, 5), (5, 0), (0, 0)] {
        let empty = RgbImage::new(w, h);
        assert_eq!(resize(&strip, w, h).dimensions(), (w, h));
        assert_eq!(restore(&strip, w, h).dimensions(), (w, h));
        assert_eq!(resize(&empty, 3, 2), RgbImage::new(3, 2));
        assert_eq!(restore(&empty, 3, 2), RgbImage::new(3, 2));
        assert_eq!(published_crop(&empty, 3, 2).picture, RgbImage::new(3, 2));
        assert_eq!(published_crop(&strip, w, h).picture.dimensions(), (w, h));
    }
}

#[test]
fn results_do_not_depend_on_the_threads() {
    let seeding = photo("seeding.jpg");
    let run = |count| {
        let threads = Threads::new(count).expect("a few threads");
        let canvas = super::resize(&seeding, Size::new(256, 256), &threads).expect("memory");
        super::restore(&canvas, Size::new(700, 500), &threads).expect("memory")
    };
    assert_eq!(run(1), run(3));
}

fn psnr(a: &RgbImage, b: &RgbImage) -> f64 {
    let squares: u64 = a
        .iter()
        .zip(b.iter())
        .map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2))
        .sum();
    10.0 * (65_025.0 * a.len() as f64 / squares as f64).log10()
}

#[test]
fn the_chosen_kernel_is_the_best_on_photographs() {
    let kernels = [Kernel::Triangle, Kernel::CatmullRom, Kernel::Lanczos3];
    for name in ["chelsea.png", "coffee.png", "astronaut.png", "seeding.jpg"] {
        let photo = photo(name);
        // Larger and smaller than the canvas.
        for original in [resize(&photo, 150, 100), photo] {
            let canvas = resize(&original, 256, 256);
            let (w, h) = original.dimensions();
            let scores = kernels.map(|k| {
                psnr(
                    &original,
                    &restore_with(&canvas, Size::new(w, h), k).expect("memory"),
                )
            });
            println!("{name} {w}x{h}: {kernels:?} = {scores:.2?} dB");
            assert!(scores[2] > scores[1] && scores[1] > scores[0]);
        }
    }
}
