//! Fused attention against a whole matrix of logits in f64.

use super::{UNTOUCHED, assert_close, bits, engines, untouched, upload, values};
use crate::backend::{AttentionSpec, Mask, Sequence};
use crate::cpu::CpuTensor;
use crate::{Backend, CpuEngine};

/// One head's channels of one of q, k, v in one row, normed where `eps` is given.
fn head(qkv: &[f32], width: usize, row: usize, which: usize, head: (usize, usize)) -> Vec<f64> {
    let start = row * 3 * width + which * width + head.0 * head.1;
    qkv[start..start + head.1]
        .iter()
        .map(|&v| f64::from(v))
        .collect()
}

fn norm(values: &mut [f64], eps: f32) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
    let scale = 1.0 / (variance + f64::from(eps)).sqrt();
    values.iter_mut().for_each(|v| *v = (*v - mean) * scale);
}

/// The rows of `spec.queries`, computed plainly; zeros for those that no sequence has.
pub(super) fn plain(qkv: &[f32], width: usize, spec: &AttentionSpec<'_, CpuTensor>) -> Vec<f64> {
    let mut out = vec![0.0; spec.queries.len() * width];
    for sequence in spec.sequences {
        for head in 0..spec.heads {
            plain_head(qkv, width, spec, sequence, head, &mut out);
        }
    }
    out
}

/// One head of one sequence.
fn plain_head(
    qkv: &[f32],
    width: usize,
    spec: &AttentionSpec<'_, CpuTensor>,
    sequence: &Sequence,
    h: usize,
    out: &mut [f64],
) {
    let dim = width / spec.heads;
    let prefix = sequence.prefix.len();
    let rows: Vec<usize> = sequence
        .prefix
        .clone()
        .chain(sequence.suffix.clone())
        .collect();
    let rows_of = |which: usize| -> Vec<Vec<f64>> {
        let values = rows.iter().map(|&row| {
            let mut values = head(qkv, width, row, which, (h, dim));
            if let Some(eps) = spec.qk_norm_eps.filter(|_| which < 2) {
                norm(&mut values, eps);
            }
            values
        });
        values.collect()
    };
    let (queries, keys, values) = (rows_of(0), rows_of(1), rows_of(2));
    for (position, row) in rows.iter().enumerate() {
        if !spec.queries.contains(row) {
            continue;
        }
        let logit = |key: usize| {
            let pairs = queries[position].iter().zip(&keys[key]);
            let dot: f64 = pairs.map(|(q, k)| q * k).sum();
            let more = spec
                .log_multiplicity
                .map_or(0.0, |weights| f64::from(weights.values()[rows[key]]));
            if spec.mask == Mask::Full || key < prefix || key <= position {
                dot * f64::from(spec.scale) + more
            } else {
                f64::NEG_INFINITY
            }
        };
        let logits: Vec<f64> = (0..rows.len()).map(logit).collect();
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = logits.iter().map(|l| (l - largest).exp()).sum();
        let target = &mut out[(row - spec.queries.start) * width + h * dim..][..dim];
        for (logit, value) in logits.iter().zip(&values) {
            let share = (logit - largest).exp() / total;
            target
                .iter_mut()
                .zip(value)
                .for_each(|(out, v)| *out += share * v);
        }
    }
}

/// A specification of full attention of all rows with the network's scale.
pub(super) fn full(
    sequences: &[Sequence],
    heads: usize,
    dim: usize,
) -> AttentionSpec<'_, CpuTensor> {
    let ends = sequences
        .iter()
        .map(|sequence| sequence.prefix.end.max(sequence.suffix.end));
    AttentionSpec {
        sequences,
        heads,
        scale: 8.0 / dim as f32,
        qk_norm_eps: None,
        mask: Mask::Full,
        log_multiplicity: None,
        queries: 0..ends.max().unwrap_or(0),
    }
}

/// One sequence of `rows` positions.
fn single(rows: usize) -> [Sequence; 1] {
    [Sequence::single(rows, rows)]
}

