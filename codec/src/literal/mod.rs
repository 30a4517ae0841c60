//! Literals as data: one reader of what Python's `str(dict)` and JSON write, for configs and for the headers of arrays.
//!
//! Both notations give a [`Value`] and refuse duplicate keys, whole numbers beyond 64 bits, nesting beyond [`MAX_DEPTH`],
//! texts beyond [`MAX_BYTES`] and anything after the value. Nothing is executed: a name other than `True`, `False`,
//! `None`, `inf` and `nan` is an error, and so are string prefixes, adjacent strings that Python would join, calls and
//! operators, none of which `str(dict)` writes.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod json;
mod python;
#[cfg(test)]
mod tests;
mod value;

pub use json::parse_json;
pub use python::parse_python;
pub use value::Value;

/// Deepest nesting of lists and dictionaries.
pub const MAX_DEPTH: usize = 64;
/// Longest text in bytes; a published config takes about 8 000.
pub const MAX_BYTES: usize = 1 << 20;

/// Why a text is not a literal, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {what}")]
#[non_exhaustive]
pub struct LiteralError {
    /// Offset into the text in bytes.
    pub offset: usize,
    /// What is wrong there and what is allowed.
    pub what: String,
}

impl LiteralError {
    fn new(offset: usize, what: impl Into<String>) -> Self {
        Self {
            offset,
            what: what.into(),
        }
    }
}

fn check_size(text: &str) -> Result<(), LiteralError> {
    if text.len() > MAX_BYTES {
        let what = format!(
            "{} bytes of text, at most {MAX_BYTES} are allowed",
            text.len()
        );
        return Err(LiteralError::new(MAX_BYTES, what));
    }
    Ok(())
}

/// The text in `bytes`.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, LiteralError> {
    std::str::from_utf8(bytes).map_err(|error| LiteralError::new(error.valid_up_to(), "not UTF-8"))
}

/// Reads a text that may be JSON or a Python literal; most texts are only one of the two.
///
/// # Errors
/// The error of the notation that reads further into the text.
pub fn parse(text: &str) -> Result<Value, LiteralError> {
    parse_json(text).or_else(|json| {
        parse_python(text).map_err(|python| {
            if json.offset > python.offset {
                json
            } else {
                python
            }
        })
    })
}

fn too_deep() -> String {
    let found = MAX_DEPTH.saturating_add(1);
    format!("nested {found} or more levels deep, at most {MAX_DEPTH} are allowed")
}
