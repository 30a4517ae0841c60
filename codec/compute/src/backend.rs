//! The operations that the FlexTok network is written in: one trait, implemented by each engine.
//!
//! The operations are coarse, so that an engine can fuse what belongs together. All tensors are f32 and row-major;
//! sequences are `[rows, channels]`, images are channels-last `[height, width, channels]`, and latents have the number
//! of images as first dimension. Sequences of several images, or of several passes over one image, are packed into the
//! rows of one tensor. An operation writes into a tensor that its caller has allocated, so that a loop over steps
//! allocates nothing. The caller guarantees shapes: an operation panics if they do not match, which is a bug in the
//! network code and never depends on data.
//!
//! Every operation returns a `Result`: it may need memory to work in, or a device may refuse it. After an error the
//! contents of the tensors that the operation writes to are undefined.

use std::ops::Range;

use crate::memory::with_capacity;
use crate::{ComputeError, Precision, Quantizer, Weight};

/// One modulation vector of an adaLN block for each of two groups of rows.
///
/// Row `r` of the sequence uses `table[row][first..first + D]` if `r < split`, else `table[row][second..second + D]`.
/// The table holds the vectors of all steps, one step a row.
#[derive(Debug)]
pub struct ModulationVector<'a, T> {
    /// `[steps, vectors·D]`.
    pub table: &'a T,
    /// The step.
    pub row: usize,
    /// First row of the sequence that belongs to the second group.
    pub split: usize,
    /// Where in the table's row the first group's vector starts.
    pub first: usize,
    /// Where in the table's row the second group's vector starts.
    pub second: usize,
}

impl<T> Clone for ModulationVector<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ModulationVector<'_, T> {}

/// What a modulated norm does to its rows: `x·(1 + scale) + shift`.
#[derive(Debug)]
pub struct Modulation<'a, T> {
    /// The shift.
    pub shift: ModulationVector<'a, T>,
    /// The scale, around 1.
    pub scale: ModulationVector<'a, T>,
}

/// What happens with the product of a linear layer (bias included) before it is stored.
#[derive(Debug)]
pub enum Epilogue<'a, T> {
    /// `out = y`.
    Store,
    /// `out = SiLU(y)`.
    Silu,
    /// `out = y + other`, row by row; `other` repeats after its last row.
    Plus(&'a T),
    /// `out += y`.
    Residual,
    /// `out += gate ⊙ y`.
    GatedResidual(ModulationVector<'a, T>),
}

/// Positions whose multiples a crop must begin at, for the CPU engine to compute the same bits of its convolutions as of the
/// whole picture's. Outputs of the outermost [`CONV_ALIGNMENT`] positions see the crop's border where they are not at the
/// picture's.
pub const CONV_ALIGNMENT: usize = 4;

/// What happens with a convolution (bias included) before it is stored.
#[derive(Debug)]
pub enum ConvEpilogue<'a, T> {
    /// `out = y`.
    Store,
    /// `out = SiLU(y)`.
    Silu,
    /// `out += y`.
    Add,
    /// `out += gate ⊙ y`: one gate for each channel, the vector of the first group.
    GatedAdd(ModulationVector<'a, T>),
}

/// Which keys a query may attend to, within its own sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// All of them.
    Full,
    /// All keys of the prefix, and keys of the suffix up to the query's own position; a query of the prefix sees the
    /// prefix alone.
    CausalLast,
}

/// One of the sequences packed into the rows of a tensor; it attends to its own rows only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Rows of its first positions (the patches).
    pub prefix: Range<usize>,
    /// Rows of its last positions (the registers).
    pub suffix: Range<usize>,
}

impl Sequence {
    /// The rows `0..rows`; the first `prefix` of them are the prefix.
    #[must_use]
    pub fn single(prefix: usize, rows: usize) -> Self {
        Self {
            prefix: 0..prefix,
            suffix: prefix..rows,
        }
    }

    /// Number of positions.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    /// The row of position `position`.
    #[must_use]
    pub fn row(&self, position: usize) -> usize {
        match position.checked_sub(self.prefix.len()) {
            None => self.prefix.start + position,
            Some(beyond) => self.suffix.start + beyond,
        }
    }

