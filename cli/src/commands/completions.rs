//! `flextok completions`: completion scripts, generated from the definition of the command line.

use clap::Args;
use clap_complete::Shell;

use crate::args;
use crate::exit::CliError;
use crate::output;

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::definition(), "flextok", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
