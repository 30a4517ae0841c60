//! `flextok tokens`: the ids of a token file. No model is needed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flextok::npy;
use serde::Serialize;

use crate::batch::{self, Job, Plan, Task};
use crate::context::Context;
use crate::exit::{CliError, Code};
use crate::input::Source;
use crate::message;
use crate::output::Output;

/// Print the token ids of .flxt files of a FlexTok model, coarse to fine, one line per canvas
///
/// With --json, an array of numbers; for several canvases, one such array for each. Of several files,
/// lines begin with the file's name, and with --json each file is an object on a line of its own, with
/// the keys file and tokens. A failed input does not stop the others; the exit code is that of the first
/// failure.
#[derive(Debug, Args)]
pub(crate) struct TokensArgs {
    /// Token files, or - for standard input
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,

    /// Write a NumPy array of uint16 instead, of shape (tokens), or (canvases, tokens) for several
    /// canvases. Or the directory for such files: one that exists, or a name that ends with / for a new
    /// one
    #[arg(short, long, value_name = "NPY", conflicts_with = "json")]
    output: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const TASK: Task = Task {
    doing: "reading",
    done: "read",
};

/// The ids of each canvas.
type Ids = Vec<Vec<u16>>;

#[derive(Debug, Serialize)]
struct Line<'a> {
    file: &'a str,
    tokens: Json<'a>,
}

/// One array, or one for each canvas.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Json<'a> {
    Single(&'a [u16]),
    Several(&'a [Vec<u16>]),
}

pub(crate) fn run(args: &TokensArgs, context: &Context) -> Result<ExitCode, CliError> {
    if let Some(output) = args.output.as_deref() {
        let plan = Plan::new(
            &args.inputs,
            Some(output),
            ("npy", Code::Corrupt),
            context,
            check,
        )?;
        return plan.run(context, &TASK, || Ok(()), |(), job| write(context, job));
    }
    let sources = batch::sources(&args.inputs)?;
    let single = sources.len() == 1;
    Ok(batch::each(context, &TASK, sources, |source| {
        print(args, context, source, single).map(|()| 0)
    }))
}

fn check(output: &Output) -> Result<(), CliError> {
    if output.has_extension("npy") || output.is_anonymous() {
        Ok(())
    } else {
        Err(output.wrong_extension("npy"))
    }
}

/// Calls `with` on the ids of a file, then tells what the file lacks.
fn ids<T>(
    context: &Context,
    source: &Source,
    with: impl FnOnce(Ids) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let input = source.tokens(&context.limits)?;
    let Some(ids) = input.file.header().as_ids() else {
        let problem = "the payload is coded, not a list of token ids; only files of FlexTok models have these";
        return Err(CliError::usage(source.name(), problem));
    };
    let layers = input.file.layers() as usize;
    let canvases =
        (0..ids.canvases()).map(|canvas| input.file.canvas_ids(canvas).take(layers).collect());
    let result = with(canvases.collect())?;
    if let Some(note) = input.shortfall(&source.name()) {
        context.note(&note);
    }
    Ok(result)
}

/// Writes an array file and returns its size.
fn write(context: &Context, Job { source, output }: &Job) -> Result<u64, CliError> {
    ids(context, source, |canvases| {
        let layers = canvases.first().map_or(0, Vec::len);
        let shape = match canvases.as_slice() {
            [_] => vec![layers],
            several => vec![several.len(), layers],
        };
        let bytes = npy::write_u16(&shape, &canvases.concat());
        let bytes = bytes.map_err(|source| CliError::Npy {
            name: output.name(),
            source,
        })?;
        output.write(&bytes)?;
        context.wrote(output, bytes.len(), &[]);
        Ok(bytes.len() as u64)
    })
}

fn print(
    args: &TokensArgs,
    context: &Context,
    source: &Source,
    single: bool,
) -> Result<(), CliError> {
    ids(context, source, |canvases| {
        let (name, tokens) = (source.name(), Json::of(&canvases));
        match (args.json, single) {
            (true, true) => context.print_json_line(&tokens),
            (true, false) => {
                let file = &name;
                context.print_json_line(&Line { file, tokens })
            }
            (false, _) => {
                let name = (!single).then(|| format!("{}: ", message::one_line(&name)));
                let name = name.unwrap_or_default();
                let lines = canvases.iter().map(|ids| format!("{name}{}\n", words(ids)));
                context.print(&lines.collect::<String>())
            }
        }
    })
}

impl<'a> Json<'a> {
    fn of(canvases: &'a [Vec<u16>]) -> Self {
        match canvases {
            [single] => Self::Single(single),
            several => Self::Several(several),
        }
    }
}

fn words(ids: &[u16]) -> String {
    let words: Vec<String> = ids.iter().map(ToString::to_string).collect();
    words.join(" ")
}
