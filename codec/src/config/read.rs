//! Finds out which stored form a config has, and checks what both forms have in common.

use std::collections::BTreeMap;

use flextok_compute::Quantizer;

use super::error::ConfigError;
use super::fields::Fields;
use super::{ModelConfig, TransformerConfig, native, published};
use crate::literal::{self, LiteralError, Value};

/// Most transformer blocks of one side.
pub(super) const MAX_DEPTH: usize = 256;
/// Widest residual stream, and largest embedding of the time.
pub(super) const MAX_WIDTH: usize = 16_384;
/// Widest hidden layer of an MLP.
const MAX_HIDDEN: usize = 131_072;
/// Most registers, which is the most tokens that a file holds per canvas.
pub(super) const MAX_REGISTERS: usize = 256;
/// Most channels of the latents.
pub(super) const MAX_CHANNELS: usize = 1024;
/// Largest side of a patch in latents.
pub(super) const MAX_PATCH: usize = 64;
/// Most numbers in one patch.
const MAX_PATCH_DIM: usize = 65_536;
/// Largest side of a position table.
pub(super) const MAX_TABLE: usize = 4096;
/// Largest codebook: tokens have 16 bits.
const MAX_CODEBOOK: usize = 65_536;
/// Most channels of the quantiser.
const MAX_LEVELS: usize = 16;
/// Epsilon of every layer norm of the published layout, which its config does not name.
pub(super) const PUBLISHED_EPS: f32 = 1e-5;

/// The metadata key that the embedded form is stored under.
pub(super) const NATIVE_KEY: &str = "config";

impl ModelConfig {
    /// Reads the config in a safetensors file's metadata: the published layout's seven keys, each a Python literal or
    /// JSON, or the embedded form as JSON under the key `config`. Gives `None` if the metadata hold neither.
    ///
    /// # Errors
    /// [`ConfigError`] naming the key and what is allowed there.
    pub fn from_metadata(metadata: &BTreeMap<String, String>) -> Result<Option<Self>, ConfigError> {
        if let Some(text) = metadata.get(NATIVE_KEY) {
            let value = parse("metadata.config", literal::parse_json, text)?;
            return from_value(&value).map(Some);
        }
        published::from_metadata(metadata)
    }

    /// Reads a `config.json`: the config of the published layout, as such or under the key `config`, or the embedded
    /// form.
    ///
    /// # Errors
    /// [`ConfigError`] naming the key and what is allowed there.
    pub fn from_json(text: &[u8]) -> Result<Self, ConfigError> {
        let name = "config.json";
        let read = |text| literal::utf8(text).and_then(literal::parse_json);
        let value = parse(name, read, text)?;
        let inner = match &value {
            Value::Dict(entries) => wrapped(entries)?.unwrap_or(&value),
            _ => &value,
        };
        from_value(inner)
    }
}

/// Keys that model hubs write next to a wrapped config; they do not describe the network.
const BOOKKEEPING: [&str; 11] = [
    "_class_name",
    "_diffusers_version",
    "_name_or_path",
    "architectures",
    "dtype",
    "library_name",
    "license",
    "model_type",
    "tags",
    "torch_dtype",
    "transformers_version",
];

/// The config under the key `config`, if the only other keys are a hub's bookkeeping.
fn wrapped(entries: &[(String, Value)]) -> Result<Option<&Value>, ConfigError> {
    let inner = entries.iter().find(|(key, _)| key == "config");
    let Some((_, inner @ Value::Dict(_))) = inner else {
        return Ok(None);
    };
    let mut others = entries.iter().filter(|(key, _)| key != "config");
    match others.find(|(key, _)| !BOOKKEEPING.contains(&key.as_str())) {
        Some((key, _)) => Err(ConfigError::UnknownKey {
            path: key.clone(),
            allowed: format!("config, {}", BOOKKEEPING.join(", ")),
        }),
        None => Ok(Some(inner)),
    }
}

/// Parses `text`; errors call it `name`.
pub(super) fn parse<'a, T: ?Sized>(
    name: &str,
    parser: impl Fn(&'a T) -> Result<Value, LiteralError>,
    text: &'a T,
) -> Result<Value, ConfigError> {
    parser(text).map_err(|source| ConfigError::Syntax {
        name: name.to_owned(),
        source,
    })
}

/// Only the published layout has parts of these names.
fn from_value(value: &Value) -> Result<ModelConfig, ConfigError> {
    let published = ["_target_", "regularizer", "pipeline"];
    if published.iter().any(|key| value.get(key).is_some()) {
        published::from_value(value)
    } else {
        native::from_value(value)
    }
}

