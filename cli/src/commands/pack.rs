//! `flextok pack`: token files from given ids.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use flextok::container::{CanvasGrid, EXTENSION, Metadata};
use flextok::{Size, npy};

use crate::batch;
use crate::context::{Context, Model};
use crate::exit::{CliError, Code};
use crate::folder::{Existing, Folder, Place};
use crate::input::Source;
use crate::output::Output;
use crate::packing::Packer;
use crate::rows::{self, Tally};
use crate::tokenset::About;
use crate::values;

/// Make .flxt files from token ids of a FlexTok model (--model)
///
/// An array makes one file, of one canvas or, with --grid, of several; or, with a directory as output, a file for each of
/// its rows. Also files of tokens in Parquet or tar make a file for each row. These are named by their ids; a row that
/// cannot be used is listed and does not stop the others.
#[derive(Debug, Args)]
pub(crate) struct PackArgs {
    /// NumPy array of any integer type, of shape (tokens), (canvases, tokens) or (pictures, tokens), the last with a
    /// .jsonl of the same name beside it or without; a .parquet or .tar file of tokens; or - for an array from standard
    /// input
    #[arg(value_name = "IDS")]
    input: PathBuf,

    /// Output file, or the directory for a file of each row: one that exists, or a name that ends with / for a new one
    /// [default: IDS with the extension .flxt, standard output for standard input]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Width in pixels that a decoder restores [default: that of the index]
    #[arg(long, value_name = "W", requires = "height", value_parser = values::whole::<u32>(1..=1_048_576))]
    width: Option<u32>,

    /// Height in pixels that a decoder restores [default: that of the index]
    #[arg(long, value_name = "H", requires = "width", value_parser = values::whole::<u32>(1..=1_048_576))]
    height: Option<u32>,

    /// Canvas in pixels that the ids belong to [default: what a Parquet file says, else the model's own]
    #[arg(long, value_name = "WxH", value_parser = values::size)]
    canvas: Option<Size>,

    /// Columns and rows of canvases, row by row, for a file of several [default: 1x1]
    #[arg(long, value_name = "CxR", value_parser = values::grid)]
    grid: Option<Size>,
}

impl PackArgs {
    fn size(&self) -> Option<Size> {
        let size = self.width.zip(self.height);
        size.map(|(width, height)| Size::new(width, height))
    }
}

/// What to do where nothing says the size of a picture.
const NO_SIZE: &str = "nothing says its size; give --width and --height";

pub(crate) fn run(args: &PackArgs, context: &Context) -> Result<ExitCode, CliError> {
    let is_array = batch::has_extension(&args.input, "npy");
    let is_set = !is_array && rows::check_names(std::slice::from_ref(&args.input)).is_ok();
    match args.output.as_deref() {
        Some(folder) if batch::is_folder(folder) => each_row(args, context, folder),
        _ if is_set => {
            let problem = "makes a file for each row; name a directory with -o, with / at its end if it is new";
            Err(CliError::usage(Source::new(&args.input).name(), problem))
        }
        _ => one_file(args, context).map(|()| ExitCode::SUCCESS),
    }
}

