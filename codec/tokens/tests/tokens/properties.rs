//! Properties of streams over arbitrary coefficients, grids, cuts, pieces and bytes.

use std::sync::LazyLock;

use flextok_tokens::{
    Band, Decoder, Error, Grid, TableParts, Tables, bands_of_blocks, blocks_of_bands,
    decode_coefficients, encode_coefficients, encode_measured,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common;

static TABLES: LazyLock<Tables> = LazyLock::new(common::tables);

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(12),
        ..ProptestConfig::with_cases(24)
    }
}

/// Blocks high and wide, a seed, and the octaves of large coefficients.
type Kind = (usize, usize, u64, u32);

fn kinds() -> impl Strategy<Value = Kind> {
    (1..=4_usize, 1..=4_usize, any::<u64>(), 0..=12_u32)
}

/// Coefficients of blocks: mostly small ones, a few of any size.
fn picture((rows, columns, seed, octaves): Kind) -> (Grid, Vec<f32>) {
    let grid = Grid::new(rows, columns).expect("a grid");
    let mut state = seed;
    let coefficients = (0..grid.coefficients()).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let size = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
        let often_small = size.powi(3) * (1_u32 << octaves) as f32;
        let factor = if state >> 33 & 1023 == 0 { 512.0 } else { 1.0 };
        often_small * factor
    });
    (grid, coefficients.collect())
}

fn squared_error(expected: &[f32], found: &[f32]) -> f64 {
    let differences = expected
        .iter()
        .zip(found)
        .map(|(&a, &b)| f64::from(a) - f64::from(b));
    differences.map(|difference| difference * difference).sum()
}

/// The state of a decoder that a picture shows.
fn bands(decoder: &Decoder, grid: Grid) -> Vec<f32> {
    let mut bands = vec![0.0; grid.coefficients()];
    for (band, values) in Band::all().zip(bands.chunks_exact_mut(grid.blocks())) {
        decoder.read(band, 0, values);
    }
    bands
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_prefix_decodes_to_the_digits_that_come_first(kind in kinds(), limit in 0..300_usize) {
        let (grid, coefficients) = picture(kind);
        let by_band = bands_of_blocks(grid, &coefficients)?;
        let measured = encode_measured(&TABLES, grid, by_band.as_slice(), limit)?;
        let stream = &measured.bytes;
        prop_assert_eq!(stream, &encode_coefficients(&TABLES, grid, &coefficients, limit)?);
        prop_assert_eq!(measured.squared_errors.len(), stream.len() + 1);
        // What goes on to decode the whole stream shows, after each byte, what these bytes decode to alone.
        let mut decoder = Decoder::new(&TABLES, grid)?;
        for cut in 0..=stream.len() {
            decoder.feed(&stream[cut.saturating_sub(1)..cut])?;
            let alone = decode_coefficients(&TABLES, grid, &stream[..cut])?;
            let counts = (decoder.digits(), decoder.layer(), decoder.slope());
            prop_assert_eq!(counts, (alone.digits, alone.layer, alone.slope));
            prop_assert_eq!(blocks_of_bands(grid, &bands(&decoder, grid))?, alone.coefficients.clone());
            let error = squared_error(&coefficients, &alone.coefficients);
            let reported = measured.squared_errors[cut];
            prop_assert!((error - reported).abs() <= 1e-9 * measured.squared_errors[0], "{} for {}", reported, error);
        }
    }

    #[test]
    fn a_whole_stream_has_every_digit(kind in kinds()) {
        let (grid, coefficients) = picture(kind);
        let stream = encode_coefficients(&TABLES, grid, &coefficients, usize::MAX)?;
        let mut decoder = Decoder::new(&TABLES, grid)?;
        decoder.feed(&stream)?;
        prop_assert!(decoder.is_complete());
        let all = (decoder.digits(), decoder.layer(), bands(&decoder, grid));
        decoder.feed(&[0x55; 100])?;
        prop_assert_eq!(&all, &(decoder.digits(), decoder.layer(), bands(&decoder, grid)));
        // One byte less says less: the stream is as short as can be.
        let (_, shorter) = stream.split_last().expect("a byte");
        prop_assert!(decode_coefficients(&TABLES, grid, shorter)?.digits < all.0);
        // The last threshold of all bands is 1.
        let decoded = decode_coefficients(&TABLES, grid, &stream)?;
        for (&value, &found) in coefficients.iter().zip(&decoded.coefficients) {
            prop_assert!((value - found).abs() <= 1.0, "{} for {}", found, value);
        }
    }

    #[test]
    fn any_bytes_decode(
        rows in 1..=9_usize,
        columns in 1..=9_usize,
        bytes in vec(any::<u8>(), 0..300),
        pieces in vec(0..40_usize, 0..20),
    ) {
        let grid = Grid::new(rows, columns)?;
        let alone = decode_coefficients(&TABLES, grid, &bytes)?;
        prop_assert!(alone.digits <= 15_200 * bytes.len() as u64);
        prop_assert!(alone.coefficients.iter().all(|value| value.abs() < 8_388_608.0));
        let mut decoder = Decoder::new(&TABLES, grid)?;
        let mut rest = bytes.as_slice();
        for piece in pieces {
            let (now, later) = rest.split_at(piece.min(rest.len()));
            decoder.feed(now)?;
            rest = later;
        }
        decoder.feed(rest)?;
        prop_assert_eq!((decoder.digits(), decoder.layer()), (alone.digits, alone.layer));
        prop_assert_eq!(blocks_of_bands(grid, &bands(&decoder, grid))?, alone.coefficients);
    }

    #[test]
    fn any_sound_tables_work(
        kind in kinds(),
        sizes in vec(-4096..=4096_i32, 3078),
        steps in vec(0..=1_i64 << 30, 90),
        gains in vec(-300..=32_767_i32, 24),
        probabilities in vec(24..=65_512_i32, 216),
        weights in vec(-2048..=2048_i32, 18),
        bytes in vec(any::<u8>(), 0..100),
    ) {
        let (grid, coefficients) = picture(kind);
        let mut steps = [steps.clone(), steps.clone(), steps].map(|mut steps| { steps.sort_unstable(); steps });
        steps[1].fill(0);
        let mut gains = gains;
        gains.sort_unstable_by(|a, b| b.cmp(a));
        let order: Vec<i32> = (0..144)
            .flat_map(|size| {
                let gains = gains.iter().enumerate();
                gains.map(move |(plane, &gain)| if plane < (144 - size) / 8 { -32_768 } else { gain })
            })
            .collect();
        let tables = Tables::new(&TableParts {
            ac_size: &sizes[..3072],
            dc_steps: &steps.concat(),
            dc_top: &sizes[3072..3075],
            mean_size: &sizes[3075..],
            order: &order,
            p_one: &probabilities,
            weights: &weights,
        })?;
        let any = decode_coefficients(&tables, grid, &bytes)?;
        prop_assert!(any.digits <= 15_200 * bytes.len() as u64);
        let by_band = bands_of_blocks(grid, &coefficients)?;
        let measured = encode_measured(&tables, grid, by_band.as_slice(), 300)?;
        let decoded = decode_coefficients(&tables, grid, &measured.bytes)?;
        let error = squared_error(&coefficients, &decoded.coefficients);
        let reported = measured.squared_errors[measured.bytes.len()];
        prop_assert!((error - reported).abs() <= 1e-9 * measured.squared_errors[0], "{} for {}", reported, error);
    }
}

