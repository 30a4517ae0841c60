//! The velocity network: noised latents and conditioning registers to a velocity (network.md section 6).
//!
//! What is the same for all steps is computed before them: the registers' embeddings, the time embeddings and all
//! blocks' modulation vectors. Registers that are identical in every layer stand in the sequence once, with the logarithm
//! of their number added to their attention logits.

use super::block::{Pass, Scratch, Transformer, linear};
use super::positions::PositionTable;
use super::{NetworkError, fsq, time};
use crate::config::{DroppedRegisters, InputScale, ModelConfig, Prediction};
use crate::weights::Weights;
use flextok_compute::Backend;
use flextok_compute::backend::{Epilogue, Mask, Modulation, ModulationVector};

const PREFIX: &str = "decoder.module_dict";

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
    channels: usize,
    config: ModelConfig,
}

impl<B: Backend> Decoder<B> {
    /// Prepares the decoder of `weights`; `channels` is the number of latent channels.
    ///
    /// # Errors
    /// [`NetworkError`] if a tensor is missing or has another shape than the config asks for.
    pub fn load(backend: &B, weights: &Weights, channels: usize) -> Result<Self, NetworkError> {
        let config = weights.config().clone();
        let decoder = &config.decoder;
        let width = decoder.transformer.width;
        let patch = decoder.patch_size * decoder.patch_size * channels;
        let name = |module: &str| format!("{PREFIX}.{module}");
        let layer = |module: &str, outputs, inputs| {
            linear(backend, weights, &name(module), outputs, inputs)
        };
        let vector =
            |module: &str| Ok::<_, NetworkError>(weights.tensor(&name(module), &[width])?.to_f32());
        let load_positions =
            |module: &str, config| PositionTable::load(weights, &name(module), config, width);
        let registers = load_positions(
            "dec_registers_posemb_module.posembs",
            &decoder.register_positions,
        )?;
        let mask_token = match decoder.dropped {
            DroppedRegisters::MaskToken => Some(vector("dec_nested_dropout.dropout_mask_token")?),
            DroppedRegisters::Omit => None,
        };
        let nullcond = match decoder.unconditional.is_learned() {
            true => vector("dec_latent_dropout.nullcond")?,
            false => vec![0.0; width],
        };
        let modulations = (0..decoder.transformer.depth)
            .map(|index| {
                let name = format!("dec_transformer.blocks.{index}.adaLN_modulation.1");
                layer(&name, 6 * decoder.adaln_expansion * width, width)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            from_latents: layer("dec_from_latents.proj", width, config.fsq_levels.len())?,
            register_positions: registers.grid(1, config.registers)?,
            mask_token,
            nullcond,
            patch_proj: layer("dec_noise_patch_emb.patch_proj", width, patch)?,
            patch_positions: load_positions(
                "dec_patches_posemb_module.posembs",
                &decoder.patch_positions,
            )?,
            time: [
                layer(
                    "dec_time_embedder.mlp.0",
                    width,
                    decoder.time.frequency_embedding_size,
                )?,
                layer("dec_time_embedder.mlp.2", width, width)?,
            ],
            transformer: Transformer::load(
                backend,
                weights,
                &name("dec_transformer"),
                &decoder.transformer,
                config.layer_norm_eps,
            )?,
            modulations,
            head_modulation: layer("dec_to_patches.adaLN_modulation.1", 2 * width, width)?,
            head: layer("dec_to_patches.proj", patch, width)?,
            channels,
            config,
        })
    }

    /// What the decoder's raw output is.
    pub(crate) fn prediction(&self) -> Prediction {
        self.config.decoder.prediction
    }

