//! The constants of the transform: cosines, and the matrices that the kernels multiply with.
//!
//! Everything follows from one list of cosines, rounded here and not by a platform's mathematical library, so that a
//! picture has the same coefficients on every platform.

use super::{BLOCK, LAP};

/// cos(mπ/64) for m = 0 ..= 32.
const QUARTER: [f64; 33] = [
    1.0,
    0.9987954562051724,
    0.9951847266721969,
    0.989176509964781,
    0.9807852804032304,
    0.970031253194544,
    0.9569403357322088,
    0.9415440651830208,
    0.9238795325112867,
    0.9039892931234433,
    0.881921264348355,
    0.8577286100002721,
    0.8314696123025452,
    0.8032075314806449,
    0.773010453362737,
    0.7409511253549591,
    core::f64::consts::FRAC_1_SQRT_2,
    0.6715589548470184,
    0.6343932841636455,
    0.5956993044924334,
    0.5555702330196022,
    0.5141027441932218,
    0.47139673682599764,
    0.4275550934302821,
    0.3826834323650898,
    0.33688985339222005,
    0.2902846772544624,
    0.2429801799032639,
    0.19509032201612828,
    0.14673047445536175,
    0.0980171403295606,
    0.049067674327418015,
    0.0,
];

/// cos(mπ/64).
fn cosine(m: usize) -> f64 {
    match m % 128 {
        m @ 0..=32 => QUARTER[m],
        m @ 33..=64 => -QUARTER[64 - m],
        m @ 65..=96 => -QUARTER[m - 64],
        m => QUARTER[128 - m],
    }
}

/// `[row][column]`
pub(super) type Matrix<const N: usize> = [[f32; N]; N];

/// What the kernels multiply with.
pub(super) struct Tables {
    /// Half of W = D₂ᵀ D₄ for 16 points: the filter over a boundary of two blocks turns the difference of mirrored
    /// samples by W and leaves their sum alone (builtin.md section 2.3).
    pub(super) filter: Matrix<LAP>,
    /// Transposed, for the inverse.
    pub(super) filter_back: Matrix<LAP>,
    /// The odd halves of the DCT-II of 32, 16, 8 and 4 points, scaled for 32: row k has ¼ cos(π (2i+1) (2k+1) / 2n).
    pub(super) odd16: Matrix<16>,
    pub(super) odd8: Matrix<8>,
    pub(super) odd4: Matrix<4>,
    pub(super) odd2: Matrix<2>,
    /// The last two points: ¼ / √2, the weight of the mean and of the coefficient 16.
    pub(super) last: f32,
}

impl Tables {
    pub(super) fn new() -> Self {
        let filter = filter();
        Self {
            filter: core::array::from_fn(|row| filter[row].map(|value| (value / 2.0) as f32)),
            filter_back: core::array::from_fn(|row| {
                core::array::from_fn(|column| (filter[column][row] / 2.0) as f32)
            }),
            odd16: odd(),
            odd8: odd(),
            odd4: odd(),
            odd2: odd(),
            last: (0.25 * QUARTER[16]) as f32,
        }
    }
}

/// W = D₂ᵀ D₄ of 16 points, where D₂ is the orthonormal DCT-II and D₄ the orthonormal DCT-IV.
fn filter() -> [[f64; LAP]; LAP] {
    // Of 16 points, cos(π (2i+1) k / 32) is the list's entry 2 (2i+1) k, cos(π (2i+1) (2k+1) / 64) its entry (2i+1) (2k+1).
    let second = |k: usize, i: usize| match k {
        0 => 0.25,
        _ => libm::sqrt(0.125) * cosine(2 * (2 * i + 1) * k),
    };
    let fourth = |k: usize, i: usize| libm::sqrt(0.125) * cosine((2 * i + 1) * (2 * k + 1));
    core::array::from_fn(|row| {
        core::array::from_fn(|column| (0..LAP).map(|k| second(k, row) * fourth(k, column)).sum())
    })
}

/// The odd half of a DCT-II of 2·N points.
fn odd<const N: usize>() -> Matrix<N> {
    // The list is in steps of π/64 = π/(2·32).
    let step = BLOCK / (2 * N);
    core::array::from_fn(|k| {
        core::array::from_fn(|i| (0.25 * cosine((2 * i + 1) * (2 * k + 1) * step)) as f32)
    })
}
