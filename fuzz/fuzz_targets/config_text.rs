//! Any text as a config: one that a network can be made for, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::config::text(data));
