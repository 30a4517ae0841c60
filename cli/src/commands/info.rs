//! `flextok info`: the contents of a token file. No model is needed or opened.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flextok::info::{CutInfo, FileInfo, MetadataInfo, PayloadInfo};
use serde::Serialize;

use crate::batch::{self, Task};
use crate::context::Context;
use crate::exit::CliError;
use crate::input::{Source, TokenInput};

/// Show the contents of .flxt files: sizes, model, state, cut points
///
/// With --json, one object, or for several files one on a line of its own for each; docs/json.md lists
/// the keys. A failed input does not stop the others; the exit code is that of the first failure.
#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// .flxt files, or - for standard input
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,

    /// Print one JSON object for each file
    #[arg(long)]
    json: bool,

    /// Show the checksum-verified part of a damaged file
    #[arg(long)]
    salvage: bool,
}

#[derive(Debug, Serialize)]
struct Info {
    file: String,
    #[serde(flatten)]
    about: FileInfo,
}

const TASK: Task = Task {
    doing: "reading",
    done: "read",
};

pub(crate) fn run(args: &InfoArgs, context: &Context) -> Result<ExitCode, CliError> {
    let sources = batch::sources(&args.inputs)?;
    let single = sources.len() == 1;
    let mut first = true;
    Ok(batch::each(context, &TASK, sources, |source| {
        show(args, context, source, (single, std::mem::take(&mut first))).map(|()| 0)
    }))
}

/// Shows one file, on a line of JSON unless it is the single one, below an empty line unless it is the first.
fn show(
    args: &InfoArgs,
    context: &Context,
    source: &Source,
    (single, first): (bool, bool),
) -> Result<(), CliError> {
    let input = source.tokens_of(&context.limits, args.salvage.into())?;
    let info = Info::new(source.name(), &input);
    match (args.json, single) {
        (true, true) => context.print_json(&info)?,
        (true, false) => context.print_json_line(&info)?,
        (false, _) => {
            let gap = if first { "" } else { "\n" };
            context.print(&format!("{gap}{}", info.text()))?;
        }
    }
    if args.salvage
        && let Some(note) = input.shortfall(&source.name())
    {
        context.note(&note);
    }
    Ok(())
}

/// What is counted, and how much of it there is, the whole file has and checksums prove.
fn counts(payload: &PayloadInfo) -> (&'static str, u64, u64, u64) {
    match *payload {
        PayloadInfo::Ids {
            tokens_have: have,
            tokens_total: total,
            tokens_proven: proven,
            ..
        } => ("tokens", have, total, proven),
        PayloadInfo::Coded {
            bytes_have: have,
            bytes_total: total,
            bytes_proven: proven,
            ..
        } => ("payload", have, total, proven),
    }
}

/// What there is to say about one kind of payload.
fn lines(payload: &PayloadInfo, mut line: impl FnMut(&str, &str)) {
    match payload {
        PayloadInfo::Ids {
            canvas,
            grid: (columns, rows),
            canvases,
            codebook_size,
            ..
        } => {
            line("codebook", &format!("{codebook_size} ids"));
            let own = || "the model's own".to_owned();
            let size = |(columns, rows): &(u32, u32)| format!("{columns}x{rows} patches");
            line("canvas", &canvas.as_ref().map_or_else(own, size));
            if *canvases > 1 {
                line("grid", &format!("{columns}x{rows} canvases"));
            }
        }
        PayloadInfo::Coded {
            canvas: (width, height),
            canvas_is_own,
            ..
        } => {
            let how = match canvas_is_own {
                true => "the picture's own size in whole blocks",
                false => "the picture is resampled to it and back",
            };
            line("canvas", &format!("{width}x{height} pixels; {how}"));
        }
    }
}

impl Info {
    fn new(file: String, input: &TokenInput) -> Self {
        let mut about = FileInfo::new(&input.file, input.bytes);
        if input.fault.is_some() {
            about.state = "damaged";
        }
        Self { file, about }
    }

    fn text(&self) -> String {
        let (mut text, about) = (String::new(), &self.about);
        let mut line = |name: &str, value: &str| {
            // Writing to a string does not fail. Values may hold anything, so they are kept on their line.
            let _ = writeln!(text, "{name:<14} {}", crate::message::one_line(value));
        };
        line("file", &self.file);
        line("format", &format!("flextok {}", about.format_version));
        line(
            "picture",
            &format!("{}x{} pixels", about.width, about.height),
        );
        line("model", &about.model);
        lines(&about.payload, &mut line);
        line("state", about.state);
        let (counted, have, total, proven) = counts(&about.payload);
        let unit = if counted == "payload" { " bytes" } else { "" };
        line(
            counted,
            &format!("{have} of {total}{unit}, {proven} proven by checksums"),
        );
        // Truncated, not rounded: an incomplete file never shows 100%.
        let percent = |part: u64| {
            let tenths = part.saturating_mul(1000).checked_div(total).unwrap_or(0);
            format!("{}.{}%", tenths / 10, tenths % 10)
        };
        line(
            "present",
            &format!(
                "{} of what the header declares, {} proven",
                percent(have),
                percent(proven)
            ),
        );
        line(
            "bytes",
            &format!(
                "{} ({} bits per pixel)",
                about.bytes,
                significant(about.bits_per_pixel)
            ),
        );
        for (name, value) in texts(&about.metadata) {
            line(name, value);
        }
        if about.metadata.other_chunks > 0 {
            line("other chunks", &about.metadata.other_chunks.to_string());
        }
        self.write_cuts(&mut text);
        text
    }

    /// The cuts at powers of two and at the last token or byte.
    fn write_cuts(&self, text: &mut String) {
        let Some(last) = self.about.cuts.last() else {
            return;
        };
        if matches!(self.about.payload, PayloadInfo::Ids { canvases: 2.., .. }) {
            let _ = write!(text, "\nper canvas:");
        }
        let (counted, ..) = counts(&self.about.payload);
        let _ = writeln!(
            text,
            "\n{counted:>7}  {:>8}  {:>13}",
            "head -c", "truncate size"
        );
        let amount = |cut: &CutInfo| cut.tokens.map_or(cut.payload_bytes, u64::from);
        for cut in &self.about.cuts {
            let amount = amount(cut);
            if amount.is_power_of_two() || cut.payload_bytes == last.payload_bytes {
                let (prefix, complete) = (cut.prefix_bytes, cut.complete_bytes);
                let _ = writeln!(text, "{amount:>7}  {prefix:>8}  {complete:>13}");
            }
        }
    }
}

/// A positive number with four decimals, or as many more as its first four digits need.
fn significant(value: f64) -> String {
    let leading = if value > 0.0 {
        value.log10().floor()
    } else {
        0.0
    };
    let decimals = (3.0 - leading).clamp(4.0, 20.0) as usize;
    format!("{value:.decimals$}")
}

/// The texts that there are, with what they are called.
fn texts(metadata: &MetadataInfo) -> impl Iterator<Item = (&'static str, &str)> {
    [
        ("encoder", &metadata.encoder),
        ("title", &metadata.title),
        ("captured", &metadata.capture_time),
        ("colour profile", &metadata.color_profile),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value.as_deref()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_keep_their_digits() {
        for (value, text) in [
            (0.0183, "0.01830"),
            (12.5, "12.5000"),
            (0.000_001_234_5, "0.000001234"),
            (0.0, "0.0000"),
        ] {
            assert_eq!(significant(value), text);
        }
    }
}
