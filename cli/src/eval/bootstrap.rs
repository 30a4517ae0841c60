//! The mean of a figure over pictures, and how far it could be off: a percentile bootstrap.
//!
//! As many pictures as there are are drawn with replacement, again and again; of the means of these samples the interval
//! leaves 2.5 % out on each side, with linear interpolation between neighbours. The numbers come from SplitMix64 with the
//! seed [`SEED`]; a number of 64 bits times the number of pictures, its upper 64 bits, is the index drawn. Every figure
//! has the same draws, so that the intervals of two codecs can be compared.

/// Samples of a set of at most [`FEW`] pictures.
const SAMPLES: usize = 10_000;
/// Larger sets get fewer samples, so that as many numbers are drawn, and at least [`LEAST`].
const FEW: usize = 1000;
const LEAST: usize = 1000;
/// Where the generator starts.
const SEED: u64 = 16;

/// A mean with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Interval {
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// The mean of some values; none of no values.
pub(super) fn interval(values: &[f64]) -> Option<Interval> {
    if values.is_empty() {
        return None;
    }
    let count = values.len();
    let samples = (SAMPLES * FEW / count.max(FEW)).max(LEAST);
    let mut numbers = SplitMix64(SEED);
    let mut means: Vec<f64> = (0..samples)
        .map(|_| {
            let sum: f64 = (0..count).map(|_| values[numbers.below(count)]).sum();
            sum / count as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    Some(Interval {
        mean: values.iter().sum::<f64>() / count as f64,
        low: quantile(&means, 0.025),
        high: quantile(&means, 0.975),
    })
}

/// A quantile of sorted values, at least one, interpolated.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = sorted[place as usize];
    let above = sorted[(place as usize + 1).min(sorted.len() - 1)];
    below + (above - below) * place.fract()
}

/// Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators (2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// An index below `count`.
    fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The first numbers of the seed 1234567, from the author's C program.
        let mut numbers = SplitMix64(1_234_567);
        let first = [numbers.next(), numbers.next(), numbers.next()];
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn intervals_are_those_of_the_same_draws_in_python() {
        let found = interval(&[20.5, 23.25, 19.0, 30.0, 25.75]).expect("values");
        assert_eq!(found.mean, 23.7);
        assert!((found.low - 20.45).abs() < 1e-9, "{found:?}");
        assert!((found.high - 27.25).abs() < 1e-9, "{found:?}");
        let one = interval(&[3.5]).expect("a value");
        assert_eq!((one.mean, one.low, one.high), (3.5, 3.5, 3.5));
        assert_eq!(interval(&[]), None);
    }
}
