//! The default model of flextok, as the bytes of a safetensors file with its config as JSON in the metadata.
//!
//! A crate of its own, so that a build without the embedded model does not carry it. What the model is, where it
//! came from, how good it is and what it may be used for is in `models/README.md`.

#![no_std]

#[cfg(any(feature = "split", test))]
extern crate std;

#[cfg(feature = "split")]
mod split;
pub mod tables;

#[cfg(feature = "split")]
pub use split::{Parts, split};

/// Gives the embedded bytes the alignment that a tensor of any element type needs.
#[repr(C, align(64))]
struct Aligned<B: ?Sized>(B);

/// For the compiler to search in.
const TABLES_BYTES: &[u8] = include_bytes!("tables.safetensors");

static TABLES_ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!("tables.safetensors"));

/// The tables of [`BUILTIN`] alone, a whole safetensors file: what encodes, and decodes plainly.
pub static TABLES: &[u8] = &TABLES_ALIGNED.0;

static BUILTIN_ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!("builtin.safetensors"));

/// Tables (`tables.*`, integers) and decoder (`decoder.*`, f16) of the fixed tokens, as a whole safetensors file.
pub static BUILTIN: &[u8] = &BUILTIN_ALIGNED.0;
