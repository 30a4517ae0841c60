//! The transform of 32 samples of as many lines as a vector has lanes: the filter over a block boundary, and the DCT-II.
//!
//! Vectors are explicit: of loops over lanes inside loops over samples, compilers vectorise whichever they like.

use pulp::Simd;

use super::tables::{Matrix, Tables};
use super::{BLOCK, LAP};

/// One sample of each line.
pub(super) type Vector<S> = <S as Simd>::f32s;

/// The first values of a slice.
#[inline(always)]
pub(super) fn load<S: Simd>(values: &[f32]) -> Vector<S> {
    S::as_simd_f32s(values).0[0]
}

/// Replaces the first values of a slice.
#[inline(always)]
pub(super) fn store<S: Simd>(values: &mut [f32], vector: Vector<S>) {
    S::as_mut_simd_f32s(values).0[0] = vector;
}

/// The first values of 32 runs, each `stride` values behind the one before.
#[inline(always)]
pub(super) fn load_all<S: Simd>(simd: S, values: &[f32], stride: usize) -> [Vector<S>; BLOCK] {
    let mut vectors = [simd.splat_f32s(0.0); BLOCK];
    for (i, vector) in vectors.iter_mut().enumerate() {
        *vector = load::<S>(&values[i * stride..]);
    }
    vectors
}

/// The inverse of [`load_all`].
#[inline(always)]
pub(super) fn store_all<S: Simd>(values: &mut [f32], stride: usize, vectors: &[Vector<S>; BLOCK]) {
    for (i, vector) in vectors.iter().enumerate() {
        store::<S>(&mut values[i * stride..], *vector);
    }
}

/// `matrix · x`
#[inline(always)]
fn product<S: Simd, const N: usize>(
    simd: S,
    matrix: &Matrix<N>,
    x: &[Vector<S>; N],
) -> [Vector<S>; N] {
    let mut sums = [simd.splat_f32s(0.0); N];
    for (sum, factors) in sums.iter_mut().zip(matrix) {
        for (factor, x) in factors.iter().zip(x) {
            *sum = simd.add_f32s(*sum, simd.mul_f32s(simd.splat_f32s(*factor), *x));
        }
    }
    sums
}

/// `matrixᵀ · x`
#[inline(always)]
fn product_transposed<S: Simd, const N: usize>(
    simd: S,
    matrix: &Matrix<N>,
    x: &[Vector<S>; N],
) -> [Vector<S>; N] {
    let mut sums = [simd.splat_f32s(0.0); N];
    for (column, sum) in sums.iter_mut().enumerate() {
        for (factors, x) in matrix.iter().zip(x) {
            *sum = simd.add_f32s(*sum, simd.mul_f32s(simd.splat_f32s(factors[column]), *x));
        }
    }
    sums
}

/// The filter over a boundary: 16 samples before it, then 16 behind it. `matrix` is the table's `filter`, or
/// `filter_back` to undo it.
///
/// With a the samples before and b those behind in reverse, a' = ½(a + b) + ½W(a − b) and b' = ½(a + b) − ½W(a − b).
#[inline(always)]
pub(super) fn filter<S: Simd>(simd: S, matrix: &Matrix<LAP>, x: &mut [Vector<S>; 2 * LAP]) {
    let (sums, differences): ([_; LAP], _) = fold(simd, x);
    let turned = product(simd, matrix, &differences);
    let half = simd.splat_f32s(0.5);
    for i in 0..LAP {
        let mean = simd.mul_f32s(half, sums[i]);
        x[i] = simd.add_f32s(mean, turned[i]);
        x[2 * LAP - 1 - i] = simd.sub_f32s(mean, turned[i]);
    }
}

/// Splits samples into the sums and the differences of mirrored ones: a DCT-II of the sums gives the even coefficients,
/// the odd ones are a product with the differences.
#[inline(always)]
fn fold<S: Simd, const N: usize, const HALF: usize>(
    simd: S,
    x: &[Vector<S>; N],
) -> ([Vector<S>; HALF], [Vector<S>; HALF]) {
    let (mut sums, mut differences) = ([simd.splat_f32s(0.0); HALF], [simd.splat_f32s(0.0); HALF]);
    for i in 0..HALF {
        sums[i] = simd.add_f32s(x[i], x[N - 1 - i]);
        differences[i] = simd.sub_f32s(x[i], x[N - 1 - i]);
    }
    (sums, differences)
}

