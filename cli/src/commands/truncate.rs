//! `flextok truncate`: a complete file of the first tokens. No model is needed.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use flextok::container::{KeepMetadata, TokenFile};

use crate::context::Context;
use crate::exit::CliError;
use crate::input::{self, Source};
use crate::output::Output;
use crate::values;

/// Cut a .flxt file to fewer bytes or tokens and write a complete file with its own checksums
///
/// A small cut of a file that was made for many bytes is a little worse than a file made for few, since
/// the canvas of the built-in model suits the number of bytes; see docs/cuts.md. `encode --cut-at`
/// chooses it for the cut.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("budget").required(true).args(["tokens", "bytes"]))]
pub(crate) struct TruncateArgs {
    /// A .flxt file, or - for standard input
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// Output file; required unless IN is standard input [default: standard output]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Number of tokens to keep, for files of FlexTok models
    #[arg(short = 'k', long, value_name = "K", value_parser = values::whole::<u32>(1..=65_536))]
    tokens: Option<u32>,

    /// Keep as much as fits in a file of N bytes (300, 300B; 1k and 1KiB are 1024)
    #[arg(short, long, value_parser = values::bytes, value_name = "N")]
    bytes: Option<u64>,

    /// Keep the metadata
    #[arg(long)]
    keep_metadata: bool,

    /// Use the checksum-verified part of a damaged file
    #[arg(long)]
    salvage: bool,
}

pub(crate) fn run(args: &TruncateArgs, context: &Context) -> Result<(), CliError> {
    let source = Source::new(&args.input);
    let path = match (&args.output, &source) {
        (Some(path), _) => path.clone(),
        (None, Source::Stdin) => "-".into(),
        (None, Source::File(_)) => {
            return Err(CliError::usage(
                source.name(),
                "no output file; name one with -o",
            ));
        }
    };
    let output = Output::new(&path, context.force)?;
    output.refuse_other_extensions()?;
    let input = source.tokens_of(&context.limits, args.salvage.into())?;
    if args.tokens.is_some() && input.file.header().as_coded().is_some() {
        let problem = "the file has no tokens of equal size; give --bytes instead of --tokens";
        return Err(CliError::usage(source.name(), problem));
    }
    let (cut, bytes) =
        cut(args, &input.file).map_err(|error| CliError::codec(source.name(), error))?;
    output.write(&bytes)?;
    context.wrote(&output, bytes.len(), &[values::pixels(cut.header().size())]);

    let kept = cut.header().payload_bytes();
    if let Some(note) = input.shortfall_kept(&source.name(), kept) {
        context.note(&note);
    }
    context.detail(|| {
        let (from, to, count) = (source.name(), output.name(), bytes.len());
        let kept = input::amount(cut.header(), kept);
        format!("{from}: {kept}, {count} bytes in {to}")
    });
    Ok(())
}

fn cut(
    args: &TruncateArgs,
    file: &TokenFile,
) -> Result<(TokenFile, Vec<u8>), flextok::container::Error> {
    let keep = if args.keep_metadata {
        KeepMetadata::Yes
    } else {
        KeepMetadata::No
    };
    let cut = match (args.tokens, args.bytes) {
        (Some(tokens), _) => file.cut_layers(tokens, keep)?,
        (None, bytes) => file.fit(bytes.unwrap_or(u64::MAX), keep)?,
    };
    let bytes = cut.to_bytes()?;
    Ok((cut, bytes))
}
