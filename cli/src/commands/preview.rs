//! `flextok preview`: one sheet with the decodes at 1, 2, 4 … tokens.

use std::path::PathBuf;

use clap::Args;
use flextok::container::{CutOffset, TokenFile};
use flextok::image::{self, RgbImage};
use flextok::picture::{self, save};
use flextok::{EncodeOptions, Size};

use super::sampling::SamplingArgs;
use crate::context::{Context, Model};
use crate::exit::{CliError, Code};
use crate::input::{Either, Source};
use crate::output::Output;
use crate::sheet::{self, Tile};

/// Draw one sheet with the decodes at 1, 2, 4 ... tokens
///
/// Each picture is labelled with its number of tokens and the size of the complete file that
/// `flextok truncate` makes from them. For a photo the last picture is the photo itself.
#[derive(Debug, Args)]
pub(crate) struct PreviewArgs {
    /// Token file or image file, or - for standard input
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// Output file; its extension selects the format (png, jpg, ...) [default: IN with the extension
    /// .preview.png, standard output for standard input]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    #[command(flatten)]
    sampling: SamplingArgs,
}

pub(crate) fn run(args: &PreviewArgs, context: &Context) -> Result<(), CliError> {
    let source = Source::new(&args.input);
    let default = ("preview.png", Code::Image);
    let output = Output::of(args.output.as_deref(), &source, default, context.force)?;
    let format = output.picture_format("")?;
    output.keep(&source)?;
    let input = source.either(&context.limits)?;
    let model = context.model()?;
    let failed = |error| model.error(&source.name(), error);

    let (file, original, note) = match input {
        Either::Tokens(input) => {
            let note = input.truncation(&source.name());
            (input.file, None, note)
        }
        Either::Picture(loaded) => {
            let options = EncodeOptions::default();
            let encoded = model.codec.encode_file(&loaded.image, &options);
            let file = encoded.map_err(failed)?;
            let max = context.limits.image_memory;
            let original = picture::try_into_rgb(loaded.image, options.background, max);
            let original = original.map_err(|error| CliError::codec(source.name(), error))?;
            (file, Some(original), None)
        }
    };
    let mut tiles = decode_tiles(args, context, &model, &file).map_err(failed)?;
    tiles.extend(original.map(original_tile));
    let bytes = save::encode(&sheet::draw(&tiles), format);
    output.write(&bytes.map_err(|error| CliError::codec(output.name(), error))?)?;
    if let Some(note) = note {
        context.note(&note);
    }
    context.detail(|| {
        format!(
            "{}: {} tiles in {}",
            source.name(),
            tiles.len(),
            output.name()
        )
    });
    Ok(())
}

/// One tile for each power of two, and one for all available tokens.
fn decode_tiles(
    args: &PreviewArgs,
    context: &Context,
    model: &Model,
    file: &TokenFile,
) -> Result<Vec<Tile>, flextok::Error> {
    let layers = file.layers();
    let shown = |cut: &CutOffset| cut.tokens.is_power_of_two() || cut.tokens == layers;
    let mut cuts: Vec<CutOffset> = file.cut_offsets().filter(shown).collect();
    if cuts.is_empty() {
        // The decoder reports what is missing.
        cuts.push(CutOffset {
            tokens: 1,
            prefix_bytes: 0,
            complete_bytes: 0,
        });
    }
    let bar = context.progress(u32::try_from(cuts.len()).unwrap_or(u32::MAX), "previews");
    let size = sheet::tile_size(Size::new(file.header().width(), file.header().height()));
    let mut tiles = Vec::new();
    for cut in cuts {
        // A tile is small whatever the picture's size: the canvas is scaled to it directly.
        let options = args
            .sampling
            .options()
            .with_tokens(cut.tokens)
            .with_keep_canvas(true);
        let canvas: RgbImage = model.codec.decode_file(file, &options)?;
        let plural = if cut.tokens == 1 { "" } else { "s" };
        tiles.push(Tile {
            picture: picture::restore(&canvas, size, model.codec.threads())?,
            title: format!("{} token{plural}", cut.tokens),
            detail: format!("{} bytes", cut.complete_bytes),
        });
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(tiles)
}

fn original_tile(original: RgbImage) -> Tile {
    let (width, height) = original.dimensions();
    let tile = sheet::tile_size(Size::new(width, height));
    let filter = image::imageops::FilterType::CatmullRom;
    Tile {
        picture: image::imageops::resize(&original, tile.width, tile.height, filter),
        title: "original".to_owned(),
        detail: format!("{width} x {height}"),
    }
}