/// The inverse of [`fold`], up to the factor that the tables hold.
#[inline(always)]
fn unfold<S: Simd, const N: usize, const HALF: usize>(
    simd: S,
    even: &[Vector<S>; HALF],
    odd: &[Vector<S>; HALF],
) -> [Vector<S>; N] {
    let mut x = [simd.splat_f32s(0.0); N];
    for i in 0..HALF {
        x[i] = simd.add_f32s(even[i], odd[i]);
        x[N - 1 - i] = simd.sub_f32s(even[i], odd[i]);
    }
    x
}

/// The orthonormal DCT-II of 32 samples.
#[inline(always)]
pub(super) fn dct<S: Simd>(simd: S, tables: &Tables, x: &[Vector<S>; BLOCK]) -> [Vector<S>; BLOCK] {
    let (x16, odd): ([_; 16], _) = fold(simd, x);
    let odd16 = product(simd, &tables.odd16, &odd);
    let (x8, odd): ([_; 8], _) = fold(simd, &x16);
    let odd8 = product(simd, &tables.odd8, &odd);
    let (x4, odd): ([_; 4], _) = fold(simd, &x8);
    let odd4 = product(simd, &tables.odd4, &odd);
    let (x2, odd): ([_; 2], _) = fold(simd, &x4);
    let odd2 = product(simd, &tables.odd2, &odd);
    let last = simd.splat_f32s(tables.last);
    let mut frequencies = [last; BLOCK];
    frequencies[0] = simd.mul_f32s(last, simd.add_f32s(x2[0], x2[1]));
    frequencies[16] = simd.mul_f32s(last, simd.sub_f32s(x2[0], x2[1]));
    put_odd::<S>(&mut frequencies, 8, &odd2);
    put_odd::<S>(&mut frequencies, 4, &odd4);
    put_odd::<S>(&mut frequencies, 2, &odd8);
    put_odd::<S>(&mut frequencies, 1, &odd16);
    frequencies
}

/// The inverse of [`dct`].
#[inline(always)]
pub(super) fn dct_back<S: Simd>(
    simd: S,
    tables: &Tables,
    x: &[Vector<S>; BLOCK],
) -> [Vector<S>; BLOCK] {
    let last = simd.splat_f32s(tables.last);
    let (mean, middle) = (simd.mul_f32s(last, x[0]), simd.mul_f32s(last, x[16]));
    let x2 = [simd.add_f32s(mean, middle), simd.sub_f32s(mean, middle)];
    let odd2 = product_transposed(simd, &tables.odd2, &odd_of::<S, 2>(x, 8));
    let x4: [_; 4] = unfold(simd, &x2, &odd2);
    let odd4 = product_transposed(simd, &tables.odd4, &odd_of::<S, 4>(x, 4));
    let x8: [_; 8] = unfold(simd, &x4, &odd4);
    let odd8 = product_transposed(simd, &tables.odd8, &odd_of::<S, 8>(x, 2));
    let x16: [_; 16] = unfold(simd, &x8, &odd8);
    let odd16 = product_transposed(simd, &tables.odd16, &odd_of::<S, 16>(x, 1));
    unfold(simd, &x16, &odd16)
}

/// The odd multiples of `step` among the coefficients.
#[inline(always)]
fn odd_of<S: Simd, const N: usize>(x: &[Vector<S>; BLOCK], step: usize) -> [Vector<S>; N] {
    let mut odd = [x[0]; N];
    for (k, odd) in odd.iter_mut().enumerate() {
        *odd = x[(2 * k + 1) * step];
    }
    odd
}

/// The inverse of [`odd_of`].
#[inline(always)]
fn put_odd<S: Simd>(x: &mut [Vector<S>; BLOCK], step: usize, odd: &[Vector<S>]) {
    for (k, odd) in odd.iter().enumerate() {
        x[(2 * k + 1) * step] = *odd;
    }
}
