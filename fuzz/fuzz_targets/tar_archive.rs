//! Any bytes as an archive: its members, or what is wrong.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::collections::archive(data));
