//! A walk through a structure of Thrift's compact protocol, in which Parquet's footer and page headers are written.
//!
//! The `parquet` crate reads them for good; before it does, this tells what sizes they claim, so that it never allocates
//! for a claim. See <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.

/// Deepest nesting; Parquet's own structures need about ten.
const MAX_DEPTH: usize = 24;
/// Most elements of a list: row groups of a file, columns of a row group.
const MAX_LIST: u64 = 1 << 16;

/// Why a structure cannot be walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// The bytes end within it.
    Ends,
    /// The bytes are none.
    Malformed(&'static str),
}

struct Walk<'a, V> {
    bytes: &'a [u8],
    at: usize,
    /// The ids of the fields around the present value; lists add none.
    path: Vec<i16>,
    visit: V,
}

/// Calls `visit` with the path of field ids and the value of each whole number and truth value, and with the path and the
/// length of each list. Returns the length of the structure in bytes.
pub(super) fn walk(bytes: &[u8], visit: impl FnMut(&[i16], i64)) -> Result<usize, Problem> {
    let mut walk = Walk {
        bytes,
        at: 0,
        path: Vec::new(),
        visit,
    };
    walk.structure(0)?;
    Ok(walk.at)
}

impl<V: FnMut(&[i16], i64)> Walk<'_, V> {
    fn byte(&mut self) -> Result<u8, Problem> {
        let byte = *self.bytes.get(self.at).ok_or(Problem::Ends)?;
        self.at += 1;
        Ok(byte)
    }

    fn skip(&mut self, count: u64) -> Result<(), Problem> {
        let left = (self.bytes.len() - self.at) as u64;
        if count > left {
            return Err(Problem::Ends);
        }
        self.at += count as usize;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, Problem> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                break;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Problem::Malformed("a number of more than 64 bits"))
    }

    fn integer(&mut self) -> Result<i64, Problem> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn structure(&mut self, depth: usize) -> Result<(), Problem> {
        if depth > MAX_DEPTH {
            return Err(Problem::Malformed("it is nested too deep"));
        }
        let mut id = 0_i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            id = match head >> 4 {
                0 => i16::try_from(self.integer()?)
                    .map_err(|_| Problem::Malformed("a field id of more than 16 bits"))?,
                step => id
                    .checked_add(step.into())
                    .ok_or(Problem::Malformed("a field id of more than 16 bits"))?,
            };
            self.path.push(id);
            self.value(head & 0x0f, depth, true)?;
            self.path.pop();
        }
    }

    /// A value of this type; truth values of fields are in the type itself, those of lists follow.
    fn value(&mut self, kind: u8, depth: usize, is_field: bool) -> Result<(), Problem> {
        match kind {
            1 | 2 => {
                let value = if is_field { kind } else { self.byte()? };
                (self.visit)(&self.path, (value == 1).into());
                Ok(())
            }
            3 => {
                let value = self.byte()?;
                (self.visit)(&self.path, i64::from(value as i8));
                Ok(())
            }
            4..=6 => {
                let value = self.integer()?;
                (self.visit)(&self.path, value);
                Ok(())
            }
            7 => self.skip(8),
            8 => {
                let length = self.varint()?;
                self.skip(length)
            }
            9 | 10 => self.list(depth),
            11 => self.map(depth),
            12 => self.structure(depth + 1),
            13 => self.skip(16),
            _ => Err(Problem::Malformed("a type that there is not")),
        }
    }

    fn list(&mut self, depth: usize) -> Result<(), Problem> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            count => count.into(),
        };
        self.elements(count)?;
        if depth >= MAX_DEPTH {
            return Err(Problem::Malformed("it is nested too deep"));
        }
        (self.visit)(&self.path, count as i64);
        for _ in 0..count {
            self.value(head & 0x0f, depth + 1, false)?;
        }
        Ok(())
    }

    fn map(&mut self, depth: usize) -> Result<(), Problem> {
        let count = self.varint()?;
        if count == 0 {
            return Ok(());
        }
        self.elements(count)?;
        if depth >= MAX_DEPTH {
            return Err(Problem::Malformed("it is nested too deep"));
        }
        let kinds = self.byte()?;
        for _ in 0..count {
            self.value(kinds >> 4, depth + 1, false)?;
            self.value(kinds & 0x0f, depth + 1, false)?;
        }
        Ok(())
    }

    fn elements(&self, count: u64) -> Result<(), Problem> {
        if count > MAX_LIST {
            return Err(Problem::Malformed("a list of more than 65536 elements"));
        }
        // Each element has a byte at least.
        if count > (self.bytes.len() - self.at) as u64 {
            return Err(Problem::Ends);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(bytes: &[u8]) -> Result<Vec<(Vec<i16>, i64)>, Problem> {
        let mut found = Vec::new();
        let length = walk(bytes, |path, value| found.push((path.to_vec(), value)))?;
        assert!(length <= bytes.len());
        Ok(found)
    }

    #[test]
    fn numbers_are_found_with_their_paths() {
        // 1: i32 150; 2: binary "ab"; 4: list of i32 [-1, 1]; 5: struct {1: true}; 300: i64 -3.
        let bytes = [
            0x15, 0xac, 0x02, 0x18, 2, b'a', b'b', 0x29, 0x25, 1, 2, 0x1c, 0x11, 0, 0x06, 0xd8, 4,
            5, 0,
        ];
        let found = numbers(&bytes).expect("a structure");
        let expected = [
            (vec![1], 150),
            (vec![4], 2),
            (vec![4], -1),
            (vec![4], 1),
            (vec![5, 1], 1),
            (vec![300], -3),
        ];
        assert_eq!(found, expected);
        for end in 0..bytes.len() {
            assert_eq!(numbers(&bytes[..end]), Err(Problem::Ends), "{end}");
        }
    }

    #[test]
    fn claims_are_refused_without_the_bytes() {
        let list = [0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert!(matches!(numbers(&list), Err(Problem::Malformed(_))));
        assert_eq!(numbers(&[0x19, 0xec]), Err(Problem::Ends));
        assert_eq!(
            numbers(&[0x18, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            Err(Problem::Ends)
        );
        assert!(matches!(numbers(&[0x1c; 1000]), Err(Problem::Malformed(_))));
        assert!(matches!(numbers(&[0x19; 1000]), Err(Problem::Malformed(_))));
        assert!(matches!(
            numbers(&[
                0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
            ]),
            Err(Problem::Malformed(_))
        ));
    }
}
