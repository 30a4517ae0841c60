//! The same bits for any number of threads, for every operation that runs on more than one.

use super::conv::group_norm;
use super::{bits, engine, f32_weight, untouched, upload, values, weight};
use crate::backend::{
    ApgParameters, AttentionSpec, ConvEpilogue, ConvKind, Epilogue, Mask, ModulationVector,
    Sequence,
};
use crate::cpu::microkernel::Kernels;
use crate::cpu::products::{Operands, Products};
use crate::{Backend, ComputeError, CpuEngine, DType};

/// Runs `operation` on engines of 1, 2, 3 and 5 threads with each set of kernels, and compares the bits.
#[track_caller]
fn same_for_all(operation: impl Fn(&CpuEngine) -> Vec<f32>) {
    let (widest, scalar) = (Kernels::detect(), Kernels::scalar());
    for products in [
        Products::single(widest),
        Products::single(scalar),
        Products::bf16(widest),
        Products::widened(widest),
    ] {
        let run = |threads: usize| {
            let kernels = match products.operands {
                Operands::Pairs => widest,
                Operands::Single | Operands::Widened => products.kernels,
            };
            let engine = engine(threads, kernels, products);
            assert_eq!(engine.threads(), threads);
            bits(&operation(&engine))
        };
        let alone = run(1);
        assert!(alone.iter().any(|&bits| bits != 0));
        for threads in [2, 3, 5] {
            assert!(
                run(threads) == alone,
                "{threads} threads give other bits than one"
            );
        }
    }
}

#[test]
fn linear_layers_and_gated_mlps() {
    let (rows, inputs, outputs) = (257, 66, 141);
    let numbers = values(2, outputs * inputs);
    let (stored, _) = weight(&numbers, &[outputs, inputs], DType::BF16);
    let bias = f32_weight(&values(3, outputs), &[outputs]);
    same_for_all(|engine| {
        let packed = engine.linear_weights(&[(&stored, Some(&bias))]).unwrap();
        let x = upload(engine, &values(1, rows * inputs), &[rows, inputs]);
        let other = upload(engine, &values(4, rows * outputs), &[rows, outputs]);
        let table = upload(engine, &values(5, 2 * outputs), &[1, 2 * outputs]);
        let gate = ModulationVector {
            table: &table,
            row: 0,
            split: 100,
            first: 0,
            second: outputs,
        };
        let mut out = untouched(engine, &[rows, outputs]);
        let mut all = Vec::new();
        for epilogue in [
            Epilogue::Store,
            Epilogue::Silu,
            Epilogue::Plus(&other),
            Epilogue::Residual,
            Epilogue::GatedResidual(gate),
        ] {
            engine
                .linear(&x, 0..rows, &packed, epilogue, &mut out)
                .unwrap();
            all.extend_from_slice(out.values());
        }
        let pair = engine
            .linear_weights(&[(&stored, Some(&bias)), (&stored, None)])
            .unwrap();
        engine.swiglu(&x, 0..rows, &pair, &mut out).unwrap();
        all.extend_from_slice(out.values());
        all
    });
}

#[test]
fn attention() {
    let (heads, dim, rows) = (3, 40, 1100);
    let width = heads * dim;
    same_for_all(|engine| {
        let qkv = upload(engine, &values(1, rows * 3 * width), &[rows, 3 * width]);
        let mut weights = vec![0.0; rows];
        weights[rows - 1] = 3.0;
        let weights = upload(engine, &weights, &[rows]);
        let mut out = untouched(engine, &[rows, width]);
        let mut all = Vec::new();
        let two = [
            Sequence {
                prefix: 0..300,
                suffix: 1000..1020,
            },
            Sequence {
                prefix: 300..1000,
                suffix: 1020..rows,
            },
        ];
        let cases = [
            (Mask::Full, [Sequence::single(1000, rows)].to_vec()),
            (Mask::CausalLast, [Sequence::single(1000, rows)].to_vec()),
            (Mask::Full, two.to_vec()),
            (Mask::CausalLast, two.to_vec()),
        ];
        for (mask, sequences) in cases {
            let spec = AttentionSpec {
                sequences: &sequences,
                heads,
                scale: 0.2,
                qk_norm_eps: Some(1e-6),
                mask,
                log_multiplicity: Some(&weights),
                queries: 990..rows,
            };
            engine.attention(&qkv, &spec, &mut out).unwrap();
            all.extend_from_slice(out.values());
        }
        all
    });
}

#[test]
fn norms() {
    let [height, width, channels] = [40, 41, 64];
    same_for_all(|engine| {
        let x = upload(
            engine,
            &values(1, height * width * channels),
            &[height, width, channels],
        );
        let mut out = untouched(engine, &[height, width, channels]);
        engine
            .group_norm(&x, &group_norm(channels, 32), &mut out)
            .unwrap();
        let mut all = out.values().to_vec();
        engine
            .norm_modulate(&x, 0..height * width, 1e-6, None, &mut out)
            .unwrap();
        all.extend_from_slice(out.values());
        all
    });
}

