//! The encoder's modules: latents to the numbers that are quantised.

use super::super::error::ConfigError;
use super::super::fields::Fields;
use super::super::read::MAX_REGISTERS;
use super::super::{EncoderConfig, MaskMode, PositionConfig, TransformerConfig};
use super::modules::{self, present};
use super::wiring::{Signal, Wiring};
use crate::literal::Value;

type Result<T> = std::result::Result<T, ConfigError>;

const MODULES: [&str; 8] = [
    "enc_channels_to_last",
    "enc_patch_emb",
    "enc_posemb_module",
    "enc_register_module",
    "enc_seq_packer",
    "enc_transformer",
    "enc_unpacker",
    "enc_to_latents",
];

/// What the encoder's modules say.
pub(super) struct Encoder {
    pub(super) config: EncoderConfig,
    pub(super) registers: usize,
    /// Numbers per register that are quantised.
    pub(super) dim_out: usize,
}

#[derive(Default)]
struct Parts {
    patch_size: Option<usize>,
    positions: Option<PositionConfig>,
    registers: Option<usize>,
    mask: Option<MaskMode>,
    transformer: Option<TransformerConfig>,
    dim_out: Option<usize>,
}

/// Reads the encoder.
pub(super) fn read<'a>(
    part: Fields<'a>,
    channels: usize,
    wiring: &mut Wiring<'a>,
) -> Result<Encoder> {
    let modules = modules::module_dict(part, &MODULES, &[])?;
    let mut parts = Parts::default();
    for (name, value) in modules.entries() {
        let fields = Fields::new(modules.at(name), value)?;
        parts.read(name, fields, channels, wiring)?;
    }
    let config = EncoderConfig {
        transformer: present(parts.transformer, &modules, "enc_transformer")?,
        patch_size: present(parts.patch_size, &modules, "enc_patch_emb")?,
        positions: present(parts.positions, &modules, "enc_posemb_module")?,
        mask: present(parts.mask, &modules, "enc_seq_packer")?,
    };
    Ok(Encoder {
        config,
        registers: present(parts.registers, &modules, "enc_register_module")?,
        dim_out: present(parts.dim_out, &modules, "enc_to_latents")?,
    })
}

impl Parts {
    fn read<'a>(
        &mut self,
        name: &str,
        fields: Fields<'a>,
        channels: usize,
        wiring: &mut Wiring<'a>,
    ) -> Result<()> {
        use Signal as S;
        match name {
            "enc_channels_to_last" => {
                let change = (S::LatentsFirst, S::LatentsLast);
                modules::channels(fields, wiring, "channels_first_to_last", change)?;
            }
            "enc_patch_emb" => {
                let size = modules::patch_embedder(fields, wiring, channels, S::LatentsLast)?;
                self.patch_size = Some(size);
            }
            "enc_posemb_module" => {
                let change = (S::Patches, S::PositionedPatches);
                self.positions = Some(modules::positions(fields, wiring, 2, change)?);
            }
            "enc_register_module" => self.registers = Some(registers(fields, wiring)?),
            "enc_seq_packer" => {
                let masks = [
                    ("causal_last", MaskMode::CausalLast),
                    ("full", MaskMode::Full),
                ];
                let parts = [S::PositionedPatches, S::Registers];
                let packer = modules::packer(fields, wiring, parts, S::PackedEncoder, &masks)?;
                self.mask = Some(packer.mask);
            }
            "enc_transformer" => self.transformer = Some(transformer(fields, wiring)?),
            "enc_unpacker" => {
                let parts = [S::EncodedPatches, S::EncodedRegisters];
                modules::unpacker(fields, wiring, S::EncodedSequence, parts)?;
            }
            // `module_dict` has refused all other names.
            _ => self.dim_out = Some(to_latents(fields, wiring)?),
        }
        Ok(())
    }
}

fn registers<'a>(mut fields: Fields<'a>, wiring: &mut Wiring<'a>) -> Result<usize> {
    modules::target(
        &mut fields,
        &["flextok.model.preprocessors.registers.Registers1D"],
    )?;
    let patches = [Signal::PositionedPatches, Signal::Patches];
    wiring.read(&mut fields, "input_tensor_list_read_key", &patches)?;
    wiring.write(&mut fields, "registers_write_key", Signal::Registers)?;
    fields.text_opt("register_sizes_read_write_key")?;
    wiring.width(&mut fields)?;
    let count = fields.size("n_max", 1..=MAX_REGISTERS)?;
    fields.size_opt("n_min", 1..=count)?;
    // Any other order would number the tokens differently.
    fields.choice_opt("ordering_mode", &[("nested", ())])?;
    fields.ignore(&["size_sampling_mode"])?;
    fields.finish()?;
    Ok(count)
}

fn transformer<'a>(fields: Fields<'a>, wiring: &mut Wiring<'a>) -> Result<TransformerConfig> {
    let path = fields.at("adaLN_emb_read_key");
    let change = (Signal::PackedEncoder, Signal::EncodedSequence);
    let transformer = modules::transformer(fields, wiring, change)?;
    if transformer.modulated {
        let (found, allowed) = ("a time embedding".to_owned(), Value::None.to_string());
        return Err(ConfigError::Value {
            path,
            found,
            allowed,
        });
    }
    Ok(transformer.config)
}

fn to_latents<'a>(mut fields: Fields<'a>, wiring: &mut Wiring<'a>) -> Result<usize> {
    modules::target(
        &mut fields,
        &["flextok.model.postprocessors.heads.LinearHead"],
    )?;
    wiring.read(&mut fields, "read_key", &[Signal::EncodedRegisters])?;
    wiring.write(&mut fields, "write_key", Signal::Codes)?;
    wiring.width(&mut fields)?;
    let dim_out = fields.size("dim_out", 1..=1024)?;
    modules::head(&mut fields)?;
    fields.finish()?;
    Ok(dim_out)
}
