//! Arrays of integers read row by row: of an array that is larger than memory, one row is held at a time.

use std::io::{self, Read};

use super::header::{Header, MAX_START, text_length};
use super::{INTEGERS, NpyError, integers};
use crate::literal::MAX_BYTES;

/// Errors of reading rows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadRowsError {
    /// The bytes are not those of an array that can be read by rows.
    #[error(transparent)]
    Format(#[from] NpyError),
    /// The stream failed.
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
}

/// The rows of a `.npy` array `[rows, columns]` of integers in C order, of any width and byte order, from a stream. An
/// array of one axis is one row.
///
/// Memory is one row, whatever the header says. What follows the last row is not read; [`Rows::file_bytes`] is the length
/// that the file should have.
///
/// ```
/// use flextok::npy::{Rows, write_u16};
///
/// let file = write_u16(&[2, 3], &[1, 2, 3, 4, 5, 6])?;
/// let mut rows = Rows::new(file.as_slice(), 65_536)?;
/// assert_eq!((rows.rows(), rows.columns()), (2, 3));
/// assert_eq!(rows.next().transpose()?, Some(vec![1, 2, 3]));
/// # Ok::<(), flextok::npy::ReadRowsError>(())
/// ```
#[derive(Debug)]
pub struct Rows<R> {
    stream: R,
    header: Header,
    rows: u64,
    columns: usize,
    /// Rows that were read.
    done: u64,
    /// Bytes before the data.
    start: u64,
    /// The bytes of a row.
    row: Vec<u8>,
    ended: bool,
}

impl<R: Read> Rows<R> {
    /// Reads the header; rows have at most `max_columns` numbers.
    ///
    /// # Errors
    /// [`NpyError::Rows`] for an array without such rows, [`NpyError::ElementType`] for one that is not of integers, any
    /// other [`NpyError`] of reading a header; [`ReadRowsError::Io`] if the stream fails.
    pub fn new(mut stream: R, max_columns: usize) -> Result<Self, ReadRowsError> {
        let mut bytes = Vec::new();
        more(&mut stream, &mut bytes, MAX_START - 2)?;
        if bytes.get(6).is_some_and(|&major| major > 1) {
            more(&mut stream, &mut bytes, 2)?;
        }
        let (length, _) = text_length(&bytes)?;
        let start = bytes.len() as u64 + length;
        // The parser refuses what is longer; one byte more shows it that.
        let held = length.min(MAX_BYTES as u64 + 1) as usize;
        let mut text = Vec::new();
        if more(&mut stream, &mut text, held)? < held {
            let have = (bytes.len() + text.len()) as u64;
            return Err(NpyError::Truncated { have, need: start }.into());
        }
        let header = Header::of_text(&text, INTEGERS)?;
        // Refuses floats.
        integers(&header, &[])?;
        header.data_bytes()?;
        let (rows, columns) = match *header.shape.as_slice() {
            [columns] => (1, columns),
            [rows, columns] if !header.fortran_order || rows <= 1 || columns <= 1 => {
                (rows as u64, columns)
            }
            _ => return Err(no_rows(&header, max_columns)),
        };
        // Rows that take no bytes could be any number.
        if columns > max_columns || columns == 0 && rows > 0 {
            return Err(no_rows(&header, max_columns));
        }
        Ok(Self {
            stream,
            header,
            rows,
            columns,
            done: 0,
            start,
            row: Vec::new(),
            ended: false,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Numbers in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes of the whole file, as the header declares them.
    pub fn file_bytes(&self) -> u64 {
        let row = self.row_bytes() as u64;
        self.start.saturating_add(self.rows.saturating_mul(row))
    }

    fn row_bytes(&self) -> usize {
        self.columns.saturating_mul(self.header.size)
    }

    fn read(&mut self) -> Result<Vec<i64>, ReadRowsError> {
        let wanted = self.row_bytes();
        self.row.clear();
        let read = more(&mut self.stream, &mut self.row, wanted);
        self.ended = !matches!(read, Ok(read) if read == wanted);
        let read = read?;
        if read < wanted {
            let before = self.done.saturating_mul(wanted as u64);
            return Err(NpyError::Truncated {
                have: self.start + before + read as u64,
                need: self.file_bytes(),
            }
            .into());
        }
        self.done += 1;
        Ok(integers(&self.header, &self.row)?)
    }
}

/// The rows in order. An error of the stream or its early end is the last item; after [`NpyError::ElementRange`], whose
/// index counts in the row, the next row follows.
impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Vec<i64>, ReadRowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.ended && self.done < self.rows).then(|| self.read())
    }
}

