//! `flextok detokenize`: files of tokens to pictures.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flextok::picture::save::{self, SaveFormat};
use flextok::{DecodeOptions, Size};

use super::sampling::SamplingArgs;
use crate::batch;
use crate::context::Context;
use crate::detokenize::{Decoder, Grid, GridLayout, MOST_CELLS, Request, Sink, To};
use crate::exit::CliError;
use crate::folder::{Existing, Folder, Place};
use crate::output::Output;
use crate::packing::Packer;
use crate::rows::{self, Named, Tally, Trouble};
use crate::tokenset::About;
use crate::values;

/// Decode files of tokens to pictures, with a FlexTok model (--model)
///
/// Each picture is that of `decode` of its row, whatever else is in the file. A row that cannot be used is listed and does
/// not stop the others; the exit code is that of the first failure. Rows without tokens, whose pictures failed when
/// the file was made, are passed over.
#[derive(Debug, Args)]
pub(crate) struct DetokenizeArgs {
    /// Files of tokens: .npy of shape (pictures, tokens) with a .jsonl of the same name beside it, .parquet, or .tar of
    /// KEY.tokens.npy and KEY.tokens.json
    #[arg(value_name = "TOKENS", required = true)]
    inputs: Vec<PathBuf>,

    /// Directory for the pictures, each named by its id: one that exists, or a name that ends with / for a new one. Or a
    /// picture file, which becomes one sheet of all
    #[arg(short, long, value_name = "OUT", required = true)]
    output: PathBuf,

    /// Format of the pictures in a directory: png, jpg, jpeg, webp, bmp, tif, tiff, ppm, pnm, qoi, tga
    #[arg(long, value_name = "FORMAT", default_value = "png")]
    format: String,

    /// Use only the first K tokens of each picture
    #[arg(short = 'k', long, value_name = "K", value_parser = values::whole::<u32>(1..=65_536))]
    tokens: Option<u32>,

    /// Canvas in pixels that the tokens belong to [default: what a Parquet file says, else the model's own]
    #[arg(long, value_name = "WxH", value_parser = values::size)]
    canvas: Option<Size>,

    /// Leave pictures that are there already, and go on with the others
    #[arg(long, conflicts_with = "force")]
    resume: bool,

    /// Columns of the sheet [default: as square as can be]
    #[arg(long, value_name = "N", value_parser = values::whole::<u32>(1..=MOST_CELLS.into()))]
    columns: Option<u32>,

    /// Side of the sheet's cells in pixels; pictures keep their aspect [default: 128]
    #[arg(long, value_name = "PIXELS", value_parser = values::whole::<u32>(1..=16_384))]
    cell: Option<u32>,

    #[command(flatten)]
    sampling: SamplingArgs,
}

pub(crate) fn run(args: &DetokenizeArgs, context: &Context) -> Result<ExitCode, CliError> {
    rows::check_names(&args.inputs)?;
    let format = SaveFormat::from_extension(&args.format).map_err(|_| {
        let (found, allowed) = (&args.format, save::WRITABLE);
        CliError::usage("--format", format!("\"{found}\"; allowed: {allowed}"))
    })?;
    let tally = Tally::new();
    if batch::is_folder(&args.output) {
        refuse("--columns", args.columns.is_some(), "a picture file as OUT")?;
        refuse("--cell", args.cell.is_some(), "a picture file as OUT")?;
        to_folder(args, context, &tally, format)?;
    } else {
        refuse("--resume", args.resume, "a directory as OUT")?;
        to_sheet(args, context, &tally)?;
    }
    Ok(tally.end(context, "decoded"))
}

fn refuse(option: &str, is_given: bool, needed: &str) -> Result<(), CliError> {
    if is_given {
        return Err(CliError::usage(option, format!("needs {needed}")));
    }
    Ok(())
}

/// A picture for each row.
fn to_folder(
    args: &DetokenizeArgs,
    context: &Context,
    tally: &Tally,
    format: SaveFormat,
) -> Result<(), CliError> {
    let model = context.model()?;
    let packer = Packer::new(&model, args.canvas)?;
    let options = options(args, &packer)?;
    let existing = Existing::of(context.force, args.resume);
    let folder = Folder::open(&args.output, &args.format, existing)?;
    let sink = Sink::Folder(folder, format);
    let Sink::Folder(folder, _) = &sink else {
        return Ok(());
    };
    let decoder = Decoder {
        context,
        tally,
        packer: &packer,
        options,
        bar: context.pictures(|| rows::count(&args.inputs), "decoding"),
    };
    decoder.run(&sink, |queue| {
        let check = |name: &str, about: &About| packer.check(name, about);
        rows::each((context, tally), &args.inputs, check, |named, about| {
            let request = request(&packer, &named, about)?;
            let too_large = format.check_size(request.size);
            too_large.map_err(|error| CliError::codec(&named.name, error))?;
            match folder.place(&named.row.id, &named.name)? {
                Place::There => {
                    tally.there();
                    decoder.bar.inc(1);
                    Ok(())
                }
                Place::File(file) => queue.add(Request {
                    to: To::File(file),
                    ..request
                }),
            }
        })
    })
}

