//! The velocity network: noised latents and conditioning registers to a velocity (network.md section 6).
//!
//! All images of a batch, and both passes of guidance over each, go through the network together, as sequences in the
//! rows of one tensor: the conditional ones of all images, then the unconditional ones. What is constant over the steps
//! is computed before them: the registers' embeddings, the time embeddings and all blocks' modulation vectors. Of n
//! registers that are identical in every layer, the sequence has one, with ln n added to its attention logits: the softmax
//! then gives it the weight of all n (network.md section 9).

use flextok_compute::Backend;
use flextok_compute::backend::{Epilogue, Mask, Modulation, ModulationVector};

use super::block::{Pass, Scratch, Transformer};
use super::builder::VarBuilder;
use super::packing::Packing;
use super::positions::PositionTable;
use super::{NetworkError, time};
use crate::config::{DroppedRegisters, InputScale, ModelConfig, Prediction};
use crate::weights::Weights;

/// Steps whose modulation is computed at once: bounds the tables' memory for long schedules.
const STEPS_AT_ONCE: usize = 32;

/// The decoder's weights.
pub struct Decoder<B: Backend> {
    from_latents: B::Linear,
    register_positions: Vec<f32>,
    mask_token: Option<Vec<f32>>,
    nullcond: Vec<f32>,
    patch_proj: B::Linear,
    patch_positions: PositionTable,
    time: [B::Linear; 2],
    transformer: Transformer<B>,
    modulations: Vec<B::Linear>,
    head_modulation: B::Linear,
    head: B::Linear,
    config: ModelConfig,
}

impl<B: Backend> Decoder<B> {
    /// Prepares the decoder of `weights`.
    ///
    /// # Errors
    /// [`NetworkError`] if a tensor is missing or does not have the shape that the config implies.
    pub fn load(backend: &B, weights: &Weights) -> Result<Self, NetworkError> {
        let config = weights.network()?.clone();
        let decoder = &config.decoder;
        let width = decoder.transformer.width;
        let patch = decoder.patch_size * decoder.patch_size * config.vae.latent_channels();
        let vs = VarBuilder::new(backend, weights).pp("decoder.module_dict");
        let vector = |name: &str| Ok::<_, NetworkError>(vs.get(&[width], name)?.to_f32()?);
        let positions = |module: &str, config| PositionTable::load(&vs.pp(module), config, width);
        let registers = positions("dec_registers_posemb_module", &decoder.register_positions)?;
        let mask_token = match decoder.dropped {
            DroppedRegisters::MaskToken => Some(vector("dec_nested_dropout.dropout_mask_token")?),
            DroppedRegisters::Omit => None,
        };
        let nullcond = match decoder.unconditional.is_learned() {
            true => vector("dec_latent_dropout.nullcond")?,
            false => vec![0.0; width],
        };
        let (blocks, time) = (vs.pp("dec_transformer"), vs.pp("dec_time_embedder.mlp"));
        let head = vs.pp("dec_to_patches");
        let modulations = (0..decoder.transformer.depth).map(|index| {
            let layer = blocks.pp(format!("blocks.{index}.adaLN_modulation.1"));
            layer.linear(6 * decoder.adaln_expansion * width, width)
        });
        Ok(Self {
            from_latents: vs
                .pp("dec_from_latents.proj")
                .linear(width, config.quantizer.channels())?,
            register_positions: registers.grid(1, config.registers)?,
            mask_token,
            nullcond,
            patch_proj: vs
                .pp("dec_noise_patch_emb.patch_proj")
                .linear(width, patch)?,
            patch_positions: positions("dec_patches_posemb_module", &decoder.patch_positions)?,
            time: [
                time.pp(0)
                    .linear(width, decoder.time.frequency_embedding_size)?,
                time.pp(2).linear(width, width)?,
            ],
            transformer: Transformer::load(&blocks, &decoder.transformer, config.layer_norm_eps)?,
            modulations: modulations.collect::<Result<_, _>>()?,
            head_modulation: head.pp("adaLN_modulation.1").linear(2 * width, width)?,
            head: head.pp("proj").linear(patch, width)?,
            config,
        })
    }

    /// What the decoder's raw output is.
    pub(crate) fn prediction(&self) -> Prediction {
        self.config.decoder.prediction
    }

