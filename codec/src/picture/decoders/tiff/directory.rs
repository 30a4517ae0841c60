//! The structure of a TIFF file: its header, its directories, and the values of their fields (TIFF 6.0, section 2; BigTIFF).

use super::{malformed, truncated};
use crate::picture::PictureError;

/// Most fields of a directory; real ones have some dozens.
const MAX_FIELDS: u64 = 4096;

/// The order of the bytes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// The number in at most eight bytes.
    pub(super) fn uint(self, bytes: &[u8]) -> u64 {
        let add = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, add),
            Self::Big => bytes.iter().fold(0, add),
        }
    }
}

/// The bytes of a file, and how its numbers are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) order: Order,
    /// Offsets of eight bytes.
    big: bool,
}

impl<'a> File<'a> {
    /// The file, and where its first directory is.
    pub(super) fn new(bytes: &'a [u8]) -> Result<(Self, u64), PictureError> {
        let order = match bytes.get(..2) {
            Some(b"II") => Order::Little,
            Some(b"MM") => Order::Big,
            _ => return Err(malformed("it does not begin with II or MM")),
        };
        let mut file = Self {
            bytes,
            order,
            big: false,
        };
        match file.number(2, 2)? {
            42 => Ok((file, file.number(4, 4)?)),
            43 => {
                if (file.number(4, 2)?, file.number(6, 2)?) != (8, 0) {
                    return Err(malformed("its header is neither of TIFF nor of BigTIFF"));
                }
                file.big = true;
                Ok((file, file.number(8, 8)?))
            }
            version => Err(malformed(format!("its version is {version}, not 42 or 43"))),
        }
    }

    /// The bytes from an offset on.
    pub(super) fn part(&self, at: u64, length: u64) -> Result<&'a [u8], PictureError> {
        let range = || {
            let at = usize::try_from(at).ok()?;
            let end = at.checked_add(usize::try_from(length).ok()?)?;
            self.bytes.get(at..end)
        };
        range().ok_or_else(|| {
            truncated(format!(
                "{length} bytes are to be at {at}, it has {}",
                self.bytes.len()
            ))
        })
    }

    fn number(&self, at: u64, length: u64) -> Result<u64, PictureError> {
        Ok(self.order.uint(self.part(at, length)?))
    }

    /// The directory at an offset, and where the next one is: 0 after the last.
    pub(super) fn directory(self, at: u64) -> Result<(Directory<'a>, u64), PictureError> {
        let (count_bytes, field, next) = if self.big { (8, 20, 8) } else { (2, 12, 4) };
        let count = self.number(at, count_bytes)?;
        if count == 0 || count > MAX_FIELDS {
            return Err(malformed(format!(
                "a directory has {count} fields, not 1 to {MAX_FIELDS}"
            )));
        }
        let start = at.saturating_add(count_bytes);
        let fields = self.part(start, count * field)?;
        let next = self.number(start.saturating_add(count * field), next)?;
        Ok((Directory { file: self, fields }, next))
    }
}

/// An image file directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Directory<'a> {
    pub(super) file: File<'a>,
    /// 12 bytes each, or 20 in BigTIFF.
    fields: &'a [u8],
}

impl<'a> Directory<'a> {
    /// The field of a tag; of several the first.
    ///
    /// # Errors
    /// The field is of no known type, or its values are not in the file.
    pub(super) fn find(&self, tag: u16) -> Result<Option<Field<'a>>, PictureError> {
        let (size, inline) = if self.file.big { (20, 8) } else { (12, 4) };
        let order = self.file.order;
        let number = |bytes: &[u8]| order.uint(bytes);
        let mut fields = self.fields.chunks_exact(size);
        let Some(field) = fields.find(|field| number(&field[..2]) == u64::from(tag)) else {
            return Ok(None);
        };
        let (head, values) = field.split_at(size - inline);
        let kind = number(&head[2..4]);
        let count = number(&head[4..]);
        let Some(width) = width_of(kind) else {
            return Err(malformed(format!(
                "its field {tag} is of the unknown type {kind}"
            )));
        };
        let length = count.saturating_mul(width as u64);
        let bytes = if length <= inline as u64 {
            &values[..length as usize]
        } else {
            self.file.part(number(values), length)?
        };
        Ok(Some(Field {
            tag,
            order,
            kind,
            width,
            bytes,
        }))
    }

    /// The only value of a field, a whole number.
    pub(super) fn number(&self, tag: u16) -> Result<Option<u64>, PictureError> {
        let Some(field) = self.find(tag)? else {
            return Ok(None);
        };
        match field.uint(0) {
            Some(value) if field.len() == 1 => Ok(Some(value)),
            _ => Err(field.odd()),
        }
    }

    /// The only value of a field that every picture has.
    pub(super) fn required(&self, tag: u16, name: &str) -> Result<u64, PictureError> {
        self.number(tag)?
            .ok_or_else(|| malformed(format!("it has no {name}")))
    }
}

