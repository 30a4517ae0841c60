//! The learned decoder: a small convolutional network that sees the picture of the tokens, how coarse they are, and a look,
//! and predicts the clean picture in one step (`models/README.md`). Nothing of it is in files.
//!
//! Written once over [`Backend`]. Pictures are channels-last, in units of (sample − 127.5) / 127.5, and enter and leave as
//! 4×4 squares of pixels with 48 values each, so that all layers work at a quarter of the resolution or less.

use flextok_compute::backend::{ConvEpilogue, ConvKind, Epilogue, Modulation, ModulationVector};
use flextok_compute::{Backend, Weight};

use crate::config::LearnedDecoderConfig;
use crate::network::NetworkError;
use crate::network::builder::VarBuilder;

/// Side of the squares of pixels that enter as one position.
const SQUARE: usize = 4;
/// Values of a square.
const VALUES: usize = 3 * SQUARE * SQUARE;
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

/// The activation that is passed on, and memory that layers write to in turn.
struct Work<B: Backend> {
    x: B::Tensor,
    normed: B::Tensor,
    hidden: B::Tensor,
    table: B::Tensor,
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
            input: square_conv(vs, "input", (a, VALUES))?,
            down: vs.pp("down").conv((b, a), 3, ConvKind::HalveSymmetric)?,
            up: vs.pp("up").conv((a, b), 3, ConvKind::DoubleNearest)?,
            output: square_conv(vs, "output", (VALUES, a))?,
            fine,
            coarse,
            finer,
            config: config.clone(),
        })
    }

    /// What to add to a plain picture of `[height, width, 3]`, sides of multiples of 8. `slope` is that of the last layer
    /// begun; `look` is 0 for the least squared error, 1 for sharpness.
    pub(crate) fn correction(
        &self,
        backend: &B,
        plain: &[f32],
        (height, width): (usize, usize),
        slope: i32,
        look: f32,
    ) -> Result<Vec<f32>, NetworkError> {
        let slope = slope as f32 / 100.0;
        let shape = [height / SQUARE, width / SQUARE, VALUES];
        let x = backend.upload(&squares_of(plain, width), &shape)?;
        let mut work = Work::<B> {
            x,
            normed: backend.zeros(&[0])?,
            hidden: backend.zeros(&[0])?,
            table: self.modulate(backend, slope, look)?,
        };
        self.layers(backend, &mut work)?;
        let mut values = backend.download(&work.x)?;
        let factor = usual_error(&self.config, slope);
        values.iter_mut().for_each(|value| *value *= factor);
        Ok(pixels_of(&values, width))
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

    /// From squares to squares.
    fn layers(&self, backend: &B, work: &mut Work<B>) -> Result<(), NetworkError> {
        let [a, b] = self.config.widths;
        let &[rows, columns, _] = backend.shape(&work.x) else {
            unreachable!("activations are [H, W, C]")
        };
        // What blocks add up grows beyond what halves can hold.
        let mut fine = backend.zeros_full(&[rows, columns, a])?;
        backend.conv(&work.x, None, &self.input, ConvEpilogue::Store, &mut fine)?;
        let squares = std::mem::replace(&mut work.x, fine);
        self.blocks(backend, &self.fine, work)?;

        let halves = [rows, columns].map(|side| side.div_ceil(2));
        let mut coarse = backend.zeros_full(&[halves[0], halves[1], b])?;
        backend.conv(&work.x, None, &self.down, ConvEpilogue::Store, &mut coarse)?;
        let mut fine = std::mem::replace(&mut work.x, coarse);
        self.blocks(backend, &self.coarse, work)?;

        backend.conv(&work.x, None, &self.up, ConvEpilogue::Add, &mut fine)?;
        work.x = fine;
        self.blocks(backend, &self.finer, work)?;

        backend.reshape(&mut work.normed, &[rows, columns, a])?;
        backend.norm_modulate(&work.x, 0..rows * columns, EPS, None, &mut work.normed)?;
        work.x = squares;
        let Work { x, normed, .. } = work;
        backend.conv(normed, None, &self.output, ConvEpilogue::Store, x)?;
        Ok(())
    }

    fn blocks(
        &self,
        backend: &B,
        blocks: &[Block<B>],
        work: &mut Work<B>,
    ) -> Result<(), NetworkError> {
        for block in blocks {
            block.forward(backend, work)?;
        }
        Ok(())
    }
}

impl<B: Backend> Block<B> {
    fn forward(&self, backend: &B, work: &mut Work<B>) -> Result<(), NetworkError> {
        let Work {
            x,
            normed,
            hidden,
            table,
        } = work;
        let shape = backend.shape(x).to_vec();
        let vector = |part: usize| {
            let first = self.first + part * self.width;
            ModulationVector {
                table: &*table,
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
        backend.reshape(normed, &shape)?;
        backend.reshape(hidden, &shape)?;
        let rows = 0..shape[0] * shape[1];
        backend.norm_modulate(x, rows, EPS, Some(modulation), normed)?;
        backend.conv(normed, None, &self.convs[0], ConvEpilogue::Silu, hidden)?;
        let gated = ConvEpilogue::GatedAdd(vector(2));
        backend.conv(hidden, None, &self.convs[1], gated, x)?;
        Ok(())
    }
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

/// A convolution from squares or to squares, whose values the tensors have in (channel, row, column) order.
fn square_conv<B: Backend>(
    vs: &VarBuilder<'_, B>,
    name: &str,
    (outputs, inputs): (usize, usize),
) -> Result<B::Conv, NetworkError> {
    vs.pp(name).conv((outputs, inputs), 3, ConvKind::Same)
}

/// Cuts a picture of `[height, width, 3]` into squares, `[rows, columns, 48]`, their values in (channel, row, column) order.
fn squares_of(picture: &[f32], width: usize) -> Vec<f32> {
    let mut squares = vec![0.0; picture.len()];
    visit(picture.len(), width, |pixel, square| {
        squares[square] = picture[pixel]
    });
    squares
}

/// The inverse of [`squares_of`].
fn pixels_of(squares: &[f32], width: usize) -> Vec<f32> {
    let mut picture = vec![0.0; squares.len()];
    visit(squares.len(), width, |pixel, square| {
        picture[pixel] = squares[square]
    });
    picture
}

/// Calls `f` with the index of each sample of a picture and of the same among the squares.
fn visit(samples: usize, width: usize, mut f: impl FnMut(usize, usize)) {
    for y in 0..samples / (3 * width) {
        for x in 0..width {
            let square = (y / SQUARE) * (width / SQUARE) + x / SQUARE;
            let within = y % SQUARE * SQUARE + x % SQUARE;
            for channel in 0..3 {
                let at = square * VALUES + channel * SQUARE * SQUARE + within;
                f((y * width + x) * 3 + channel, at);
            }
        }
    }
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
