//! Each operation against plain loops in f64, on sizes that are not multiples of any block, with the processor's own and
//! with the portable kernels, and the same bits for any number of threads.

mod attention;
mod bf16;
pub(crate) mod conv;
mod elementwise;
mod int8;
mod lapped;
mod linear;
mod modulation;
#[cfg(target_arch = "aarch64")]
mod neon;
mod norm;
mod properties;
mod sequences;
#[cfg(not(target_family = "wasm"))] // which has one thread
mod threads;

use half::f16;

use super::microkernel::Kernels;
use super::products::Products;
use super::{CpuEngine, CpuTensor, Threads};
use crate::{Backend, DType, Storage, Weight};

/// `count` values spread over (-1, 1); another seed gives others.
pub(crate) fn values(seed: u64, count: usize) -> Vec<f32> {
    (0..count as u64)
        .map(|index| {
            // The finaliser of SplitMix64 over a counter.
            let mut bits = (seed << 32 ^ index).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((bits ^ bits >> 31) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// Engines with the widest kernels that the machine has, and with those that every machine has.
fn engines(threads: usize) -> [CpuEngine; 2] {
    [Kernels::detect(), Kernels::scalar()]
        .map(|kernels| engine(threads, kernels, Products::single(kernels)))
}

fn engine(threads: usize, kernels: Kernels, products: Products) -> CpuEngine {
    CpuEngine::with_products(Threads::new(threads).unwrap(), kernels, products)
}

/// A tensor of the given values.
fn upload(engine: &CpuEngine, values: &[f32], shape: &[usize]) -> CpuTensor {
    engine.upload(values, shape).unwrap()
}

/// A tensor full of a number that shows where nothing was written.
fn untouched(engine: &CpuEngine, shape: &[usize]) -> CpuTensor {
    upload(engine, &vec![UNTOUCHED; shape.iter().product()], shape)
}

const UNTOUCHED: f32 = -1234.5;

/// A weight stored as `dtype`, and the numbers that it holds after rounding to it.
fn weight(values: &[f32], shape: &[usize], dtype: DType) -> (Weight, Vec<f32>) {
    let bytes: Vec<u8> = match dtype {
        DType::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        DType::F16 => values
            .iter()
            .flat_map(|&v| f16::from_f32(v).to_le_bytes())
            .collect(),
        DType::BF16 => values
            .iter()
            .flat_map(|&v| half::bf16::from_f32(v).to_le_bytes())
            .collect(),
    };
    let rounded = values.iter().map(|&v| match dtype {
        DType::F32 => v,
        DType::F16 => f16::from_f32(v).to_f32(),
        DType::BF16 => half::bf16::from_f32(v).to_f32(),
    });
    let rounded = rounded.collect();
    let range = 0..bytes.len();
    let weight = Weight::new(Storage::from_vec(bytes), range, dtype, shape.to_vec()).unwrap();
    (weight, rounded)
}

fn f32_weight(values: &[f32], shape: &[usize]) -> Weight {
    Weight::from_f32(values, shape).unwrap()
}

fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

/// Fails unless each value is within `tolerance` of the expected one, relative to the largest expected magnitude.
#[track_caller]
fn assert_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: sizes differ");
    let largest = expected.iter().fold(1e-6f64, |m, v| m.max(v.abs()));
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs() / largest;
        assert!(
            error <= tolerance,
            "{what}: {found} instead of {expected} at {index}, off by {error:.1e} of {largest}"
        );
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn stored_numbers_are_spread_and_repeatable() {
    let numbers = values(3, 10_000);
    assert_eq!(numbers, values(3, 10_000));
    let mean = numbers.iter().sum::<f32>() / 10_000.0;
    assert!(mean.abs() < 0.03 && numbers.iter().all(|v| (-1.0..1.0).contains(v)));
}
