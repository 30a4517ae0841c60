//! Modulation tables: a row of one step is the same whether its table has one row or many.

use super::{bits, engines, f32_weight, untouched, upload, values};
use crate::Backend;
use crate::backend::Epilogue;

#[test]
fn many_steps_at_once_give_the_bits_of_each_step_alone() {
    for engine in engines(2) {
        let (width, outputs) = (96, 6 * 96);
        let stored = f32_weight(&values(2, outputs * width), &[outputs, width]);
        let bias = f32_weight(&values(3, outputs), &[outputs]);
        let packed = engine.linear_weights(&[(&stored, Some(&bias))]).unwrap();
        for steps in [1, 2, 25, 32] {
            let x = values(4, steps * width);
            let mut all = untouched(&engine, &[steps, outputs]);
            let together = upload(&engine, &x, &[steps, width]);
            engine
                .linear(&together, 0..steps, &packed, Epilogue::Store, &mut all)
                .unwrap();
            for step in 0..steps {
                let alone = upload(&engine, &x[step * width..(step + 1) * width], &[1, width]);
                let mut one = untouched(&engine, &[1, outputs]);
                engine
                    .linear(&alone, 0..1, &packed, Epilogue::Store, &mut one)
                    .unwrap();
                let row = &all.values()[step * outputs..(step + 1) * outputs];
                assert_eq!(bits(one.values()), bits(row), "step {step} of {steps}");
            }
        }
    }
}
