//! What a device has to get right before it is used: a kernel of each family on small inputs, compared with the CPU
//! engine. A driver that miscompiles a kernel, or runs none, is found here rather than in a picture.

use super::engine::GpuEngine;
use crate::backend::{
    ApgParameters, AttentionSpec, ConvKind, Epilogue, GroupNorm, Mask, Modulation,
    ModulationVector, Sequence,
};
use crate::{Backend, ComputeError, CpuEngine, Element, Quantizer, Weight};

/// Rows and channels of the sequence: no multiples of any tile; one head.
const ROWS: usize = 9;
const CHANNELS: usize = 64;
/// Sides and channels of the images.
const SIDE: usize = 8;
const COLOURS: usize = 3;

/// Largest difference from the CPU engine, relative to values of about 1: what the order of additions may make, and what
/// rounding to half precision may.
const TOLERANCE: f32 = 1e-3;
const HALF_TOLERANCE: f32 = 5e-2;

/// A family of kernels and what it computed.
type Results = Vec<(&'static str, Vec<f32>)>;

/// Runs the test.
pub(super) fn run(engine: &GpuEngine) -> Result<(), ComputeError> {
    let refuse = |reason: String| ComputeError::Device {
        device: engine.device().name.clone(),
        reason: format!("self-test failed: {reason}"),
    };
    let found = probe(engine).map_err(|error| refuse(error.to_string()))?;
    let expected = probe(&CpuEngine::new(1)?)?;
    let tolerance = match engine.element() {
        Element::F32 => TOLERANCE,
        Element::F16 => HALF_TOLERANCE,
    };
    for ((family, found), (_, expected)) in found.iter().zip(&expected) {
        if found.len() != expected.len() {
            return Err(refuse(format!("{family} gave {} values", found.len())));
        }
        for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
            let allowed = tolerance * expected.abs().max(1.0);
            if (found - expected).abs() > allowed {
                let place = format!("{family} gave {found} instead of {expected} at {index}");
                return Err(refuse(place));
            }
        }
    }
    Ok(())
}

/// `count` values in [-1, 1), different for each `seed`.
fn pattern(seed: usize, count: usize) -> Vec<f32> {
    (0..count)
        .map(|index| ((index * 193 + seed * 71) % 256) as f32 / 128.0 - 1.0)
        .collect()
}

fn weight(seed: usize, shape: &[usize]) -> Result<Weight, ComputeError> {
    let values: Vec<f32> = pattern(seed, shape.iter().product())
        .iter()
        .map(|value| value * 0.125)
        .collect();
    Weight::from_f32(&values, shape).map_err(|_| ComputeError::OutOfMemory {
        shape: shape.to_vec(),
    })
}

/// Results of a kernel of each family.
fn probe<B: Backend>(engine: &B) -> Result<Results, ComputeError> {
    let mut results = Vec::new();
    transformer(engine, &mut results)?;
    flow(engine, &mut results)?;
    images(engine, &mut results)?;
    Ok(results)
}

/// The operations of a block, each on the result of the one before.
fn transformer<B: Backend>(engine: &B, results: &mut Results) -> Result<(), ComputeError> {
    let x = engine.upload(&pattern(1, ROWS * CHANNELS), &[ROWS, CHANNELS])?;
    let table = engine.upload(&pattern(2, 4 * CHANNELS), &[1, 4 * CHANNELS])?;
    let vector = |first: usize| ModulationVector {
        table: &table,
        row: 0,
        split: ROWS / 2,
        first: first * CHANNELS,
        second: (first + 1) * CHANNELS,
    };
    let mut normed = engine.zeros(&[ROWS, CHANNELS])?;
    let (shift, scale) = (vector(0), vector(2));
    let modulation = Some(Modulation { shift, scale });
    engine.norm_modulate(&x, 0..ROWS, 1e-5, modulation, &mut normed)?;
    results.push(("the norm", engine.download(&normed)?));

    let part = |seed| weight(seed, &[CHANNELS, CHANNELS]);
    let (q, k, v) = (part(3)?, part(4)?, part(5)?);
    let layers = engine.linear_weights(&[(&q, None), (&k, None), (&v, None)])?;
    let mut qkv = engine.zeros(&[ROWS, 3 * CHANNELS])?;
    engine.linear(&normed, 0..ROWS, &layers, Epilogue::Store, &mut qkv)?;
    results.push(("the product", engine.download(&qkv)?));

    let mut mixed = engine.zeros(&[ROWS, CHANNELS])?;
    let spec = AttentionSpec {
        sequences: &[Sequence::single(ROWS / 2, ROWS)],
        heads: 1,
        scale: 0.125,
        qk_norm_eps: Some(1e-5),
        mask: Mask::CausalLast,
        log_multiplicity: None,
        queries: 0..ROWS,
    };
    engine.attention(&qkv, &spec, &mut mixed)?;
    results.push(("attention", engine.download(&mixed)?));

    let gated = engine.linear_weights(&[(&q, None), (&k, None)])?;
    let mut hidden = engine.zeros(&[ROWS, CHANNELS])?;
    engine.swiglu(&mixed, 0..ROWS, &gated, &mut hidden)?;
    results.push(("the gated MLP", engine.download(&hidden)?));

    let (layer, bias) = (part(14)?, weight(15, &[CHANNELS])?);
    let layer = engine.linear_weights(&[(&layer, Some(&bias))])?;
    let mut gated = engine.upload(&pattern(16, ROWS * CHANNELS), &[ROWS, CHANNELS])?;
    let gate = Epilogue::GatedResidual(vector(1));
    engine.linear(&hidden, 0..ROWS, &layer, gate, &mut gated)?;
    results.push(("a gated residual", engine.download(&gated)?));
    Ok(())
}