#[test]
fn large_coefficients_saturate() {
    let grid = Grid::new(1, 1).expect("a grid");
    let encode = |value: f32| {
        let mut coefficients = vec![0.0; grid.coefficients()];
        coefficients[[0, 5, 2000][value as usize % 3]] = value;
        coefficients[7] = -value;
        encode_coefficients(&TABLES, grid, &coefficients, usize::MAX)
    };
    let largest = (1 << 22) as f32 - 0.25;
    assert_eq!(encode(largest * 3.0), encode(largest * 3.0 * 1024.0));
    assert_ne!(encode(3_000_000.0), encode(3_000_003.0 * 2.0));
    let stream = encode(f32::MAX).expect("finite coefficients");
    let decoded = decode_coefficients(&TABLES, grid, &stream)
        .expect("memory")
        .coefficients;
    assert!((decoded[7] + largest).abs() <= 1.0, "{}", decoded[7]);
}

#[test]
fn coefficients_that_are_not_finite_are_refused() {
    let grid = Grid::new(2, 2).expect("a grid");
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut coefficients = vec![0.0; grid.coefficients()];
        // The last coefficient, of which few bytes say nothing.
        *coefficients.last_mut().expect("coefficients") = value;
        let error = encode_coefficients(&TABLES, grid, &coefficients, 1);
        let last = Band::new(2, 31, 31).expect("a band");
        assert!(
            matches!(error, Err(Error::NonFinite { band, index: 3, .. }) if band == last),
            "{error:?}"
        );
    }
}

#[test]
fn sizes_that_are_not_possible_are_refused() {
    for (rows, columns) in [(0, 1), (1, 0), (256, 1), (1, 256), (usize::MAX, 1)] {
        assert_eq!(
            Grid::new(rows, columns),
            Err(Error::GridSize { rows, columns })
        );
    }
    let grid = Grid::new(1, 2).expect("a grid");
    let error = encode_coefficients(&TABLES, grid, &[0.0; 3072], 9);
    assert_eq!(
        error,
        Err(Error::CoefficientCount {
            found: 3072,
            expected: 6144
        })
    );
    assert_eq!(Band::new(3, 0, 0), None);
    assert_eq!(Band::new(0, 32, 0), None);
    assert_eq!(Band::new(0, 0, 32), None);
}
