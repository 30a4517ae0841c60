//! NumPy `.npy` files: float arrays and integer token arrays, read from and written to bytes.
//!
//! Reading never takes memory for numbers that the bytes do not back: the header is a literal within the limits of
//! [`crate::literal`], and the data must have exactly the length that type and shape imply. The readers on crates.io
//! size buffers by the header and recurse over it without bound, which is why this is not one of them.

mod header;
mod rows;

use header::{Header, Kind};
pub use rows::{ReadRowsError, Rows};

use crate::literal::LiteralError;

/// An array in C order (the last index runs fastest).
#[derive(Debug, Clone, PartialEq)]
pub struct NpyArray<T> {
    /// Length of each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements, as many as the product of `shape`.
    pub data: Vec<T>,
}

/// Errors of reading and writing arrays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpyError {
    /// The signature is missing.
    #[error("not a .npy file: it does not start with \\x93NUMPY")]
    NotNpy,
    /// A format version that is not 1.0, 2.0 or 3.0.
    #[error(".npy version {major}.{minor} is not supported; supported: 1.0, 2.0, 3.0")]
    Version {
        /// Major version.
        major: u8,
        /// Minor version.
        minor: u8,
    },
    /// The file ends early.
    #[error("the .npy file ends early: it has {have} of {need} bytes")]
    Truncated {
        /// Bytes found.
        have: u64,
        /// Bytes that the header declares.
        need: u64,
    },
    /// There is more data than the header declares.
    #[error("the .npy file has {have} bytes, but its header declares only {need}")]
    TrailingBytes {
        /// Bytes found.
        have: u64,
        /// Bytes that the header declares.
        need: u64,
    },
    /// The header is not a Python literal.
    #[error("the .npy header is not a Python dictionary: {0}")]
    Literal(#[from] LiteralError),
    /// The header is not the dictionary it should be.
    #[error(
        "the .npy header is {found}; it must have the keys descr (text), fortran_order (True or False) \
         and shape (a tuple of lengths), and no others"
    )]
    Header {
        /// The header as a Python literal, shortened where long.
        found: String,
    },
    /// Too many axes, or more elements than can be addressed.
    #[error("the .npy shape has too many axes or elements; at most 32 axes are supported")]
    Shape,
    /// The elements are of another type than the caller needs.
    #[error("the .npy array has elements of type \"{descr}\"; expected {wanted}")]
    ElementType {
        /// The type in NumPy's notation.
        descr: String,
        /// The types that are accepted.
        wanted: &'static str,
    },
    /// An unsigned 64-bit element beyond the signed range.
    #[error(
        "element {index} of the .npy array is {value}; the maximum is {}",
        i64::MAX
    )]
    ElementRange {
        /// Index in the order of the file.
        index: usize,
        /// The element.
        value: u64,
    },
    /// An array that has no rows to read one after another.
    #[error(
        "the .npy array has shape {shape:?}{}; allowed: [rows, columns] or [columns], with 1 to {max_columns} \
         columns, in C order",
        if *.fortran_order { " in Fortran order" } else { "" }
    )]
    Rows {
        /// The shape.
        shape: Vec<usize>,
        /// Whether the first index runs fastest.
        fortran_order: bool,
        /// Most columns.
        max_columns: usize,
    },
    /// The shape to write does not match the data.
    #[error("an array of shape {shape:?} does not have {elements} elements")]
    Elements {
        /// The shape.
        shape: Vec<usize>,
        /// The elements that were given.
        elements: usize,
    },
}

/// Reads an array of floats: `f4`, or `f8` rounded to f32, in either byte and index order.
///
/// # Errors
/// Any [`NpyError`] of reading; [`NpyError::ElementType`] if the elements are not floats.
pub fn read_f32(bytes: &[u8]) -> Result<NpyArray<f32>, NpyError> {
    read_floats(bytes, |single| single, |double| double as f32)
}

/// Reads an array of floats, `f4` or `f8`, in either byte and index order.
///
/// # Errors
/// As [`read_f32`].
pub fn read_f64(bytes: &[u8]) -> Result<NpyArray<f64>, NpyError> {
    read_floats(bytes, f64::from, |double| double)
}

fn read_floats<T: Copy>(
    bytes: &[u8],
    of_f32: impl Fn(f32) -> T,
    of_f64: impl Fn(f64) -> T,
) -> Result<NpyArray<T>, NpyError> {
    let wanted = "f4 or f8";
    let (header, data) = header::parse(bytes, wanted)?;
    let elements = match (header.kind, header.size) {
        (Kind::Float, 4) => words(data, header.big_endian)
            .map(|word| of_f32(f32::from_le_bytes(word)))
            .collect(),
        (Kind::Float, 8) => words(data, header.big_endian)
            .map(|word| of_f64(f64::from_le_bytes(word)))
            .collect(),
        _ => return Err(header.wrong_type(wanted)),
    };
    Ok(header.array(elements))
}

/// Reads an array of integers of any width, signed or not, in either byte and index order.
///
/// # Errors
/// Any [`NpyError`] of reading; [`NpyError::ElementType`] if the elements are not integers,
/// [`NpyError::ElementRange`] for a `u8` (64-bit) element beyond [`i64::MAX`].
pub fn read_integers(bytes: &[u8]) -> Result<NpyArray<i64>, NpyError> {
    let (header, data) = header::parse(bytes, INTEGERS)?;
    let elements = integers(&header, data)?;
    Ok(header.array(elements))
}

