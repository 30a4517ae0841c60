//! The default model of flextok, as the bytes of a safetensors file with its config as JSON in the metadata.
//!
//! A crate of its own, so that a build without the embedded model does not carry it. What the model is, where it
//! came from, how good it is and what it may be used for is in `models/README.md`.

mod split;

pub use split::{Parts, split};

/// Gives the embedded bytes the alignment that a tensor of any element type needs.
#[repr(C, align(64))]
struct Aligned<B: ?Sized>(B);

static BUILTIN_ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!("builtin.safetensors"));

/// Tables (`tables.*`, integers) and decoder (`decoder.*`, f16) of the fixed tokens, as a whole safetensors file.
pub static BUILTIN: &[u8] = &BUILTIN_ALIGNED.0;
