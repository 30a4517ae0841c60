//! The lexer and parser of Python literals.

use std::collections::HashSet;

use super::{LiteralError, MAX_DEPTH, Value, check_size, too_deep};

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
                    format!("the key {key:?} appears twice"),
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