/// The accepted types in the error of an array that is not of integers.
const INTEGERS: &str = "an integer type of 1 to 8 bytes";

/// The elements of `data`, which are of the header's type.
fn integers(header: &Header, data: &[u8]) -> Result<Vec<i64>, NpyError> {
    let big = header.big_endian;
    Ok(match (header.kind, header.size) {
        (Kind::Signed, 1) => words(data, big)
            .map(|w| i64::from(i8::from_le_bytes(w)))
            .collect(),
        (Kind::Signed, 2) => words(data, big)
            .map(|w| i64::from(i16::from_le_bytes(w)))
            .collect(),
        (Kind::Signed, 4) => words(data, big)
            .map(|w| i64::from(i32::from_le_bytes(w)))
            .collect(),
        (Kind::Signed, 8) => words(data, big).map(i64::from_le_bytes).collect(),
        (Kind::Unsigned, 1) => words(data, big).map(|[b]: [u8; 1]| i64::from(b)).collect(),
        (Kind::Unsigned, 2) => words(data, big)
            .map(|w| i64::from(u16::from_le_bytes(w)))
            .collect(),
        (Kind::Unsigned, 4) => words(data, big)
            .map(|w| i64::from(u32::from_le_bytes(w)))
            .collect(),
        (Kind::Unsigned, 8) => words(data, big)
            .map(u64::from_le_bytes)
            .enumerate()
            .map(|(index, value)| {
                i64::try_from(value).map_err(|_| NpyError::ElementRange { index, value })
            })
            .collect::<Result<_, _>>()?,
        _ => return Err(header.wrong_type(INTEGERS)),
    })
}

/// The elements of `data` in little-endian order.
fn words<const N: usize>(data: &[u8], big_endian: bool) -> impl Iterator<Item = [u8; N]> + '_ {
    let (words, _) = data.as_chunks::<N>();
    words.iter().map(move |&word| {
        let mut word = word;
        if big_endian {
            word.reverse();
        }
        word
    })
}

impl Header {
    fn wrong_type(&self, wanted: &'static str) -> NpyError {
        NpyError::ElementType {
            descr: self.descr.clone(),
            wanted,
        }
    }

    /// Elements in file order to an array in C order.
    fn array<T: Copy>(self, elements: Vec<T>) -> NpyArray<T> {
        // An empty array may have lengths whose product nothing bounds; it has no order either.
        let data = if self.fortran_order && self.shape.len() > 1 && !elements.is_empty() {
            c_order(&self.shape, &elements)
        } else {
            elements
        };
        NpyArray {
            shape: self.shape,
            data,
        }
    }
}

/// First-index-fastest to last-index-fastest.
fn c_order<T: Copy>(shape: &[usize], elements: &[T]) -> Vec<T> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for &length in shape {
        strides.push(stride);
        stride *= length;
    }
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    let mut out = Vec::with_capacity(elements.len());
    while out.len() < elements.len() {
        out.push(elements[at]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    out
}

/// The bytes of a `.npy` file of little-endian f32.
///
/// # Errors
/// [`NpyError::Elements`] if the shape does not match `data`, [`NpyError::Shape`] beyond 32 axes.
pub fn write_f32(shape: &[usize], data: &[f32]) -> Result<Vec<u8>, NpyError> {
    write("<f4", shape, data, f32::to_le_bytes)
}

/// The bytes of a `.npy` file of little-endian u16, the type of token ids.
///
/// # Errors
/// As [`write_f32`].
pub fn write_u16(shape: &[usize], data: &[u16]) -> Result<Vec<u8>, NpyError> {
    write("<u2", shape, data, u16::to_le_bytes)
}

/// The beginning of a `.npy` file of little-endian u16, for arrays that are written piece by piece: the elements in C order
/// follow it.
///
/// # Errors
/// [`NpyError::Shape`] beyond 32 axes, or more elements than can be addressed.
pub fn header_u16(shape: &[usize]) -> Result<Vec<u8>, NpyError> {
    header::elements(shape).ok_or(NpyError::Shape)?;
    header::write("<u2", shape)
}

/// The bytes of a `.npy` file of little-endian i64, NumPy's usual integer.
///
/// # Errors
/// As [`write_f32`].
#[doc(hidden)]
pub fn write_i64(shape: &[usize], data: &[i64]) -> Result<Vec<u8>, NpyError> {
    write("<i8", shape, data, i64::to_le_bytes)
}

fn write<T: Copy, const N: usize>(
    descr: &str,
    shape: &[usize],
    data: &[T],
    to_bytes: impl Fn(T) -> [u8; N],
) -> Result<Vec<u8>, NpyError> {
    if header::elements(shape) != Some(data.len()) {
        return Err(NpyError::Elements {
            shape: shape.to_vec(),
            elements: data.len(),
        });
    }
    let mut bytes = header::write(descr, shape)?;
    bytes.extend(data.iter().flat_map(|&element| to_bytes(element)));
    Ok(bytes)
}

#[cfg(test)]
mod tests;