/// Width of the gated MLP's hidden layer, `int(2·int(mlp_ratio·D)/3)`; `None` if out of range.
pub(super) fn mlp_hidden(mlp_ratio: f32, width: usize) -> Option<usize> {
    // Python multiplies in f64; the ratio may have been a decimal fraction, so its shortest decimal form is used.
    let ratio: f64 = mlp_ratio.to_string().parse().ok()?;
    let product = ratio * width as f64;
    if !(0.0..=(MAX_HIDDEN as f64) * 2.0).contains(&product) {
        return None;
    }
    // A gated MLP has three matrices; two thirds of the hidden width give the parameters of one with two.
    let hidden = (product as usize).checked_mul(2)?.checked_div(3)?;
    (1..=MAX_HIDDEN).contains(&hidden).then_some(hidden)
}

/// Reads what is optional about a transformer's blocks in both forms.
pub(super) fn transformer(
    fields: &mut Fields<'_>,
    width: usize,
) -> Result<TransformerConfig, ConfigError> {
    let depth = fields.size("depth", 1..=MAX_DEPTH)?;
    let head_dim = fields.size_opt("head_dim", 1..=MAX_WIDTH)?.unwrap_or(64);
    if width.checked_rem(head_dim) != Some(0) {
        let found = Value::Int(i64::try_from(head_dim).unwrap_or(i64::MAX));
        return Err(fields.refuse(
            "head_dim",
            &found,
            format!("a divisor of the width {width}"),
        ));
    }
    let mlp_ratio = fields.number_opt("mlp_ratio", 0.0, 64.0)?.unwrap_or(4.0);
    let mlp_hidden = mlp_hidden(mlp_ratio, width).ok_or_else(|| {
        let found = Value::Float(f64::from(mlp_ratio));
        let allowed = format!("ratios that give 1 to {MAX_HIDDEN} hidden channels");
        fields.refuse("mlp_ratio", &found, allowed)
    })?;
    Ok(TransformerConfig {
        width,
        depth,
        head_dim,
        mlp_hidden,
        qk_norm: fields.flag_or("qk_norm", true)?,
        qkv_bias: fields.flag_or("qkv_bias", false)?,
        proj_bias: fields.flag_or("proj_bias", false)?,
        mlp_bias: fields.flag_or("mlp_bias", false)?,
    })
}

/// Reads the levels of an FSQ.
pub(super) fn fsq(fields: &mut Fields<'_>, key: &'static str) -> Result<Quantizer, ConfigError> {
    let levels = fields.sizes(key, 1..=MAX_LEVELS, 2..=MAX_CODEBOOK)?;
    let product = levels
        .iter()
        .try_fold(1_usize, |product, &level| product.checked_mul(level));
    if product.is_none_or(|product| product > MAX_CODEBOOK) {
        let found = fields.get(key).unwrap_or(&Value::None);
        let allowed = format!("levels with a product of at most {MAX_CODEBOOK}");
        return Err(fields.refuse(key, found, allowed));
    }
    Ok(Quantizer::Fsq {
        levels: levels
            .into_iter()
            .map(|level| u32::try_from(level).unwrap_or(u32::MAX))
            .collect(),
    })
}

/// Reads the size of the time embedding, which is half cosines and half sines.
pub(super) fn frequency_embedding_size(fields: &mut Fields<'_>) -> Result<usize, ConfigError> {
    let key = "frequency_embedding_size";
    let size = fields.size_opt(key, 2..=MAX_WIDTH)?.unwrap_or(256);
    if size.checked_rem(2) != Some(0) {
        let found = fields.get(key).unwrap_or(&Value::None);
        return Err(fields.refuse(key, found, "an even number"));
    }
    Ok(size)
}

/// Checks what only shows when all parts of a config are together.
pub(super) fn check(config: ModelConfig) -> Result<ModelConfig, ConfigError> {
    let refuse = |path: &str, found: String, allowed: String| {
        Err(ConfigError::Value {
            path: path.to_owned(),
            found,
            allowed,
        })
    };
    let channels = config.vae.latent_channels();
    for (side, patch) in [
        ("encoder", config.encoder.patch_size),
        ("decoder", config.decoder.patch_size),
    ] {
        let numbers = patch.saturating_mul(patch).saturating_mul(channels);
        if numbers > MAX_PATCH_DIM {
            let found = format!("{patch} latents of {channels} channels");
            let allowed = format!("at most {MAX_PATCH_DIM} numbers in a patch");
            return refuse(&format!("{side} patch size"), found, allowed);
        }
    }
    match config.check_canvas(config.canvas) {
        Ok(()) => Ok(config),
        Err(error) => refuse("canvas", config.canvas.to_string(), error.to_string()),
    }
}
