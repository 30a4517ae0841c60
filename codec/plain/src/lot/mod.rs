//! The fixed transform of the built-in model: orthonormal colours, a lapped orthogonal transform of 32-sample blocks in
//! both directions, and a DCT of the block means over the whole grid (builtin.md section 2).
//!
//! It is orthonormal: the squared error of coefficients is that of samples. Coefficients stand one row of blocks after the
//! other, `[rows][3][32][32][columns]`: colour, horizontal frequency, vertical frequency, then the blocks of the row side
//! by side, so that one frequency of a row of blocks is one run of memory. Frequency (0, 0) holds the DCT of the means.
//!
//! Rows of blocks are spread over threads, where the build has them. Each sample is computed in one way whatever the
//! tasks are, without fused operations, so that the result is the same for any number of threads and on any processor.

mod across;
mod colour;
mod forward;
mod inverse;
mod kernel;
mod means;
mod tables;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::ops::Range;

use flextok_tokens::vectorized;

use self::across::Across;
use self::colour::COLOURS;
use self::forward::Forward;
use self::inverse::Inverse;
use self::means::{Dct, transposed};
use self::tables::Tables;
use crate::Error;
use crate::memory::{with_capacity, zeros};
use crate::parallel;

/// Side of a block in samples.
pub const BLOCK: usize = 32;
/// Samples on each side of a boundary that the filter over it mixes.
pub const LAP: usize = BLOCK / 2;
/// Coefficients of a block in all colours.
const PER_BLOCK: usize = COLOURS * BLOCK * BLOCK;
/// Most rows of blocks of a task: more leave threads without one at the end, fewer transform more of the rows at their edges
/// twice.
const MAX_CHUNK: usize = 16;

/// Where the inverse transform takes coefficients from, so that they need not all be held in its order.
pub trait Source: Sync {
    /// Writes the coefficients of one colour in a row of blocks to `values`, `[32][32][columns]`: horizontal, then
    /// vertical frequency.
    fn read(&self, colour: usize, row: usize, values: &mut [f32]);

    /// Writes their frequency (0, 0) alone, `[columns]`.
    fn read_means(&self, colour: usize, row: usize, values: &mut [f32]);
}

/// All coefficients in the order of [`LappedTransform::forward`].
impl Source for [f32] {
    fn read(&self, colour: usize, row: usize, values: &mut [f32]) {
        let from = (row * COLOURS + colour) * values.len();
        values.copy_from_slice(&self[from..][..values.len()]);
    }

    fn read_means(&self, colour: usize, row: usize, values: &mut [f32]) {
        let from = (row * COLOURS + colour) * BLOCK * BLOCK * values.len();
        values.copy_from_slice(&self[from..][..values.len()]);
    }
}

/// The transform of a grid of blocks.
pub struct LappedTransform {
    rows: usize,
    columns: usize,
    tables: Tables,
}

impl LappedTransform {
    /// For `rows` × `columns` blocks of 32×32 pixels, at least one each.
    #[must_use]
    pub fn new(rows: usize, columns: usize) -> Self {
        assert!(rows > 0 && columns > 0, "a grid without blocks");
        Self {
            rows,
            columns,
            tables: Tables::new(),
        }
    }

    /// Number of coefficients, which is that of samples.
    #[must_use]
    pub fn coefficients(&self) -> usize {
        self.rows * self.columns * PER_BLOCK
    }

