//! Readers of the modules that encoder and decoder have in common.

use super::super::error::ConfigError;
use super::super::fields::Fields;
use super::super::read::{self, MAX_PATCH, MAX_TABLE};
use super::super::{MaskMode, PositionConfig, PositionKind, PositionScaling, TransformerConfig};
use super::wiring::{Signal, Wiring};
use crate::literal::Value;

type Result<T> = std::result::Result<T, ConfigError>;

const PER_SAMPLE_OP: &str = "flextok.model.utils.dict_ops.PerSampleOp";
const SEQUENTIAL: &str = "flextok.model.utils.wrappers.SequentialModuleDictWrapper";

/// Reads `_target_`, which has to be one of `known`; returns its index in the list.
pub(super) fn target(fields: &mut Fields<'_>, known: &[&str]) -> Result<usize> {
    let key = "_target_";
    let allowed = known.join(", ");
    let Some(value) = fields.get(key) else {
        return Err(fields.missing(key, allowed));
    };
    known
        .iter()
        .position(|name| matches!(value, Value::Str(text) if text == name))
        .ok_or_else(|| ConfigError::UnknownModule {
            path: fields.at(key),
            found: value.excerpt(),
            allowed,
        })
}

/// Functions are named with `_partial_`, as they are to be called later.
pub(super) fn partial(fields: &mut Fields<'_>) -> Result<()> {
    fields.flag_only(
        "_partial_",
        true,
        "the target is a function to be called later",
    )
}

/// The dtype that a module names; everything is computed in f32 here, whichever it is.
pub(super) fn dtype_override(fields: &mut Fields<'_>) -> Result<()> {
    let key = "dtype_override";
    match fields.get(key) {
        None | Some(Value::None) => Ok(()),
        Some(Value::Str(name)) if ["fp32", "fp16", "bf16"].contains(&name.as_str()) => Ok(()),
        Some(value) => Err(fields.refuse(key, value, "None, 'fp32', 'fp16', 'bf16'")),
    }
}

/// The dictionary of modules under `module_dict` of a part of the model, in execution order: those of `known`.
/// Only the `optional` ones may be missing.
pub(super) fn module_dict<'a>(
    mut part: Fields<'a>,
    known: &[&str],
    optional: &[&str],
) -> Result<Fields<'a>> {
    target(&mut part, &[SEQUENTIAL])?;
    let modules = part.nested("module_dict")?;
    part.finish()?;
    let names = modules.entries().iter().map(|(name, _)| name.as_str());
    if let Some(name) = names.clone().find(|name| !known.contains(name)) {
        return Err(ConfigError::UnknownKey {
            path: modules.at(name),
            allowed: known.join(", "),
        });
    }
    for name in known.iter().filter(|name| !optional.contains(name)) {
        present(names.clone().find(|entry| entry == name), &modules, name)?;
    }
    Ok(modules)
}

/// Moves channels: `function` is the only one supported here.
pub(super) fn channels<'a>(
    mut fields: Fields<'a>,
    wiring: &mut Wiring<'a>,
    function: &str,
    (from, to): (Signal, Signal),
) -> Result<()> {
    target(&mut fields, &[PER_SAMPLE_OP])?;
    wiring.read(&mut fields, "read_key", &[from])?;
    wiring.write(&mut fields, "write_key", to)?;
    let mut op = fields.nested("per_sample_op")?;
    target(
        &mut op,
        &[&format!("flextok.model.utils.dict_ops.{function}")],
    )?;
    partial(&mut op)?;
    op.finish()?;
    fields.finish()
}

/// The side of square patches under `patch_sizes`.
pub(super) fn patch_size(fields: &mut Fields<'_>) -> Result<usize> {
    let key = "patch_sizes";
    let sizes = fields.sizes(key, 2..=2, 1..=MAX_PATCH)?;
    match sizes.as_slice() {
        [rows, columns] if rows == columns => Ok(*rows),
        _ => {
            let found = fields.get(key).unwrap_or(&Value::None);
            Err(fields.refuse(key, found, "two equal numbers: patches have to be square"))
        }
    }
}

