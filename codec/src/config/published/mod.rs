//! The published layout: the classes that the official code would instantiate, with their arguments.
//!
//! The names of classes are only looked up in fixed lists; each stands for a computation of this crate. Keys that only
//! matter for training are known and ignored. [`wiring`] traces the names under which modules pass tensors to each other,
//! so that a checkpoint whose modules are connected differently is refused rather than misread.

mod decoder;
mod encoder;
mod modules;
mod wiring;

use std::collections::BTreeMap;

use flextok_compute::Quantizer;

use self::wiring::{Signal, Wiring};
use super::error::ConfigError;
use super::fields::Fields;
use super::read::{self, MAX_CHANNELS, PUBLISHED_EPS};
use super::{AutoencoderKlConfig, ModelConfig, SamplingDefaults, VaeConfig};
use crate::Size;
use crate::literal::{self, Value};

type Result<T> = std::result::Result<T, ConfigError>;

/// The top-level keys, each of them a metadata key.
const KEYS: [&str; 7] = [
    "_target_",
    "vae",
    "encoder",
    "decoder",
    "regularizer",
    "flow_matching_noise_module",
    "pipeline",
];

/// Side in pixels of the canvas of all published models.
const CANVAS: u32 = 256;

/// What this layout is called in messages.
pub(super) fn keys() -> String {
    KEYS.join(", ")
}

/// Reads the config from a safetensors file's metadata, if they hold any of it.
pub(super) fn from_metadata(metadata: &BTreeMap<String, String>) -> Result<Option<ModelConfig>> {
    if !KEYS.iter().any(|key| metadata.contains_key(*key)) {
        return Ok(None);
    }
    let mut entries = Vec::new();
    for (key, text) in metadata {
        let value = match key.as_str() {
            // Safetensors writers describe themselves here; this is not part of the config.
            "format" => continue,
            "_target_" => target_text(text)?,
            _ if KEYS.contains(&key.as_str()) => {
                read::parse(&format!("metadata.{key}"), literal::parse, text)?
            }
            // Refused by name below, together with all other unknown keys.
            _ => Value::None,
        };
        entries.push((key.clone(), value));
    }
    from_value(&Value::Dict(entries)).map(Some)
}

/// `str()` of a text is the text itself; JSON puts it in quotes.
fn target_text(text: &str) -> Result<Value> {
    let text = text.trim();
    if text.starts_with(['"', '\'']) {
        return read::parse("metadata._target_", literal::parse, text);
    }
    Ok(Value::Str(text.to_owned()))
}

/// Reads the config from its seven parts.
pub(super) fn from_value(value: &Value) -> Result<ModelConfig> {
    let mut fields = Fields::new("", value)?;
    if fields.get("_target_").is_some() {
        let wrappers = [
            "flextok.flextok_wrapper.FlexTok",
            "flextok.flextok_wrapper.FlexTokFromHub",
        ];
        modules::target(&mut fields, &wrappers)?;
    }
    // All parts are looked up before any is read, so that an unknown key is reported with the full list.
    let mut parts = Vec::new();
    for key in ["vae", "encoder", "decoder", "regularizer", "pipeline"] {
        parts.push(fields.nested(key)?);
    }
    let noise = fields.get("flow_matching_noise_module").is_some();
    let noise = if noise {
        Some(fields.nested("flow_matching_noise_module")?)
    } else {
        None
    };
    let sampling = SamplingDefaults::read(&mut fields)?;
    fields.finish()?;
    let Ok([vae, encoder, decoder, regularizer, pipeline]) = <[Fields<'_>; 5]>::try_from(parts)
    else {
        return Err(ConfigError::absent());
    };

    let mut wiring = Wiring::default();
    let (vae, vae_reads) = read_vae(vae, &mut wiring)?;
    let encoder = encoder::read(encoder, vae.latent_channels(), &mut wiring)?;
    let quantizer = read_regularizer(regularizer, encoder.dim_out, &mut wiring)?;
    if let Some(noise) = noise {
        read_noise_module(noise)?;
    }
    let output = read_pipeline(pipeline, vae.latent_channels(), &mut wiring)?;
    // The decoder runs on its own, on these three.
    wiring.keep(&[Signal::Quantised, Signal::Time, Signal::NoisedFirst]);
    let registers = encoder.registers;
    let decoder = decoder::read(
        decoder,
        vae.latent_channels(),
        quantizer.channels(),
        registers,
        &mut wiring,
    )?;
    for (path, name) in [output, vae_reads] {
        wiring.check(&path, name, &[Signal::OutputFirst])?;
    }

    let mut config = ModelConfig {
        name: None,
        vae,
        encoder: encoder.config,
        decoder,
        registers,
        quantizer,
        layer_norm_eps: PUBLISHED_EPS,
        canvas: Size::new(CANVAS, CANVAS),
        sampling,
    };
    config.canvas = config.canvas_near(CANVAS);
    read::check(config)
}

/// A key's path and the name of the tensor that it says is read.
type ReadFrom<'a> = (String, &'a str);

