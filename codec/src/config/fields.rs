//! Reads a dictionary of a closed schema: the keys that are read are the known ones, every other key is refused by name.

use std::ops::RangeInclusive;

use super::error::ConfigError;
use crate::literal::Value;

/// A dictionary on its way to being read, with the path that leads to it.
pub(super) struct Fields<'a> {
    path: String,
    entries: &'a [(String, Value)],
    known: Vec<&'static str>,
}

type Result<T> = std::result::Result<T, ConfigError>;

/// `path.key`, or `key` at the top.
pub(super) fn join(path: &str, key: &str) -> String {
    // Keys come from the file and end up in one-line messages.
    let key = key.escape_debug();
    if path.is_empty() {
        key.to_string()
    } else {
        format!("{path}.{key}")
    }
}

impl<'a> Fields<'a> {
    /// Starts to read `value`, which has to be a dictionary.
    pub(super) fn new(path: impl Into<String>, value: &'a Value) -> Result<Self> {
        let path = path.into();
        match value {
            Value::Dict(entries) => Ok(Self {
                path,
                entries,
                known: Vec::new(),
            }),
            other => Err(ConfigError::Value {
                path: if path.is_empty() {
                    "config".to_owned()
                } else {
                    path
                },
                found: other.excerpt(),
                allowed: "a dictionary".to_owned(),
            }),
        }
    }

