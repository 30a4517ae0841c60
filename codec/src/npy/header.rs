//! The header of `.npy` files: a Python dictionary of exactly three keys.

use super::NpyError;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Most axes; NumPy itself had 32 for decades.
const MAX_AXES: usize = 32;
/// Headers are padded so that the data start at a multiple of this.
const ALIGNMENT: usize = 64;

/// What the elements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Float,
    Signed,
    Unsigned,
    Other,
}

/// A parsed header.
#[derive(Debug)]
pub(super) struct Header {
    /// The element type in NumPy's notation.
    pub(super) descr: String,
    pub(super) kind: Kind,
    /// Bytes per element.
    pub(super) size: usize,
    pub(super) big_endian: bool,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

/// The product of the shape; `None` if it is beyond `usize` or the axes are too many.
pub(super) fn elements(shape: &[usize]) -> Option<usize> {
    if shape.len() > MAX_AXES {
        return None;
    }
    if shape.contains(&0) {
        return Some(0);
    }
    shape
        .iter()
        .try_fold(1, |product: usize, &length| product.checked_mul(length))
}

/// Splits a file into its header and exactly the data the header announces. `wanted` is what an element type of which
/// not even the size is known is refused with.
pub(super) fn parse<'a>(
    bytes: &'a [u8],
    wanted: &'static str,
) -> Result<(Header, &'a [u8]), NpyError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(NpyError::NotNpy)?;
    let need = |more: u64| NpyError::Truncated {
        have: bytes.len() as u64,
        need: (MAGIC.len() as u64).saturating_add(more),
    };
    let ([major, minor], rest) = rest.split_first_chunk::<2>().ok_or(need(4))?;
    let (length, rest, before) = match (major, minor) {
        (1, 0) => {
            let (length, rest) = rest.split_first_chunk::<2>().ok_or(need(4))?;
            (u64::from(u16::from_le_bytes(*length)), rest, 4)
        }
        (2 | 3, 0) => {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or(need(6))?;
            (u64::from(u32::from_le_bytes(*length)), rest, 6)
        }
        (&major, &minor) => return Err(NpyError::Version { major, minor }),
    };
    let (text, data) = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or(need(before + length))?;
    let header = Parser { text, at: 0 }.header()?;
    if header.kind == Kind::Other {
        return Err(header.wrong_type(wanted));
    }

    let announced = elements(&header.shape)
        .and_then(|elements| elements.checked_mul(header.size))
        .ok_or(NpyError::Shape)?;
    if announced != data.len() {
        let have = bytes.len() as u64;
        let need = ((bytes.len() - data.len()) as u64).saturating_add(announced as u64);
        return Err(if need > have {
            NpyError::Truncated { have, need }
        } else {
            NpyError::TrailingBytes { have, need }
        });
    }
    Ok((header, data))
}

