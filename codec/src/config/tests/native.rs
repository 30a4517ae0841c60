//! The embedded form.

use std::collections::BTreeMap;

use flextok_compute::Quantizer;

use super::{json_text, paths, remove, set};
use crate::config::*;
use crate::literal::{Value, parse_json, parse_python};

const EMBEDDED: &str = include_str!("../../../tests/data/config/embedded.json");

fn embedded() -> Value {
    parse_json(EMBEDDED).unwrap()
}

fn read(value: &Value) -> Result<ModelConfig, ConfigError> {
    ModelConfig::from_json(json_text(value).as_bytes())
}

#[test]
fn reads_the_embedded_model() {
    let metadata = BTreeMap::from([
        ("config".to_owned(), EMBEDDED.to_owned()),
        ("format".to_owned(), "flextok".to_owned()),
    ]);
    let config = ModelConfig::from_metadata(&metadata).unwrap().unwrap();
    let transformer = |depth| TransformerConfig {
        width: 192,
        depth,
        head_dim: 64,
        mlp_hidden: 512,
        qk_norm: true,
        qkv_bias: false,
        proj_bias: false,
        mlp_bias: false,
    };
    let table = |kind, max_sizes: &[usize]| PositionConfig {
        kind,
        max_sizes: max_sizes.to_vec(),
        scaling: PositionScaling::Crop,
    };
    let expected = ModelConfig {
        name: Some("nano".to_owned()),
        vae: VaeConfig::Lapped(LappedConfig {
            channels: 16,
            kernel: 16,
            stride: 8,
            pad: 4,
            scaling_factor: 1.0,
        }),
        encoder: EncoderConfig {
            transformer: transformer(5),
            patch_size: 4,
            positions: table(PositionKind::Full, &[8, 8]),
            mask: MaskMode::CausalLast,
        },
        decoder: DecoderConfig {
            transformer: transformer(8),
            patch_size: 4,
            patch_positions: table(PositionKind::Full, &[8, 8]),
            register_positions: table(PositionKind::SeparableSum, &[256]),
            adaln_expansion: 1,
            time: TimeConfig {
                max_timestep: 1.0,
                frequency_embedding_size: 256,
            },
            dropped: DroppedRegisters::Omit,
            unconditional: Unconditional::LearnedSingle,
            prediction: Prediction::CleanLatents,
            input_scale: InputScale::OneMinusT,
        },
        registers: 256,
        quantizer: Quantizer::fsq(&[8, 8, 8, 5, 5, 5]),
        layer_norm_eps: 1e-6,
        canvas: crate::Size::new(256, 256),
        sampling: SamplingDefaults {
            steps: 1,
            guidance: 1.0,
            apg: false,
        },
    };
    assert_eq!(config, expected);
    assert_eq!(read(&embedded()).unwrap(), expected);
}

#[test]
fn reads_an_autoencoder_kl_and_the_other_words() {
    let mut value = embedded();
    let vae = "{'kind': 'autoencoder_kl', 'latent_channels': 16, 'scaling_factor': 0.5}";
    set(&mut value, "vae", parse_python(vae).unwrap());
    let word = |text: &str| Value::Str(text.to_owned());
    set(&mut value, "encoder.mask", word("full"));
    set(&mut value, "decoder.prediction", word("velocity"));
    set(&mut value, "decoder.input_scale", word("one"));
    set(&mut value, "decoder.dropped_registers", word("mask_token"));
    set(&mut value, "decoder.unconditional", word("zero_tokens"));
    remove(&mut value, "sampling");
    remove(&mut value, "name");
    let config = read(&value).unwrap();
    let expected = AutoencoderKlConfig {
        latent_channels: 16,
        scaling_factor: 0.5,
        sample_posterior: false,
    };
    assert_eq!(config.vae, VaeConfig::AutoencoderKl(expected));
    assert_eq!(config.encoder.mask, MaskMode::Full);
    assert_eq!(config.decoder.prediction, Prediction::Velocity);
    assert_eq!(config.decoder.input_scale, InputScale::One);
    assert_eq!(config.decoder.dropped, DroppedRegisters::MaskToken);
    assert_eq!(config.decoder.unconditional, Unconditional::ZeroAll);
    assert_eq!(
        config.sampling,
        SamplingDefaults {
            steps: 25,
            guidance: 7.5,
            apg: true
        }
    );
    assert_eq!(config.name, None);
}

#[test]
fn names_the_place_of_every_bad_value_and_unknown_key() {
    let nonsense = parse_python("{'surprise': [{}]}").unwrap();
    for path in paths(&embedded()) {
        let mut value = embedded();
        set(&mut value, &path, nonsense.clone());
        let error = read(&value).unwrap_err().to_string();
        assert!(error.contains(&path), "{path}: {error}");

        let mut value = embedded();
        set(&mut value, &format!("{path}_2"), Value::Int(1));
        let error = read(&value).unwrap_err();
        let expected = format!("{path}_2");
        let named = matches!(&error, ConfigError::UnknownKey { path, .. } if *path == expected);
        assert!(named, "{path}: {error}");
    }
}

#[test]
fn refuses_values_out_of_range() {
    let cases = [
        ("vae.kernel", "17", "16 (stride plus two pads)"),
        ("vae.pad", "8", "0 to 7"),
        ("vae.padding", "'zeros'", "'reflect'"),
        ("vae.scaling_factor", "0", "greater than 0"),
        ("vae.scaling_factor", "None", "greater than 0"),
        ("latent_grid", "30", "a multiple of the patch size 4"),
        ("latent_grid", "1048576", "1 to 4096"),
        ("image_size", "512", "256"),
        ("encoder.head_dim", "60", "a divisor of the width 192"),
        ("encoder.depth", "257", "1 to 256"),
        ("decoder.width", "16385", "1 to 16384"),
        ("decoder.mlp_ratio", "65", "at most 64"),
        ("decoder.adaln_expansion", "3", "1 to 2"),
        ("decoder.frequency_embedding_size", "255", "an even number"),
        ("decoder.max_timestep", "-1.0", "greater than 0"),
        ("registers", "257", "1 to 256"),
        ("fsq_levels", "[8, 1]", "2 to"),
        ("fsq_levels", "[256, 257]", "a product of at most 65536"),
        ("fsq_levels", "[]", "1 to 16 numbers"),
        ("layer_norm_eps", "0.0", "greater than 0"),
        ("sampling.steps", "0", "1 to"),
        ("sampling.apg", "1", "True or False"),
    ];
    for (path, text, allowed) in cases {
        let mut value = embedded();
        set(&mut value, path, parse_python(text).unwrap());
        let error = read(&value).unwrap_err().to_string();
        assert!(
            error.contains(path) && error.contains(allowed),
            "{path}: {error}"
        );
    }
}

#[test]
fn prints_as_json() {
    let json = serde_json::to_value(read(&embedded()).unwrap()).unwrap();
    assert_eq!(json["vae"]["kind"], "lapped");
    assert_eq!(json["decoder"]["prediction"], "clean_latents");
    assert_eq!(json["decoder"]["transformer"]["mlp_hidden"], 512);
    assert_eq!(json["canvas"], serde_json::json!([256, 256]));
}
