//! `flextok pack`: a token file from given ids.

use std::path::PathBuf;

use clap::Args;
use flextok::container::{CanvasGrid, Metadata};
use flextok::{Size, npy};

use crate::context::{Context, Model};
use crate::exit::{CliError, Code};
use crate::input::Source;
use crate::output::Output;
use crate::values;

/// Make a .flxt file from token ids of a FlexTok model (--model)
#[derive(Debug, Args)]
pub(crate) struct PackArgs {
    /// NumPy array of any integer type, of shape (tokens) or (canvases, tokens), or - for standard
    /// input
    #[arg(value_name = "IDS")]
    input: PathBuf,

    /// Output file [default: IDS with the extension .flxt, standard output for standard input]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Width in pixels that a decoder restores
    #[arg(long, value_name = "W", value_parser = values::whole::<u32>(1..=1_048_576))]
    width: u32,

    /// Height in pixels that a decoder restores
    #[arg(long, value_name = "H", value_parser = values::whole::<u32>(1..=1_048_576))]
    height: u32,

    /// Canvas in pixels that the ids belong to [default: the model's own]
    #[arg(long, value_name = "WxH", value_parser = values::size)]
    canvas: Option<Size>,

    /// Columns and rows of canvases, row by row
    #[arg(long, value_name = "CxR", default_value = "1x1", value_parser = values::grid)]
    grid: Size,
}

pub(crate) fn run(args: &PackArgs, context: &Context) -> Result<(), CliError> {
    let source = Source::new(&args.input);
    let default = (flextok::container::EXTENSION, Code::Io);
    let output = Output::of(args.output.as_deref(), &source, default, context.force)?;
    output.refuse_other_extensions()?;
    output.keep(&source)?;
    let bytes = source.bytes(context.limits.image_bytes)?;
    let array = npy::read_integers(&bytes).map_err(|error| CliError::Npy {
        name: source.name(),
        source: error,
    })?;
    let model = context.model_to_describe()?;
    let canvases = canvases(args, &source.name(), &array, &model)?;

    let size = Size::new(args.width, args.height);
    let grid = CanvasGrid {
        columns: args.grid.width,
        rows: args.grid.height,
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
    let expected = args.grid.area();
    if count as u64 != expected {
        let problem = format!(
            "the array holds {count} canvases; --grid {} needs {expected}",
            args.grid
        );
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
