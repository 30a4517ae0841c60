//! The fast transform against the matrices that define it, in f64.

use std::f64::consts::PI;
use std::vec;

use super::*;

type Dense = Vec<Vec<f64>>;

fn dct2(n: usize) -> Dense {
    let entry = |k: usize, i: usize| {
        let scale = if k == 0 { 1.0 } else { 2.0 };
        (scale / n as f64).sqrt() * (PI * ((2 * i + 1) * k) as f64 / (2 * n) as f64).cos()
    };
    (0..n)
        .map(|k| (0..n).map(|i| entry(k, i)).collect())
        .collect()
}

fn dct4(n: usize) -> Dense {
    let entry = |k: usize, i: usize| {
        let angle = PI * ((2 * i + 1) * (2 * k + 1)) as f64 / (4 * n) as f64;
        (2.0 / n as f64).sqrt() * angle.cos()
    };
    (0..n)
        .map(|k| (0..n).map(|i| entry(k, i)).collect())
        .collect()
}

fn times(a: &Dense, x: &[f64]) -> Vec<f64> {
    a.iter()
        .map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum())
        .collect()
}

fn transposed_dense(a: &Dense) -> Dense {
    (0..a[0].len())
        .map(|i| a.iter().map(|row| row[i]).collect())
        .collect()
}

/// Filters and block DCTs of a line, by the definition: A · diag(I, V) · A with V = J D₂ᵀ D₄ J over each boundary.
fn lapped(line: &mut [f64]) {
    let root = 2.0f64.sqrt();
    let halves = |x: &[f64]| -> Vec<f64> {
        let (a, b) = x.split_at(LAP);
        let top = (0..LAP).map(|i| (a[i] + b[LAP - 1 - i]) / root);
        let bottom = (0..LAP).map(|i| (a[LAP - 1 - i] - b[i]) / root);
        top.chain(bottom).collect()
    };
    for boundary in (BLOCK..line.len()).step_by(BLOCK) {
        let around = &mut line[boundary - LAP..boundary + LAP];
        let mut mixed = halves(around);
        let mut reversed = mixed[LAP..].to_vec();
        reversed.reverse();
        let mut turned = times(&transposed_dense(&dct2(LAP)), &times(&dct4(LAP), &reversed));
        turned.reverse();
        mixed[LAP..].copy_from_slice(&turned);
        around.copy_from_slice(&halves(&mixed));
    }
    for block in line.chunks_exact_mut(BLOCK) {
        let frequencies = times(&dct2(BLOCK), block);
        block.copy_from_slice(&frequencies);
    }
}

/// All coefficients of a picture in the order of [`LappedTransform`].
fn plain(rgb: &[u8], rows: usize, columns: usize) -> Vec<f64> {
    let (height, width) = (rows * BLOCK, columns * BLOCK);
    let colours = [[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 2.0, -1.0]];
    let mut out = vec![0.0; rows * columns * PER_BLOCK];
    for (c, weights) in colours.iter().enumerate() {
        let norm = weights.iter().map(|w| w * w).sum::<f64>().sqrt();
        let mut lines: Dense = rgb
            .chunks_exact(width * 3)
            .map(|row| {
                let pixels = row.chunks_exact(3);
                let sample = |pixel: &[u8]| {
                    let weighted = pixel
                        .iter()
                        .zip(weights)
                        .map(|(&p, w)| (f64::from(p) - 127.5) * w);
                    weighted.sum::<f64>() / norm
                };
                pixels.map(sample).collect()
            })
            .collect();
        lines.iter_mut().for_each(|line| lapped(line));
        let mut across = transposed_dense(&lines);
        across.iter_mut().for_each(|line| lapped(line));
        let means: Dense = (0..rows)
            .map(|row| {
                (0..columns)
                    .map(|column| across[column * BLOCK][row * BLOCK])
                    .collect()
            })
            .collect();
        let down = transposed_dense(
            &transposed_dense(&means)
                .iter()
                .map(|line| times(&dct2(rows), line))
                .collect(),
        );
        let means: Dense = down
            .iter()
            .map(|line| times(&dct2(columns), line))
            .collect();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let (row, u, column, v) = (y / BLOCK, y % BLOCK, x / BLOCK, x % BLOCK);
            let at = ((row * COLOURS + c) * BLOCK + v) * BLOCK + u;
            out[at * columns + column] = match (u, v) {
                (0, 0) => means[row][column],
                _ => across[x][y],
            };
        }
    }
    out
}

