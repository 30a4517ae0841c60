//! `flextok encode`: a picture to a token file.

mod collection;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgGroup, ArgMatches, Args, Command, FromArgMatches};
use flextok::container::{EXTENSION, Metadata, TokenFile};
use flextok::metrics::Metric;
use flextok::picture::LoadedPicture;
use flextok::rate::{Search, Target};
use flextok::{CanvasChoice, DecodeOptions, EncodeOptions, Look, Size};

use crate::batch::{self, Job, Plan, Task};
use crate::context::{Context, Model};
use crate::exit::{CliError, Code};
use crate::input;
use crate::output::Output;
use crate::values::{self, Color};

/// Compress pictures to .flxt files
///
/// `encode IN OUT` is two names of which only the second ends in .flxt; otherwise all names are inputs. A
/// failed input does not stop the others; the exit code is that of the first failure.
///
/// A folder stands for all files in it that are named like pictures or *.tar, however deep, and -o DIR gets
/// the same folders. A tar shard (WebDataset) becomes one of the same name, in which KEY.flxt replaces each
/// picture and the other members stay; pictures that fail are left out. Several pictures are encoded at once.
#[derive(Debug, Args)]
pub(crate) struct EncodeArgs {
    /// Image files (bmp, gif, ico, jpeg, jxl, png, pnm, qoi, tga, tiff, webp), or - for standard input;
    /// folders of these, tar shards
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,

    /// Output file, or directory for the outputs: one that exists, or a name that ends with / for a new
    /// one [default: IN with the extension .flxt, standard output for standard input]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Of folders and tar shards, leave outputs that exist as they are, and go on with the others
    #[arg(long, conflicts_with = "force")]
    resume: bool,

    /// Number of tokens, for FlexTok models [default: the model's maximum]
    #[arg(short = 'k', long, value_name = "K", value_parser = values::whole::<u32>(1..=65_536))]
    tokens: Option<u32>,

    /// A file of at most N bytes (300, 300B; 1k and 1KiB are 1024), metadata included [default: 1024 and
    /// the metadata]
    #[arg(short, long, value_parser = values::bytes, value_name = "N", conflicts_with = "tokens")]
    bytes: Option<u64>,

    #[command(flatten)]
    target: TargetArgs,

    /// For FlexTok models, try every number of tokens from 1 upwards and use the first that reaches the
    /// target. Without this option 1, 2, 3, 4, 6, 8, 12 ... tokens are tried, then some numbers just
    /// below the first that reaches it; all others are tried only if none does
    #[arg(long, requires = "target")]
    every_cut: bool,

    /// For the embedded model, the look of the decodes that --target-ssim and --target-ssimulacra2
    /// measure, as in `flextok decode` [default: 0.5]
    #[arg(long, requires = "target", value_name = "LOOK", value_parser = values::look)]
    look: Option<Look>,

    /// Choose the canvas for a later cut to N bytes instead of for the whole file
    #[arg(long, value_name = "N", conflicts_with = "canvas", value_parser = values::bytes)]
    cut_at: Option<u64>,

    /// For FlexTok models, crop the centre as the published preprocessing does, instead of resizing the
    /// whole picture
    #[arg(long)]
    crop: bool,

    /// Canvas: own (the picture's size), N (1 to 255) blocks of 32 pixels along the long side, or WxH in
    /// pixels for FlexTok models [default: what suits the bytes, or the model]
    #[arg(long, value_name = "own|N|WxH", value_parser = values::canvas)]
    canvas: Option<CanvasChoice>,

    /// Colour behind transparent pixels: RRGGBB, white, black or gray
    #[arg(long, value_name = "COLOR", default_value = "white", value_parser = values::color)]
    background: Color,

    /// Store this title
    #[arg(long, value_name = "T")]
    title: Option<String>,

    /// Store the encoder version, and the input's title, capture time and colour profile name
    #[arg(long)]
    metadata: bool,
}

/// The quality to reach, if one was given: an option `--target-…` for each metric.
#[derive(Debug)]
struct TargetArgs(Option<Target>);

fn target_option(metric: Metric) -> String {
    format!("target-{}", metric.name())
}

