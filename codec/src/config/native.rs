//! The embedded form: one JSON object that says what the network is rather than which classes make it up.

use super::error::ConfigError;
use super::fields::Fields;
use super::read::{self, MAX_PATCH, MAX_REGISTERS, MAX_TABLE, MAX_WIDTH, PUBLISHED_EPS};
use super::{
    DecoderConfig, DroppedRegisters, EncoderConfig, InputScale, MaskMode, ModelConfig,
    PositionConfig, PositionKind, PositionScaling, Prediction, SamplingDefaults, TimeConfig,
    TransformerConfig, Unconditional, VaeConfig,
};
use crate::Size;
use crate::literal::Value;

type Result<T> = std::result::Result<T, ConfigError>;

/// Reads the embedded form.
pub(super) fn from_value(value: &Value) -> Result<ModelConfig> {
    let mut fields = Fields::new("", value)?;
    let name = fields.text_opt("name")?.map(str::to_owned);
    let vae = VaeConfig::read(fields.nested("vae")?)?;
    let patch_size = fields.size("patch_size", 1..=MAX_PATCH)?;
    let table = patch_table(&mut fields, patch_size)?;
    let registers = fields.size("registers", 1..=MAX_REGISTERS)?;
    let register_positions = PositionConfig {
        kind: PositionKind::SeparableSum,
        max_sizes: vec![registers],
        scaling: PositionScaling::Crop,
    };
    let encoder = encoder(fields.nested("encoder")?, patch_size, table.clone())?;
    let decoder = decoder(
        fields.nested("decoder")?,
        patch_size,
        table,
        register_positions,
    )?;
    let mut config = ModelConfig {
        name,
        vae,
        encoder,
        decoder,
        registers,
        quantizer: read::fsq(&mut fields, "fsq_levels")?,
        layer_norm_eps: fields
            .number_opt("layer_norm_eps", 0.0, 0.1)?
            .unwrap_or(PUBLISHED_EPS),
        canvas: Size::new(0, 0),
        sampling: SamplingDefaults::read(&mut fields)?,
    };
    let side = fields.size("image_size", 1..=MAX_TABLE.saturating_mul(64))?;
    let side = u32::try_from(side).unwrap_or(u32::MAX);
    config.canvas = Size::new(side, side);
    if config.max_canvas() != config.canvas {
        let width = config.max_canvas().width;
        let allowed = format!("{width} (latent_grid times the pixels per latent)");
        return Err(fields.refuse("image_size", &Value::Int(i64::from(side)), allowed));
    }
    fields.finish()?;
    read::check(config)
}

/// The table of patch positions: one embedding for each patch of the square grid of latents.
fn patch_table(fields: &mut Fields<'_>, patch_size: usize) -> Result<PositionConfig> {
    let grid = fields.size("latent_grid", 1..=MAX_TABLE)?;
    let side = grid.checked_div(patch_size).unwrap_or(0);
    if side == 0 || side.saturating_mul(patch_size) != grid {
        let found = Value::Int(i64::try_from(grid).unwrap_or(i64::MAX));
        let allowed = format!("a multiple of the patch size {patch_size}");
        return Err(fields.refuse("latent_grid", &found, allowed));
    }
    Ok(PositionConfig {
        kind: PositionKind::Full,
        max_sizes: vec![side, side],
        scaling: PositionScaling::Crop,
    })
}

fn transformer(fields: &mut Fields<'_>) -> Result<TransformerConfig> {
    let width = fields.size("width", 1..=MAX_WIDTH)?;
    read::transformer(fields, width)
}

fn encoder(
    mut fields: Fields<'_>,
    patch_size: usize,
    positions: PositionConfig,
) -> Result<EncoderConfig> {
    let masks = [
        ("causal_last", MaskMode::CausalLast),
        ("full", MaskMode::Full),
    ];
    let encoder = EncoderConfig {
        transformer: transformer(&mut fields)?,
        patch_size,
        positions,
        mask: fields.choice("mask", &masks)?,
    };
    fields.finish()?;
    Ok(encoder)
}

fn decoder(
    mut fields: Fields<'_>,
    patch_size: usize,
    patch_positions: PositionConfig,
    register_positions: PositionConfig,
) -> Result<DecoderConfig> {
    let dropped = [
        ("omit", DroppedRegisters::Omit),
        ("mask_token", DroppedRegisters::MaskToken),
    ];
    let unconditional = [
        ("single_null_token", Unconditional::LearnedSingle),
        ("null_tokens", Unconditional::LearnedAll),
        ("single_zero_token", Unconditional::ZeroSingle),
        ("zero_tokens", Unconditional::ZeroAll),
    ];
    let prediction = [
        ("velocity", Prediction::Velocity),
        ("x0", Prediction::CleanLatents),
    ];
    let input_scale = [
        ("one", InputScale::One),
        ("one_minus_t", InputScale::OneMinusT),
    ];
    let decoder = DecoderConfig {
        transformer: transformer(&mut fields)?,
        patch_size,
        patch_positions,
        register_positions,
        adaln_expansion: fields.size("adaln_expansion", 1..=2)?,
        time: TimeConfig {
            max_timestep: fields.number("max_timestep", 0.0, 1e9)?,
            frequency_embedding_size: read::frequency_embedding_size(&mut fields)?,
        },
        dropped: fields.choice("dropped_registers", &dropped)?,
        unconditional: fields.choice("unconditional", &unconditional)?,
        prediction: fields.choice("prediction", &prediction)?,
        input_scale: fields.choice("input_scale", &input_scale)?,
    };
    fields.finish()?;
    Ok(decoder)
}
