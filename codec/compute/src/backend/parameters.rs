//! What the operations are told: sequences and masks, modulations and epilogues, sizes and constants of layers.

use std::ops::Range;

use crate::memory::with_capacity;
use crate::{ComputeError, Weight};

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
