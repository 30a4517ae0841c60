//! Starting noise: a counter-based generator and a named normal transform, so that the same file, seed and settings give
//! the same noise on every machine and engine (`format-spec/README.md`, section "Noise").

/// Multipliers and key increments of Philox4x32 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// One block of Philox4x32-10.
#[must_use]
fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let [c0, c1, c2, c3] = counter;
        let low = u64::from(MULTIPLIERS[0]) * u64::from(c0);
        let high = u64::from(MULTIPLIERS[1]) * u64::from(c2);
        counter = [
            (high >> 32) as u32 ^ c1 ^ key[0],
            high as u32,
            (low >> 32) as u32 ^ c3 ^ key[1],
            low as u32,
        ];
        key = [
            key[0].wrapping_add(KEY_STEPS[0]),
            key[1].wrapping_add(KEY_STEPS[1]),
        ];
    }
    counter
}

/// The Box–Muller transform of two words, "bm32": radius from the first, angle from the second, in f64.
fn normal_pair(radius: u32, angle: u32) -> [f32; 2] {
    let scale = 1.0 / 4_294_967_296.0;
    // Words are in 0 … 2³² − 1; one more keeps the logarithm's argument in (0, 1].
    let radius = (-2.0 * ((f64::from(radius) + 1.0) * scale).ln()).sqrt();
    let angle = std::f64::consts::TAU * (f64::from(angle) * scale);
    [(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]
}

/// `count` standard normals for canvas number `canvas` of a picture: block b of the generator, keyed by the seed and
/// counted by (b, canvas), gives numbers 4b to 4b + 3.
///
/// Latents take them in `[C, H, W]` order, whichever layout an engine uses.
///
/// ```
/// let noise = flextok::standard_normal(0, 0, 6);
/// assert_eq!(noise[..4], flextok::standard_normal(0, 0, 4));
/// assert_ne!(noise[..4], flextok::standard_normal(1, 0, 4));
/// ```
#[must_use]
pub fn standard_normal(seed: u64, canvas: u32, count: usize) -> Vec<f32> {
    normals(seed, canvas).take(count).collect()
}

/// All numbers of [`standard_normal`].
pub(crate) fn normals(seed: u64, canvas: u32) -> impl Iterator<Item = f32> {
    let key = [seed as u32, (seed >> 32) as u32];
    (0..u64::MAX).flat_map(move |block| {
        let words = philox4x32_10([block as u32, (block >> 32) as u32, canvas, 0], key);
        let [first, second] = normal_pair(words[0], words[1]);
        let [third, fourth] = normal_pair(words[2], words[3]);
        [first, second, third, fourth]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_published_vectors() {
        assert_eq!(
            philox4x32_10([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32_10([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32_10(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn extremes_of_the_words_stay_finite() {
        for pair in [
            normal_pair(0, 0),
            normal_pair(u32::MAX, u32::MAX),
            normal_pair(0, u32::MAX),
        ] {
            assert!(
                pair.iter()
                    .all(|value| value.is_finite() && value.abs() < 7.0)
            );
        }
    }

    #[test]
    fn normals_have_the_moments_of_a_standard_normal() {
        let values = standard_normal(7, 3, 200_000);
        let moment = |power: i32| {
            values
                .iter()
                .map(|&value| f64::from(value).powi(power))
                .sum::<f64>()
                / values.len() as f64
        };
        assert!(moment(1).abs() < 0.01, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.01, "{}", moment(2));
        assert!(moment(3).abs() < 0.03, "{}", moment(3));
        assert!((moment(4) - 3.0).abs() < 0.08, "{}", moment(4));
    }

    #[test]
    fn seeds_and_canvases_are_independent_streams() {
        let base = standard_normal(0, 0, 64);
        for other in [
            standard_normal(1, 0, 64),
            standard_normal(1 << 32, 0, 64),
            standard_normal(0, 1, 64),
        ] {
            assert!(base.iter().zip(&other).all(|(a, b)| a != b));
        }
    }

    /// The specification's vectors, which its own script makes: seed, canvas, block, words, normals as bits.
    #[test]
    fn the_specifications_vectors_come_out() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../format-spec/vectors/noise.tsv"
        );
        let text = std::fs::read_to_string(path).unwrap();
        let hex = |text: &str| -> Vec<u32> {
            text.split(' ')
                .map(|word| u32::from_str_radix(word, 16).unwrap())
                .collect()
        };
        let mut compared = 0;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let [seed, canvas, block, words, normals] = line.split('\t').collect::<Vec<_>>()[..]
            else {
                panic!("five columns: {line}");
            };
            let (seed, canvas, block): (u64, u32, u64) = (
                seed.parse().unwrap(),
                canvas.parse().unwrap(),
                block.parse().unwrap(),
            );
            let counter = [block as u32, (block >> 32) as u32, canvas, 0];
            let found = philox4x32_10(counter, [seed as u32, (seed >> 32) as u32]);
            assert_eq!(found[..], hex(words));
            let expected: Vec<f32> = hex(normals).into_iter().map(f32::from_bits).collect();
            let pairs = [
                normal_pair(found[0], found[1]),
                normal_pair(found[2], found[3]),
            ];
            assert_eq!(pairs.concat(), expected, "{line}");
            if block < 1 << 20 {
                let all = standard_normal(seed, canvas, 4 * (block as usize + 1));
                assert_eq!(all[4 * block as usize..], expected);
            }
            compared += 1;
        }
        assert!(compared >= 7);
    }
}
