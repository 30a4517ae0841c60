//! `flextok compare`: the similarity of two pictures.

use std::path::PathBuf;

use clap::Args;
use flextok::image::RgbImage;
use flextok::metrics::{self, Comparison, Lpips};
use serde::Serialize;

use super::sampling::SamplingArgs;
use crate::context::Context;
use crate::exit::CliError;
use crate::input::{Either, Source, is_token_file};
use crate::values::{self, Color};
use crate::{message, output};

/// Compare two pictures of the same size: PSNR, SSIM, mean absolute error, SSIMULACRA 2, LPIPS
///
/// B may be a .flxt file: it is decoded, and all figures are those of the chosen look.
///
/// With --json, one object; docs/json.md lists its keys.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Original image, or - for standard input
    #[arg(value_name = "A")]
    first: PathBuf,

    /// Image or .flxt file to compare with A, or - for standard input
    #[arg(value_name = "B")]
    second: PathBuf,

    /// Colour behind transparent pixels: RRGGBB, white, black or gray
    #[arg(long, value_name = "COLOR", default_value = "white", value_parser = values::color)]
    background: Color,

    /// Also LPIPS, with the network in this safetensors file; docs/lpips.md says how to make one
    #[arg(long, value_name = "WEIGHTS")]
    lpips: Option<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    sampling: SamplingArgs,
}

pub(crate) fn run(args: &CompareArgs, context: &Context) -> Result<(), CliError> {
    let sources = [Source::new(&args.first), Source::new(&args.second)];
    if sources == [Source::Stdin, Source::Stdin] {
        let problem = "cannot read both pictures from standard input";
        return Err(CliError::usage("standard input", problem));
    }
    if let Source::File(path) = &sources[0]
        && is_token_file(path)
    {
        let problem = "is a .flxt file; A is the original picture, and B may be a .flxt file";
        return Err(CliError::usage(sources[0].name(), problem));
    }
    let threads = context.threads()?;
    let first = sources[0].rgb(context, args.background)?;
    let second = second(args, context, &sources[1], first.as_raw().len())?;
    let failed = |source| {
        let name = format!("{}, {}", sources[0].name(), sources[1].name());
        CliError::Compare { name, source }
    };
    let comparison = metrics::compare(&first, &second, &threads).map_err(failed)?;
    let lpips = match &args.lpips {
        Some(path) => {
            let opened = Lpips::open(path, threads);
            let network = opened.map_err(|e| CliError::codec(message::name(path), e))?;
            Some(network.distance(&first, &second).map_err(failed)?)
        }
        None => None,
    };
    if args.json {
        return output::print_json(&Figures { comparison, lpips });
    }
    output::print(&text(&comparison, lpips))
}

/// What `--json` prints.
#[derive(Serialize)]
struct Figures {
    #[serde(flatten)]
    comparison: Comparison,
    #[serde(skip_serializing_if = "Option::is_none")]
    lpips: Option<f64>,
}

fn text(comparison: &Comparison, lpips: Option<f64>) -> String {
    let psnr = comparison
        .psnr
        .map_or("identical".to_owned(), |psnr| format!("{psnr:.3} dB"));
    let ssimulacra2 = comparison
        .ssimulacra2
        .map_or("undefined".to_owned(), |s| format!("{s:.3}"));
    let mut text = format!(
        "psnr           {psnr}\nssim           {:.5}\nssim_uniform7  {:.5}\nmae            {:.4}\nssimulacra2    {ssimulacra2}\n",
        comparison.ssim, comparison.ssim_uniform7, comparison.mae
    );
    if let Some(lpips) = lpips {
        text.push_str(&format!("lpips          {lpips:.5}\n"));
    }
    text
}

/// The picture to compare with one of `held` bytes.
fn second(
    args: &CompareArgs,
    context: &Context,
    source: &Source,
    held: usize,
) -> Result<RgbImage, CliError> {
    let mut loading = context.loading;
    loading.max_memory = loading.max_memory.saturating_sub(held as u64);
    let input = match source.either(context, &loading)? {
        Either::Picture(loaded) => return source.flat(loaded, &loading, args.background),
        Either::Tokens(input) => input,
    };
    let model = context.model()?;
    let decoded = model
        .codec
        .decode_file(&input.file, &args.sampling.options());
    let decoded = decoded.map_err(|error| model.error(&source.name(), error))?;
    if let Some(note) = input.shortfall(&source.name()) {
        context.note(&note);
    }
    Ok(decoded)
}
