//! Any bytes as an image file: a picture within the limits, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::picture::file(data));
