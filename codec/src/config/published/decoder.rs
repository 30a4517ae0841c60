//! The decoder's modules: tokens, noised latents and the flow time to the velocity.

use super::super::error::ConfigError;
use super::super::fields::Fields;
use super::super::read;
use super::super::{
    DecoderConfig, DroppedRegisters, InputScale, MaskMode, PositionConfig, PositionScaling,
    Prediction, TimeConfig, Unconditional,
};
use super::modules::{self, Packer, Transformer, present};
use super::wiring::{Signal, Wiring};
use crate::literal::Value;

type Result<T> = std::result::Result<T, ConfigError>;

const MODULES: [&str; 14] = [
    "dec_from_latents",
    "dec_registers_posemb_module",
    "dec_nested_dropout",
    "dec_latent_dropout",
    "dec_noise_channels_to_last",
    "dec_noise_patch_emb",
    "dec_patches_posemb_module",
    "dec_seq_packer",
    "dec_time_embedder",
    "dec_transformer",
    "dec_unpacker",
    REPA_UNPACKER,
    "dec_to_patches",
    "dec_channels_to_first",
];

/// Unpacks an inner layer for a training loss; the only module that may be missing.
const REPA_UNPACKER: &str = "dec_repa_unpacker";

#[derive(Default)]
struct Parts {
    register_positions: Option<PositionConfig>,
    unconditional: Option<Unconditional>,
    patch_size: Option<usize>,
    patch_positions: Option<PositionConfig>,
    packer: Option<Packer>,
    time: Option<TimeConfig>,
    transformer: Option<Transformer>,
    /// The patch size of the head, and where it says so.
    head: Option<(usize, String)>,
}

/// Reads the decoder of a model with `channels` latent channels, `levels` numbers per token and `registers` registers.
pub(super) fn read<'a>(
    part: Fields<'a>,
    channels: usize,
    levels: usize,
    registers: usize,
    wiring: &mut Wiring<'a>,
) -> Result<DecoderConfig> {
    let modules = modules::module_dict(part, &MODULES, &[REPA_UNPACKER])?;
    let mut parts = Parts::default();
    for (name, value) in modules.entries() {
        let fields = Fields::new(modules.at(name), value)?;
        parts.read(name, fields, (channels, levels), wiring)?;
    }
    parts.build(&modules, registers)
}

