//! Latents to tokens: patches and registers through the encoder's blocks, then FSQ (network.md section 3).

use flextok_compute::Backend;
use flextok_compute::backend::{Epilogue, Mask};

use super::NetworkError;
use super::block::{Pass, Scratch, Transformer};
use super::builder::VarBuilder;
use super::decoder::check_tokens;
use super::packing::Packing;
use super::positions::PositionTable;
use crate::config::{MaskMode, ModelConfig};
use crate::weights::Weights;

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
    /// Prepares the encoder of `weights`.
    ///
    /// # Errors
    /// [`NetworkError`] if a tensor is missing or does not have the shape that the config implies.
    pub fn load(backend: &B, weights: &Weights) -> Result<Self, NetworkError> {
        let config = weights.network()?.clone();
        let encoder = &config.encoder;
        let width = encoder.transformer.width;
        let patch = encoder.patch_size * encoder.patch_size * config.vae.latent_channels();
        let vs = VarBuilder::new(backend, weights).pp("encoder.module_dict");
        let shape = [config.registers, width];
        let registers = vs.get(&shape, "enc_register_module.registers")?;
        Ok(Self {
            patch_proj: vs.pp("enc_patch_emb.patch_proj").linear(width, patch)?,
            positions: PositionTable::load(&vs.pp("enc_posemb_module"), &encoder.positions, width)?,
            registers: backend.upload(&registers.to_f32()?, &shape)?,
            transformer: Transformer::load(
                &vs.pp("enc_transformer"),
                &encoder.transformer,
                config.layer_norm_eps,
            )?,
            head: vs
                .pp("enc_to_latents.proj")
                .linear(config.quantizer.channels(), width)?,
            config,
        })
    }

    /// The first `tokens` registers' values before quantization, `[images·tokens, FSQ channels]`, of `[images, H, W, C]`
    /// latents.
    ///
    /// Under the causal-last mask register i sees no later register, so only `tokens` of them are computed; the values
    /// are the same, bit for bit, for any `tokens`.
    ///
    /// # Errors
    /// [`NetworkError::Tokens`] for more tokens than registers, [`NetworkError::PositionTable`] for latents beyond the
    /// position table, [`NetworkError::Compute`].
    ///
    /// # Panics
    /// If the latents are not `[images, H, W, C]` with the model's C.
    pub fn forward(
        &self,
        backend: &B,
        latents: &B::Tensor,
        tokens: usize,
    ) -> Result<B::Tensor, NetworkError> {
        let encoder = &self.config.encoder;
        check_tokens(tokens, self.config.registers)?;
        let images = match *backend.shape(latents) {
            [images, ..] => images,
            _ => unreachable!("latents are [images, H, W, C]"),
        };
        let (mask, registers) = match encoder.mask {
            MaskMode::CausalLast => (Mask::CausalLast, tokens),
            MaskMode::Full => (Mask::Full, self.config.registers),
        };
        let (mut x, packing) = self.embed(backend, latents, registers)?;

        let mut scratch = Scratch::new(backend, packing.rows, &encoder.transformer)?;
        // From the first token of the first image to the last one of the last image.
        let wanted = packing.patches..packing.rows - (registers - tokens).min(packing.rows);
        let pass = Pass {
            packing: &packing,
            wanted: wanted.clone(),
            mask,
            log_multiplicity: None,
            modulation: None,
            expansion: 1,
        };
        self.transformer
            .forward(backend, &mut x, &pass, &mut scratch)?;

        let (dim, eps) = (encoder.transformer.width, self.config.layer_norm_eps);
        let mut outputs = backend.zeros(&[packing.rows, dim])?;
        backend.norm_modulate(&x, wanted, eps, None, &mut outputs)?;
        let total = images * tokens;
        let mut picked = backend.zeros(&[total, dim])?;
        for (image, sequence) in packing.sequences.iter().enumerate() {
            let first = sequence.suffix.start;
            backend.copy_rows(&outputs, first, &mut picked, image * tokens, tokens)?;
        }
        let mut z = backend.zeros(&[total, self.config.quantizer.channels()])?;
        backend.linear(&picked, 0..total, &self.head, Epilogue::Store, &mut z)?;
        Ok(z)
    }

    /// The rows that go into the blocks: embedded patches, and `registers` registers for each image.
    fn embed(
        &self,
        backend: &B,
        latents: &B::Tensor,
        registers: usize,
    ) -> Result<(B::Tensor, Packing), NetworkError> {
        let encoder = &self.config.encoder;
        let &[images, height, width, channels] = backend.shape(latents) else {
            unreachable!("latents are [images, H, W, C]")
        };
        let (rows, columns) = (height / encoder.patch_size, width / encoder.patch_size);
        let (patches, dim) = (rows * columns, encoder.transformer.width);
        let packing = Packing::new(patches, &vec![registers; images]);

        let patch = encoder.patch_size * encoder.patch_size * channels;
        let mut cut = backend.zeros(&[packing.patches, patch])?;
        backend.patchify(latents, encoder.patch_size, 1.0, &mut cut)?;
        let positions = backend.upload(&self.positions.grid(rows, columns)?, &[patches, dim])?;
        let mut x = backend.zeros(&[packing.rows, dim])?;
        let epilogue = Epilogue::Plus(&positions);
        backend.linear(&cut, 0..packing.patches, &self.patch_proj, epilogue, &mut x)?;
        for sequence in &packing.sequences {
            let first = sequence.suffix.start;
            backend.copy_rows(&self.registers, 0, &mut x, first, registers)?;
        }
        Ok((x, packing))
    }
}
