//! Headers that are refused, and with what words.

use super::super::header;
use super::file;
use crate::weights::HeaderLimits;

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
            "a header of 9 bytes in a file with 2 after it",
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
            "\"a\" is there twice",
        ),
        (
            r#"{"__metadata__":{},"__metadata__":{}}"#.to_owned(),
            "twice",
        ),
        (
            r#"{"__metadata__":{"k":"1","k":"2"}}"#.to_owned(),
            "\"k\" is there twice",
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
    let cases = [
        ("[1]", "F32", [0, 4], "[1]", "F32", [2, 6], "overlaps"),
        ("[1]", "F32", [0, 4], "[1]", "F32", [0, 4], "overlaps"),
        ("[1]", "F16", [0, 2], "[1]", "F32", [4, 8], "a gap after \""),
        (
            "[1]",
            "F16",
            [2, 4],
            "[1]",
            "F32",
            [4, 8],
            "start of the data",
        ),
        ("[1]", "F32", [4, 8], "[1]", "F32", [8, 12], "not inside"),
        ("[1]", "F32", [0, 4], "[2]", "F32", [4, 8], "needs 8"),
        (
            "[1]",
            "F32",
            [0, 4],
            "[2]",
            "F32",
            [4, 12],
            "not inside the 8 bytes",
        ),
        ("[1]", "F32", [0, 4], "[1]", "F32", [4, 0], "not inside"),
        ("[1]", "F32", [0, 4], "[1]", "F32", [4, huge], "not inside"),
        (
            "[1]",
            "F32",
            [0, 4],
            "[4294967296,4294967296]",
            "F32",
            [4, 8],
            "more than can be addressed",
        ),
        (
            "[1]",
            "F32",
            [0, 4],
            "[4611686018427387904]",
            "F32",
            [4, 8],
            "more than can be addressed",
        ),
        (
            "[1]",
            "F32",
            [0, 4],
            "[1]",
            "F16",
            [4, 6],
            "there are 8 bytes of data",
        ),
        (
            "[1]",
            "F32",
            [0, 4],
            "[7]",
            "F4",
            [4, 8],
            "more than can be addressed",
        ),
    ];
    for (shape_a, dtype_a, [start_a, end_a], shape_b, dtype_b, [start_b, end_b], text) in cases {
        let header = format!(
            r#"{{"a":{{"dtype":"{dtype_a}","shape":{shape_a},"data_offsets":[{start_a},{end_a}]}},
                "b":{{"dtype":"{dtype_b}","shape":{shape_b},"data_offsets":[{start_b},{end_b}]}}}}"#
        );
        let error = refused(file(&header, &[0; 8]));
        assert!(error.contains(text), "{text}: {error}");
    }
}
