//! The flextok image codec for C: `include/flextok.h` is made from this crate.
//!
//! Every function that takes pointers is a border: it checks what can be checked (null, sizes, strides, formats), turns
//! panics into a status, and says in its *Safety* section what only the caller can know. Documentation of public items is
//! that of the header, so it speaks of C's names.

#![cfg_attr(not(feature = "codec"), no_std)]
#![allow(unsafe_code)]

mod bare;
#[cfg(feature = "codec")]
mod buffer;
#[cfg(feature = "codec")]
mod codec;
#[cfg(feature = "codec")]
mod decode;
#[cfg(feature = "codec")]
mod decoder;
#[cfg(feature = "encode")]
mod encode;
#[cfg(feature = "codec")]
mod failure;
#[cfg(feature = "codec")]
mod guard;
#[cfg(feature = "codec")]
mod handle;
#[cfg(feature = "codec")]
mod metadata;
#[cfg(feature = "codec")]
mod pixels;
#[cfg(feature = "codec")]
mod progress;
#[cfg(any(feature = "codec", feature = "plain"))]
mod shape;
mod status;

use core::ffi::{CStr, c_char};

pub use bare::*;
#[cfg(feature = "codec")]
pub use buffer::flextok_free;
#[cfg(feature = "codec")]
pub use codec::{
    CodecHandle, Limit, flextok_codec_clone, flextok_codec_free, flextok_codec_message,
    flextok_codec_new, flextok_codec_open, flextok_codec_set_limit, flextok_codec_set_model,
    flextok_codec_set_model_bytes, flextok_codec_set_progress, flextok_codec_set_threads,
};
#[cfg(feature = "codec")]
pub use decode::{DecodeOptions, Guidance, Look, flextok_decode, flextok_decode_into};
#[cfg(feature = "codec")]
pub use decoder::{
    Arrived, DecoderHandle, flextok_decoder_arrived, flextok_decoder_feed, flextok_decoder_finish,
    flextok_decoder_free, flextok_decoder_message, flextok_decoder_new, flextok_decoder_picture,
    flextok_decoder_picture_into, flextok_decoder_set_options,
};
#[cfg(feature = "encode")]
pub use encode::{Canvas, EncodeOptions, flextok_encode};
#[cfg(feature = "codec")]
pub use metadata::{Text, flextok_file_text};
#[cfg(feature = "codec")]
pub use pixels::{Image, flextok_image_free};
#[cfg(feature = "codec")]
pub use progress::ProgressCallback;
#[cfg(any(feature = "codec", feature = "plain"))]
pub use shape::Format;
pub use status::{Status, flextok_status_text};

/// The library's version as a number: major, minor and patch in a byte each, `0x010203` of 1.2.3.
#[unsafe(no_mangle)]
pub extern "C" fn flextok_version() -> u32 {
    const fn number(text: &str) -> u32 {
        let (mut value, mut at) = (0, 0);
        while at < text.len() {
            value = 10 * value + (text.as_bytes()[at] - b'0') as u32;
            at += 1;
        }
        value
    }
    const VERSION: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | number(env!("CARGO_PKG_VERSION_PATCH"));
    VERSION
}

/// The library's version as text, such as `1.2.3`.
#[unsafe(no_mangle)]
pub extern "C" fn flextok_version_text() -> *const c_char {
    const TEXT: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    match CStr::from_bytes_with_nul(TEXT.as_bytes()) {
        Ok(text) => text.as_ptr(),
        // A version has no zero bytes.
        Err(_) => c"".as_ptr(),
    }
}