    /// How many keys, counted from the first, the query at `position` may attend to.
    #[must_use]
    pub fn visible(&self, mask: Mask, position: usize) -> usize {
        match mask {
            Mask::Full => self.positions(),
            Mask::CausalLast => self.prefix.len().max(position + 1),
        }
    }

    /// The positions whose rows are in `rows`.
    ///
    /// # Panics
    /// If they are not adjacent, which is a bug of the caller.
    #[must_use]
    pub fn positions_in(&self, rows: &Range<usize>) -> Range<usize> {
        let part = |part: &Range<usize>, first: usize| {
            let start = rows.start.clamp(part.start, part.end);
            let end = rows.end.clamp(start, part.end);
            first + start - part.start..first + end - part.start
        };
        let (prefix, suffix) = (part(&self.prefix, 0), part(&self.suffix, self.prefix.len()));
        match (prefix.is_empty(), suffix.is_empty()) {
            (_, true) => prefix,
            (true, false) => suffix,
            (false, false) => {
                assert_eq!(prefix.end, suffix.start, "queries with a gap between them");
                prefix.start..suffix.end
            }
        }
    }
}

/// The parameters of one attention layer.
#[derive(Debug, Clone)]
pub struct AttentionSpec<'a, T> {
    /// The sequences packed into the tensor's rows.
    pub sequences: &'a [Sequence],
    /// Number of heads; head h has channels `h·d..(h+1)·d` of each of q, k and v.
    pub heads: usize,
    /// Factor applied to the logits.
    pub scale: f32,
    /// Epsilon of the layer norm of queries and keys over a head's channels; `None` for no such norm.
    pub qk_norm_eps: Option<f32>,
    /// The mask.
    pub mask: Mask,
    /// Number added to each key's logits, one for each row: ln m for a key that stands for m identical ones.
    pub log_multiplicity: Option<&'a T>,
    /// The rows whose queries are computed; other rows of the output stay unchanged. Within each sequence the range
    /// must select adjacent positions.
    pub queries: Range<usize>,
}

/// How a convolution walks over its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConvKind {
    /// Stride 1, zero padding of half the kernel on each side: same size out.
    Same,
    /// Stride 2, zero padding of one on the right and at the bottom only: half the size out.
    HalveAsymmetric,
    /// Stride 2, zero padding of one on each side: half the size out, rounded up.
    HalveSymmetric,
    /// Nearest-neighbour doubling, then as `Same`: twice the size out.
    DoubleNearest,
    /// Stride `stride`, reflection padding of `pad` on each side.
    StridedReflect {
        /// Pixels from one output to the next.
        stride: usize,
        /// Pixels of reflection on each side; less than the input's sides.
        pad: usize,
    },
}

impl ConvKind {
    /// Size (height or width) of the output for an input of `size` and a kernel of `kernel`.
    #[must_use]
    pub fn output_size(self, size: usize, kernel: usize) -> usize {
        match self {
            Self::Same => size,
            Self::HalveAsymmetric => (size + 1).saturating_sub(kernel) / 2 + 1,
            Self::HalveSymmetric => (size + 2).saturating_sub(kernel) / 2 + 1,
            Self::DoubleNearest => size * 2,
            Self::StridedReflect { stride, pad } => {
                (size + 2 * pad).saturating_sub(kernel) / stride + 1
            }
        }
    }
}

impl ConvKind {
    /// Outputs, inputs and kernel of a convolution's weights.
    pub(crate) fn check_weights(
        self,
        weight: &Weight,
        bias: Option<&Weight>,
    ) -> Result<(usize, usize, usize), ComputeError> {
        let found = weight.shape().to_vec();
        let expected = match *weight.shape() {
            [outputs, inputs, kernel, across]
                if kernel == across && outputs * inputs * kernel > 0 =>
            {
                if bias.is_some_and(|bias| bias.shape() != [outputs]) {
                    "a weight with a bias of [out]"
                } else if self == Self::DoubleNearest && kernel != 3 {
                    "a 3×3 kernel for a doubling convolution"
                } else {
                    return Ok((outputs, inputs, kernel));
                }
            }
            _ => "[out, in, kernel, kernel]",
        };
        Err(ComputeError::WeightShape { found, expected })
    }
}

