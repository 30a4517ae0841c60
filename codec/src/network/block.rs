//! A stack of transformer blocks: pre-norm attention and gated MLP, plain in the encoder, modulated by adaLN in the
//! decoder (network.md section 5).

use std::ops::Range;

use flextok_compute::Backend;
use flextok_compute::backend::{AttentionSpec, Epilogue, Mask, Modulation, ModulationVector};

use super::NetworkError;
use super::builder::VarBuilder;
use super::packing::Packing;
use crate::config::TransformerConfig;

/// Order of the six modulation vectors of a block: both gates first, unlike the shift, scale and gate per branch of DiT.
mod order {
    pub(super) const GATE_ATTENTION: usize = 0;
    pub(super) const GATE_MLP: usize = 1;
    pub(super) const SHIFT_ATTENTION: usize = 2;
    pub(super) const SCALE_ATTENTION: usize = 3;
    pub(super) const SHIFT_MLP: usize = 4;
    pub(super) const SCALE_MLP: usize = 5;
}

/// One block's weights.
struct Block<B: Backend> {
    qkv: B::Linear,
    proj: B::Linear,
    gate_up: B::Linear,
    down: B::Linear,
}

/// A stack of blocks.
pub(super) struct Transformer<B: Backend> {
    blocks: Vec<Block<B>>,
    config: TransformerConfig,
    eps: f32,
}

/// Memory that a stack of blocks works in, for one number of rows.
pub(super) struct Scratch<B: Backend> {
    normed: B::Tensor,
    qkv: B::Tensor,
    mixed: B::Tensor,
    hidden: B::Tensor,
}

impl<B: Backend> Scratch<B> {
    pub(super) fn new(
        backend: &B,
        rows: usize,
        config: &TransformerConfig,
    ) -> Result<Self, NetworkError> {
        Ok(Self {
            normed: backend.zeros(&[rows, config.width])?,
            qkv: backend.zeros(&[rows, 3 * config.width])?,
            mixed: backend.zeros(&[rows, config.width])?,
            hidden: backend.zeros(&[rows, config.mlp_hidden])?,
        })
    }
}

/// How one pass through the stack sees its rows.
pub(super) struct Pass<'a, B: Backend> {
    /// The sequences in the rows.
    pub(super) packing: &'a Packing,
    /// Rows whose result is wanted: the last block computes no others.
    pub(super) wanted: Range<usize>,
    pub(super) mask: Mask,
    pub(super) log_multiplicity: Option<&'a B::Tensor>,
    /// Modulation tables of all blocks, and the row (step) to use.
    pub(super) modulation: Option<(&'a [B::Tensor], usize)>,
    /// 1: one set of six vectors for all rows; 2: the patches' set, then the registers'.
    pub(super) expansion: usize,
}

impl<B: Backend> Transformer<B> {
    /// Prepares the blocks of the transformer at `vs`.
    pub(super) fn load(
        vs: &VarBuilder<'_, B>,
        config: &TransformerConfig,
        eps: f32,
    ) -> Result<Self, NetworkError> {
        let vs = vs.pp("blocks");
        check_names(&vs, config)?;
        let blocks = (0..config.depth).map(|index| Block::load(&vs.pp(index), config));
        Ok(Self {
            blocks: blocks.collect::<Result<_, _>>()?,
            config: config.clone(),
            eps,
        })
    }

    /// Runs all blocks over `x` of `[rows, width]`, in place.
    pub(super) fn forward(
        &self,
        backend: &B,
        x: &mut B::Tensor,
        pass: &Pass<'_, B>,
        scratch: &mut Scratch<B>,
    ) -> Result<(), NetworkError> {
        for (index, block) in self.blocks.iter().enumerate() {
            // Every row is a key of the next block, but after the last block only the wanted rows are read.
            let last = index + 1 == self.blocks.len();
            let queries = if last {
                pass.wanted.clone()
            } else {
                0..pass.packing.rows
            };
            self.block(backend, x, (index, block), pass, queries, scratch)?;
        }
        Ok(())
    }

