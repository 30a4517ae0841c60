//! Pictures, their coefficients and streams by the reference implementation.

use std::path::Path;

use flextok_tokens::{Grid, Tables, decode_coefficients, encode_coefficients};
use safetensors::SafeTensors;

use crate::common;

/// Encodes and decodes the case of a name; how many cuts were compared.
fn check(tables: &Tables, file: &SafeTensors<'_>, name: &str) -> usize {
    let named = |part: &str| format!("{name}.{part}");
    let shape = file
        .tensor(&named("coefficients"))
        .expect("coefficients")
        .shape()
        .to_vec();
    let grid = Grid::new(shape[1], shape[2]).expect("a grid");
    let coefficients = common::numbers(file, &named("coefficients"), f32::from_le_bytes);
    let stream = common::numbers(file, &named("stream"), u8::from_le_bytes);

    // Photos go on behind 1024 bytes, drawings end with their streams.
    let limit = if stream.len() == 1024 {
        1024
    } else {
        usize::MAX
    };
    let encoded =
        encode_coefficients(tables, grid, &coefficients, limit).expect("finite coefficients");
    assert_eq!(encoded, stream, "{name}");

    let mut compared = 0;
    for cut in
        (0..=stream.len()).filter(|cut| file.tensor(&named(&format!("{cut}.counts"))).is_ok())
    {
        let counts = common::numbers(file, &named(&format!("{cut}.counts")), i64::from_le_bytes);
        let decoded = decode_coefficients(tables, grid, &stream[..cut]).expect("memory");
        let found = [
            decoded.digits as i64,
            decoded.layer as i64,
            decoded.slope.into(),
        ];
        assert_eq!(found.as_slice(), counts, "{name} cut to {cut}");
        if file
            .tensor(&named(&format!("{cut}.quantised_crc32")))
            .is_ok()
        {
            let crc = common::numbers(
                file,
                &named(&format!("{cut}.quantised_crc32")),
                u32::from_le_bytes,
            );
            assert_eq!(
                common::crc32(&decoded.coefficients),
                crc[0],
                "{name} cut to {cut}"
            );
            compared += 1;
        }
    }
    compared
}

#[test]
fn streams_and_coefficients_are_those_of_the_reference() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/builtin.golden.safetensors");
    let bytes = std::fs::read(path).expect("golden numbers");
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let tables = common::tables();
    let cases = [
        ("0", 3),
        ("1", 3),
        ("noise", 4),
        ("checkerboard", 4),
        ("white", 2),
    ];
    for (name, cuts) in cases {
        assert_eq!(check(&tables, &file, name), cuts, "{name}");
    }
}
