//! `flextok fit`: one budget in bytes for several files, shared so that the worst picture is as good as possible.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use flextok::Error;
use flextok::container::{KeepMetadata, TokenFile};
use flextok::image::RgbImage;
use flextok::metrics::Metric;
use flextok::rate::{self, Rung, Search};
use unicode_normalization::UnicodeNormalization;

use super::sampling::SamplingArgs;
use crate::batch::{self, NewFolder};
use crate::choices;
use crate::context::{Context, Model};
use crate::exit::CliError;
use crate::input::{Source, TokenInput};
use crate::output::{self, Output, Prepared};
use crate::values::{self, Color};
use crate::{links, message};

/// Cut several .flxt files to a common budget so that the worst picture is as good as possible
///
/// Each file is decoded at 1, 2, 3, 4, 6, 8, 12 ... and all of its tokens, or bytes of payload, to
/// measure the quality of each cut, then at the cuts in between that decide the result: about 30
/// decodes per file. The budget is spent on the worst picture first; bytes that it can no longer use go
/// to the next worst. Quality is measured against the decode of the whole file, or against the original
/// photos with --originals. PSNR is that of plain decodes, of the coded digits alone. Each cut is a
/// complete file with its own checksums. One line per file reports what was kept. Without -o or
/// --in-place nothing is written, and the lines report what would be.
///
/// With --json, one object; docs/json.md lists its keys.
#[derive(Debug, Args)]
pub(crate) struct FitArgs {
    /// Token files
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,

    /// Maximum total size of the cut files in bytes
    #[arg(short = 'b', long, value_name = "N", value_parser = values::bytes)]
    total_bytes: u64,

    /// Directory for the cut files, which keep their names: one that exists, or a name that ends with / for
    /// a new one
    #[arg(short, long, value_name = "DIR", conflicts_with = "in_place")]
    output: Option<PathBuf>,

    /// Replace the files themselves; needs --force
    #[arg(long)]
    in_place: bool,

    /// Quality metric
    #[arg(long, value_name = "METRIC", default_value = "psnr", value_parser = choices::metric())]
    metric: Metric,

    /// Directory with the original photos, named like the files but with the extension of an image; not
    /// for files that were encoded with --crop
    #[arg(long, value_name = "DIR")]
    originals: Option<PathBuf>,

    /// Colour behind transparent pixels of the originals: RRGGBB, white, black or gray
    #[arg(long, value_name = "COLOR", default_value = "white", value_parser = values::color)]
    background: Color,

    /// Measure every number of tokens or bytes, which takes as many decodes: exact even where one more
    /// makes a picture worse
    #[arg(long)]
    every_cut: bool,

    /// Keep the metadata, which count towards the budget
    #[arg(long)]
    keep_metadata: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    sampling: SamplingArgs,
}

/// The reference of figures without originals.
const WHOLE_FILE: &str = "whole-file";

/// One file to cut.
struct Item {
    source: Source,
    /// `None` if nothing is written.
    output: Option<Output>,
    input: TokenInput,
    original: Option<Source>,
}

#[derive(serde::Serialize)]
struct Report {
    metric: &'static str,
    total_bytes: u64,
    used_bytes: u64,
    worst: Option<f64>,
    files: Vec<Line>,
}

#[derive(serde::Serialize)]
struct Line {
    file: String,
    output: Option<String>,
    tokens: Option<u64>,
    tokens_in_file: Option<u64>,
    payload_bytes: u64,
    payload_bytes_in_file: u64,
    bytes: u64,
    quality: Option<f64>,
    reference: String,
}

pub(crate) fn run(args: &FitArgs, context: &Context) -> Result<(), CliError> {
    if args.in_place && !context.force {
        let problem = "replaces the files; add --force, or use -o DIR instead to keep them";
        return Err(CliError::usage("--in-place", problem));
    }
    let folder = args.output.as_deref().filter(|path| batch::is_folder(path));
    let _folder = folder.map(NewFolder::make).transpose()?;
    let items = items(args, context)?;
    affordable(args, &items)?;
    let model = context.model()?;
    for item in &items {
        let checked = model
            .codec
            .check_header(item.input.file.header(), &args.sampling.options());
        checked.map_err(|error| model.error(&item.source.name(), error))?;
    }
    let rungs = share(args, context, &model, &items)?;
    write(args, &items, &rungs)?;
    for (item, rung) in items.iter().zip(&rungs) {
        item.note(rung.units, context);
    }
    report(args, &items, &rungs, context)?;
    if items.iter().all(|item| item.output.is_none()) {
        context.note("nothing was written; give -o DIR for the cut files, or --in-place");
    }
    Ok(())
}

impl FitArgs {
    fn keep(&self) -> KeepMetadata {
        if self.keep_metadata {
            KeepMetadata::Yes
        } else {
            KeepMetadata::No
        }
    }

