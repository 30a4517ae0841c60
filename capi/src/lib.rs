//! The flextok image codec for C: `flextok.h` is made from this crate.
//!
//! Every function that takes pointers is a border: it checks what can be checked (null, sizes, strides, formats), turns
//! panics into [`Status::Internal`], and says in its *Safety* section what only the caller can know. Handles belong to one
//! thread at a time; different handles can be used by different threads at once.

#![allow(unsafe_code)]

mod buffer;
mod codec;
mod decode;
mod encode;
mod file;
mod guard;
mod pixels;
mod push;
mod status;

use std::ffi::{CStr, c_char};

pub use buffer::flextok_free;
pub use codec::*;
pub use decode::*;
pub use encode::*;
pub use file::*;
pub use pixels::{FLEXTOK_RGB, FLEXTOK_RGBA, Image};
pub use push::*;
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
