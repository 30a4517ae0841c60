//! Times the learned decoder of the embedded model on a canvas, for `benches/pytorch/time_learned.py` to compare.
//!
//! Prints medians in milliseconds: a whole decode with the look `faithful`, and a plain one, which is all but the network.
//!
//! Usage: `time_learned WIDTH HEIGHT [REPS]`, sides in pixels, multiples of 32

use flextok::image::{DynamicImage, Rgb, RgbImage};
use flextok::{CanvasChoice, Codec, DecodeOptions, EncodeOptions, Look};
use flextok_benches::median_ms;

const THREADS: usize = 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (width, height, reps) = match arguments.as_slice() {
        [width, height] => (width.parse()?, height.parse()?, 15),
        [width, height, reps] => (
            width.parse()?,
            height.parse()?,
            reps.parse::<usize>()?.max(1),
        ),
        _ => return Err("usage: time_learned WIDTH HEIGHT [REPS]".into()),
    };
    let picture = RgbImage::from_fn(width, height, |x, y| {
        Rgb([x % 251, y % 241, (x * y) % 239].map(|value| value as u8))
    });
    let codec = Codec::builder().with_threads(THREADS).embedded()?;
    let options = EncodeOptions::default()
        .with_bytes(1024)
        .with_canvas(CanvasChoice::Own);
    let file = codec.encode(&DynamicImage::ImageRgb8(picture), &options)?;
    let time = |look| {
        let options = DecodeOptions::default().with_look(look);
        median_ms(reps, &mut || {
            codec.decode(&file, &options).expect("a picture");
        })
    };
    println!("{:.2} {:.2}", time(Look::FAITHFUL), time(Look::Plain));
    Ok(())
}
