//! Any bytes as a block of metadata in a small picture: that picture, or a refusal.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::picture::metadata(data));
