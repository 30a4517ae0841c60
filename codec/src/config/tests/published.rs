//! The published layout.

use std::collections::BTreeMap;

use flextok_compute::Quantizer;

use super::{at, json_text, paths, remove, set};
use crate::config::*;
use crate::literal::{Value, parse_json, parse_python};

const METADATA: &str = include_str!("../../../tests/data/config/published_metadata.json");

fn metadata() -> BTreeMap<String, String> {
    serde_json::from_str(METADATA).unwrap()
}

/// The small published checkpoint's config as one dictionary.
pub(super) fn tiny() -> Value {
    let entry = |(key, text): (String, String)| match key.as_str() {
        "_target_" => (key, Value::Str(text)),
        _ => (key, parse_python(&text).unwrap()),
    };
    Value::Dict(metadata().into_iter().map(entry).collect())
}

fn read(value: &Value) -> Result<ModelConfig, ConfigError> {
    ModelConfig::from_json(json_text(value).as_bytes())
}

/// The config with some values replaced, read from metadata of Python literals.
fn changed(changes: &[(&str, &str)]) -> Result<ModelConfig, ConfigError> {
    let mut value = tiny();
    for (path, text) in changes {
        set(&mut value, path, parse_python(text).unwrap());
    }
    let Value::Dict(entries) = value else {
        panic!("not a dictionary")
    };
    let text = |(key, value): (String, Value)| match value {
        Value::Str(text) => (key, text),
        other => (key, other.to_string()),
    };
    ModelConfig::from_metadata(&entries.into_iter().map(text).collect()).map(Option::unwrap)
}

/// Spells out `enc.` and `dec.` at the start of a path.
fn full(path: &str) -> String {
    match path.split_once('.') {
        Some(("enc", rest)) => format!("encoder.module_dict.enc_{rest}"),
        Some(("dec", rest)) => format!("decoder.module_dict.dec_{rest}"),
        _ => path.to_owned(),
    }
}

#[test]
fn reads_the_small_checkpoint() {
    let config = ModelConfig::from_metadata(&metadata()).unwrap().unwrap();
    let transformer = |depth| TransformerConfig {
        width: 128,
        depth,
        head_dim: 64,
        mlp_hidden: 341,
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
        name: None,
        vae: VaeConfig::AutoencoderKl(AutoencoderKlConfig {
            latent_channels: 16,
            scaling_factor: 0.6,
            sample_posterior: false,
        }),
        encoder: EncoderConfig {
            transformer: transformer(2),
            patch_size: 2,
            positions: table(PositionKind::Full, &[16, 16]),
            mask: MaskMode::CausalLast,
        },
        decoder: DecoderConfig {
            transformer: transformer(3),
            patch_size: 2,
            patch_positions: table(PositionKind::Full, &[16, 16]),
            register_positions: table(PositionKind::SeparableSum, &[256]),
            adaln_expansion: 2,
            time: TimeConfig {
                max_timestep: 1000.0,
                frequency_embedding_size: 256,
            },
            dropped: DroppedRegisters::MaskToken,
            unconditional: Unconditional::LearnedAll,
            prediction: Prediction::Velocity,
            input_scale: InputScale::One,
        },
        registers: 256,
        quantizer: Quantizer::fsq(&[8, 8, 8, 5, 5, 5]),
        layer_norm_eps: 1e-5,
        canvas: crate::Size::new(256, 256),
        sampling: SamplingDefaults {
            steps: 25,
            guidance: 7.5,
            apg: true,
        },
    };
    assert_eq!(config, expected);
    assert_eq!(config.codebook_size(), 64_000);
}

#[test]
fn all_notations_give_the_same_config() {
    let expected = ModelConfig::from_metadata(&metadata()).unwrap().unwrap();
    let json: BTreeMap<String, String> = metadata()
        .into_keys()
        .map(|key| {
            let text = json_text(at(&mut tiny(), &key));
            (key, text)
        })
        .collect();
    assert_eq!(
        ModelConfig::from_metadata(&json).unwrap().unwrap(),
        expected
    );
    assert_eq!(read(&tiny()).unwrap(), expected);
    assert_eq!(
        read(&Value::Dict(vec![("config".to_owned(), tiny())])).unwrap(),
        expected
    );
    assert_eq!(
        parse_python(&tiny().to_string()).unwrap(),
        parse_json(&json_text(&tiny())).unwrap()
    );
}

#[test]
fn metadata_without_a_config_are_no_config() {
    let format = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    assert_eq!(ModelConfig::from_metadata(&format).unwrap(), None);
    assert_eq!(ModelConfig::from_metadata(&BTreeMap::new()).unwrap(), None);
    let mut with_format = metadata();
    with_format.extend(format);
    assert!(ModelConfig::from_metadata(&with_format).unwrap().is_some());
}