/// Linear layers on the same input, with checked shapes.
pub(crate) struct LinearParts {
    /// Inputs of all, 0 if there is none.
    pub(crate) inputs: usize,
    /// Outputs of each.
    pub(crate) sizes: Vec<usize>,
    /// The biases side by side, zeros where one has none; empty if none has.
    pub(crate) bias: Vec<f32>,
}

impl LinearParts {
    pub(crate) fn new(parts: &[(&Weight, Option<&Weight>)]) -> Result<Self, ComputeError> {
        let shape_error = |weight: &Weight, expected| ComputeError::WeightShape {
            found: weight.shape().to_vec(),
            expected,
        };
        let mut sizes = Vec::new();
        let mut common = None;
        for (weight, bias) in parts {
            let &[outputs, inputs] = weight.shape() else {
                return Err(shape_error(weight, "[out, in]"));
            };
            if outputs == 0 || inputs == 0 || common.is_some_and(|common| common != inputs) {
                return Err(shape_error(
                    weight,
                    "[out, in] with the same `in` for all parts",
                ));
            }
            if let Some(bias) = bias.filter(|bias| bias.shape() != [outputs]) {
                return Err(shape_error(bias, "[out]"));
            }
            common = Some(inputs);
            sizes.push(outputs);
        }
        let mut bias = Vec::new();
        if parts.iter().any(|(_, bias)| bias.is_some()) {
            bias = with_capacity(sizes.iter().sum())?;
            for ((_, part), &size) in parts.iter().zip(&sizes) {
                match part {
                    Some(part) => bias.extend(part.to_f32()?),
                    None => bias.resize(bias.len() + size, 0.0),
                }
            }
        }
        Ok(Self {
            inputs: common.unwrap_or(0),
            sizes,
            bias,
        })
    }
}

/// A group norm with affine parameters, over channels-last images.
#[derive(Debug, Clone)]
pub struct GroupNorm {
    /// Scale of each channel.
    pub gamma: Vec<f32>,
    /// Offset of each channel.
    pub beta: Vec<f32>,
    /// Number of groups; divides the channels.
    pub groups: usize,
    /// Epsilon under the root.
    pub eps: f32,
}

/// The constants of adaptive projected guidance (network.md section 6.3).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ApgParameters {
    /// Guidance scale s.
    pub scale: f32,
    /// Factor on the running difference of earlier steps (−0.5).
    pub momentum: f32,
    /// Largest norm of the difference (2.5).
    pub norm_threshold: f32,
    /// Share of the component parallel to the conditional velocity (0).
    pub eta: f32,
}

impl ApgParameters {
    /// The published parameters with guidance scale `scale`.
    #[must_use]
    pub fn published(scale: f32) -> Self {
        Self {
            scale,
            momentum: -0.5,
            norm_threshold: 2.5,
            eta: 0.0,
        }
    }
}

/// An engine: memory for tensors and the operations on them.
///
/// # Errors
/// Each operation fails with [`ComputeError::OutOfMemory`] where the memory that it works in cannot be allocated, and on
/// a device with [`ComputeError::DeviceMemory`], or with [`ComputeError::Device`] where its driver refuses the launch.
pub trait Backend: Send + Sync {
    /// A tensor of f32 in the engine's memory.
    type Tensor: Send + Sync;
    /// The weights of a linear layer, prepared for the engine.
    type Linear: Send + Sync;
    /// The weights of a convolution, prepared for the engine.
    type Conv: Send + Sync;

    /// Element type of weights and activations; never [`Precision::Auto`].
    fn precision(&self) -> Precision;

    /// Runs a whole computation in the engine's context; for an engine with a thread pool, inside that pool.
    fn run<R: Send>(&self, computation: impl FnOnce() -> R + Send) -> R;

    /// A tensor of zeros.
    ///
    /// # Errors
    /// [`ComputeError::OutOfMemory`].
    fn zeros(&self, shape: &[usize]) -> Result<Self::Tensor, ComputeError>;

    /// A tensor of zeros that is f32 even on an engine whose activations have a lower precision: for latents, whose
    /// errors would add up over the steps.
    ///
    /// # Errors
    /// [`ComputeError::OutOfMemory`].
    fn zeros_full(&self, shape: &[usize]) -> Result<Self::Tensor, ComputeError> {
        self.zeros(shape)
    }