/// Smooth shapes with some noise, from 0 to 255.
fn picture(rows: usize, columns: usize) -> Vec<u8> {
    let mut seed = 1u32;
    let mut noise = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as f32 / 4.0
    };
    let width = columns * BLOCK;
    (0..rows * BLOCK * width)
        .flat_map(|at| {
            let (x, y) = ((at % width) as f32, (at / width) as f32);
            [0.05, 0.11, 0.17]
                .map(|f| (96.0 * (1.0 + (f * x).sin() * (f * y).cos()) + noise()) as u8)
        })
        .collect()
}

#[test]
fn coefficients_are_those_of_the_definition() {
    for (rows, columns) in [(1, 1), (1, 3), (3, 1), (2, 2), (5, 7)] {
        let rgb = picture(rows, columns);
        let found = LappedTransform::new(rows, columns).forward(&rgb).unwrap();
        let expected = plain(&rgb, rows, columns);
        let worst = found
            .iter()
            .zip(&expected)
            .map(|(&found, expected)| (f64::from(found) - expected).abs())
            .fold(0.0, f64::max);
        assert!(worst < 2e-3, "{worst} of {rows}×{columns} blocks");
    }
}

#[test]
fn the_inverse_gives_the_picture_back() {
    for (rows, columns) in [(1, 1), (2, 5), (9, 2), (17, 3)] {
        let rgb = picture(rows, columns);
        let transform = LappedTransform::new(rows, columns);
        let coefficients = transform.forward(&rgb).unwrap();
        assert_eq!(transform.to_rgb(&coefficients[..]).unwrap(), rgb);
        let signed = transform.to_signed(&coefficients[..]).unwrap();
        for (found, &sample) in signed.iter().zip(&rgb) {
            assert!((found - (f32::from(sample) - 127.5) / 127.5).abs() < 1e-4);
        }
    }
}

#[test]
fn squared_errors_of_coefficients_are_those_of_samples() {
    let (rows, columns) = (3, 4);
    let rgb = picture(rows, columns);
    let transform = LappedTransform::new(rows, columns);
    let energy: f64 = transform
        .forward(&rgb)
        .unwrap()
        .iter()
        .map(|&value| f64::from(value).powi(2))
        .sum();
    let samples: f64 = rgb
        .iter()
        .map(|&sample| (f64::from(sample) - 127.5).powi(2))
        .sum();
    assert!(
        (energy / samples - 1.0).abs() < 1e-6,
        "{energy} instead of {samples}"
    );
}

#[cfg(feature = "threads")]
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (rows, columns) = (13, 3);
    let rgb = picture(rows, columns);
    let transform = LappedTransform::new(rows, columns);
    let both = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let coefficients = transform.forward(&rgb).unwrap();
            let signed = transform.to_signed(&coefficients[..]).unwrap();
            let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            (bits(coefficients), bits(signed))
        })
    };
    let one = both(1);
    for threads in [2, 3, 8] {
        assert!(both(threads) == one, "{threads} threads");
    }
}

#[test]
fn samples_are_clamped_and_rounded() {
    let transform = LappedTransform::new(1, 1);
    let mut coefficients = vec![0.0; PER_BLOCK];
    // The first colour's mean coefficient is 32·√3 times the grey's distance from 127.5: √3 by the colours, 32 by the block.
    let grey = |coefficients: &mut [f32], value: f32| {
        coefficients.fill(0.0);
        coefficients[0] = (value - 127.5) * 32.0 * 3.0f32.sqrt();
    };
    for (value, expected) in [
        (-3.0, 0),
        (300.0, 255),
        (12.4, 12),
        (12.6, 13),
        (254.9, 255),
    ] {
        grey(&mut coefficients, value);
        let rgb = transform.to_rgb(&coefficients[..]).unwrap();
        assert!(
            rgb.iter().all(|&sample| sample == expected),
            "{value}: {rgb:?}"
        );
    }
}