#[test]
fn names_the_metadata_key_of_a_syntax_error_and_of_a_missing_part() {
    let mut broken = metadata();
    broken.insert("vae".to_owned(), "{'a': exit()}".to_owned());
    let error = ModelConfig::from_metadata(&broken).unwrap_err().to_string();
    assert!(
        error.contains("metadata.vae: at byte 6") && error.contains("exit"),
        "{error}"
    );
    for key in ["vae", "encoder", "decoder", "regularizer", "pipeline"] {
        let mut partial = metadata();
        partial.remove(key);
        let error = ModelConfig::from_metadata(&partial).unwrap_err();
        assert!(
            matches!(&error, ConfigError::Missing { path, .. } if path == key),
            "{error}"
        );
    }
    let mut more = metadata();
    more.insert("extra".to_owned(), "{}".to_owned());
    let error = ModelConfig::from_metadata(&more).unwrap_err();
    assert!(
        matches!(&error, ConfigError::UnknownKey { path, .. } if path == "extra"),
        "{error}"
    );
}

#[test]
fn names_the_place_of_every_bad_value_and_unknown_key() {
    let nonsense = parse_python("{'surprise': [{}]}").unwrap();
    for path in paths(&tiny()) {
        let mut value = tiny();
        set(&mut value, &path, nonsense.clone());
        let error = read(&value).unwrap_err().to_string();
        assert!(error.contains(&path), "{path}: {error}");

        let unknown = format!("{path}_2");
        let mut value = tiny();
        set(&mut value, &unknown, Value::Int(1));
        let error = read(&value).unwrap_err();
        let named = matches!(&error, ConfigError::UnknownKey { path, .. } if *path == unknown);
        assert!(named, "{unknown}: {error}");
    }
}

#[test]
fn every_module_name_is_one_of_a_fixed_list() {
    let targets: Vec<String> = paths(&tiny())
        .into_iter()
        .filter(|path| path.ends_with("_target_"))
        .collect();
    assert_eq!(targets.len(), 32);
    for path in targets {
        for name in [
            "'os.system'",
            "'flextok.model.trunks.transformers.FlexTransformer2'",
            "None",
        ] {
            let error = changed(&[(&path, name)]).unwrap_err();
            let named =
                matches!(&error, ConfigError::UnknownModule { path: at, .. } if *at == path);
            assert!(named, "{path}: {error}");
        }
        let mut value = tiny();
        remove(&mut value, &path);
        assert_eq!(read(&value).is_ok(), path == "_target_", "{path}");
    }
}

#[test]
fn values_are_taken_from_the_config() {
    type Check = fn(&ModelConfig) -> bool;
    let cases: [(&str, &str, Check); 17] = [
        ("dec.time_embedder.max_timestep", "1.0", |c| {
            c.decoder.time.max_timestep == 1.0
        }),
        ("dec.time_embedder.frequency_embedding_size", "128", |c| {
            c.decoder.time.frequency_embedding_size == 128
        }),
        (
            "vae.scaling_factor",
            "2",
            |c| matches!(&c.vae, VaeConfig::AutoencoderKl(kl) if kl.scaling_factor == 2.0),
        ),
        ("vae.dtype_override", "None", |c| {
            c.vae.latent_channels() == 16
        }),
        ("enc.posemb_module.posemb_type", "'learnable_sum'", |c| {
            c.encoder.positions.kind == PositionKind::SeparableSum
        }),
        (
            "dec.patches_posemb_module.posemb_type",
            "'learnable_prod'",
            |c| c.decoder.patch_positions.kind == PositionKind::SeparableProduct,
        ),
        ("enc.posemb_module.max_sizes", "(14, 20)", |c| {
            c.encoder.positions.max_sizes == [14, 20]
        }),
        ("enc.posemb_module.posemb_scaling", "'interpolate'", |c| {
            c.encoder.positions.scaling == PositionScaling::Interpolate
        }),
        ("enc.seq_packer.mask_mode", "'full'", |c| {
            c.encoder.mask == MaskMode::Full
        }),
        ("dec.seq_packer.pad_to_multiple", "None", |c| {
            c.decoder.adaln_expansion == 2
        }),
        ("dec.transformer.adaLN_expansion", "1", |c| {
            c.decoder.adaln_expansion == 1
        }),
        ("dec.transformer.head_dim", "32", |c| {
            c.decoder.transformer.head_dim == 32
        }),
        ("dec.transformer.mlp_ratio", "2.7", |c| {
            c.decoder.transformer.mlp_hidden == 230
        }),
        ("enc.transformer.qk_norm", "False", |c| {
            !c.encoder.transformer.qk_norm
        }),
        ("enc.transformer.mlp_bias", "True", |c| {
            c.encoder.transformer.mlp_bias
        }),
        (
            "dec.latent_dropout.replace_with_single_token",
            "True",
            |c| c.decoder.unconditional == Unconditional::LearnedSingle,
        ),
        ("regularizer.levels", "[8, 8, 8, 5, 5, 4]", |c| {
            c.codebook_size() == 51_200
        }),
    ];
    for (path, text, check) in cases {
        let config = changed(&[(&full(path), text)]).unwrap();
        assert!(check(&config), "{path} = {text}: {config:?}");
    }
}

