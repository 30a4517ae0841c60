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
    let mut t = [[0.0; 8]; 8];
    for (y, row) in t.iter_mut().enumerate() {
        for (value, column) in row.iter_mut().zip(&s) {
            *value = column[y];
        }
    }
    t
}

/// A block of scaled coefficients, in columns.
pub(super) type Block = [Lanes; 8];

/// Where a block has the coefficients, in the order of the file.
pub(super) const PLACES: [u8; 64] = {
    let mut places = ZIGZAG;
    let mut at = 0;
    while at < 64 {
        places[at] = ZIGZAG[at] % 8 * 8 + ZIGZAG[at] / 8;
        at += 1;
    }
    places
};

/// The samples of a block, in rows.
#[inline]
pub(super) fn samples(block: &Block) -> [[u8; 8]; 8] {
    let exact = along(transposed(along(*block)));
    // A loop, since the compiler does not take `map` of arrays in arrays apart.
    let mut rows = [[0; 8]; 8];
    for (row, exact) in rows.iter_mut().zip(&exact) {
        for (nearest, &exact) in row.iter_mut().zip(exact) {
            *nearest = sample(exact);
        }
    }
    rows
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

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    /// By the definition.
    fn plainly(coefficients: &[f64; 64]) -> [[f64; 8]; 8] {
        let factor = |k: usize| if k == 0 { 0.5_f64.sqrt() } else { 1.0 };
        let cosine = |at: usize, k: usize| ((2 * at + 1) as f64 * k as f64 * PI / 16.0).cos();
        std::array::from_fn(|y| {
            std::array::from_fn(|x| {
                let terms = coefficients.iter().zip(ZIGZAG).map(|(value, place)| {
                    let (v, u) = (usize::from(place / 8), usize::from(place % 8));
                    value * factor(u) * factor(v) * cosine(x, u) * cosine(y, v)
                });
                (terms.sum::<f64>() / 4.0 + 128.0).clamp(0.0, 255.0)
            })
        })
    }

    #[test]
    fn samples_are_those_of_the_definition() {
        let steps = std::array::from_fn(|k| 1 + k as u16 % 7);
        let scales = scales(&steps);
        let mut state = 1_u32;
        for round in 0..200 {
            let mut block = Block::default();
            let mut values = [0.0; 64];
            for k in 0..=round % 64 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let value = (state >> 16) as f32 % 61.0 - 30.0;
                block.as_flattened_mut()[usize::from(PLACES[k])] = value * scales[k];
                values[k] = f64::from(value) * f64::from(steps[k]);
            }
            let found = samples(&block);
            let right = plainly(&values);
            for (found, right) in found.as_flattened().iter().zip(right.as_flattened()) {
                assert!((f64::from(*found) - right).abs() < 0.51, "{found} {right}");
            }
            if round == 0 {
                assert_eq!(found, flat(block[0][0]));
            }
        }
    }
}