/// The linear embedding of patches; gives the patch size.
pub(super) fn patch_embedder<'a>(
    mut fields: Fields<'a>,
    wiring: &mut Wiring<'a>,
    channels: usize,
    from: Signal,
) -> Result<usize> {
    target(
        &mut fields,
        &["flextok.model.preprocessors.patching.PatchEmbedder"],
    )?;
    wiring.read(&mut fields, "input_tensor_list_read_key", &[from])?;
    wiring.write(&mut fields, "patches_list_write_key", Signal::Patches)?;
    fields.text_opt("n_patches_write_key")?;
    fields.size_is("channels_in", channels, "vae.latent_channels")?;
    wiring.width(&mut fields)?;
    let size = patch_size(&mut fields)?;
    fields.flag_only(
        "flatten_patches",
        false,
        "position tables have rows and columns",
    )?;
    fields.finish()?;
    Ok(size)
}

/// A table of position embeddings with `axes` axes.
pub(super) fn positions<'a>(
    mut fields: Fields<'a>,
    wiring: &mut Wiring<'a>,
    axes: usize,
    (from, to): (Signal, Signal),
) -> Result<PositionConfig> {
    target(
        &mut fields,
        &["flextok.model.utils.posembs.PositionalEmbeddingAdder"],
    )?;
    wiring.read(&mut fields, "read_key", &[from])?;
    wiring.write(&mut fields, "write_key", to)?;
    wiring.width(&mut fields)?;
    let max_sizes = fields.sizes("max_sizes", axes..=axes, 1..=MAX_TABLE)?;
    let kinds = [
        ("sincos", PositionKind::Full),
        ("learnable_sum", PositionKind::SeparableSum),
        ("learnable_prod", PositionKind::SeparableProduct),
    ];
    let scalings = [
        ("absolute", PositionScaling::Crop),
        ("interpolate", PositionScaling::Interpolate),
    ];
    let kind = fields
        .choice_opt("posemb_type", &kinds)?
        .unwrap_or(PositionKind::Full);
    let scaling = fields
        .choice_opt("posemb_scaling", &scalings)?
        .unwrap_or(PositionScaling::Crop);
    fields.finish()?;
    Ok(PositionConfig {
        kind,
        max_sizes,
        scaling,
    })
}

/// What a sequence packer says that the other modules need.
pub(super) struct Packer {
    /// Which keys a query may attend to.
    pub(super) mask: MaskMode,
    /// Whether patches and registers have embeddings of their own.
    pub(super) per_part_embeddings: bool,
}

/// Joins patches and registers, in this order. Padding at the end never influences what is before it.
pub(super) fn packer<'a>(
    mut fields: Fields<'a>,
    wiring: &mut Wiring<'a>,
    parts: [Signal; 2],
    packed: Signal,
    masks: &[(&str, MaskMode)],
) -> Result<Packer> {
    let known = ["flextok.model.preprocessors.flex_seq_packing.BlockWiseSequencePacker"];
    target(&mut fields, &known)?;
    wiring.read_list(&mut fields, "input_list_read_keys", parts)?;
    wiring.write(&mut fields, "packed_seq_write_key", packed)?;
    wiring.write_opt(&mut fields, "block_mask_write_key", Signal::Mask)?;
    wiring.write_opt(
        &mut fields,
        "inner_packed_shapes_write_key",
        Signal::InnerShapes,
    )?;
    wiring.write_opt(
        &mut fields,
        "outer_packed_shapes_write_key",
        Signal::OuterShapes,
    )?;
    wiring.write_opt(
        &mut fields,
        "emb_packing_fn_write_key",
        Signal::PackingFunction,
    )?;
    // The class masks nothing by default.
    let mask = match fields.get("mask_mode") {
        Some(_) => fields.choice("mask_mode", masks)?,
        None => MaskMode::Full,
    };
    match fields.get("pad_to_multiple") {
        None | Some(Value::None) => {}
        Some(_) => {
            fields.size("pad_to_multiple", 1..=65_536)?;
        }
    }
    let per_part_embeddings = fields.flag_or("per_subseq_embs", false)?;
    fields.finish()?;
    Ok(Packer {
        mask,
        per_part_embeddings,
    })
}

