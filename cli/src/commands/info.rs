//! `flextok info`: the contents of a token file. No model is needed or opened.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use flextok::container::{CutOffset, Metadata};
use serde::Serialize;

use crate::context::Context;
use crate::exit::CliError;
use crate::input::{Source, TokenInput};
use crate::output;

/// Show the contents of a .flxt file: sizes, model, state, cut points
///
/// With --json, one object: file, format_version, width, height, canvas (columns and rows of
/// patches, or null for the model's own), grid (columns and rows of canvases), canvases,
/// codebook_size, model (fingerprint), state ("complete" or "truncated"), tokens_per_canvas,
/// tokens_have, tokens_total, tokens_proven, declared_fraction (tokens_have of tokens_total: how
/// much of the written file is present, not how faithful the picture is), proven_fraction
/// (tokens_proven of tokens_total), bytes, bits_per_pixel, metadata (encoder, title,
/// capture_time, color_profile: text or null; other_chunks: a number), cuts (tokens per canvas,
/// prefix_bytes to keep with `head -c`, complete_bytes after `flextok truncate`).
#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// Token file, or - for standard input
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Info {
    file: String,
    format_version: String,
    width: u32,
    height: u32,
    canvas: Option<(u16, u16)>,
    grid: (u32, u32),
    canvases: u64,
    codebook_size: u32,
    model: String,
    state: &'static str,
    tokens_per_canvas: u16,
    tokens_have: u64,
    tokens_total: u64,
    tokens_proven: u64,
    declared_fraction: f64,
    proven_fraction: f64,
    bytes: u64,
    bits_per_pixel: f64,
    metadata: MetadataInfo,
    cuts: Vec<Cut>,
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
    tokens: u16,
    prefix_bytes: u64,
    complete_bytes: u64,
}

pub(crate) fn run(args: &InfoArgs, context: &Context) -> Result<(), CliError> {
    let source = Source::new(&args.input);
    let input = source.tokens(&context.limits)?;
    let info = Info::new(source.name(), &input);
    if !args.json {
        return output::print(&info.text());
    }
    output::print_json(&info)
}

impl Info {
    fn new(file: String, input: &TokenInput) -> Self {
        let header = input.file.header();
        let (major, minor) = header.version();
        let pixels = u64::from(header.width()) * u64::from(header.height());
        let cut = |cut: CutOffset| Cut {
            tokens: cut.tokens,
            prefix_bytes: cut.prefix_bytes,
            complete_bytes: cut.complete_bytes,
        };
        Self {
            file,
            format_version: format!("{major}.{minor}"),
            width: header.width(),
            height: header.height(),
            canvas: header.canvas(),
            grid: header.grid(),
            canvases: header.canvases(),
            codebook_size: header.codebook_size(),
            model: header.fingerprint().to_string(),
            state: if input.file.is_complete() {
                "complete"
            } else {
                "truncated"
            },
            tokens_per_canvas: header.tokens(),
            tokens_have: input.file.ids().len() as u64,
            tokens_total: header.total_tokens(),
            tokens_proven: header.canvases() * u64::from(input.file.proven_layers()),
            declared_fraction: input.file.declared_fraction(),
            proven_fraction: input.file.proven_fraction(),
            bytes: input.bytes,
            bits_per_pixel: input.bytes as f64 * 8.0 / pixels as f64,
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
        line("codebook", &format!("{} ids", self.codebook_size));
        line(
            "canvas",
            &match self.canvas {
                Some((columns, rows)) => format!("{columns}x{rows} patches"),
                None => "the model's own".to_owned(),
            },
        );
        if self.canvases > 1 {
            line("grid", &format!("{}x{} canvases", self.grid.0, self.grid.1));
        }
        line("state", self.state);
        let (have, total, proven) = (self.tokens_have, self.tokens_total, self.tokens_proven);
        line(
            "tokens",
            &format!("{have} of {total}, {proven} proven by checksums"),
        );
        // Truncated, not rounded: an incomplete file never shows 100%.
        let percent = |tokens: u64| {
            let tenths = tokens.saturating_mul(1000).checked_div(total).unwrap_or(0);
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

    /// The cuts at powers of two and at the last token.
    fn write_cuts(&self, text: &mut String) {
        let Some(last) = self.cuts.last() else { return };
        if self.canvases > 1 {
            let _ = write!(text, "\nper canvas:");
        }
        let _ = writeln!(
            text,
            "\n{:>6}  {:>8}  {:>13}",
            "tokens", "head -c", "truncate size"
        );
        for cut in &self.cuts {
            if cut.tokens.is_power_of_two() || cut.tokens == last.tokens {
                let Cut {
                    tokens,
                    prefix_bytes,
                    complete_bytes,
                } = cut;
                let _ = writeln!(text, "{tokens:>6}  {prefix_bytes:>8}  {complete_bytes:>13}");
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