    /// A tensor with the given values, in f32 on every engine.
    ///
    /// # Errors
    /// [`ComputeError::OutOfMemory`].
    fn upload(&self, values: &[f32], shape: &[usize]) -> Result<Self::Tensor, ComputeError>;

    /// The values of a tensor.
    ///
    /// # Errors
    /// An engine whose operations run asynchronously reports here the errors that its driver found after their launch.
    fn download(&self, tensor: &Self::Tensor) -> Result<Vec<f32>, ComputeError>;

    /// Changes a tensor's shape and leaves its contents undefined; memory that is large enough is reused.
    ///
    /// # Errors
    /// [`ComputeError::OutOfMemory`].
    fn reshape(&self, tensor: &mut Self::Tensor, shape: &[usize]) -> Result<(), ComputeError>;

    /// The shape of a tensor.
    fn shape<'a>(&self, tensor: &'a Self::Tensor) -> &'a [usize];

    /// Prepares linear layers `y = x Wᵀ + b` on the same input, whose outputs are concatenated.
    ///
    /// # Errors
    /// [`ComputeError::WeightShape`] unless each weight is `[out, in]` with one common `in` and each bias is `[out]`.
    fn linear_weights(
        &self,
        parts: &[(&Weight, Option<&Weight>)],
    ) -> Result<Self::Linear, ComputeError>;

    /// [`Backend::linear_weights`] for layers that are little of the work and much of the error: in single precision where
    /// the engine's precision leaves that open.
    ///
    /// # Errors
    /// As [`Backend::linear_weights`].
    fn precise_linear_weights(
        &self,
        parts: &[(&Weight, Option<&Weight>)],
    ) -> Result<Self::Linear, ComputeError> {
        self.linear_weights(parts)
    }

    /// [`Backend::linear_weights`] for layers that are much of the work and little of the error: in 8-bit integers where the
    /// engine's precision is [`Precision::Int8`].
    ///
    /// # Errors
    /// As [`Backend::linear_weights`].
    fn coarse_linear_weights(
        &self,
        parts: &[(&Weight, Option<&Weight>)],
    ) -> Result<Self::Linear, ComputeError> {
        self.linear_weights(parts)
    }

    /// Prepares a convolution with a weight of `[out, in, kernel, kernel]` and a bias of `[out]`.
    ///
    /// # Errors
    /// [`ComputeError::WeightShape`] if the shapes differ from these, or the kernel of a doubling convolution is not
    /// 3×3.
    fn conv_weights(
        &self,
        weight: &Weight,
        bias: Option<&Weight>,
        kind: ConvKind,
    ) -> Result<Self::Conv, ComputeError>;

    /// Copies `count` rows of `source`, starting with row `from`, to rows `to..` of `target`.
    fn copy_rows(
        &self,
        source: &Self::Tensor,
        from: usize,
        target: &mut Self::Tensor,
        to: usize,
        count: usize,
    ) -> Result<(), ComputeError>;

    /// Copies the columns from `first` on of all rows of `source` to `target`, which has as many rows.
    fn copy_columns(
        &self,
        source: &Self::Tensor,
        first: usize,
        target: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Applies a linear layer to the given rows of `x`; row r of `x` gives row r of `out`.
    fn linear(
        &self,
        x: &Self::Tensor,
        rows: Range<usize>,
        weights: &Self::Linear,
        epilogue: Epilogue<'_, Self::Tensor>,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// `out = SiLU(x W₀ᵀ + b₀) ⊙ (x W₁ᵀ + b₁)` on the given rows, for weights prepared from two parts of equal size.
    fn swiglu(
        &self,
        x: &Self::Tensor,
        rows: Range<usize>,
        weights: &Self::Linear,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Layer norm without affine parameters, then `·(1 + scale) + shift` where a modulation is given.
    fn norm_modulate(
        &self,
        x: &Self::Tensor,
        rows: Range<usize>,
        eps: f32,
        modulation: Option<Modulation<'_, Self::Tensor>>,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Softmax attention; `qkv` is `[rows, 3·D]` with queries, keys and values side by side, `out` is `[rows, D]`.
    fn attention(
        &self,
        qkv: &Self::Tensor,
        spec: &AttentionSpec<'_, Self::Tensor>,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Cuts `[B, H, W, C]` latents, times `factor`, into rows of `patch²·C` values in (row, column, channel) order, image
    /// by image.
    fn patchify(
        &self,
        latents: &Self::Tensor,
        patch: usize,
        factor: f32,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// The inverse of [`Backend::patchify`] with factor 1.
    fn unpatchify(
        &self,
        patches: &Self::Tensor,
        patch: usize,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Convolution of `x`, normed and put through SiLU first where `norm` is given, then the epilogue.
    fn conv(
        &self,
        x: &Self::Tensor,
        norm: Option<&GroupNorm>,
        weights: &Self::Conv,
        epilogue: ConvEpilogue<'_, Self::Tensor>,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Group norm without an activation.
    fn group_norm(
        &self,
        x: &Self::Tensor,
        norm: &GroupNorm,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Transposed convolution of `[h, w, C]` latents with stride `stride`, cropped by `pad` on each side. `weights` maps
    /// `C` channels to `kernel²·channels` values in (row, column, channel) order; `out` is `[H, W, channels]`.
    fn lapped_synthesis(
        &self,
        latents: &Self::Tensor,
        weights: &Self::Linear,
        kernel: usize,
        stride: usize,
        pad: usize,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// `x *= factor`.
    fn scale(&self, x: &mut Self::Tensor, factor: f32) -> Result<(), ComputeError>;

    /// `x -= dt·v`, an Euler step of the flow towards t = 0.
    fn euler_step(
        &self,
        x: &mut Self::Tensor,
        velocity: &Self::Tensor,
        dt: f32,
    ) -> Result<(), ComputeError>;

    /// Converts predicted clean latents to the velocity `(x − clean) / t`, in place. `clean` may hold several
    /// predictions for all of `x`, one after another.
    fn clean_to_velocity(
        &self,
        x: &Self::Tensor,
        t: f32,
        clean: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Classifier-free guidance: `u + scale·(c − u)`. `predictions` holds c of all images, then u of all images.
    fn guide_cfg(
        &self,
        predictions: &Self::Tensor,
        scale: f32,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Adaptive projected guidance of `[B, …]` images, independently for each. `predictions` holds the conditional
    /// velocities of all images, then the unconditional ones; `running` is the state carried from step to step.
    fn guide_apg(
        &self,
        predictions: &Self::Tensor,
        parameters: ApgParameters,
        running: &mut Self::Tensor,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// FSQ (network.md section 4): the codebook index of each row of `[rows, levels]`.
    ///
    /// # Errors
    /// Those of [`Backend::download`].
    fn quantize(
        &self,
        latents: &Self::Tensor,
        quantizer: &Quantizer,
    ) -> Result<Vec<u16>, ComputeError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_run_over_the_prefix_and_then_the_suffix() {
        let sequence = Sequence {
            prefix: 4..7,
            suffix: 20..25,
        };
        let rows: Vec<usize> = (0..sequence.positions())
            .map(|position| sequence.row(position))
            .collect();
        assert_eq!(rows, [4, 5, 6, 20, 21, 22, 23, 24]);
        for (rows, positions) in [
            (0..100, 0..8),
            (0..7, 0..3),
            (5..6, 1..2),
            (20..25, 3..8),
            (6..22, 2..5),
            (23..24, 6..7),
        ] {
            assert_eq!(sequence.positions_in(&rows), positions, "rows {rows:?}");
        }
        for rows in [0..4, 7..20, 25..30, 10..10] {
            assert!(sequence.positions_in(&rows).is_empty(), "rows {rows:?}");
        }
        let single = Sequence::single(3, 8);
        assert!((0..8).all(|position| single.row(position) == position));
        assert_eq!(single.positions_in(&(2..5)), 2..5);
    }

    #[test]
    fn a_position_of_the_suffix_sees_no_later_one() {
        let sequence = Sequence::single(3, 6);
        let visible = |mask| -> Vec<usize> {
            (0..6)
                .map(|position| sequence.visible(mask, position))
                .collect()
        };
        assert_eq!(visible(Mask::CausalLast), [3, 3, 3, 4, 5, 6]);
        assert_eq!(visible(Mask::Full), [6; 6]);
    }

    #[test]
    #[should_panic(expected = "gap")]
    fn queries_with_a_gap_are_a_bug() {
        let sequence = Sequence {
            prefix: 10..15,
            suffix: 0..5,
        };
        let _ = sequence.positions_in(&(3..12));
    }
}
