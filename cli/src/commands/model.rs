//! `flextok model`: config, parameters and fingerprint of the model.

use clap::Args;
use flextok::Size;
use flextok::config::Config;
use flextok::container::Fingerprint;
use flextok::weights::{Parameters, StoredType};
use serde::Serialize;

use crate::context::{Context, Model};
use crate::exit::CliError;
use crate::output;

/// Show the model: config, parameters, fingerprint
///
/// Reads the whole file to check that no weight is NaN or infinite.
///
/// With --json, one object; docs/json.md lists its keys.
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
    payload: &'static str,
    /// What files name the model by.
    model: String,
    fingerprint: String,
    bytes: usize,
    #[serde(flatten)]
    network: Option<Network>,
    parameters: Counts,
    stored_types: Vec<StoredType>,
    config: &'a Config,
}

/// What only models with token ids have.
#[derive(Debug, Serialize)]
struct Network {
    tokens: u32,
    codebook_size: u32,
    canvas: (u32, u32),
    canvas_multiple: u32,
    max_canvas: (u32, u32),
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
        let parts = weights.parameters();
        let network = codec.config().zip(codec.max_tokens());
        Self {
            source: &model.name,
            name: weights.config().name(),
            payload: if network.is_some() { "ids" } else { "coded" },
            model: codec.name().to_string(),
            fingerprint: Fingerprint(weights.fingerprint()).to_string(),
            bytes: weights.total_bytes(),
            network: network.map(|(config, tokens)| Network {
                tokens,
                codebook_size: config.codebook_size(),
                canvas: config.canvas.into(),
                canvas_multiple: config.canvas_multiple(),
                max_canvas: config.max_canvas().into(),
            }),
            parameters: Counts {
                parts,
                total: parts.total(),
            },
            stored_types: weights.stored_types(),
            config: weights.config(),
        }
    }

    fn text(&self) -> String {
        let parts = &self.parameters.parts;
        let stored = self.stored_types.iter().map(|stored| {
            format!(
                "{} ({} tensors, {} values)",
                stored.dtype, stored.tensors, stored.values
            )
        });
        let mut lines = vec![
            ("source", self.source.to_owned()),
            ("name", self.name.unwrap_or("-").to_owned()),
            ("payload", self.payload.to_owned()),
            ("named in files", self.model.clone()),
            ("fingerprint", self.fingerprint.clone()),
            ("bytes", self.bytes.to_string()),
        ];
        lines.extend(self.network.iter().flat_map(Network::lines));
        lines.extend([
            (
                "parameters",
                format!(
                    "{} (vae {}, encoder {}, decoder {}, other {})",
                    self.parameters.total, parts.vae, parts.encoder, parts.decoder, parts.other
                ),
            ),
            ("stored as", stored.collect::<Vec<_>>().join(", ")),
        ]);
        lines.extend(description(self.config));
        let line = |(name, value): (&str, String)| {
            format!("{name:<15} {}\n", crate::message::one_line(&value))
        };
        lines.into_iter().map(line).collect()
    }
}

impl Network {
    fn lines(&self) -> [(&'static str, String); 2] {
        let size = |(width, height)| Size::new(width, height);
        [
            (
                "tokens",
                format!("up to {} of {} ids", self.tokens, self.codebook_size),
            ),
            (
                "canvas",
                format!(
                    "{} pixels; up to {} in multiples of {}",
                    size(self.canvas),
                    size(self.max_canvas),
                    self.canvas_multiple
                ),
            ),
        ]
    }
}

/// Config of each part.
fn description(config: &Config) -> Vec<(&'static str, String)> {
    let transformer = |config: &flextok::config::TransformerConfig| {
        format!("{} blocks of width {}", config.depth, config.width)
    };
    match config {
        Config::Network(config) => vec![
            ("encoder", transformer(&config.encoder.transformer)),
            ("decoder", transformer(&config.decoder.transformer)),
            ("sampling", config.sampling.to_string()),
        ],
        Config::Coded(config) => {
            let transform = format!(
                "lapped, {0}x{0} blocks that overlap by {1} pixels a side",
                config.block, config.overlap
            );
            let learned = config.decoder.as_ref().map_or("none".to_owned(), |decoder| {
                let ([fine, coarse], [before, at, behind]) = (decoder.widths, decoder.depths);
                format!(
                    "convolutional, {before} + {behind} blocks of width {fine} and {at} of width {coarse}"
                )
            });
            vec![("transform", transform), ("learned decoder", learned)]
        }
        _ => Vec::new(),
    }
}
