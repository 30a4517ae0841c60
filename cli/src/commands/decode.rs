//! `flextok decode`: a complete or truncated token file to a picture.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use flextok::container::TokenFile;
use flextok::image::ImageFormat;
use flextok::picture::save::{self, SaveFormat};
use flextok::picture::{Canvas, PictureError};
use flextok::{DecodeOptions, Error, OptionName, Size, npy};

use super::samples::SamplesArgs;
use super::sampling::SamplingArgs;
use crate::batch::{self, Job, Plan, Task};
use crate::context::{Context, Model};
use crate::exit::{CliError, Code};
use crate::input::{self, Source};
use crate::output::Output;
use crate::values;

/// Decompress .flxt files, complete or truncated anywhere, to pictures
///
/// `decode IN OUT` is two names of which only the second has the extension of a picture or .npy;
/// otherwise all names are inputs. Without -o, --force replaces only PNG files that this program wrote. A failed input does not stop the others; the exit code is that of
/// the first failure.
#[derive(Debug, Args)]
pub(crate) struct DecodeArgs {
    /// .flxt files, or - for standard input
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,

    /// Output file; its extension selects the format: png, jpg, jpeg, webp, bmp, tif, tiff, ppm, pnm,
    /// qoi, tga, or npy for the float canvas [3, H, W], nominally in [-1, 1] and not clamped. Standard
    /// output gets PNG. Or the directory for outputs in PNG: one that exists, or a name that ends with /
    /// for a new one
    /// [default: IN with the extension .png, standard output for standard input]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Use at most K tokens of the file, for FlexTok models
    #[arg(short = 'k', long, value_name = "K", value_parser = values::whole::<u32>(1..=65_536))]
    tokens: Option<u32>,

    /// Write the model's canvas without resizing it to the original size
    #[arg(long)]
    keep_canvas: bool,

    /// For FlexTok models, start from the noise in this array: float32 or float64, of the latents' shape
    /// [1, C, H, W] or [C, H, W]
    #[arg(long, value_name = "NPY", conflicts_with = "seed")]
    noise: Option<PathBuf>,

    /// Use the checksum-verified part of a damaged file
    #[arg(long)]
    salvage: bool,

    #[command(flatten)]
    sampling: SamplingArgs,

    #[command(flatten)]
    samples: SamplesArgs,
}

/// The kind of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Picture(SaveFormat),
    Npy,
}

const TASK: Task = Task {
    doing: "decoding",
    done: "decoded",
};

