//! Layers of 8-bit integers: the same bits by all ways to compute them, those of the integers, and what is not a number.

use super::linear::product;
use super::{assert_close, bits, engine, f32_weight, silu, untouched, upload, values};
use crate::backend::Epilogue;
use crate::cpu::int8::{Int8, instructions};
use crate::cpu::microkernel::{Kernel, Kernels};
use crate::cpu::products::Products;
use crate::{Backend, CpuEngine, Precision};

/// What the kernels of bytes do, byte by byte; in their shape.
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
                let sum = (0..k as isize).fold(0, |sum, word| {
                    let x = x.offset(row * x_stride + word).read().to_bits();
                    let w = panel.offset(word * stride).add(column).read().to_bits();
                    let products = x.to_le_bytes().into_iter().zip(w.to_le_bytes());
                    products.fold(sum, |sum, (x, w)| sum + i32::from(x) * i32::from(w as i8))
                });
                let place = out.offset(row * out_stride).add(column);
                let before = if accumulate == 1 {
                    place.read().to_bits() as i32
                } else {
                    0
                };
                place.write(f32::from_bits((before + sum) as u32));
            }
        }
    }
}

const PORTABLE: Kernel = portable;

/// Engines with all ways to multiply integers: kernels of f32, wide and scalar, of bytes, and of the instructions that the
/// processor has.
fn all_engines() -> Vec<CpuEngine> {
    let (widest, scalar) = (Kernels::detect(), Kernels::scalar());
    let bytes = Kernels {
        lanes: 16,
        vectors: 4,
        rows: 6,
        select: |_, _| PORTABLE,
    };
    let mut ways = vec![
        (widest, Int8::floats(widest)),
        (scalar, Int8::floats(scalar)),
        (widest, Int8::bytes(bytes)),
    ];
    ways.extend(
        instructions()
            .into_iter()
            .map(|kernels| (widest, Int8::bytes(kernels))),
    );
    ways.into_iter()
        .map(|(kernels, int8)| {
            let mut engine = engine(2, kernels, Products::widened(kernels));
            engine.int8 = Some(int8);
            assert_eq!(engine.precision(), Precision::Int8);
            engine
        })
        .collect()
}

/// The result of an operation, which all ways have to agree about.
#[track_caller]
fn agreed(what: &str, operation: impl Fn(&CpuEngine) -> Vec<f32>) -> Vec<f32> {
    let engines = all_engines();
    let first = operation(&engines[0]);
    for (way, engine) in engines.iter().enumerate() {
        assert!(
            bits(&operation(engine)) == bits(&first),
            "{what}: other bits by way {way}"
        );
    }
    first
}

/// A layer without biases on some rows.
fn layer(engine: &CpuEngine, x: &[f32], weights: &[f32], inputs: usize) -> Vec<f32> {
    let (rows, outputs) = (x.len() / inputs, weights.len() / inputs);
    let weight = f32_weight(weights, &[outputs, inputs]);
    let packed = engine.coarse_linear_weights(&[(&weight, None)]).unwrap();
    let x = upload(engine, x, &[rows, inputs]);
    let mut out = untouched(engine, &[rows, outputs]);
    engine
        .linear(&x, 0..rows, &packed, Epilogue::Store, &mut out)
        .unwrap();
    engine.download(&out).unwrap()
}

/// Each row in steps of its largest magnitude over `most`.
fn in_steps(values: &[f32], length: usize, most: f32) -> Vec<f32> {
    values
        .chunks_exact(length)
        .flat_map(|row| {
            let largest = row.iter().fold(0f32, |m, v| m.max(v.abs()));
            let step = f64::from(largest) / f64::from(most);
            let integer = move |v: f32| (v * (most / largest)).round_ties_even();
            row.iter()
                .map(move |&v| (f64::from(integer(v)) * step) as f32)
        })
        .collect()
}

/// Sizes with and without whole words, panels, blocks of rows, and sums that f32 holds.
const SIZES: [(usize, usize, usize); 5] = [
    (1, 1, 1),
    (2, 7, 49),
    (49, 66, 141),
    (9, 769, 130),
    (7, 4101, 17),
];

#[test]
fn linear_layers() {
    for (rows, inputs, outputs) in SIZES {
        let (x, weights) = (values(1, rows * inputs), values(2, outputs * inputs));
        let found = agreed("a layer", |engine| layer(engine, &x, &weights, inputs));
        let stepped = [(&x, 127.0), (&weights, 63.0)].map(|(v, most)| in_steps(v, inputs, most));
        let expected = product(&stepped[0], &stepped[1], None, inputs);
        assert_close("products in steps", &found, &expected, 2e-6);
        let exact = product(&x, &weights, None, inputs);
        assert_close("products", &found, &exact, 2e-2);
    }
}

