//! Properties of the config readers over arbitrary text.

use std::collections::BTreeMap;

use flextok::config::{Config, ConfigError, ModelConfig};
use flextok::literal::{self, LiteralError, MAX_BYTES, Value};

/// Both notations give values that print as Python literals of the same value, errors point into
/// the text, and a config that is accepted describes a network that fits its canvas.
pub fn text(data: &[u8]) {
    let config = Config::from_json(data);
    let network = ModelConfig::from_json(data).ok();
    assert_eq!(config.as_ref().ok().and_then(network_of), network.as_ref());
    accepted(config);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for parsed in [literal::parse_python(text), literal::parse_json(text)] {
        match parsed {
            Ok(value) => prints_the_same(&value),
            Err(LiteralError { offset, what, .. }) => {
                assert!(offset <= text.len(), "{offset}: {what}");
                crate::one_line(&what);
            }
        }
    }
    let Ok(value) = literal::parse(text) else {
        return;
    };
    // A text of texts is what a safetensors header holds.
    if let Some(metadata) = texts(&value) {
        match Config::from_metadata(&metadata) {
            Ok(Some(config)) => accepted(Ok(config)),
            Ok(None) => {}
            Err(error) => crate::one_line(&error),
        }
    }
}

fn prints_the_same(value: &Value) {
    let printed = value.to_string();
    if printed.len() <= MAX_BYTES {
        // Printed forms are compared because NaN is not equal to itself.
        let again = literal::parse_python(&printed).map(|value| value.to_string());
        assert_eq!(again.as_ref(), Ok(&printed));
    }
}

fn network_of(config: &Config) -> Option<&ModelConfig> {
    match config {
        Config::Network(config) => Some(config),
        _ => None,
    }
}

fn accepted(config: Result<Config, ConfigError>) {
    match config {
        Ok(Config::Network(config)) => possible(&config),
        Ok(Config::Coded(config)) => assert_eq!((config.block, config.overlap), (32, 16)),
        Ok(_) => unreachable!("there are two families"),
        Err(error) => crate::one_line(&error),
    }
}

fn possible(config: &ModelConfig) {
    assert!((2..=65_536).contains(&config.codebook_size()));
    assert!((1..=256).contains(&config.registers));
    let shape = config.latent_shape(config.canvas).expect("its own canvas");
    let [channels, rows, columns] = shape;
    assert!(channels > 0 && rows > 0 && columns > 0);
    for patch in [config.encoder.patch_size, config.decoder.patch_size] {
        assert_eq!((rows % patch, columns % patch), (0, 0));
    }
    assert!(config.check_canvas(config.max_canvas()).is_ok());
    for side in [&config.encoder.transformer, &config.decoder.transformer] {
        assert_eq!(side.width % side.head_dim, 0);
        assert!(side.depth > 0 && side.mlp_hidden > 0);
    }
}

fn texts(value: &Value) -> Option<BTreeMap<String, String>> {
    let Value::Dict(entries) = value else {
        return None;
    };
    entries
        .iter()
        .map(|(key, value)| match value {
            Value::Str(text) => Some((key.clone(), text.clone())),
            _ => None,
        })
        .collect()
}
