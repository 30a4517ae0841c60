//! What a checkpoint says about its network, as one closed, typed description.
//!
//! The two stored forms (the published layout's Python literals or JSON, and the embedded models' JSON) are read into the
//! same [`ModelConfig`]. A config is data: nothing in it is executed, and a name or value that this crate does not know
//! is refused by name.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod canvas;
mod coded;
mod error;
mod fields;
mod native;
mod published;
mod read;
mod sampling;
#[cfg(test)]
mod tests;
mod vae;

pub use canvas::CanvasError;
pub use coded::{CodedConfig, LearnedDecoderConfig};
pub use error::ConfigError;
use flextok_compute::Quantizer;
pub use sampling::SamplingDefaults;
use serde::Serialize;
pub use vae::{AutoencoderKlConfig, LappedConfig, VaeConfig};

use crate::Size;

/// The config of a model of either family.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Config {
    /// A FlexTok network.
    Network(Box<ModelConfig>),
    /// A fixed transform with a coded payload.
    Coded(CodedConfig),
}

/// The whole description of a network: everything the network code needs besides the tensors.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelConfig {
    /// Name of the model, where its config gives one.
    pub name: Option<String>,
    /// The image ↔ latents transform.
    pub vae: VaeConfig,
    /// Patches and registers to tokens.
    pub encoder: EncoderConfig,
    /// Tokens and noise to latents.
    pub decoder: DecoderConfig,
    /// Number of registers, which is the largest number of tokens per canvas (256 in all published models).
    pub registers: usize,
    /// How registers become ids of the codebook (network.md section 4).
    #[serde(serialize_with = "quantizer")]
    pub quantizer: Quantizer,
    /// Epsilon of every layer norm.
    pub layer_norm_eps: f32,
    /// Canvas in pixels that images are resized to by default; serialized as `[width, height]`.
    #[serde(serialize_with = "pair")]
    pub canvas: Size,
    /// How to decode by default.
    pub sampling: SamplingDefaults,
}

/// Sizes belong to a crate that knows no serialization.
fn pair<S: serde::Serializer>(size: &Size, serializer: S) -> Result<S::Ok, S::Error> {
    <(u32, u32)>::from(*size).serialize(serializer)
}

/// Quantizers belong to a crate that knows no serialization.
fn quantizer<S: serde::Serializer>(
    quantizer: &Quantizer,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Form<'a> {
        Fsq { levels: &'a [u32] },
    }
    match quantizer {
        Quantizer::Fsq { levels } => Form::Fsq { levels },
    }
    .serialize(serializer)
}

/// The shape of a stack of pre-norm transformer blocks with a gated SiLU MLP.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TransformerConfig {
    /// Width D of the residual stream.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Channels per attention head; divides the width.
    pub head_dim: usize,
    /// Width of the gated MLP: `int(2·int(mlp_ratio·D)/3)`.
    pub mlp_hidden: usize,
    /// Whether queries and keys are layer-normed per head.
    pub qk_norm: bool,
    /// Whether `wq`, `wk` and `wv` have biases.
    pub qkv_bias: bool,
    /// Whether the attention's output projection has a bias.
    pub proj_bias: bool,
    /// Whether the MLP's layers have biases.
    pub mlp_bias: bool,
}

/// How a position table is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PositionKind {
    /// One embedding per position (`sincos`).
    Full,
    /// One embedding per row and per column, added (`learnable_sum`).
    SeparableSum,
    /// One embedding per row and per column, multiplied (`learnable_prod`).
    SeparableProduct,
}

/// What happens when a grid is not as large as its position table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PositionScaling {
    /// The table's first rows and columns are used; a grid beyond the table is refused (`absolute`).
    Crop,
    /// The whole table is resized bilinearly with aligned corners (`interpolate`).
    Interpolate,
}

/// A table of position embeddings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PositionConfig {
    /// How the table is stored.
    pub(crate) kind: PositionKind,
    /// Size of the table: `[rows, columns]` for patches, `[count]` for registers.
    pub(crate) max_sizes: Vec<usize>,
    /// What happens for a grid of another size.
    pub(crate) scaling: PositionScaling,
}

/// Which keys a query may attend to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MaskMode {
    /// Everything sees everything.
    Full,
    /// Patches see all patches and no register; register r sees all patches and registers 0..=r.
    CausalLast,
}

/// Patches and registers to tokens.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EncoderConfig {
    /// The transformer blocks.
    pub transformer: TransformerConfig,
    /// Side of a square patch in latents.
    pub patch_size: usize,
    /// Position embeddings of the patches.
    pub(crate) positions: PositionConfig,
    /// Attention mask.
    pub(crate) mask: MaskMode,
}

/// What the sequence holds for the registers beyond the given tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DroppedRegisters {
    /// The learned mask token `dec_nested_dropout.dropout_mask_token`, once for each.
    MaskToken,
    /// Nothing: the sequence is shorter.
    Omit,
}

/// What the registers are in the unconditional pass of guidance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unconditional {
    /// All registers are the learned `dec_latent_dropout.nullcond`.
    LearnedAll,
    /// A single register, the learned `dec_latent_dropout.nullcond`.
    LearnedSingle,
    /// All registers are zero.
    ZeroAll,
    /// A single register of zeros.
    ZeroSingle,
}

impl Unconditional {
    /// Whether the registers are learned rather than zero.
    #[must_use]
    pub(crate) fn is_learned(self) -> bool {
        matches!(self, Self::LearnedAll | Self::LearnedSingle)
    }

    /// Whether the sequence has a single register instead of one per token.
    #[must_use]
    pub(crate) fn is_single(self) -> bool {
        matches!(self, Self::LearnedSingle | Self::ZeroSingle)
    }
}

/// What the decoder's output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Prediction {
    /// The velocity of the flow.
    Velocity,
    /// The clean latents x̂0, from which the velocity is (x_t − x̂0)/t.
    CleanLatents,
}

/// Factor on the noised latents before the decoder sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InputScale {
    /// The latents as they are.
    One,
    /// 1 − t, so that nothing of the noise is seen at t = 1.
    OneMinusT,
}

/// Sinusoidal embedding of the flow time (network.md section 6.2).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TimeConfig {
    /// The frequencies are scaled by 1000 / max_timestep.
    pub(crate) max_timestep: f32,
    /// Size of the sinusoidal embedding, cosines first.
    pub(crate) frequency_embedding_size: usize,
}

/// Tokens and noise to latents.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DecoderConfig {
    /// The transformer blocks.
    pub transformer: TransformerConfig,
    /// Side of a square patch in latents.
    pub patch_size: usize,
    /// Position embeddings of the patches.
    pub(crate) patch_positions: PositionConfig,
    /// Position embeddings of the registers.
    pub(crate) register_positions: PositionConfig,
    /// 1: patches and registers share one modulation; 2: each has its own.
    pub(crate) adaln_expansion: usize,
    /// Embedding of the flow time.
    pub(crate) time: TimeConfig,
    /// What the sequence holds for registers without tokens.
    pub(crate) dropped: DroppedRegisters,
    /// What the registers are in the unconditional pass.
    pub(crate) unconditional: Unconditional,
    /// What the output is.
    pub(crate) prediction: Prediction,
    /// Factor on the input.
    pub(crate) input_scale: InputScale,
}
