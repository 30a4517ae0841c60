//! The transformers of network.md as it writes them, in f64 and without any saving: every register is in the
//! sequence as often as the published code puts it there, every row goes through every block, every step computes its
//! own modulation.

use flextok_compute::Quantizer;

use crate::config::{
    DroppedRegisters, InputScale, PositionConfig, TransformerConfig, Unconditional,
};
use crate::network::builder::VarBuilder;
use crate::network::positions::PositionTable;
use crate::weights::Weights;

/// A model's tensors, widened.
pub(super) struct Plain<'a>(pub(super) &'a Weights);

/// Modulation of one set of six vectors, `[patches, registers]`.
type Sets<'a> = [&'a [f64]; 2];

impl Plain<'_> {
    fn tensor(&self, name: &str) -> Vec<f64> {
        let shape = self.0.try_shape(name).unwrap().to_vec();
        let stored = self.0.tensor(name, &shape).unwrap();
        widen(&stored.to_f32().unwrap())
    }

    /// `x Wᵀ`, plus the bias where there is one.
    fn linear(&self, x: &[f64], name: &str) -> Vec<f64> {
        let weight_name = format!("{name}.weight");
        let inputs = self.0.try_shape(&weight_name).unwrap()[1];
        let weight = self.tensor(&weight_name);
        let bias_name = format!("{name}.bias");
        let bias = self.0.contains(&bias_name).then(|| self.tensor(&bias_name));
        let mut out = Vec::with_capacity(x.len() / inputs * (weight.len() / inputs));
        for row in x.chunks_exact(inputs) {
            for (output, weights) in weight.chunks_exact(inputs).enumerate() {
                out.push(dot(row, weights) + bias.as_ref().map_or(0.0, |bias| bias[output]));
            }
        }
        out
    }

    fn positions(&self, module: &str, config: &PositionConfig, grid: [usize; 2]) -> Vec<f64> {
        let width = self.0.try_shape(&format!("{module}.posembs")).unwrap();
        let width = width[if width.len() == 3 || width[0] == 1 && width[1] != 1 {
            1
        } else {
            2
        }];
        let vs = VarBuilder::new(&(), self.0).pp(module);
        let table = PositionTable::load(&vs, config, width).unwrap();
        widen(&table.grid(grid[0], grid[1]).unwrap())
    }

    /// All blocks under `prefix`. `causal` is the number of patches before the causal part; `modulation` is SiLU of the
    /// time embedding and the first row that the registers' set of vectors belongs to.
    fn transformer(
        &self,
        prefix: &str,
        config: &TransformerConfig,
        mut x: Vec<f64>,
        causal: Option<usize>,
        modulation: Option<(&[f64], usize)>,
    ) -> Vec<f64> {
        let (width, eps) = (
            config.width,
            f64::from(self.0.network().unwrap().layer_norm_eps),
        );
        for index in 0..config.depth {
            let block = format!("{prefix}.blocks.{index}");
            let vectors = modulation
                .map(|(time, _)| self.linear(time, &format!("{block}.adaLN_modulation.1")));
            let split = modulation.map_or(0, |(_, split)| split);
            let sets: Option<Sets<'_>> = vectors
                .as_ref()
                .map(|all| [&all[..6 * width], &all[all.len() - 6 * width..]]);
            let normed = modulate(norm(&x, width, eps), width, sets, split, [2, 3]);
            let [q, k, v] = ["wq", "wk", "wv"]
                .map(|name| self.linear(&normed, &format!("{block}.attn.{name}")));
            let mixed = attention([q, k, v], config, eps, causal);
            let y = self.linear(&mixed, &format!("{block}.attn.proj"));
            add(&mut x, &y, width, sets, split, 0);
            let normed = modulate(norm(&x, width, eps), width, sets, split, [4, 5]);
            let gate = self.linear(&normed, &format!("{block}.mlp.fc1"));
            let up = self.linear(&normed, &format!("{block}.mlp.fc3"));
            let hidden: Vec<f64> = gate.iter().zip(up).map(|(g, u)| silu(*g) * u).collect();
            let y = self.linear(&hidden, &format!("{block}.mlp.fc2"));
            add(&mut x, &y, width, sets, split, 1);
        }
        x
    }

    /// The values before quantization of all registers, for latents `[C, height, ·]`.
    pub(super) fn encode(&self, latents: &[f32], height: usize) -> Vec<f64> {
        let config = self.0.network().unwrap();
        let encoder = &config.encoder;
        let name = |module: &str| format!("encoder.module_dict.{module}");
        let channels = config.vae.latent_channels();
        let (cut, grid) = cut(&widen(latents), channels, height, encoder.patch_size);
        let mut x = self.linear(&cut, &name("enc_patch_emb.patch_proj"));
        let positions = name("enc_posemb_module");
        let positions = self.positions(&positions, &encoder.positions, grid);
        x.iter_mut().zip(positions).for_each(|(x, p)| *x += p);
        let patches = grid[0] * grid[1];
        x.extend(self.tensor(&name("enc_register_module.registers")));
        let causal = match encoder.mask {
            crate::config::MaskMode::CausalLast => Some(patches),
            crate::config::MaskMode::Full => None,
        };
        let blocks = name("enc_transformer");
        let x = self.transformer(&blocks, &encoder.transformer, x, causal, None);
        let width = encoder.transformer.width;
        let out = norm(&x[patches * width..], width, config.layer_norm_eps.into());
        self.linear(&out, &name("enc_to_latents.proj"))
    }

    /// The registers of the conditional pass with `ids`, or of the unconditional one, as many as the published code has.
    pub(super) fn registers(&self, ids: Option<&[u16]>) -> Vec<f64> {
        let config = self.0.network().unwrap();
        let (decoder, total) = (&config.decoder, config.registers);
        let width = decoder.transformer.width;
        let name = |module: &str| format!("decoder.module_dict.{module}");
        let Some(ids) = ids else {
            let null = || self.tensor(&name("dec_latent_dropout.nullcond"));
            return match decoder.unconditional {
                Unconditional::LearnedAll => null().repeat(total),
                Unconditional::LearnedSingle => null(),
                Unconditional::ZeroAll => vec![0.0; total * width],
                Unconditional::ZeroSingle => vec![0.0; width],
            };
        };
        let Quantizer::Fsq { levels } = &config.quantizer;
        let mut codes = Vec::new();
        for &id in ids {
            let mut rest = u32::from(id);
            for &level in levels {
                let half = f64::from(level / 2);
                codes.push((f64::from(rest % level) - half) / half);
                rest /= level;
            }
        }
        let mut registers = self.linear(&codes, &name("dec_from_latents.proj"));
        let table = name("dec_registers_posemb_module");
        let positions = self.positions(&table, &decoder.register_positions, [1, total]);
        registers
            .iter_mut()
            .zip(positions)
            .for_each(|(x, p)| *x += p);
        if decoder.dropped == DroppedRegisters::MaskToken {
            let token = self.tensor(&name("dec_nested_dropout.dropout_mask_token"));
            registers.extend(token.repeat(total - ids.len()));
        }
        registers
    }

    /// The decoder's raw output `[C, height, ·]` at time `t` for `x` of the same shape.
    pub(super) fn predict(&self, x: &[f32], height: usize, t: f32, registers: &[f64]) -> Vec<f64> {
        let config = self.0.network().unwrap();
        let decoder = &config.decoder;
        let name = |module: &str| format!("decoder.module_dict.{module}");
        let factor = match decoder.input_scale {
            InputScale::One => 1.0,
            InputScale::OneMinusT => 1.0 - f64::from(t),
        };
        let scaled: Vec<f64> = x.iter().map(|&x| f64::from(x) * factor).collect();
        let channels = config.vae.latent_channels();
        let (cut, grid) = cut(&scaled, channels, height, decoder.patch_size);
        let mut sequence = self.linear(&cut, &name("dec_noise_patch_emb.patch_proj"));
        let table = name("dec_patches_posemb_module");
        let positions = self.positions(&table, &decoder.patch_positions, grid);
        sequence
            .iter_mut()
            .zip(positions)
            .for_each(|(x, p)| *x += p);
        sequence.extend_from_slice(registers);
        let patches = grid[0] * grid[1];
        let time = self.time(t);
        let blocks = name("dec_transformer");
        let modulation = Some((time.as_slice(), patches));
        let out = self.transformer(&blocks, &decoder.transformer, sequence, None, modulation);
        let width = decoder.transformer.width;
        let out = norm(&out[..patches * width], width, config.layer_norm_eps.into());
        let vectors = self.linear(&time, &name("dec_to_patches.adaLN_modulation.1"));
        let sets = Some([vectors.as_slice(); 2]);
        let out = modulate(out, width, sets, patches, [0, 1]);
        paste(
            &self.linear(&out, &name("dec_to_patches.proj")),
            channels,
            grid,
            decoder.patch_size,
        )
    }

    /// SiLU of the time embedding.
    fn time(&self, t: f32) -> Vec<f64> {
        let config = &self.0.network().unwrap().decoder.time;
        let half = config.frequency_embedding_size / 2;
        let angles = (0..half).map(|m| {
            let frequency = 1000.0 / f64::from(config.max_timestep);
            f64::from(t) * frequency * (-(256f64.ln()) * m as f64 / half as f64).exp()
        });
        let angles: Vec<f64> = angles.collect();
        let waves: Vec<f64> = angles
            .iter()
            .map(|angle| angle.cos())
            .chain(angles.iter().map(|angle| angle.sin()))
            .collect();
        let name = |layer| format!("decoder.module_dict.dec_time_embedder.mlp.{layer}");
        let hidden: Vec<f64> = self
            .linear(&waves, &name(0))
            .into_iter()
            .map(silu)
            .collect();
        self.linear(&hidden, &name(2))
            .into_iter()
            .map(silu)
            .collect()
    }
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// A sum in four lanes, so that the compiler can use vectors.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 4];
    let (chunks_a, rest_a) = a.as_chunks::<4>();
    let (chunks_b, rest_b) = b.as_chunks::<4>();
    for (a, b) in chunks_a.iter().zip(chunks_b) {
        for lane in 0..4 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f64>() + rest
}

fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

fn norm(x: &[f64], width: usize, eps: f64) -> Vec<f64> {
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks_exact(width) {
        let mean = row.iter().sum::<f64>() / width as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
        out.extend(row.iter().map(|x| (x - mean) / (variance + eps).sqrt()));
    }
    out
}

/// `x·(1 + scale) + shift` with vectors number `[shift, scale]` of each row's set.
fn modulate(
    mut x: Vec<f64>,
    width: usize,
    sets: Option<Sets<'_>>,
    split: usize,
    [shift, scale]: [usize; 2],
) -> Vec<f64> {
    let Some(sets) = sets else { return x };
    for (row, x) in x.chunks_exact_mut(width).enumerate() {
        let set = sets[usize::from(row >= split)];
        for (column, x) in x.iter_mut().enumerate() {
            *x = *x * (1.0 + set[scale * width + column]) + set[shift * width + column];
        }
    }
    x
}

/// `x += y`, gated by vector number `gate` where there is modulation.
fn add(x: &mut [f64], y: &[f64], width: usize, sets: Option<Sets<'_>>, split: usize, gate: usize) {
    for (index, (x, y)) in x.iter_mut().zip(y).enumerate() {
        let set = sets.map(|sets| sets[usize::from(index / width >= split)]);
        *x += set.map_or(1.0, |set| set[gate * width + index % width]) * y;
    }
}

