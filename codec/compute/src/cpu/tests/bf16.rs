//! Products of bf16: the same bits by all ways to compute them, and those of the rounded operands.

use super::linear::product;
use super::{assert_close, bits, engine, f32_weight, untouched, upload, values};
use crate::backend::{AttentionSpec, Epilogue, Mask, Sequence};
use crate::cpu::bf16;
use crate::cpu::microkernel::{Kernel, Kernels};
use crate::cpu::products::{Operands, Products, round, widened};
use crate::{Backend, CpuEngine, Precision};

/// What the instruction does, word by word; in the shape of its kernels.
#[allow(unsafe_code)]
#[allow(clippy::too_many_arguments)] // It has the signature of gemm's.
unsafe fn portable(
    width: usize,
    rows: usize,
    k: usize,
    out: *mut f32,
    panel: *const f32,
    x: *const f32,
    out_stride: isize,
    _: isize,
    stride: isize,
    _: isize,
    x_stride: isize,
    _: f32,
    _: f32,
    accumulate: u8,
    _: bool,
    _: bool,
    _: bool,
    _: *const f32,
) {
    for row in 0..rows as isize {
        for column in 0..width {
            // SAFETY: the caller vouches for these places.
            unsafe {
                let sum = (0..k as isize).fold(0.0f32, |sum, word| {
                    let x = widened(x.offset(row * x_stride + word).read().to_bits());
                    let w = widened(panel.offset(word * stride).add(column).read().to_bits());
                    x[1].mul_add(w[1], x[0].mul_add(w[0], sum))
                });
                let place = out.offset(row * out_stride).add(column);
                place.write(if accumulate == 1 {
                    place.read() + sum
                } else {
                    sum
                });
            }
        }
    }
}

const PORTABLE: Kernel = portable;

/// All ways to multiply bf16: kernels of f32, wide and scalar, of words, and of the instruction if the processor has it.
fn ways() -> Vec<(Kernels, Products)> {
    let (widest, scalar) = (Kernels::detect(), Kernels::scalar());
    let words = Kernels {
        lanes: 16,
        vectors: 4,
        rows: 6,
        select: |_, _| PORTABLE,
    };
    let words = Products {
        kernels: words,
        operands: Operands::Pairs,
    };
    let mut ways = vec![
        (widest, Products::widened(widest)),
        (scalar, Products::widened(scalar)),
        (widest, words),
    ];
    ways.extend(bf16::instruction().map(|kernels| (widest, Products { kernels, ..words })));
    ways
}

/// The result of an operation, which all ways have to agree about.
#[track_caller]
fn agreed(what: &str, operation: impl Fn(&CpuEngine) -> Vec<f32>) -> Vec<f32> {
    let mut results = ways().into_iter().map(|(kernels, products)| {
        let engine = engine(2, kernels, products);
        assert_eq!(engine.precision(), Precision::BF16);
        (products.operands, operation(&engine))
    });
    let (_, first) = results.next().unwrap();
    for (operands, other) in results {
        assert!(
            bits(&other) == bits(&first),
            "{what}: other bits by {operands:?}"
        );
    }
    first
}

fn rounded(values: &[f32]) -> Vec<f32> {
    values
        .iter()
        .map(|&value| f32::from_bits(round(value) << 16))
        .collect()
}

/// Numbers of all magnitudes, down to some that are dropped.
fn spread(seed: u64, count: usize) -> Vec<f32> {
    let sizes = values(seed + 100, count);
    values(seed, count)
        .iter()
        .zip(sizes)
        .map(|(value, size)| value * (40.0 * size).exp2())
        .collect()
}

#[test]
fn no_kernels_of_words_without_the_instruction() {
    let found = bf16::instruction().map(Kernels::panel_width);
    #[cfg(target_arch = "x86_64")]
    let here = is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    let here = false;
    let forbidden = std::env::var_os("FLEXTOK_NO_BF16").is_some_and(|value| !value.is_empty());
    // None also where the instruction adds in another order.
    assert!(found.is_none() || found == (here && !forbidden).then_some(64));
}

#[test]
fn linear_layers() {
    for (rows, inputs, outputs) in [(1, 1, 1), (2, 7, 49), (49, 66, 141), (9, 769, 130)] {
        let (x, weights) = (spread(1, rows * inputs), spread(2, outputs * inputs));
        let found = agreed("a layer", |engine| {
            let weight = f32_weight(&weights, &[outputs, inputs]);
            let packed = engine.linear_weights(&[(&weight, None)]).unwrap();
            let x = upload(engine, &x, &[rows, inputs]);
            let mut out = untouched(engine, &[rows, outputs]);
            engine
                .linear(&x, 0..rows, &packed, Epilogue::Store, &mut out)
                .unwrap();
            engine.download(&out).unwrap()
        });
        let expected = product(&rounded(&x), &rounded(&weights), None, inputs);
        assert_close("products of rounded operands", &found, &expected, 1e-6);
    }
}

#[test]
fn gated_mlps() {
    let (rows, inputs, outputs) = (50, 65, 70);
    agreed("a gated MLP", |engine| {
        let parts =
            [2, 3].map(|seed| f32_weight(&values(seed, outputs * inputs), &[outputs, inputs]));
        let [gate, up] = &parts;
        let packed = engine.linear_weights(&[(gate, None), (up, None)]).unwrap();
        let x = upload(engine, &values(1, rows * inputs), &[rows, inputs]);
        let mut out = untouched(engine, &[rows, outputs]);
        engine.swiglu(&x, 0..rows, &packed, &mut out).unwrap();
        engine.download(&out).unwrap()
    });
}

#[test]
fn attention() {
    // Widths of a head that are odd, even, and more than a panel; positions in one block of keys and in two.
    for (heads, head_dim, positions) in [(2, 5, 70), (1, 64, 1100), (2, 50, 33)] {
        let width = heads * head_dim;
        let numbers = values(6, positions * 3 * width);
        for (mask, eps) in [(Mask::Full, Some(1e-6)), (Mask::CausalLast, None)] {
            let sequences = [Sequence::single(3, positions)];
            let run = |engine: &CpuEngine| {
                let qkv = upload(engine, &numbers, &[positions, 3 * width]);
                let spec = AttentionSpec {
                    sequences: &sequences,
                    queries: 0..positions,
                    heads,
                    mask,
                    qk_norm_eps: eps,
                    scale: (head_dim as f32).sqrt().recip(),
                    log_multiplicity: None,
                };
                let mut out = untouched(engine, &[positions, width]);
                engine.attention(&qkv, &spec, &mut out).unwrap();
                engine.download(&out).unwrap()
            };
            let found = agreed("attention", run);
            let kernels = Kernels::detect();
            let exact = run(&engine(1, kernels, Products::single(kernels)));
            let exact: Vec<f64> = exact.into_iter().map(f64::from).collect();
            // Weights and values are rounded to 8 bits.
            assert_close("attention of f32", &found, &exact, 1e-2);
        }
    }
}
