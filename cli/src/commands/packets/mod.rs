//! `flextok packets`: a file in packets for a link that loses them, and back. No model is needed.

mod join;
mod split;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::exit::CliError;

/// Send a .flxt file over a link that loses packets: split it, join what arrived
///
/// A packet carries 8 bytes beside its part of the file, 9 in files of more than 256 packets: an id of the
/// file, a number and a checksum. Packets may arrive in any order, twice, damaged, or not at all; what is
/// joined is the file up to the first packet that is missing, and decodes.
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
pub(crate) struct PacketsArgs {
    #[command(subcommand)]
    command: PacketsCommand,
}

#[derive(Debug, Subcommand)]
enum PacketsCommand {
    Split(split::SplitArgs),
    Join(join::JoinArgs),
}

pub(crate) fn run(args: &PacketsArgs, context: &Context) -> Result<(), CliError> {
    match &args.command {
        PacketsCommand::Split(args) => split::run(args, context),
        PacketsCommand::Join(args) => join::run(args, context),
    }
}
