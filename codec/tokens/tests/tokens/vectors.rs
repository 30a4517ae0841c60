//! Streams of made-up coefficients by the reference implementation, from `make_vectors.py`.

use std::path::Path;
use std::process::Command;

use flextok_tokens::{Grid, Tables, decode_coefficients, encode_coefficients};
use safetensors::SafeTensors;

use crate::common;

/// A number of SplitMix64 by its place.
fn hash(seed: u64, index: usize) -> u64 {
    let mut z = seed.wrapping_add((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// The coefficients that the script makes for a kind of picture, in the axes [colour, row, column, u, v].
fn coefficients(kind: &str, grid: Grid, seed: u64, ac_size: &[i32]) -> Vec<f32> {
    let blocks = grid.blocks();
    (0..grid.coefficients())
        .map(|index| {
            let frequency = index % 1024;
            let (block, colour) = (index / 1024 % blocks, index / 1024 / blocks);
            let level = |luma: f32| if colour == 0 { luma } else { 0.0 };
            let h = hash(seed, index);
            let octaves = match (kind, frequency) {
                ("checkerboard", 1023) => return level(12_000.0),
                ("checkerboard", 993) => return level(-700.25),
                ("checkerboard", 63) => return level(700.75),
                ("checkerboard", 0) if block == 0 => return level(100.0),
                ("white", 0) if block == 0 => return level(28_267.0),
                ("flat", 0) if block == 0 => return level(-2345.0),
                ("flat" | "white" | "checkerboard", _) => return 0.0,
                ("noise", _) => 9,
                ("extreme", _) => (h >> 16 & 31) as i32 - 4,
                (_, 0) => 15 - (block / grid.columns() + block % grid.columns()).min(7) as i32,
                _ => {
                    let tail = h >> 16;
                    let heavy = [3, 15, 63].map(|mask| i32::from(tail & mask == mask));
                    let busy = (hash(seed + 1, block) & 3) as i32 - 1;
                    heavy.iter().sum::<i32>() + busy + (ac_size[colour * 1024 + frequency] >> 3)
                }
            };
            let mantissa = h & 0xffff;
            let shifted = if octaves > 0 {
                mantissa << octaves
            } else {
                mantissa >> -octaves
            };
            let quarters = (shifted >> 15) as f32;
            (if h >> 63 == 1 { -quarters } else { quarters }) / 4.0
        })
        .collect()
}

/// Encodes and decodes the case of a line.
fn check(tables: &Tables, ac_size: &[i32], line: &str) {
    let fields: Vec<&str> = line.split('\t').collect();
    let &[kind, rows, columns, seed, limit, length, crc, head, cuts] = fields.as_slice() else {
        panic!("not a case: {line}");
    };
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let grid = Grid::new(number(rows), number(columns)).expect("a grid");
    let coefficients = coefficients(kind, grid, number(seed) as u64, ac_size);
    let stream = encode_coefficients(tables, grid, &coefficients, number(limit))
        .expect("finite coefficients");
    let case = format!("{kind} {rows}x{columns}");
    let start: String = stream
        .iter()
        .take(32)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(start, head, "{case}");
    assert_eq!(stream.len(), number(length), "{case}");
    assert_eq!(format!("{:08x}", crc32fast::hash(&stream)), crc, "{case}");
    for cut in cuts.split(' ') {
        let (bytes, expected) = cut.split_once(':').expect("a cut");
        let decoded = decode_coefficients(tables, grid, &stream[..number(bytes)]).expect("memory");
        let crc = common::crc32(&decoded.coefficients);
        let found = format!(
            "{}:{}:{}:{crc:08x}",
            decoded.digits, decoded.layer, decoded.slope
        );
        assert_eq!(found, expected, "{case} cut to {bytes} bytes");
    }
}

fn check_all(vectors: &str) -> usize {
    let tables = common::tables();
    let model = SafeTensors::deserialize(flextok_models::BUILTIN).expect("a model");
    let ac_size = common::numbers(&model, "tables.ac_size", i32::from_le_bytes);
    vectors
        .lines()
        .map(|line| check(&tables, &ac_size, line))
        .count()
}

#[test]
fn streams_are_those_of_the_vectors() {
    assert_eq!(check_all(include_str!("data/vectors.tsv")), 24);
}

/// `FLEXTOK_REFERENCE="ref.py tables.npz" cargo test -p flextok-tokens vectors -- --ignored`, where `python3` has
/// numpy; `FLEXTOK_SEED` makes other coefficients.
#[test]
#[ignore = "needs the reference implementation and numpy, and minutes"]
fn streams_are_those_of_the_reference() {
    let reference = std::env::var("FLEXTOK_REFERENCE").expect("the reference and its tables");
    let seed = std::env::var("FLEXTOK_SEED").unwrap_or_else(|_| "1000".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tokens/make_vectors.py");
    let made = Command::new("python3")
        .arg(script)
        .args(reference.split(' '))
        .arg(seed)
        .output()
        .expect("python3");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    assert_eq!(check_all(&String::from_utf8_lossy(&made.stdout)), 24);
}
