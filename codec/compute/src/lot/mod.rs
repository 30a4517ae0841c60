//! The fixed transform of the built-in model: orthonormal colours, a lapped orthogonal transform of 32-sample blocks in
//! both directions, and a DCT of the block means over the whole grid (builtin.md section 2).
//!
//! It is orthonormal: the squared error of coefficients is that of samples. Coefficients stand one row of blocks after the
//! other, `[rows][3][32][32][columns]`: colour, vertical frequency, horizontal frequency, then the blocks of the row side
//! by side, so that one frequency of a row of blocks is one run of memory. Frequency (0, 0) holds the DCT of the means.
//!
//! Rows of blocks are spread over the threads of the current rayon pool. Each sample is computed in one way whatever the
//! tasks are, without fused operations, so that the result is the same for any number of threads and on any processor.

mod kernel;
mod means;
mod strip;
mod tables;
#[cfg(test)]
mod tests;

use bytemuck::allocation::try_zeroed_vec;
use rayon::prelude::*;

use self::means::{Dct, transposed};
use self::strip::Strip;
use self::tables::Tables;
use crate::ComputeError;
use crate::error::with_capacity;

/// Side of a block in samples.
pub const BLOCK: usize = 32;
/// Samples on each side of a boundary that the filter over it mixes.
const LAP: usize = BLOCK / 2;
/// Colour components.
const COLOURS: usize = 3;
/// Coefficients of a block in all colours.
const PER_BLOCK: usize = COLOURS * BLOCK * BLOCK;
/// Most rows of blocks of a task: more need more memory, fewer transform more of the rows at their edges twice.
const MAX_CHUNK: usize = 8;

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
    /// [`ComputeError::OutOfMemory`].
    pub fn forward(&self, rgb: &[u8]) -> Result<Vec<f32>, ComputeError> {
        assert_eq!(
            rgb.len(),
            self.coefficients(),
            "another picture than that of the grid"
        );
        let mut coefficients = zeros(self.coefficients())?;
        let chunk = self.chunk();
        let tasks = coefficients.par_chunks_mut(chunk * self.columns * PER_BLOCK);
        tasks.enumerate().try_for_each(|(task, out)| {
            let mut strip = self.strip(task * chunk, out.len())?;
            (0..COLOURS).for_each(|colour| strip.analyse(&self.tables, rgb, colour, out));
            Ok(())
        })?;
        self.transform_means(&mut coefficients, false)?;
        Ok(coefficients)
    }

    /// The picture of coefficients, `[32·rows, 32·columns, 3]` samples from 0 to 255, clamped and rounded to even. The
    /// coefficients' means are overwritten.
    ///
    /// # Errors
    /// [`ComputeError::OutOfMemory`].
    pub fn to_rgb(&self, coefficients: &mut [f32]) -> Result<Vec<u8>, ComputeError> {
        self.inverse(coefficients, |samples: [f32; COLOURS], out: &mut [u8]| {
            for (out, sample) in out.iter_mut().zip(samples) {
                // Behind 2²³ a float has no fraction: the sum is rounded to even, and its low byte is the number.
                *out = (sample.clamp(0.0, 255.0) + 8_388_608.0).to_bits() as u8;
            }
        })
    }

    /// [`LappedTransform::to_rgb`] in units of a network: (sample − 127.5) / 127.5, not clamped.
    ///
    /// # Errors
    /// [`ComputeError::OutOfMemory`].
    pub fn to_signed(&self, coefficients: &mut [f32]) -> Result<Vec<f32>, ComputeError> {
        self.inverse(coefficients, |samples: [f32; COLOURS], out: &mut [f32]| {
            for (out, sample) in out.iter_mut().zip(samples) {
                *out = (sample - 127.5) / 127.5;
            }
        })
    }

    fn inverse<T: bytemuck::Pod + Send>(
        &self,
        coefficients: &mut [f32],
        store: impl Fn([f32; COLOURS], &mut [T]) + Sync + Copy,
    ) -> Result<Vec<T>, ComputeError> {
        assert_eq!(
            coefficients.len(),
            self.coefficients(),
            "coefficients of another grid"
        );
        self.transform_means(coefficients, true)?;
        let mut picture: Vec<T> = zeros(self.coefficients())?;
        let coefficients = &*coefficients;
        let chunk = self.chunk();
        let tasks = picture.par_chunks_mut(chunk * self.columns * PER_BLOCK);
        tasks.enumerate().try_for_each(|(task, out)| {
            let mut strips = Vec::with_capacity(COLOURS);
            for colour in 0..COLOURS {
                let mut strip = self.strip(task * chunk, out.len())?;
                strip.synthesise(&self.tables, coefficients, colour);
                strips.push(strip);
            }
            strip::store_colours(&strips, out, store);
            Ok(())
        })?;
        Ok(picture)
    }

    /// The DCT of the means over the grid, in place, forwards or back.
    fn transform_means(&self, coefficients: &mut [f32], back: bool) -> Result<(), ComputeError> {
        let (rows, columns) = (self.rows, self.columns);
        let (down, across) = (Dct::new(rows), Dct::new(columns));
        for colour in 0..COLOURS {
            let start = |row: usize| (row * COLOURS + colour) * BLOCK * BLOCK * columns;
            let mut means = with_capacity(rows * columns)?;
            for row in 0..rows {
                means.extend_from_slice(&coefficients[start(row)..][..columns]);
            }
            down.columns(&mut means, columns, back);
            let mut turned = transposed(&means, columns);
            across.columns(&mut turned, rows, back);
            for (row, means) in transposed(&turned, rows).chunks_exact(columns).enumerate() {
                coefficients[start(row)..][..columns].copy_from_slice(means);
            }
        }
        Ok(())
    }

    /// The strip of the rows of blocks from `first` on that have `values` coefficients.
    fn strip(&self, first: usize, values: usize) -> Result<Strip, ComputeError> {
        let count = values / (self.columns * PER_BLOCK);
        Strip::around(self.rows, self.columns, first..first + count)
    }

    /// Rows of blocks of a task.
    fn chunk(&self) -> usize {
        self.rows
            .div_ceil(rayon::current_num_threads())
            .clamp(1, MAX_CHUNK)
    }
}

fn zeros<T: bytemuck::Zeroable>(len: usize) -> Result<Vec<T>, ComputeError> {
    try_zeroed_vec(len).map_err(|()| ComputeError::OutOfMemory { shape: vec![len] })
}
