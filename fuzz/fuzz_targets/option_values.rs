//! Any bytes as the value of an option: what its text says, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::arguments::values(data));
