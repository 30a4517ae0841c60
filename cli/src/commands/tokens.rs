//! `flextok tokens`: the ids of a token file. No model is needed.

use std::path::PathBuf;

use clap::Args;
use flextok::npy;

use crate::context::Context;
use crate::exit::CliError;
use crate::input::Source;
use crate::output::{self, Output};

/// Print the token ids of a .flxt file of a FlexTok model, coarse to fine, one line per canvas
///
/// With --json, an array of numbers; for several canvases, one such array for each.
#[derive(Debug, Args)]
pub(crate) struct TokensArgs {
    /// Token file, or - for standard input
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// Write a NumPy array of uint16 instead, of shape (tokens), or (canvases, tokens) for several
    /// canvases
    #[arg(short, long, value_name = "NPY", conflicts_with = "json")]
    output: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &TokensArgs, context: &Context) -> Result<(), CliError> {
    let source = Source::new(&args.input);
    let output = args
        .output
        .as_deref()
        .map(|path| Output::new(path, context.force))
        .transpose()?;
    if let Some(output) = &output
        && !output.has_extension("npy")
        && !output.is_anonymous()
    {
        return Err(output.wrong_extension("npy"));
    }
    output.iter().try_for_each(|output| output.keep(&source))?;
    let input = source.tokens(&context.limits)?;
    let Some(ids) = input.file.header().as_ids() else {
        let problem = "the payload is coded, not a list of token ids; only files of FlexTok models have these";
        return Err(CliError::usage(source.name(), problem));
    };
    let layers = input.file.layers() as usize;
    let canvases: Vec<Vec<u16>> = (0..ids.canvases())
        .map(|canvas| input.file.canvas_ids(canvas).take(layers).collect())
        .collect();
    match &output {
        Some(output) => {
            let (ids, shape) = match canvases.as_slice() {
                [single] => (single.clone(), vec![layers]),
                several => (several.concat(), vec![several.len(), layers]),
            };
            let bytes = npy::write_u16(&shape, &ids).map_err(|source| CliError::Npy {
                name: output.name(),
                source,
            })?;
            output.write(&bytes)?;
        }
        None if args.json => match canvases.as_slice() {
            [single] => output::print_json_line(single)?,
            several => output::print_json_line(several)?,
        },
        None => output::print(&canvases.iter().map(|ids| line(ids)).collect::<String>())?,
    }
    if let Some(note) = input.shortfall(&source.name()) {
        context.note(&note);
    }
    Ok(())
}

fn line(ids: &[u16]) -> String {
    let mut line = ids
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ");
    line.push('\n');
    line
}
