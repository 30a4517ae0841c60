//! Any bytes as a tar file of tokens: samples, or errors.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::sets::shard(data));
