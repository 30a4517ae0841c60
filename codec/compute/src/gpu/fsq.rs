//! FSQ on the device: bound, round and index as comparisons with exact thresholds.
//!
//! Bounding and rounding are monotonic, so a digit is the number of thresholds that a value has reached. The thresholds
//! are the smallest f32 values at which the CPU engine's digit changes, found by bisection: the indices are the same,
//! whatever a device's hyperbolic tangent is. One unit per row, in cubes of 256 units; rows, levels and thresholds are
//! read once per row.

use cubecl::prelude::*;

use super::engine::GpuEngine;
use super::self_test::{LATENTS, Results, full};
use super::tensor::{Element, GpuTensor};
use crate::quantizer::FsqChannel;
use crate::{Backend, ComputeError, Quantizer};

/// Values that are written for each row: its index, and the largest magnitude of its latents.
const RESULTS: usize = 2;
/// The magnitude that is written for a row with an infinity or NaN.
const NOT_FINITE: f32 = -1.0;

/// `thresholds` is `[channels, most]`, filled up with infinity; `bases` are the digits' weights. Indices are written as
/// f32, which holds all integers up to 2²⁴.
#[cube(launch)]
fn quantize_kernel<T: Float>(
    latents: &[T],
    thresholds: &[f32],
    bases: &[f32],
    out: &mut [f32],
    #[comptime] channels: usize,
    #[comptime] most: usize,
    #[define(T)] _type: ElemType,
) {
    if ABSOLUTE_POS >= out.len() / RESULTS {
        terminate!();
    }
    let mut largest = 0.0f32;
    let mut index = 0.0f32;
    let mut finite = true;
    for channel in 0..channels {
        let z = f32::cast_from(latents[ABSOLUTE_POS * channels + channel]);
        // Neither infinities nor NaNs have a magnitude below this.
        finite = finite && z.abs() <= 3.0e38f32;
        if z.abs() > largest {
            largest = z.abs();
        }
        for step in 0..most {
            if z >= thresholds[channel * most + step] {
                index += bases[channel];
            }
        }
    }
    if !finite {
        largest = NOT_FINITE;
    }
    out[ABSOLUTE_POS * RESULTS] = index;
    out[ABSOLUTE_POS * RESULTS + 1] = largest;
}

/// See [`crate::Backend::quantize`].
pub(super) fn quantize(
    engine: &GpuEngine,
    latents: &GpuTensor,
    levels: &[u32],
) -> Result<Vec<u16>, ComputeError> {
    let most = levels
        .iter()
        .max()
        .map_or(0, |&most| most.saturating_sub(1)) as usize;
    let (mut thresholds, mut bases, mut basis) = (Vec::new(), Vec::new(), 1.0);
    for &count in levels {
        let start = thresholds.len();
        thresholds.extend((1..count).map(|digit| threshold(FsqChannel::new(count), digit)));
        thresholds.resize(start + most, f32::INFINITY);
        bases.push(basis);
        basis *= count as f32;
    }
    let thresholds = engine.upload_f32(&thresholds, &[levels.len(), most])?;
    let bases = engine.upload_f32(&bases, &[levels.len()])?;
    let out = engine.allocate(&[latents.rows(), RESULTS], Element::F32)?;
    let bytes = latents.len() * latents.element.size() + out.bytes();
    let Some((count, dim)) = engine.elementwise(latents.rows(), bytes) else {
        return Ok(Vec::new());
    };
    quantize_kernel::launch(
        engine.client(),
        count,
        dim,
        latents.arg(),
        thresholds.arg(),
        bases.arg(),
        out.arg(),
        levels.len(),
        most,
        latents.element.kind(),
    );
    let rows = engine.read_raw(&out)?;
    let wrong = |what: String| ComputeError::WrongResult {
        device: engine.device().name.clone(),
        what,
    };
    let rows = rows.chunks_exact(RESULTS);
    if let Some(row) = rows.clone().position(|row| row[1] == NOT_FINITE) {
        return Err(wrong(format!("a latent that is not finite in row {row}")));
    }
    // The indices alone would not show that a device did nothing.
    if rows.clone().all(|row| row[1] == 0.0) {
        return Err(wrong("nothing but zeros".to_owned()));
    }
    Ok(rows.map(|row| row[0] as u16).collect())
}

/// The smallest f32 whose digit is at least `digit`.
fn threshold(channel: FsqChannel, digit: u32) -> f32 {
    // Ordered like the numbers they stand for, so that halving an interval of them halves the numbers between.
    let order = |value: f32| {
        let bits = value.to_bits() as i32;
        i64::from(if bits < 0 {
            i32::MIN.wrapping_sub(bits)
        } else {
            bits
        })
    };
    let value = |order: i64| {
        let bits = order as i32;
        f32::from_bits(if bits < 0 {
            i32::MIN.wrapping_sub(bits)
        } else {
            bits
        } as u32)
    };
    let (mut below, mut reached) = (order(-1e6), order(1e6));
    while reached - below > 1 {
        let middle = below + (reached - below) / 2;
        if channel.digit(value(middle)) >= digit {
            reached = middle;
        } else {
            below = middle;
        }
    }
    value(reached)
}

/// See [`super::self_test`].
pub(super) fn self_test<B: Backend>(engine: &B) -> Result<Results, ComputeError> {
    let latents = full(engine, 6, &LATENTS)?;
    let ids = engine.quantize(&latents, &Quantizer::fsq(&[8, 8, 5]))?;
    let ids = ids.into_iter().map(f32::from).collect();
    Ok(vec![("quantization", ids)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_where_the_digit_changes() {
        for levels in [2, 3, 5, 7, 8, 16] {
            let channel = FsqChannel::new(levels);
            for digit in 1..levels {
                let at = threshold(channel, digit);
                assert_eq!(channel.digit(at), digit, "{levels} levels");
                assert_eq!(channel.digit(at.next_down()), digit - 1, "{levels} levels");
            }
        }
    }
}
