//! The index of an array: a JSON object on a line for each row.

use std::io::{self, BufRead, Read};

use serde::Deserialize;

use super::{MAX_LINE, RowError, checked_id, size};

/// What an index says of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) size: Option<(u32, u32)>,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    width: Option<i64>,
    height: Option<i64>,
}

impl Entry {
    /// Reads the text of a line, or of a JSON member of a tar file. Other keys are ignored.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, RowError> {
        if text.len() > MAX_LINE {
            return Err(RowError::LongLine);
        }
        let line: Line =
            serde_json::from_slice(text).map_err(|error| RowError::Json(error.to_string()))?;
        checked_id(line.id.as_bytes())?;
        Ok(Self {
            size: size(line.width, line.height)?,
            id: line.id,
        })
    }
}

/// The lines of an index.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    stream: R,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self {
            stream,
            line: Vec::new(),
        }
    }

    /// The next line; `None` at the end. Of a line that is too long no more is kept than the limit.
    pub(crate) fn next(&mut self) -> io::Result<Option<Result<Entry, RowError>>> {
        self.line.clear();
        let most = MAX_LINE as u64 + 1;
        let mut limited = self.stream.by_ref().take(most);
        if limited.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        if self.line.last() != Some(&b'\n') && self.line.len() as u64 == most {
            self.stream.skip_until(b'\n')?;
            return Ok(Some(Err(RowError::LongLine)));
        }
        let text = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some(Entry::parse(text)))
    }
}

/// The number of lines, the last of which need not have an end.
pub(crate) fn count_lines(mut stream: impl BufRead) -> io::Result<u64> {
    let (mut lines, mut open) = (0_u64, false);
    loop {
        let piece = stream.fill_buf()?;
        let Some(&last) = piece.last() else {
            return Ok(lines + u64::from(open));
        };
        lines += piece.iter().filter(|&&byte| byte == b'\n').count() as u64;
        open = last != b'\n';
        let length = piece.len();
        stream.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<Result<Entry, RowError>> {
        let mut lines = Lines::new(text);
        let next = || lines.next().expect("bytes do not fail");
        let all: Vec<_> = std::iter::from_fn(next).collect();
        assert_eq!(
            count_lines(text).expect("bytes do not fail"),
            all.len() as u64
        );
        all
    }

    #[test]
    fn lines_are_objects() {
        let text = b"{\"id\": \"a/b.jpg\", \"width\": 3, \"height\": 2}\n{\"id\": \"\xc3\xa9\", \"label\": [1]}";
        let found: Vec<Entry> = lines(text)
            .into_iter()
            .map(|line| line.expect("a line"))
            .collect();
        assert_eq!(
            (found[0].id.as_str(), found[0].size),
            ("a/b.jpg", Some((3, 2)))
        );
        assert_eq!((found[1].id.as_str(), found[1].size), ("é", None));
    }

    #[test]
    fn a_bad_line_does_not_hide_the_next() {
        let long = vec![b'x'; MAX_LINE + 1];
        let bad: [&[u8]; 10] = [
            b"",
            b"{",
            b"[]",
            b"{\"width\": 3}",
            b"{\"id\": 3}",
            b"{\"id\": \"\xff\"}",
            b"{\"id\": \"a\", \"width\": 3}",
            b"{\"id\": \"a\", \"width\": 3, \"height\": 1e99}",
            b"{\"id\": \"a\", \"id\": \"b\"}",
            &long,
        ];
        for bad in bad {
            let text = [bad, b"\n{\"id\": \"next\"}\n"].concat();
            let found = lines(&text);
            assert_eq!(found.len(), 2);
            let error = found[0].as_ref().expect_err("a bad line").to_string();
            assert!(!error.is_empty() && !error.contains('\n'), "{error}");
            assert!(matches!(&found[1], Ok(entry) if entry.id == "next"));
        }
        let id = "é".repeat(2049);
        let found = lines(format!("{{\"id\": \"{id}\"}}").as_bytes());
        assert!(matches!(found[0], Err(RowError::LongId(4098))));
        let deep = format!("{{\"id\": \"a\", \"x\": {}", "[".repeat(30_000));
        assert!(lines(deep.as_bytes())[0].is_err());
    }

    #[test]
    fn a_line_of_the_limit_is_read() {
        let start = "{\"id\": \"a\", \"x\": \"";
        let fill = "y".repeat(MAX_LINE - start.len() - 2);
        let found = lines(format!("{start}{fill}\"}}\n{{\"id\": \"b\"}}").as_bytes());
        assert!(found.iter().all(Result::is_ok), "{found:?}");
    }
}
