//! The microkernels for WebAssembly, with the calling convention of the `gemm` family's.
//!
//! The family has kernels for simd128 too, of two and three vectors by four rows. These are of four vectors by two rows
//! and walk the rows with one pointer each: in V8 they take three quarters of the time, because nothing has to be
//! spilled or addressed anew. Unrolling them makes them slower again.

use core::arch::wasm32::{
    f32x4_add, f32x4_mul, f32x4_splat, v128, v128_load, v128_load32_splat, v128_store,
};

use super::microkernel::Kernel;

/// Floats in a vector.
pub(super) const LANES: usize = 4;
/// Vectors of a full panel.
pub(super) const VECTORS: usize = 4;
/// Rows of a full kernel.
pub(super) const ROWS: usize = 2;

/// The kernels by number of vectors and rows, less one.
pub(super) const KERNELS: [[Kernel; ROWS]; VECTORS] = [
    [product::<1, 1>, product::<1, 2>],
    [product::<2, 1>, product::<2, 2>],
    [product::<3, 1>, product::<3, 2>],
    [product::<4, 1>, product::<4, 2>],
];

/// `out[r][c] (+)= Σ_k x[r][k] · panel[k][c]` for `R` rows and `width` columns of `V` vectors; `status` 0 stores the
/// sums, every other adds them. What the family's kernels have parameters for beyond [`super::microkernel::multiply`] is
/// ignored.
///
/// # Safety
/// As for [`super::microkernel::multiply`], of exactly `R` rows, with `width` in the last of the `V` vectors.
#[allow(unsafe_code, clippy::too_many_arguments)]
unsafe fn product<const V: usize, const R: usize>(
    width: usize,
    _rows: usize,
    k: usize,
    out: *mut f32,
    mut panel: *const f32,
    x: *const f32,
    out_stride: isize,
    _out_step: isize,
    panel_stride: isize,
    _x_step: isize,
    x_stride: isize,
    _alpha: f32,
    _beta: f32,
    status: u8,
    _conjugate_out: bool,
    _conjugate_panel: bool,
    _conjugate_x: bool,
    _prefetched: *const f32,
) {
    let mut sums = [[f32x4_splat(0.0); V]; R];
    let mut rows = [x; R];
    for (index, row) in rows.iter_mut().enumerate() {
        *row = x.wrapping_offset(index as isize * x_stride);
    }
    for _ in 0..k {
        let mut weights = [f32x4_splat(0.0); V];
        for (index, vector) in weights.iter_mut().enumerate() {
            // SAFETY: the caller vouches for whole vectors in each of the `k` rows of the panel.
            *vector = unsafe { v128_load(panel.add(index * LANES).cast()) };
        }
        for (row, sums) in rows.iter_mut().zip(&mut sums) {
            // SAFETY: the caller vouches for `k` floats of each row.
            let value = unsafe { v128_load32_splat(row.cast()) };
            for (sum, &weight) in sums.iter_mut().zip(&weights) {
                *sum = f32x4_add(*sum, f32x4_mul(weight, value));
            }
            *row = row.wrapping_add(1);
        }
        panel = panel.wrapping_offset(panel_stride);
    }
    for (index, sums) in sums.iter().enumerate() {
        let out = out.wrapping_offset(index as isize * out_stride);
        for (index, &sum) in sums.iter().enumerate() {
            let first = index * LANES;
            // SAFETY: the caller vouches for `width` floats of each row of `out`.
            unsafe { store(sum, out.add(first), width - first, status != 0) };
        }
    }
}

/// Stores the first `count` lanes, all if there are fewer, or adds them to what is there.
///
/// # Safety
/// So many floats at `out` must be writable, and initialised if they are added to.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn store(sum: v128, out: *mut f32, count: usize, accumulate: bool) {
    if count >= LANES {
        // SAFETY: the caller vouches for them.
        unsafe {
            let sum = match accumulate {
                true => f32x4_add(v128_load(out.cast()), sum),
                false => sum,
            };
            v128_store(out.cast(), sum);
        }
        return;
    }
    let mut lanes = [0.0f32; LANES];
    // SAFETY: the array is one vector long.
    unsafe { v128_store(lanes.as_mut_ptr().cast(), sum) };
    for (index, lane) in lanes.into_iter().enumerate().take(count) {
        // SAFETY: the caller vouches for `count` floats.
        unsafe {
            let out = out.add(index);
            *out = if accumulate { *out + lane } else { lane };
        }
    }
}
