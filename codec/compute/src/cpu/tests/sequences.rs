//! Several sequences in the rows of one tensor: each gives what it gives alone, bit for bit.

use std::ops::Range;

use super::attention::{full, plain};
use super::{UNTOUCHED, assert_close, bits, engines, untouched, upload, values};
use crate::backend::{Mask, Sequence};
use crate::cpu::CpuTensor;
use crate::{Backend, CpuEngine};

/// An attention over several sequences: the prefixes of all, then the suffixes of all.
pub(super) struct Packed<'a> {
    /// (prefix, suffix) of each.
    pub(super) lengths: &'a [(usize, usize)],
    pub(super) heads: usize,
    pub(super) dim: usize,
    pub(super) mask: Mask,
    /// Whether keys stand for several.
    pub(super) weighted: bool,
}

impl Packed<'_> {
    fn sequences(&self) -> Vec<Sequence> {
        let (mut prefix, mut suffix) = (0, self.lengths.iter().map(|(prefix, _)| prefix).sum());
        let place = |&(first, second): &(usize, usize)| {
            let sequence = Sequence {
                prefix: prefix..prefix + first,
                suffix: suffix..suffix + second,
            };
            (prefix, suffix) = (prefix + first, suffix + second);
            sequence
        };
        self.lengths.iter().map(place).collect()
    }

    /// The rows of `all`, of `columns` numbers each, that belong to a sequence.
    fn pick(sequence: &Sequence, all: &[f32], columns: usize) -> Vec<f32> {
        let rows = sequence.prefix.clone().chain(sequence.suffix.clone());
        rows.flat_map(|row| &all[row * columns..(row + 1) * columns])
            .copied()
            .collect()
    }

    /// Attention of `queries` over packed rows; all other rows are untouched.
    fn run(
        &self,
        engine: &CpuEngine,
        sequences: &[Sequence],
        (qkv, weights): (&[f32], &[f32]),
        queries: Range<usize>,
    ) -> CpuTensor {
        let width = self.heads * self.dim;
        let rows = weights.len();
        let qkv_tensor = upload(engine, qkv, &[rows, 3 * width]);
        let weights = upload(engine, weights, &[rows]);
        let mut spec = full(sequences, self.heads, self.dim);
        spec.mask = self.mask;
        spec.qk_norm_eps = Some(1e-6);
        spec.log_multiplicity = self.weighted.then_some(&weights);
        spec.queries = queries.clone();
        let mut out = untouched(engine, &[rows, width]);
        engine.attention(&qkv_tensor, &spec, &mut out).unwrap();
        let found = &out.values()[queries.start * width..queries.end * width];
        assert_close("packed", found, &plain(qkv, width, &spec), 1e-5);
        out
    }

    /// Compares `queries` with those of each sequence alone, and checks that no other row was written.
    pub(super) fn check(&self, engine: &CpuEngine, queries: Range<usize>) {
        let (width, sequences) = (self.heads * self.dim, self.sequences());
        let rows: usize = sequences.iter().map(Sequence::positions).sum();
        let qkv = values(31, rows * 3 * width);
        let weights: Vec<f32> = (0..rows).map(|row| ((row % 7 + 1) as f32).ln()).collect();
        let found = self.run(engine, &sequences, (&qkv, &weights), queries.clone());
        let mut expected = vec![UNTOUCHED; rows * width];
        for sequence in &sequences {
            let alone = [Sequence::single(
                sequence.prefix.len(),
                sequence.positions(),
            )];
            let qkv = Self::pick(sequence, &qkv, 3 * width);
            let weights = Self::pick(sequence, &weights, 1);
            let out = self.run(engine, &alone, (&qkv, &weights), 0..weights.len());
            let own = sequence.prefix.clone().chain(sequence.suffix.clone());
            for (row, values) in own.zip(out.values().chunks_exact(width)) {
                if queries.contains(&row) {
                    expected[row * width..(row + 1) * width].copy_from_slice(values);
                }
            }
        }
        assert_eq!(bits(found.values()), bits(&expected), "{queries:?}");
    }
}

#[test]
fn each_sequence_is_as_if_alone() {
    let batches: [&[(usize, usize)]; 5] = [
        &[(64, 5), (64, 240), (64, 1)],
        &[(64, 17), (64, 17), (64, 1), (64, 1)],
        &[(3, 0), (0, 3), (1, 1), (0, 0), (50, 2)],
        // More keys than one block holds, beside fewer than one panel.
        &[(1030, 100), (2, 1), (1000, 24)],
        &[(7, 9)],
    ];
    for engine in engines(3) {
        for lengths in batches {
            let prefixes: usize = lengths.iter().map(|(prefix, _)| prefix).sum();
            let suffixes: usize = lengths.iter().map(|(_, suffix)| suffix).sum();
            let rows = prefixes + suffixes;
            for (mask, weighted) in [
                (Mask::Full, true),
                (Mask::CausalLast, false),
                (Mask::CausalLast, true),
            ] {
                let case = Packed {
                    lengths,
                    heads: 2,
                    dim: 32,
                    mask,
                    weighted,
                };
                for queries in [0..rows, 0..prefixes, prefixes..rows, prefixes..rows - 1] {
                    case.check(&engine, queries);
                }
            }
        }
    }
}

#[test]
fn rows_of_no_sequence_are_neither_read_nor_written() {
    for engine in engines(2) {
        let (heads, dim, rows) = (2, 40, 60);
        let width = heads * dim;
        let mut qkv = values(9, rows * 3 * width);
        qkv[20 * 3 * width..30 * 3 * width].fill(f32::NAN);
        let sequences = [
            Sequence {
                prefix: 0..11,
                suffix: 30..33,
            },
            Sequence {
                prefix: 11..20,
                suffix: 33..rows,
            },
        ];
        let spec = full(&sequences, heads, dim);
        let mut out = untouched(&engine, &[rows, width]);
        engine
            .attention(&upload(&engine, &qkv, &[rows, 3 * width]), &spec, &mut out)
            .unwrap();
        for (row, values) in out.values().chunks_exact(width).enumerate() {
            let outside = (20..30).contains(&row);
            assert!(
                values
                    .iter()
                    .all(|&value| value.is_finite() && (value == UNTOUCHED) == outside),
                "row {row}"
            );
        }
    }
}
