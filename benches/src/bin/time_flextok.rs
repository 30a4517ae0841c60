//! Times the stages of a checkpoint and prints one JSON object with medians in milliseconds, in the form of
//! `pytorch/time_torch.py`, so that both can be run in turn on the same weights.
//!
//! Usage: `time_flextok CHECKPOINT [REPS] [f32|bf16|int8]`

use std::path::Path;
use std::time::Instant;

use flextok::{DecodeOptions, Precision};
use flextok_benches::{Stages, median_ms};

const THREADS: usize = 2;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: time_flextok CHECKPOINT [REPS] [f32|bf16|int8]");
        std::process::exit(2);
    };
    let reps = arguments
        .next()
        .and_then(|reps| reps.parse().ok())
        .unwrap_or(5)
        .max(1);
    let precision = match arguments.next().as_deref() {
        None | Some("f32") => Precision::F32,
        Some("bf16") => Precision::BF16,
        Some("int8") => Precision::Int8,
        Some(other) => {
            eprintln!("`{other}` is not f32, bf16 or int8");
            std::process::exit(2);
        }
    };
    let start = Instant::now();
    let stages = Stages::open(Path::new(&path), THREADS, precision);
    let opened = start.elapsed().as_secs_f64() * 1e3;
    let mut decoder_step = 0.0;
    stages.with_decoder_steps(256, false, |steps| {
        decoder_step = median_ms(reps, &mut || steps(1));
    });
    let guided = DecodeOptions::default()
        .with_steps(25)
        .with_guidance(7.5, true);
    let whole = 1.max(reps / 3);
    let report = serde_json::json!({
        "threads": THREADS,
        "precision": precision.name(),
        "reps": reps,
        "open_and_first_tokenize_ms": opened,
        "median_ms": {
            "decoder_step": decoder_step,
            "vae_decode": median_ms(reps, &mut || stages.vae_decode()),
            "vae_encode": median_ms(reps, &mut || stages.vae_encode()),
            "tokenize": median_ms(reps, &mut || stages.tokenize()),
            "tokenize_8_pictures": median_ms(reps, &mut || stages.tokenize_batch(8)),
            "decode_16_tokens_25_steps_apg": median_ms(whole, &mut || stages.decode(16, &guided)),
            "decode_256_tokens_25_steps_apg": median_ms(whole, &mut || stages.decode(256, &guided)),
        },
    });
    println!("{report:#}");
}
