//! Any bytes as an array of tokens and its index: a row for each, or errors.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::sets::rows(data));
