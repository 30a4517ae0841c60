//! Linear layers with all epilogues, and the gated MLP.

use super::{
    UNTOUCHED, assert_close, bits, engines, f32_weight, silu, untouched, upload, values, weight,
};
use crate::backend::{Epilogue, ModulationVector};
use crate::{Backend, ComputeError, CpuEngine, DType};

const WIDTHS: [usize; 4] = [1, 3, 66, 341];
const ROWS: [usize; 6] = [1, 2, 47, 48, 49, 257];
const DTYPES: [DType; 3] = [DType::F32, DType::F16, DType::BF16];

/// `x Wᵀ + b` of `[rows, inputs]` and `[outputs, inputs]`.
pub(super) fn product(x: &[f32], weight: &[f32], bias: Option<&[f32]>, inputs: usize) -> Vec<f64> {
    let mut out = Vec::new();
    for row in x.chunks_exact(inputs) {
        for (output, weights) in weight.chunks_exact(inputs).enumerate() {
            let dot: f64 = row
                .iter()
                .zip(weights)
                .map(|(&x, &w)| f64::from(x) * f64::from(w))
                .sum();
            out.push(dot + bias.map_or(0.0, |bias| f64::from(bias[output])));
        }
    }
    out
}

/// A layer's numbers and its sizes.
struct Case {
    inputs: usize,
    outputs: usize,
    rows: usize,
    dtype: DType,
    biased: bool,
}

/// All sizes, with stored types and biases taking turns.
fn cases() -> impl Iterator<Item = Case> {
    let sizes = WIDTHS
        .into_iter()
        .flat_map(|inputs| WIDTHS.map(|outputs| (inputs, outputs)))
        .flat_map(|(inputs, outputs)| ROWS.map(|rows| (inputs, outputs, rows)));
    sizes
        .enumerate()
        .map(|(index, (inputs, outputs, rows))| Case {
            inputs,
            outputs,
            rows,
            dtype: DTYPES[index % 3],
            biased: index / 3 % 2 == 0,
        })
}

impl Case {
    fn name(&self) -> String {
        format!(
            "{}×{} to {}, {:?}, bias {}",
            self.rows, self.inputs, self.outputs, self.dtype, self.biased
        )
    }

    /// Runs the layer on the rows behind the first two, with each epilogue, and compares.
    fn check(&self, engine: &CpuEngine) {
        const SKIP: usize = 2;
        let Self {
            inputs,
            outputs,
            rows,
            ..
        } = *self;
        let name = self.name();
        let total = rows + SKIP + 1;
        let x = values(1, total * inputs);
        let (stored, numbers) =
            weight(&values(2, outputs * inputs), &[outputs, inputs], self.dtype);
        let (bias, bias_numbers) = weight(&values(3, outputs), &[outputs], self.dtype);
        let packed = engine
            .linear_weights(&[(&stored, self.biased.then_some(&bias))])
            .unwrap();
        let x = upload(engine, &x, &[total, inputs]);
        let bias = self.biased.then_some(bias_numbers.as_slice());
        let used = &x.values()[SKIP * inputs..(SKIP + rows) * inputs];
        let y = product(used, &numbers, bias, inputs);

        let other = upload(engine, &values(4, total * outputs), &[total, outputs]);
        // Two steps of three vectors each; the second step is used, other vectors for the first rows than for the rest.
        let table = upload(engine, &values(5, 6 * outputs), &[2, 3 * outputs]);
        let split = SKIP + rows / 2;
        let gate = ModulationVector {
            table: &table,
            row: 1,
            split,
            first: 2 * outputs,
            second: 0,
        };
        let others = &other.values()[SKIP * outputs..];
        let gate_at = |index: usize| {
            let row = SKIP + index / outputs;
            let vector = if row < split { 5 } else { 3 };
            f64::from(table.values()[vector * outputs + index % outputs])
        };
        let at = |index: usize| f64::from(others[index]);
        let with = |f: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
            y.iter().enumerate().map(|(i, &y)| f(i, y)).collect()
        };
        let runs = [
            (Epilogue::Store, with(&|_, y| y)),
            (Epilogue::Silu, with(&|_, y| silu(y))),
            (Epilogue::Plus(&other), with(&|i, y| y + at(i))),
            (Epilogue::Residual, with(&|i, y| y + at(i))),
            (
                Epilogue::GatedResidual(gate),
                with(&|i, y| at(i) + gate_at(i) * y),
            ),
        ];
        for (index, (epilogue, expected)) in runs.into_iter().enumerate() {
            let adds = index >= 3;
            let mut out = if adds {
                upload(engine, other.values(), &[total, outputs])
            } else {
                untouched(engine, &[total, outputs])
            };
            engine
                .linear(&x, SKIP..SKIP + rows, &packed, epilogue, &mut out)
                .unwrap();
            let found = &out.values()[SKIP * outputs..(SKIP + rows) * outputs];
            assert_close(&format!("{name}, epilogue {index}"), found, &expected, 3e-6);
            for row in [0, 1, total - 1] {
                let range = row * outputs..(row + 1) * outputs;
                let expected = if adds {
                    &other.values()[range.clone()]
                } else {
                    &[]
                };
                for (i, &value) in out.values()[range].iter().enumerate() {
                    let kept = expected.get(i).copied().unwrap_or(UNTOUCHED);
                    assert_eq!(value, kept, "{name}: row {row} was written");
                }
            }
        }
    }
}

