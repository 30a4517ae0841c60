//! The rule for the canvas, and the steps on small pictures of every shape.

use std::num::NonZeroU8;

use flextok_compute::Threads;
use flextok_container::CodedCanvas;
use image::{DynamicImage, Rgb, RgbImage};

use super::*;
use crate::Size;
use crate::weights::{HeaderLimits, Weights};

fn embedded() -> Tables {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/builtin.safetensors");
    let storage = flextok_compute::Storage::from_vec(std::fs::read(path).expect("the model"));
    let weights = Weights::from_storage(storage, None, &HeaderLimits::default());
    tables(&weights.expect("a checkpoint")).expect("its tables")
}

fn picture(size: Size) -> DynamicImage {
    let noise = |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 28;
    DynamicImage::ImageRgb8(RgbImage::from_fn(size.width, size.height, |x, y| {
        let ramp = |part: u32, of: u32| (part * 200 / of + noise(x, y)) as u8;
        Rgb([ramp(x, size.width), ramp(y, size.height), 90])
    }))
}

#[test]
fn the_embedded_tables_have_number_1() {
    assert_eq!(name_of(&embedded()), flextok_container::TablesName::BUILTIN);
}

#[test]
fn canvases_follow_the_bytes() {
    let long = |blocks| CodedCanvas::Long(NonZeroU8::new(blocks).expect("blocks"));
    let photo = Size::new(4000, 3000);
    // √(290 · 1000 · 4/3) / 32 = 19.4
    for (size, bytes, expected) in [
        (photo, 1000, long(19)),
        (Size::new(3000, 4000), 1000, long(19)),
        (photo, 1, long(2)),
        (photo, 10_000, long(61)),
        (photo, 1 << 30, CodedCanvas::Own),
        (Size::new(8161, 8161), 1 << 30, long(255)),
        (Size::new(8160, 20), 1 << 30, CodedCanvas::Own),
        (Size::new(608, 304), 1000, CodedCanvas::Own),
        (Size::new(609, 609), 1000, long(17)),
        (Size::new(64, 1), 1, CodedCanvas::Own),
        (Size::new(20_000, 1), 1, long(75)),
    ] {
        assert_eq!(canvas_for(size, bytes), expected, "{size}, {bytes} bytes");
    }
    let grid = grid_of(photo, long(19)).expect("a grid");
    assert_eq!((grid.rows(), grid.columns()), (14, 19));
    assert_eq!(memory(grid), 24 * 14 * 19 * 1024);
    assert!(grid_of(Size::new(8161, 1), CodedCanvas::Own).is_err());
}

#[test]
fn every_shape_comes_back_in_its_size() {
    let (tables, threads) = (embedded(), Threads::new(2).expect("threads"));
    for size in [
        Size::new(1, 1),
        Size::new(33, 64),
        Size::new(1, 2000),
        Size::new(2000, 3),
        Size::new(300, 200),
    ] {
        let photo = picture(size);
        for bytes in [1, 60, 5000] {
            let canvas = canvas_for(size, bytes);
            let analysis = Analysis::new(&photo, [255; 3], size, canvas, &threads).expect("memory");
            let payload = analysis.encode(&tables, bytes as usize).expect("bytes");
            assert!(payload.len() as u64 <= bytes && !payload.is_empty());
            let pixels = canvas_of(&tables, analysis.grid(), &payload, &threads).expect("memory");
            let decoded =
                picture_of(pixels, size, (canvas, analysis.grid()), &threads).expect("memory");
            assert_eq!(Size::from(decoded.dimensions()), size);
            if bytes == 5000 && size.area() < 4000 {
                let worst = decoded.iter().zip(photo.as_bytes());
                let worst = worst.map(|(a, b)| a.abs_diff(*b)).max();
                assert!(worst < Some(40), "{size}: {worst:?}");
            }
        }
    }
}

#[test]
fn measured_errors_are_those_of_the_decoded_canvas() {
    let (tables, threads) = (embedded(), Threads::new(1).expect("threads"));
    let size = Size::new(96, 64);
    let photo = picture(size);
    let analysis =
        Analysis::new(&photo, [255; 3], size, CodedCanvas::Own, &threads).expect("memory");
    let bytes = analysis.encode(&tables, 400).expect("bytes");
    let measured = analysis.encode_measured(&tables, 400).expect("bytes");
    assert_eq!(measured.bytes, bytes);
    for cut in [0, 1, 40, 150, bytes.len()] {
        let pixels = canvas_of(&tables, analysis.grid(), &bytes[..cut], &threads).expect("memory");
        let pairs = pixels.iter().zip(photo.as_bytes());
        let square = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
        let found: f64 = pairs.map(square).sum();
        // Rounding to 8 bits adds a twelfth for each sample, clipping takes away.
        let expected = measured.squared_errors[cut] + 96.0 * 64.0 * 3.0 / 12.0;
        assert!(
            (found / expected - 1.0).abs() < 0.05,
            "{cut}: {found} {expected}"
        );
    }
}