#[test]
fn absent_values_have_the_defaults_of_their_class() {
    let expected = read(&tiny()).unwrap();
    for path in [
        "vae.latent_channels",
        "vae.dtype_override",
        "vae.frozen",
        "dec.time_embedder.max_timestep",
        "dec.time_embedder.frequency_embedding_size",
        "enc.posemb_module.posemb_type",
        "enc.posemb_module.posemb_scaling",
        "enc.seq_packer.pad_to_multiple",
        "dec.seq_packer.mask_mode",
        "dec.transformer.intermediate_layers",
        "dec.latent_dropout.dropout_prob",
        "enc.to_latents.dtype_override",
        "dec.repa_unpacker",
        "flow_matching_noise_module",
        "_target_",
    ] {
        let mut value = tiny();
        remove(&mut value, &full(path));
        assert_eq!(read(&value).as_ref(), Ok(&expected), "{path}");
    }
    let mut value = tiny();
    remove(&mut value, "vae.sample_posterior");
    remove(&mut value, &full("enc.seq_packer.mask_mode"));
    remove(&mut value, &full("dec.transformer.adaLN_expansion"));
    let config = read(&value).unwrap();
    assert!(matches!(config.vae, VaeConfig::AutoencoderKl(kl) if kl.sample_posterior));
    assert_eq!(
        (config.encoder.mask, config.decoder.adaln_expansion),
        (MaskMode::Full, 1)
    );
}

