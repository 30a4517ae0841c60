//! Headers that are refused, and with what words.

use super::super::header;
use super::file;
use crate::weights::{HeaderLimits, WeightsError};

fn refused(bytes: Vec<u8>) -> String {
    let text = header::read(&bytes, &HeaderLimits::default())
        .unwrap_err()
        .to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[test]
fn refuses_files_that_are_no_safetensors_files() {
    let cases: [(&[u8], &str); 5] = [
        (b"", "0 bytes"),
        (b"1234567", "7 bytes"),
        (&[0; 8], "EOF"),
        (
            &[9, 0, 0, 0, 0, 0, 0, 0, b'{', b'}'],
            "a header of 9 bytes, but only 2 bytes follow",
        ),
        (&[1, 0, 0, 0, 0, 0, 0, 0, 0xff], "not UTF-8 at byte 8"),
    ];
    for (bytes, text) in cases {
        let error = refused(bytes.to_vec());
        assert!(error.contains(text), "{text}: {error}");
    }
    for length in [1_u64 << 63, u64::MAX, (16 << 20) + 1, 100_000_000] {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(br#"{"__metadata__":{"huge":"xxxx"#);
        let error = refused(bytes);
        assert!(error.contains("at most 16777216 are allowed"), "{error}");
        assert!(error.contains("\"huge\""), "{error}");
    }
}

#[test]
fn refuses_headers_that_say_too_much() {
    let entry = r#"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#;
    let many: Vec<String> = (0..100_000)
        .map(|index| format!(r#""t{index}":{entry}"#))
        .collect();
    let cases = [
        (format!("{{{}}}", many.join(",")), "at most 16384"),
        ("[".repeat(100_000), "invalid type"),
        (
            format!(r#"{{"a":{}"#, "[".repeat(100_000)),
            "expected value",
        ),
        (
            format!(r#"{{"__metadata__":{}"#, "{\"a\":".repeat(100_000)),
            "invalid type",
        ),
        (
            format!(r#"{{"{}":{entry}}}"#, "n".repeat(1025)),
            "1025 bytes",
        ),
        (
            format!(r#"{{"a":{entry},"a":{entry}}}"#),
            "\"a\" appears twice",
        ),
        (
            r#"{"__metadata__":{},"__metadata__":{}}"#.to_owned(),
            "twice",
        ),
        (
            r#"{"__metadata__":{"k":"1","k":"2"}}"#.to_owned(),
            "\"k\" appears twice",
        ),
        (r#"{"__metadata__":{"k":1}}"#.to_owned(), "invalid type"),
        (
            format!(r#"{{"__metadata__":{{"k":"{}"}}}}"#, "x".repeat(1 << 21)),
            "at most 1048576",
        ),
        (format!(r#"{{"a":{entry}}} {{}}"#), "trailing"),
        (
            r#"{"a":{"dtype":"F32","shape":[0]}}"#.to_owned(),
            "data_offsets",
        ),
        (
            r#"{"a":{"dtype":"F33","shape":[0],"data_offsets":[0,0]}}"#.to_owned(),
            "F33",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}"#.to_owned(),
            "invalid value",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"x":1}}"#.to_owned(),
            "unknown",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[0,0,0,0,0,0,0,0,0],"data_offsets":[0,0]}}"#.to_owned(),
            "at most 8",
        ),
    ];
    for (header, text) in cases {
        let error = refused(file(&header, &[]));
        assert!(error.contains(text), "{text}: {error}");
    }
    let keys: Vec<String> = (0..2000).map(|index| format!(r#""k{index}":"""#)).collect();
    let error = refused(file(
        &format!(r#"{{"__metadata__":{{{}}}}}"#, keys.join(",")),
        &[],
    ));
    assert!(error.contains("at most 1024"), "{error}");
}

#[test]
fn refuses_tensors_that_are_not_where_they_say() {
    let huge = u64::MAX / 2;
    let (order, size) = ("overlaps", "another number of bytes");
    let cases = [
        ("[1]", "F32", [0, 4], "[1]", "F32", [2, 6], "b", order),
        ("[1]", "F32", [0, 4], "[1]", "F32", [0, 4], "", order),
        ("[1]", "F16", [0, 2], "[1]", "F32", [4, 8], "b", order),
        ("[1]", "F16", [2, 4], "[1]", "F32", [4, 8], "a", order),
        ("[1]", "F32", [4, 8], "[1]", "F32", [8, 12], "a", order),
        ("[1]", "F32", [0, 4], "[2]", "F32", [4, 8], "b", size),
        ("[1]", "F32", [0, 4], "[1]", "F32", [4, 0], "b", size),
        ("[1]", "F32", [0, 4], "[1]", "F32", [4, huge], "b", size),
        (
            "[1]",
            "F32",
            [0, 4],
            "[4294967296,4294967296]",
            "F32",
            [4, 8],
            "b",
            size,
        ),
        (
            "[1]",
            "F32",
            [0, 4],
            "[4611686018427387904]",
            "F32",
            [4, 8],
            "b",
            size,
        ),
        ("[1]", "F32", [0, 4], "[7]", "F4", [4, 8], "b", size),
    ];
    for (shape_a, dtype_a, a, shape_b, dtype_b, b, name, text) in cases {
        let error = two_tensors((dtype_a, shape_a, a), (dtype_b, shape_b, b));
        let WeightsError::Layout { tensor, what } = &error else {
            panic!("{error}")
        };
        assert!(name.is_empty() || tensor == name, "{name}: {error}");
        assert!(what.contains(text), "{text}: {error}");
        let (dtype, shape, [start, end]) = match tensor.as_str() {
            "a" => (dtype_a, shape_a, a),
            _ => (dtype_b, shape_b, b),
        };
        let place = format!(
            "{dtype} {} at bytes {start}..{end} of",
            shape.replace(',', ", ")
        );
        assert!(what.contains(&place), "{place}: {error}");
    }
}

#[test]
fn refuses_tensors_that_do_not_end_where_the_file_ends() {
    for (shape, dtype, end) in [("[2]", "F32", 12), ("[1]", "F16", 6)] {
        let error = two_tensors(("F32", "[1]", [0, 4]), (dtype, shape, [4, end]));
        let text = format!("end at {end}, but there are 8 bytes of data");
        assert!(matches!(error, WeightsError::Header { .. }), "{error}");
        assert!(error.to_string().contains(&text), "{text}: {error}");
    }
    // Offsets whose sum with the header's length is beyond 64 bits.
    let quarter = 1_u64 << 60;
    let entries: Vec<String> = (0..15)
        .map(|index| {
            let (start, end) = (index * quarter, (index + 1) * quarter);
            format!(
                r#""t{index:02}":{{"dtype":"U8","shape":[{quarter}],"data_offsets":[{start},{end}]}}"#
            )
        })
        .collect();
    let (start, rest) = (15 * quarter, quarter - 1);
    let last = format!(
        r#""t15":{{"dtype":"U8","shape":[{rest}],"data_offsets":[{start},{}]}}"#,
        u64::MAX
    );
    let error = refused(file(&format!("{{{},{last}}}", entries.join(",")), &[0; 8]));
    assert!(
        error.contains("end at 18446744073709551615, but there are 8"),
        "{error}"
    );
}

/// Why a file of the tensors `a` and `b` and 8 bytes of data is refused.
fn two_tensors(a: (&str, &str, [u64; 2]), b: (&str, &str, [u64; 2])) -> WeightsError {
    let entry = |(dtype, shape, [start, end]): (&str, &str, [u64; 2])| {
        format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#)
    };
    let header = format!(r#"{{"a":{},"b":{}}}"#, entry(a), entry(b));
    header::read(&file(&header, &[0; 8]), &HeaderLimits::default()).unwrap_err()
}
