//! Logarithms to base 2 in sixteenths, without floats.

/// Magnitudes below this have their logarithm in a table.
const SMALL: usize = 256;
/// Magnitudes from here on have the logarithm of this one.
const LARGEST: u32 = 32_767;

/// ⌈2^(30 + j/16)⌉ for j = 1 to 15: the mantissas at which the logarithm takes its next step.
const MANTISSAS: [u32; 15] = [
    1_121_280_436,
    1_170_923_762,
    1_222_764_986,
    1_276_901_417,
    1_333_434_673,
    1_392_470_869,
    1_454_120_822,
    1_518_500_250,
    1_585_730_000,
    1_655_936_265,
    1_729_250_827,
    1_805_811_302,
    1_885_761_399,
    1_969_251_188,
    2_056_437_387,
];

/// [`half`] of small magnitudes; that of 0 is never used.
static SMALL_HALVES: [i16; SMALL] = {
    let mut table = [0; SMALL];
    let mut t = 1;
    while t < SMALL {
        table[t] = (sixteenths(2 * t as u32 + 1) - 16) as i16;
        t += 1;
    }
    table
};

/// ⌊16 log₂ n⌋ for n ≥ 1.
pub(crate) const fn sixteenths(n: u32) -> i32 {
    let exponent = n.ilog2();
    let mantissa = (((n as u64) << 30) >> exponent) as u32;
    let mut result = 16 * exponent as i32;
    let mut step = 0;
    while step < MANTISSAS.len() {
        result += (mantissa >= MANTISSAS[step]) as i32;
        step += 1;
    }
    result
}

/// ⌊16 log₂(t + ½)⌋ for t ≥ 1, at most that of 32 767: 9 to 239.
#[inline]
pub(crate) fn half(t: u32) -> i16 {
    match SMALL_HALVES.get(t as usize) {
        Some(&small) => small,
        None => (sixteenths(2 * t.min(LARGEST) + 1) - 16) as i16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_floats() {
        // A power of two is exact in both; elsewhere, no logarithm of so small a number is near a sixteenth.
        for n in 1..=1_u32 << 17 {
            let float = (16.0 * f64::from(n).log2()).floor() as i32;
            assert_eq!(sixteenths(n), float, "{n}");
        }
        for t in [1, 2, 255, 256, 257, 32_766, 32_767] {
            let float = (16.0 * (f64::from(t) + 0.5).log2()).floor() as i16;
            assert_eq!(half(t), float, "{t}");
        }
        assert_eq!([half(1), half(2), half(32_767)], [9, 21, 239]);
        assert_eq!(half(u32::MAX), 239);
    }
}
