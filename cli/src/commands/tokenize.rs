//! `flextok tokenize`: the tokens of a collection of pictures.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flextok::{CanvasChoice, EncodeOptions, Size};
use serde_json::Map;

use crate::collection;
use crate::context::Context;
use crate::exit::CliError;
use crate::tokenize::{self, Job, Target};
use crate::values::{self, Color, Part};

/// Make the tokens of many pictures: folders, lists and tar shards to one file of tokens, or shards
///
/// For FlexTok models. Pictures are loaded on all cores while others go through the network. A picture that
/// cannot be used is listed and skipped; the exit code is that of the first of them.
///
/// Until OUT is made, a journal stands beside it (OUT.journal.jsonl and OUT.journal.u16; in a directory
/// tokens.journal.jsonl and tokens.journal.u16). After an interrupt, of whatever kind, the same command goes
/// on where it ended, and makes the same OUT. Pictures that failed are not tried again: to start anew, remove
/// the journal.
///
/// The id of a picture is its path in the folder that was named; its path as it was named or listed; in a tar
/// shard SHARD/KEY, KEY as WebDataset has it (the member's name up to the first dot).
#[derive(Debug, Args)]
pub(crate) struct TokenizeArgs {
    /// Folders, of which all files named like pictures and *.tar are taken, however deep; image files; tar
    /// shards in the layout of WebDataset
    #[arg(value_name = "INPUT", required_unless_present = "list")]
    inputs: Vec<PathBuf>,

    /// Also the image files and tar shards in this file, a path on each line; - is standard input
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,

    /// X.npy: an array [N, K] of uint16, with X.jsonl beside it, a line for each row, and X.failed.jsonl.
    /// X.parquet: the columns id, tokens, width, height, error. DIR/: tar shards, each input shard with its
    /// other members and KEY.tokens.npy and KEY.tokens.json in place of the picture, and failed.jsonl
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// Number of tokens [default: the model's maximum]
    #[arg(short = 'k', long, value_name = "K", value_parser = values::whole::<u32>(1..=65_536))]
    tokens: Option<u32>,

    /// Crop the centre as the published preprocessing does, instead of resizing the whole picture
    #[arg(long)]
    crop: bool,

    /// Canvas in pixels [default: the model's]
    #[arg(long, value_name = "WxH", value_parser = values::size)]
    canvas: Option<Size>,

    /// Colour behind transparent pixels: RRGGBB, white, black or gray
    #[arg(long, value_name = "COLOR", default_value = "white", value_parser = values::color)]
    background: Color,

    /// Only each Nth file, tar shards whole, from number I on, which counts from 0: a share for each of N
    /// processes, each with an OUT of its own
    #[arg(long, value_name = "I/N", value_parser = values::part)]
    shard: Option<Part>,
}

pub(crate) fn run(args: &TokenizeArgs, context: &Context) -> Result<ExitCode, CliError> {
    let target = Target::new(&args.output, context)?;
    let (list, without) = (args.list.as_deref(), target.folder());
    let mut collection = collection::find(&args.inputs, list, without.as_ref(), context)?;
    collection.refuse_empty()?;
    let part = args.shard.unwrap_or_default();
    collection.deal(part.index, part.count);
    let model = context.model()?;
    let mut options = EncodeOptions::default()
        .with_crop(args.crop)
        .with_background(args.background);
    if let Some(tokens) = args.tokens {
        options = options.with_tokens(tokens);
    }
    options.canvas = args.canvas.map_or(CanvasChoice::Auto, CanvasChoice::Pixels);
    let settings = Map::from_iter([
        ("crop".to_owned(), args.crop.into()),
        ("background".to_owned(), args.background.to_vec().into()),
        (
            "color_management".to_owned(),
            context.loading.color_management.into(),
        ),
        (
            "shard".to_owned(),
            format!("{}/{}", part.index, part.count).into(),
        ),
    ]);
    let job = Job {
        collection: &collection,
        target: &target,
        options: &options,
        settings,
    };
    tokenize::tokenize(job, &model, context)
}