impl Parts {
    fn read<'a>(
        &mut self,
        name: &str,
        fields: Fields<'a>,
        (channels, levels): (usize, usize),
        wiring: &mut Wiring<'a>,
    ) -> Result<()> {
        use Signal as S;
        match name {
            "dec_from_latents" => from_latents(fields, wiring, levels)?,
            "dec_registers_posemb_module" => {
                let change = (S::ProjectedCodes, S::PositionedCodes);
                let positions = modules::positions(fields, wiring, 1, change)?;
                self.register_positions = Some(positions);
            }
            "dec_nested_dropout" => nested_dropout(fields, wiring)?,
            "dec_latent_dropout" => {
                self.unconditional = Some(latent_dropout(fields, wiring)?);
            }
            "dec_noise_channels_to_last" => {
                let change = (S::NoisedFirst, S::NoisedLast);
                modules::channels(fields, wiring, "channels_first_to_last", change)?;
            }
            "dec_noise_patch_emb" => {
                let size = modules::patch_embedder(fields, wiring, channels, S::NoisedLast)?;
                self.patch_size = Some(size);
            }
            "dec_patches_posemb_module" => {
                let change = (S::Patches, S::PositionedPatches);
                self.patch_positions = Some(modules::positions(fields, wiring, 2, change)?);
            }
            "dec_seq_packer" => {
                let parts = [S::PositionedPatches, S::Condition];
                let masks = [("full", MaskMode::Full)];
                let packer = modules::packer(fields, wiring, parts, S::PackedDecoder, &masks)?;
                self.packer = Some(packer);
            }
            "dec_time_embedder" => self.time = Some(time_embedder(fields, wiring)?),
            "dec_transformer" => {
                let change = (S::PackedDecoder, S::DecodedSequence);
                self.transformer = Some(modules::transformer(fields, wiring, change)?);
            }
            "dec_unpacker" => {
                let parts = [S::DecodedPatches, S::DecodedRegisters];
                modules::unpacker(fields, wiring, S::DecodedSequence, parts)?;
            }
            REPA_UNPACKER => {
                let parts = [S::Intermediate, S::Intermediate];
                modules::unpacker(fields, wiring, S::Intermediate, parts)?;
            }
            "dec_to_patches" => self.head = Some(to_patches(fields, wiring, channels)?),
            // `module_dict` has refused all other names.
            _ => {
                let change = (S::OutputLast, S::OutputFirst);
                modules::channels(fields, wiring, "channels_last_to_first", change)?;
            }
        }
        Ok(())
    }

    fn build(self, modules: &Fields<'_>, registers: usize) -> Result<DecoderConfig> {
        let refuse = |key: &str, found: String, allowed: &str| {
            let (path, allowed) = (modules.at(key), allowed.to_owned());
            Err(ConfigError::Value {
                path,
                found,
                allowed,
            })
        };
        let packer = present(self.packer, modules, "dec_seq_packer")?;
        let transformer = present(self.transformer, modules, "dec_transformer")?;
        let adaln_expansion = transformer.adaln_expansion.unwrap_or(1);
        if !transformer.modulated {
            let allowed = "the name of the time embedding";
            return Err(modules.missing("dec_transformer.adaLN_emb_read_key", allowed));
        }
        if adaln_expansion == 2 && !transformer.packs_embeddings {
            let allowed = "the name of the packing function, which adaLN_expansion = 2 needs";
            return Err(modules.missing("dec_transformer.adaLN_packing_fn_read_key", allowed));
        }
        if adaln_expansion == 2 && !packer.per_part_embeddings {
            let allowed = "True, which adaLN_expansion = 2 needs";
            return refuse(
                "dec_seq_packer.per_subseq_embs",
                Value::Bool(false).to_string(),
                allowed,
            );
        }
        let register_positions = present(
            self.register_positions,
            modules,
            "dec_registers_posemb_module",
        )?;
        let count = register_positions.max_sizes.first().copied().unwrap_or(0);
        let cropped = register_positions.scaling == PositionScaling::Crop && count > registers;
        if count != registers && !cropped {
            let found = format!("[{count}]");
            let allowed = format!("[{registers}] (encoder.module_dict.enc_register_module.n_max)");
            return refuse("dec_registers_posemb_module.max_sizes", found, &allowed);
        }
        let patch_size = present(self.patch_size, modules, "dec_noise_patch_emb")?;
        let (head_size, path) = present(self.head, modules, "dec_to_patches")?;
        if head_size != patch_size {
            let found = format!("[{head_size}, {head_size}]");
            let allowed = format!("[{patch_size}, {patch_size}] (as in dec_noise_patch_emb)");
            return Err(ConfigError::Value {
                path,
                found,
                allowed,
            });
        }
        Ok(DecoderConfig {
            transformer: transformer.config,
            patch_size,
            patch_positions: present(self.patch_positions, modules, "dec_patches_posemb_module")?,
            register_positions,
            adaln_expansion,
            time: present(self.time, modules, "dec_time_embedder")?,
            dropped: DroppedRegisters::MaskToken,
            unconditional: present(self.unconditional, modules, "dec_latent_dropout")?,
            prediction: Prediction::Velocity,
            input_scale: InputScale::One,
        })
    }
}

fn from_latents<'a>(mut fields: Fields<'a>, wiring: &mut Wiring<'a>, levels: usize) -> Result<()> {
    modules::target(
        &mut fields,
        &["flextok.model.preprocessors.linear.LinearLayer"],
    )?;
    wiring.read(&mut fields, "read_key", &[Signal::Quantised])?;
    wiring.write(&mut fields, "write_key", Signal::ProjectedCodes)?;
    fields.size_is("dim_in", levels, "the number of regularizer.levels")?;
    wiring.width(&mut fields)?;
    fields.finish()
}