    /// Prepares the decoder for one image of latents `[height, width, channels]` for each list of `ids`, conditioned on
    /// it. With `guided`, the unconditional pass runs too.
    ///
    /// # Errors
    /// [`NetworkError::Tokens`] for more ids than registers, [`NetworkError::PositionTable`] for latents beyond the
    /// position table, [`NetworkError::Compute`].
    pub fn condition<'a>(
        &'a self,
        backend: &'a B,
        (height, width): (usize, usize),
        ids: &[&[u16]],
        guided: bool,
    ) -> Result<Conditioned<'a, B>, NetworkError> {
        let decoder = &self.config.decoder;
        for ids in ids {
            check_tokens(ids.len(), self.config.registers)?;
        }
        let (rows, columns) = (height / decoder.patch_size, width / decoder.patch_size);
        let (patches, dim) = (rows * columns, decoder.transformer.width);
        let patch = decoder.patch_size * decoder.patch_size * self.config.vae.latent_channels();
        let registers = self.registers(ids, guided);
        let counts: Vec<usize> = registers.iter().map(Registers::count).collect();
        let packing = Packing::new(patches, &counts);
        let image_patches = ids.len() * patches;
        Ok(Conditioned {
            decoder: self,
            backend,
            image_patches,
            registers: self.register_embeddings(backend, ids, &registers)?,
            log_multiplicity: log_multiplicity(backend, &packing, &registers)?,
            positions: backend
                .upload(&self.patch_positions.grid(rows, columns)?, &[patches, dim])?,
            cut: backend.zeros(&[image_patches, patch])?,
            embedded: backend.zeros(&[image_patches, dim])?,
            rows: backend.zeros(&[packing.rows, dim])?,
            outputs: backend.zeros(&[packing.patches, dim])?,
            pieces: backend.zeros(&[packing.patches, patch])?,
            scratch: Scratch::new(backend, packing.rows, &decoder.transformer)?,
            packing,
            schedule: None,
        })
    }

    /// What each sequence's registers hold.
    fn registers(&self, ids: &[&[u16]], guided: bool) -> Vec<Registers> {
        let conditional = ids.iter().map(|ids| {
            let dropped = self.config.registers - ids.len();
            Registers {
                tokens: ids.len(),
                alike: if self.mask_token.is_some() {
                    dropped
                } else {
                    0
                },
            }
        });
        let unconditional = Registers {
            tokens: 0,
            alike: match self.config.decoder.unconditional.is_single() {
                true => 1,
                false => self.config.registers,
            },
        };
        let of_null = std::iter::repeat_n(unconditional, if guided { ids.len() } else { 0 });
        conditional.chain(of_null).collect()
    }

    /// Embeddings of all sequences' registers, one sequence after the other.
    fn register_embeddings(
        &self,
        backend: &B,
        ids: &[&[u16]],
        registers: &[Registers],
    ) -> Result<B::Tensor, NetworkError> {
        let dim = self.config.decoder.transformer.width;
        let tokens = self.token_embeddings(backend, ids)?;
        let null = backend.upload(&self.nullcond, &[1, dim])?;
        let mask_token = self.mask_token.as_ref();
        let mask_token = mask_token
            .map(|token| backend.upload(token, &[1, dim]))
            .transpose()?;
        let total = registers.iter().map(Registers::count).sum();
        let mut embeddings = backend.zeros(&[total, dim])?;
        let (mut row, mut token) = (0, 0);
        for (sequence, registers) in registers.iter().enumerate() {
            backend.copy_rows(&tokens, token, &mut embeddings, row, registers.tokens)?;
            (row, token) = (row + registers.tokens, token + registers.tokens);
            let representative = match &mask_token {
                Some(mask_token) if sequence < ids.len() => mask_token,
                _ => &null,
            };
            if registers.alike > 0 {
                backend.copy_rows(representative, 0, &mut embeddings, row, 1)?;
                row += 1;
            }
        }
        Ok(embeddings)
    }

    /// Embeddings of all images' tokens, one image after the other.
    fn token_embeddings(&self, backend: &B, ids: &[&[u16]]) -> Result<B::Tensor, NetworkError> {
        let dim = self.config.decoder.transformer.width;
        let quantizer = &self.config.quantizer;
        let all = ids.concat();
        let mut embeddings = backend.zeros(&[all.len(), dim])?;
        if !all.is_empty() {
            let codes =
                backend.upload(&quantizer.codes(&all), &[all.len(), quantizer.channels()])?;
            let positions = ids
                .iter()
                .flat_map(|ids| &self.register_positions[..ids.len() * dim]);
            let positions: Vec<f32> = positions.copied().collect();
            let positions = backend.upload(&positions, &[all.len(), dim])?;
            let epilogue = Epilogue::Plus(&positions);
            let rows = 0..all.len();
            backend.linear(&codes, rows, &self.from_latents, epilogue, &mut embeddings)?;
        }
        Ok(embeddings)
    }
}

