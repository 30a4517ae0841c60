//! The engine's matrix products, attention and convolution, each compared with the `gemm` crate's own driver on the
//! same problem and with plain loops.
//!
//! The sizes are those of the d12 network, with fewer rows where plain loops take part.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use flextok::compute::backend::{AttentionSpec, ConvEpilogue, ConvKind, Epilogue, Mask, Sequence};
use flextok::compute::{Backend, CpuEngine, Weight};
use flextok::standard_normal;

/// Threads of all contestants but the plain loops, which have one.
const THREADS: usize = 2;

/// A matrix in memory of the given strides (rows, columns).
#[derive(Clone, Copy)]
struct Strided<'a> {
    values: &'a [f32],
    strides: (usize, usize),
}

/// `out = a b` for `[m, k]` and `[k, n]`, row-major out, by the `gemm` crate.
fn gemm_product(out: &mut [f32], a: Strided<'_>, b: Strided<'_>, [m, n, k]: [usize; 3]) {
    let last = |x: Strided<'_>, rows: usize, columns: usize| {
        (rows - 1) * x.strides.0 + (columns - 1) * x.strides.1
    };
    assert!(out.len() >= m * n && last(a, m, k) < a.values.len());
    assert!(last(b, k, n) < b.values.len());
    // SAFETY: the asserts above show that the last element of each matrix is inside its slice, and `out` is exclusive.
    #[allow(unsafe_code)]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.values.as_ptr(),
            a.strides.1 as isize,
            a.strides.0 as isize,
            b.values.as_ptr(),
            b.strides.1 as isize,
            b.strides.0 as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(THREADS),
        );
    }
}

fn plain_product(out: &mut [f32], x: &[f32], weight: &[f32], k: usize) {
    let columns = weight.len() / k;
    for (row, out) in x.chunks_exact(k).zip(out.chunks_exact_mut(columns)) {
        for (weights, out) in weight.chunks_exact(k).zip(out) {
            *out = row.iter().zip(weights).map(|(x, w)| x * w).sum();
        }
    }
}

fn engine() -> CpuEngine {
    CpuEngine::new(THREADS).expect("threads")
}

fn linear(criterion: &mut Criterion) {
    let engine = engine();
    for (rows, k, n) in [(512, 768, 2048), (512, 2048, 768), (16, 768, 9216)] {
        let mut group = criterion.benchmark_group(format!("linear {rows}x{k} to {n}"));
        let (x, w) = (
            standard_normal(1, 0, rows * k),
            standard_normal(2, 0, n * k),
        );
        let mut out = vec![0.0; rows * n];
        let weight = Weight::from_f32(&w, &[n, k]).expect("a weight");
        let packed = engine.linear_weights(&[(&weight, None)]).expect("memory");
        let x_tensor = engine.upload(&x, &[rows, k]).expect("memory");
        let mut y = engine.zeros(&[rows, n]).expect("memory");
        group.bench_function("engine", |bencher| {
            bencher.iter(|| {
                let ran = engine
                    .run(|| engine.linear(&x_tensor, 0..rows, &packed, Epilogue::Store, &mut y));
                ran.expect("memory");
            });
        });
        group.bench_function("gemm", |bencher| {
            let a = Strided {
                values: &x,
                strides: (k, 1),
            };
            let b = Strided {
                values: &w,
                strides: (1, k),
            };
            bencher.iter(|| gemm_product(black_box(&mut out), a, b, [rows, n, k]));
        });
        if rows * k * n < 300_000_000 {
            group.bench_function("plain loops", |bencher| {
                bencher.iter(|| plain_product(black_box(&mut out), &x, &w, k));
            });
        }
        group.finish();
    }
}

/// Attention with one whole matrix of logits per head, by two products of the `gemm` crate.
fn unfused_attention(qkv: &[f32], heads: usize, dim: usize, logits: &mut [f32], out: &mut [f32]) {
    let width = heads * dim;
    let rows = qkv.len() / (3 * width);
    let part = |which: usize, head: usize| &qkv[which * width + head * dim..];
    let mut mixed = vec![0.0; rows * dim];
    for head in 0..heads {
        let queries = Strided {
            values: part(0, head),
            strides: (3 * width, 1),
        };
        let keys = Strided {
            values: part(1, head),
            strides: (1, 3 * width),
        };
        gemm_product(logits, queries, keys, [rows, rows, dim]);
        for row in logits.chunks_exact_mut(rows) {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter_mut()
                .for_each(|logit| *logit = ((*logit - largest) * 0.125).exp());
            let total: f32 = row.iter().sum();
            row.iter_mut().for_each(|share| *share /= total);
        }
        let shares = Strided {
            values: logits,
            strides: (rows, 1),
        };
        let values = Strided {
            values: part(2, head),
            strides: (3 * width, 1),
        };
        gemm_product(&mut mixed, shares, values, [rows, dim, rows]);
        for (row, mixed) in mixed.chunks_exact(dim).enumerate() {
            out[row * width + head * dim..][..dim].copy_from_slice(mixed);
        }
    }
}

