//! The learned decoder: a small convolutional network that sees the picture of the tokens, how coarse they are, and a look,
//! and predicts the clean picture in one step (`models/README.md`). Nothing of it is in files.
//!
//! Written once over [`Backend`]. Pictures are channels-last, in units of (sample − 127.5) / 127.5, and enter and leave as
//! 4×4 squares of pixels with 48 values each, so that all layers work at a quarter of the resolution or less. Activations
//! live no longer than they are needed: how large a tile may be depends on it.

use flextok_compute::backend::{ConvEpilogue, ConvKind, Epilogue, Modulation, ModulationVector};
use flextok_compute::{Backend, Weight};

use crate::config::LearnedDecoderConfig;
use crate::network::builder::VarBuilder;
use crate::network::{NetworkError, with_capacity};
use crate::weights::WeightsError;

/// Side of the squares of pixels that enter as one position.
pub(super) const SQUARE: usize = 4;
/// Values of a square.
pub(super) const VALUES: usize = 3 * SQUARE * SQUARE;
/// Epsilon of the layer norms.
const EPS: f32 = 1e-6;
/// The largest frequency that the slope is embedded with; the smallest is 1.
const MAX_FREQUENCY: f32 = 30.0;

/// A block: `x + gate ⊙ conv2(SiLU(conv1(norm(x)·(1 + scale) + shift)))`.
struct Block<B: Backend> {
    convs: [B::Conv; 2],
    /// Where scale, shift and gate begin among the modulations.
    first: usize,
    width: usize,
}

/// The network's layers.
pub(crate) struct LearnedDecoder<B: Backend> {
    config: LearnedDecoderConfig,
    embed: [B::Linear; 2],
    /// Scale, shift and gate of all blocks, one after the other.
    modulations: B::Linear,
    modulation_values: usize,
    input: B::Conv,
    down: B::Conv,
    up: B::Conv,
    output: B::Conv,
    fine: Vec<Block<B>>,
    coarse: Vec<Block<B>>,
    finer: Vec<Block<B>>,
}

/// How coarse a picture is and how it is to look, as the layers see it.
pub(crate) struct Condition<B: Backend> {
    /// Modulations of all blocks, `[1, values]`.
    table: B::Tensor,
    /// What corrections are multiplied by.
    usual_error: f32,
}

impl<B: Backend> LearnedDecoder<B> {
    /// The tensors under the prefix of `vs`.
    ///
    /// # Errors
    /// [`NetworkError`] naming the tensor that is missing or of another shape.
    pub(crate) fn load(
        vs: &VarBuilder<'_, B>,
        config: &LearnedDecoderConfig,
    ) -> Result<Self, NetworkError> {
        let ([a, b], embedding) = (config.widths, config.embedding);
        let [fine, coarse, finer] = config.depths;
        let mut first = 0;
        let mut names = Vec::new();
        let mut blocks = |name: &str, count: usize, width: usize| {
            let blocks = (0..count).map(|index| {
                let vs = vs.pp(name).pp(index);
                let conv = |name| vs.pp(name).conv((width, width), 3, ConvKind::Same);
                let convs = [conv("conv1")?, conv("conv2")?];
                names.push((vs.pp("modulation"), 3 * width));
                first += 3 * width;
                Ok(Block {
                    convs,
                    first: first - 3 * width,
                    width,
                })
            });
            blocks.collect::<Result<Vec<_>, NetworkError>>()
        };
        let (fine, coarse, finer) = (
            blocks("fine", fine, a)?,
            blocks("coarse", coarse, b)?,
            blocks("finer", finer, a)?,
        );
        Ok(Self {
            embed: [
                vs.pp("embed.0")
                    .linear(embedding, 2 * config.frequencies + 1)?,
                vs.pp("embed.2").linear(embedding, embedding)?,
            ],
            modulations: modulations(vs.backend(), &names, embedding)?,
            modulation_values: first,
            input: conv_from_squares(&vs.pp("input"), a)?,
            down: vs.pp("down").conv((b, a), 3, ConvKind::HalveSymmetric)?,
            up: vs.pp("up").conv((a, b), 3, ConvKind::DoubleNearest)?,
            output: conv_to_squares(&vs.pp("output"), a)?,
            fine,
            coarse,
            finer,
            config: config.clone(),
        })
    }

    /// What all parts of a picture have in common. `slope` is that of the last layer begun; `look` is 0 for the least squared
    /// error, 1 for sharpness.
    pub(crate) fn condition(
        &self,
        backend: &B,
        slope: i32,
        look: f32,
    ) -> Result<Condition<B>, NetworkError> {
        let slope = slope as f32 / 100.0;
        Ok(Condition {
            table: self.modulate(backend, slope, look)?,
            usual_error: usual_error(&self.config, slope),
        })
    }

