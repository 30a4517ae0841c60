//! Samples to coefficients, one row of blocks after the other.

use alloc::vec::Vec;
use core::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::across::Across;
use super::colour::{self, COLOURS};
use super::kernel::{self, Vector};
use super::tables::Tables;
use super::{BLOCK, LAP};
use crate::Error;
use crate::memory::zeros;

/// Transforms some rows of blocks that follow one another.
pub(super) struct Forward<'a> {
    tables: &'a Tables,
    across: &'a Across,
    /// `[samples down][width][3]`
    rgb: &'a [u8],
    width: usize,
    /// The upper half of the next row of blocks, behind the filter over the boundary above it: `[3][16][width]`.
    upper: Vec<f32>,
    /// The row in hand, ahead of the vertical part or behind it: `[3][32][width]`.
    lines: Vec<f32>,
}

impl<'a> Forward<'a> {
    /// Starts with the row of blocks `first`.
    pub(super) fn new(
        tables: &'a Tables,
        across: &'a Across,
        rgb: &'a [u8],
        width: usize,
        first: usize,
    ) -> Result<Self, Error> {
        let mut forward = Self {
            tables,
            across,
            rgb,
            width,
            upper: zeros(COLOURS * LAP * width)?,
            lines: zeros(COLOURS * BLOCK * width)?,
        };
        Arch::new().dispatch(Begin {
            forward: &mut forward,
            row: first,
        });
        Ok(forward)
    }

    /// The coefficients of the row of blocks, `[3][32][32][columns]`. Call it for rows in ascending order.
    pub(super) fn row(&mut self, row: usize, coefficients: &mut [f32]) {
        Arch::new().dispatch(Row {
            forward: self,
            row,
            coefficients,
        });
    }

    /// Puts the colours of the picture's lines around a boundary in the place of the lines: the `known` ones of those from
    /// 16 above it.
    #[inline(always)]
    fn load(&mut self, boundary: usize, known: Range<usize>) {
        let bytes = self.width * COLOURS;
        for i in known {
            let pixels = &self.rgb[(boundary + i - LAP) * bytes..][..bytes];
            colour::of_rgb(pixels, &mut self.lines, i);
        }
    }

    /// The vertical part of some columns of one colour: from samples to frequencies, in the lines.
    #[inline(always)]
    fn down<S: Simd>(&mut self, simd: S, colour: usize, x: usize, is_last: bool) {
        let mut around = self.around(simd, colour, x);
        if !is_last {
            kernel::filter(simd, &self.tables.filter, &mut around);
        }
        let mut samples = [simd.splat_f32s(0.0); BLOCK];
        for (i, samples) in samples[..LAP].iter_mut().enumerate() {
            *samples = kernel::load::<S>(&self.upper[(colour * LAP + i) * self.width + x..]);
        }
        samples[LAP..].copy_from_slice(&around[..LAP]);
        self.keep::<S>(colour, x, &around);
        let frequencies = kernel::dct(simd, self.tables, &samples);
        let first = colour * BLOCK * self.width + x;
        kernel::store_all::<S>(&mut self.lines[first..], self.width, &frequencies);
    }

    /// Some columns of one colour of what [`Forward::load`] has put there.
    #[inline(always)]
    fn around<S: Simd>(&self, simd: S, colour: usize, x: usize) -> [Vector<S>; BLOCK] {
        let first = colour * BLOCK * self.width + x;
        kernel::load_all(simd, &self.lines[first..], self.width)
    }

    /// Keeps what is behind a boundary.
    #[inline(always)]
    fn keep<S: Simd>(&mut self, colour: usize, x: usize, around: &[Vector<S>; BLOCK]) {
        for (i, &vector) in around[LAP..].iter().enumerate() {
            let at = (colour * LAP + i) * self.width + x;
            kernel::store::<S>(&mut self.upper[at..], vector);
        }
    }
}

/// Fills the upper half of a row of blocks.
struct Begin<'a, 'b> {
    forward: &'a mut Forward<'b>,
    row: usize,
}

impl WithSimd for Begin<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { forward, row } = self;
        // Nothing is above the first row.
        let known = if row == 0 { LAP..BLOCK } else { 0..BLOCK };
        forward.load(row * BLOCK, known);
        for colour in 0..COLOURS {
            for x in (0..forward.width).step_by(S::F32_LANES) {
                let mut around = forward.around(simd, colour, x);
                if row > 0 {
                    kernel::filter(simd, &forward.tables.filter, &mut around);
                }
                forward.keep::<S>(colour, x, &around);
            }
        }
    }
}

/// Transforms a row of blocks.
struct Row<'a, 'b> {
    forward: &'a mut Forward<'b>,
    row: usize,
    coefficients: &'a mut [f32],
}

impl WithSimd for Row<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Forward { tables, across, .. } = *self.forward;
        let values = BLOCK * self.forward.width;
        let end = (self.row + 1) * BLOCK;
        // Nothing is below the last row.
        let is_last = end * self.forward.width * COLOURS >= self.forward.rgb.len();
        let known = if is_last { 0..LAP } else { 0..BLOCK };
        self.forward.load(end, known);
        for colour in 0..COLOURS {
            for x in (0..self.forward.width).step_by(S::F32_LANES) {
                self.forward.down(simd, colour, x, is_last);
            }
        }
        let lines = self.forward.lines.chunks_exact(values);
        for (lines, out) in lines.zip(self.coefficients.chunks_exact_mut(values)) {
            across.analyse(simd, tables, lines, out);
        }
    }
}