pub(crate) fn run(args: &DecodeArgs, context: &Context) -> Result<ExitCode, CliError> {
    if let Some(count) = args.samples.count() {
        let samples = &args.samples;
        samples.run(
            count,
            &args.inputs,
            options(args),
            args.salvage.into(),
            context,
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let (inputs, output) = batch::in_and_out(&args.inputs, args.output.as_deref(), is_output);
    let noise = args.noise.as_deref().map(Source::new);
    let stdin = Some(Source::Stdin);
    if noise == stdin && inputs.iter().any(|path| Source::new(path) == Source::Stdin) {
        let problem = "cannot read both the token file and the noise from standard input";
        return Err(CliError::usage(Source::Stdin.name(), problem));
    }
    let is_named = output.is_some();
    let check = |output: &Output| {
        format_of(output)?;
        if !is_named {
            output.keep_foreign()?;
        }
        noise.as_ref().map_or(Ok(()), |noise| output.keep(noise))
    };
    let prepare = || {
        let noise = args.noise.as_deref();
        let noise = noise.map(|path| read_noise(path, context)).transpose()?;
        Ok((context.model()?, noise))
    };
    Plan::new(inputs, output, ("png", Code::Corrupt), context, check)?.run(
        context,
        &TASK,
        prepare,
        |(model, noise), job| decode(args, context, (model, noise.as_ref()), job),
    )
}

/// Whether a name can only be that of an output, be it of a kind that cannot be written.
fn is_output(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    let others = ["npy", "jxl", "jp2", "heic", "heif"];
    let is_other = others.iter().any(|other| batch::has_extension(path, other));
    is_other || ImageFormat::from_extension(extension).is_some()
}

/// Decodes one file and returns the size of the picture's.
fn decode(
    args: &DecodeArgs,
    context: &Context,
    (model, noise): (&Model, Option<&Noise>),
    Job { source, output }: &Job,
) -> Result<u64, CliError> {
    let format = format_of(output)?;
    let input = source.tokens_of(&context.limits, args.salvage.into())?;
    check_size(args, &input.file, format).map_err(|error| CliError::codec(output.name(), error))?;
    let mut options = options(args);
    if let Some((path, noise)) = args.noise.as_deref().zip(noise) {
        options.noise = Some(checked_noise(path, noise, &input.file, model)?);
    }
    let default = model
        .codec
        .config()
        .map_or(1, |config| config.sampling.steps);
    let bar = context.progress(options.steps.unwrap_or(default), "decoding");
    let ticks = bar.clone();
    options = options.with_progress(move |progress| ticks.set_position(progress.step.into()));

    let failed = |error| match (&error, &args.noise) {
        (Error::Picture(_), _) => CliError::codec(output.name(), error),
        (Error::Option { option, .. }, Some(path)) if *option == OptionName::Noise => {
            CliError::codec(Source::new(path).name(), error)
        }
        _ => model.error(&source.name(), error),
    };
    let decoded = match format {
        Format::Picture(format) => picture(model, &input.file, &options, format).map_err(failed),
        Format::Npy => {
            let canvas = model.codec.decode_canvas(&input.file, &options);
            canvas
                .map_err(failed)
                .and_then(|canvas| Ok((array(&canvas, output)?, canvas.size)))
        }
    };
    bar.finish_and_clear();
    let (bytes, size) = decoded?;
    output.write(&bytes)?;
    context.wrote(output, bytes.len(), &[values::pixels(size)]);
    if let Some(note) = input.shortfall(&source.name()) {
        context.note(&note);
    }
    context.detail(|| {
        let (file, unit) = (&input.file, input.file.header().unit());
        let most = args
            .tokens
            .map_or(u64::MAX, |k| unit.saturating_mul(k.into()));
        let used = most.min(file.payload().len() as u64);
        let used = input::amount(file.header(), used - used % unit);
        let (from, to, name) = (source.name(), output.name(), &model.name);
        let how = match model.codec.config() {
            Some(_) => format!(
                "in {}",
                values::count(options.steps.unwrap_or(default), "step")
            ),
            None => format!("with the look {}", model.codec.look(&options)),
        };
        format!("{from}: {used} {how} to {to}, with {name}")
    });
    Ok(bytes.len() as u64)
}

/// The options of the library, but for the noise.
fn options(args: &DecodeArgs) -> DecodeOptions {
    let mut options = args.sampling.options().with_keep_canvas(args.keep_canvas);
    options.tokens = args.tokens;
    options
}

fn format_of(output: &Output) -> Result<Format, CliError> {
    if output.has_extension("npy") {
        return Ok(Format::Npy);
    }
    output.picture_format(", npy").map(Format::Picture)
}

/// Refuses, before it is computed, a picture that the output's format cannot hold.
fn check_size(args: &DecodeArgs, file: &TokenFile, format: Format) -> Result<(), PictureError> {
    match format {
        Format::Picture(format) if !args.keep_canvas => format.check_size(file.header().size()),
        // A canvas is small, and arrays hold any size.
        _ => Ok(()),
    }
}

fn picture(
    model: &Model,
    file: &TokenFile,
    options: &DecodeOptions,
    format: SaveFormat,
) -> Result<(Vec<u8>, Size), Error> {
    let picture = model.codec.decode_file(file, options)?;
    Ok((save::encode(&picture, format)?, picture.dimensions().into()))
}

fn array(canvas: &Canvas, output: &Output) -> Result<Vec<u8>, CliError> {
    let shape = [3, canvas.size.height as usize, canvas.size.width as usize];
    let planes = canvas
        .planes()
        .map_err(|error| CliError::codec(output.name(), error))?;
    npy::write_f32(&shape, &planes).map_err(|source| CliError::Npy {
        name: output.name(),
        source,
    })
}

type Noise = npy::NpyArray<f32>;

fn read_noise(path: &Path, context: &Context) -> Result<Noise, CliError> {
    let source = Source::new(path);
    let bytes = source.bytes(context.limits.image_bytes)?;
    npy::read_f32(&bytes).map_err(|error| CliError::Npy {
        name: source.name(),
        source: error,
    })
}

/// The noise if it has the shape of the latents; a check of the number of values alone would accept a
/// transposed array.
fn checked_noise(
    path: &Path,
    noise: &Noise,
    file: &TokenFile,
    model: &Model,
) -> Result<Vec<f32>, CliError> {
    // The decode refuses noise for other models and files, and names it.
    let Some((config, ids)) = model.codec.config().zip(file.header().as_ids()) else {
        return Ok(noise.data.clone());
    };
    let multiple = config.canvas_multiple();
    let canvas = ids.canvas.map_or(config.canvas, |patches| {
        Size::new(
            patches.columns.saturating_mul(multiple),
            patches.rows.saturating_mul(multiple),
        )
    });
    // The decode refuses a canvas that the model does not allow, and names the file.
    let Ok(expected) = config.latent_shape(canvas) else {
        return Ok(noise.data.clone());
    };
    let shape = match noise.shape.as_slice() {
        [1, rest @ ..] if rest.len() == 3 => rest,
        shape => shape,
    };
    if shape != expected {
        let found = &noise.shape;
        let problem = format!(
            "shape {found:?} does not match the latents; allowed: {expected:?}, or with a leading 1"
        );
        return Err(CliError::usage(Source::new(path).name(), problem));
    }
    Ok(noise.data.clone())
}