    /// The coefficients of a picture, `rgb` of `[32·rows, 32·columns, 3]` samples.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn forward(&self, rgb: &[u8]) -> Result<Vec<f32>, Error> {
        assert_eq!(
            rgb.len(),
            self.coefficients(),
            "another picture than that of the grid"
        );
        let mut coefficients = zeros(self.coefficients())?;
        // Twice as many tasks as threads, since a thread may be late.
        let (chunk, across) = (self.chunk().div_ceil(2), Across::new(self.columns)?);
        let pieces = (chunk * self.columns * PER_BLOCK, 1);
        let none = || ();
        parallel::chunks(&mut coefficients, pieces, none, |(), task, out| {
            let (first, width) = (task * chunk, self.columns * BLOCK);
            let mut forward = Forward::new(&self.tables, &across, rgb, width, first)?;
            for (row, out) in out.chunks_exact_mut(self.columns * PER_BLOCK).enumerate() {
                forward.row(first + row, out);
            }
            Ok::<_, Error>(())
        })?;
        self.replace_means(&mut coefficients)?;
        Ok(coefficients)
    }

    /// The picture of coefficients, `[32·rows, 32·columns, 3]` samples from 0 to 255, clamped and rounded to even.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn to_rgb<S: Source + ?Sized>(&self, source: &S) -> Result<Vec<u8>, Error> {
        self.inverse(source, in_8_bits)
    }

    /// [`LappedTransform::to_rgb`] in units of a network: (sample − 127.5) / 127.5, not clamped.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn to_signed<S: Source + ?Sized>(&self, source: &S) -> Result<Vec<f32>, Error> {
        self.inverse(
            source,
            #[inline(always)]
            |sample: f32| (sample - 127.5) / 127.5,
        )
    }

    fn inverse<S: Source + ?Sized, T: bytemuck::Pod + Send>(
        &self,
        source: &S,
        convert: impl Fn(f32) -> T + Sync + Copy,
    ) -> Result<Vec<T>, Error> {
        let means = self.means_of(source)?;
        let mut picture: Vec<T> = zeros(self.coefficients())?;
        let (chunk, across) = (self.chunk(), Across::new(self.columns)?);
        let pieces = (chunk * self.columns * PER_BLOCK, 1);
        let none = || ();
        parallel::chunks(&mut picture, pieces, none, |(), task, out| {
            let mut read = zeros(BLOCK * BLOCK * self.columns)?;
            let mut inverse = Inverse::new(&self.tables, &across, self.columns * BLOCK)?;
            let mut lines = Lines {
                samples: out,
                top: task * chunk * BLOCK,
                width: self.columns * BLOCK,
                convert,
            };
            // The rows of blocks beside have samples that mix with those of these.
            let end = (task + 1) * chunk;
            for row in (task * chunk).saturating_sub(1)..(end + 1).min(self.rows) {
                for colour in 0..COLOURS {
                    source.read(colour, row, &mut read);
                    let of_row = (colour * self.rows + row) * self.columns;
                    read[..self.columns].copy_from_slice(&means[of_row..][..self.columns]);
                    inverse.take(colour, &read);
                }
                lines.put(row * BLOCK, 0..BLOCK, inverse.row(row == 0));
            }
            if end >= self.rows {
                lines.put(self.rows * BLOCK, 0..LAP, inverse.end());
            }
            Ok::<_, Error>(())
        })?;
        Ok(picture)
    }

    /// The means of the blocks, `[3][rows][columns]`, from the DCT that stands in their place.
    fn means_of<S: Source + ?Sized>(&self, source: &S) -> Result<Vec<f32>, Error> {
        let (rows, columns) = (self.rows, self.columns);
        let mut means = zeros(COLOURS * rows * columns)?;
        for (index, means) in means.chunks_exact_mut(columns).enumerate() {
            source.read_means(index / rows, index % rows, means);
        }
        for means in means.chunks_exact_mut(rows * columns) {
            self.transform_means(means, true)?;
        }
        Ok(means)
    }

    /// The DCT of one colour's means over the grid, `[rows][columns]`, in place, forwards or back.
    fn transform_means(&self, means: &mut [f32], back: bool) -> Result<(), Error> {
        let (rows, columns) = (self.rows, self.columns);
        Dct::new(rows).columns(means, columns, back);
        let mut turned = transposed(means, columns);
        Dct::new(columns).columns(&mut turned, rows, back);
        means.copy_from_slice(&transposed(&turned, rows));
        Ok(())
    }

    /// Puts the DCT of the means in the place of the means.
    fn replace_means(&self, coefficients: &mut [f32]) -> Result<(), Error> {
        let (rows, columns) = (self.rows, self.columns);
        for colour in 0..COLOURS {
            let start = |row: usize| (row * COLOURS + colour) * BLOCK * BLOCK * columns;
            let mut means = with_capacity(rows * columns)?;
            for row in 0..rows {
                means.extend_from_slice(&coefficients[start(row)..][..columns]);
            }
            self.transform_means(&mut means, false)?;
            for (row, means) in means.chunks_exact(columns).enumerate() {
                coefficients[start(row)..][..columns].copy_from_slice(means);
            }
        }
        Ok(())
    }

    /// Rows of blocks of a task.
    fn chunk(&self) -> usize {
        self.rows.div_ceil(parallel::threads()).clamp(1, MAX_CHUNK)
    }
}

/// Some lines of a picture that is being made.
struct Lines<'a, T, F> {
    /// `[lines][width][3]`
    samples: &'a mut [T],
    /// The first of them.
    top: usize,
    width: usize,
    convert: F,
}

impl<T, F: Fn(f32) -> T> Lines<'_, T, F> {
    /// Takes the `known` ones of the lines from 16 above the boundary on that are lines of these.
    fn put(&mut self, boundary: usize, known: Range<usize>, colours: &mut [f32]) {
        let length = self.width * COLOURS;
        vectorized(
            #[inline(always)]
            || {
                for i in known.clone() {
                    let Some(line) = (boundary + i).checked_sub(self.top + LAP) else {
                        continue;
                    };
                    if let Some(pixels) = self.samples.get_mut(line * length..(line + 1) * length) {
                        colour::to_rgb(colours, i, pixels, &self.convert);
                    }
                }
            },
        );
    }
}

/// A sample from 0 to 255, clamped and rounded to even.
#[inline(always)]
pub fn in_8_bits(sample: f32) -> u8 {
    // Behind 2²³ a float has no fraction: the sum is rounded to even, and its low byte is the number.
    (sample.clamp(0.0, 255.0) + 8_388_608.0).to_bits() as u8
}