/// One sheet of all pictures.
fn to_sheet(args: &DetokenizeArgs, context: &Context, tally: &Tally) -> Result<(), CliError> {
    let output = Output::new(&args.output, context.force)?;
    let format = output.picture_format("; or a directory, whose name ends with / if it is new")?;
    let model = context.model()?;
    let packer = Packer::new(&model, args.canvas)?;
    // A cell is small whatever the picture's size: the canvas is scaled to it directly, as `preview` does.
    let options = options(args, &packer)?.with_keep_canvas(true);
    let requests = cells(args, context, tally, &packer)?;
    if requests.is_empty() {
        context.note("there is no picture for the sheet, which is not written");
        return Ok(());
    }
    let failed = |error| CliError::codec(output.name(), error);
    let count = u32::try_from(requests.len()).unwrap_or(u32::MAX);
    let cell = args.cell.unwrap_or(CELL);
    let layout = GridLayout::new(count, args.columns, cell, context.limits.pixels);
    let layout = layout.map_err(failed)?;
    let too_large = format.check_size(layout.size());
    too_large.map_err(|error| CliError::codec(output.name(), error))?;
    let grid = Grid::new(layout, model.codec.threads().clone());
    let sink = Sink::Grid(grid.map_err(|error| CliError::codec(output.name(), error))?);
    let decoder = Decoder {
        context,
        tally,
        packer: &packer,
        options,
        bar: context.pictures(|| Some(count.into()), "decoding"),
    };
    decoder.run(&sink, |queue| {
        for request in requests {
            match queue.add(request) {
                Ok(()) => {}
                Err(Trouble::Row(error) | Trouble::Run(error)) => return Err(error),
            }
        }
        Ok(())
    })?;
    let Sink::Grid(grid) = sink else {
        return Ok(());
    };
    let bytes = grid.encode(format);
    let bytes = bytes.map_err(|error| CliError::codec(output.name(), error))?;
    output.write(&bytes)
}

/// Side of a cell in pixels.
const CELL: u32 = 128;

/// The rows for a sheet, in the order of their cells.
fn cells(
    args: &DetokenizeArgs,
    context: &Context,
    tally: &Tally,
    packer: &Packer<'_>,
) -> Result<Vec<Request>, CliError> {
    let mut requests: Vec<Request> = Vec::new();
    let check = |name: &str, about: &About| packer.check(name, about);
    rows::each((context, tally), &args.inputs, check, |named, about| {
        let cell = u32::try_from(requests.len()).unwrap_or(u32::MAX);
        if cell >= MOST_CELLS {
            let problem =
                format!("a sheet of more than {MOST_CELLS} pictures; choose a directory with -o");
            return Err(Trouble::Run(CliError::usage(&named.name, problem)));
        }
        requests.push(Request {
            to: To::Cell(cell),
            ..request(packer, &named, about)?
        });
        Ok(())
    })?;
    Ok(requests)
}

/// What a row asks for; where it goes is to be said yet.
fn request(packer: &Packer<'_>, named: &Named, about: &About) -> Result<Request, CliError> {
    let of_row = named
        .row
        .size
        .map(|(width, height)| Size::new(width, height));
    let size = of_row.unwrap_or_else(|| packer.canvas(about));
    let file = packer.pack(named, about, size)?;
    let file = file.to_bytes();
    Ok(Request {
        name: named.name.clone(),
        number: named.number,
        file: file.map_err(|error| CliError::codec(&named.name, error))?,
        size,
        to: To::Cell(0),
    })
}

/// The options of the library, checked against the model before any work.
fn options(args: &DetokenizeArgs, packer: &Packer<'_>) -> Result<DecodeOptions, CliError> {
    let mut options = args.sampling.options();
    options.tokens = args.tokens;
    let model = packer.model;
    let checked = model.codec.check_options(&options);
    checked.map_err(|error| model.error(&model.name, error))?;
    Ok(options)
}