    /// Corrects a part of a plain picture, `[height, width, 3]`, sides of multiples of 8.
    pub(crate) fn correct(
        &self,
        backend: &B,
        condition: &Condition<B>,
        picture: &mut [f32],
        [height, width]: [usize; 2],
    ) -> Result<(), NetworkError> {
        let (rows, columns) = (height / SQUARE, width / SQUARE);
        let mut squares = backend.zeros(&[rows * columns, VALUES])?;
        let plain = backend.upload(picture, &[1, height, width, 3])?;
        backend.patchify(&plain, SQUARE, 1.0, &mut squares)?;
        drop(plain);
        backend.reshape(&mut squares, &[rows, columns, VALUES])?;
        let mut squares = self.layers(backend, squares, &condition.table)?;
        backend.reshape(&mut squares, &[rows * columns, VALUES])?;
        let mut correction = backend.zeros(&[1, height, width, 3])?;
        backend.unpatchify(&squares, SQUARE, &mut correction)?;
        drop(squares);
        let mut finite = true;
        for (sample, correction) in picture.iter_mut().zip(backend.download(&correction)?) {
            *sample += condition.usual_error * correction;
            finite &= sample.is_finite();
        }
        match finite {
            true => Ok(()),
            false => Err(NetworkError::NotFinite {
                part: "learned decoder",
            }),
        }
    }

    /// Modulations of all blocks, `[1, values]`.
    fn modulate(&self, backend: &B, slope: f32, look: f32) -> Result<B::Tensor, NetworkError> {
        let count = self.config.frequencies;
        let angles: Vec<f32> = (0..count)
            .map(|k| {
                let exponent = k as f32 * (MAX_FREQUENCY.ln() / (count - 1) as f32);
                slope / 4.0 * exponent.exp()
            })
            .collect();
        let cosines = angles.iter().map(|angle| angle.cos());
        let sines = angles.iter().map(|angle| angle.sin());
        let mut x: Vec<f32> = cosines.chain(sines).collect();
        x.push(look);
        let x = backend.upload(&x, &[1, 2 * count + 1])?;
        let mut hidden = backend.zeros_full(&[1, self.config.embedding])?;
        let mut embedded = backend.zeros_full(&[1, self.config.embedding])?;
        backend.linear(&x, 0..1, &self.embed[0], Epilogue::Silu, &mut hidden)?;
        backend.linear(&hidden, 0..1, &self.embed[1], Epilogue::Silu, &mut embedded)?;
        let mut table = backend.zeros_full(&[1, self.modulation_values])?;
        backend.linear(
            &embedded,
            0..1,
            &self.modulations,
            Epilogue::Store,
            &mut table,
        )?;
        Ok(table)
    }

    /// From squares to squares, `[rows, columns, 48]`.
    fn layers(
        &self,
        backend: &B,
        squares: B::Tensor,
        table: &B::Tensor,
    ) -> Result<B::Tensor, NetworkError> {
        let [a, b] = self.config.widths;
        let &[rows, columns, _] = backend.shape(&squares) else {
            unreachable!("activations are [H, W, C]")
        };
        // What blocks add up grows beyond what halves can hold.
        let mut fine = backend.zeros_full(&[rows, columns, a])?;
        backend.conv(&squares, None, &self.input, ConvEpilogue::Store, &mut fine)?;
        drop(squares);
        forward(backend, &self.fine, table, &mut fine)?;

        let halves = [rows, columns].map(|side| side.div_ceil(2));
        let mut coarse = backend.zeros_full(&[halves[0], halves[1], b])?;
        backend.conv(&fine, None, &self.down, ConvEpilogue::Store, &mut coarse)?;
        forward(backend, &self.coarse, table, &mut coarse)?;
        backend.conv(&coarse, None, &self.up, ConvEpilogue::Add, &mut fine)?;
        drop(coarse);
        forward(backend, &self.finer, table, &mut fine)?;

        let mut normed = backend.zeros(&[rows, columns, a])?;
        backend.norm_modulate(&fine, 0..rows * columns, EPS, None, &mut normed)?;
        drop(fine);
        let mut squares = backend.zeros(&[rows, columns, VALUES])?;
        backend.conv(
            &normed,
            None,
            &self.output,
            ConvEpilogue::Store,
            &mut squares,
        )?;
        Ok(squares)
    }
}

