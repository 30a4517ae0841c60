//! Any bytes as lines of a journal: entries, or what is wrong.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::collections::journal(data));