/// Bytes of a value, by the number of its type.
fn width_of(kind: u64) -> Option<usize> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16..=18 => Some(8),
        _ => None,
    }
}

/// A field of a directory with its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    tag: u16,
    order: Order,
    kind: u64,
    width: usize,
    bytes: &'a [u8],
}

impl<'a> Field<'a> {
    /// The number of values.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() / self.width
    }

    fn value(&self, index: usize) -> Option<&'a [u8]> {
        let start = index.checked_mul(self.width)?;
        self.bytes.get(start..start.checked_add(self.width)?)
    }

    /// A value of BYTE, SHORT, LONG, LONG8, or of an offset.
    pub(super) fn uint(&self, index: usize) -> Option<u64> {
        match self.kind {
            1 | 3 | 4 | 13 | 16 | 18 => Some(self.order.uint(self.value(index)?)),
            _ => None,
        }
    }

    /// All values as whole numbers.
    pub(super) fn uints(&self) -> impl Iterator<Item = Option<u64>> {
        (0..self.len()).map(|index| self.uint(index))
    }

    /// A value of RATIONAL, or a whole number.
    pub(super) fn ratio(&self, index: usize) -> Option<f64> {
        if self.kind != 5 {
            return self.uint(index).map(|value| value as f64);
        }
        let (over, under) = self.value(index)?.split_at(4);
        let under = self.order.uint(under);
        (under != 0).then(|| self.order.uint(over) as f64 / under as f64)
    }

    /// The values of BYTE, ASCII and UNDEFINED.
    pub(super) fn raw(&self) -> Option<&'a [u8]> {
        matches!(self.kind, 1 | 2 | 7).then_some(self.bytes)
    }

    /// The error that a field does not have what it should.
    pub(super) fn odd(&self) -> PictureError {
        malformed(format!(
            "its field {} has {} values of type {}, which it cannot have",
            self.tag,
            self.len(),
            self.kind
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_both_orders_and_both_sizes() {
        let small = b"II*\0\x08\0\0\0\x01\0\x00\x01\x03\0\x02\0\0\0\x07\0\x09\0\0\0\0\0";
        let (file, at) = File::new(small).unwrap();
        assert_eq!((file.order, at), (Order::Little, 8));
        let (directory, next) = file.directory(at).unwrap();
        assert_eq!(next, 0);
        let field = directory.find(256).unwrap().unwrap();
        assert_eq!(field.uints().collect::<Vec<_>>(), [Some(7), Some(9)]);
        assert_eq!(field.uint(2), None);
        assert!(directory.find(257).unwrap().is_none());
        for cut in 0..small.len() {
            let found = File::new(&small[..cut]).and_then(|(file, at)| file.directory(at));
            assert!(found.is_err(), "{cut}");
        }

        let big = b"MM\0+\0\x08\0\0\0\0\0\0\0\0\0\x10\
            \0\0\0\0\0\0\0\x01\x01\0\0\x04\0\0\0\0\0\0\0\x02\0\0\0\x07\0\0\0\x09\0\0\0\0\0\0\0\0";
        let (file, at) = File::new(big).unwrap();
        let (directory, _) = file.directory(at).unwrap();
        let field = directory.find(256).unwrap().unwrap();
        assert_eq!(field.uints().collect::<Vec<_>>(), [Some(7), Some(9)]);
    }

    #[test]
    fn values_beyond_the_file_and_of_unknown_types_are_errors() {
        // One LONG8 at 32.
        let mut file = b"MM\0*\0\0\0\x08\0\x01\x01\0\0\x10\0\0\0\x01\0\0\0\x20\0\0\0\0".to_vec();
        let find = |file: &[u8]| {
            let (file, at) = File::new(file).unwrap();
            file.directory(at).unwrap().0.number(256)
        };
        assert!(matches!(find(&file), Err(PictureError::Truncated { .. })));
        file[13] = 77;
        assert!(matches!(find(&file), Err(PictureError::Malformed { .. })));
        // ASCII is no number.
        file[13] = 2;
        assert!(matches!(find(&file), Err(PictureError::Malformed { .. })));
        file.resize(32, 0);
        file.extend([0, 0, 0, 0, 0, 0, 0, 9]);
        file[13] = 16;
        assert_eq!(find(&file).unwrap(), Some(9));
        // Two SHORTs are not one number.
        file[13] = 3;
        file[17] = 2;
        assert!(matches!(find(&file), Err(PictureError::Malformed { .. })));
    }
}
