//! Writes the two parts of the model into a directory: `tables.safetensors` and `decoder.safetensors`.
//!
//! ```sh
//! cargo run -p flextok-models --example split -- DIR
//! ```

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let directory = env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.ok_or_else(|| io::Error::other("usage: split DIR"))?;
    let parts = flextok_models::split();
    fs::write(directory.join("tables.safetensors"), parts.tables)?;
    fs::write(directory.join("decoder.safetensors"), parts.decoder)
}