/// What a transformer says besides its shape.
pub(super) struct Transformer {
    /// The shape of the blocks.
    pub(super) config: TransformerConfig,
    /// Whether the blocks are modulated by the time embedding.
    pub(super) modulated: bool,
    /// Whether the modulation goes through the packer's function, and so differs between patches and registers.
    pub(super) packs_embeddings: bool,
    /// Modulations per block, where given.
    pub(super) adaln_expansion: Option<usize>,
}

/// The stack of transformer blocks.
pub(super) fn transformer<'a>(
    mut fields: Fields<'a>,
    wiring: &mut Wiring<'a>,
    (from, to): (Signal, Signal),
) -> Result<Transformer> {
    target(
        &mut fields,
        &["flextok.model.trunks.transformers.FlexTransformer"],
    )?;
    wiring.read(&mut fields, "input_seq_read_key", &[from])?;
    wiring.write(&mut fields, "output_seq_write_key", to)?;
    wiring.read_opt(&mut fields, "block_mask_read_key", Signal::Mask)?;
    let modulated = wiring.read_opt(&mut fields, "adaLN_emb_read_key", Signal::TimeEmbedding)?;
    let packing = "adaLN_packing_fn_read_key";
    let packs_embeddings = wiring.read_opt(&mut fields, packing, Signal::PackingFunction)?;
    let adaln_expansion = fields.size_opt("adaLN_expansion", 1..=2)?;
    let width = wiring.width(&mut fields)?;
    let config = read::transformer(&mut fields, width)?;
    fields.flag_only("gated_mlp", true, "only gated MLPs are supported")?;
    // Outputs of inner layers are for a training loss; inference does not read them.
    wiring.write_opt(
        &mut fields,
        "intermediate_layer_write_key",
        Signal::Intermediate,
    )?;
    fields.ignore(&["intermediate_layers", "use_act_checkpoint"])?;
    fields.finish()?;
    Ok(Transformer {
        config,
        modulated,
        packs_embeddings,
        adaln_expansion,
    })
}

/// Splits the sequence into patches and registers again.
pub(super) fn unpacker<'a>(
    mut fields: Fields<'a>,
    wiring: &mut Wiring<'a>,
    from: Signal,
    parts: [Signal; 2],
) -> Result<()> {
    target(
        &mut fields,
        &["flextok.model.postprocessors.seq_unpacking.SequenceUnpacker"],
    )?;
    wiring.read(&mut fields, "packed_seq_read_key", &[from])?;
    wiring.write_list(&mut fields, "inner_seq_write_keys", parts)?;
    wiring.read_opt(
        &mut fields,
        "inner_packed_shapes_read_key",
        Signal::InnerShapes,
    )?;
    wiring.read_opt(
        &mut fields,
        "outer_packed_shapes_read_key",
        Signal::OuterShapes,
    )?;
    fields.finish()
}

/// What both heads have in common: no muP read-out, whose base width no config holds.
pub(super) fn head(fields: &mut Fields<'_>) -> Result<()> {
    let key = "use_mup_readout";
    if fields.get(key).is_none() {
        return Err(fields.missing(key, "False"));
    }
    fields.flag_only(key, false, "the base width of a muP read-out is not stored")?;
    fields.ignore(&["weight_init_style"])?;
    dtype_override(fields)
}

/// A module that has to be there.
pub(super) fn present<T>(module: Option<T>, modules: &Fields<'_>, name: &str) -> Result<T> {
    module.ok_or_else(|| modules.missing(name, "a module"))
}