#[test]
fn convolutions() {
    for (kind, kernel, inputs, outputs) in [
        (ConvKind::Same, 3, 40, 36),
        (ConvKind::Same, 3, 3, 36),
        (ConvKind::Same, 1, 40, 70),
        (ConvKind::HalveAsymmetric, 3, 20, 36),
        (ConvKind::DoubleNearest, 3, 36, 33),
        (ConvKind::StridedReflect { stride: 8, pad: 4 }, 16, 3, 16),
    ] {
        let [height, width] = [33, 29];
        let shape = [outputs, inputs, kernel, kernel];
        let stored = f32_weight(&values(2, shape.iter().product()), &shape);
        let bias = f32_weight(&values(3, outputs), &[outputs]);
        same_for_all(|engine| {
            let packed = engine.conv_weights(&stored, Some(&bias), kind).unwrap();
            let x = upload(
                engine,
                &values(1, height * width * inputs),
                &[height, width, inputs],
            );
            let size = [height, width].map(|size| kind.output_size(size, kernel));
            let size = [size[0], size[1], outputs];
            let mut out = upload(engine, &values(4, size.iter().product()), &size);
            let norm = group_norm(inputs, 1);
            engine
                .conv(&x, Some(&norm), &packed, ConvEpilogue::Add, &mut out)
                .unwrap();
            out.values().to_vec()
        });
    }
}

#[test]
fn lapped_synthesis_and_operations_on_elements() {
    let [height, width, inputs] = [9, 7, 16];
    let stored = f32_weight(&values(2, 16 * 16 * 3 * inputs), &[16 * 16 * 3, inputs]);
    same_for_all(|engine| {
        let packed = engine.linear_weights(&[(&stored, None)]).unwrap();
        let count = height * width * inputs;
        let x = upload(engine, &values(1, count), &[height, width, inputs]);
        let mut image = untouched(engine, &[height * 8, width * 8, 3]);
        engine
            .lapped_synthesis(&x, &packed, 16, 8, 4, &mut image)
            .unwrap();
        let both = [2, height, width, inputs];
        let mut predictions = upload(engine, &values(4, 2 * count), &both);
        let shape = [1, height, width, inputs];
        let mut v = upload(engine, &values(5, count), &shape);
        let mut running = engine.zeros(&shape).unwrap();
        for _ in 0..3 {
            engine.guide_cfg(&predictions, 1.5, &mut v).unwrap();
            engine
                .copy_rows(&v, 0, &mut predictions, 0, height * width)
                .unwrap();
            engine
                .guide_apg(
                    &predictions,
                    ApgParameters::published(7.5),
                    &mut running,
                    &mut v,
                )
                .unwrap();
            engine
                .copy_rows(&v, 0, &mut predictions, 0, height * width)
                .unwrap();
            engine.clean_to_velocity(&x, 0.5, &mut predictions).unwrap();
        }
        [image.values(), v.values()].concat()
    });
}

#[test]
fn operations_give_the_same_bits_from_inside_and_outside_the_pool() {
    let (rows, inputs, outputs) = (100, 66, 70);
    let stored = f32_weight(&values(2, outputs * inputs), &[outputs, inputs]);
    let engine = CpuEngine::new(3).unwrap();
    let packed = engine.linear_weights(&[(&stored, None)]).unwrap();
    let x = upload(&engine, &values(1, rows * inputs), &[rows, inputs]);
    let run = || {
        let mut out = untouched(&engine, &[rows, outputs]);
        engine
            .linear(&x, 0..rows, &packed, Epilogue::Silu, &mut out)
            .unwrap();
        bits(out.values())
    };
    assert_eq!(run(), engine.run(run));
}

#[test]
fn an_operation_without_the_memory_to_work_in_returns_the_error() {
    for threads in [1, 3] {
        let engine = CpuEngine::new(threads).unwrap();
        // No machine has 2⁶² bytes, which the padded input would take.
        let (stride, pad) = (1 << 30, 1 << 28);
        let kind = ConvKind::StridedReflect { stride, pad };
        let conv = |kind| {
            let weights = f32_weight(&values(1, 4 * 4 * 4), &[4, 1, 4, 4]);
            let weights = engine.conv_weights(&weights, None, kind)?;
            let x = upload(&engine, &values(2, 16), &[4, 4, 1]);
            let mut out = untouched(&engine, &[kind.output_size(4, 4), 1, 4]);
            engine.conv(&x, None, &weights, ConvEpilogue::Store, &mut out)
        };
        let error = conv(kind);
        assert!(
            matches!(error, Err(ComputeError::OutOfMemory { .. })),
            "{error:?}"
        );
        let in_task = engine.run(|| engine.pool.take_in_task(usize::MAX / 64).err());
        assert!(matches!(in_task, Some(ComputeError::OutOfMemory { .. })));
        let kind = ConvKind::StridedReflect { stride: 4, pad: 0 };
        conv(kind).unwrap();
    }
}
