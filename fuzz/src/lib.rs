//! What the fuzz targets check, as plain functions: the targets call them with what libFuzzer
//! makes up, the tests of this crate with the committed corpus.

// The program's own parser, which other modules of it use; a program has no library to take it from.
#[allow(dead_code)]
#[path = "../../cli/src/archive.rs"]
mod archive;
pub mod arguments;
pub mod collections;
pub mod config;
pub mod container;
pub mod lpips;
pub mod npy;
pub mod options;
pub mod packets;
pub mod picture;
pub mod reseal;
pub mod sets;
pub mod tokens;
pub mod weights;

/// Messages are shown to people on one line of their own.
fn one_line(error: &impl std::fmt::Display) {
    let text = error.to_string();
    assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
}