fn read_vae<'a>(
    mut fields: Fields<'a>,
    wiring: &mut Wiring<'a>,
) -> Result<(VaeConfig, ReadFrom<'a>)> {
    modules::target(&mut fields, &["flextok.vae_wrapper.StableDiffusionVAE"])?;
    fields.text_opt("images_read_key")?;
    fields.text_opt("images_reconst_write_key")?;
    let reads = fields.text("vae_latents_read_key")?;
    wiring.write(&mut fields, "vae_latents_write_key", Signal::LatentsFirst)?;
    let channels = fields.size_opt("latent_channels", 1..=MAX_CHANNELS)?;
    // Required, and not `None`: the default would be in the config of another repository, which this file does not hold.
    let scaling_factor = fields.number("scaling_factor", 0.0, 1e6)?;
    let sample_posterior = fields.flag_or("sample_posterior", true)?;
    // The VAE always runs in f32 here, which is at least the precision of every dtype that can be named.
    modules::dtype_override(&mut fields)?;
    fields.ignore(&["force_vae_encode", "frozen"])?;
    let path = fields.at("vae_latents_read_key");
    let latent_channels = channels.unwrap_or(16);
    fields.finish()?;
    Ok((
        VaeConfig::AutoencoderKl(AutoencoderKlConfig {
            latent_channels,
            scaling_factor,
            sample_posterior,
        }),
        (path, reads),
    ))
}

fn read_regularizer<'a>(
    mut fields: Fields<'a>,
    channels: usize,
    wiring: &mut Wiring<'a>,
) -> Result<Quantizer> {
    modules::target(&mut fields, &["flextok.regularizers.quantize_fsq.FSQ"])?;
    wiring.read(&mut fields, "latents_read_key", &[Signal::Codes])?;
    wiring.write(&mut fields, "quants_write_key", Signal::Quantised)?;
    fields.text_opt("tokens_write_key")?;
    let quantizer = read::fsq(&mut fields, "levels")?;
    if quantizer.channels() != channels {
        let found = fields.get("levels").unwrap_or(&Value::None);
        let allowed = format!("{channels} levels (encoder.module_dict.enc_to_latents.dim_out)");
        return Err(fields.refuse("levels", found, allowed));
    }
    // Training only, and how the official code batches its calls.
    fields.ignore(&["drop_quant_p", "packed_call"])?;
    fields.finish()?;
    Ok(quantizer)
}

/// The noise module draws training samples; inference does not touch it.
fn read_noise_module(mut fields: Fields<'_>) -> Result<()> {
    modules::target(
        &mut fields,
        &["flextok.flow_matching.noise_modules.MinRFNoiseModule"],
    )?;
    fields.ignore(&[
        "clean_images_read_key",
        "noised_images_write_key",
        "timesteps_write_key",
        "sigmas_write_key",
        "ln",
        "stratisfied",
        "mode_scale",
    ])?;
    fields.finish()
}

/// The pipeline sets the decoder's inputs and takes its output, whose index is returned.
fn read_pipeline<'a>(
    mut fields: Fields<'a>,
    channels: usize,
    wiring: &mut Wiring<'a>,
) -> Result<ReadFrom<'a>> {
    modules::target(
        &mut fields,
        &["flextok.flow_matching.pipelines.MinRFPipeline"],
    )?;
    modules::partial(&mut fields)?;
    wiring.read(&mut fields, "latents_read_key", &[Signal::Quantised])?;
    wiring.write(&mut fields, "timesteps_read_key", Signal::Time)?;
    wiring.write(&mut fields, "noised_images_read_key", Signal::NoisedFirst)?;
    let output = fields.text("reconst_write_key")?;
    let path = fields.at("reconst_write_key");
    fields.text_opt("target_sizes_read_key")?;
    fields.size_is("out_channels", channels, "vae.latent_channels")?;
    fields.finish()?;
    Ok((path, output))
}
