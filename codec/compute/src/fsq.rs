//! FSQ's rounding (network.md section 4), the same on every engine: bound, round, index.

/// One channel of the quantizer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Channel {
    levels: u32,
    half_range: f32,
    offset: f32,
    shift: f32,
}

impl Channel {
    pub(crate) fn new(levels: u32) -> Self {
        let half_range = (levels as f32 - 1.0) * 1.001 / 2.0;
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

/// The codebook index of each row of `[rows, levels]` latents.
pub(crate) fn quantize(latents: &[f32], levels: &[u32]) -> Vec<u16> {
    let channels: Vec<Channel> = levels.iter().map(|&levels| Channel::new(levels)).collect();
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