/// No more tokens than registers.
pub(super) fn check_tokens(actual: usize, allowed: usize) -> Result<(), NetworkError> {
    if actual > allowed {
        return Err(NetworkError::Tokens { actual, allowed });
    }
    Ok(())
}

/// The registers of one sequence.
#[derive(Clone, Copy)]
struct Registers {
    /// Those of tokens.
    tokens: usize,
    /// How many identical ones follow, which are represented by one.
    alike: usize,
}

impl Registers {
    /// Number of rows in the sequence.
    fn count(&self) -> usize {
        self.tokens + usize::from(self.alike > 0)
    }
}

/// Logarithms of how many registers each row represents; `None` if each represents only itself.
fn log_multiplicity<B: Backend>(
    backend: &B,
    packing: &Packing,
    registers: &[Registers],
) -> Result<Option<B::Tensor>, NetworkError> {
    if registers.iter().all(|registers| registers.alike <= 1) {
        return Ok(None);
    }
    let mut weights = vec![0.0; packing.rows];
    for (sequence, registers) in packing.sequences.iter().zip(registers) {
        if registers.alike > 0 {
            // Tokens come first, so that the representative is the sequence's last row.
            weights[sequence.suffix.end - 1] = (registers.alike as f32).ln();
        }
    }
    Ok(Some(backend.upload(&weights, &[packing.rows])?))
}

/// The steps of a decode, and the modulation vectors of [`STEPS_AT_ONCE`] of them: one table per block, and the head's.
struct Schedule<B: Backend> {
    steps: usize,
    /// SiLU of all steps' time embeddings.
    activated: B::Tensor,
    /// Which steps the tables hold, counted in [`STEPS_AT_ONCE`].
    chunk: Option<usize>,
    picked: B::Tensor,
    tables: Vec<B::Tensor>,
    head: B::Tensor,
}

impl<B: Backend> Schedule<B> {
    /// Makes the tables hold `step` and returns its row in them.
    fn row(
        &mut self,
        decoder: &Decoder<B>,
        backend: &B,
        step: usize,
    ) -> Result<usize, NetworkError> {
        let chunk = step / STEPS_AT_ONCE;
        if self.chunk != Some(chunk) {
            let first = chunk * STEPS_AT_ONCE;
            let count = STEPS_AT_ONCE.min(self.steps - first);
            backend.copy_rows(&self.activated, first, &mut self.picked, 0, count)?;
            for (weights, table) in decoder.modulations.iter().zip(&mut self.tables) {
                backend.linear(&self.picked, 0..count, weights, Epilogue::Store, table)?;
            }
            let weights = &decoder.head_modulation;
            backend.linear(
                &self.picked,
                0..count,
                weights,
                Epilogue::Store,
                &mut self.head,
            )?;
            self.chunk = Some(chunk);
        }
        Ok(step % STEPS_AT_ONCE)
    }
}

/// A decoder with everything that is constant over the steps, and the memory that its steps work in.
pub struct Conditioned<'a, B: Backend> {
    decoder: &'a Decoder<B>,
    backend: &'a B,
    /// Patches of all images.
    image_patches: usize,
    packing: Packing,
    /// Embeddings of all sequences' registers.
    registers: B::Tensor,
    log_multiplicity: Option<B::Tensor>,
    /// Position embeddings of one image's patches.
    positions: B::Tensor,
    /// The images' patches, as cut and as embedded.
    cut: B::Tensor,
    embedded: B::Tensor,
    /// All sequences' rows, and the patches of each as they leave the blocks and the head.
    rows: B::Tensor,
    outputs: B::Tensor,
    pieces: B::Tensor,
    scratch: Scratch<B>,
    schedule: Option<Schedule<B>>,
}

