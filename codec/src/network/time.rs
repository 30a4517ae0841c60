//! The sinusoidal embedding of the flow time (network.md section 6.2).

use flextok_compute::ComputeError;

use super::with_capacity;
use crate::config::TimeConfig;

/// Largest period of the embedding, in units of its own argument.
const MAX_PERIOD: f64 = 256.0;

/// One row of `frequency_embedding_size` values for each time: cosines, then sines.
pub(super) fn embedding(times: &[f32], config: &TimeConfig) -> Result<Vec<f32>, ComputeError> {
    let half = config.frequency_embedding_size / 2;
    let factor = 1000.0 / config.max_timestep;
    let frequencies: Vec<f32> = (0..half)
        .map(|m| factor * (-MAX_PERIOD.ln() * m as f64 / half as f64).exp() as f32)
        .collect();
    // Sines and cosines are computed in f64 and rounded: the f32 functions of platforms differ in their last bits.
    let mut values = with_capacity(times.len() * half * 2)?;
    for &t in times {
        values.extend(
            frequencies
                .iter()
                .map(|frequency| f64::from(t * frequency).cos() as f32),
        );
        values.extend(
            frequencies
                .iter()
                .map(|frequency| f64::from(t * frequency).sin() as f32),
        );
    }
    Ok(values)
}
