//! Any bytes as an array file: an array that writes and reads the same, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::npy::file(data));