#[test]
fn every_epilogue_is_right_on_awkward_sizes() {
    let [engine, portable] = engines(2);
    for (index, case) in cases().enumerate() {
        case.check(&engine);
        // The portable kernels are slow; a third of the sizes reaches each remainder of rows and columns.
        if index % 3 == 1 {
            case.check(&portable);
        }
    }
}

#[test]
fn what_is_added_starts_again_after_its_last_row() {
    for engine in engines(2) {
        let (inputs, outputs, period, copies) = (37, 66, 50, 3);
        let rows = period * copies;
        let w = f32_weight(&values(2, outputs * inputs), &[outputs, inputs]);
        let packed = engine.linear_weights(&[(&w, None)]).unwrap();
        let x = upload(&engine, &values(1, rows * inputs), &[rows, inputs]);
        let short = values(4, period * outputs);
        let run = |other: &[f32]| {
            let other = upload(&engine, other, &[other.len() / outputs, outputs]);
            let mut out = untouched(&engine, &[rows, outputs]);
            engine
                .linear(&x, 0..rows, &packed, Epilogue::Plus(&other), &mut out)
                .unwrap();
            bits(out.values())
        };
        assert_eq!(run(&short), run(&short.repeat(copies)));
    }
}

#[test]
fn parts_stand_side_by_side_whatever_their_types_and_biases() {
    for engine in engines(2) {
        let (inputs, rows) = (67, 50);
        let sizes = [66, 3, 129];
        let x = values(1, rows * inputs);
        let parts: Vec<_> = sizes
            .iter()
            .zip(DTYPES)
            .enumerate()
            .map(|(i, (&size, dtype))| {
                let numbers = values(10 + i as u64, size * inputs);
                let bias = f32_weight(&values(20 + i as u64, size), &[size]);
                (
                    weight(&numbers, &[size, inputs], dtype),
                    (i != 1).then_some(bias),
                )
            })
            .collect();
        let given: Vec<_> = parts
            .iter()
            .map(|((weight, _), bias)| (weight, bias.as_ref()))
            .collect();
        let packed = engine.linear_weights(&given).unwrap();
        let total: usize = sizes.iter().sum();
        let mut out = untouched(&engine, &[rows, total]);
        let x = upload(&engine, &x, &[rows, inputs]);
        engine
            .linear(&x, 0..rows, &packed, Epilogue::Store, &mut out)
            .unwrap();
        let mut start = 0;
        for (((_, numbers), bias), size) in parts.iter().zip(sizes) {
            let bias = bias.as_ref().map(|bias| bias.to_f32().unwrap());
            let expected = product(x.values(), numbers, bias.as_deref(), inputs);
            let found: Vec<f32> = out
                .values()
                .chunks_exact(total)
                .flat_map(|row| row[start..start + size].iter().copied())
                .collect();
            assert_close("one of three parts", &found, &expected, 3e-6);
            start += size;
        }
    }
}

