//! Quantizers: latents to ids of a codebook, and ids back to codes. What the CPU does here is what every engine does.

/// How a model's registers become ids.
///
/// An engine with kernels of its own matches on the variants, so that a new one does not compile until all have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quantizer {
    /// Finite scalar quantization: each channel is bounded and rounded to one of its levels (network.md section 4).
    Fsq {
        /// Number of levels of each channel, at least 2; the codebook has their product of ids, at most 65 536.
        levels: Vec<u32>,
    },
}

impl Quantizer {
    /// An FSQ of these levels.
    #[must_use]
    pub fn fsq(levels: &[u32]) -> Self {
        Self::Fsq {
            levels: levels.to_vec(),
        }
    }

    /// Channels of the latents and of the codes.
    #[must_use]
    pub fn channels(&self) -> usize {
        match self {
            Self::Fsq { levels } => levels.len(),
        }
    }

    /// Number of different ids, at most 65 536.
    #[must_use]
    pub fn codebook_size(&self) -> u32 {
        match self {
            Self::Fsq { levels } => levels
                .iter()
                .fold(1, |product: u32, &levels| product.saturating_mul(levels)),
        }
    }

    /// The id of each row of latents, `[rows, channels]`.
    pub(crate) fn ids(&self, latents: &[f32]) -> Vec<u16> {
        match self {
            Self::Fsq { levels } => fsq_ids(latents, levels),
        }
    }

    /// The code of each id, `[ids, channels]`.
    #[must_use]
    pub fn codes(&self, ids: &[u16]) -> Vec<f32> {
        match self {
            Self::Fsq { levels } => fsq_codes(ids, levels),
        }
    }
}

/// One channel of FSQ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FsqChannel {
    levels: u32,
    half_range: f32,
    offset: f32,
    shift: f32,
}

impl FsqChannel {
    pub(crate) fn new(levels: u32) -> Self {
        // The factor keeps values that tanh bounds to ±1 from being rounded to a level beyond the last.
        let half_range = (levels as f32 - 1.0) * 1.001 / 2.0;
        // An even number of levels has no level at the middle of the range: the latent 0 is moved onto one.
        let offset = if levels.is_multiple_of(2) { 0.5 } else { 0.0 };
        Self {
            levels,
            half_range,
            offset,
            shift: (f64::from(offset) / f64::from(half_range)).atanh() as f32,
        }
    }

    /// The digit of a latent value, from 0 to `levels` − 1. The hyperbolic tangent is taken in f64, so that a digit never
    /// depends on how exact a platform's f32 version is.
    pub(crate) fn digit(self, z: f32) -> u32 {
        let bounded = f64::from(z + self.shift).tanh() as f32 * self.half_range - self.offset;
        let digit = bounded.round_ties_even() as i64 + i64::from(self.levels / 2);
        digit.clamp(0, i64::from(self.levels) - 1) as u32
    }
}

fn fsq_ids(latents: &[f32], levels: &[u32]) -> Vec<u16> {
    let channels: Vec<FsqChannel> = levels
        .iter()
        .map(|&levels| FsqChannel::new(levels))
        .collect();
    let rows = latents.chunks_exact(levels.len().max(1));
    rows.map(|row| {
        let (mut id, mut basis) = (0u32, 1u32);
        for (&z, channel) in row.iter().zip(&channels) {
            id += channel.digit(z) * basis;
            basis *= channel.levels;
        }
        id as u16
    })
    .collect()
}

/// `(digit − level div 2) / (level div 2)`, first channel fastest.
fn fsq_codes(ids: &[u16], levels: &[u32]) -> Vec<f32> {
    let mut codes = Vec::with_capacity(ids.len() * levels.len());
    for &id in ids {
        let mut rest = u32::from(id);
        for &level in levels {
            // An even number of levels has one more below zero than above: 8 levels reach from −1 to 0.75.
            let half = (level / 2) as f32;
            codes.push(((rest % level) as f32 - half) / half);
            rest /= level;
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_spread_over_minus_one_to_one() {
        let quantizer = Quantizer::fsq(&[8, 5]);
        assert_eq!(quantizer.codes(&[0]), [-1.0, -1.0]);
        assert_eq!(quantizer.codes(&[39]), [0.75, 1.0]);
        assert_eq!(quantizer.codes(&[8 * 2 + 4]), [0.0, 0.0]);
    }

    #[test]
    fn the_code_of_an_id_has_that_id() {
        for levels in [&[8, 8, 8, 5, 5, 5][..], &[2], &[3, 4], &[16, 15, 7]] {
            let quantizer = Quantizer::fsq(levels);
            let ids: Vec<u16> = (0..quantizer.codebook_size()).map(|id| id as u16).collect();
            let latents: Vec<f32> = quantizer
                .codes(&ids)
                .chunks_exact(levels.len())
                .flat_map(|code| {
                    code.iter()
                        .zip(levels)
                        .map(|(&code, &level)| latent(code, level))
                })
                .collect();
            assert_eq!(quantizer.ids(&latents), ids, "{levels:?}");
        }
    }

    /// The latent in the middle of those that are quantized to `code`.
    fn latent(code: f32, level: u32) -> f32 {
        let channel = FsqChannel::new(level);
        let bounded = (code * (level / 2) as f32 + channel.offset) / channel.half_range;
        f64::from(bounded).atanh() as f32 - channel.shift
    }
}
