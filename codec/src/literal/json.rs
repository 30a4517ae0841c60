//! JSON as a [`Value`]: `serde_json` reads it, and this adds what it does not refuse: duplicate keys, and nesting
//! beyond [`MAX_DEPTH`].

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use super::{LiteralError, MAX_DEPTH, Value, check_size, too_deep};

/// Reads a JSON text.
///
/// # Errors
/// [`LiteralError`] for everything that is not exactly one JSON value within the limits of this module, with whole
/// numbers that fit 64 bits.
pub fn parse_json(text: &str) -> Result<Value, LiteralError> {
    check_size(text)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let result = JsonSeed { depth: 0 }.deserialize(&mut reader);
    result
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| {
            let line_start = text
                .split_inclusive('\n')
                .take(error.line().saturating_sub(1))
                .fold(0_usize, |sum, line| sum.saturating_add(line.len()));
            let offset = line_start
                .saturating_add(error.column().saturating_sub(1))
                .min(text.len());
            let error = crate::message::one_line(&error.to_string());
            LiteralError::new(offset, format!("not valid JSON: {error}"))
        })
}

/// Reads one JSON value at the given depth of lists and dictionaries.
struct JsonSeed {
    depth: usize,
}

impl JsonSeed {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(too_deep()));
        }
        Ok(Self {
            depth: self.depth.saturating_add(1),
        })
    }
}

impl<'de> DeserializeSeed<'de> for JsonSeed {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        let number = i64::try_from(value);
        number.map(Value::Int).map_err(|_| {
            E::custom(format!(
                "{value} is out of range for a signed 64-bit integer"
            ))
        })
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Str(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self.deeper()?)? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = items.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("the key {key:?} appears twice")));
            }
            entries.push((key, items.next_value_seed(self.deeper()?)?));
        }
        Ok(Value::Dict(entries))
    }
}
