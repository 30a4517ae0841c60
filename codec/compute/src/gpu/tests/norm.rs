//! Layer norm with modulation.

use std::ops::Range;

use proptest::prelude::*;

use super::{assert_near, engine, half_engine, values};
use crate::backend::{Modulation, ModulationVector};
use crate::{Backend, CpuEngine};

/// One norm: sizes, and the modulation's step and splits where there is one.
#[derive(Debug, Clone)]
struct Case {
    width: usize,
    rows: usize,
    normed: Range<usize>,
    /// (step, split of the shift, split of the scale).
    modulation: Option<(usize, usize, usize)>,
}

const STEPS: usize = 3;
const UNTOUCHED: f32 = -1234.5;

impl Case {
    /// All of the output, in which what was not written is [`UNTOUCHED`].
    fn run<B: Backend>(&self, engine: &B) -> Vec<f32> {
        let x: Vec<f32> = values(3, self.rows * self.width)
            .iter()
            .map(|v| v * 2.0 + 0.7)
            .collect();
        let x = engine.upload(&x, &[self.rows, self.width]).unwrap();
        let table = values(5, STEPS * 6 * self.width);
        let table = engine.upload(&table, &[STEPS, 6 * self.width]).unwrap();
        let untouched = vec![UNTOUCHED; self.rows * self.width];
        let mut out = engine.upload(&untouched, &[self.rows, self.width]).unwrap();
        let vector = |row, split, first, second| ModulationVector {
            table: &table,
            row,
            split,
            first: first * self.width,
            second: second * self.width,
        };
        let modulation = self.modulation.map(|(step, shift, scale)| Modulation {
            shift: vector(step, shift, 0, 3),
            scale: vector(step, scale, 4, 1),
        });
        engine
            .norm_modulate(&x, self.normed.clone(), 1e-5, modulation, &mut out)
            .unwrap();
        engine.download(&out).unwrap()
    }

    fn check(&self) {
        let expected = self.run(&CpuEngine::new(1).unwrap());
        let inside = self.normed.start * self.width..self.normed.end * self.width;
        assert!(expected[inside].iter().all(|&value| value != UNTOUCHED));
        assert_near(&format!("{self:?}"), &self.run(engine()), &expected, 1e-5);
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn every_width_and_group_of_rows_is_right() {
    for width in [2, 31, 64, 257, 1030] {
        for modulation in [None, Some((0, 0, 0)), Some((2, 4, 9)), Some((1, 100, 100))] {
            for (rows, normed) in [(1, 0..1), (11, 0..11), (11, 3..10), (7, 6..7)] {
                Case {
                    width,
                    rows,
                    normed,
                    modulation,
                }
                .check();
            }
        }
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn no_rows_are_no_launch() {
    let case = Case {
        width: 8,
        rows: 4,
        normed: 2..2,
        modulation: None,
    };
    assert_eq!(case.run(engine()), vec![UNTOUCHED; 32]);
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn a_large_mean_does_not_swallow_the_variance() {
    let width = 300;
    let x: Vec<f32> = values(9, width).iter().map(|v| 1000.0 + v).collect();
    fn run<B: Backend>(engine: &B, x: &[f32]) -> Vec<f32> {
        let x = engine.upload(x, &[1, x.len()]).unwrap();
        let mut out = engine.zeros(engine.shape(&x)).unwrap();
        engine
            .norm_modulate(&x, 0..1, 1e-5, None, &mut out)
            .unwrap();
        engine.download(&out).unwrap()
    }
    // The mean is exact to 1e-4 at best, which is the tolerance.
    let expected = run(&CpuEngine::new(1).unwrap(), &x);
    assert_near("around 1000", &run(engine(), &x), &expected, 3e-4);
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn rows_in_half_precision_are_normed_in_single_precision() {
    let (rows, width) = (5, 200);
    let x: Vec<f32> = values(7, rows * width);
    let x: Vec<f32> = x.iter().map(|&v| half::f16::from_f32(v).to_f32()).collect();
    let run = |engine: &crate::gpu::GpuEngine| {
        let uploaded = engine.upload_rounded(&x, &[rows, width]).unwrap();
        let mut out = engine.zeros(&[rows, width]).unwrap();
        engine
            .norm_modulate(&uploaded, 0..rows, 1e-6, None, &mut out)
            .unwrap();
        engine.download(&out).unwrap()
    };
    let (single, half) = (run(engine()), run(half_engine()));
    let rounded: Vec<f32> = single
        .iter()
        .map(|&v| half::f16::from_f32(v).to_f32())
        .collect();
    // One unit in the last place of f16 below 2, where the two f32 results are on either side of a tie.
    assert_near("f16", &half, &rounded, 1e-3);
    assert_ne!(single, half);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "needs a device: .ci/run gpu"]
    fn any_norm_is_as_on_the_cpu(
        width in 2usize..700,
        rows in 1usize..40,
        (from, share) in (0.0f64..1.0, 0.0f64..=1.0),
        modulation in proptest::option::of((0..STEPS, 0usize..50, 0usize..50)),
    ) {
        let start = (from * rows as f64) as usize;
        let end = start + 1 + (share * (rows - start - 1) as f64) as usize;
        Case { width, rows, normed: start..end, modulation }.check();
    }
}
