//! Packets that arrive give the start of the file; packets that nobody sent break nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::packets::packets(data));
