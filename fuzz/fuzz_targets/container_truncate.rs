//! Cutting bytes and cutting layers agree; what was cut off can follow.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::container::truncate(data));
