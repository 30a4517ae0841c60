//! The header of `.npy` files: a Python dictionary of exactly three keys.

use super::NpyError;
use crate::literal::{Value, parse_python, utf8};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Most axes; NumPy itself had 32 for decades.
const MAX_AXES: usize = 32;
/// Headers are padded so that the data start at a multiple of this.
const ALIGNMENT: usize = 64;
/// Characters of an element type that messages show.
const SHOWN_CHARS: usize = 40;

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

/// Splits a file into its header and exactly the data that the header declares. `wanted` names the accepted types in the
/// error for an element type of unknown size.
pub(super) fn parse<'a>(
    bytes: &'a [u8],
    wanted: &'static str,
) -> Result<(Header, &'a [u8]), NpyError> {
    let have = bytes.len() as u64;
    let (length, rest) = text_length(bytes)?;
    let (text, data) = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or(NpyError::Truncated {
            have,
            need: (have - rest.len() as u64).saturating_add(length),
        })?;
    let header = Header::of_text(text, wanted)?;
    let announced = header.data_bytes()?;
    if announced != data.len() {
        let need = (have - data.len() as u64).saturating_add(announced as u64);
        return Err(if need > have {
            NpyError::Truncated { have, need }
        } else {
            NpyError::TrailingBytes { have, need }
        });
    }
    Ok((header, data))
}

/// Bytes of the signature, the version and the longest length of a header text.
pub(super) const MAX_START: usize = MAGIC.len() + 6;

/// The length of the header text, and what follows the length.
pub(super) fn text_length(bytes: &[u8]) -> Result<(u64, &[u8]), NpyError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(NpyError::NotNpy)?;
    let need = |more: usize| NpyError::Truncated {
        have: bytes.len() as u64,
        need: (MAGIC.len() + more) as u64,
    };
    let ([major, minor], rest) = rest.split_first_chunk::<2>().ok_or(need(4))?;
    match (major, minor) {
        (1, 0) => {
            let (length, rest) = rest.split_first_chunk::<2>().ok_or(need(4))?;
            Ok((u16::from_le_bytes(*length).into(), rest))
        }
        (2 | 3, 0) => {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or(need(6))?;
            Ok((u32::from_le_bytes(*length).into(), rest))
        }
        (&major, &minor) => Err(NpyError::Version { major, minor }),
    }
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

impl Header {
    /// Reads the text of a header.
    pub(super) fn of_text(text: &[u8], wanted: &'static str) -> Result<Self, NpyError> {
        let header = Self::from_value(&parse_python(utf8(text)?)?)?;
        if header.kind == Kind::Other {
            return Err(header.wrong_type(wanted));
        }
        Ok(header)
    }

    /// Bytes of the data that the header declares.
    pub(super) fn data_bytes(&self) -> Result<usize, NpyError> {
        let bytes = elements(&self.shape).and_then(|elements| elements.checked_mul(self.size));
        bytes.ok_or(NpyError::Shape)
    }

    /// Reads the dictionary that a header's text is.
    fn from_value(header: &Value) -> Result<Self, NpyError> {
        let refused = |found: String| NpyError::Header { found };
        let Value::Dict(entries) = header else {
            return Err(refused(header.excerpt()));
        };
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        for (key, value) in entries {
            match (key.as_str(), value) {
                ("descr", Value::Str(text)) => descr = Some(text),
                ("fortran_order", Value::Bool(flag)) => fortran_order = Some(*flag),
                ("shape", Value::List(lengths)) if lengths.len() > MAX_AXES => {
                    return Err(NpyError::Shape);
                }
                // Only a tuple, as in NumPy: `(3)` is the number 3 in Python, `(3,)` is the tuple.
                ("shape", Value::List(lengths)) => shape = lengths.iter().map(length).collect(),
                _ => {}
            }
        }
        match (entries.len(), descr, fortran_order, shape) {
            (3, Some(descr), Some(fortran_order), Some(shape)) => {
                let (kind, size, big_endian) = element_type(descr.as_bytes());
                // The name ends up in a message of one line.
                let shown: String = descr.chars().take(SHOWN_CHARS).collect();
                Ok(Self {
                    descr: shown.as_bytes().escape_ascii().to_string(),
                    kind,
                    size,
                    big_endian,
                    fortran_order,
                    shape,
                })
            }
            _ => Err(refused(header.excerpt())),
        }
    }
}

/// The length of an axis; `None` for an invalid one.
fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Int(length) => usize::try_from(*length).ok(),
        _ => None,
    }
}

/// Kind, bytes per element and byte order of a type string; [`Kind::Other`] for all other types.
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