/// Registers beyond the tokens become the mask token. How many tokens there are is an input of the decoder here, so the
/// key under which the official code passes it may be any.
fn nested_dropout<'a>(mut fields: Fields<'a>, wiring: &mut Wiring<'a>) -> Result<()> {
    let known = ["flextok.model.preprocessors.token_dropout.MaskedNestedDropout"];
    modules::target(&mut fields, &known)?;
    wiring.read(&mut fields, "read_write_key", &[Signal::PositionedCodes])?;
    wiring.write(&mut fields, "read_write_key", Signal::MaskedCodes)?;
    wiring.width(&mut fields)?;
    fields.text_opt("eval_keep_k_read_key")?;
    fields.ignore(&["size_sampling_mode"])?;
    fields.finish()
}

/// Registers of the unconditional pass. Which pass runs is an input of the decoder here, so the key under which the
/// official code passes it may be any.
fn latent_dropout<'a>(mut fields: Fields<'a>, wiring: &mut Wiring<'a>) -> Result<Unconditional> {
    let known = [
        "flextok.model.preprocessors.nullcond.LearnedNullCond",
        "flextok.model.preprocessors.nullcond.ZeroNullCond",
    ];
    let learned = modules::target(&mut fields, &known)? == 0;
    wiring.read(&mut fields, "read_write_key", &[Signal::MaskedCodes])?;
    wiring.write(&mut fields, "read_write_key", Signal::Condition)?;
    // Zeros need no width, but may have one.
    if learned || fields.get("dim").is_some() {
        wiring.width(&mut fields)?;
    }
    let single = fields.flag_or("replace_with_single_token", false)?;
    fields.text_opt("eval_drop_flag_read_key")?;
    fields.ignore(&["dropout_prob"])?;
    fields.finish()?;
    Ok(match (learned, single) {
        (true, false) => Unconditional::LearnedAll,
        (true, true) => Unconditional::LearnedSingle,
        (false, false) => Unconditional::ZeroAll,
        (false, true) => Unconditional::ZeroSingle,
    })
}

fn time_embedder<'a>(mut fields: Fields<'a>, wiring: &mut Wiring<'a>) -> Result<TimeConfig> {
    modules::target(
        &mut fields,
        &["flextok.model.preprocessors.time_embedding.TimestepEmbedder"],
    )?;
    wiring.read(&mut fields, "timesteps_read_key", &[Signal::Time])?;
    wiring.write(
        &mut fields,
        "time_embedding_write_key",
        Signal::TimeEmbedding,
    )?;
    wiring.width(&mut fields)?;
    let frequency_embedding_size = read::frequency_embedding_size(&mut fields)?;
    let max_timestep = fields
        .number_opt("max_timestep", 0.0, 1e9)?
        .unwrap_or(1000.0);
    fields.finish()?;
    Ok(TimeConfig {
        max_timestep,
        frequency_embedding_size,
    })
}

/// Gives the patch size and its path.
fn to_patches<'a>(
    mut fields: Fields<'a>,
    wiring: &mut Wiring<'a>,
    channels: usize,
) -> Result<(usize, String)> {
    modules::target(
        &mut fields,
        &["flextok.model.postprocessors.heads.ToPatchesLinearHead"],
    )?;
    wiring.read(&mut fields, "read_key", &[Signal::DecodedPatches])?;
    wiring.write(&mut fields, "write_key", Signal::OutputLast)?;
    wiring.read(&mut fields, "adaLN_emb_read_key", &[Signal::TimeEmbedding])?;
    wiring.width(&mut fields)?;
    fields.size_is("channels_out", channels, "vae.latent_channels")?;
    let size = modules::patch_size(&mut fields)?;
    modules::head(&mut fields)?;
    let path = fields.at("patch_sizes");
    fields.finish()?;
    Ok((size, path))
}
