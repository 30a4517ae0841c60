//! `flextok verify`: checks checksums and structure. No model is needed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flextok::container::State;

use crate::context::Context;
use crate::exit::{CliError, Code};
use crate::input::{self, Source};
use crate::{message, output};

/// Check the checksums and the structure of .flxt files
///
/// Prints one line per file: ok, or truncated with how much of the payload is present and proven. A
/// truncated file passes (exit code 0) unless --complete is given; a corrupt one gives exit code 3
/// and a line on standard error that names the damaged region and its bytes. For several files the
/// highest exit code is returned.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Token files, or - for standard input
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,

    /// Reject truncated files too (exit code 3)
    #[arg(long)]
    complete: bool,
}

pub(crate) fn run(args: &VerifyArgs, context: &Context) -> ExitCode {
    let mut worst: Option<Code> = None;
    for path in &args.inputs {
        if let Err(error) = verify(&Source::new(path), args.complete, context) {
            error.report();
            worst = worst.max(Some(error.code()));
        }
    }
    worst.map_or(ExitCode::SUCCESS, ExitCode::from)
}

fn verify(source: &Source, complete: bool, context: &Context) -> Result<(), CliError> {
    let input = source.tokens(&context.limits)?;
    let (name, bytes, header) = (source.name(), input.bytes, input.file.header());
    let line = match input.file.state() {
        State::Complete => {
            let payload = input::amount(header, header.payload_bytes());
            format!(
                "{}: ok ({payload}, {bytes} bytes)\n",
                message::one_line(&name)
            )
        }
        State::Truncated { have, total } if complete => {
            let present = input::present(header, have, total);
            return Err(CliError::Truncated { name, present });
        }
        State::Truncated { have, total } => {
            let present = input::present(header, have, total);
            let proven = flextok::info::count(header, input.file.proven_bytes());
            format!(
                "{}: truncated ({present}, {proven} proven, {bytes} bytes)\n",
                message::one_line(&name)
            )
        }
    };
    if context.quiet {
        Ok(())
    } else {
        output::print(&line)
    }
}
