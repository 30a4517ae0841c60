//! Tests of the metrics, against scikit-image and at the edges.

use image::Rgb;

use super::*;
use crate::picture::fixtures::photo;

fn threads(count: usize) -> Threads {
    Threads::new(count).expect("a few threads")
}

fn compare(first: &RgbImage, second: &RgbImage) -> Result<Comparison, CompareError> {
    super::compare(first, second, &threads(2))
}

fn resize(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    crate::picture::resize(picture, Size::new(width, height), &threads(2)).expect("memory")
}

/// A photo and itself scaled to a third and back.
fn blurred(name: &str) -> (RgbImage, RgbImage) {
    let original = photo(name);
    let (w, h) = original.dimensions();
    let blurred = resize(&resize(&original, w / 3, h / 3), w, h);
    (original, blurred)
}

#[test]
fn agrees_with_scikit_image() {
    // scikit-image 0.26: peak_signal_noise_ratio, and structural_similarity with channel_axis=2,
    // gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255.
    for (name, psnr, ssim, mae) in [
        (
            "chelsea.png",
            30.42127966464585,
            0.8035149119717601,
            4.8517368810051735,
        ),
        (
            "coffee.png",
            26.05007108054387,
            0.7531042294945164,
            6.705059722222222,
        ),
    ] {
        let (original, blurred) = blurred(name);
        let got = compare(&original, &blurred).expect("equal sizes");
        assert!(
            (got.psnr.expect("different pictures") - psnr).abs() < 1e-9,
            "{got:?}"
        );
        assert!((got.ssim - ssim).abs() < 1e-9, "{got:?}");
        assert!((got.mae - mae).abs() < 1e-9, "{got:?}");
    }
}

#[test]
fn both_kinds_of_ssim_are_those_of_scikit_image() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/metrics");
    let open = |name: &str| {
        image::open(format!("{folder}/{name}.png"))
            .unwrap()
            .to_rgb8()
    };
    let original = open("original");
    for (name, psnr, uniform, gaussian) in [
        ("coarse", 27.07525, 0.726_854, 0.742_249),
        ("shifted", 18.87269, 0.729_681, 0.751_221),
    ] {
        let got = compare(&original, &open(name)).unwrap();
        assert!((got.psnr.unwrap() - psnr).abs() < 1e-5, "{got:?}");
        assert!((got.ssim_uniform7 - uniform).abs() < 1e-6, "{got:?}");
        assert!((got.ssim - gaussian).abs() < 1e-6, "{got:?}");
    }
}

#[test]
fn ssimulacra2_falls_with_the_damage() {
    let (original, blurred) = blurred("coffee.png");
    let mild = resize(&resize(&original, 500, 340), 600, 400);
    let score = |second| compare(&original, second).expect("equal sizes").ssimulacra2;
    let (same, mild, strong) = (score(&original), score(&mild), score(&blurred));
    assert_eq!(same, Some(100.0));
    assert!(mild < Some(90.0) && mild > Some(40.0), "{mild:?}");
    assert!(strong < mild.map(|s| s - 30.0), "{strong:?}");
}

#[test]
fn identical_pictures() {
    for (w, h) in [(1, 1), (7, 7), (8, 8), (11, 300), (33, 12)] {
        let picture = RgbImage::from_fn(w, h, |x, y| Rgb([(x * 9) as u8, (y * 5) as u8, 77]));
        let got = compare(&picture, &picture).expect("equal sizes");
        assert_eq!((got.psnr, got.mae), (None, 0.0));
        assert!((got.ssim - 1.0).abs() < 1e-12, "{got:?}");
        assert_eq!(got.ssimulacra2.is_some(), w >= 8 && h >= 8);
    }
}

#[test]
fn tiny_pictures_by_hand() {
    let one = |v| RgbImage::from_pixel(1, 1, Rgb([v; 3]));
    let got = compare(&one(0), &one(255)).expect("equal sizes");
    assert_eq!(
        (got.psnr, got.mae, got.ssimulacra2),
        (Some(0.0), 255.0, None)
    );
    // No variance: only the luminance term is left, C1 / (255² + C1).
    assert!((got.ssim - 1e-4 / 1.0001).abs() < 1e-12, "{got:?}");
    let mut off = one(10);
    off.put_pixel(0, 0, Rgb([10, 13, 10]));
    let got = compare(&one(10), &off).expect("equal sizes");
    assert_eq!(got.mae, 1.0);
    assert!((got.psnr.expect("different") - 10.0 * (65_025.0f64 / 3.0).log10()).abs() < 1e-12);
}

#[test]
fn every_small_size_gives_numbers() {
    for w in 1..=20 {
        for h in [1, 2, 7, 8, 9, 15, 17] {
            let a = RgbImage::from_fn(w, h, |x, y| Rgb([(x * 31 + y * 7) as u8; 3]));
            let b = RgbImage::from_fn(w, h, |x, y| Rgb([(x * 29 + y * 8) as u8; 3]));
            let got = compare(&a, &b).expect("equal sizes");
            assert!(got.ssim.is_finite() && got.ssim <= 1.0, "{w}x{h} {got:?}");
            assert_eq!(got.ssimulacra2.is_some(), w >= 8 && h >= 8, "{w}x{h}");
            assert!(
                got.ssimulacra2.is_none_or(|s| s.is_finite() && s <= 100.0),
                "{w}x{h} {got:?}"
            );
        }
    }
}

#[test]
fn the_same_for_any_number_of_threads() {
    let (original, blurred) = blurred("chelsea.png");
    let run = |count| super::compare(&original, &blurred, &threads(count)).expect("equal sizes");
    assert_eq!(run(1), run(3));
}

#[test]
fn different_sizes_are_an_error() {
    let error = compare(&RgbImage::new(3, 4), &RgbImage::new(4, 3)).expect_err("sizes");
    assert_eq!(
        error.to_string(),
        "cannot compare pictures of different sizes: 3x4 and 4x3; scale one of them"
    );
    let empty = compare(&RgbImage::new(0, 4), &RgbImage::new(0, 4));
    assert!(matches!(empty, Err(CompareError::Empty { .. })));
}

#[test]
fn metrics_are_read_by_their_ids() {
    for metric in Metric::ALL {
        assert_eq!(metric.name().parse(), Ok(metric));
    }
    assert!("PSNR".parse::<Metric>().is_err());
    let refusal = "vmaf".parse::<Metric>().expect_err("another metric");
    assert_eq!(
        refusal.to_string(),
        "`vmaf` is not a metric; allowed: psnr, ssim, ssimulacra2"
    );
}
