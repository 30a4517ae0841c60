//! Any bytes: a consistent file or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::container::parse(data));
