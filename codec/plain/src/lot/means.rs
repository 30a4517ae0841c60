//! The DCT of the block means over the whole grid: any number of rows and columns.
//!
//! There is one mean for 1024 samples, so that the plain sum costs less than the blocks up to 255 of them a side, which
//! is all that a file can name.

use alloc::vec::Vec;
use core::f64::consts::PI;

/// The orthonormal DCT-II of any length.
pub(super) struct Dct {
    /// cos(mπ/2n) for all m of one turn, times √(2/n).
    cosines: Vec<f32>,
    /// √(1/n), the weight of coefficient 0.
    first: f32,
    points: usize,
}

impl Dct {
    pub(super) fn new(points: usize) -> Self {
        let scale = libm::sqrt(2.0 / points as f64);
        let turn = 4 * points;
        let cosines = (0..turn).map(|m| (scale * cosine(m, turn)) as f32);
        Self {
            cosines: cosines.collect(),
            first: libm::sqrt(1.0 / points as f64) as f32,
            points,
        }
    }

    /// Weight of sample `i` in coefficient `k`.
    fn weight(&self, k: usize, i: usize) -> f32 {
        match k {
            0 => self.first,
            _ => self.cosines[(2 * i + 1) * k % self.cosines.len()],
        }
    }

    /// Transforms each column of `columns` values, one row of the grid after the other, forwards or back.
    pub(super) fn columns(&self, values: &mut [f32], columns: usize, back: bool) {
        let input = values.to_vec();
        for (k, out) in values.chunks_exact_mut(columns).enumerate() {
            out.fill(0.0);
            for (i, row) in input.chunks_exact(columns).enumerate().take(self.points) {
                let weight = if back {
                    self.weight(i, k)
                } else {
                    self.weight(k, i)
                };
                for (out, value) in out.iter_mut().zip(row) {
                    *out += weight * value;
                }
            }
        }
    }
}

/// cos(2πm/turn) of the first eighth of a turn, from which the others follow: close to a zero the cosine of a large angle
/// would have lost digits.
fn cosine(m: usize, turn: usize) -> f64 {
    let (m, sign) = match m {
        m if 4 * m <= turn => (m, 1.0),
        m if 2 * m <= turn => (turn / 2 - m, -1.0),
        m if 4 * m <= 3 * turn => (m - turn / 2, -1.0),
        m => (turn - m, 1.0),
    };
    let angle = 2.0 * PI * m as f64 / turn as f64;
    let quarter = turn / 4;
    if 2 * m <= quarter {
        sign * libm::cos(angle)
    } else {
        sign * libm::sin(2.0 * PI * (quarter - m) as f64 / turn as f64)
    }
}

/// Rows become columns.
pub(super) fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let rows = values.len() / columns;
    let mut out = Vec::with_capacity(values.len());
    for column in 0..columns {
        out.extend((0..rows).map(|row| values[row * columns + column]));
    }
    out
}
