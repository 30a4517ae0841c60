//! Fused attention.

use std::ops::Range;

use proptest::prelude::*;

use super::{assert_near, engine, half_engine, values};
use crate::backend::{AttentionSpec, Mask, Sequence};
use crate::gpu::attention::Tile;
use crate::gpu::{GpuEngine, GpuOptions, Precision};
use crate::{Backend, CpuEngine};

const UNTOUCHED: f32 = -1234.5;
const TOLERANCE: f32 = 2e-5;

/// One attention over sequences that stand in the first rows of a tensor.
#[derive(Debug, Clone)]
struct Case {
    heads: usize,
    dim: usize,
    sequences: Vec<Sequence>,
    rows: usize,
    eps: Option<f32>,
    mask: Mask,
    weighted: bool,
    queries: Range<usize>,
}

impl Case {
    /// Full attention of a single sequence of `rows`.
    fn full(heads: usize, dim: usize, rows: usize) -> Self {
        Self {
            heads,
            dim,
            sequences: vec![Sequence::single(rows, rows)],
            rows,
            eps: None,
            mask: Mask::Full,
            weighted: false,
            queries: 0..rows,
        }
    }

    /// Sequences of the given (prefix, suffix): the prefixes of all, then the suffixes of all, all of them queries.
    fn packed(heads: usize, dim: usize, lengths: &[(usize, usize)]) -> Self {
        let mut prefix = 0;
        let mut suffix = lengths.iter().map(|(prefix, _)| prefix).sum();
        let mut sequences = Vec::new();
        for (first, second) in lengths {
            sequences.push(Sequence {
                prefix: prefix..prefix + first,
                suffix: suffix..suffix + second,
            });
            (prefix, suffix) = (prefix + first, suffix + second);
        }
        Self {
            sequences,
            ..Self::full(heads, dim, suffix)
        }
    }

    fn width(&self) -> usize {
        self.heads * self.dim
    }

    fn qkv(&self) -> Vec<f32> {
        values(self.rows as u64, self.rows * 3 * self.width())
    }

    /// All of the output, in which what was not written is [`UNTOUCHED`].
    fn run<B: Backend>(&self, engine: &B, qkv: &B::Tensor) -> Vec<f32> {
        let shape = [self.rows, self.width()];
        let untouched = vec![UNTOUCHED; self.rows * self.width()];
        let mut out = engine.upload(&untouched, &shape).unwrap();
        let weights: Vec<f32> = (0..self.rows)
            .map(|row| ((row * 5 % 7 + 1) as f32).ln())
            .collect();
        let weights = engine.upload(&weights, &[self.rows]).unwrap();
        let spec = AttentionSpec {
            sequences: &self.sequences,
            heads: self.heads,
            scale: 8.0 / self.dim as f32,
            qk_norm_eps: self.eps,
            mask: self.mask,
            log_multiplicity: self.weighted.then_some(&weights),
            queries: self.queries.clone(),
        };
        engine.attention(qkv, &spec, &mut out).unwrap();
        engine.download(&out).unwrap()
    }

