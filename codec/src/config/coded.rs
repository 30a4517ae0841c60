//! The config of a model with a coded payload: the fixed transform that its tables are for.

use std::collections::BTreeMap;

use flextok_plain::lot;
use serde::Serialize;

use super::error::ConfigError;
use super::fields::Fields;
use super::read::{NATIVE_KEY, parse};
use super::{Config, ModelConfig};
use crate::literal::{self, Value};

/// Bounds on a learned decoder, far beyond what is of use.
const MAX_WIDTH: usize = 4096;
const MAX_DEPTH: usize = 256;
const MAX_FREQUENCIES: usize = 1024;
const MAX_KNOTS: usize = 4096;

/// Config of a model with a coded payload. Its tables are tensors.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CodedConfig {
    /// Name of the model, where its config gives one.
    pub name: Option<String>,
    /// Side of a block in pixels.
    pub block: u32,
    /// Pixels on each side of a boundary of blocks that the transform mixes.
    pub overlap: u32,
    /// The learned decoder, where the model has one.
    pub decoder: Option<LearnedDecoderConfig>,
}

/// The sizes of a learned decoder, a convolutional network with blocks at a quarter and at an eighth of the resolution.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LearnedDecoderConfig {
    /// Channels at a quarter and at an eighth of the resolution.
    pub widths: [usize; 2],
    /// Blocks before the eighth, at it, and behind it.
    pub depths: [usize; 3],
    /// Channels of the embedding that modulates blocks.
    pub embedding: usize,
    /// Frequencies that the slope is embedded with.
    pub frequencies: usize,
    /// Slopes of the last layer begun, ÷ 100, that rise: the knots of `errors`.
    pub slopes: Vec<f32>,
    /// The usual root mean square of the plain picture's error at these slopes, in units of half the range of samples.
    pub errors: Vec<f32>,
}

impl Config {
    /// Name of the model, where its config gives one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Network(config) => config.name.as_deref(),
            Self::Coded(config) => config.name.as_deref(),
        }
    }

    /// Reads the config in a safetensors file's metadata; `None` if they hold none.
    ///
    /// # Errors
    /// [`ConfigError::NoNetworks`] for all but models with a coded payload in a build without networks; [`ConfigError`] naming the key and what is allowed there.
    pub fn from_metadata(metadata: &BTreeMap<String, String>) -> Result<Option<Self>, ConfigError> {
        if let Some(text) = metadata.get(NATIVE_KEY) {
            let value = parse("metadata.config", literal::parse_json, text)?;
            if is_coded(&value) {
                return read(&value).map(|config| Some(Self::Coded(config)));
            }
        }
        if !cfg!(feature = "networks") {
            return Err(ConfigError::NoNetworks);
        }
        let network = ModelConfig::from_metadata(metadata)?;
        Ok(network.map(|config| Self::Network(Box::new(config))))
    }

    /// Reads a `config.json`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the key and what is allowed there.
    pub fn from_json(text: &[u8]) -> Result<Self, ConfigError> {
        let json = |text| literal::utf8(text).and_then(literal::parse_json);
        let value = parse("config.json", json, text)?;
        if is_coded(&value) {
            return read(&value).map(Self::Coded);
        }
        if !cfg!(feature = "networks") {
            return Err(ConfigError::NoNetworks);
        }
        Ok(Self::Network(Box::new(ModelConfig::from_json(text)?)))
    }
}

fn is_coded(value: &Value) -> bool {
    matches!(value.get("kind"), Some(Value::Str(kind)) if kind == "lapped")
}

fn read(value: &Value) -> Result<CodedConfig, ConfigError> {
    let mut fields = Fields::new("", value)?;
    let name = fields.text_opt("name")?.map(str::to_owned);
    fields.size_is("block", lot::BLOCK, "the side of a block in pixels")?;
    fields.size_is("overlap", lot::LAP, "the pixels mixed at each side")?;
    fields.ignore(&["kind"])?;
    let decoder = match fields.get("decoder") {
        Some(value) => Some(read_decoder(value)?),
        None => None,
    };
    fields.finish()?;
    Ok(CodedConfig {
        name,
        block: lot::BLOCK as u32,
        overlap: lot::LAP as u32,
        decoder,
    })
}

fn read_decoder(value: &Value) -> Result<LearnedDecoderConfig, ConfigError> {
    let mut fields = Fields::new("decoder", value)?;
    let widths = array(fields.sizes("widths", 2..=2, 1..=MAX_WIDTH)?);
    let depths = array(fields.sizes("depths", 3..=3, 1..=MAX_DEPTH)?);
    let config = LearnedDecoderConfig {
        widths,
        depths,
        embedding: fields.size("embedding", 1..=MAX_WIDTH)?,
        frequencies: fields.size("frequencies", 2..=MAX_FREQUENCIES)?,
        slopes: fields.numbers("slopes", 2..=MAX_KNOTS)?,
        errors: fields.numbers("errors", 2..=MAX_KNOTS)?,
    };
    let rising = config.slopes.is_sorted_by(|a, b| a < b);
    if !rising || config.slopes.len() != config.errors.len() {
        let allowed = "slopes that rise, with an error for each";
        let slopes = value.get("slopes").unwrap_or(value);
        return Err(fields.refuse("slopes", slopes, allowed));
    }
    fields.finish()?;
    Ok(config)
}

/// A list whose length has been checked.
fn array<const N: usize>(list: Vec<usize>) -> [usize; N] {
    list.try_into().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_and_networks_are_distinguished() {
        let text = r#"{"name": "x", "kind": "lapped", "block": 32, "overlap": 16}"#;
        let coded = CodedConfig {
            name: Some("x".to_owned()),
            block: 32,
            overlap: 16,
            decoder: None,
        };
        let expected = Config::Coded(coded);
        assert_eq!(Config::from_json(text.as_bytes()), Ok(expected.clone()));
        let metadata = BTreeMap::from([(NATIVE_KEY.to_owned(), text.to_owned())]);
        assert_eq!(Config::from_metadata(&metadata), Ok(Some(expected)));
        for (from, to) in [("32", "16"), ("16}", "8}"), ("overlap", "lap")] {
            let refused = Config::from_json(text.replace(from, to).as_bytes());
            assert!(
                matches!(
                    refused,
                    Err(ConfigError::Value { .. } | ConfigError::Missing { .. })
                ),
                "{refused:?}"
            );
        }
        assert_eq!(Config::from_metadata(&BTreeMap::new()), Ok(None));
    }
}
