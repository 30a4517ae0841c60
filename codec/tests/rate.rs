//! Cuts by quality, and refinements from latents, on the small model.
#![cfg(feature = "metrics")]

mod common;

use common::{picture, tiny_path};
use flextok::container::{KeepMetadata, TokenFile};
use flextok::metrics::Metric;
use flextok::picture::published_crop;
use flextok::rate::{Search, Target};
use flextok::{
    Codec, DecodeOptions, EncodeOptions, Error, ErrorKind, Latents, OptionName, Size, WarmStart,
    image,
};

fn tiny() -> Codec {
    Codec::builder().with_threads(1).open(tiny_path()).unwrap()
}

fn encode() -> EncodeOptions {
    EncodeOptions::default()
        .with_tokens(20)
        .with_canvas(Size::new(32, 32).into())
}

fn cheap() -> DecodeOptions {
    DecodeOptions::default()
        .with_steps(1)
        .with_guidance(1.0, false)
}

fn psnr(value: f64) -> Target {
    Target {
        metric: Metric::Psnr,
        value,
    }
}

#[test]
fn a_crop_is_measured_against_the_part_that_it_keeps() {
    let (codec, photo) = (tiny(), picture(90, 40));
    let options = encode().with_crop(true);
    let (file, reached) = codec
        .encode_to(&photo, psnr(-50.0), Search::Ladder, &options, &cheap())
        .unwrap();
    assert_eq!((reached.units, reached.decodes), (1, 1));
    let decoded = codec.decode_file(&file, &cheap()).unwrap();
    let rgb = photo.to_rgb8();
    let source = published_crop(&rgb, Size::new(32, 32), codec.threads())
        .expect("memory")
        .source;
    assert_eq!(decoded.dimensions(), (source.width, source.height));
    let kept = image::imageops::crop_imm(&rgb, source.x, source.y, source.width, source.height);
    let expected = Metric::Psnr
        .measure(&kept.to_image(), &decoded, codec.threads())
        .unwrap();
    assert_eq!(reached.quality, expected);
}

#[test]
fn every_cut_finds_the_smallest_and_a_budget_bounds_what_is_tried() {
    let (codec, photo) = (tiny(), picture(40, 40));
    let original = photo.to_rgb8();
    let file = codec.encode_file(&photo, &encode()).unwrap();
    let every = Search::EveryCut;
    let rungs = codec
        .rungs(
            &file,
            KeepMetadata::No,
            &original,
            Metric::Psnr,
            &every.cuts(20),
            &cheap(),
        )
        .unwrap();
    assert_eq!(rungs.len(), 20);
    let best = rungs
        .iter()
        .map(|rung| rung.quality)
        .fold(f64::MIN, f64::max);
    for value in rungs.iter().map(|rung| rung.quality) {
        let expected = rungs.iter().find(|rung| rung.quality >= value).unwrap();
        let reached = codec
            .smallest_cut(&file, &original, psnr(value), every, &cheap())
            .unwrap();
        assert_eq!(
            (reached.units, reached.quality),
            (expected.units, expected.quality)
        );
        assert_eq!(reached.units, u64::from(reached.decodes));
    }
    let refused = codec.smallest_cut(&file, &original, psnr(best + 0.1), every, &cheap());
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(
        matches!(error, Error::TargetNotReached { reached, .. } if reached == best),
        "{error}"
    );
    let error = codec.encode_to(
        &photo,
        psnr(200.0),
        every,
        &encode().with_tokens(2),
        &cheap(),
    );
    assert!(matches!(
        error,
        Err(Error::TargetNotReached { bytes: 2..=4, .. })
    ));
}

#[test]
fn rungs_cost_what_their_files_have() {
    let (codec, photo) = (tiny(), picture(40, 40));
    let mut options = encode();
    options.metadata.title = Some("costs bytes".to_owned());
    let file = codec.encode_file(&photo, &options).unwrap();
    for keep in [KeepMetadata::No, KeepMetadata::Yes] {
        let rungs = codec
            .rungs(
                &file,
                keep,
                &photo.to_rgb8(),
                Metric::Ssim,
                &[1, 5, 20],
                &cheap(),
            )
            .unwrap();
        for rung in rungs {
            let cut = file.cut(2 * rung.units, keep).unwrap().to_bytes().unwrap();
            assert_eq!(rung.bytes, cut.len() as u64);
        }
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let codec = tiny();
    let target = |metric, value| Target { metric, value };
    for (metric, value, size) in [
        (Metric::Ssimulacra2, 0.0, 7),
        (Metric::Psnr, f64::INFINITY, 20),
        (Metric::Ssim, f64::NAN, 20),
    ] {
        let photo = picture(size, size);
        let error = codec
            .encode_to(
                &photo,
                target(metric, value),
                Search::Ladder,
                &encode(),
                &cheap(),
            )
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        let of_target = matches!(
            error,
            Error::Option {
                option: OptionName::Target,
                ..
            }
        );
        assert_eq!(of_target, !value.is_finite(), "{error}");
        assert_eq!(matches!(error, Error::Compare(_)), value.is_finite());
    }
}

/// The latents of a file of some canvas.
fn latents(codec: &Codec, canvas: u32) -> (TokenFile, Latents) {
    let options = encode().with_canvas(Size::new(canvas, canvas).into());
    let file = codec.encode_file(&picture(40, 40), &options).unwrap();
    let (_, latents) = codec.refine(&file, None, &cheap()).unwrap();
    (file, latents)
}

#[test]
fn latents_of_something_else_are_no_start() {
    let codec = tiny();
    let (file, small) = latents(&codec, 32);
    let (_, large) = latents(&codec, 64);
    assert_eq!(
        (small.canvas(), large.canvas()),
        (Size::new(32, 32), Size::new(64, 64))
    );
    assert!(small.values().iter().all(|value| value.is_finite()));
    let refine = |latents, time| {
        let refined = codec.refine(&file, Some(WarmStart::new(latents, time)), &cheap());
        refined.map(|(picture, _)| picture)
    };
    let is_refused = |refined: Result<_, Error>| {
        let option = OptionName::WarmStart;
        matches!(refined, Err(Error::Option { option: found, .. }) if found == option)
    };
    assert!(refine(&small, 0.5).is_ok());
    assert!(is_refused(refine(&large, 0.5)));
    for time in [0.0, -0.5, 1.5, f32::NAN] {
        assert!(is_refused(refine(&small, time)));
    }
    // From noise it is the ordinary decode.
    let plain = codec.decode_file(&file, &cheap()).unwrap();
    assert_eq!(refine(&small, 1.0).unwrap(), plain);
    assert_eq!(codec.refine(&file, None, &cheap()).unwrap().0, plain);
}