    /// Prepares the decoder for latents of `[height, width, channels]` conditioned on `ids`.
    ///
    /// # Errors
    /// [`NetworkError::Tokens`] for more ids than registers, [`NetworkError::Grid`] for latents beyond the position table,
    /// [`NetworkError::Compute`].
    pub fn condition<'a>(
        &'a self,
        backend: &'a B,
        (height, width): (usize, usize),
        ids: &[u16],
        guided: bool,
    ) -> Result<Conditioned<'a, B>, NetworkError> {
        let decoder = &self.config.decoder;
        check_tokens(ids.len(), self.config.registers)?;
        let (rows, columns) = (height / decoder.patch_size, width / decoder.patch_size);
        let (patches, dim) = (rows * columns, decoder.transformer.width);
        let patch = decoder.patch_size * decoder.patch_size * self.channels;
        let conditional = self.conditional_registers(backend, ids, patches)?;
        let unconditional = guided
            .then(|| self.unconditional_registers(backend, patches))
            .transpose()?;
        let longest = conditional.count.max(
            unconditional
                .as_ref()
                .map_or(0, |registers| registers.count),
        );
        Ok(Conditioned {
            decoder: self,
            backend,
            patches,
            conditional,
            unconditional,
            positions: backend
                .upload(&self.patch_positions.grid(rows, columns)?, &[patches, dim])?,
            cut: backend.zeros(&[patches, patch])?,
            embedded: backend.zeros(&[patches, dim])?,
            sequence: backend.zeros(&[patches + longest, dim])?,
            outputs: backend.zeros(&[patches, dim])?,
            scratch: Scratch::new(backend, patches + longest, &decoder.transformer)?,
            schedule: None,
        })
    }

    /// Embeddings of the registers that are there, and one representative of those that are not.
    fn conditional_registers(
        &self,
        backend: &B,
        ids: &[u16],
        patches: usize,
    ) -> Result<Registers<B>, NetworkError> {
        let (dim, levels) = (
            self.config.decoder.transformer.width,
            &self.config.fsq_levels,
        );
        let dropped = self.config.registers - ids.len();
        let representative = self.mask_token.as_ref().filter(|_| dropped > 0);
        let count = ids.len() + usize::from(representative.is_some());
        let mut embeddings = backend.zeros(&[count, dim])?;
        if !ids.is_empty() {
            let codes = backend.upload(&fsq::codes(ids, levels), &[ids.len(), levels.len()])?;
            let positions = &self.register_positions[..ids.len() * dim];
            let positions = backend.upload(positions, &[ids.len(), dim])?;
            let epilogue = Epilogue::Plus(&positions);
            backend.linear(
                &codes,
                0..ids.len(),
                &self.from_latents,
                epilogue,
                &mut embeddings,
            );
        }
        let mut log_multiplicity = None;
        if let Some(token) = representative {
            let token = backend.upload(token, &[1, dim])?;
            backend.copy_rows(&token, 0, &mut embeddings, ids.len(), 1);
            log_multiplicity = Some(last_key_weight(backend, patches + count, dropped)?);
        }
        Ok(Registers {
            embeddings,
            count,
            log_multiplicity,
        })
    }

    fn unconditional_registers(
        &self,
        backend: &B,
        patches: usize,
    ) -> Result<Registers<B>, NetworkError> {
        let dim = self.config.decoder.transformer.width;
        let alike = match self.config.decoder.unconditional.is_single() {
            true => 1,
            false => self.config.registers,
        };
        Ok(Registers {
            embeddings: backend.upload(&self.nullcond, &[1, dim])?,
            count: 1,
            log_multiplicity: Some(last_key_weight(backend, patches + 1, alike)?),
        })
    }
}

/// No more tokens than registers.
pub(super) fn check_tokens(actual: usize, allowed: usize) -> Result<(), NetworkError> {
    if actual > allowed {
        return Err(NetworkError::Tokens { actual, allowed });
    }
    Ok(())
}

/// Logarithms of how many positions each row of a sequence stands for, when its last row stands for `alike`.
fn last_key_weight<B: Backend>(
    backend: &B,
    rows: usize,
    alike: usize,
) -> Result<B::Tensor, NetworkError> {
    let mut weights = vec![0.0; rows];
    if let Some(last) = weights.last_mut() {
        *last = (alike as f32).ln();
    }
    Ok(backend.upload(&weights, &[rows])?)
}

/// The registers of one pass.
struct Registers<B: Backend> {
    embeddings: B::Tensor,
    count: usize,
    log_multiplicity: Option<B::Tensor>,
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
    fn row(&mut self, decoder: &Decoder<B>, backend: &B, step: usize) -> usize {
        let chunk = step / STEPS_AT_ONCE;
        if self.chunk != Some(chunk) {
            let first = chunk * STEPS_AT_ONCE;
            let count = STEPS_AT_ONCE.min(self.steps - first);
            backend.copy_rows(&self.activated, first, &mut self.picked, 0, count);
            for (weights, table) in decoder.modulations.iter().zip(&mut self.tables) {
                backend.linear(&self.picked, 0..count, weights, Epilogue::Store, table);
            }
            let weights = &decoder.head_modulation;
            backend.linear(
                &self.picked,
                0..count,
                weights,
                Epilogue::Store,
                &mut self.head,
            );
            self.chunk = Some(chunk);
        }
        step % STEPS_AT_ONCE
    }
}

/// Which registers a pass sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The tokens'.
    Tokens,
    /// The null condition's.
    Null,
}

