//! Both notations: what they read, what they refuse and where.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use proptest::prelude::*;

use super::{MAX_BYTES, MAX_DEPTH, Value, parse, parse_json, parse_python};

fn dict(entries: &[(&str, Value)]) -> Value {
    Value::Dict(
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect(),
    )
}

#[test]
fn reads_every_kind_of_python_literal() {
    let text = r#" {'a': None, "b": [True, False,], 'c': (1, -2), 'd': 1e-05, 'e': (3), 'f': (),
        'g': 'it\'s \x41\u00e9\U0001F600\\', 'h': "say \"x\"", 'i': {}, 'j': .5, 'k': 2., 'l': (4,), 'm': +7} "#;
    let list = Value::List;
    let expected = dict(&[
        ("a", Value::None),
        ("b", list(vec![Value::Bool(true), Value::Bool(false)])),
        ("c", list(vec![Value::Int(1), Value::Int(-2)])),
        ("d", Value::Float(1e-5)),
        ("e", Value::Int(3)),
        ("f", list(vec![])),
        ("g", Value::Str("it's Aé😀\\".to_owned())),
        ("h", Value::Str("say \"x\"".to_owned())),
        ("i", Value::Dict(vec![])),
        ("j", Value::Float(0.5)),
        ("k", Value::Float(2.0)),
        ("l", list(vec![Value::Int(4)])),
        ("m", Value::Int(7)),
    ]);
    assert_eq!(parse_python(text).unwrap(), expected);
}

#[test]
fn reads_numbers_that_are_not_finite() {
    assert_eq!(parse_python("inf").unwrap(), Value::Float(f64::INFINITY));
    assert_eq!(
        parse_python("-inf").unwrap(),
        Value::Float(f64::NEG_INFINITY)
    );
    assert!(matches!(parse_python("nan").unwrap(), Value::Float(number) if number.is_nan()));
    assert!(matches!(parse_python("-nan").unwrap(), Value::Float(number) if number.is_nan()));
}

#[test]
fn refuses_what_is_no_literal_and_says_where() {
    let cases = [
        ("", 0),
        ("  ", 2),
        ("{'a': 1", 7),
        ("{'a' 1}", 5),
        ("{'a': 1 'b': 2}", 8),
        ("{a: 1}", 1),
        ("{1: 2}", 1),
        ("{'a': 1, 'b': 2, 'a': 3}", 17),
        ("[1, 2", 5),
        ("[1 2]", 3),
        ("[,]", 1),
        ("[1,,2]", 3),
        ("(1, 2]", 5),
        ("'open", 0),
        ("'line\nbreak'", 0),
        (r"'\q'", 1),
        (r"'\x4'", 1),
        (r"'\ud800'", 1),
        (r"'\U00110000'", 1),
        ("b'bytes'", 0),
        ("'a' 'b'", 4),
        ("true", 0),
        ("__import__('os')", 0),
        ("Infinity", 0),
        ("infinite", 0),
        ("1 + 2", 2),
        ("1_000", 1),
        ("007", 0),
        ("0x10", 1),
        ("1e", 0),
        ("-", 0),
        (".", 0),
        ("99999999999999999999", 0),
        ("1 2", 2),
        ("{} x", 3),
        ("é", 0),
    ];
    for (text, offset) in cases {
        let error = parse_python(text).unwrap_err();
        assert_eq!(error.offset, offset, "{text:?}: {error}");
        assert!(
            !error.what.is_empty() && !error.to_string().contains('\n'),
            "{text:?}: {error}"
        );
    }
}

#[test]
fn refuses_deep_and_long_texts() {
    let nest = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for parser in [parse_python, parse_json] {
        assert!(parser(&nest(MAX_DEPTH)).is_ok());
        let error = parser(&nest(MAX_DEPTH + 1)).unwrap_err();
        assert!(error.what.contains("at most 64"), "{error}");
        let error = parser(&"[".repeat(100_000)).unwrap_err();
        assert!(error.offset <= MAX_DEPTH + 1, "{error}");
        let error = parser(&"{'a':".repeat(100_000)).unwrap_err();
        assert!(error.offset <= 6 * MAX_DEPTH, "{error}");
        let error = parser(&" ".repeat(MAX_BYTES + 1)).unwrap_err();
        assert!(error.what.contains("at most"), "{error}");
    }
}

#[test]
fn reads_json_and_refuses_duplicates_and_leftovers() {
    let value = parse_json(r#"{"z": null, "a": [true, 1, -2, 1e-06], "s": "\u00e9"}"#).unwrap();
    let list = vec![
        Value::Bool(true),
        Value::Int(1),
        Value::Int(-2),
        Value::Float(1e-6),
    ];
    let expected = dict(&[
        ("z", Value::None),
        ("a", Value::List(list)),
        ("s", Value::Str("é".to_owned())),
    ]);
    assert_eq!(value, expected);
    assert!(
        parse_json(r#"{"a": 1, "a": 2}"#)
            .unwrap_err()
            .what
            .contains("twice")
    );
    assert!(
        parse_json(r#"{"a": {"b": 1, "b": 1}}"#)
            .unwrap_err()
            .what
            .contains("twice")
    );
    assert!(parse_json("{} {}").unwrap_err().what.contains("trailing"));
    assert!(parse_json("18446744073709551615").is_err());
    assert_eq!(parse_json("{\n \"a\": x}").unwrap_err().offset, 8);
}

#[test]
fn reads_either_notation_and_reports_the_one_that_got_further() {
    assert_eq!(
        parse("{'a': None}").unwrap(),
        parse("{\"a\": null}").unwrap()
    );
    let error = parse("{'a': None, 'b': nope}").unwrap_err();
    assert_eq!(
        (error.offset, error.what.contains("nope")),
        (17, true),
        "{error}"
    );
    let error = parse("{\"a\": null, \"b\": nope}").unwrap_err();
    assert!(error.offset > 6 && error.what.contains("JSON"), "{error}");
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>()
            .prop_filter("not a number is not equal to itself", |number| !number
                .is_nan())
            .prop_map(Value::Float),
        ".{0,12}".prop_map(Value::Str),
        any::<String>().prop_map(Value::Str),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|entries| Value::Dict(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printed_values_are_read_back(value in values()) {
        prop_assert_eq!(parse_python(&value.to_string()), Ok(value));
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = (parse_python(&text), parse_json(&text), parse(&text));
    }

    #[test]
    fn any_near_literal_is_read_or_refused(text in r#"[\[\](){}'"\\,: 0-9a-fxuUTNe.+\-\n]{0,64}"#) {
        for error in [parse_python(&text).err(), parse_json(&text).err()].into_iter().flatten() {
            prop_assert!(error.offset <= text.len());
        }
    }

    #[test]
    fn a_cut_text_is_refused_where_it_ends(value in values(), cut in any::<prop::sample::Index>()) {
        let text = format!("[{value}]");
        let end = (0..=cut.index(text.len())).rev().find(|end| text.is_char_boundary(*end));
        prop_assert!(parse_python(&text[..end.unwrap_or(0)]).is_err());
    }
}