/// A file for each row.
fn each_row(args: &PackArgs, context: &Context, folder: &Path) -> Result<ExitCode, CliError> {
    let inputs = std::slice::from_ref(&args.input);
    rows::check_names(inputs)?;
    if args.grid.is_some() {
        let problem = "is for one file of several canvases; name a file with -o";
        return Err(CliError::usage("--grid", problem));
    }
    let model = context.model_to_describe()?;
    let packer = Packer::new(&model, args.canvas)?;
    let folder = Folder::open(folder, EXTENSION, Existing::of(context.force, false))?;
    let tally = Tally::new();
    let bar = context.pictures(|| rows::count(inputs), "packing");
    let check = |name: &str, about: &About| packer.check(name, about);
    rows::each((context, &tally), inputs, check, |named, about| {
        bar.inc(1);
        let of_row = named
            .row
            .size
            .map(|(width, height)| Size::new(width, height));
        let size = args.size().or(of_row);
        let size = size.ok_or_else(|| CliError::usage(&named.name, NO_SIZE))?;
        let file = packer.pack(&named, about, size)?;
        let bytes = file.to_bytes();
        let bytes = bytes.map_err(|error| CliError::codec(&named.name, error))?;
        if let Place::File(file) = folder.place(&named.row.id, &named.name)? {
            folder.write(&file, &bytes)?;
            tally.done();
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok(tally.end(context, "packed"))
}

/// One file of all ids.
fn one_file(args: &PackArgs, context: &Context) -> Result<(), CliError> {
    let source = Source::new(&args.input);
    let output = Output::of(
        args.output.as_deref(),
        &source,
        (EXTENSION, Code::Io),
        context.force,
    )?;
    output.refuse_other_extensions()?;
    output.keep(&source)?;
    let bytes = source.bytes(context.limits.image_bytes)?;
    let array = npy::read_integers(&bytes).map_err(|error| CliError::Npy {
        name: source.name(),
        source: error,
    })?;
    let model = context.model_to_describe()?;
    let canvases = canvases(args, &source.name(), &array, &model)?;
    let size = args.size().or_else(|| of_index(args, canvases.len()));
    let size = size.ok_or_else(|| CliError::usage(source.name(), NO_SIZE))?;
    let grid = args.grid.unwrap_or(Size::new(1, 1));
    let grid = CanvasGrid {
        columns: grid.width,
        rows: grid.height,
    };
    let packed = model
        .codec
        .pack(&canvases, size, args.canvas, grid, Metadata::default());
    let bytes = packed.and_then(|file| Ok(file.to_bytes()?));
    let bytes = bytes.map_err(|error| model.error(&source.name(), error))?;
    output.write(&bytes)?;
    context.wrote(&output, bytes.len(), &[values::pixels(size)]);
    Ok(())
}

/// The size in the index of an array of one row.
fn of_index(args: &PackArgs, canvases: usize) -> Option<Size> {
    use crate::tokenset::{Item, TokenSet};
    let named = batch::has_extension(&args.input, "npy") && canvases == 1;
    let mut set = named.then(|| TokenSet::open(&args.input).ok()).flatten()?;
    match set.items.next() {
        Some(Ok(Item::Row(row))) => row.size.map(|(width, height)| Size::new(width, height)),
        _ => None,
    }
}

/// One list of ids for each canvas; the error names the first invalid id.
fn canvases(
    args: &PackArgs,
    name: &str,
    array: &npy::NpyArray<i64>,
    model: &Model,
) -> Result<Vec<Vec<u16>>, CliError> {
    let (count, tokens) = match array.shape.as_slice() {
        [tokens] => (1, *tokens),
        [count, tokens] => (*count, *tokens),
        shape => {
            let problem = format!("shape {shape:?}; allowed: [tokens] or [canvases, tokens]");
            return Err(CliError::usage(name, problem));
        }
    };
    let Some((config, largest)) = model.codec.config().zip(model.codec.max_tokens()) else {
        let problem = "it has no token ids; give a FlexTok model with --model";
        return Err(CliError::usage(&model.name, problem));
    };
    if tokens == 0 || tokens > largest as usize {
        let problem = format!("{tokens} tokens per canvas; allowed: 1 to {largest}");
        return Err(CliError::usage(name, problem));
    }
    let grid = args.grid.unwrap_or(Size::new(1, 1));
    let expected = grid.area();
    if count as u64 != expected {
        let other = match args.grid {
            None => {
                "; for a file of each row name a directory with -o, with / at its end if it is new"
            }
            Some(_) => "",
        };
        let problem =
            format!("the array holds {count} canvases; --grid {grid} needs {expected}{other}");
        return Err(CliError::usage(name, problem));
    }
    let codebook = config.codebook_size();
    let id = |(index, &id): (usize, &i64)| match u16::try_from(id) {
        Ok(small) if u32::from(small) < codebook => Ok(small),
        _ => {
            let allowed = codebook.saturating_sub(1);
            let problem = format!("id {id} at index {index}; allowed: 0 to {allowed}");
            Err(CliError::usage(name, problem))
        }
    };
    let ids: Vec<u16> = array
        .data
        .iter()
        .enumerate()
        .map(id)
        .collect::<Result<_, _>>()?;
    Ok(ids.chunks(tokens).map(<[u16]>::to_vec).collect())
}
