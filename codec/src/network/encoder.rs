//! Latents to tokens: patches and registers through the encoder's blocks, then FSQ (network.md section 3).

use super::NetworkError;
use super::block::{Pass, Scratch, Transformer, linear};
use super::decoder::check_tokens;
use super::positions::PositionTable;
use crate::config::{MaskMode, ModelConfig};
use crate::weights::Weights;
use flextok_compute::Backend;
use flextok_compute::backend::{Epilogue, Mask};

const PREFIX: &str = "encoder.module_dict";

/// The encoder's weights.
pub struct Encoder<B: Backend> {
    patch_proj: B::Linear,
    positions: PositionTable,
    registers: B::Tensor,
    transformer: Transformer<B>,
    head: B::Linear,
    config: ModelConfig,
}

impl<B: Backend> Encoder<B> {
    /// Prepares the encoder of `weights`; `channels` is the number of latent channels.
    ///
    /// # Errors
    /// [`NetworkError`] if a tensor is missing or has another shape than the config asks for.
    pub fn load(backend: &B, weights: &Weights, channels: usize) -> Result<Self, NetworkError> {
        let config = weights.config().clone();
        let encoder = &config.encoder;
        let width = encoder.transformer.width;
        let patch = encoder.patch_size * encoder.patch_size * channels;
        let name = |module: &str| format!("{PREFIX}.{module}");
        let registers = weights.tensor(
            &name("enc_register_module.registers"),
            &[config.registers, width],
        )?;
        Ok(Self {
            patch_proj: linear(
                backend,
                weights,
                &name("enc_patch_emb.patch_proj"),
                width,
                patch,
            )?,
            positions: PositionTable::load(
                weights,
                &name("enc_posemb_module.posembs"),
                &encoder.positions,
                width,
            )?,
            registers: backend.upload(&registers.to_f32(), &[config.registers, width])?,
            transformer: Transformer::load(
                backend,
                weights,
                &name("enc_transformer"),
                &encoder.transformer,
                config.layer_norm_eps,
            )?,
            head: linear(
                backend,
                weights,
                &name("enc_to_latents.proj"),
                config.fsq_levels.len(),
                width,
            )?,
            config,
        })
    }

    /// The first `tokens` registers' values before quantization, `[tokens, FSQ channels]`, of `[H, W, C]` latents.
    ///
    /// Under the causal-last mask register i sees no later register, so only `tokens` of them are computed; the values
    /// are the same, bit for bit, whatever `tokens` is.
    ///
    /// # Errors
    /// [`NetworkError::Tokens`] for more tokens than registers, [`NetworkError::Grid`] for latents beyond the position table,
    /// [`NetworkError::Compute`].
    ///
    /// # Panics
    /// If the latents are not `[H, W, C]` with the model's C.
    pub fn forward(
        &self,
        backend: &B,
        latents: &B::Tensor,
        tokens: usize,
    ) -> Result<B::Tensor, NetworkError> {
        let encoder = &self.config.encoder;
        check_tokens(tokens, self.config.registers)?;
        let &[height, width, channels] = backend.shape(latents) else {
            unreachable!("latents are [H, W, C]")
        };
        let (rows, columns) = (height / encoder.patch_size, width / encoder.patch_size);
        let patches = rows * columns;
        let (mask, registers) = match encoder.mask {
            MaskMode::CausalLast => (Mask::CausalLast { prefix: patches }, tokens),
            MaskMode::Full => (Mask::Full, self.config.registers),
        };
        let dim = encoder.transformer.width;
        let total = patches + registers;

        let mut cut =
            backend.zeros(&[patches, encoder.patch_size * encoder.patch_size * channels])?;
        backend.patchify(latents, encoder.patch_size, 1.0, &mut cut);
        let positions = backend.upload(&self.positions.grid(rows, columns)?, &[patches, dim])?;
        let mut x = backend.zeros(&[total, dim])?;
        backend.linear(
            &cut,
            0..patches,
            &self.patch_proj,
            Epilogue::Plus(&positions),
            &mut x,
        );
        backend.copy_rows(&self.registers, 0, &mut x, patches, registers);

        let mut scratch = Scratch::new(backend, total, &encoder.transformer)?;
        let wanted = patches..patches + tokens;
        let pass = Pass {
            rows: total,
            patches,
            wanted: wanted.clone(),
            mask,
            log_multiplicity: None,
            modulation: None,
            expansion: 1,
        };
        self.transformer
            .forward(backend, &mut x, &pass, &mut scratch);

        let mut outputs = backend.zeros(&[total, dim])?;
        backend.norm_modulate(
            &x,
            wanted.clone(),
            self.config.layer_norm_eps,
            None,
            &mut outputs,
        );
        let mut picked = backend.zeros(&[tokens, dim])?;
        backend.copy_rows(&outputs, patches, &mut picked, 0, tokens);
        let mut z = backend.zeros(&[tokens, self.config.fsq_levels.len()])?;
        backend.linear(&picked, 0..tokens, &self.head, Epilogue::Store, &mut z);
        Ok(z)
    }
}
