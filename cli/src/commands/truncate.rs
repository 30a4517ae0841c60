//! `flextok truncate`: a complete file of the first tokens. No model is needed.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use flextok::container::{KeepMetadata, TokenFile};

use crate::context::Context;
use crate::exit::CliError;
use crate::input::Source;
use crate::output::Output;
use crate::values;

/// Cut a .flxt file to fewer tokens and write a complete file with its own checksums
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("budget").required(true).args(["tokens", "bytes"]))]
pub(crate) struct TruncateArgs {
    /// Token file, or - for standard input
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// Output file; required unless IN is standard input [default: standard output]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Number of tokens to keep
    #[arg(short = 'k', long, value_name = "K", value_parser = values::whole::<u16>(1..=256))]
    tokens: Option<u16>,

    /// Keep as many tokens as fit in a file of N bytes
    #[arg(short, long, value_parser = values::whole::<u64>(0..=u64::MAX), value_name = "N")]
    bytes: Option<u64>,

    /// Keep the metadata
    #[arg(long)]
    keep_metadata: bool,
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
    let input = source.tokens(&context.limits)?;
    let (cut, bytes) =
        cut(args, &input.file).map_err(|error| CliError::codec(source.name(), error))?;
    output.write(&bytes)?;

    let kept = cut.header().tokens();
    if let Some(mut note) = input.truncation(&source.name()) {
        if kept > input.file.proven_layers() {
            let proven = input.file.proven_layers();
            note.push_str(&format!(
                "; of the {kept} tokens kept, only {proven} were proven by a checksum"
            ));
        }
        context.note(&note);
    }
    context.detail(|| {
        let (from, to, count) = (source.name(), output.name(), bytes.len());
        format!(
            "{from}: {}, {count} bytes in {to}",
            values::count(kept, "token")
        )
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
        (Some(tokens), _) => file.cut(tokens, keep)?,
        (None, bytes) => file.fit(bytes.unwrap_or(u64::MAX), keep)?,
    };
    let bytes = cut.to_bytes()?;
    Ok((cut, bytes))
}
