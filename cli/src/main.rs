//! The `flextok` program: pictures to truncatable token files and back, on the command line.
#![forbid(unsafe_code)]

mod archive;
mod args;
mod batch;
mod choices;
mod collection;
mod commands;
mod context;
mod detokenize;
mod eval;
mod exit;
mod folder;
mod hints;
mod input;
mod interrupt;
mod links;
mod message;
mod output;
mod packing;
mod platform;
mod rows;
mod seen;
mod settings;
mod sheet;
mod tokenize;
mod tokenset;
mod values;

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "cube")]
    flextok::compute::gpu::quiet_drivers();
    flextok::compute::return_large_memory();
    exit::install_panic_hook();
    interrupt::install();
    // If this fails, such a run still ends, but without a message.
    let _ = flextok::compute::explain_map_faults(
        "flextok: the weights file was truncated while in use; try again, or use --no-mmap\n",
        exit::Code::Model as i32,
    );
    match args::parse() {
        Ok(cli) => commands::run(cli),
        Err(code) => code,
    }
}