/// Attention of all rows, each head with a whole row of logits at a time.
fn attention(
    [mut q, mut k, v]: [Vec<f64>; 3],
    config: &TransformerConfig,
    eps: f64,
    causal: Option<usize>,
) -> Vec<f64> {
    let (width, dim) = (config.width, config.head_dim);
    let rows = q.len() / width;
    if config.qk_norm {
        (q, k) = (norm(&q, dim, eps), norm(&k, dim, eps));
    }
    let mut out = vec![0.0; q.len()];
    for head in 0..width / dim {
        let place = |row: usize| row * width + head * dim..row * width + (head + 1) * dim;
        for row in 0..rows {
            let seen = causal.map_or(rows, |prefix| prefix.max(row + 1));
            let logits: Vec<f64> = (0..seen)
                .map(|key| dot(&q[place(row)], &k[place(key)]) * 8.0 / dim as f64)
                .collect();
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
            for (key, logit) in logits.iter().enumerate() {
                let share = (logit - largest).exp() / total;
                let out = out[place(row)].iter_mut();
                out.zip(&v[place(key)])
                    .for_each(|(out, v)| *out += share * v);
            }
        }
    }
    out
}

/// Patches of `[C, height, ·]` latents as rows of (row, column, channel), and the grid of them.
fn cut(x: &[f64], channels: usize, height: usize, patch: usize) -> (Vec<f64>, [usize; 2]) {
    let width = x.len() / channels / height;
    let grid = [height / patch, width / patch];
    let row_len = patch * patch * channels;
    let rows = (0..grid[0] * grid[1] * row_len).map(|index| {
        let (place, inner) = (index / row_len, index % row_len);
        let row = place / grid[1] * patch + inner / channels / patch;
        let column = place % grid[1] * patch + inner / channels % patch;
        x[(inner % channels * height + row) * width + column]
    });
    (rows.collect(), grid)
}

/// The inverse of [`cut`].
fn paste(rows: &[f64], channels: usize, grid: [usize; 2], patch: usize) -> Vec<f64> {
    let (height, width) = (grid[0] * patch, grid[1] * patch);
    let pixels = (0..channels * height * width).map(|index| {
        let (channel, row, column) = (
            index / (height * width),
            index / width % height,
            index % width,
        );
        let place = row / patch * grid[1] + column / patch;
        let inner = (row % patch * patch + column % patch) * channels + channel;
        rows[place * patch * patch * channels + inner]
    });
    pixels.collect()
}
