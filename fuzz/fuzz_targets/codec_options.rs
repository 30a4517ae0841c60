//! Any bytes as options and a picture: a file and a picture as the options say, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| flextok_fuzz::options::both(data));