    fn block(
        &self,
        backend: &B,
        x: &mut B::Tensor,
        (index, block): (usize, &Block<B>),
        pass: &Pass<'_, B>,
        queries: Range<usize>,
        scratch: &mut Scratch<B>,
    ) -> Result<(), NetworkError> {
        let width = self.config.width;
        let vector = |which: usize| {
            pass.modulation.map(|(tables, row)| ModulationVector {
                table: &tables[index],
                row,
                split: pass.packing.patches,
                first: which * width,
                // The registers' six vectors come after the patches', or are the same ones.
                second: ((pass.expansion - 1) * 6 + which) * width,
            })
        };
        let pair = |shift, scale| {
            vector(shift)
                .zip(vector(scale))
                .map(|(shift, scale)| Modulation { shift, scale })
        };
        let onto = |gate| vector(gate).map_or(Epilogue::Residual, Epilogue::GatedResidual);
        let Scratch {
            normed,
            qkv,
            mixed,
            hidden,
        } = scratch;

        let rows = pass.packing.rows;
        let modulation = pair(order::SHIFT_ATTENTION, order::SCALE_ATTENTION);
        backend.norm_modulate(x, 0..rows, self.eps, modulation, normed)?;
        backend.linear(normed, 0..rows, &block.qkv, Epilogue::Store, qkv)?;
        let spec = AttentionSpec {
            sequences: &pass.packing.sequences,
            heads: width / self.config.head_dim,
            // µP scales by 1/d instead of 1/√d, and the published model was trained so. The factor 8 makes both equal
            // for heads of 64 channels, and only for those.
            scale: 8.0 / self.config.head_dim as f32,
            qk_norm_eps: self.config.qk_norm.then_some(self.eps),
            mask: pass.mask,
            log_multiplicity: pass.log_multiplicity,
            queries: queries.clone(),
        };
        backend.attention(qkv, &spec, mixed)?;
        backend.linear(
            mixed,
            queries.clone(),
            &block.proj,
            onto(order::GATE_ATTENTION),
            x,
        )?;

        let modulation = pair(order::SHIFT_MLP, order::SCALE_MLP);
        backend.norm_modulate(x, queries.clone(), self.eps, modulation, normed)?;
        backend.swiglu(normed, queries.clone(), &block.gate_up, hidden)?;
        backend.linear(hidden, queries, &block.down, onto(order::GATE_MLP), x)?;
        Ok(())
    }
}

impl<B: Backend> Block<B> {
    fn load(vs: &VarBuilder<'_, B>, config: &TransformerConfig) -> Result<Self, NetworkError> {
        let (width, hidden) = (config.width, config.mlp_hidden);
        let (attn, mlp) = (vs.pp("attn"), vs.pp("mlp"));
        Ok(Self {
            qkv: attn.linears(&["wq", "wk", "wv"], (width, width), config.qkv_bias)?,
            proj: attn.linears(&["proj"], (width, width), config.proj_bias)?,
            // SwiGLU's gate (fc1, through SiLU) and what it multiplies (fc3) read the same input.
            gate_up: mlp.coarse_linears(&["fc1", "fc3"], (hidden, width), config.mlp_bias)?,
            down: mlp.coarse_linears(&["fc2"], (width, hidden), config.mlp_bias)?,
        })
    }
}

/// Refuses tensors of the blocks at `vs` that the config does not use: more blocks, or biases where there should be none.
/// The network would run without them, but it would not be the one that was trained.
fn check_names<B>(vs: &VarBuilder<'_, B>, config: &TransformerConfig) -> Result<(), NetworkError> {
    let layers = [
        ("attn.wq", config.qkv_bias),
        ("attn.wk", config.qkv_bias),
        ("attn.wv", config.qkv_bias),
        ("attn.proj", config.proj_bias),
        ("mlp.fc1", config.mlp_bias),
        ("mlp.fc2", config.mlp_bias),
        ("mlp.fc3", config.mlp_bias),
        ("adaLN_modulation.1", true),
    ];
    let is_used = |name: &str| {
        let (index, rest) = name.split_once('.')?;
        let (layer, part) = rest.rsplit_once('.')?;
        let (_, biased) = layers.iter().find(|(known, _)| *known == layer)?;
        let index: usize = index.parse().ok()?;
        (index < config.depth && (part == "weight" || (part == "bias" && *biased))).then_some(())
    };
    match vs.names().find(|name| is_used(name).is_none()) {
        Some(name) => Err(NetworkError::UnexpectedTensor {
            tensor: vs.path(name),
            depth: config.depth,
        }),
        None => Ok(()),
    }
}