#[test]
fn the_gated_mlp_is_right_on_awkward_sizes() {
    let [engine, portable] = engines(2);
    let sizes = [(1, 1), (3, 66), (66, 341), (341, 3), (64, 128)];
    for (index, (inputs, hidden)) in sizes.into_iter().enumerate() {
        for rows in ROWS {
            for biased in [false, true] {
                let engine = if (index + rows) % 3 == 0 {
                    &portable
                } else {
                    &engine
                };
                let dtype = DTYPES[(index + rows) % 3];
                let shape = [hidden, inputs];
                let (gate, gate_numbers) = weight(&values(2, hidden * inputs), &shape, dtype);
                let (up, up_numbers) = weight(&values(3, hidden * inputs), &shape, dtype);
                let biases = [4, 5].map(|seed| values(seed, hidden));
                let stored = biases.each_ref().map(|bias| f32_weight(bias, &[hidden]));
                let packed = engine
                    .linear_weights(&[
                        (&gate, biased.then_some(&stored[0])),
                        (&up, biased.then_some(&stored[1])),
                    ])
                    .unwrap();
                let x = upload(engine, &values(1, (rows + 1) * inputs), &[rows + 1, inputs]);
                let used = &x.values()[inputs..];
                let bias = |which: usize| biased.then_some(biases[which].as_slice());
                let expected: Vec<f64> = product(used, &gate_numbers, bias(0), inputs)
                    .into_iter()
                    .zip(product(used, &up_numbers, bias(1), inputs))
                    .map(|(gate, up)| silu(gate) * up)
                    .collect();
                let mut out = untouched(engine, &[rows + 1, hidden]);
                engine.swiglu(&x, 1..rows + 1, &packed, &mut out).unwrap();
                assert!(out.values()[..hidden].iter().all(|&v| v == UNTOUCHED));
                let what = format!("{rows}×{inputs} to {hidden}");
                assert_close(&what, &out.values()[hidden..], &expected, 3e-6);
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_rows_beside_it() {
    for engine in engines(3) {
        let (inputs, outputs, rows) = (341, 66, 257);
        let w = f32_weight(&values(2, outputs * inputs), &[outputs, inputs]);
        let packed = engine.linear_weights(&[(&w, None)]).unwrap();
        let pair = engine.linear_weights(&[(&w, None), (&w, None)]).unwrap();
        let x = upload(&engine, &values(1, rows * inputs), &[rows, inputs]);
        let mut all = untouched(&engine, &[rows, outputs]);
        let mut all_gated = untouched(&engine, &[rows, outputs]);
        engine
            .linear(&x, 0..rows, &packed, Epilogue::Store, &mut all)
            .unwrap();
        engine.swiglu(&x, 0..rows, &pair, &mut all_gated).unwrap();
        for range in [0..1, 5..6, 47..49, 100..148, 1..257, 200..257] {
            let mut some = untouched(&engine, &[rows, outputs]);
            let mut some_gated = untouched(&engine, &[rows, outputs]);
            engine
                .linear(&x, range.clone(), &packed, Epilogue::Store, &mut some)
                .unwrap();
            engine
                .swiglu(&x, range.clone(), &pair, &mut some_gated)
                .unwrap();
            let place = range.start * outputs..range.end * outputs;
            for (some, all) in [(&some, &all), (&some_gated, &all_gated)] {
                let (some, all) = (&some.values()[place.clone()], &all.values()[place.clone()]);
                assert_eq!(bits(some), bits(all), "{range:?}");
            }
        }
    }
}

#[test]
fn weights_that_do_not_belong_together_are_refused() {
    let [engine, _] = engines(1);
    let w = |shape: &[usize]| f32_weight(&vec![0.5; shape.iter().product()], shape);
    let refused = |result: Result<_, ComputeError>, shape: &[usize]| match result {
        Err(ComputeError::WeightShape { found, .. }) => assert_eq!(found, shape),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{shape:?} was accepted"),
    };
    refused(engine.linear_weights(&[(&w(&[6]), None)]), &[6]);
    refused(engine.linear_weights(&[(&w(&[0, 3]), None)]), &[0, 3]);
    refused(engine.linear_weights(&[(&w(&[3, 0]), None)]), &[3, 0]);
    refused(
        engine.linear_weights(&[(&w(&[2, 3]), None), (&w(&[2, 4]), None)]),
        &[2, 4],
    );
    refused(
        engine.linear_weights(&[(&w(&[2, 3]), Some(&w(&[3])))]),
        &[3],
    );
}
