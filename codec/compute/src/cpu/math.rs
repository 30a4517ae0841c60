//! Elementwise functions and reductions, written so that the compiler vectorises them.
//!
//! Nothing here is contracted into fused multiply-adds and sums run in sixteen fixed lanes, so that results do not
//! depend on the vector width of the machine.

/// Lanes of every reduction.
const LANES: usize = 16;

/// `eˣ` to about two units in the last place, 0 below −87.3 and finite above 88.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Cody–Waite reduction to |r| ≤ ln 2 / 2, then a polynomial; the bias trick rounds to the nearest integer.
    // 1.5·2²³: added to a small number, it leaves no bits for a fraction and the integer in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // 355/512, exactly.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Within these bounds n is −126 to 127, so that 2ⁿ is a normal number.
    let clamped = x.clamp(-87.3, 88.0);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = clamped - n * LN2_HIGH - n * LN2_LOW;
    // The minimax coefficients of `expf` in the Cephes library (Moshier), as is the split of ln 2.
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    // The low bits of `shifted` hold n; moved to the exponent they scale by 2ⁿ, of which ROUND's own bits shift out.
    let scale = f32::from_bits((shifted.to_bits().wrapping_add(127)) << 23);
    if x < -87.3 { 0.0 } else { y * scale }
}

/// `x·sigmoid(x)`.
#[inline(always)]
pub(super) fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// The sum of `f` over all elements.
#[inline(always)]
pub(super) fn sum_by(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += f(value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane += f(value);
    }
    fold(lanes, |a, b| a + b)
}

/// The largest element; −∞ for none.
#[inline(always)]
pub(super) fn max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane = larger(*lane, value);
    }
    fold(lanes, larger)
}

/// Halves the lanes until one is left; written out, so that each half is one vector operation.
#[inline(always)]
fn fold(lanes: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut eight = [0.0; 8];
    for lane in 0..8 {
        eight[lane] = f(lanes[lane], lanes[lane + 8]);
    }
    let mut four = [0.0; 4];
    for lane in 0..4 {
        four[lane] = f(eight[lane], eight[lane + 4]);
    }
    f(f(four[0], four[2]), f(four[1], four[3]))
}

/// Replaces each value by `e^(value − offset)` and returns their sum.
#[inline(always)]
pub(super) fn exp_minus(values: &mut [f32], offset: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = values.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *value = exp(*value - offset);
            *lane += *value;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *value = exp(*value - offset);
        *lane += *value;
    }
    fold(lanes, |a, b| a + b)
}

/// Mean and reciprocal standard deviation (biased variance plus `eps`), as layer norm uses them.
#[inline(always)]
pub(super) fn moments(values: &[f32], eps: f32) -> (f32, f32) {
    let count = values.len() as f32;
    let mean = sum_by(values, |value| value) / count;
    // A second pass over centred values: E[x²] − mean² would cancel where the mean is large.
    let variance = sum_by(values, |value| (value - mean) * (value - mean)) / count;
    (mean, 1.0 / (variance + eps).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_over_its_whole_range() {
        let mut worst = 0.0f64;
        for i in -8730..=8800 {
            let x = i as f32 / 100.0;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) - exact).abs() / exact);
        }
        assert!(worst < 2.5e-7, "relative error {worst}");
        assert_eq!(exp(-88.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(1000.0).is_finite());
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn reductions_cover_every_length() {
        for len in 0..40 {
            let values: Vec<f32> = (0..len).map(|i| (i * 7 % 13) as f32).collect();
            assert_eq!(sum_by(&values, |v| v), values.iter().sum::<f32>());
            assert_eq!(
                max(&values),
                values.iter().copied().fold(f32::NEG_INFINITY, f32::max)
            );
        }
    }

    #[test]
    fn silu_matches_its_definition() {
        for i in -200..200 {
            let x = i as f32 / 7.0;
            let exact = f64::from(x) / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(silu(x)) - exact).abs() < 2e-6, "{x}");
        }
    }
}
