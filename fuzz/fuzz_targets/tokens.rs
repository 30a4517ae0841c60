//! Any bytes as a stream of coefficients and as coefficients: in pieces, whole and cut.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::tokens::stream(data));
