//! Files made to do harm: what refuses them names the tensor or the key, and comes before the harm.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;

use super::{PUBLISHED, Scratch, file, open};
use crate::weights::{OpenOptions, Weights};

fn refused(header: &str, data: &[u8]) -> String {
    let text = open(file(header, data)).unwrap_err().to_string();
    assert!(
        !text.contains(char::is_control) && text.len() < 3000,
        "{text}"
    );
    text
}

#[test]
fn what_is_wrong_with_a_tensor_names_it() {
    let entry = |dtype: &str, shape: &str, offsets: &str| {
        let all = format!(r#"{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}}}"#);
        format!(r#"{{"fine":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}},"bad.one":{all}}}"#)
    };
    let long = format!("[{}]", ["1"; 100_000].join(","));
    let nested = "[".repeat(100_000);
    for header in [
        entry(r#""F32""#, "[1]", "[-4,0]"),
        entry(r#""F32""#, "[1]", "[4.5,8]"),
        entry(r#""F32""#, "[1]", "[4,1180591620717411303424]"),
        entry(r#""F32""#, "[1]", "[4,18446744073709551615]"),
        entry(
            r#""F32""#,
            "[1]",
            "[18446744073709551612,18446744073709551615]",
        ),
        entry(r#""F32""#, "[1]", "[4]"),
        entry(r#""F32""#, "[1]", "[4,8,12]"),
        entry(r#""F32""#, "[1]", "[8,4]"),
        entry(r#""F32""#, "[1]", "[2,6]"),
        entry(r#""F32""#, "[1]", "[5,9]"),
        entry(r#""F32""#, "[1]", "null"),
        entry(r#""F32""#, "[-1]", "[4,8]"),
        entry(r#""F32""#, "[9223372036854775808,2]", "[4,4]"),
        entry(r#""F32""#, "[4294967296,4294967296,16]", "[4,8]"),
        entry(r#""F32""#, &long, "[4,8]"),
        entry(r#""F32""#, &nested, "[4,8]"),
        entry(r#""F33""#, "[1]", "[4,8]"),
        entry(r#""F\n\u001b[2J""#, "[1]", "[4,8]"),
        entry(&format!("{:?}", "F".repeat(1 << 20)), "[1]", "[4,8]"),
        entry("7", "[1]", "[4,8]"),
        entry(&nested, "[1]", "[4,8]"),
        entry(r#""F64""#, "[1]", "[4,8]"),
        r#"{"bad.one":{"shape":[1],"data_offsets":[0,8]}}"#.to_owned(),
        r#"{"bad.one":{"dtype":"F32","shape":[1],"data_offsets":[0,8],"more":{}}}"#.to_owned(),
        r#"{"bad.one":5}"#.to_owned(),
    ] {
        let error = refused(&header, &[0; 8]);
        assert!(error.contains(r#"tensor "bad.one""#), "{error}");
    }
}

#[test]
fn what_is_wrong_with_metadata_names_the_key() {
    let nested = "[".repeat(100_000);
    let long = "x".repeat((1 << 20) + 1);
    for (value, key) in [
        (nested.clone(), "__metadata__"),
        ("5".to_owned(), "__metadata__"),
        (format!(r#"{{"config":{nested}}}"#), r#"key "config""#),
        (r#"{"config":{"a":1}}"#.to_owned(), r#"key "config""#),
        (r#"{"config":null}"#.to_owned(), r#"key "config""#),
        (format!(r#"{{"config":"{long}"}}"#), r#"key "config""#),
    ] {
        let error = refused(&format!(r#"{{"__metadata__":{value}}}"#), &[]);
        assert!(error.contains(key), "{key}: {error}");
    }
    let text = "x".repeat(1 << 20);
    let together = format!(r#"{{"__metadata__":{{"a":"{text}","b":"{text}","c":"x"}}}}"#);
    let error = refused(&together, &[]);
    assert!(error.contains(r#"key "c""#), "{error}");
    assert!(
        error.contains("2097153") && error.contains("2097152"),
        "{error}"
    );
}

/// Texts that are no config, each for another reason.
fn no_configs() -> Vec<String> {
    let mut texts: Vec<String> = [
        ("[", "]"),
        ("(", ")"),
        ("{'a':", "}"),
        (r#"{"a":"#, "}"),
        ("{'a':[(", ")]}"),
    ]
    .into_iter()
    .flat_map(|(open, close)| {
        let open = open.repeat(100_000);
        [format!("{open}{}", close.repeat(100_000)), open]
    })
    .collect();
    let code = [
        "__import__('os').system('exit')",
        "{'_target_': __import__('os').system('exit')}",
        "{'_target_': 'os.system', 'command': 'exit'}",
        "exec(\"raise SystemExit\")",
        "lambda: 0",
        "[x for x in (1, 2)]",
        "{**{'a': 1}}",
        "f'{1 + 1}'",
        "b'bytes'",
        "1 + 1",
        "9**9**9",
        "{'_target_': 'a' 'b'}",
        "!!python/object/apply:os.system ['exit']",
        "",
        "\u{0}",
    ];
    texts.extend(code.map(str::to_owned));
    let digits = "9".repeat(1 << 20);
    texts.extend([
        digits.clone(),
        format!("1e{}", "9".repeat(1000)),
        format!("-{}", "-".repeat(100_000)),
        format!("[{}]", "1,".repeat((1 << 19) - 2)),
        format!("'{}", "\\x41".repeat(200_000)),
    ]);
    texts
}

#[test]
fn no_text_of_a_config_is_executed_or_followed_down() {
    let published: BTreeMap<String, String> = serde_json::from_str(PUBLISHED).unwrap();
    let header = |metadata: &BTreeMap<String, String>| {
        serde_json::to_string(&BTreeMap::from([("__metadata__", metadata)])).unwrap()
    };
    assert!(open(file(&header(&published), &[])).is_ok());
    for text in no_configs() {
        for key in ["vae", "encoder", "decoder", "regularizer", "pipeline"] {
            let mut metadata = published.clone();
            metadata.insert(key.to_owned(), text.clone());
            let error = refused(&header(&metadata), &[]);
            let start: String = text.chars().take(40).collect();
            assert!(error.contains(key), "{key}, {start:?}: {error}");
        }
        let config = BTreeMap::from([("config".to_owned(), text)]);
        let error = refused(&header(&config), &[]);
        assert!(error.contains("config"), "{error}");
    }
}

#[test]
fn a_file_is_refused_before_it_is_read_in_whole() {
    let scratch = Scratch::new("sparse");
    let options = OpenOptions {
        mmap: false,
        max_read_bytes: u64::MAX,
        ..OpenOptions::default()
    };
    // More than any machine could read; the file has holes and takes no place on the disk.
    let size = 1_u64 << 42;
    for (name, header, length, text) in [
        (
            "text",
            r#"{"__metadata__":{"config":""#,
            1_u64 << 30,
            "at most 16777216",
        ),
        (
            "far",
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            54,
            "tensor \"a\"",
        ),
        ("deep", r#"{"__metadata__":{}}"#, 19, "the tensors end at 0"),
    ] {
        let path = scratch.0.join(name);
        let mut file = File::create(&path).unwrap();
        file.write_all(&length.to_le_bytes()).unwrap();
        file.write_all(header.as_bytes()).unwrap();
        if file.set_len(size).is_err() {
            // A file system without such files has nothing to show.
            return;
        }
        let error = Weights::open(&path, &options).unwrap_err().to_string();
        assert!(error.contains(text), "{text}: {error}");
    }
}
