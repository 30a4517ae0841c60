//! Any bytes as a Parquet file of tokens: rows, or errors, also where the `parquet` crate panics.

#![no_main]

use std::panic::{set_hook, take_hook};

use flextok_fuzz::sets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // The engine's hook ends the process; these panics are caught.
        let end = take_hook();
        set_hook(Box::new(move |info| {
            if !flextok::picture::is_decoding() {
                end(info);
            }
        }));
    },
    |data: &[u8]| sets::table(data)
);