impl Args for TargetArgs {
    fn augment_args(command: Command) -> Command {
        let group = ArgGroup::new("target").conflicts_with_all(["tokens", "bytes"]);
        let group = group.args(Metric::ALL.map(target_option));
        let options = Metric::ALL.map(|metric| {
            let name = target_option(metric);
            Arg::new(&name)
                .long(&name)
                .value_name("S")
                .value_parser(values::quality)
                .help(format!(
                    "As few bytes as reach this {}{}, {}",
                    metric.label(),
                    match metric {
                        Metric::Psnr => " of the plain decode (of the coded digits alone)",
                        _ => " when decoded",
                    },
                    metric.scale()
                ))
        });
        command.group(group).args(options)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TargetArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Metric::ALL.into_iter().filter_map(|metric| {
            let value = matches.get_one(&target_option(metric)).copied()?;
            Some(Target { metric, value })
        });
        Ok(Self(given.next()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

const TASK: Task = Task {
    doing: "encoding",
    done: "encoded",
};

pub(crate) fn run(args: &EncodeArgs, context: &Context) -> Result<ExitCode, CliError> {
    let is_output = |path: &Path| batch::has_extension(path, EXTENSION);
    let (inputs, output) = batch::in_and_out(&args.inputs, args.output.as_deref(), is_output);
    if collection::is_meant(inputs) {
        return collection::run(args, inputs, output, context);
    }
    if args.resume {
        let problem = "is for folders and tar shards";
        return Err(CliError::usage("--resume", problem));
    }
    let check = Output::refuse_other_extensions;
    Plan::new(inputs, output, (EXTENSION, Code::Image), context, check)?.run(
        context,
        &TASK,
        || context.model(),
        |model, job| encode(args, context, model, job),
    )
}

/// Encodes one picture and returns the size of its file.
fn encode(
    args: &EncodeArgs,
    context: &Context,
    model: &Model,
    Job { source, output }: &Job,
) -> Result<u64, CliError> {
    let picture = source.picture(context)?;
    let encoded = file(args, &picture, &source.name(), (model, context))?;
    output.write(&encoded.bytes)?;
    let count = encoded.bytes.len();
    context.wrote(
        output,
        count,
        &[&[values::pixels(encoded.size)], encoded.quality.as_slice()].concat(),
    );
    context.detail(|| {
        let (width, height) = (picture.image.width(), picture.image.height());
        let (from, to) = (source.name(), output.name());
        format!(
            "{from}: {width}x{height} pixels to {count} bytes in {to}, with {}",
            model.name
        )
    });
    Ok(count as u64)
}

/// A picture's file.
struct Encoded {
    bytes: Vec<u8>,
    /// The size that a decoder restores.
    size: Size,
    /// The quality that a target had measured, in words.
    quality: Option<String>,
}

/// Encodes a picture; `name` is what errors call it.
fn file(
    args: &EncodeArgs,
    picture: &LoadedPicture,
    name: &str,
    (model, context): (&Model, &Context),
) -> Result<Encoded, CliError> {
    let mut options = options(args);
    options.metadata = metadata(args, picture);
    let failed = |error| model.error(name, error);
    let (file, quality) = match args.target.0 {
        None => (model.codec.encode_file(&picture.image, &options), None),
        Some(target) => {
            let encoded = to_target(args, target, picture, &options, (model, context));
            let (file, reached) = encoded.map_err(failed)?;
            let quality = match target.metric {
                Metric::Psnr => format!("{reached:.1} dB"),
                metric => format!("{} {reached:.3}", metric.label()),
            };
            (Ok(file), Some(quality))
        }
    };
    let file = file.map_err(failed)?;
    Ok(Encoded {
        bytes: file.to_bytes().map_err(|error| failed(error.into()))?,
        size: file.header().size(),
        quality,
    })
}

/// The options that hold for every picture.
fn options(args: &EncodeArgs) -> EncodeOptions {
    let mut options = EncodeOptions::default()
        .with_crop(args.crop)
        .with_background(args.background);
    if let Some(tokens) = args.tokens {
        options = options.with_tokens(tokens);
    }
    if let Some(bytes) = args.bytes {
        options = options.with_bytes(bytes);
    }
    options.canvas = args.canvas.unwrap_or(CanvasChoice::Auto);
    options.cut_at = args.cut_at;
    options
}

/// The smallest file that reaches the target when decoded as `flextok decode` does, and what it reaches.
fn to_target(
    args: &EncodeArgs,
    target: Target,
    picture: &LoadedPicture,
    options: &EncodeOptions,
    (model, context): (&Model, &Context),
) -> Result<(TokenFile, f64), flextok::Error> {
    let search = if args.every_cut {
        Search::EveryCut
    } else {
        Search::Ladder
    };
    let mut decode = DecodeOptions::default();
    decode.look = args.look;
    let encoded = model
        .codec
        .encode_to(&picture.image, target, search, options, &decode);
    let (file, reached) = encoded?;
    context.detail(|| {
        let look = match file.header().as_coded() {
            Some(_) => {
                let measured = model.codec.measured_decode(target.metric, &decode);
                format!(" (look {})", model.codec.look(&measured))
            }
            None => String::new(),
        };
        format!(
            "{}{look} {:.3} with {}, found in {}",
            target.metric.label(),
            reached.quality,
            input::amount(file.header(), file.header().payload_bytes()),
            values::count(reached.decodes, "decode")
        )
    });
    Ok((file, reached.quality))
}

fn metadata(args: &EncodeArgs, picture: &LoadedPicture) -> Metadata {
    let mut metadata = Metadata::default();
    if args.metadata {
        metadata.encoder = Some(concat!("flextok ", env!("CARGO_PKG_VERSION")).to_owned());
        metadata.title.clone_from(&picture.title);
        metadata.capture_time.clone_from(&picture.capture_time);
        metadata.color_profile.clone_from(&picture.color_profile);
    }
    if args.title.is_some() {
        metadata.title.clone_from(&args.title);
    }
    metadata
}