    /// Where the cut of the file at `path` goes.
    fn target(&self, path: &Path, file_name: &OsStr) -> Option<PathBuf> {
        match &self.output {
            Some(directory) => Some(directory.join(file_name)),
            None => self.in_place.then(|| path.to_owned()),
        }
    }

    fn search(&self) -> Search {
        if self.every_cut {
            Search::EveryCut
        } else {
            Search::Ladder
        }
    }
}

impl Item {
    /// Bytes of payload in so many units.
    fn payload(&self, units: u64) -> u64 {
        units.saturating_mul(self.input.file.header().unit())
    }

    /// Units of the whole file: bytes of a coded payload, or tokens of each canvas.
    fn units(&self) -> u64 {
        self.input.file.payload().len() as u64 / self.input.file.header().unit()
    }

    fn cut(&self, units: u64, keep: KeepMetadata) -> Result<Vec<u8>, CliError> {
        let cut = self.input.file.cut(self.payload(units), keep);
        cut.and_then(|cut| cut.to_bytes())
            .map_err(|error| CliError::codec(self.source.name(), error))
    }

    /// Prints a note if the input is truncated.
    fn note(&self, kept: u64, context: &Context) {
        let kept = self.payload(kept);
        if let Some(note) = self.input.shortfall_kept(&self.source.name(), kept) {
            context.note(&note);
        }
    }

    fn line(&self, rung: &Rung) -> Line {
        let is_ids = self.input.file.header().as_ids().is_some();
        let tokens = |units| is_ids.then_some(units);
        Line {
            file: self.source.name(),
            output: self.output.as_ref().map(Output::name),
            tokens: tokens(rung.units),
            tokens_in_file: tokens(self.units()),
            payload_bytes: self.payload(rung.units),
            payload_bytes_in_file: self.payload(self.units()),
            bytes: rung.bytes,
            quality: rung.quality.is_finite().then_some(rung.quality),
            reference: (self.original.as_ref()).map_or(WHOLE_FILE.to_owned(), Source::name),
        }
    }
}

impl Line {
    fn text(&self, metric: &str) -> String {
        let kept = match self.tokens.zip(self.tokens_in_file) {
            Some((kept, all)) => format!("{kept} of {}", values::count(all, "token")),
            None => format!(
                "{} of {} of payload",
                self.payload_bytes,
                values::count(self.payload_bytes_in_file, "byte")
            ),
        };
        let quality = self.quality.map_or("identical".to_owned(), |quality| {
            format!("{metric} {quality:.3}")
        });
        let reference = match &*self.reference {
            WHOLE_FILE => "the whole file",
            original => original,
        };
        let output = self.output.as_ref();
        let line = format!(
            "{}: {kept}, {} bytes, {quality} against {reference}{}",
            self.file,
            self.bytes,
            output.map_or(String::new(), |output| format!(", in {output}"))
        );
        message::one_line(&line) + "\n"
    }
}

/// Reads all files and checks all outputs before any work.
fn items(args: &FitArgs, context: &Context) -> Result<Vec<Item>, CliError> {
    let mut outputs: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut items = Vec::with_capacity(args.inputs.len());
    for path in &args.inputs {
        let source = Source::new(path);
        let (Source::File(_), Some(file_name)) = (&source, path.file_name()) else {
            let problem = "fit keeps file names; the input must be a file";
            return Err(CliError::usage(source.name(), problem));
        };
        let output = match args.target(path, file_name) {
            Some(target) => {
                let output = Output::new(&target, context.force)?;
                output.refuse_other_extensions()?;
                if let Some(other) = outputs.insert(links::real_path(&target), source.name()) {
                    let problem = format!(
                        "its output would be that of {other} too; run fit on them separately"
                    );
                    return Err(CliError::usage(source.name(), problem));
                }
                Some(output)
            }
            None => None,
        };
        let input = source.tokens(&context.limits)?;
        let original = match &args.originals {
            Some(directory) => Some(original(directory, path)?),
            None => None,
        };
        items.push(Item {
            source,
            output,
            input,
            original,
        });
    }
    Ok(items)
}

/// The photo of the same name as a token file, with any extension of a picture.
fn original(directory: &Path, file: &Path) -> Result<Source, CliError> {
    let read = fs::read_dir(directory).and_then(|entries| {
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect::<Result<Vec<PathBuf>, _>>()
    });
    let mut paths = read.map_err(|source| CliError::Read {
        name: message::name(directory),
        source,
    })?;
    paths.sort();
    let is_picture = |path: &&PathBuf| {
        let format = path
            .extension()
            .and_then(flextok::image::ImageFormat::from_extension);
        same_stem(path, file) && format.is_some() && path.is_file()
    };
    match paths.iter().filter(is_picture).collect::<Vec<_>>()[..] {
        [path] => Ok(Source::File(path.clone())),
        [] => {
            let problem = format!("no picture of this name in {}", message::name(directory));
            Err(CliError::usage(message::name(file), problem))
        }
        [first, second, ..] => {
            let (first, second) = (message::name(first), message::name(second));
            let problem = format!("both {first} and {second} could be its original; keep one");
            Err(CliError::usage(message::name(file), problem))
        }
    }
}