/// Appends up to `count` bytes and returns how many there were.
fn more(stream: &mut impl Read, bytes: &mut Vec<u8>, count: usize) -> io::Result<usize> {
    stream.take(count as u64).read_to_end(bytes)
}

fn no_rows(header: &Header, max_columns: usize) -> ReadRowsError {
    NpyError::Rows {
        shape: header.shape.clone(),
        fortran_order: header.fortran_order,
        max_columns,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::super::{read_integers, write_f32, write_i64, write_u16};
    use super::*;

    fn rows(bytes: &[u8]) -> Result<Vec<Vec<i64>>, ReadRowsError> {
        Rows::new(bytes, 4)?.collect()
    }

    #[test]
    fn rows_are_those_of_the_whole_array() {
        let values: Vec<i64> = (0..12).map(|value| value * 1000 - 3).collect();
        let file = write_i64(&[3, 4], &values).expect("an array");
        assert_eq!(rows(&file).expect("rows").concat(), values);
        assert_eq!(
            Rows::new(&file[..], 4).expect("rows").file_bytes(),
            file.len() as u64
        );
        // Big-endian words, version 2.0.
        let mut other = b"\x93NUMPY\x02\x00".to_vec();
        let text = b"{'descr': '>i2', 'fortran_order': False, 'shape': (2, 2)}\n";
        other.extend((text.len() as u32).to_le_bytes());
        other.extend(text);
        other.extend([0, 1, 0xff, 0xff, 0, 3, 0, 4]);
        let whole = read_integers(&other).expect("an array").data;
        assert_eq!(rows(&other).expect("rows").concat(), whole);
        assert_eq!(whole, [1, -1, 3, 4]);
        // One axis is one row.
        let one = write_u16(&[2], &[7, 8]).expect("an array");
        assert_eq!(rows(&one).expect("a row"), [[7, 8]]);
        let none = write_u16(&[0, 4], &[]).expect("an array");
        assert!(rows(&none).expect("no rows").is_empty());
    }

    #[test]
    fn every_cut_is_an_error_after_the_rows_before_it() {
        let file = write_u16(&[2, 2], &[1, 2, 3, 4]).expect("an array");
        let data = file.len() - 8;
        for end in 0..file.len() {
            let cut = &file[..end];
            let Ok(read) = Rows::new(cut, 4) else {
                assert!(end < data, "{end}");
                continue;
            };
            let read: Vec<_> = read.collect();
            assert_eq!(read.len(), (end - data) / 4 + 1);
            assert!(matches!(
                read.last(),
                Some(Err(ReadRowsError::Format(NpyError::Truncated { have, need })))
                    if (*have, *need) == (end as u64, file.len() as u64)
            ));
        }
    }

    #[test]
    fn what_has_no_rows_is_refused() {
        for (shape, data) in [
            (&[][..], &[1][..]),
            (&[0], &[]),
            (&[1 << 40, 0], &[]),
            (&[1, 1, 1], &[1]),
            (&[1, 5], &[1, 2, 3, 4, 5]),
            (&[5], &[1, 2, 3, 4, 5]),
        ] {
            let file = write_u16(shape, data).expect("an array");
            let refused = rows(&file).expect_err("no rows").to_string();
            assert!(refused.contains("1 to 4 columns"), "{refused}");
        }
        let floats = write_f32(&[1, 1], &[1.0]).expect("an array");
        assert!(rows(&floats).is_err());
        let mut fortran = write_u16(&[2, 2], &[1, 2, 3, 4]).expect("an array");
        let order = fortran.windows(6).position(|word| word == b"False,");
        let order = order.expect("an order");
        fortran[order..order + 6].copy_from_slice(b"True, ");
        let refused = rows(&fortran).expect_err("no rows").to_string();
        assert!(refused.contains("in Fortran order"), "{refused}");
    }

    #[test]
    fn lengths_that_nothing_backs_take_no_memory() {
        let header = |text: &[u8], length: u32| {
            let mut file = b"\x93NUMPY\x02\x00".to_vec();
            file.extend(length.to_le_bytes());
            file.extend(text);
            file
        };
        assert!(rows(&header(b"", u32::MAX)).is_err());
        let text = b"{'descr': '<u8', 'fortran_order': False, 'shape': (99999999999, 4)}";
        let mut huge = header(text, text.len() as u32);
        huge.extend([0xff; 32]);
        huge.extend([0; 32]);
        let read: Vec<_> = Rows::new(&huge[..], 4).expect("a header").collect();
        assert!(matches!(
            &read[..],
            [
                Err(ReadRowsError::Format(NpyError::ElementRange { index: 0, .. })),
                Ok(row),
                Err(ReadRowsError::Format(NpyError::Truncated { .. })),
            ] if row == &[0; 4]
        ));
    }
}