/// A decoder with everything that is constant over the steps, and the memory that its steps work in.
pub struct Conditioned<'a, B: Backend> {
    decoder: &'a Decoder<B>,
    backend: &'a B,
    patches: usize,
    conditional: Registers<B>,
    unconditional: Option<Registers<B>>,
    positions: B::Tensor,
    cut: B::Tensor,
    embedded: B::Tensor,
    sequence: B::Tensor,
    outputs: B::Tensor,
    scratch: Scratch<B>,
    schedule: Option<Schedule<B>>,
}

impl<B: Backend> Conditioned<'_, B> {
    /// Prepares the steps at `times`, which are then referred to by index.
    ///
    /// # Errors
    /// [`NetworkError::Compute`].
    pub fn schedule(&mut self, times: &[f32]) -> Result<(), NetworkError> {
        let (decoder, backend) = (self.decoder, self.backend);
        let config = &decoder.config.decoder;
        let (steps, dim) = (times.len(), config.transformer.width);
        let size = config.time.frequency_embedding_size;
        let waves = backend.upload(&time::embedding(times, &config.time), &[steps, size])?;
        let mut hidden = backend.zeros(&[steps, dim])?;
        let mut activated = backend.zeros(&[steps, dim])?;
        backend.linear(
            &waves,
            0..steps,
            &decoder.time[0],
            Epilogue::Silu,
            &mut hidden,
        );
        // Every user of the time embedding applies SiLU to it first.
        backend.linear(
            &hidden,
            0..steps,
            &decoder.time[1],
            Epilogue::Silu,
            &mut activated,
        );
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

    /// Embeds the noised latents `x` of time `t`; the passes that follow see them.
    pub fn embed(&mut self, x: &B::Tensor, t: f32) {
        let decoder = self.decoder;
        let factor = match decoder.config.decoder.input_scale {
            InputScale::One => 1.0,
            InputScale::OneMinusT => 1.0 - t,
        };
        self.backend
            .patchify(x, decoder.config.decoder.patch_size, factor, &mut self.cut);
        let epilogue = Epilogue::Plus(&self.positions);
        self.backend.linear(
            &self.cut,
            0..self.patches,
            &decoder.patch_proj,
            epilogue,
            &mut self.embedded,
        );
    }

    /// The decoder's output for the embedded latents at step `step` of the schedule, as latents `[h, w, C]`. The null
    /// condition is there if [`Decoder::condition`] was asked for guidance.
    ///
    /// # Panics
    /// If no schedule was prepared or `step` is beyond it, and for [`Condition::Null`] without guidance.
    pub fn predict(&mut self, condition: Condition, step: usize, out: &mut B::Tensor) {
        let (decoder, backend, patches) = (self.decoder, self.backend, self.patches);
        let config = &decoder.config.decoder;
        let Some(schedule) = &mut self.schedule else {
            panic!("the schedule is prepared before its steps")
        };
        let row = schedule.row(decoder, backend, step);
        let schedule = &*schedule;
        let registers = match (condition, &self.unconditional) {
            (Condition::Tokens, _) => &self.conditional,
            (Condition::Null, Some(registers)) => registers,
            (Condition::Null, None) => panic!("the null condition is prepared for guidance only"),
        };
        let rows = patches + registers.count;
        backend.copy_rows(&self.embedded, 0, &mut self.sequence, 0, patches);
        backend.copy_rows(
            &registers.embeddings,
            0,
            &mut self.sequence,
            patches,
            registers.count,
        );
        let pass = Pass {
            rows,
            patches,
            wanted: 0..patches,
            mask: Mask::Full,
            log_multiplicity: registers.log_multiplicity.as_ref(),
            modulation: Some((&schedule.tables, row)),
            expansion: config.adaln_expansion,
        };
        decoder
            .transformer
            .forward(backend, &mut self.sequence, &pass, &mut self.scratch);

        let dim = config.transformer.width;
        let vector = |offset| ModulationVector {
            table: &schedule.head,
            row,
            split: patches,
            first: offset,
            second: offset,
        };
        let (shift, scale) = (vector(0), vector(dim));
        let eps = decoder.config.layer_norm_eps;
        backend.norm_modulate(
            &self.sequence,
            0..patches,
            eps,
            Some(Modulation { shift, scale }),
            &mut self.outputs,
        );
        backend.linear(
            &self.outputs,
            0..patches,
            &decoder.head,
            Epilogue::Store,
            &mut self.cut,
        );
        backend.unpatchify(&self.cut, config.patch_size, out);
    }
}