/// Some blocks of one width, in place.
fn forward<B: Backend>(
    backend: &B,
    blocks: &[Block<B>],
    table: &B::Tensor,
    x: &mut B::Tensor,
) -> Result<(), NetworkError> {
    let shape = backend.shape(x).to_vec();
    let mut normed = backend.zeros(&shape)?;
    let mut hidden = backend.zeros(&shape)?;
    for block in blocks {
        let vector = |part: usize| {
            let first = block.first + part * block.width;
            ModulationVector {
                table,
                row: 0,
                split: usize::MAX,
                first,
                second: first,
            }
        };
        let modulation = Modulation {
            scale: vector(0),
            shift: vector(1),
        };
        let rows = 0..shape[0] * shape[1];
        backend.norm_modulate(x, rows, EPS, Some(modulation), &mut normed)?;
        let [first, second] = &block.convs;
        backend.conv(&normed, None, first, ConvEpilogue::Silu, &mut hidden)?;
        let gated = ConvEpilogue::GatedAdd(vector(2));
        backend.conv(&hidden, None, second, gated, x)?;
    }
    Ok(())
}

/// The modulations of all blocks as one layer.
fn modulations<B: Backend>(
    backend: &B,
    names: &[(VarBuilder<'_, B>, usize)],
    embedding: usize,
) -> Result<B::Linear, NetworkError> {
    let layers = names.iter().map(|(vs, outputs)| {
        let weight = vs.get(&[*outputs, embedding], "weight")?;
        Ok((weight, vs.get(&[*outputs], "bias")?))
    });
    let layers: Vec<(Weight, Weight)> = layers.collect::<Result<_, NetworkError>>()?;
    let parts: Vec<_> = layers.iter().map(|(w, b)| (w, Some(b))).collect();
    Ok(backend.linear_weights(&parts)?)
}

/// The convolution from squares, whose values the tensors have in (channel, row, column) order and activations in (row,
/// column, channel) order.
fn conv_from_squares<B: Backend>(
    vs: &VarBuilder<'_, B>,
    outputs: usize,
) -> Result<B::Conv, NetworkError> {
    let weight = vs.get(&[outputs, VALUES, 3, 3], "weight")?;
    let values = weight.to_f32()?;
    let source = |index: usize| {
        let (value, tap) = (index / 9 % VALUES, index % 9);
        values[(index / 9 / VALUES * VALUES + place(value)) * 9 + tap]
    };
    let weight = arranged(vs, "weight", &weight, source)?;
    let bias = vs.get(&[outputs], "bias")?;
    let backend = vs.backend();
    Ok(backend.conv_weights(&weight, Some(&bias), ConvKind::Same)?)
}

/// The convolution to squares; see [`conv_from_squares`].
fn conv_to_squares<B: Backend>(
    vs: &VarBuilder<'_, B>,
    inputs: usize,
) -> Result<B::Conv, NetworkError> {
    let (weight, bias) = (
        vs.get(&[VALUES, inputs, 3, 3], "weight")?,
        vs.get(&[VALUES], "bias")?,
    );
    let run = inputs * 9;
    let (values, biases) = (weight.to_f32()?, bias.to_f32()?);
    let source = |index: usize| values[place(index / run) * run + index % run];
    let weight = arranged(vs, "weight", &weight, source)?;
    let bias = arranged(vs, "bias", &bias, |index| biases[place(index)])?;
    let backend = vs.backend();
    Ok(backend.conv_weights(&weight, Some(&bias), ConvKind::Same)?)
}

/// Where the tensors have the value of a square that is number `value` in (row, column, channel) order.
fn place(value: usize) -> usize {
    value % 3 * SQUARE * SQUARE + value / 3
}

/// A tensor, `name` in errors, of the same shape whose values `source` gives by index.
fn arranged<B: Backend>(
    vs: &VarBuilder<'_, B>,
    name: &str,
    like: &Weight,
    source: impl Fn(usize) -> f32,
) -> Result<Weight, NetworkError> {
    let mut values = with_capacity(like.len())?;
    values.extend((0..like.len()).map(source));
    let arranged = Weight::from_f32(&values, like.shape());
    Ok(arranged.map_err(|source| WeightsError::View {
        tensor: vs.path(name),
        source,
    })?)
}

/// The usual root mean square of the plain picture's error at this slope: linear between the knots, constant beyond.
fn usual_error(config: &LearnedDecoderConfig, slope: f32) -> f32 {
    let (x, y) = (&config.slopes, &config.errors);
    let slope = slope.clamp(x[0], x[x.len() - 1]);
    let i = x
        .partition_point(|&knot| knot < slope)
        .clamp(1, x.len() - 1);
    y[i - 1] + (y[i] - y[i - 1]) * (slope - x[i - 1]) / (x[i] - x[i - 1])
}