    fn check(&self) {
        let shape = [self.rows, 3 * self.width()];
        let (gpu, cpu) = (engine(), CpuEngine::new(2).unwrap());
        let expected = self.run(&cpu, &cpu.upload(&self.qkv(), &shape).unwrap());
        let found = self.run(gpu, &gpu.upload(&self.qkv(), &shape).unwrap());
        let written = expected.iter().filter(|&&value| value != UNTOUCHED).count();
        let queries = |sequence: &Sequence| sequence.positions_in(&self.queries).len();
        assert_eq!(
            written,
            self.sequences.iter().map(queries).sum::<usize>() * self.width()
        );
        assert_near(&format!("{self:?}"), &found, &expected, TOLERANCE);
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn every_head_size_and_length_is_right() {
    for (heads, dim) in [
        (1, 5),
        (3, 16),
        (2, 40),
        (4, 64),
        (2, 96),
        (2, 128),
        (1, 256),
    ] {
        for rows in [1, 2, 33, 257, 273] {
            for eps in [None, Some(1e-5)] {
                Case {
                    eps,
                    ..Case::full(heads, dim, rows)
                }
                .check();
            }
        }
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn heads_of_any_size_are_right() {
    for (heads, dim, rows) in [
        (1, 512, 140),
        (3, 1, 50),
        (2, 130, 70),
        (1, 513, 33),
        (1, 1024, 40),
    ] {
        // Norm over a single channel gives zeros, whatever the logits' scale.
        Case {
            eps: (dim > 1).then_some(1e-6),
            ..Case::full(heads, dim, rows)
        }
        .check();
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn the_causal_last_mask_is_right_for_every_prefix() {
    for prefix in [0, 1, 40, 128, 257] {
        for queries in [0..257, 100..257, 256..257, 30..31, 60..60] {
            for weighted in [false, true] {
                Case {
                    sequences: vec![Sequence::single(prefix, 257)],
                    eps: Some(1e-6),
                    mask: Mask::CausalLast,
                    queries: queries.clone(),
                    weighted,
                    ..Case::full(2, 32, 257)
                }
                .check();
            }
        }
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn packed_sequences_attend_to_their_own_rows() {
    let batches: [&[(usize, usize)]; 4] = [
        &[(64, 5), (64, 140), (64, 1)],
        &[(3, 0), (0, 3), (1, 1), (0, 0), (50, 2)],
        &[(130, 60), (2, 1), (100, 24)],
        &[(7, 9)],
    ];
    for lengths in batches {
        let case = Case {
            eps: Some(1e-6),
            ..Case::packed(2, 64, lengths)
        };
        let prefixes: usize = lengths.iter().map(|(prefix, _)| prefix).sum();
        for (mask, weighted) in [
            (Mask::Full, true),
            (Mask::CausalLast, false),
            (Mask::CausalLast, true),
        ] {
            for queries in [
                0..case.rows,
                0..prefixes,
                prefixes..case.rows,
                prefixes..case.rows - 1,
            ] {
                Case {
                    mask,
                    weighted,
                    queries,
                    ..case.clone()
                }
                .check();
            }
        }
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn rows_of_no_sequence_are_neither_looked_at_nor_written() {
    let case = Case {
        sequences: vec![
            Sequence {
                prefix: 0..11,
                suffix: 30..33,
            },
            Sequence {
                prefix: 11..20,
                suffix: 33..57,
            },
        ],
        rows: 70,
        queries: 0..70,
        eps: Some(1e-5),
        ..Case::full(2, 40, 70)
    };
    case.check();
    let mut qkv = case.qkv();
    for rows in [20..30, 57..70] {
        qkv[rows.start * 3 * 80..rows.end * 3 * 80].fill(f32::NAN);
    }
    let gpu = engine();
    let found = case.run(gpu, &gpu.upload(&qkv, &[70, 240]).unwrap());
    let clean = case.run(gpu, &gpu.upload(&case.qkv(), &[70, 240]).unwrap());
    assert_eq!(found, clean);
    assert!(
        found[20 * 80..30 * 80]
            .iter()
            .chain(&found[57 * 80..])
            .all(|&value| value == UNTOUCHED)
    );
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn large_and_growing_logits_are_rescaled() {
    let case = Case {
        mask: Mask::CausalLast,
        sequences: vec![Sequence::single(300, 600)],
        ..Case::full(2, 32, 600)
    };
    let mut qkv = case.qkv();
    // Keys that grow along the sequence: the largest logit of some queries is in the first tile, of others in the last.
    for (row, values) in qkv.chunks_exact_mut(3 * 64).enumerate() {
        let factor = 1.0 + 60.0 * row as f32 / 600.0;
        values[64..128].iter_mut().for_each(|key| *key *= factor);
    }
    let (gpu, cpu) = (engine(), CpuEngine::new(2).unwrap());
    let expected = case.run(&cpu, &cpu.upload(&qkv, &[600, 192]).unwrap());
    let found = case.run(gpu, &gpu.upload(&qkv, &[600, 192]).unwrap());
    // Logits of up to 60, whose rounding is relative to their size.
    assert_near("growing keys", &found, &expected, 1e-4);
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn half_precision_is_single_precision_on_rounded_numbers() {
    for dim in [5, 64] {
        let case = Case {
            eps: Some(1e-6),
            weighted: true,
            ..Case::packed(2, dim, &[(40, 20), (30, 7)])
        };
        let rounded: Vec<f32> = case
            .qkv()
            .iter()
            .map(|&v| half::f16::from_f32(v).to_f32())
            .collect();
        let shape = [case.rows, 3 * case.width()];
        let (gpu, cpu) = (half_engine(), CpuEngine::new(1).unwrap());
        let expected = case.run(&cpu, &cpu.upload(&rounded, &shape).unwrap());
        let qkv = gpu.upload_rounded(&rounded, &shape).unwrap();
        assert_near(
            "f16 in, f32 out",
            &case.run(gpu, &qkv),
            &expected,
            TOLERANCE,
        );
        let mut out = gpu.zeros(&[case.rows, case.width()]).unwrap();
        let spec = AttentionSpec {
            sequences: &case.sequences,
            heads: case.heads,
            scale: 8.0 / dim as f32,
            qk_norm_eps: None,
            mask: Mask::Full,
            log_multiplicity: None,
            queries: 0..case.rows,
        };
        gpu.attention(&qkv, &spec, &mut out).unwrap();
        let plain = Case {
            eps: None,
            weighted: false,
            ..case
        };
        let expected = plain.run(&cpu, &cpu.upload(&rounded, &shape).unwrap());
        // Half a unit in the last place of f16 below 1.
        assert_near(
            "f16 in and out",
            &gpu.download(&out).unwrap(),
            &expected,
            2.6e-4,
        );
    }
}

/// The number of launches and of new buffers of a repeated attention.
fn repeated(engine: &GpuEngine, case: &Case) -> (u64, u64) {
    let qkv = engine
        .upload(&case.qkv(), &[case.rows, 3 * case.width()])
        .unwrap();
    let mut out = engine.zeros(&[case.rows, case.width()]).unwrap();
    let spec = AttentionSpec {
        sequences: &case.sequences,
        heads: case.heads,
        scale: 1.0,
        qk_norm_eps: case.eps,
        mask: case.mask,
        log_multiplicity: None,
        queries: case.queries.clone(),
    };
    engine.attention(&qkv, &spec, &mut out).unwrap();
    let before = engine.counters();
    engine.attention(&qkv, &spec, &mut out).unwrap();
    let after = engine.counters();
    (
        after.launches - before.launches,
        after.buffers - before.buffers,
    )
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn a_repeated_attention_uploads_nothing() {
    // An engine of its own, since the others' counters are shared by tests.
    let devices = crate::gpu::devices();
    let options = GpuOptions {
        precision: Precision::F32,
        self_test: false,
        ..GpuOptions::default()
    };
    let engine = GpuEngine::open(devices.first().unwrap(), &options).unwrap();
    // More choices than are kept.
    for rows in 1..40 {
        let case = Case {
            eps: Some(1e-6),
            ..Case::full(1, 16, rows)
        };
        assert_eq!(repeated(&engine, &case), (2, 0));
    }
    assert_eq!(repeated(&engine, &Case::full(1, 16, 39)), (1, 0));
    let tables = engine.memory_used();
    for rows in 1..40 {
        repeated(&engine, &Case::full(1, 16, rows));
    }
    assert_eq!(engine.memory_used(), tables, "tables are dropped");
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn tiles_fit_every_head_and_device() {
    for shared in [16 << 10, 32 << 10, 48 << 10] {
        for units in [32, 64, 128, 256, 1024] {
            for dim in 1..=2048 {
                let tile = Tile::new(dim, shared, units);
                tile.assert_fits(dim, shared.min(32 << 10), units);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "needs a device: .ci/run gpu"]
    fn any_attention_is_as_on_the_cpu(
        heads in 1usize..5,
        dim in proptest::sample::select(vec![16usize, 40, 64]),
        lengths in proptest::collection::vec((0usize..90, 1usize..60), 1..4),
        (normed, causal, weighted) in any::<(bool, bool, bool)>(),
        suffix_only in any::<bool>(),
    ) {
        let case = Case::packed(heads, dim, &lengths);
        let prefixes: usize = lengths.iter().map(|(prefix, _)| prefix).sum();
        Case {
            eps: normed.then_some(1e-6),
            mask: if causal { Mask::CausalLast } else { Mask::Full },
            weighted,
            queries: if suffix_only { prefixes } else { 0 }..case.rows,
            ..case
        }
        .check();
    }
}
