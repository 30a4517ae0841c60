//! How matrix products are computed: on f32, or on bf16 with f32 sums.
//!
//! A product of two bf16 numbers is exact in f32. The instruction VDPBF16PS ("Intel 64 and IA-32 Architectures Software
//! Developer's Manual", volume 2) adds two of them to a sum, that of the odd k first, each with one rounding, and takes
//! subnormals for zeros. Kernels of f32 do the same to operands that are widened and stand in that order. They need not know
//! of subnormals, since [`round`] leaves none that could arise: all numbers are 0 or at least 2^-56, so that products and
//! their sums are multiples of 2^-126. Both ways give the same bits, and processors without the instruction those of others.

use rayon::prelude::*;

use super::buffer::Pooled;
use super::context::Context;
use super::microkernel::Kernels;
use crate::{ComputeError, Precision};

/// Magnitudes below 2^-56 become 0: the least exponent of a product is then -112, and its last bit 14 below.
const LEAST: u32 = (127 - 56) << 23;

/// Kernels and the form of the operands that they take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Products {
    /// The kernels; a "float" of theirs is a [word](Operands::Pairs) where operands are pairs.
    pub(super) kernels: Kernels,
    pub(super) operands: Operands,
}

/// Element type and order of the operands of products, as the f32 arrays that hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operands {
    /// f32, in order.
    Single,
    /// Two bf16 in the bits of each float: that of an even k in the lower half, the next one in the upper.
    Pairs,
    /// bf16 widened to f32, that of each odd k before the one of the even k before it.
    Widened,
}

impl Products {
    /// Products of bf16 by what this processor has; all ways give the same bits.
    pub(super) fn bf16(kernels: Kernels) -> Self {
        match super::bf16::kernels(kernels) {
            Some(pairs) => Self {
                kernels: pairs,
                operands: Operands::Pairs,
            },
            None => Self::widened(kernels),
        }
    }

    /// Products of f32.
    pub(super) fn single(kernels: Kernels) -> Self {
        Self {
            kernels,
            operands: Operands::Single,
        }
    }

    /// Products of bf16 by kernels of f32.
    pub(super) fn widened(kernels: Kernels) -> Self {
        Self {
            kernels,
            operands: Operands::Widened,
        }
    }

    /// The element type of the operands.
    pub(super) fn precision(self) -> Precision {
        match self.operands {
            Operands::Single => Precision::F32,
            Operands::Pairs | Operands::Widened => Precision::BF16,
        }
    }

    /// The rows of activations `x`, of `k` floats each, as operands.
    pub(super) fn rows<'a>(
        self,
        context: Context<'a>,
        x: &'a [f32],
        k: usize,
    ) -> Result<Rows<'a>, ComputeError> {
        if self.operands == Operands::Single {
            return Ok(Rows::Same(x));
        }
        let len = self.operands.floats(k);
        let mut rows = context.pool.take(x.len() / k.max(1) * len)?;
        rows.par_chunks_exact_mut(len.max(1))
            .zip(x.par_chunks_exact(k.max(1)))
            .with_min_len(16)
            .for_each(|(out, row)| {
                context.vectorized_mut(
                    #[inline(always)]
                    || self.operands.row(row, out),
                );
            });
        Ok(Rows::Rounded(rows))
    }
}

/// Rows of activations as operands.
pub(super) enum Rows<'a> {
    /// They are f32 anyway.
    Same(&'a [f32]),
    /// Rounded copies.
    Rounded(Pooled<'a>),
}

impl std::ops::Deref for Rows<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Same(rows) => rows,
            Self::Rounded(rows) => rows,
        }
    }
}

impl Operands {
    /// As many numbers as stand for `k`: a pair's second may be a zero too much.
    pub(super) fn numbers(self, k: usize) -> usize {
        match self {
            Self::Single => k,
            Self::Pairs | Self::Widened => k.next_multiple_of(2),
        }
    }

    /// Floats that hold `k` numbers.
    pub(super) fn floats(self, k: usize) -> usize {
        match self {
            Self::Single | Self::Widened => self.numbers(k),
            Self::Pairs => self.numbers(k) / 2,
        }
    }

    /// Stores a row of numbers in as many [floats](Self::floats) as they take.
    #[inline(always)]
    pub(super) fn row(self, values: &[f32], out: &mut [f32]) {
        let (pairs, last) = values.as_chunks::<2>();
        let last = last.first().map(|&value| [value, 0.0]);
        match self {
            Self::Single => out.copy_from_slice(values),
            Self::Pairs => {
                for (out, &pair) in out.iter_mut().zip(pairs) {
                    *out = f32::from_bits(word(pair));
                }
                if let (Some(out), Some(pair)) = (out.last_mut(), last) {
                    *out = f32::from_bits(word(pair));
                }
            }
            Self::Widened => {
                let out = out.as_chunks_mut::<2>().0;
                for (out, &pair) in out.iter_mut().zip(pairs) {
                    *out = widened(word(pair));
                }
                if let (Some(out), Some(pair)) = (out.last_mut(), last) {
                    *out = widened(word(pair));
                }
            }
        }
    }

