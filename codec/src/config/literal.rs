//! Parsers for the two notations of a config: Python literals (`str(dict)`) and JSON.
//!
//! Both give a [`Value`] and refuse duplicate keys, nesting beyond [`MAX_DEPTH`], texts beyond [`MAX_BYTES`] and
//! anything after the value. Nothing is executed: a name other than `True`, `False`, `None`, `inf` and `nan` is an error,
//! and so are string prefixes, joined neighbouring strings, calls and operators, which `str(dict)` never writes.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use super::value::Value;

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
            "{} bytes of config, at most {MAX_BYTES} are allowed",
            text.len()
        );
        return Err(LiteralError::new(MAX_BYTES, what));
    }
    Ok(())
}

/// Reads a Python literal.
///
/// # Errors
/// [`LiteralError`] for everything that is not exactly one literal within the limits of this module.
pub fn parse_python(text: &str) -> Result<Value, LiteralError> {
    check_size(text)?;
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(parser.error("nothing is allowed after the value")),
    }
}

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
            let error = crate::one_line(&error.to_string());
            LiteralError::new(offset, format!("not valid JSON: {error}"))
        })
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

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn error(&self, what: impl Into<String>) -> LiteralError {
        LiteralError::new(self.at, what)
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let symbol = self.peek()?;
        self.at = self.at.saturating_add(symbol.len_utf8());
        Some(symbol)
    }

    /// Steps over `symbol` if it is next.
    fn eat(&mut self, symbol: char) -> bool {
        let found = self.peek() == Some(symbol);
        if found {
            self.next();
        }
        found
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.find(|symbol| !accept(symbol)).unwrap_or(rest.len());
        self.at = self.at.saturating_add(length);
        rest.get(..length).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        self.take_while(|symbol| matches!(symbol, ' ' | '\t' | '\n' | '\r'));
    }

    fn value(&mut self, depth: usize) -> Result<Value, LiteralError> {
        self.skip_space();
        match self.peek() {
            None => Err(self.error("the text ends where a value is expected")),
            Some('{' | '[' | '(') if depth >= MAX_DEPTH => Err(self.error(too_deep())),
            Some('{') => self.dict(depth.saturating_add(1)),
            Some('[') => self.list(']', depth.saturating_add(1)),
            Some('(') => self.list(')', depth.saturating_add(1)),
            Some('\'' | '"') => self.string().map(Value::Str),
            Some(symbol) if symbol.is_ascii_alphabetic() || symbol == '_' => self.name(),
            Some(symbol) if symbol.is_ascii_digit() || matches!(symbol, '+' | '-' | '.') => {
                self.number()
            }
            Some(symbol) => Err(self.error(format!("{symbol:?} does not start a value"))),
        }
    }

    /// Reads a list up to `close`; with `)`, a single value without a comma is just in parentheses.
    fn list(&mut self, close: char, depth: usize) -> Result<Value, LiteralError> {
        self.next();
        let mut values = Vec::new();
        loop {
            self.skip_space();
            if self.eat(close) {
                return Ok(Value::List(values));
            }
            values.push(self.value(depth)?);
            self.skip_space();
            let comma = self.eat(',');
            self.skip_space();
            if comma || self.peek() == Some(close) {
                if !comma && close == ')' && values.len() == 1 {
                    self.next();
                    return values.pop().ok_or_else(|| self.error("empty parentheses"));
                }
                continue;
            }
            return Err(self.error(format!("expected ',' or {close:?}")));
        }
    }

    fn dict(&mut self, depth: usize) -> Result<Value, LiteralError> {
        self.next();
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        loop {
            self.skip_space();
            if self.eat('}') {
                return Ok(Value::Dict(entries));
            }
            let start = self.at;
            if !matches!(self.peek(), Some('\'' | '"')) {
                return Err(self.error("expected a quoted key or '}'"));
            }
            let key = self.string()?;
            if !seen.insert(key.clone()) {
                return Err(LiteralError::new(
                    start,
                    format!("the key {key:?} is there twice"),
                ));
            }
            self.skip_space();
            if !self.eat(':') {
                return Err(self.error("expected ':'"));
            }
            let value = self.value(depth)?;
            entries.push((key, value));
            self.skip_space();
            if !self.eat(',') && self.peek() != Some('}') {
                return Err(self.error("expected ',' or '}'"));
            }
        }
    }

    fn name(&mut self) -> Result<Value, LiteralError> {
        let start = self.at;
        let name = self.take_while(|symbol| symbol.is_ascii_alphanumeric() || symbol == '_');
        match name {
            "None" => Ok(Value::None),
            "True" => Ok(Value::Bool(true)),
            "False" => Ok(Value::Bool(false)),
            "inf" => Ok(Value::Float(f64::INFINITY)),
            "nan" => Ok(Value::Float(f64::NAN)),
            other => {
                let shown: String = other.chars().take(40).collect();
                let what = format!("the name {shown:?}, only True, False, None, inf and nan are");
                Err(LiteralError::new(start, format!("{what} allowed")))
            }
        }
    }

    fn number(&mut self) -> Result<Value, LiteralError> {
        let start = self.at;
        let negative = self.peek() == Some('-');
        let signed = negative || self.peek() == Some('+');
        if signed {
            self.next();
        }
        let sign = if negative { -1.0 } else { 1.0 };
        for (word, value) in [("inf", f64::INFINITY), ("nan", f64::NAN)] {
            if self.rest().starts_with(word) {
                self.name()?;
                return Ok(Value::Float(sign * value));
            }
        }
        self.take_while(|symbol| symbol.is_ascii_digit());
        let mut whole = true;
        if self.eat('.') {
            whole = false;
            self.take_while(|symbol| symbol.is_ascii_digit());
        }
        if self.eat('e') || self.eat('E') {
            whole = false;
            let _ = self.eat('-') || self.eat('+');
            self.take_while(|symbol| symbol.is_ascii_digit());
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        let refuse = |what: &str| {
            let shown: String = text.chars().take(40).collect();
            LiteralError::new(start, format!("{shown:?} is not {what}"))
        };
        if self
            .peek()
            .is_some_and(|next| next.is_alphanumeric() || next == '_')
        {
            return Err(self.error("expected the end of a number"));
        }
        if !whole {
            return text
                .parse()
                .map(Value::Float)
                .map_err(|_| refuse("a number"));
        }
        let digits = text.trim_start_matches(['+', '-']);
        if digits.len() > 1 && digits.starts_with('0') {
            return Err(refuse("a number: it has leading zeros"));
        }
        text.parse()
            .map(Value::Int)
            .map_err(|_| refuse("a whole number of 64 bits"))
    }

    fn string(&mut self) -> Result<String, LiteralError> {
        let start = self.at;
        let unclosed = || LiteralError::new(start, "the string that starts here is not closed");
        let quote = self.next().ok_or_else(unclosed)?;
        let mut out = String::new();
        loop {
            out.push_str(self.take_while(|s| s != quote && s != '\\' && s != '\n' && s != '\r'));
            match self.next().ok_or_else(unclosed)? {
                symbol if symbol == quote => return Ok(out),
                '\\' => self.escape(&mut out)?,
                _ => return Err(unclosed()),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), LiteralError> {
        let start = self.at.saturating_sub(1);
        let symbol = self.next().unwrap_or('\0');
        let plain = match symbol {
            '\\' | '\'' | '"' => symbol,
            '\n' => return Ok(()),
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'v' => '\x0b',
            'x' => self.code_point(start, 2)?,
            'u' => self.code_point(start, 4)?,
            'U' => self.code_point(start, 8)?,
            _ => {
                let what = "unknown escape; \\\\ \\' \\\" \\n \\r \\t \\a \\b \\f \\v \\x \\u \\U are known";
                return Err(LiteralError::new(start, what));
            }
        };
        out.push(plain);
        Ok(())
    }

    fn code_point(&mut self, start: usize, digits: usize) -> Result<char, LiteralError> {
        let end = self.at.saturating_add(digits);
        let code = self
            .text
            .get(self.at..end)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|text| u32::from_str_radix(text, 16).ok())
            .and_then(char::from_u32);
        self.at = end;
        code.ok_or_else(|| {
            let what = format!("expected {digits} hexadecimal digits of a Unicode code point");
            LiteralError::new(start, what)
        })
    }
}

/// Reads one JSON value; carries how many lists and dictionaries it stands in.
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
        number
            .map(Value::Int)
            .map_err(|_| E::custom(format!("{value} does not fit 64 signed bits")))
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
                return Err(A::Error::custom(format!("the key {key:?} is there twice")));
            }
            entries.push((key, items.next_value_seed(self.deeper()?)?));
        }
        Ok(Value::Dict(entries))
    }
}

fn too_deep() -> String {
    let found = MAX_DEPTH.saturating_add(1);
    format!("nested {found} or more levels deep, at most {MAX_DEPTH} are allowed")
}
