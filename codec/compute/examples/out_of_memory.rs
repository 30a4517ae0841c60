//! Out of memory is an error even in a program that cannot unwind: operations of growing size until one fails.
//!
//! ```sh
//! cargo build --profile abort -p flextok-compute --example out_of_memory
//! (ulimit -v 400000 && target/abort/examples/out_of_memory 2)
//! ```
//!
//! The argument is the number of threads. The exit code is 0 if an operation, or the start of the threads, returned a
//! typed error, and 1 if no size failed.

use std::process::ExitCode;

use flextok_compute::backend::{AttentionSpec, ConvEpilogue, ConvKind, Epilogue, Mask, Sequence};
use flextok_compute::{Backend, ComputeError, CpuEngine, Threads, Weight, WeightError};

/// Channels of the sequence; the largest number of rows, of which the attention alone takes more than 60 GB.
const WIDTH: usize = 256;
const MOST_ROWS: usize = 1 << 24;

fn main() -> ExitCode {
    let threads = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let mut rows = 256;
    match run(threads.unwrap_or(1), &mut rows) {
        Ok(()) => {
            eprintln!("no size up to {MOST_ROWS} rows failed: set a limit with `ulimit -v`");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("at {rows} rows: {error}");
            ExitCode::SUCCESS
        }
    }
}

/// Linear layers of bf16 and int8, an attention and a convolution of `rows` rows, and of ever more.
fn run(threads: usize, rows: &mut usize) -> Result<(), ComputeError> {
    let engine = CpuEngine::with_int8(Threads::new(threads)?);
    while *rows <= MOST_ROWS {
        engine.run(|| operations(&engine, *rows))?;
        *rows *= 2;
    }
    Ok(())
}

fn operations(engine: &CpuEngine, rows: usize) -> Result<(), ComputeError> {
    let qkv = engine.linear_weights(&[(&weight(&[3 * WIDTH, WIDTH])?, None)])?;
    let x = engine.zeros(&[rows, WIDTH])?;
    let mut mixed = engine.zeros(&[rows, 3 * WIDTH])?;
    engine.linear(&x, 0..rows, &qkv, Epilogue::Store, &mut mixed)?;

    let mut out = engine.zeros(&[rows, WIDTH])?;
    let spec = AttentionSpec {
        sequences: &[Sequence::single(0, rows)],
        heads: 4,
        scale: 0.125,
        qk_norm_eps: Some(1e-6),
        mask: Mask::Full,
        log_multiplicity: None,
        // All keys are packed, which takes the memory; few queries keep the run short.
        queries: 0..64,
    };
    engine.attention(&mixed, &spec, &mut out)?;
    let coarse = engine.coarse_linear_weights(&[(&weight(&[WIDTH, WIDTH])?, None)])?;
    engine.linear(&x, 0..rows, &coarse, Epilogue::Store, &mut out)?;

    let conv = engine.conv_weights(&weight(&[32, 32, 3, 3])?, None, ConvKind::Same)?;
    let image = engine.zeros(&[rows / 16, 16, 32])?;
    let mut convolved = engine.zeros(&[rows / 16, 16, 32])?;
    engine.conv(&image, None, &conv, ConvEpilogue::Store, &mut convolved)?;
    engine.download(&convolved)?;
    Ok(())
}

/// A weight of zeros.
fn weight(shape: &[usize]) -> Result<Weight, ComputeError> {
    let lacking = || ComputeError::OutOfMemory {
        shape: shape.to_vec(),
    };
    let count = shape.iter().product();
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| lacking())?;
    values.resize(count, 0.0);
    Weight::from_f32(&values, shape).map_err(|error| match error {
        WeightError::OutOfMemory { .. } => lacking(),
        error => unreachable!("the values match the shape: {error}"),
    })
}