#[test]
fn refuses_what_it_cannot_compute() {
    let cases = [
        ("vae.scaling_factor", "None", "greater than 0"),
        ("vae.scaling_factor", "inf", "at most"),
        ("vae.scaling_factor", "nan", "at most"),
        ("vae.dtype_override", "'int8'", "'fp32'"),
        ("enc.to_latents.use_mup_readout", "True", "False"),
        ("dec.to_patches.use_mup_readout", "True", "False"),
        ("dec.transformer.gated_mlp", "False", "True"),
        ("dec.transformer.adaLN_expansion", "3", "1 to 2"),
        (
            "dec.transformer.head_dim",
            "48",
            "a divisor of the width 128",
        ),
        ("dec.transformer.depth", "0", "1 to 256"),
        ("dec.transformer.dim", "192", "128"),
        ("dec.seq_packer.mask_mode", "'causal_last'", "'full'"),
        (
            "enc.seq_packer.mask_mode",
            "'causal'",
            "'causal_last', 'full'",
        ),
        ("enc.seq_packer.pad_to_multiple", "0", "1 to"),
        (
            "enc.posemb_module.posemb_type",
            "'rope'",
            "'sincos', 'learnable_sum', 'learnable_prod'",
        ),
        (
            "enc.posemb_module.posemb_scaling",
            "'ntk'",
            "'absolute', 'interpolate'",
        ),
        (
            "enc.posemb_module.max_sizes",
            "[256]",
            "a list of 2 numbers",
        ),
        ("enc.patch_emb.patch_sizes", "[2, 4]", "square"),
        ("enc.patch_emb.flatten_patches", "True", "False"),
        ("enc.patch_emb.channels_in", "8", "16"),
        ("dec.to_patches.patch_sizes", "[4, 4]", "[2, 2]"),
        ("enc.register_module.n_max", "300", "1 to 256"),
        ("enc.register_module.ordering_mode", "'random'", "'nested'"),
        ("dec.registers_posemb_module.max_sizes", "[64]", "[256]"),
        ("dec.from_latents.dim_in", "5", "6"),
        ("regularizer.levels", "[8, 8]", "6 levels"),
        (
            "regularizer.levels",
            "[16, 16, 16, 16, 2, 2]",
            "a product of at most 65536",
        ),
        ("dec.seq_packer.per_subseq_embs", "False", "True"),
        ("pipeline.out_channels", "4", "16"),
        ("pipeline._partial_", "False", "True"),
    ];
    for (path, text, allowed) in cases {
        let path = full(path);
        let error = changed(&[(&path, text)]).unwrap_err().to_string();
        assert!(
            error.contains(&path) && error.contains(allowed),
            "{path}: {error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }
    for path in [
        "vae.scaling_factor",
        "enc.to_latents.use_mup_readout",
        "dec.to_patches",
    ] {
        let mut value = tiny();
        remove(&mut value, &full(path));
        let error = read(&value).unwrap_err();
        let named = matches!(&error, ConfigError::Missing { path: at, .. } if *at == full(path));
        assert!(named, "{path}: {error}");
    }
}

#[test]
fn knows_both_kinds_of_null_conditions() {
    let path = "decoder.module_dict.dec_latent_dropout._target_";
    let zero = "'flextok.model.preprocessors.nullcond.ZeroNullCond'";
    let config = changed(&[(path, zero)]).unwrap();
    assert_eq!(config.decoder.unconditional, Unconditional::ZeroAll);
    let single = "decoder.module_dict.dec_latent_dropout.replace_with_single_token";
    let config = changed(&[(path, zero), (single, "True")]).unwrap();
    assert_eq!(config.decoder.unconditional, Unconditional::ZeroSingle);
}

#[test]
fn refuses_modules_that_are_connected_differently() {
    let cases = [
        ("enc.patch_emb.input_tensor_list_read_key", "'vae_latents'"),
        ("enc.transformer.input_seq_read_key", "'enc_registers'"),
        ("enc.to_latents.read_key", "'enc_vae_latents_patched'"),
        (
            "enc.seq_packer.input_list_read_keys",
            "['enc_registers', 'enc_vae_latents_patched']",
        ),
        ("regularizer.latents_read_key", "'nothing'"),
        ("dec.from_latents.read_key", "'vae_latents_noised'"),
        ("dec.latent_dropout.read_write_key", "'dec_patches'"),
        ("dec.to_patches.read_key", "'dec_registers_proj'"),
        ("dec.to_patches.adaLN_emb_read_key", "'timesteps'"),
        (
            "dec.noise_patch_emb.input_tensor_list_read_key",
            "'vae_latents_bhwc'",
        ),
        ("pipeline.reconst_write_key", "'dec_packed_seq'"),
        ("vae.vae_latents_read_key", "'vae_latents'"),
    ];
    for (path, text) in cases {
        let path = full(path);
        let error = changed(&[(&path, text)]).unwrap_err();
        let named = matches!(&error, ConfigError::Wiring { path: at, .. } if *at == path);
        assert!(named, "{path}: {error}");
    }
}

#[test]
fn refuses_modules_in_another_order_unless_they_do_not_depend_on_each_other() {
    for side in ["encoder", "decoder"] {
        let modules = |value: &mut Value| match at(value, &format!("{side}.module_dict")) {
            Value::Dict(entries) => std::mem::take(entries),
            _ => panic!("{side}"),
        };
        let count = modules(&mut tiny()).len();
        let mut accepted = Vec::new();
        for first in 0..count - 1 {
            let mut value = tiny();
            let mut entries = modules(&mut value);
            entries.swap(first, first + 1);
            let names = (entries[first + 1].0.clone(), entries[first].0.clone());
            *at(&mut value, &format!("{side}.module_dict")) = Value::Dict(entries);
            match read(&value) {
                Ok(_) => accepted.push(names),
                Err(error) => assert!(matches!(error, ConfigError::Wiring { .. }), "{error}"),
            }
        }
        let independent: &[(&str, &str)] = match side {
            "encoder" => &[("enc_posemb_module", "enc_register_module")],
            _ => &[
                ("dec_latent_dropout", "dec_noise_channels_to_last"),
                ("dec_seq_packer", "dec_time_embedder"),
                ("dec_unpacker", "dec_repa_unpacker"),
                ("dec_repa_unpacker", "dec_to_patches"),
            ],
        };
        let accepted: Vec<(&str, &str)> = accepted
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(accepted, independent);
    }
}

#[test]
fn names_may_be_renamed_together() {
    let text = json_text(&tiny())
        .replace("dec_patches", "p")
        .replace("\"p_posemb", "\"dec_patches_posemb");
    let config = ModelConfig::from_json(text.as_bytes()).unwrap();
    assert_eq!(config, read(&tiny()).unwrap());
}

#[test]
fn a_hubs_bookkeeping_may_stand_beside_a_wrapped_config() {
    let inner = json_text(&tiny());
    let wrapped = |beside: &str| format!("{{\"config\": {inner}, {beside}: \"x\"}}");
    let config = ModelConfig::from_json(wrapped("\"model_type\"").as_bytes()).unwrap();
    assert_eq!(config, read(&tiny()).unwrap());
    let error = ModelConfig::from_json(wrapped("\"dropout\"").as_bytes()).unwrap_err();
    assert!(matches!(error, ConfigError::UnknownKey { path, .. } if path == "dropout"));
}
