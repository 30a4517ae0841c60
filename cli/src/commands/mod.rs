//! The commands, one module each, and the dispatch to them.

pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod decode;
pub(crate) mod detokenize;
pub(crate) mod devices;
pub(crate) mod encode;
pub(crate) mod eval;
pub(crate) mod fit;
pub(crate) mod info;
pub(crate) mod man;
pub(crate) mod model;
pub(crate) mod pack;
pub(crate) mod packets;
pub(crate) mod preview;
pub(crate) mod samples;
pub(crate) mod sampling;
#[cfg(feature = "serve")]
pub(crate) mod serve;
pub(crate) mod tokenize;
pub(crate) mod tokens;
pub(crate) mod truncate;
pub(crate) mod verify;

use std::process::ExitCode;

use crate::args::{self, Cli, Command};
use crate::context::Context;
use crate::exit::CliError;
use crate::output;

/// Runs the command; its error, if any, is reported here.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let context = Context::new(cli.global);
    let result = match cli.command {
        Command::Encode(args) => return ended(encode::run(&args, &context)),
        Command::Decode(args) => return ended(decode::run(&args, &context)),
        Command::Detokenize(args) => return ended(detokenize::run(&args, &context)),
        Command::Truncate(args) => truncate::run(&args, &context),
        Command::Eval(args) => return ended(eval::run(&args, &context)),
        Command::Fit(args) => fit::run(&args, &context),
        Command::Packets(args) => packets::run(&args, &context),
        Command::Info(args) => return ended(info::run(&args, &context)),
        Command::Verify(args) => return verify::run(&args, &context),
        Command::Preview(args) => preview::run(&args, &context),
        Command::Compare(args) => compare::run(&args, &context),
        Command::Model(args) => model::run(&args, &context),
        Command::Tokenize(args) => return ended(tokenize::run(&args, &context)),
        Command::Tokens(args) => return ended(tokens::run(&args, &context)),
        Command::Pack(args) => return ended(pack::run(&args, &context)),
        Command::Devices(args) => devices::run(&args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(&args, &context),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args, &context),
        Command::Version => output::print(&args::version()),
    };
    ended(result.map(|()| ExitCode::SUCCESS))
}

/// The exit code, after the report of an error.
fn ended(result: Result<ExitCode, CliError>) -> ExitCode {
    result.unwrap_or_else(|error| error.report())
}
