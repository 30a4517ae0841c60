//! Measures whether a refinement should start from the last picture's latents or from noise: fidelity and time of the
//! decodes at 2, 4, 8 … tokens of some photos, each warm start continuing from the picture before it.
//!
//! Usage: `warm_start MODEL PHOTO…`, from the root of the repository: `cargo run --release -p flextok --features metrics
//! --example warm_start -- tests/data/nano.safetensors tests/photos/*.png tests/photos/*.jpg`

use std::error::Error;
use std::time::{Duration, Instant};

use flextok::container::TokenFile;
use flextok::image::RgbImage;
use flextok::metrics::compare;
use flextok::picture::{self, LoadOptions, load};
use flextok::{Codec, DecodeOptions, EncodeOptions, Latents, Size, WarmStart};

/// Steps of a decode from noise.
const STEPS: [u32; 3] = [1, 8, 25];
/// Times at which a warm start begins; 1 is pure noise.
const TIMES: [f32; 6] = [1.0, 0.9, 0.75, 0.5, 0.25, 0.125];

/// A photo on its canvas, and its file of all tokens.
struct Photo {
    canvas: RgbImage,
    file: TokenFile,
}

/// Sums over the photos.
#[derive(Default)]
struct Sums {
    psnr: f64,
    ssim: f64,
    ssimulacra2: f64,
    time: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let codec = Codec::open(
        arguments
            .next()
            .ok_or("the first argument is the path of a model")?,
    )?;
    let config = codec.config().ok_or("a FlexTok model is needed")?;
    let photos: Result<Vec<Photo>, _> = arguments
        .map(|path| open(&codec, config.canvas, &path))
        .collect();
    let photos = photos?;
    if photos.is_empty() {
        return Err("give at least one photo".into());
    }
    let counts: Vec<u32> = (0..)
        .map(|power| 1 << power)
        .take_while(|&k| k <= config.registers as u32)
        .collect();
    println!("steps\tt0\ttokens\tPSNR\tSSIM\tSSIMULACRA2\tms");
    for steps in STEPS {
        for time in TIMES {
            let mut sums: Vec<Sums> = counts.iter().map(|_| Sums::default()).collect();
            for photo in &photos {
                follow(&codec, photo, (steps, time), &counts, &mut sums)?;
            }
            for (tokens, sum) in counts.iter().zip(&sums) {
                let mean = |sum: f64| sum / photos.len() as f64;
                let (psnr, ssim, s2) = (mean(sum.psnr), mean(sum.ssim), mean(sum.ssimulacra2));
                let ms = mean(sum.time.as_secs_f64()) * 1e3;
                println!("{steps}\t{time}\t{tokens}\t{psnr:.2}\t{ssim:.4}\t{s2:.1}\t{ms:.0}");
            }
        }
    }
    Ok(())
}

fn open(codec: &Codec, canvas: Size, path: &str) -> Result<Photo, Box<dyn Error>> {
    let image = load::open(path, &LoadOptions::default())?.image;
    let file = codec.encode_file(&image, &EncodeOptions::default())?;
    let canvas = picture::resize(
        &picture::try_into_rgb(image, [255; 3], u64::MAX)?,
        canvas,
        codec.threads(),
    )?;
    Ok(Photo { canvas, file })
}

/// Decodes a photo at all numbers of tokens, each from the latents of the one before.
fn follow(
    codec: &Codec,
    photo: &Photo,
    (steps, time): (u32, f32),
    counts: &[u32],
    sums: &mut [Sums],
) -> Result<(), Box<dyn Error>> {
    let options = DecodeOptions::default()
        .with_steps(steps)
        .with_keep_canvas(true);
    let mut last: Option<Latents> = None;
    for (&tokens, sum) in counts.iter().zip(sums) {
        let options = options.clone().with_tokens(tokens);
        let start = last.as_ref().filter(|_| time < 1.0);
        let start = start.map(|latents| WarmStart::new(latents, time));
        let begin = Instant::now();
        let (decoded, latents) = codec.refine(&photo.file, start, &options)?;
        sum.time += begin.elapsed();
        let quality = compare(&photo.canvas, &decoded, codec.threads())?;
        sum.psnr += quality.psnr.unwrap_or(f64::INFINITY);
        sum.ssim += quality.ssim;
        sum.ssimulacra2 += quality.ssimulacra2.unwrap_or(100.0);
        last = Some(latents);
    }
    Ok(())
}
