//! `flextok tokens`: the ids of token files and of files of tokens. No model is needed.

mod stack;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use flextok::container::TokenFile;
use flextok::npy;
use serde::Serialize;

use crate::batch::{self, Job, Plan, Task};
use crate::context::Context;
use crate::exit::{CliError, Code};
use crate::input::{self, Source};
use crate::message;
use crate::output::Output;
use crate::rows::{self, Named, Tally, Trouble};
use crate::tokenset::{MAX_TOKENS, TokenSet};

/// Print the token ids of .flxt files of a FlexTok model, coarse to fine, one line per canvas
///
/// With --json, an array of numbers; for several canvases, one such array for each. Of several files,
/// lines begin with the file's name, and with --json each file is an object on a line of its own, with
/// the keys file and tokens. Of files of tokens (.npy, .parquet, .tar), each picture has a line that
/// begins with its id, or an object with the keys id, width, height and tokens. A failed input does not
/// stop the others; the exit code is that of the first failure.
#[derive(Debug, Args)]
pub(crate) struct TokensArgs {
    /// Token files, or - for standard input; or files of tokens: .npy with a .jsonl beside it, .parquet, .tar
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,

    /// Write a NumPy array of uint16 instead, of shape (tokens), or (canvases, tokens) for several
    /// canvases; of several files of as many tokens one of shape (files, tokens), and beside it an index
    /// of their names and sizes with the extension .jsonl. Or the directory for an array of each file: one
    /// that exists, or a name that ends with / for a new one
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

/// A picture of a file of tokens.
#[derive(Debug, Serialize)]
struct PictureLine<'a> {
    id: &'a str,
    width: Option<u32>,
    height: Option<u32>,
    tokens: &'a [u16],
}

pub(crate) fn run(args: &TokensArgs, context: &Context) -> Result<ExitCode, CliError> {
    if args.inputs.iter().any(|path| is_set(path)) {
        return sets(args, context);
    }
    if let (Some(output), [_, _, ..]) = (&args.output, &args.inputs[..])
        && !batch::is_folder(output)
    {
        return stack::run(&args.inputs, output, context);
    }
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

/// Whether an input is a file of tokens; a token file may have any name.
fn is_set(path: &Path) -> bool {
    TokenSet::is_named(path) && !input::is_token_file(path)
}

/// Prints the rows of files of tokens.
fn sets(args: &TokensArgs, context: &Context) -> Result<ExitCode, CliError> {
    if let Some(path) = args.inputs.iter().find(|path| !is_set(path)) {
        let problem = "is no file of tokens as others here are; give them in separate runs";
        return Err(CliError::usage(message::name(path), problem));
    }
    if args.output.is_some() {
        let problem = "is a file of tokens, which is printed; -o writes those of .flxt files";
        return Err(CliError::usage(message::name(&args.inputs[0]), problem));
    }
    let tally = Tally::new();
    rows::each(
        (context, &tally),
        &args.inputs,
        |_, _| Ok(()),
        |named, about| {
            let Named { row, name, .. } = named;
            let ids = row.ids(1 << 16, MAX_TOKENS, about.tokens);
            let ids = ids.map_err(|source| CliError::Row { name, source })?;
            let printed = if args.json {
                context.print_json_line(&PictureLine {
                    id: &row.id,
                    width: row.size.map(|(width, _)| width),
                    height: row.size.map(|(_, height)| height),
                    tokens: &ids,
                })
            } else {
                context.print(&format!(
                    "{}: {}\n",
                    message::one_line(&row.id),
                    words(&ids)
                ))
            };
            printed.map_err(Trouble::Run)?;
            tally.done();
            Ok(())
        },
    )?;
    Ok(tally.end(context, "read"))
}

fn check(output: &Output) -> Result<(), CliError> {
    if output.has_extension("npy") || output.is_anonymous() {
        Ok(())
    } else {
        Err(output.wrong_extension("npy"))
    }
}

/// Calls `with` on a file and its ids, then tells what the file lacks.
fn ids<T>(
    context: &Context,
    source: &Source,
    with: impl FnOnce(&TokenFile, Ids) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let input = source.tokens(&context.limits)?;
    let Some(ids) = input.file.header().as_ids() else {
        let problem = "the payload is coded, not a list of token ids; only files of FlexTok models have these";
        return Err(CliError::usage(source.name(), problem));
    };
    let layers = input.file.layers() as usize;
    let canvases =
        (0..ids.canvases()).map(|canvas| input.file.canvas_ids(canvas).take(layers).collect());
    let result = with(&input.file, canvases.collect())?;
    if let Some(note) = input.shortfall(&source.name()) {
        context.note(&note);
    }
    Ok(result)
}

/// Writes an array file and returns its size.
fn write(context: &Context, Job { source, output }: &Job) -> Result<u64, CliError> {
    ids(context, source, |_, canvases| {
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
    ids(context, source, |_, canvases| {
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