/// Compares one attention, and checks that no other row was written.
fn check(
    what: &str,
    engine: &CpuEngine,
    qkv: &[f32],
    width: usize,
    spec: &AttentionSpec<'_, CpuTensor>,
) {
    let rows = qkv.len() / (3 * width);
    let mut out = untouched(engine, &[rows, width]);
    engine
        .attention(&upload(engine, qkv, &[rows, 3 * width]), spec, &mut out)
        .unwrap();
    let expected = plain(qkv, width, spec);
    let place = spec.queries.start * width..spec.queries.end * width;
    assert_close(what, &out.values()[place.clone()], &expected, 5e-6);
    for (index, &value) in out.values().iter().enumerate() {
        assert!(
            place.contains(&index) || value == UNTOUCHED,
            "{what}: wrote {index}"
        );
    }
}

#[test]
fn every_head_size_and_length_is_right() {
    let [engine, portable] = engines(2);
    for (heads, dim) in [(3, 32), (2, 64), (3, 40), (1, 512), (2, 1), (5, 3)] {
        for rows in [1, 2, 47, 48, 49, 130] {
            let width = heads * dim;
            let qkv = values(rows as u64, rows * 3 * width);
            for (engine, eps) in [
                (&engine, None),
                (&engine, Some(1e-5)),
                (&portable, Some(1e-6)),
            ] {
                let sequences = single(rows);
                let mut spec = full(&sequences, heads, dim);
                // Norm over a single channel gives zeros, whatever the logits' scale.
                spec.qk_norm_eps = eps;
                let what = format!("{heads} heads of {dim}, {rows} rows, norm {eps:?}");
                check(&what, engine, &qkv, width, &spec);
            }
        }
    }
}

#[test]
fn the_causal_last_mask_is_right_for_every_prefix() {
    for engine in engines(2) {
        let (heads, dim, rows) = (2, 32, 101);
        let qkv = values(7, rows * 3 * heads * dim);
        for prefix in [0, 1, 17, 48, 64, 100, 101] {
            for queries in [0..rows, 60..rows, 100..101, 30..31] {
                let sequences = [Sequence::single(prefix, rows)];
                let mut spec = full(&sequences, heads, dim);
                spec.mask = Mask::CausalLast;
                spec.queries = queries.clone();
                spec.qk_norm_eps = Some(1e-6);
                check(
                    &format!("prefix {prefix}, {queries:?}"),
                    &engine,
                    &qkv,
                    heads * dim,
                    &spec,
                );
            }
        }
    }
}

#[test]
fn a_sequence_may_be_the_first_rows_of_a_longer_tensor() {
    for engine in engines(2) {
        let (heads, dim, rows) = (2, 40, 70);
        let mut qkv = values(9, rows * 3 * heads * dim);
        // What lies behind the sequence must not be looked at.
        qkv[57 * 3 * heads * dim..].fill(f32::NAN);
        let sequences = single(57);
        let mut spec = full(&sequences, heads, dim);
        spec.qk_norm_eps = Some(1e-5);
        check("57 of 70 rows", &engine, &qkv, heads * dim, &spec);
    }
}

#[test]
fn long_sequences_rescale_what_was_summed_before() {
    let [engine, portable] = engines(2);
    let (heads, dim, rows) = (2, 32, 2100);
    let width = heads * dim;
    let mut qkv = values(11, rows * 3 * width);
    // Keys that grow along the sequence: the largest logit of some queries is in the first block of keys, of others in
    // the last one.
    for (row, values) in qkv.chunks_exact_mut(3 * width).enumerate() {
        let factor = 1.0 + 6.0 * row as f32 / rows as f32;
        values[width..2 * width]
            .iter_mut()
            .for_each(|key| *key *= factor);
    }
    let sequences = [Sequence::single(1030, rows)];
    for mask in [Mask::Full, Mask::CausalLast] {
        for (engine, queries) in [
            (&engine, 0..97),
            (&engine, 1000..1100),
            (&portable, 2080..2100),
        ] {
            let mut spec = full(&sequences, heads, dim);
            spec.mask = mask;
            spec.queries = queries.clone();
            check(&format!("{mask:?} {queries:?}"), engine, &qkv, width, &spec);
        }
    }
}

#[test]
fn extreme_logits_stay_finite() {
    for engine in engines(2) {
        let (heads, dim, rows) = (1, 32, 60);
        let mut qkv = values(13, rows * 3 * dim);
        for row in qkv.chunks_exact_mut(3 * dim) {
            row[..2 * dim].iter_mut().for_each(|v| *v *= 60.0);
        }
        check(
            "logits of thousands",
            &engine,
            &qkv,
            dim,
            &full(&single(rows), heads, dim),
        );
    }
}

