//! Linear layers and the gated MLP.

use std::ops::Range;

use proptest::prelude::*;

use super::{assert_close, cpu, engine, half_engine, open, values};
use crate::backend::{Epilogue, ModulationVector};
use crate::gpu::{GpuOptions, Precision};
use crate::{Backend, ComputeError, Weight};

/// A layer of [inputs] → [outputs] on `rows` of `total` rows.
#[derive(Debug, Clone)]
struct Case {
    inputs: usize,
    outputs: usize,
    total: usize,
    rows: Range<usize>,
    bias: bool,
}

const EPILOGUES: [&str; 5] = ["store", "silu", "plus", "residual", "gated"];

fn weight(seed: u64, shape: &[usize]) -> Weight {
    let scale = 1.0 / (shape[shape.len() - 1] as f32).sqrt();
    let values: Vec<f32> = values(seed, shape.iter().product())
        .iter()
        .map(|value| value * scale)
        .collect();
    Weight::from_f32(&values, shape).unwrap()
}

fn run<B: Backend>(engine: &B, case: &Case, epilogue: &str) -> Vec<f32> {
    let Case {
        inputs,
        outputs,
        total,
        ref rows,
        bias,
    } = *case;
    let x = engine
        .upload(&values(1, total * inputs), &[total, inputs])
        .unwrap();
    let (weights, biases) = (weight(2, &[outputs, inputs]), weight(3, &[outputs]));
    let weights = engine
        .linear_weights(&[(&weights, bias.then_some(&biases))])
        .unwrap();
    // Rows that repeat, and a table of gates.
    let other = engine
        .upload(&values(4, 3 * outputs), &[3, outputs])
        .unwrap();
    let table = engine
        .upload(&values(5, 8 * outputs), &[2, 4 * outputs])
        .unwrap();
    let gate = ModulationVector {
        table: &table,
        row: 1,
        split: rows.start + rows.len() / 2,
        first: outputs,
        second: 3 * outputs,
    };
    let epilogue = match epilogue {
        "store" => Epilogue::Store,
        "silu" => Epilogue::Silu,
        "plus" => Epilogue::Plus(&other),
        "residual" => Epilogue::Residual,
        _ => Epilogue::GatedResidual(gate),
    };
    let mut out = engine
        .upload(&values(6, total * outputs), &[total, outputs])
        .unwrap();
    engine
        .linear(&x, rows.clone(), &weights, epilogue, &mut out)
        .unwrap();
    engine.download(&out).unwrap()
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn every_epilogue_equals_the_cpu_engines() {
    for (inputs, outputs, total, rows) in [
        (1, 1, 1, 0..1),
        (6, 33, 5, 1..4),
        (70, 192, 19, 3..19),
        (192, 64, 300, 256..300),
        (40, 130, 12, 0..0),
    ] {
        for bias in [false, true] {
            let case = Case {
                inputs,
                outputs,
                total,
                rows: rows.clone(),
                bias,
            };
            for epilogue in EPILOGUES {
                let expected = run(cpu(), &case, epilogue);
                assert_close(&run(engine(), &case, epilogue), &expected, 1e-5);
            }
        }
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn half_precision_is_close() {
    let case = Case {
        inputs: 96,
        outputs: 70,
        total: 21,
        rows: 2..21,
        bias: true,
    };
    for epilogue in EPILOGUES {
        let expected = run(cpu(), &case, epilogue);
        assert_close(&run(half_engine(), &case, epilogue), &expected, 4e-3);
    }
}

fn run_swiglu<B: Backend>(engine: &B, case: &Case) -> Vec<f32> {
    let (inputs, hidden) = (case.inputs, case.outputs);
    let x = engine
        .upload(&values(1, case.total * inputs), &[case.total, inputs])
        .unwrap();
    let parts = [weight(2, &[hidden, inputs]), weight(3, &[hidden, inputs])];
    let biases = [weight(4, &[hidden]), weight(5, &[hidden])];
    let parts = [0, 1].map(|part| (&parts[part], case.bias.then_some(&biases[part])));
    let weights = engine.linear_weights(&parts).unwrap();
    let mut out = engine
        .upload(&values(6, case.total * hidden), &[case.total, hidden])
        .unwrap();
    engine
        .swiglu(&x, case.rows.clone(), &weights, &mut out)
        .unwrap();
    engine.download(&out).unwrap()
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn the_gated_mlp_equals_the_cpu_engines() {
    for (inputs, outputs, total, rows, bias) in [(5, 7, 4, 0..4, true), (64, 172, 30, 7..29, false)]
    {
        let case = Case {
            inputs,
            outputs,
            total,
            rows,
            bias,
        };
        assert_close(
            &run_swiglu(engine(), &case),
            &run_swiglu(cpu(), &case),
            1e-5,
        );
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn weights_larger_than_a_buffer_are_split() {
    let options = GpuOptions {
        precision: Precision::F32,
        buffer_limit: Some(140 * 64 * 4),
        ..GpuOptions::default()
    };
    let small = open(&options);
    let case = Case {
        inputs: 64,
        outputs: 300,
        total: 20,
        rows: 1..20,
        bias: true,
    };
    for epilogue in EPILOGUES {
        let expected = run(cpu(), &case, epilogue);
        assert_close(&run(&small, &case, epilogue), &expected, 1e-5);
    }
    let case = Case {
        inputs: 64,
        outputs: 100,
        total: 9,
        rows: 0..9,
        bias: false,
    };
    assert_close(&run_swiglu(&small, &case), &run_swiglu(cpu(), &case), 1e-5);
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn weights_that_fit_nowhere_are_refused_with_the_numbers() {
    let options = GpuOptions {
        buffer_limit: Some(1000),
        self_test: false,
        ..GpuOptions::default()
    };
    let small = open(&GpuOptions {
        precision: Precision::F32,
        ..options
    });
    let weights = weight(1, &[300, 64]);
    match small.linear_weights(&[(&weights, None)]) {
        Err(ComputeError::DeviceMemory {
            needed, allowed, ..
        }) => {
            assert_eq!((needed, allowed), (128 * 64 * 4, 1000));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn shapes_that_do_not_fit_are_refused_as_on_the_cpu() {
    fn refused<B: Backend>(engine: &B) -> Vec<String> {
        let (a, b, v) = (weight(1, &[4, 3]), weight(2, &[4, 2]), weight(3, &[3]));
        let cases: [&[(&Weight, Option<&Weight>)]; 3] =
            [&[(&a, None), (&b, None)], &[(&v, None)], &[(&a, Some(&v))]];
        let refusals = cases
            .iter()
            .map(|parts| match engine.linear_weights(parts) {
                Err(ComputeError::WeightShape { found, .. }) => format!("{found:?}"),
                Err(other) => panic!("{other}"),
                Ok(_) => panic!("accepted"),
            });
        refusals.collect()
    }
    assert_eq!(refused(engine()), refused(cpu()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "needs a device: .ci/run gpu"]
    fn any_sizes_equal_the_cpu_engines(
        (inputs, outputs, total) in (1usize..90, 1usize..140, 1usize..70),
        cut in 0.0f64..1.0,
        bias: bool,
        epilogue in 0usize..5,
    ) {
        let start = (cut * total as f64) as usize;
        let case = Case { inputs, outputs, total, rows: start..total, bias };
        let expected = run(cpu(), &case, EPILOGUES[epilogue]);
        assert_close(&run(engine(), &case, EPILOGUES[epilogue]), &expected, 1e-5);
    }
}
