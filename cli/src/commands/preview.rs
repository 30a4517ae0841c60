//! `flextok preview`: one sheet with the decodes of more and more of a file, or of files of more and more bytes.

use std::path::PathBuf;

use clap::Args;
use flextok::container::{CutOffset, KeepMetadata, TokenFile};
use flextok::image::{self, DynamicImage, RgbImage};
use flextok::picture::{self, save};
use flextok::{EncodeOptions, Size};

use super::sampling::SamplingArgs;
use crate::context::{Context, Model};
use crate::exit::{CliError, Code};
use crate::input::{self, Either, Source};
use crate::output::Output;
use crate::sheet::{self, Tile};
use crate::values;

/// Draw one sheet of a picture at more and more bytes
///
/// For a photo: files of 32, 64, 128 ... 4096 bytes, each encoded at that size, and the photo itself;
/// with a FlexTok model 1, 2, 4 ... tokens. For a .flxt file: its cuts at powers of two. Each picture is
/// labelled with the size of the complete file, and with how much payload that has.
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
    let input = source.either(context, &context.loading)?;
    let model = context.model()?;
    let failed = |error| model.error(&source.name(), error);

    let (files, original, note) = match input {
        Either::Tokens(input) => {
            let note = input.shortfall(&source.name());
            (cuts(&input.file), None, note)
        }
        Either::Picture(loaded) => {
            let files = encode(&model, &loaded.image).map_err(failed)?;
            let background = EncodeOptions::default().background;
            let original = source.flat(loaded, &context.loading, background)?;
            (files, Some(original), None)
        }
    };
    let mut tiles = decode_tiles(args, context, &model, &files).map_err(failed)?;
    tiles.extend(original.map(original_tile));
    let sheet = sheet::draw(&tiles);
    let bytes = save::encode(&sheet, format);
    let bytes = bytes.map_err(|error| CliError::codec(output.name(), error))?;
    output.write(&bytes)?;
    let size = values::pixels(sheet.dimensions().into());
    context.wrote(&output, bytes.len(), &[size]);
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

/// The bytes of the files that show what a coded payload does.
const SIZES: [u64; 8] = [32, 64, 128, 256, 512, 1024, 2048, 4096];
/// The smallest cut of a coded payload that is shown, in bytes.
const LEAST: u64 = 16;

/// Files of a photo: one for each size or, where the cuts of one file are as good, those.
fn encode(model: &Model, image: &DynamicImage) -> Result<Vec<TokenFile>, flextok::Error> {
    let options = EncodeOptions::default();
    if model.codec.config().is_some() {
        return Ok(cuts(&model.codec.encode_file(image, &options)?));
    }
    let sized = |bytes| {
        let options = options.clone().with_bytes(bytes);
        model.codec.encode_file(image, &options)
    };
    SIZES.into_iter().map(sized).collect()
}

/// The cuts of a file at powers of two, and all of it.
fn cuts(file: &TokenFile) -> Vec<TokenFile> {
    let unit = file.header().unit();
    let available = file.payload().len() as u64 / unit;
    let least = if file.header().as_ids().is_some() {
        1
    } else {
        LEAST
    };
    let shown = |cut: &CutOffset| {
        let units = cut.payload / unit;
        units == available || (units >= least && units.is_power_of_two())
    };
    let cuts = file.cut_offsets().filter(shown);
    let mut files: Vec<TokenFile> = cuts
        .filter_map(|cut| file.cut(cut.payload, KeepMetadata::No).ok())
        .collect();
    if files.is_empty() {
        // The decoder reports what is missing.
        files.push(file.clone());
    }
    files
}

/// One tile for each file.
fn decode_tiles(
    args: &PreviewArgs,
    context: &Context,
    model: &Model,
    files: &[TokenFile],
) -> Result<Vec<Tile>, flextok::Error> {
    let bar = context.progress(u32::try_from(files.len()).unwrap_or(u32::MAX), "previews");
    let mut tiles = Vec::new();
    for file in files {
        // A tile is small whatever the picture's size: a canvas of another aspect is scaled to it directly.
        let header = file.header();
        let is_coded = header.as_coded().is_some();
        let options = args.sampling.options().with_keep_canvas(!is_coded);
        let canvas: RgbImage = model.codec.decode_file(file, &options)?;
        let size = sheet::tile_size(header.size());
        let payload = input::amount(header, header.payload_bytes());
        let bytes = format!("{} bytes", header.layout().payload_section_end());
        let (title, detail) = if is_coded {
            (bytes, payload)
        } else {
            (payload, bytes)
        };
        tiles.push(Tile {
            picture: picture::restore(&canvas, size, model.codec.threads())?,
            title,
            detail,
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