impl<B: Backend> Conditioned<'_, B> {
    /// Number of latents that [`Conditioned::predict`] gives: one for each image, or two where there is guidance.
    #[must_use]
    pub fn predictions(&self) -> usize {
        self.packing.sequences.len()
    }

    /// Prepares the steps at `times`, which are then referred to by index.
    ///
    /// # Errors
    /// [`NetworkError::Compute`].
    pub fn schedule(&mut self, times: &[f32]) -> Result<(), NetworkError> {
        let (decoder, backend) = (self.decoder, self.backend);
        let config = &decoder.config.decoder;
        let (steps, dim) = (times.len(), config.transformer.width);
        let size = config.time.frequency_embedding_size;
        let waves = backend.upload(&time::embedding(times, &config.time)?, &[steps, size])?;
        let mut hidden = backend.zeros(&[steps, dim])?;
        let mut activated = backend.zeros(&[steps, dim])?;
        backend.linear(
            &waves,
            0..steps,
            &decoder.time[0],
            Epilogue::Silu,
            &mut hidden,
        )?;
        // Every user of the time embedding applies SiLU to it first.
        backend.linear(
            &hidden,
            0..steps,
            &decoder.time[1],
            Epilogue::Silu,
            &mut activated,
        )?;
        let rows = steps.min(STEPS_AT_ONCE);
        let table_width = 6 * config.adaln_expansion * dim;
        let tables = decoder
            .modulations
            .iter()
            .map(|_| backend.zeros(&[rows, table_width]));
        self.schedule = Some(Schedule {
            steps,
            activated,
            chunk: None,
            picked: backend.zeros(&[rows, dim])?,
            tables: tables.collect::<Result<_, _>>()?,
            head: backend.zeros(&[rows, 2 * dim])?,
        });
        Ok(())
    }

    /// Embeds the noised latents `x`, `[images, h, w, C]`, of time `t`; the predictions that follow see them.
    ///
    /// # Errors
    /// [`NetworkError::Compute`].
    pub fn embed(&mut self, x: &B::Tensor, t: f32) -> Result<(), NetworkError> {
        let (decoder, backend) = (self.decoder, self.backend);
        let factor = match decoder.config.decoder.input_scale {
            InputScale::One => 1.0,
            InputScale::OneMinusT => 1.0 - t,
        };
        backend.patchify(x, decoder.config.decoder.patch_size, factor, &mut self.cut)?;
        let epilogue = Epilogue::Plus(&self.positions);
        let rows = 0..self.image_patches;
        let (patch_proj, embedded) = (&decoder.patch_proj, &mut self.embedded);
        backend.linear(&self.cut, rows, patch_proj, epilogue, embedded)?;
        Ok(())
    }

    /// The decoder's output for the embedded latents at step `step` of the schedule, as latents
    /// `[predictions, h, w, C]`: those of all images given their tokens, then, if [`Decoder::condition`] was called for
    /// guidance, those of all images given the null condition.
    ///
    /// # Errors
    /// [`NetworkError::Compute`].
    ///
    /// # Panics
    /// If no schedule was prepared or `step` is beyond it.
    pub fn predict(&mut self, step: usize, out: &mut B::Tensor) -> Result<(), NetworkError> {
        let (decoder, backend) = (self.decoder, self.backend);
        let config = &decoder.config.decoder;
        let (image_patches, all_patches) = (self.image_patches, self.packing.patches);
        let Some(schedule) = &mut self.schedule else {
            panic!("the schedule is prepared before its steps")
        };
        let row = schedule.row(decoder, backend, step)?;
        let schedule = &*schedule;
        for first in (0..all_patches).step_by(image_patches.max(1)) {
            backend.copy_rows(&self.embedded, 0, &mut self.rows, first, image_patches)?;
        }
        let registers = self.packing.rows - all_patches;
        backend.copy_rows(&self.registers, 0, &mut self.rows, all_patches, registers)?;
        let pass = Pass {
            packing: &self.packing,
            wanted: 0..all_patches,
            mask: Mask::Full,
            log_multiplicity: self.log_multiplicity.as_ref(),
            modulation: Some((&schedule.tables, row)),
            expansion: config.adaln_expansion,
        };
        decoder
            .transformer
            .forward(backend, &mut self.rows, &pass, &mut self.scratch)?;

        let vector = |offset| ModulationVector {
            table: &schedule.head,
            row,
            split: all_patches,
            first: offset,
            second: offset,
        };
        let (shift, scale) = (vector(0), vector(config.transformer.width));
        let (modulation, eps) = (Modulation { shift, scale }, decoder.config.layer_norm_eps);
        let (patches, outputs) = (0..all_patches, &mut self.outputs);
        backend.norm_modulate(&self.rows, patches.clone(), eps, Some(modulation), outputs)?;
        let (head, pieces) = (&decoder.head, &mut self.pieces);
        backend.linear(&self.outputs, patches, head, Epilogue::Store, pieces)?;
        backend.unpatchify(&self.pieces, config.patch_size, out)?;
        Ok(())
    }
}
