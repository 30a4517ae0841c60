//! Linear layers and attention on sizes that nobody chose.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::attention::{full, plain};
use super::linear::product;
use super::sequences::Packed;
use super::{assert_close, engines, f32_weight, untouched, upload, values, weight};
use crate::backend::{Epilogue, Mask, Sequence};
use crate::{Backend, CpuEngine, DType};

/// Engines that all cases share, so that buffers left over from other sizes are used again.
fn shared() -> &'static [CpuEngine; 2] {
    static ENGINES: OnceLock<[CpuEngine; 2]> = OnceLock::new();
    ENGINES.get_or_init(|| engines(2))
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 64,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(12),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn linear_layers_are_right_on_any_size(
        inputs in 1usize..150,
        outputs in 1usize..150,
        rows in 1usize..120,
        skip in 0usize..4,
        dtype in prop::sample::select(vec![DType::F32, DType::F16, DType::BF16]),
        biased: bool,
        portable: bool,
    ) {
        let engine = &shared()[usize::from(portable)];
        let (stored, numbers) = weight(&values(2, outputs * inputs), &[outputs, inputs], dtype);
        let bias = values(3, outputs);
        let stored_bias = f32_weight(&bias, &[outputs]);
        let packed = engine.linear_weights(&[(&stored, biased.then_some(&stored_bias))]).unwrap();
        let total = rows + skip;
        let x = upload(engine, &values(1, total * inputs), &[total, inputs]);
        let mut out = untouched(engine, &[total, outputs]);
        engine.linear(&x, skip..total, &packed, Epilogue::Store, &mut out).unwrap();
        let used = &x.values()[skip * inputs..];
        let expected = product(used, &numbers, biased.then_some(bias.as_slice()), inputs);
        assert_close("linear", &out.values()[skip * outputs..], &expected, 3e-6);
    }

    #[test]
    fn attention_is_right_on_any_size(
        heads in 1usize..4,
        dim in 1usize..80,
        rows in 1usize..150,
        first in 0.0f64..1.0,
        count in 0.0f64..1.0,
        prefix in proptest::option::of(0usize..150),
        normed: bool,
        weighted: bool,
        portable: bool,
    ) {
        let engine = &shared()[usize::from(portable)];
        let start = (first * rows as f64) as usize;
        let end = start + 1 + (count * (rows - start) as f64) as usize;
        let width = heads * dim;
        let qkv = values(rows as u64, rows * 3 * width);
        let weights: Vec<f32> = (0..rows).map(|row| ((row % 5 + 1) as f32).ln()).collect();
        let weights = upload(engine, &weights, &[rows]);
        let sequences = [Sequence::single(prefix.unwrap_or(0).min(rows), rows)];
        let mut spec = full(&sequences, heads, dim);
        spec.queries = start..end.min(rows);
        spec.mask = prefix.map_or(Mask::Full, |_| Mask::CausalLast);
        spec.qk_norm_eps = normed.then_some(1e-5);
        spec.log_multiplicity = weighted.then_some(&weights);
        let mut out = untouched(engine, &[rows, width]);
        engine.attention(&upload(engine, &qkv, &[rows, 3 * width]), &spec, &mut out).unwrap();
        let place = spec.queries.start * width..spec.queries.end * width;
        assert_close("attention", &out.values()[place], &plain(&qkv, width, &spec), 1e-5);
    }

    #[test]
    fn packed_sequences_are_as_if_alone_on_any_size(
        lengths in prop::collection::vec((0usize..70, 0usize..40), 1..5),
        heads in 1usize..3,
        dim in 1usize..40,
        first in 0.0f64..1.0,
        count in 0.0f64..1.0,
        causal: bool,
        weighted: bool,
        portable: bool,
    ) {
        let rows: usize = lengths.iter().map(|(prefix, suffix)| prefix + suffix).sum();
        let start = (first * rows as f64) as usize;
        let end = (start + 1 + (count * (rows - start) as f64) as usize).min(rows);
        let case = Packed {
            lengths: &lengths,
            heads,
            dim,
            mask: if causal { Mask::CausalLast } else { Mask::Full },
            weighted,
        };
        case.check(&shared()[usize::from(portable)], start..end);
    }
}