    /// Turns a row of an even count of numbers into operands, which take no more [floats](Self::floats).
    #[inline(always)]
    pub(super) fn in_place(self, row: &mut [f32]) {
        match self {
            Self::Single => {}
            Self::Widened => {
                for pair in row.as_chunks_mut::<2>().0 {
                    *pair = widened(word(*pair));
                }
            }
            Self::Pairs => {
                // In runs, so that vectors are loaded before what they lie in is overwritten.
                const RUN: usize = 16;
                let mut words = [0; RUN];
                for first in (0..row.len() / 2).step_by(RUN) {
                    let pairs = row[2 * first..].as_chunks::<2>().0;
                    let count = RUN.min(pairs.len());
                    for (word, &pair) in words.iter_mut().zip(pairs) {
                        *word = self::word(pair);
                    }
                    for (out, &word) in row[first..first + count].iter_mut().zip(&words) {
                        *out = f32::from_bits(word);
                    }
                }
            }
        }
    }

    /// Stores the rows of an even k and of the next one, with zeros after them, as rows of `width` columns of a panel.
    #[inline(always)]
    pub(super) fn two_rows(self, [even, odd]: [&[f32]; 2], panel: &mut [f32], width: usize) {
        let len = even.len();
        let (first, second) = panel.split_at_mut(width);
        first[len..].fill(0.0);
        match self {
            Self::Single => {
                first[..len].copy_from_slice(even);
                second[..len].copy_from_slice(odd);
                second[len..].fill(0.0);
            }
            Self::Widened => {
                for (((first, second), &even), &odd) in
                    first.iter_mut().zip(&mut *second).zip(even).zip(odd)
                {
                    [*first, *second] = widened(word([even, odd]));
                }
                second[len..].fill(0.0);
            }
            Self::Pairs => {
                for ((out, &even), &odd) in first.iter_mut().zip(even).zip(odd) {
                    *out = f32::from_bits(word([even, odd]));
                }
            }
        }
    }
}

/// The nearest bf16, of two as near the even one, as its 16 bits; 0 for magnitudes below 2^-56.
#[inline(always)]
pub(super) fn round(value: f32) -> u32 {
    let bits = value.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    // A NaN stays one.
    let kept = if magnitude > 0x7f80_0000 {
        bits >> 16 | 0x40
    } else {
        rounded
    };
    if magnitude < LEAST { 0 } else { kept }
}

/// Two numbers, rounded, that of the even k first.
#[inline(always)]
pub(super) fn word([even, odd]: [f32; 2]) -> u32 {
    round(even) | round(odd) << 16
}

/// The numbers of a word, that of the odd k first.
#[inline(always)]
pub(super) fn widened(word: u32) -> [f32; 2] {
    [
        f32::from_bits(word & 0xffff_0000),
        f32::from_bits(word << 16),
    ]
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    #[test]
    fn numbers_are_rounded_as_half_rounds_them() {
        for bits in (0..=u32::MAX).step_by(4099) {
            let value = f32::from_bits(bits);
            let expected = if value.abs() < f32::from_bits(LEAST) {
                0
            } else {
                bf16::from_f32(value).to_bits()
            };
            let found = round(value) as u16;
            assert_eq!(bf16::from_bits(found).is_nan(), value.is_nan(), "{bits:x}");
            assert!(found == expected || value.is_nan(), "{bits:x}: {found:x}");
        }
    }

    #[test]
    fn rows_and_panels_hold_the_same_numbers() {
        let values = [1.0, -2.5, 3.0, 1e-20, 7.0];
        for operands in [Operands::Single, Operands::Pairs, Operands::Widened] {
            let len = operands.floats(values.len());
            let mut row = vec![9.0; len];
            operands.row(&values, &mut row);
            // A panel of three columns, the middle one of which holds the row; its last pair may have no second number.
            let mut panel = vec![9.0; operands.floats(6) * 3];
            let pairs = values
                .chunks(2)
                .zip(panel.chunks_exact_mut(operands.floats(2) * 3));
            for (pair, panel) in pairs {
                let odd = pair.get(1).copied().unwrap_or_default();
                operands.two_rows([&[5.0, pair[0]], &[6.0, odd]], panel, 3);
            }
            let column = |index: usize| panel.iter().skip(index).step_by(3).map(|v| v.to_bits());
            let row = row.iter().map(|v| v.to_bits());
            assert!(column(1).take(len).eq(row), "{operands:?}");
            assert!(column(2).all(|bits| bits == 0), "{operands:?}");
        }
        let mut pairs = [0.0; 3];
        Operands::Pairs.row(&values, &mut pairs);
        let numbers = pairs.map(|pair| widened(pair.to_bits()));
        assert_eq!(numbers, [[-2.5, 1.0], [0.0, 3.0], [0.0, 7.0]]);
    }
}
