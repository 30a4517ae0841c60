//! Layer norm with modulation, and group norm.

use super::conv::{group_norm, plain_norm};
use super::{UNTOUCHED, assert_close, bits, engines, untouched, upload, values};
use crate::Backend;
use crate::backend::{Modulation, ModulationVector};

/// Layer norm of each row.
fn plain(x: &[f32], columns: usize, eps: f32) -> Vec<f64> {
    let mut out = Vec::new();
    for row in x.chunks_exact(columns) {
        let count = columns as f64;
        let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let variance = row
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / count;
        let scale = 1.0 / (variance + f64::from(eps)).sqrt();
        out.extend(row.iter().map(|&v| (f64::from(v) - mean) * scale));
    }
    out
}

#[test]
fn layer_norm_with_and_without_modulation_is_right() {
    for engine in engines(2) {
        for columns in [1, 3, 66, 341] {
            for rows in [1, 2, 47, 48, 257] {
                let total = rows + 2;
                let numbers: Vec<f32> = values(1, total * columns)
                    .iter()
                    .map(|v| 3.0 * v + 0.7)
                    .collect();
                let x = upload(&engine, &numbers, &[total, columns]);
                let table = upload(&engine, &values(2, 15 * columns), &[3, 5 * columns]);
                let split = 1 + rows / 3;
                let vector = |first: usize, second: usize| ModulationVector {
                    table: &table,
                    row: 2,
                    split,
                    first: first * columns,
                    second: second * columns,
                };
                let (shift, scale) = (vector(4, 1), vector(0, 3));
                let normed = plain(&numbers[columns..(rows + 1) * columns], columns, 1e-5);
                let mut out = untouched(&engine, &[total, columns]);
                engine
                    .norm_modulate(&x, 1..rows + 1, 1e-5, None, &mut out)
                    .unwrap();
                let found = &out.values()[columns..(rows + 1) * columns];
                assert_close("plain", found, &normed, 5e-6);

                let at = |which: usize, column: usize| {
                    f64::from(table.values()[(10 + which) * columns + column])
                };
                let expected: Vec<f64> = normed
                    .iter()
                    .enumerate()
                    .map(|(index, value)| {
                        let (row, column) = (1 + index / columns, index % columns);
                        let (shift, scale) = if row < split { (4, 0) } else { (1, 3) };
                        value * (1.0 + at(scale, column)) + at(shift, column)
                    })
                    .collect();
                let mut out = untouched(&engine, &[total, columns]);
                engine
                    .norm_modulate(
                        &x,
                        1..rows + 1,
                        1e-5,
                        Some(Modulation { shift, scale }),
                        &mut out,
                    )
                    .unwrap();
                let found = &out.values()[columns..(rows + 1) * columns];
                assert_close("modulated", found, &expected, 5e-6);
                let outside = [
                    &out.values()[..columns],
                    &out.values()[(rows + 1) * columns..],
                ];
                assert!(outside.concat().iter().all(|&value| value == UNTOUCHED));
            }
        }
    }
}

#[test]
fn a_constant_row_is_normed_to_zero() {
    for engine in engines(1) {
        let x = upload(&engine, &[0.75; 66], &[1, 66]);
        let mut out = untouched(&engine, &[1, 66]);
        engine
            .norm_modulate(&x, 0..1, 1e-6, None, &mut out)
            .unwrap();
        assert!(out.values().iter().all(|&value| value == 0.0));
        engine
            .norm_modulate(&x, 0..0, 1e-6, None, &mut out)
            .unwrap();
        assert!(out.values().iter().all(|&value| value == 0.0));
    }
}

#[test]
fn a_row_does_not_depend_on_the_rows_beside_it() {
    for engine in engines(3) {
        let (rows, columns) = (60, 341);
        let x = upload(&engine, &values(1, rows * columns), &[rows, columns]);
        let mut all = untouched(&engine, &[rows, columns]);
        let mut one = untouched(&engine, &[rows, columns]);
        engine
            .norm_modulate(&x, 0..rows, 1e-6, None, &mut all)
            .unwrap();
        engine
            .norm_modulate(&x, 37..38, 1e-6, None, &mut one)
            .unwrap();
        let place = 37 * columns..38 * columns;
        assert_eq!(
            bits(&one.values()[place.clone()]),
            bits(&all.values()[place])
        );
    }
}

#[test]
fn group_norm_is_right_on_awkward_sizes() {
    for engine in engines(2) {
        for (height, width) in [(1, 1), (3, 5), (17, 9), (40, 41)] {
            for (channels, groups) in [(1, 1), (3, 3), (20, 4), (33, 11), (64, 32), (128, 32)] {
                let norm = group_norm(channels, groups);
                // A mean that is large relative to the spread would cancel in a sum of squares.
                let numbers: Vec<f32> = values(1, height * width * channels)
                    .iter()
                    .map(|v| v + 2.0)
                    .collect();
                let x = upload(&engine, &numbers, &[height, width, channels]);
                let mut out = untouched(&engine, &[height, width, channels]);
                engine.group_norm(&x, &norm, &mut out).unwrap();
                let what = format!("{height}×{width}×{channels} in {groups} groups");
                let members = height * width * channels / groups;
                // The spread of very few values may be so small relative to their mean that its rounding shows; one value has
                // none, and what is left is the rounding of a thousand times the value, which the epsilon makes of it.
                let tolerance = if members < 8 { 1e-3 } else { 3e-5 };
                let expected = plain_norm(&numbers, &norm);
                assert_close(&what, out.values(), &expected, tolerance);
            }
        }
    }
}