#[test]
fn a_multiplicity_stands_for_keys_that_are_really_repeated() {
    for engine in engines(2) {
        let (heads, dim, short_rows, copies) = (2, 32, 1100, 239);
        let width = heads * dim;
        let short = values(17, short_rows * 3 * width);
        let mut long = short.clone();
        let last = short[(short_rows - 1) * 3 * width..].to_vec();
        for _ in 1..copies {
            long.extend_from_slice(&last);
        }
        let rows = short_rows + copies - 1;
        let mut weights = vec![0.0; short_rows];
        weights[short_rows - 1] = (copies as f32).ln();
        let weights = upload(&engine, &weights, &[short_rows]);
        let (few, many) = (single(short_rows), single(rows));
        let mut spec = full(&few, heads, dim);
        spec.qk_norm_eps = Some(1e-6);
        spec.queries = 1050..short_rows;
        let repeated = AttentionSpec {
            queries: spec.queries.clone(),
            ..full(&many, heads, dim)
        };
        let repeated = AttentionSpec {
            qk_norm_eps: Some(1e-6),
            ..repeated
        };
        spec.log_multiplicity = Some(&weights);
        check("one key for many", &engine, &short, width, &spec);

        let mut out = untouched(&engine, &[short_rows, width]);
        engine
            .attention(
                &upload(&engine, &short, &[short_rows, 3 * width]),
                &spec,
                &mut out,
            )
            .unwrap();
        let expected = plain(&long, width, &repeated);
        assert_close(
            "repeated keys",
            &out.values()[1050 * width..],
            &expected,
            5e-6,
        );
    }
}

#[test]
fn every_key_can_have_its_own_multiplicity() {
    for engine in engines(2) {
        let (heads, dim, rows) = (3, 32, 75);
        let qkv = values(19, rows * 3 * heads * dim);
        let weights: Vec<f32> = (0..rows).map(|row| ((row % 9 + 1) as f32).ln()).collect();
        let weights = upload(&engine, &weights, &[rows]);
        let sequences = [Sequence::single(40, rows)];
        let mut spec = full(&sequences, heads, dim);
        spec.log_multiplicity = Some(&weights);
        spec.mask = Mask::CausalLast;
        check("weights of all keys", &engine, &qkv, heads * dim, &spec);
    }
}

#[test]
fn a_query_does_not_depend_on_the_queries_beside_it() {
    for engine in engines(3) {
        let (heads, dim, rows) = (2, 40, 1300);
        let width = heads * dim;
        let qkv = upload(&engine, &values(23, rows * 3 * width), &[rows, 3 * width]);
        let sequences = [Sequence::single(1000, rows)];
        for mask in [Mask::Full, Mask::CausalLast] {
            let mut spec = full(&sequences, heads, dim);
            spec.mask = mask;
            spec.queries = 1000..rows;
            let mut all = untouched(&engine, &[rows, width]);
            engine.attention(&qkv, &spec, &mut all).unwrap();
            for queries in [1000..1001, 1017..1066, 1299..1300, 1020..1040] {
                spec.queries = queries.clone();
                let mut some = untouched(&engine, &[rows, width]);
                engine.attention(&qkv, &spec, &mut some).unwrap();
                let place = queries.start * width..queries.end * width;
                assert_eq!(
                    bits(&some.values()[place.clone()]),
                    bits(&all.values()[place]),
                    "{mask:?} {queries:?}"
                );
            }
        }
    }
}

#[test]
fn a_causal_query_does_not_depend_on_what_comes_after_it() {
    for engine in engines(2) {
        let (heads, dim) = (2, 32);
        let width = heads * dim;
        let qkv = values(29, 1300 * 3 * width);
        let run = |rows: usize| {
            let sequences = [Sequence::single(1000, rows)];
            let mut spec = full(&sequences, heads, dim);
            spec.mask = Mask::CausalLast;
            spec.queries = 1000..1010;
            let mut out = untouched(&engine, &[rows, width]);
            let qkv = upload(&engine, &qkv[..rows * 3 * width], &[rows, 3 * width]);
            engine.attention(&qkv, &spec, &mut out).unwrap();
            bits(&out.values()[1000 * width..1010 * width])
        };
        let short = run(1010);
        assert_eq!(short, run(1011));
        assert_eq!(short, run(1040));
        assert_eq!(short, run(1300));
    }
}