#[test]
fn epilogues_and_gated_mlps() {
    let (rows, inputs, outputs) = (50, 65, 70);
    let x = values(1, rows * inputs);
    let parts = [2, 3].map(|seed| values(seed, outputs * inputs));
    let biases = [4, 5].map(|seed| values(seed, outputs));
    let found = agreed("a gated MLP", |engine| {
        let weights = parts.each_ref().map(|w| f32_weight(w, &[outputs, inputs]));
        let biases = biases.each_ref().map(|b| f32_weight(b, &[outputs]));
        let packed = engine
            .coarse_linear_weights(&[
                (&weights[0], Some(&biases[0])),
                (&weights[1], Some(&biases[1])),
            ])
            .unwrap();
        let x = upload(engine, &x, &[rows, inputs]);
        let mut hidden = untouched(engine, &[rows, outputs]);
        engine.swiglu(&x, 3..rows, &packed, &mut hidden).unwrap();
        let one = engine
            .coarse_linear_weights(&[(&weights[0], Some(&biases[0]))])
            .unwrap();
        let mut results = engine.download(&hidden).unwrap();
        for epilogue in [Epilogue::Silu, Epilogue::Residual, Epilogue::Plus(&hidden)] {
            let mut out = untouched(engine, &[rows, outputs]);
            engine
                .linear(&x, 3..rows, &one, epilogue, &mut out)
                .unwrap();
            results.extend(engine.download(&out).unwrap());
        }
        results
    });
    let [x, gate, up] = [(&x, 127.0), (&parts[0], 63.0), (&parts[1], 63.0)]
        .map(|(v, most)| in_steps(v, inputs, most));
    let gates = product(&x, &gate, Some(&biases[0]), inputs);
    let ups = product(&x, &up, Some(&biases[1]), inputs);
    let hidden: Vec<f64> = gates
        .iter()
        .zip(&ups)
        .map(|(&gate, up)| silu(gate) * up)
        .collect();
    let untouched_values = 3 * outputs;
    let computed =
        |part: usize| &found[part * rows * outputs + untouched_values..][..(rows - 3) * outputs];
    assert_close("gated", computed(0), &hidden[untouched_values..], 3e-6);
    let activated: Vec<f64> = gates.iter().map(|&gate| silu(gate)).collect();
    assert_close("SiLU", computed(1), &activated[untouched_values..], 3e-6);
}

#[test]
fn the_largest_integers_add_up_exactly() {
    // All of one sign, in sums beyond what 16 bits and f32 hold; and of both signs, in turns of pairs.
    let inputs = 8192;
    let alternating: Vec<f32> = (0..inputs)
        .map(|k| if k / 2 % 2 == 0 { 1.0 } else { -1.0 })
        .collect();
    let x = [vec![1.0; inputs], vec![-1.0; inputs], alternating].concat();
    let found = agreed("the largest", |engine| layer(engine, &x, &x, inputs));
    let n = inputs as f32;
    let expected = [n, -n, 0.0, -n, n, 0.0, 0.0, 0.0, n].map(f64::from);
    assert_close("the largest", &found, &expected, 1e-6);
}

#[test]
fn what_is_not_a_number_stays_in_its_row() {
    let (inputs, outputs) = (70, 20);
    let weights = values(2, outputs * inputs);
    let rows = [f32::NAN, f32::INFINITY, -f32::INFINITY, 0.0, 1e-38, 0.5];
    let x: Vec<f32> = rows
        .iter()
        .flat_map(|&first| {
            let mut row = values(3, inputs);
            if first == 0.0 || first == 1e-38 {
                row.fill(first);
            }
            row[1] = first;
            row
        })
        .collect();
    for engine in all_engines() {
        let found = layer(&engine, &x, &weights, inputs);
        for (row, first) in found.chunks_exact(outputs).zip(rows) {
            assert_eq!(
                row.iter().all(|v| v.is_nan()),
                !first.is_finite(),
                "{first}"
            );
            assert_eq!(
                row.iter().all(|&v| v == 0.0),
                first.abs() < 1e-30,
                "{first}"
            );
        }
    }
    let mut broken = weights.clone();
    broken[5 * inputs] = f32::NAN;
    for engine in all_engines() {
        let found = layer(&engine, &x[5 * inputs..], &broken, inputs);
        let nans: Vec<_> = (0..outputs)
            .filter(|&output| found[output].is_nan())
            .collect();
        assert_eq!(nans, [5]);
    }
}

#[test]
fn more_inputs_than_sums_hold_are_not_of_integers() {
    for (inputs, is_int8) in [(1 << 17, true), ((1 << 17) + 1, false)] {
        let (x, weights) = (values(1, inputs), values(2, inputs));
        let int8 = CpuEngine::with_int8(crate::Threads::new(1).unwrap());
        let bf16 = CpuEngine::with_bf16(crate::Threads::new(1).unwrap());
        let found = [&int8, &bf16].map(|engine| bits(&layer(engine, &x, &weights, inputs)));
        assert_eq!(found[0] != found[1], is_int8, "{inputs}");
    }
}

#[test]
fn only_coarse_layers_are_of_integers() {
    let (inputs, outputs) = (40, 24);
    let (x, weights) = (values(1, inputs), values(2, outputs * inputs));
    let weight = f32_weight(&weights, &[outputs, inputs]);
    let run = |engine: &CpuEngine, coarse: bool| {
        let parts = [(&weight, None)];
        let packed = match coarse {
            true => engine.coarse_linear_weights(&parts),
            false => engine.linear_weights(&parts),
        };
        let mut out = untouched(engine, &[1, outputs]);
        let x = upload(engine, &x, &[1, inputs]);
        engine
            .linear(&x, 0..1, &packed.unwrap(), Epilogue::Store, &mut out)
            .unwrap();
        bits(&engine.download(&out).unwrap())
    };
    let int8 = CpuEngine::with_int8(crate::Threads::new(1).unwrap());
    let bf16 = CpuEngine::with_bf16(crate::Threads::new(1).unwrap());
    assert_eq!(run(&int8, false), run(&bf16, false));
    assert_eq!(run(&bf16, true), run(&bf16, false));
    assert_ne!(run(&int8, true), run(&int8, false));
}