    /// The dictionary's entries in the order of the text, for dictionaries whose keys are names of modules.
    pub(super) fn entries(&self) -> &'a [(String, Value)] {
        self.entries
    }

    /// The path of a key of this dictionary.
    pub(super) fn at(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// The value under `key`, which counts as known from now on.
    pub(super) fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries
            .iter()
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    /// Refuses the value under `key`.
    pub(super) fn refuse(
        &self,
        key: &str,
        found: &Value,
        allowed: impl Into<String>,
    ) -> ConfigError {
        let (path, allowed) = (self.at(key), allowed.into());
        ConfigError::Value {
            path,
            found: found.excerpt(),
            allowed,
        }
    }

    /// Refuses the dictionary because `key` is missing.
    pub(super) fn missing(&self, key: &str, allowed: impl Into<String>) -> ConfigError {
        ConfigError::Missing {
            path: self.at(key),
            allowed: allowed.into(),
        }
    }

    /// A dictionary under `key`.
    pub(super) fn nested(&mut self, key: &'static str) -> Result<Fields<'a>> {
        match self.get(key) {
            Some(value) => Fields::new(self.at(key), value),
            None => Err(self.missing(key, "a dictionary")),
        }
    }

    /// A whole number in `range`, if present.
    pub(super) fn size_opt(
        &mut self,
        key: &'static str,
        range: RangeInclusive<usize>,
    ) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value {
            Value::Int(number) => usize::try_from(*number)
                .ok()
                .filter(|size| range.contains(size)),
            _ => None,
        }
        .map(Some)
        .ok_or_else(|| self.refuse(key, value, whole(&range)))
    }

    /// A whole number in `range`.
    pub(super) fn size(
        &mut self,
        key: &'static str,
        range: RangeInclusive<usize>,
    ) -> Result<usize> {
        let allowed = whole(&range);
        self.size_opt(key, range)?
            .ok_or_else(|| self.missing(key, allowed))
    }

    /// A whole number that must be `expected`, described by `what`.
    pub(super) fn size_is(&mut self, key: &'static str, expected: usize, what: &str) -> Result<()> {
        let allowed = format!("{expected} ({what})");
        match self.get(key) {
            None => Err(self.missing(key, allowed)),
            Some(Value::Int(number)) if usize::try_from(*number) == Ok(expected) => Ok(()),
            Some(value) => Err(self.refuse(key, value, allowed)),
        }
    }

    /// A list of whole numbers in `range`, with as many entries as `count` allows.
    pub(super) fn sizes(
        &mut self,
        key: &'static str,
        count: RangeInclusive<usize>,
        range: RangeInclusive<usize>,
    ) -> Result<Vec<usize>> {
        let length = if count.start() == count.end() {
            format!("{}", count.start())
        } else {
            format!("{} to {}", count.start(), count.end())
        };
        let allowed = format!("a list of {length} numbers, each {}", whole(&range));
        let Some(value) = self.get(key) else {
            return Err(self.missing(key, allowed));
        };
        let sizes: Option<Vec<usize>> = match value {
            Value::List(items) if count.contains(&items.len()) => items
                .iter()
                .map(|item| match item {
                    Value::Int(number) => usize::try_from(*number)
                        .ok()
                        .filter(|size| range.contains(size)),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        sizes.ok_or_else(|| self.refuse(key, value, allowed))
    }

    /// A list of finite numbers, which has to be there.
    pub(super) fn numbers(
        &mut self,
        key: &'static str,
        count: RangeInclusive<usize>,
    ) -> Result<Vec<f32>> {
        let allowed = format!("a list of {} to {} numbers", count.start(), count.end());
        let Some(value) = self.get(key) else {
            return Err(self.missing(key, allowed));
        };
        let numbers: Option<Vec<f32>> = match value {
            Value::List(items) if count.contains(&items.len()) => items
                .iter()
                .map(|item| match item {
                    Value::Float(number) => Some(*number as f32),
                    Value::Int(number) => Some(*number as f32),
                    _ => None,
                })
                .map(|number| number.filter(|number| number.is_finite()))
                .collect(),
            _ => None,
        };
        numbers.ok_or_else(|| self.refuse(key, value, allowed))
    }

    /// A number greater than `above` and at most `max`, if present.
    pub(super) fn number_opt(
        &mut self,
        key: &'static str,
        above: f32,
        max: f32,
    ) -> Result<Option<f32>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let number = match value {
            Value::Float(number) => Some(*number as f32),
            Value::Int(number) => Some(*number as f32),
            _ => None,
        };
        number
            .filter(|number| *number > above && *number <= max)
            .map(Some)
            .ok_or_else(|| self.refuse(key, value, between(above, max)))
    }

    /// A number greater than `above` and at most `max`.
    pub(super) fn number(&mut self, key: &'static str, above: f32, max: f32) -> Result<f32> {
        self.number_opt(key, above, max)?
            .ok_or_else(|| self.missing(key, between(above, max)))
    }

    /// A truth value, or `default` where it is not there.
    pub(super) fn flag_or(&mut self, key: &'static str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(value) => Err(self.refuse(key, value, "True or False")),
        }
    }

    /// A boolean that has to be `only` if present, for `reason`.
    pub(super) fn flag_only(&mut self, key: &'static str, only: bool, reason: &str) -> Result<()> {
        match self.get(key) {
            None => Ok(()),
            Some(Value::Bool(flag)) if *flag == only => Ok(()),
            Some(value) => {
                let word = if only { "True" } else { "False" };
                Err(self.refuse(key, value, format!("{word} ({reason})")))
            }
        }
    }

    /// One of some words, if present.
    pub(super) fn choice_opt<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let found = words
            .iter()
            .find(|(word, _)| matches!(value, Value::Str(text) if text == word));
        match found {
            Some((_, choice)) => Ok(Some(*choice)),
            None => Err(self.refuse(key, value, word_list(words))),
        }
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Result<T> {
        self.choice_opt(key, words)?
            .ok_or_else(|| self.missing(key, word_list(words)))
    }

    /// Text, or `None` where the key is not there or its value is `None`.
    pub(super) fn text_opt(&mut self, key: &'static str) -> Result<Option<&'a str>> {
        match self.get(key) {
            None | Some(Value::None) => Ok(None),
            Some(Value::Str(text)) => Ok(Some(text)),
            Some(value) => Err(self.refuse(key, value, "text or None")),
        }
    }

    /// Text.
    pub(super) fn text(&mut self, key: &'static str) -> Result<&'a str> {
        match self.get(key) {
            None => Err(self.missing(key, "text")),
            Some(Value::Str(text)) => Ok(text),
            Some(value) => Err(self.refuse(key, value, "text")),
        }
    }

    /// Keys that are known to have no effect on inference; any plain value or list of plain values will do.
    pub(super) fn ignore(&mut self, keys: &[&'static str]) -> Result<()> {
        for key in keys {
            let plain = |value: &Value| !matches!(value, Value::Dict(_) | Value::List(_));
            match self.get(key) {
                Some(Value::List(items)) if items.iter().all(plain) => {}
                None => {}
                Some(value) if plain(value) => {}
                Some(value) => {
                    return Err(self.refuse(key, value, "a plain value or a list of plain values"));
                }
            }
        }
        Ok(())
    }

    /// Refuses the first key that was not read.
    pub(super) fn finish(self) -> Result<()> {
        match self
            .entries
            .iter()
            .find(|(name, _)| !self.known.contains(&name.as_str()))
        {
            None => Ok(()),
            Some((name, _)) => Err(ConfigError::UnknownKey {
                path: self.at(name),
                allowed: self.known.join(", "),
            }),
        }
    }
}

fn whole(range: &RangeInclusive<usize>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}

fn between(above: f32, max: f32) -> String {
    format!("a number greater than {above} and at most {max}")
}

fn word_list<T>(words: &[(&str, T)]) -> String {
    words
        .iter()
        .map(|(word, _)| format!("'{word}'"))
        .collect::<Vec<_>>()
        .join(", ")
}
