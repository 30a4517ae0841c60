//! Tests of the config readers, and what they share: changing a config value by its path.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod canvas;
mod native;
mod published;

use crate::literal::Value;

/// The value at a dotted path.
fn at<'a>(value: &'a mut Value, path: &str) -> &'a mut Value {
    path.split('.').fold(value, |value, key| match value {
        Value::Dict(entries) => {
            &mut entries
                .iter_mut()
                .find(|(name, _)| name == key)
                .unwrap_or_else(|| panic!("{path}"))
                .1
        }
        _ => panic!("{path}"),
    })
}

/// The dictionary that holds the last key of a path, and that key.
fn parent<'a>(value: &'a mut Value, path: &str) -> (&'a mut Vec<(String, Value)>, String) {
    let (value, key) = match path.rsplit_once('.') {
        Some((parent, key)) => (at(value, parent), key),
        None => (value, path),
    };
    match value {
        Value::Dict(entries) => (entries, key.to_owned()),
        _ => panic!("{path}"),
    }
}

/// Sets or adds the value at a path.
fn set(value: &mut Value, path: &str, new: Value) {
    let (entries, key) = parent(value, path);
    match entries.iter_mut().find(|(name, _)| *name == key) {
        Some((_, old)) => *old = new,
        None => entries.push((key, new)),
    }
}

/// Removes the value at a path.
fn remove(value: &mut Value, path: &str) {
    let (entries, key) = parent(value, path);
    let before = entries.len();
    entries.retain(|(name, _)| *name != key);
    assert_eq!(entries.len() + 1, before, "{path}");
}

/// The paths of all keys, nested ones included.
fn paths(value: &Value) -> Vec<String> {
    let mut all = Vec::new();
    if let Value::Dict(entries) = value {
        for (key, value) in entries {
            all.push(key.clone());
            all.extend(paths(value).into_iter().map(|path| format!("{key}.{path}")));
        }
    }
    all
}

/// JSON with the keys in their order, which matters for modules.
fn json_text(value: &Value) -> String {
    let text = |text: &str| serde_json::json!(text).to_string();
    match value {
        Value::None => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        // JSON has no infinities; they are for the tests of Python literals.
        Value::Float(number) => format!("{number:?}"),
        Value::Str(string) => text(string),
        Value::List(items) => {
            format!(
                "[{}]",
                items.iter().map(json_text).collect::<Vec<_>>().join(", ")
            )
        }
        Value::Dict(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", text(key), json_text(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}
