//! Any bytes as a weights file: views that fit it, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::weights::file(data));
