//! The transforms of F(4, 3) along one axis, for some channels at once.
//!
//! The interpolation points are 0, ±3/4, ±3/2 and ∞. With the usual 0, ±1, ±2 and ∞ the powers of the largest point let
//! rounding errors grow to three times as much. All factors here are exact.

use crate::backend::CONV_ALIGNMENT;

/// Outputs of a tile along one axis.
pub(super) const TILE: usize = CONV_ALIGNMENT;
/// Channels that are transformed at once.
pub(super) const LANES: usize = 16;

/// The smaller and the larger point.
const A: f32 = 0.75;
const B: f32 = 1.5;

/// G: what each point makes of the three taps of a kernel.
pub(super) fn weight_factors() -> [[f64; 3]; TILE + 2] {
    let (a, b) = (f64::from(A), f64::from(B));
    // Of each point p: 1, p, p² by the product of its differences to the other points.
    let row = |p: f64, differences: f64| [1.0, p, p * p].map(|power| power / differences);
    let (at_a, at_b) = (2.0 * a * a * (a * a - b * b), 2.0 * b * b * (b * b - a * a));
    [
        row(0.0, a * a * b * b),
        row(a, at_a),
        row(-a, at_a),
        row(b, at_b),
        row(-b, at_b),
        [0.0, 0.0, 1.0],
    ]
}

// Plain loops over arrays, not the closures of `std::array`: those are compiled on their own, without vectors.

/// N channels of all slices from `start` on.
#[inline(always)]
pub(super) fn load<const M: usize, const N: usize>(
    from: [&[f32]; M],
    start: usize,
) -> [[f32; N]; M] {
    let mut out = [[0.0; N]; M];
    for (out, from) in out.iter_mut().zip(from) {
        out.copy_from_slice(&from[start..start + N]);
    }
    out
}

/// Bᵀ: six inputs to the six points.
#[inline(always)]
pub(super) fn to_points<const N: usize>(d: [[f32; N]; TILE + 2]) -> [[f32; N]; TILE + 2] {
    const AA: f32 = A * A;
    const BB: f32 = B * B;
    let mut out = [[0.0; N]; TILE + 2];
    for i in 0..N {
        // The coefficients of Π(x − q) over the other points q.
        let (even_a, odd_a) = (d[4][i] - BB * d[2][i], A * (d[3][i] - BB * d[1][i]));
        let (even_b, odd_b) = (d[4][i] - AA * d[2][i], B * (d[3][i] - AA * d[1][i]));
        out[0][i] = (AA * BB) * d[0][i] - (AA + BB) * d[2][i] + d[4][i];
        out[1][i] = even_a + odd_a;
        out[2][i] = even_a - odd_a;
        out[3][i] = even_b + odd_b;
        out[4][i] = even_b - odd_b;
        out[5][i] = (AA * BB) * d[1][i] - (AA + BB) * d[3][i] + d[5][i];
    }
    out
}

/// Aᵀ: six points to the four outputs.
#[inline(always)]
pub(super) fn from_points<const N: usize>(m: [[f32; N]; TILE + 2]) -> [[f32; N]; TILE] {
    let mut out = [[0.0; N]; TILE];
    for i in 0..N {
        let (sum_a, difference_a) = (m[1][i] + m[2][i], m[1][i] - m[2][i]);
        let (sum_b, difference_b) = (m[3][i] + m[4][i], m[3][i] - m[4][i]);
        out[0][i] = m[0][i] + sum_a + sum_b;
        out[1][i] = A * difference_a + B * difference_b;
        out[2][i] = (A * A) * sum_a + (B * B) * sum_b;
        out[3][i] = (A * A * A) * difference_a + (B * B * B) * difference_b + m[5][i];
    }
    out
}