/// Patches, guidance and a step.
fn flow<B: Backend>(engine: &B, results: &mut Results) -> Result<(), ComputeError> {
    let shape = [1, SIDE, SIDE, COLOURS];
    let count = shape.iter().product();
    let mut x = engine.upload(&pattern(6, count), &shape)?;
    let mut patches = engine.zeros(&[SIDE * SIDE / 4, 4 * COLOURS])?;
    engine.patchify(&x, 2, 0.5, &mut patches)?;
    let mut back = engine.zeros_full(&shape)?;
    engine.unpatchify(&patches, 2, &mut back)?;
    results.push(("patches", engine.download(&back)?));

    let predictions = engine.upload(&pattern(7, 2 * count), &[2, SIDE, SIDE, COLOURS])?;
    let mut running = engine.zeros_full(&shape)?;
    let mut velocity = engine.zeros_full(&shape)?;
    let parameters = ApgParameters::published(7.5);
    engine.guide_apg(&predictions, parameters, &mut running, &mut velocity)?;
    engine.euler_step(&mut x, &velocity, 0.25)?;
    results.push(("a guided step", engine.download(&x)?));

    engine.clean_to_velocity(&x, 0.5, &mut velocity)?;
    engine.scale(&mut velocity, 0.25)?;
    results.push(("a velocity", engine.download(&velocity)?));
    engine.guide_cfg(&predictions, 1.5, &mut velocity)?;
    results.push(("plain guidance", engine.download(&velocity)?));
    let ids = engine.quantize(&x, &Quantizer::fsq(&[8, 8, 5]))?;
    let ids = ids.into_iter().map(f32::from).collect();
    results.push(("quantization", ids));
    Ok(())
}

/// Convolutions, norms and the lapped synthesis.
fn images<B: Backend>(engine: &B, results: &mut Results) -> Result<(), ComputeError> {
    const WIDE: usize = 32;
    let image = engine.upload(&pattern(8, SIDE * SIDE * COLOURS), &[SIDE, SIDE, COLOURS])?;
    let first = weight(9, &[WIDE, COLOURS, 3, 3])?;
    let first = engine.conv_weights(&first, None, ConvKind::Same)?;
    let mut wide = engine.zeros(&[SIDE, SIDE, WIDE])?;
    engine.conv(&image, None, &first, None, &mut wide)?;
    results.push(("a convolution", engine.download(&wide)?));

    let second = weight(10, &[WIDE, WIDE, 3, 3])?;
    let second = engine.conv_weights(&second, None, ConvKind::Same)?;
    let norm = GroupNorm {
        gamma: pattern(11, WIDE),
        beta: pattern(12, WIDE),
        groups: WIDE / 2,
        eps: 1e-6,
    };
    let mut out = engine.zeros(&[SIDE, SIDE, WIDE])?;
    engine.conv(&wide, Some(&norm), &second, Some(&wide), &mut out)?;
    results.push(("a normed convolution", engine.download(&out)?));

    for (kind, name) in [
        (ConvKind::DoubleNearest, "a doubling convolution"),
        (ConvKind::HalveAsymmetric, "a halving convolution"),
    ] {
        let weights = weight(17, &[COLOURS, WIDE, 3, 3])?;
        let weights = engine.conv_weights(&weights, None, kind)?;
        let size = kind.output_size(SIDE, 3);
        let mut resized = engine.zeros(&[size, size, COLOURS])?;
        engine.conv(&wide, None, &weights, None, &mut resized)?;
        results.push((name, engine.download(&resized)?));
    }

    // Blocks of 4×4 pixels, 2 apart, cropped by 1.
    let synthesis = weight(13, &[16 * COLOURS, WIDE])?;
    let synthesis = engine.linear_weights(&[(&synthesis, None)])?;
    let mut picture = engine.zeros(&[2 * SIDE, 2 * SIDE, COLOURS])?;
    engine.lapped_synthesis(&out, &synthesis, 4, 2, 1, &mut picture)?;
    results.push(("the synthesis", engine.download(&picture)?));
    Ok(())
}
