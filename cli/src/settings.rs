//! Settings of runs that can be interrupted, as their files have them: another run must not go on with them.

use serde_json::{Map, Value};

/// What tells one run from another.
pub(crate) type Settings = Map<String, Value>;

/// The first setting that differs, and how, in words; none if all are the same.
pub(crate) fn difference(old: &Settings, new: &Settings) -> Option<String> {
    let key = { old.keys().chain(new.keys()) }.find(|key| old.get(*key) != new.get(*key))?;
    let shown = |from: &Settings| from.get(key).unwrap_or(&Value::Null).to_string();
    Some(format!(
        "{key} is {} there and {} now",
        shown(old),
        shown(new)
    ))
}
