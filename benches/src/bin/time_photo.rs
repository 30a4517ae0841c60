//! Times the embedded model on a photo, plain and with its default look, and prints a row of a Markdown table for each, in
//! the form of `docs/rivals.py --time`, so that both can be run in turn.
//!
//! Usage: `time_photo PHOTO BYTES [REPS]`

use std::path::Path;

use flextok::{Codec, DecodeOptions, EncodeOptions, Look};
use flextok_benches::median_ms;

const THREADS: usize = 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (path, bytes, reps) = match arguments.as_slice() {
        [path, bytes] => (path, bytes.parse()?, 15),
        [path, bytes, reps] => (path, bytes.parse()?, reps.parse::<usize>()?.max(1)),
        _ => return Err("usage: time_photo PHOTO BYTES [REPS]".into()),
    };
    let photo = flextok::image::open(path)?;
    let codec = Codec::builder().with_threads(THREADS).embedded()?;
    let options = EncodeOptions::default().with_bytes(bytes);
    let file = codec.encode(&photo, &options)?;
    let encode = median_ms(reps, &mut || {
        codec.encode(&photo, &options).expect("a file");
    });
    let name = Path::new(path).file_name().unwrap_or_default().display();
    for (codec_name, look) in [
        ("flextok", Look::default()),
        ("flextok, plain", Look::Plain),
    ] {
        let options = DecodeOptions::default().with_look(look);
        let decode = median_ms(reps, &mut || {
            codec.decode(&file, &options).expect("a picture");
        });
        println!(
            "| {name} | {codec_name} | {} | {encode:.1} | {decode:.1} | {:.1} |",
            file.len(),
            encode + decode
        );
    }
    Ok(())
}
