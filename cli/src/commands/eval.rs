//! `flextok eval`: figures of a set of pictures, by budget, beside those of other codecs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flextok::rate::Target;
use flextok::uncertainty::Ensemble;

use super::sampling::SamplingArgs;
use crate::batch::{self, Task};
use crate::context::Context;
use crate::eval::{
    self, Budgets, Evaluation, Export, Journal, Meter, Plan, Protocol, Rival, Shown, frechet,
    parse_until, report, table,
};
use crate::exit::CliError;
use crate::output::Output;
use crate::values;

/// Measure the quality of decodes over a set of pictures, beside other codecs
///
/// For each budget: PSNR, SSIM (the uniform window of 7×7 and the Gaussian one of 11×11), mean absolute
/// error, SSIMULACRA 2, LPIPS, bytes of the whole file, seconds, and the means with 95 % bootstrap
/// intervals. Decodes are measured in the picture's own size. A failed picture does not stop the
/// others; the exit code is that of the first failure.
///
/// With --json, one object; docs/json.md lists its keys.
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// Image files, or directories of them
    #[arg(value_name = "IN", required_unless_present = "frechet")]
    inputs: Vec<PathBuf>,

    /// Sizes of files in bytes, as 64,1k [default without a FlexTok model: 64,128,256,512,1024,2048,4096]
    #[arg(short, long, value_name = "N,…", value_delimiter = ',', value_parser = values::bytes, conflicts_with = "tokens")]
    bytes: Vec<u64>,

    /// Numbers of tokens, for FlexTok models [default: 1,2,4 ... and all that the model has]
    #[arg(short = 'k', long, value_name = "K,…", value_delimiter = ',', value_parser = values::whole::<u32>(1..=65_536))]
    tokens: Vec<u32>,

    /// Other codecs, by the programs that are installed: the file of the best PSNR that fits, of all
    /// qualities and 20 shrinkings. Where budgets are tokens, it may have the bytes of flextok's file
    #[arg(long, value_name = "CODEC,…", value_delimiter = ',', value_enum)]
    against: Vec<Rival>,

    /// Prepare, sample and seed as in a publication. The seed of flextok's is the CRC-32 of the file's
    /// name; options given beside it count
    #[arg(long, value_enum, value_name = "NAME")]
    protocol: Option<Protocol>,

    /// Also search the smallest budget at which each picture reaches this quality, as `encode
    /// --target-psnr` does: psnr=S, ssim=S or ssimulacra2=S
    #[arg(long, value_name = "METRIC=S", value_parser = parse_until)]
    until: Option<Target>,

    /// Also LPIPS, with the network in this safetensors file; docs/lpips.md says how to make one
    #[arg(long, value_name = "WEIGHTS")]
    lpips: Option<PathBuf>,

    /// Colour behind transparent pixels: RRGGBB, white, black or gray
    #[arg(long, value_name = "COLOR", default_value = "white", value_parser = values::color)]
    background: values::Color,

    /// Add what is finished to this file, a line for each picture, and skip the pictures that are in it
    #[arg(long, value_name = "JSONL")]
    results: Option<PathBuf>,

    /// Write originals and decodes as PNG: DIR/original/NAME.png, DIR/flextok-BUDGET/NAME.png ...
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,

    /// Write a report to this HTML file: curves, tables, the worst and the best pictures
    #[arg(long, value_name = "HTML")]
    html: Option<PathBuf>,

    /// For FlexTok models, also decode each file N times (2 to 1024) from different noise, and split the
    /// error into bias² and variance
    #[arg(long, value_name = "N", value_parser = values::whole::<u32>(2..=Ensemble::MAX_DECODES.into()))]
    seeds: Option<u32>,

    /// Instead of all that, the Fréchet distance of two arrays of features [N, D], float32 or float64
    #[arg(long, num_args = 2, value_names = ["A.npy", "B.npy"], conflicts_with_all = [
        "inputs", "bytes", "tokens", "against", "protocol", "until", "lpips", "results", "export", "html", "seeds",
    ])]
    frechet: Option<Vec<PathBuf>>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    sampling: SamplingArgs,
}

const TASK: Task = Task {
    doing: "measuring",
    done: "measured",
};

pub(crate) fn run(args: &EvalArgs, context: &Context) -> Result<ExitCode, CliError> {
    if let Some([a, b]) = args.frechet.as_deref() {
        return frechet::run(a, b, args.json, context).map(|()| ExitCode::SUCCESS);
    }
    let html = html(args, context)?;
    let pictures = eval::pictures(&args.inputs)?;
    let export = args.export.as_deref();
    let export = export.map(|folder| Export::new(folder, context.force, &pictures));
    let export = export.transpose()?;
    let plan = plan(args, context)?;
    let meter = Meter::new(plan.threads(), args.lpips.as_deref(), context)?;
    let settings = plan.settings(context, meter.lpips_crc32);
    let journal = args.results.as_deref();
    let journal = journal
        .map(|path| Journal::open(path, &settings))
        .transpose()?;
    for codec in &plan.codecs {
        if let Some(missing) = &codec.missing {
            context.note(&format!("{} is not measured: {missing}", codec.name));
        }
    }
    let mut evaluation = Evaluation::new((&plan, &meter, context), &pictures, journal, export);
    let jobs = pictures.iter().map(|path| Ok(path.as_path())).collect();
    let code = batch::each(context, &TASK, jobs, |path| {
        evaluation.picture(path).map(|()| 0)
    });
    let (results, again) = evaluation.results(command_line());
    if args.json {
        context.print_json(&results)?;
    } else {
        context.print(&table(&results))?;
    }
    if let Some(output) = html {
        let results = &results;
        let page = report::html(results, &Shown { again, results })?;
        output.write(page.as_bytes())?;
    }
    Ok(code)
}

/// Where the report goes, if there is to be one.
fn html(args: &EvalArgs, context: &Context) -> Result<Option<Output>, CliError> {
    let Some(path) = &args.html else {
        return Ok(None);
    };
    let output = Output::new(path, context.force)?;
    if output.has_extension("html") || output.has_extension("htm") || output.is_anonymous() {
        return Ok(Some(output));
    }
    Err(output.wrong_extension("html, htm"))
}

fn plan(args: &EvalArgs, context: &Context) -> Result<Plan, CliError> {
    let budgets = match (&*args.bytes, &*args.tokens) {
        ([], []) => Budgets::Default,
        (bytes, []) => Budgets::Bytes(bytes),
        (_, tokens) => Budgets::Tokens(tokens),
    };
    let mut against = args.against.clone();
    against.sort_unstable();
    against.dedup();
    let decode = args.sampling.options();
    let mut plan = Plan::new(context, budgets, decode, args.protocol, &against)?;
    plan.background = args.background;
    plan.until = args.until;
    if let Some(seeds) = args.seeds {
        plan.decode_often(seeds)?;
    }
    Ok(plan)
}

/// The command line that repeats this run, quoted as shells read it.
fn command_line() -> String {
    let given = std::env::args_os()
        .skip(1)
        .map(|argument| quoted(&argument));
    let words = std::iter::once("flextok".to_owned()).chain(given);
    words.collect::<Vec<_>>().join(" ")
}

fn quoted(argument: &OsString) -> String {
    let text = argument.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "-_=+,./:@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_where_a_shell_needs_it() {
        for (given, text) in [
            ("photos/a-1.png", "photos/a-1.png"),
            ("--until", "--until"),
            ("psnr=30", "psnr=30"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("$x", "'$x'"),
        ] {
            assert_eq!(quoted(&given.into()), text);
        }
    }
}
