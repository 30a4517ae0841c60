//! Any bytes as the weights of LPIPS, or as their header: a network that measures, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::lpips::file(data));
