//! Pieces of any size give what one piece gives.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::container::chunks(data));