fn attention(criterion: &mut Criterion) {
    let engine = engine();
    let (heads, dim) = (12, 64);
    let width = heads * dim;
    for rows in [273, 512] {
        let mut group = criterion.benchmark_group(format!("attention of {rows} positions"));
        let qkv = standard_normal(1, 0, rows * 3 * width);
        let tensor = engine.upload(&qkv, &[rows, 3 * width]).expect("memory");
        let mut y = engine.zeros(&[rows, width]).expect("memory");
        let spec = AttentionSpec {
            sequences: &[Sequence::single(rows, rows)],
            heads,
            scale: 0.125,
            qk_norm_eps: None,
            mask: Mask::Full,
            log_multiplicity: None,
            queries: 0..rows,
        };
        group.bench_function("engine", |bencher| {
            bencher.iter(|| {
                engine
                    .run(|| engine.attention(&tensor, &spec, &mut y))
                    .expect("memory")
            });
        });
        let (mut logits, mut out) = (vec![0.0; rows * rows], vec![0.0; rows * width]);
        group.bench_function("gemm, unfused", |bencher| {
            bencher.iter(|| {
                unfused_attention(&qkv, heads, dim, &mut logits, black_box(&mut out));
            });
        });
        group.finish();
    }
}

/// All 3×3 neighbourhoods of a channels-last image, as rows.
fn gather(x: &[f32], [height, width, channels]: [usize; 3], out: &mut [f32]) {
    for (pixel, out) in out.chunks_exact_mut(9 * channels).enumerate() {
        for (tap, out) in out.chunks_exact_mut(channels).enumerate() {
            let row = (pixel / width + tap / 3)
                .checked_sub(1)
                .filter(|&row| row < height);
            let column = (pixel % width + tap % 3)
                .checked_sub(1)
                .filter(|&column| column < width);
            match row.zip(column) {
                Some((row, column)) => {
                    out.copy_from_slice(&x[(row * width + column) * channels..][..channels]);
                }
                None => out.fill(0.0),
            }
        }
    }
}

fn convolution(criterion: &mut Criterion) {
    let engine = engine();
    for ([height, width, channels], outputs) in [([64, 64, 128], 128), ([32, 32, 512], 512)] {
        let mut group =
            criterion.benchmark_group(format!("conv 3x3 of {height}x{width}x{channels}"));
        let x = standard_normal(1, 0, height * width * channels);
        let w = standard_normal(2, 0, outputs * channels * 9);
        let weight = Weight::from_f32(&w, &[outputs, channels, 3, 3]).expect("a weight");
        let packed = engine
            .conv_weights(&weight, None, ConvKind::Same)
            .expect("memory");
        let tensor = engine
            .upload(&x, &[height, width, channels])
            .expect("memory");
        let mut y = engine.zeros(&[height, width, outputs]).expect("memory");
        group.bench_function("engine", |bencher| {
            bencher.iter(|| {
                engine
                    .run(|| engine.conv(&tensor, None, &packed, ConvEpilogue::Store, &mut y))
                    .expect("memory")
            });
        });
        // The order of the taps in the kernel does not matter for the time.
        let (pixels, run) = (height * width, 9 * channels);
        let (mut patches, mut out) = (vec![0.0; pixels * run], vec![0.0; pixels * outputs]);
        group.bench_function("gemm on gathered patches", |bencher| {
            bencher.iter(|| {
                gather(&x, [height, width, channels], &mut patches);
                let a = Strided {
                    values: &patches,
                    strides: (run, 1),
                };
                let b = Strided {
                    values: &w,
                    strides: (1, run),
                };
                gemm_product(black_box(&mut out), a, b, [pixels, outputs, run]);
            });
        });
        if channels == 128 {
            group.bench_function("plain loops on gathered patches", |bencher| {
                bencher.iter(|| {
                    gather(&x, [height, width, channels], &mut patches);
                    plain_product(black_box(&mut out), &patches, &w, run);
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = kernels;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = linear, attention, convolution
}
criterion_main!(kernels);
