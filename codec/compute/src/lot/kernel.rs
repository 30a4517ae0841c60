//! The one-dimensional parts of the transform on several lines at once: the filter over a boundary of two blocks, and the
//! DCT-II of a block, forwards and back.
//!
//! A line's samples stand `LANES` lines side by side, so that each step is the same for all lanes: the compiler makes
//! vectors of them. Nothing is fused or reordered: the result does not depend on the processor.

use super::tables::{Matrix, Tables};
use super::{BLOCK, LAP};

/// Lines that are transformed at once: one vector of 512 bits, two of 256, four of 128.
pub(super) const LANES: usize = 16;

/// One sample of each line.
pub(super) type Lane = [f32; LANES];

#[inline(always)]
fn sum(a: &Lane, b: &Lane) -> Lane {
    std::array::from_fn(|lane| a[lane] + b[lane])
}

#[inline(always)]
fn difference(a: &Lane, b: &Lane) -> Lane {
    std::array::from_fn(|lane| a[lane] - b[lane])
}

/// `matrix · x`
#[inline(always)]
fn product<const N: usize>(matrix: &Matrix<N>, x: &[Lane; N]) -> [Lane; N] {
    std::array::from_fn(|row| {
        let mut sum = [0.0; LANES];
        for (factor, x) in matrix[row].iter().zip(x) {
            for lane in 0..LANES {
                sum[lane] += factor * x[lane];
            }
        }
        sum
    })
}

/// `matrixᵀ · x`, in an order of additions that reads the matrix row by row.
#[inline(always)]
fn product_transposed<const N: usize>(matrix: &Matrix<N>, x: &[Lane; N]) -> [Lane; N] {
    std::array::from_fn(|column| {
        let mut sum = [0.0; LANES];
        for (row, x) in matrix.iter().zip(x) {
            for lane in 0..LANES {
                sum[lane] += row[column] * x[lane];
            }
        }
        sum
    })
}

/// The filter over a boundary: 16 samples before it, then 16 behind it. `matrix` is the table's `filter`, or
/// `filter_back` to undo it.
///
/// With a the samples before and b those behind in reverse, a' = ½(a + b) + ½W(a − b) and b' = ½(a + b) − ½W(a − b).
#[inline(always)]
pub(super) fn filter(matrix: &Matrix<LAP>, x: &mut [Lane; 2 * LAP]) {
    let turned = product(
        matrix,
        &std::array::from_fn(|i| difference(&x[i], &x[2 * LAP - 1 - i])),
    );
    for i in 0..LAP {
        for lane in 0..LANES {
            let half = 0.5 * (x[i][lane] + x[2 * LAP - 1 - i][lane]);
            x[i][lane] = half + turned[i][lane];
            x[2 * LAP - 1 - i][lane] = half - turned[i][lane];
        }
    }
}

/// Splits samples into the sums and the differences of mirrored ones: a DCT-II of the sums gives the even coefficients,
/// the odd ones are a product with the differences.
#[inline(always)]
fn fold<const N: usize, const HALF: usize>(x: &[Lane; N]) -> ([Lane; HALF], [Lane; HALF]) {
    (
        std::array::from_fn(|i| sum(&x[i], &x[N - 1 - i])),
        std::array::from_fn(|i| difference(&x[i], &x[N - 1 - i])),
    )
}

/// The inverse of [`fold`], up to the factor that the tables hold.
#[inline(always)]
fn unfold<const N: usize, const HALF: usize>(even: &[Lane; HALF], odd: &[Lane; HALF]) -> [Lane; N] {
    std::array::from_fn(|i| {
        if i < HALF {
            sum(&even[i], &odd[i])
        } else {
            difference(&even[N - 1 - i], &odd[N - 1 - i])
        }
    })
}

#[inline(always)]
fn scaled(factor: f32, x: Lane) -> Lane {
    x.map(|value| factor * value)
}

/// The orthonormal DCT-II of 32 samples.
#[inline(always)]
pub(super) fn dct(tables: &Tables, x: &[Lane; BLOCK]) -> [Lane; BLOCK] {
    let (x16, odd): ([Lane; 16], _) = fold(x);
    let odd16 = product(&tables.odd16, &odd);
    let (x8, odd): ([Lane; 8], _) = fold(&x16);
    let odd8 = product(&tables.odd8, &odd);
    let (x4, odd): ([Lane; 4], _) = fold(&x8);
    let odd4 = product(&tables.odd4, &odd);
    let (x2, odd): ([Lane; 2], _) = fold(&x4);
    let odd2 = product(&tables.odd2, &odd);
    let mean = scaled(tables.last, sum(&x2[0], &x2[1]));
    let middle = scaled(tables.last, difference(&x2[0], &x2[1]));
    // The number of trailing zeros of k selects the half that holds coefficient k.
    std::array::from_fn(|k| match k.trailing_zeros() {
        0 => odd16[k / 2],
        1 => odd8[k / 4],
        2 => odd4[k / 8],
        3 => odd2[k / 16],
        4 => middle,
        _ => mean,
    })
}

/// The inverse of [`dct`].
#[inline(always)]
pub(super) fn dct_back(tables: &Tables, x: &[Lane; BLOCK]) -> [Lane; BLOCK] {
    let mean = scaled(tables.last, x[0]);
    let middle = scaled(tables.last, x[16]);
    let x2 = [sum(&mean, &middle), difference(&mean, &middle)];
    let x4: [Lane; 4] = unfold(&x2, &product_transposed(&tables.odd2, &odd_of(x, 8)));
    let x8: [Lane; 8] = unfold(&x4, &product_transposed(&tables.odd4, &odd_of(x, 4)));
    let x16: [Lane; 16] = unfold(&x8, &product_transposed(&tables.odd8, &odd_of(x, 2)));
    unfold(&x16, &product_transposed(&tables.odd16, &odd_of(x, 1)))
}

/// The odd multiples of `step` among the coefficients.
#[inline(always)]
fn odd_of<const N: usize>(x: &[Lane; BLOCK], step: usize) -> [Lane; N] {
    std::array::from_fn(|k| x[(2 * k + 1) * step])
}