/// Signature, version 1.0 and header text, padded.
pub(super) fn write(descr: &str, shape: &[usize]) -> Result<Vec<u8>, NpyError> {
    if shape.len() > MAX_AXES {
        return Err(NpyError::Shape);
    }
    // A Python tuple of one needs its comma; with a comma after each, one rule does.
    let axes: Vec<String> = shape.iter().map(|length| format!("{length},")).collect();
    let text = format!(
        "{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}",
        axes.join(" ")
    );
    let start = MAGIC.len() + 4;
    let total = (start + text.len() + 1).next_multiple_of(ALIGNMENT);
    let length = u16::try_from(total - start).map_err(|_| NpyError::Shape)?;
    let mut bytes = Vec::with_capacity(total);
    bytes.extend(MAGIC);
    bytes.extend([1, 0]);
    bytes.extend(length.to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.resize(total - 1, b' ');
    bytes.push(b'\n');
    Ok(bytes)
}

/// A cursor over the header text. The grammar is flat, so nothing recurses.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn header(mut self) -> Result<Header, NpyError> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.take(b'{', "an opening brace is missing")?;
        while !self.accept(b'}') {
            let key_at = self.at;
            let key = self.string()?;
            self.take(b':', "a colon is missing")?;
            let again = match key {
                b"descr" => descr.replace(self.string()?).is_some(),
                b"fortran_order" => fortran_order.replace(self.boolean()?).is_some(),
                b"shape" => shape.replace(self.tuple()?).is_some(),
                _ => return Err(self.wrong_at(key_at, "an unknown key")),
            };
            if again {
                return Err(self.wrong_at(key_at, "a key that was there before"));
            }
            if !self.accept(b',') {
                self.take(b'}', "a comma or a closing brace is missing")?;
                break;
            }
        }
        self.skip_space();
        if self.at < self.text.len() {
            return Err(self.wrong("text after the dictionary"));
        }
        let (Some(descr), Some(fortran_order), Some(shape)) = (descr, fortran_order, shape) else {
            return Err(self.wrong("a key is missing"));
        };
        let (kind, size, big_endian) = element_type(descr);
        Ok(Header {
            descr: descr.escape_ascii().to_string(),
            kind,
            size,
            big_endian,
            fortran_order,
            shape,
        })
    }

    fn wrong(&self, problem: &'static str) -> NpyError {
        self.wrong_at(self.at, problem)
    }

    fn wrong_at(&self, at: usize, problem: &'static str) -> NpyError {
        NpyError::Header { at, problem }
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
    }

    fn accept(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn take(&mut self, byte: u8, problem: &'static str) -> Result<(), NpyError> {
        if self.accept(byte) {
            Ok(())
        } else {
            Err(self.wrong(problem))
        }
    }

    /// A quoted string without escapes, of a length no honest header exceeds.
    fn string(&mut self) -> Result<&'a [u8], NpyError> {
        let quote = if self.accept(b'\'') {
            b'\''
        } else if self.accept(b'"') {
            b'"'
        } else {
            return Err(self.wrong("a quoted string is missing"));
        };
        let rest = &self.text[self.at..];
        let end = rest.iter().take(64).position(|&b| b == quote || b == b'\\');
        match end {
            Some(end) if rest[end] == quote => {
                self.at += end + 1;
                Ok(&rest[..end])
            }
            _ => Err(self.wrong("a string that is too long, escaped or never ends")),
        }
    }

    fn boolean(&mut self) -> Result<bool, NpyError> {
        self.skip_space();
        let rest = &self.text[self.at..];
        for (word, value) in [(b"True".as_slice(), true), (b"False", false)] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.wrong("True or False is missing"))
    }

    /// A parenthesised tuple of lengths; `(3)` without a comma is taken for `(3,)`.
    fn tuple(&mut self) -> Result<Vec<usize>, NpyError> {
        self.take(b'(', "an opening parenthesis is missing")?;
        let mut lengths = Vec::new();
        while !self.accept(b')') {
            if lengths.len() == MAX_AXES {
                return Err(NpyError::Shape);
            }
            lengths.push(self.integer()?);
            if !self.accept(b',') {
                self.take(b')', "a comma or a closing parenthesis is missing")?;
                break;
            }
        }
        Ok(lengths)
    }

    fn integer(&mut self) -> Result<usize, NpyError> {
        self.skip_space();
        let rest = &self.text[self.at..];
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return Err(self.wrong("a length is missing"));
        }
        let value = rest[..digits].iter().try_fold(0usize, |value, digit| {
            value
                .checked_mul(10)?
                .checked_add(usize::from(digit - b'0'))
        });
        self.at += digits;
        value.ok_or(NpyError::Shape)
    }
}

/// Kind, bytes per element and byte order of a type string. Anything not understood is
/// [`Kind::Other`], refused by its name.
fn element_type(descr: &[u8]) -> (Kind, usize, bool) {
    let other = (Kind::Other, 1, false);
    let [order, kind, size] = *descr else {
        return other;
    };
    let big_endian = match order {
        b'<' | b'|' => false,
        b'>' => true,
        b'=' => cfg!(target_endian = "big"),
        _ => return other,
    };
    let kind = match kind {
        b'f' => Kind::Float,
        b'i' => Kind::Signed,
        b'u' => Kind::Unsigned,
        _ => return other,
    };
    match size {
        b'1' | b'2' | b'4' | b'8' => (kind, usize::from(size - b'0'), big_endian),
        _ => other,
    }
}
