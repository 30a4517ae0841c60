//! `flextok model`: config, parameters and fingerprint of the model.

use clap::Args;
use flextok::Size;
use flextok::config::ModelConfig;
use flextok::weights::{Parameters, StoredType};
use serde::Serialize;

use crate::context::{Context, Model};
use crate::exit::CliError;
use crate::output;

/// Show the model: config, parameters, fingerprint
///
/// Reads the whole file to check that no weight is NaN or infinite.
///
/// With --json, one object: source, name, fingerprint, bytes, tokens, codebook_size, canvas,
/// canvas_multiple and max_canvas (pixels), parameters (vae, encoder, decoder, other, total),
/// stored_types (dtype, tensors, values), config.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    source: &'a str,
    name: Option<&'a str>,
    fingerprint: String,
    bytes: usize,
    tokens: u16,
    codebook_size: u32,
    canvas: Size,
    canvas_multiple: u32,
    max_canvas: Size,
    parameters: Counts,
    stored_types: Vec<StoredType>,
    config: &'a ModelConfig,
}

#[derive(Debug, Serialize)]
struct Counts {
    #[serde(flatten)]
    parts: Parameters,
    total: u64,
}

pub(crate) fn run(args: &ModelArgs, context: &Context) -> Result<(), CliError> {
    let model = context.model_to_describe()?;
    let checked = model.codec.weights().check_values();
    checked.map_err(|error| model.error(&model.name, error.into()))?;
    let report = Report::new(&model);
    if args.json {
        output::print_json(&report)
    } else {
        output::print(&report.text())
    }
}

impl<'a> Report<'a> {
    fn new(model: &'a Model) -> Self {
        let (codec, weights) = (&model.codec, model.codec.weights());
        let (config, parts) = (codec.config(), weights.parameters());
        Self {
            source: &model.name,
            name: config.name.as_deref(),
            fingerprint: codec.fingerprint().to_string(),
            bytes: weights.total_bytes(),
            tokens: codec.max_tokens(),
            codebook_size: config.codebook_size(),
            canvas: config.canvas,
            canvas_multiple: config.canvas_multiple(),
            max_canvas: config.max_canvas(),
            parameters: Counts {
                parts,
                total: parts.total(),
            },
            stored_types: weights.stored_types(),
            config,
        }
    }

    fn text(&self) -> String {
        let parts = &self.parameters.parts;
        let transformer = |config: &flextok::config::TransformerConfig| {
            format!("{} blocks of width {}", config.depth, config.width)
        };
        let stored = self.stored_types.iter().map(|stored| {
            format!(
                "{} ({} tensors, {} values)",
                stored.dtype, stored.tensors, stored.values
            )
        });
        let lines = [
            ("source", self.source.to_owned()),
            ("name", self.name.unwrap_or("-").to_owned()),
            ("fingerprint", self.fingerprint.clone()),
            ("bytes", self.bytes.to_string()),
            (
                "tokens",
                format!("up to {} of {} ids", self.tokens, self.codebook_size),
            ),
            (
                "canvas",
                format!(
                    "{} pixels; up to {} in multiples of {}",
                    self.canvas, self.max_canvas, self.canvas_multiple
                ),
            ),
            (
                "parameters",
                format!(
                    "{} (vae {}, encoder {}, decoder {}, other {})",
                    self.parameters.total, parts.vae, parts.encoder, parts.decoder, parts.other
                ),
            ),
            ("stored as", stored.collect::<Vec<_>>().join(", ")),
            ("encoder", transformer(&self.config.encoder.transformer)),
            ("decoder", transformer(&self.config.decoder.transformer)),
            ("sampling", self.config.sampling.to_string()),
        ];
        let line = |(name, value): (&str, String)| {
            format!("{name:<12} {}\n", crate::message::one_line(&value))
        };
        lines.into_iter().map(line).collect()
    }
}
