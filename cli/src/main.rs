//! The `flextok` program: pictures to truncatable token files and back, on the command line.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod context;
mod exit;
mod input;
mod interrupt;
mod message;
mod output;
mod sheet;
mod values;

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "cube")]
    flextok::compute::gpu::quiet_drivers();
    exit::install_panic_hook();
    interrupt::install();
    // Without it such a run ends all the same, only without a word.
    let _ = flextok::compute::explain_map_faults(
        "flextok: the weights file became shorter while it was in use; try again, or with --no-mmap\n",
        exit::Code::Model as i32,
    );
    match args::parse() {
        Ok(cli) => commands::run(cli),
        Err(code) => code,
    }
}