/// Whether two names agree but for their extensions. File systems and programs spell one letter with an accent as one or
/// two code points, so the names are compared in the normalization form C.
fn same_stem(a: &Path, b: &Path) -> bool {
    let [a, b] = [a, b].map(|path| path.file_stem().unwrap_or_default());
    match (a.to_str(), b.to_str()) {
        (Some(a), Some(b)) => a.nfc().eq(b.nfc()),
        _ => a == b,
    }
}

/// Refuses a budget too small for the smallest cut of each file, before anything is decoded.
fn affordable(args: &FitArgs, items: &[Item]) -> Result<(), CliError> {
    let smallest = |item: &Item| -> Result<Vec<Rung>, CliError> {
        Ok(vec![Rung {
            units: 1,
            bytes: item.cut(1, args.keep())?.len() as u64,
            quality: 0.0,
        }])
    };
    let smallest = items.iter().map(smallest).collect::<Result<Vec<_>, _>>()?;
    match rate::share(&smallest, args.total_bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(CliError::codec("--total-bytes", error)),
    }
}

/// The cut of each file.
fn share(
    args: &FitArgs,
    context: &Context,
    model: &Model,
    items: &[Item],
) -> Result<Vec<Rung>, CliError> {
    let units: Vec<u64> = items.iter().map(Item::units).collect();
    let bar = context.progress(u32::try_from(items.len()).unwrap_or(u32::MAX), "files");
    let mut begun = 0;
    let chosen = rate::share_closely(
        &units,
        args.total_bytes,
        args.search(),
        |index, cuts| -> Result<_, Failure> {
            let rungs = rungs(args, context, model, &items[index], cuts)?;
            // The first round goes through all files; the few decodes after it are not counted.
            if index == begun {
                begun += 1;
                bar.inc(1);
            }
            Ok(rungs)
        },
    );
    bar.finish_and_clear();
    chosen.map_err(|Failure(error)| error)
}

/// An error while sharing the budget; one of the division itself is about `--total-bytes`.
struct Failure(CliError);

impl From<CliError> for Failure {
    fn from(error: CliError) -> Self {
        Self(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(CliError::codec("--total-bytes", error))
    }
}

/// Writes all cuts or none, unless publishing them fails partway.
fn write(args: &FitArgs, items: &[Item], rungs: &[Rung]) -> Result<(), CliError> {
    let cuts = items.iter().zip(rungs);
    let cuts = cuts.map(|(item, rung)| item.cut(rung.units, args.keep()));
    let cuts = cuts.collect::<Result<Vec<_>, _>>()?;
    let written = items.iter().zip(&cuts).filter_map(|(item, bytes)| {
        let output = item.output.as_ref()?;
        Some(output.prepare(bytes))
    });
    let written = written.collect::<Result<Vec<_>, _>>()?;
    written.into_iter().try_for_each(Prepared::publish)
}

/// Size and quality of some cuts of a file.
fn rungs(
    args: &FitArgs,
    context: &Context,
    model: &Model,
    item: &Item,
    cuts: &[u64],
) -> Result<Vec<Rung>, CliError> {
    let failed = |error| model.error(&item.source.name(), error);
    let file: &TokenFile = &item.input.file;
    let options = args.sampling.options();
    let options = model.codec.measured_decode(args.metric, &options);
    let reference: RgbImage = match &item.original {
        Some(source) => source.rgb(context, args.background)?,
        None => model.codec.decode_file(file, &options).map_err(failed)?,
    };
    let metric = args.metric;
    let rungs = model
        .codec
        .rungs(file, args.keep(), &reference, metric, cuts, &options);
    rungs.map_err(failed)
}

fn report(
    args: &FitArgs,
    items: &[Item],
    rungs: &[Rung],
    context: &Context,
) -> Result<(), CliError> {
    let worst = rungs.iter().map(|rung| rung.quality);
    let report = Report {
        metric: args.metric.label(),
        total_bytes: args.total_bytes,
        used_bytes: rungs.iter().map(|rung| rung.bytes).sum(),
        worst: Some(worst.fold(f64::INFINITY, f64::min)).filter(|worst| worst.is_finite()),
        files: items
            .iter()
            .zip(rungs)
            .map(|(item, rung)| item.line(rung))
            .collect(),
    };
    if args.json {
        return output::print_json(&report);
    }
    if context.quiet {
        return Ok(());
    }
    let is_coded = |item: &Item| item.input.file.header().as_coded().is_some();
    let is_plain = args.metric == Metric::Psnr && items.iter().any(is_coded);
    let name = format!(
        "{}{}",
        report.metric,
        if is_plain { " (plain)" } else { "" }
    );
    let lines = report.files.iter().map(|line| line.text(&name));
    output::print(&lines.collect::<String>())
}
