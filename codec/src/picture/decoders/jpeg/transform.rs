//! Coefficients to samples: the inverse discrete cosine transform (ITU-T T.81, section A.3.3) by the method of Arai, Agui
//! and Nakajima, whose factors are merged with the steps of quantisation.

use super::segments::ZIGZAG;

/// Factors of the method: 1, and √2 cos(kπ/16).
const FACTORS: [f32; 8] = [
    1.0,
    1.387_039_8,
    1.306_563,
    1.175_875_6,
    1.0,
    0.785_694_96,
    0.541_196_1,
    0.275_899_38,
];

/// What coefficients are multiplied with, in the order of the file.
pub(super) fn scales(steps: &[u16; 64]) -> [f32; 64] {
    let mut scales = [0.0; 64];
    for ((scale, &step), at) in scales.iter_mut().zip(steps).zip(ZIGZAG) {
        let (y, x) = (usize::from(at / 8), usize::from(at % 8));
        *scale = f32::from(step) * FACTORS[y] * FACTORS[x] / 8.0;
    }
    scales
}

type Lanes = [f32; 8];

#[inline]
fn each(a: Lanes, b: Lanes, f: impl Fn(f32, f32) -> f32) -> Lanes {
    std::array::from_fn(|i| f(a[i], b[i]))
}

#[inline]
fn add(a: Lanes, b: Lanes) -> Lanes {
    each(a, b, |a, b| a + b)
}

#[inline]
fn sub(a: Lanes, b: Lanes) -> Lanes {
    each(a, b, |a, b| a - b)
}

#[inline]
fn times(a: Lanes, factor: f32) -> Lanes {
    a.map(|a| a * factor)
}

/// Along the first index.
#[inline]
fn along(s: [Lanes; 8]) -> [Lanes; 8] {
    use std::f32::consts::SQRT_2;
    let (sum, difference) = (add(s[0], s[4]), sub(s[0], s[4]));
    let outer = add(s[2], s[6]);
    let inner = sub(times(sub(s[2], s[6]), SQRT_2), outer);
    let even = [
        add(sum, outer),
        add(difference, inner),
        sub(difference, inner),
        sub(sum, outer),
    ];
    let (z13, z10) = (add(s[5], s[3]), sub(s[5], s[3]));
    let (z11, z12) = (add(s[1], s[7]), sub(s[1], s[7]));
    let odd0 = add(z11, z13);
    let turned = times(add(z10, z12), 1.847_759_1);
    let odd1 = sub(sub(turned, times(z10, 2.613_126)), odd0);
    let odd2 = sub(times(sub(z11, z13), SQRT_2), odd1);
    let odd3 = sub(sub(turned, times(z12, 1.082_392_2)), odd2);
    [
        add(even[0], odd0),
        add(even[1], odd1),
        add(even[2], odd2),
        add(even[3], odd3),
        sub(even[3], odd3),
        sub(even[2], odd2),
        sub(even[1], odd1),
        sub(even[0], odd0),
    ]
}

#[inline]
fn transposed(s: [Lanes; 8]) -> [Lanes; 8] {
    std::array::from_fn(|y| std::array::from_fn(|x| s[x][y]))
}

/// The samples of a block of scaled coefficients in rows.
#[inline]
pub(super) fn samples(block: &[Lanes; 8]) -> [[u8; 8]; 8] {
    let columns = transposed(along(*block));
    transposed(along(columns)).map(|row| row.map(sample))
}

/// The samples of a block that has only this coefficient.
#[inline]
pub(super) fn flat(scaled: f32) -> [[u8; 8]; 8] {
    [[sample(scaled); 8]; 8]
}

/// The nearest sample. Numbers above 2^23 have no fraction: adding one rounds, and leaves the whole number in the lowest
/// bits.
#[inline]
fn sample(value: f32) -> u8 {
    const ROUNDS: f32 = 12_582_912.0;
    ((value + 128.0).clamp(0.0, 255.0) + ROUNDS).to_bits() as u8
}
