//! `flextok info`: the contents of a token file. No model is needed or opened.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flextok::ModelName;
use flextok::container::{
    BLOCK, CanvasGrid, CodedCanvas, CutOffset, Metadata, Payload, TokenFile, VERSION,
};
use serde::Serialize;

use crate::batch::{self, Task};
use crate::context::Context;
use crate::exit::CliError;
use crate::input::{self, Source, TokenInput};

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
    format_version: u8,
    width: u32,
    height: u32,
    model: String,
    #[serde(flatten)]
    payload: PayloadInfo,
    state: &'static str,
    declared_fraction: f64,
    proven_fraction: f64,
    bytes: u64,
    bits_per_pixel: f64,
    metadata: MetadataInfo,
    cuts: Vec<Cut>,
}

/// Fields of the payload, by its kind.
#[derive(Debug, Serialize)]
#[serde(tag = "payload", rename_all = "snake_case")]
enum PayloadInfo {
    Ids {
        /// Columns and rows of patches; the model's own if absent.
        canvas: Option<(u32, u32)>,
        grid: (u32, u32),
        canvases: u64,
        codebook_size: u32,
        tokens_per_canvas: u32,
        tokens_have: u64,
        tokens_total: u64,
        tokens_proven: u64,
    },
    Coded {
        /// Width and height in pixels, before the decoder restores the picture's size.
        canvas: (u32, u32),
        /// Whether the canvas is the picture in its own size.
        canvas_is_own: bool,
        bytes_have: u64,
        bytes_total: u64,
        bytes_proven: u64,
    },
}

#[derive(Debug, Serialize)]
struct MetadataInfo {
    encoder: Option<String>,
    title: Option<String>,
    capture_time: Option<String>,
    color_profile: Option<String>,
    other_chunks: usize,
}

#[derive(Debug, Serialize)]
struct Cut {
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<u32>,
    payload_bytes: u64,
    prefix_bytes: u64,
    complete_bytes: u64,
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

impl PayloadInfo {
    fn new(file: &TokenFile) -> Self {
        let header = file.header();
        let count = |payload| input::count(header, payload);
        let have = count(file.payload().len() as u64);
        let (total, proven) = (count(header.payload_bytes()), count(file.proven_bytes()));
        match header.payload() {
            Payload::Ids(ids) => Self::Ids {
                canvas: ids.canvas.map(|grid| (grid.columns, grid.rows)),
                grid: (ids.grid.columns, ids.grid.rows),
                canvases: ids.canvases(),
                codebook_size: ids.codebook_size,
                tokens_per_canvas: ids.tokens,
                tokens_have: have,
                tokens_total: total,
                tokens_proven: proven,
            },
            Payload::Coded(coded) => {
                let blocks = header.blocks().unwrap_or(CanvasGrid::SINGLE);
                Self::Coded {
                    canvas: (blocks.columns * BLOCK, blocks.rows * BLOCK),
                    canvas_is_own: coded.canvas == CodedCanvas::Own,
                    bytes_have: have,
                    bytes_total: total,
                    bytes_proven: proven,
                }
            }
        }
    }

    /// What is counted, and how much of it there is, the whole file has and checksums prove.
    fn counts(&self) -> (&'static str, u64, u64, u64) {
        match *self {
            Self::Ids {
                tokens_have: have,
                tokens_total: total,
                tokens_proven: proven,
                ..
            } => ("tokens", have, total, proven),
            Self::Coded {
                bytes_have: have,
                bytes_total: total,
                bytes_proven: proven,
                ..
            } => ("payload", have, total, proven),
        }
    }

    fn lines(&self, mut line: impl FnMut(&str, &str)) {
        match self {
            Self::Ids {
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
            Self::Coded {
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
}

impl Info {
    fn new(file: String, input: &TokenInput) -> Self {
        let header = input.file.header();
        let cut = |cut: CutOffset| Cut {
            tokens: cut.tokens,
            payload_bytes: cut.payload,
            prefix_bytes: cut.prefix_bytes,
            complete_bytes: cut.complete_bytes,
        };
        Self {
            file,
            format_version: VERSION,
            width: header.size().width,
            height: header.size().height,
            model: ModelName::of(header).to_string(),
            payload: PayloadInfo::new(&input.file),
            state: if input.fault.is_some() {
                "damaged"
            } else if input.file.is_complete() {
                "complete"
            } else {
                "truncated"
            },
            declared_fraction: input.file.declared_fraction(),
            proven_fraction: input.file.proven_fraction(),
            bytes: input.bytes,
            bits_per_pixel: input.bytes as f64 * 8.0 / header.size().area() as f64,
            metadata: MetadataInfo::new(input.file.metadata()),
            cuts: input.file.cut_offsets().map(cut).collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            // Writing to a string does not fail. Values may hold anything, so they are kept on their line.
            let _ = writeln!(text, "{name:<14} {}", crate::message::one_line(value));
        };
        line("file", &self.file);
        line("format", &format!("flextok {}", self.format_version));
        line("picture", &format!("{}x{} pixels", self.width, self.height));
        line("model", &self.model);
        self.payload.lines(&mut line);
        line("state", self.state);
        let (counted, have, total, proven) = self.payload.counts();
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
                self.bytes,
                significant(self.bits_per_pixel)
            ),
        );
        for (name, value) in self.metadata.texts() {
            line(name, value);
        }
        if self.metadata.other_chunks > 0 {
            line("other chunks", &self.metadata.other_chunks.to_string());
        }
        self.write_cuts(&mut text);
        text
    }

    /// The cuts at powers of two and at the last token or byte.
    fn write_cuts(&self, text: &mut String) {
        let Some(last) = self.cuts.last() else { return };
        if matches!(self.payload, PayloadInfo::Ids { canvases: 2.., .. }) {
            let _ = write!(text, "\nper canvas:");
        }
        let (counted, ..) = self.payload.counts();
        let _ = writeln!(
            text,
            "\n{counted:>7}  {:>8}  {:>13}",
            "head -c", "truncate size"
        );
        let amount = |cut: &Cut| cut.tokens.map_or(cut.payload_bytes, u64::from);
        for cut in &self.cuts {
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

impl MetadataInfo {
    fn new(metadata: &Metadata) -> Self {
        Self {
            encoder: metadata.encoder.clone(),
            title: metadata.title.clone(),
            capture_time: metadata.capture_time.clone(),
            color_profile: metadata.color_profile.clone(),
            other_chunks: metadata.other.len(),
        }
    }

    fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("encoder", &self.encoder),
            ("title", &self.title),
            ("captured", &self.capture_time),
            ("colour profile", &self.color_profile),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
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
