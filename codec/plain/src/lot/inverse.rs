//! Coefficients to samples, one row of blocks after the other.

use alloc::vec::Vec;

use pulp::{Arch, Simd, WithSimd};

use super::across::Across;
use super::colour::COLOURS;
use super::kernel;
use super::tables::Tables;
use super::{BLOCK, LAP};
use crate::Error;
use crate::memory::zeros;

/// Transforms some rows of blocks that follow one another.
pub(super) struct Inverse<'a> {
    tables: &'a Tables,
    across: &'a Across,
    width: usize,
    /// The lower half of the row of blocks before, ahead of the filter over the boundary below it: `[3][16][width]`.
    lower: Vec<f32>,
    /// The row in hand, ahead of the vertical part or behind it: `[3][32][width]`.
    lines: Vec<f32>,
}

impl<'a> Inverse<'a> {
    pub(super) fn new(tables: &'a Tables, across: &'a Across, width: usize) -> Result<Self, Error> {
        Ok(Self {
            tables,
            across,
            width,
            lower: zeros(COLOURS * LAP * width)?,
            lines: zeros(COLOURS * BLOCK * width)?,
        })
    }

    /// Takes the coefficients of one colour in a row of blocks, `[32][32][columns]`.
    pub(super) fn take(&mut self, colour: usize, coefficients: &[f32]) {
        let lines = &mut self.lines[colour * BLOCK * self.width..][..BLOCK * self.width];
        Arch::new().dispatch(Take {
            across: self.across,
            tables: self.tables,
            coefficients,
            lines,
        });
    }

    /// Transforms the row of blocks that was taken and gives out, `[3][32][width]`, the colours of the samples that are
    /// known then: those from 16 above its first line to 16 above its last. Above the first row of the picture is no
    /// boundary, and the first 16 lines mean nothing.
    pub(super) fn row(&mut self, is_first: bool) -> &mut [f32] {
        Arch::new().dispatch(Row {
            inverse: self,
            is_first,
        });
        &mut self.lines
    }

    /// The vertical part of some columns of one colour: from frequencies to samples, in the lines.
    #[inline(always)]
    fn down<S: Simd>(&mut self, simd: S, colour: usize, x: usize, is_first: bool) {
        let lines = &mut self.lines[colour * BLOCK * self.width + x..];
        let samples = kernel::dct_back(
            simd,
            self.tables,
            &kernel::load_all(simd, lines, self.width),
        );
        let mut around = [simd.splat_f32s(0.0); BLOCK];
        for i in 0..LAP {
            let lower = &mut self.lower[(colour * LAP + i) * self.width + x..];
            around[i] = kernel::load::<S>(lower);
            kernel::store::<S>(lower, samples[LAP + i]);
        }
        around[LAP..].copy_from_slice(&samples[..LAP]);
        if !is_first {
            kernel::filter(simd, &self.tables.filter_back, &mut around);
        }
        kernel::store_all::<S>(lines, self.width, &around);
    }

    /// As [`Inverse::row`], the colours of the 16 lines of samples below that, where no row of blocks follows.
    pub(super) fn end(&mut self) -> &mut [f32] {
        let halves = self.lower.chunks_exact(LAP * self.width);
        for (lines, lower) in self.lines.chunks_exact_mut(BLOCK * self.width).zip(halves) {
            lines[..lower.len()].copy_from_slice(lower);
        }
        &mut self.lines
    }
}

/// Transforms one colour of a row of blocks horizontally.
struct Take<'a> {
    across: &'a Across,
    tables: &'a Tables,
    coefficients: &'a [f32],
    lines: &'a mut [f32],
}

impl WithSimd for Take<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.across
            .synthesise(simd, self.tables, self.coefficients, self.lines);
    }
}

/// Transforms a row of blocks vertically.
struct Row<'a, 'b> {
    inverse: &'a mut Inverse<'b>,
    is_first: bool,
}

impl WithSimd for Row<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for colour in 0..COLOURS {
            for x in (0..self.inverse.width).step_by(S::F32_LANES) {
                self.inverse.down(simd, colour, x, self.is_first);
            }
        }
    }
}
