//! What a device has to get right before it is used: each kernel on small inputs, compared with the CPU engine. A driver
//! that miscompiles a kernel, or runs none, is found here rather than in a picture. Each case is next to its kernel.

use super::engine::GpuEngine;
use crate::backend::GroupNorm;
use crate::{Backend, ComputeError, CpuEngine, Element, Weight};

/// Positions and channels of the cases' sequences: not multiples of any tile; one head.
pub(super) const POSITIONS: usize = 9;
pub(super) const CHANNELS: usize = 64;
/// Shape of the cases' latents: one image.
pub(super) const LATENTS: [usize; 4] = [1, 8, 8, 3];
/// Shape of the cases' images.
pub(super) const IMAGE: [usize; 3] = [8, 8, 32];

/// Largest difference from the CPU engine, relative to values of about 1: what the order of additions may make, and what
/// rounding to half precision and to bf16 may.
const TOLERANCE: f32 = 1e-3;
const HALF_TOLERANCE: f32 = 5e-2;
const BF16_TOLERANCE: f32 = 2e-1;

/// What kernels computed, each after the name by which a failure is reported.
pub(super) type Results = Vec<(&'static str, Vec<f32>)>;

/// Runs the kernels of one file through the operations of the engine. It takes inputs of magnitude 1 or so, to which the
/// tolerances apply.
pub(super) type Case<B> = fn(&B) -> Result<Results, ComputeError>;

/// Runs the test.
pub(super) fn run(engine: &GpuEngine) -> Result<(), ComputeError> {
    let refuse = |reason: String| ComputeError::Device {
        device: engine.device().name.clone(),
        reason: format!("self-test failed: {reason}"),
    };
    let found = results(engine).map_err(|error| refuse(error.to_string()))?;
    let expected = results(&CpuEngine::new(1)?)?;
    let tolerance = match engine.element() {
        Element::F32 => TOLERANCE,
        Element::F16 => HALF_TOLERANCE,
        Element::BF16 => BF16_TOLERANCE,
    };
    for ((kernel, found), (_, expected)) in found.iter().zip(&expected) {
        if found.len() != expected.len() {
            return Err(refuse(format!("{kernel} gave {} values", found.len())));
        }
        for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
            let allowed = tolerance * expected.abs().max(1.0);
            if (found - expected).abs() > allowed {
                let place = format!("{kernel} gave {found} instead of {expected} at {index}");
                return Err(refuse(place));
            }
        }
    }
    Ok(())
}

/// Results of all cases.
fn results<B: Backend>(engine: &B) -> Result<Results, ComputeError> {
    let mut results = Vec::new();
    for case in super::self_test_cases() {
        results.extend(case(engine)?);
    }
    Ok(results)
}

/// `count` values in [-1, 1), different for each `seed`, which f16 represents exactly.
fn pattern(seed: usize, count: usize) -> Vec<f32> {
    (0..count)
        .map(|index| ((index * 193 + seed * 71) % 256) as f32 / 128.0 - 1.0)
        .collect()
}

/// A pattern in f32.
pub(super) fn full<B: Backend>(
    engine: &B,
    seed: usize,
    shape: &[usize],
) -> Result<B::Tensor, ComputeError> {
    engine.upload(&pattern(seed, shape.iter().product()), shape)
}

/// A pattern in the element type of the engine's activations.
pub(super) fn activations<B: Backend>(
    engine: &B,
    seed: usize,
    shape: &[usize],
) -> Result<B::Tensor, ComputeError> {
    let rows = shape.iter().rev().skip(1).product();
    let mut tensor = engine.zeros(shape)?;
    engine.copy_rows(&full(engine, seed, shape)?, 0, &mut tensor, 0, rows)?;
    Ok(tensor)
}

/// A weight with values in [-1/8, 1/8), so that sums of about 64 products stay near 1.
pub(super) fn weight(seed: usize, shape: &[usize]) -> Result<Weight, ComputeError> {
    let values: Vec<f32> = pattern(seed, shape.iter().product())
        .iter()
        .map(|value| value * 0.125)
        .collect();
    Weight::from_f32(&values, shape).map_err(|_| ComputeError::OutOfMemory {
        shape: shape.to_vec(),
    })
}

/// Parameters of a group norm over `channels` channels, in groups of two.
pub(super) fn group_norm(channels: usize) -> GroupNorm {
    GroupNorm {
        gamma: pattern(11, channels),
        beta: pattern(12, channels),
        groups: channels / 2,
        eps: 1e-6,
    }
}
