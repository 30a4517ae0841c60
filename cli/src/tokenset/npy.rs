//! An array of tokens, a row for each picture, with its index.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flextok::npy::{NpyError, ReadRowsError, Rows};

use super::index::{Lines, count_lines};
use super::{About, Item, MAX_TOKENS, Row, RowError, SetError, TokenSet, open_file};

/// The rows of an array with the lines of its index; without one, ids are the rows' numbers in nine digits.
#[derive(Debug)]
pub(crate) struct Indexed<A, I> {
    rows: Rows<A>,
    index: Option<Lines<I>>,
    name: String,
    next: u64,
    ended: bool,
}

/// An array, and the index beside it if there is one.
pub(super) fn open(file: File, path: &Path) -> Result<TokenSet, SetError> {
    let found = file.metadata()?;
    let rows = Rows::new(BufReader::with_capacity(1 << 16, file), MAX_TOKENS)?;
    let (have, need) = (found.len(), rows.file_bytes());
    match found.is_file() {
        true if have < need => return Err(NpyError::Truncated { have, need }.into()),
        true if have > need => return Err(NpyError::TrailingBytes { have, need }.into()),
        _ => {}
    }
    let beside = path.with_extension("jsonl");
    let name = beside.to_string_lossy().into_owned();
    let index = match open_file(&beside) {
        Ok(index) => Some(index),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(SetError::Index { name, source }),
    };
    // A line that is missing in the middle would give all rows behind it the name of another picture.
    if index.is_some() {
        let failed = |source| SetError::Index {
            name: name.clone(),
            source,
        };
        let counted = open_file(&beside).and_then(|index| count_lines(BufReader::new(index)));
        let lines = counted.map_err(failed)?;
        if lines != rows.rows() {
            let rows = rows.rows();
            return Err(SetError::Lines { name, rows, lines });
        }
    }
    let about = About {
        rows: Some(rows.rows()),
        ..About::default()
    };
    let items = Indexed::new(rows, index.map(BufReader::new), name);
    Ok(TokenSet {
        about,
        items: Box::new(items),
    })
}

impl<A: Read, I: BufRead> Indexed<A, I> {
    pub(crate) fn new(rows: Rows<A>, index: Option<I>, name: String) -> Self {
        Self {
            rows,
            index: index.map(Lines::new),
            name,
            next: 0,
            ended: false,
        }
    }

    /// The row that follows; both streams go on by one.
    fn read(&mut self) -> Option<Result<Item, SetError>> {
        let tokens = match self.rows.next()? {
            Ok(tokens) => Ok(tokens),
            Err(ReadRowsError::Format(error @ NpyError::ElementRange { .. })) => {
                Err(RowError::Tokens(error))
            }
            Err(error) => return Some(Err(error.into())),
        };
        let number = self.next;
        self.next += 1;
        let Some(index) = &mut self.index else {
            let id = format!("{number:09}");
            let row = tokens.map(|tokens| Row {
                id: id.clone(),
                tokens,
                size: None,
            });
            return Some(Ok(Item::new(row, number, Some(&id))));
        };
        let entry = match index.next() {
            Ok(Some(entry)) => entry,
            Ok(None) => {
                return Some(Err(SetError::Lines {
                    name: self.name.clone(),
                    rows: self.rows.rows(),
                    lines: number,
                }));
            }
            Err(source) => {
                let name = self.name.clone();
                return Some(Err(SetError::Index { name, source }));
            }
        };
        let id = entry.as_ref().ok().map(|entry| entry.id.clone());
        let row = entry.and_then(|entry| {
            Ok(Row {
                id: entry.id,
                tokens: tokens?,
                size: entry.size,
            })
        });
        Some(Ok(Item::new(row, number, id.as_deref())))
    }
}

impl<A: Read, I: BufRead> Iterator for Indexed<A, I> {
    type Item = Result<Item, SetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.read();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use flextok::npy::write_u16;

    use super::*;

    #[test]
    fn rows_and_lines_go_together() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("x.npy");
        fs::write(&path, write_u16(&[2, 2], &[1, 2, 3, 4]).expect("an array")).expect("writable");
        let ids = |set: TokenSet| -> Vec<String> {
            let items = set.items.map(|item| match item.expect("an item") {
                Item::Row(row) => row.id,
                other => panic!("{other:?}"),
            });
            items.collect()
        };
        let set = TokenSet::open(&path).expect("a set");
        assert_eq!(set.about.rows, Some(2));
        assert_eq!(ids(set), ["000000000", "000000001"]);
        let index = folder.path().join("x.jsonl");
        fs::write(&index, "{\"id\": \"a\"}\n{\"id\": \"b\"}").expect("writable");
        assert_eq!(ids(TokenSet::open(&path).expect("a set")), ["a", "b"]);
        for (text, lines) in [("{\"id\": \"a\"}\n", "1 lines"), ("\n\n\n", "3 lines")] {
            fs::write(&index, text).expect("writable");
            let refused = TokenSet::open(&path).err().expect("refused").to_string();
            assert!(
                refused.contains("2 rows") && refused.contains(lines),
                "{refused}"
            );
        }
        fs::write(&index, "{}\n{\"id\": \"b\"}\n").expect("writable");
        let items: Vec<_> = TokenSet::open(&path).expect("a set").items.collect();
        assert!(matches!(&items[0], Ok(Item::Fault(fault)) if fault.row == "row 0"));
        assert!(matches!(&items[1], Ok(Item::Row(row)) if row.tokens == [3, 4]));
    }

    #[test]
    fn a_file_of_another_length_is_refused_before_any_row() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("x.npy");
        let file = write_u16(&[2, 2], &[1, 2, 3, 4]).expect("an array");
        for bytes in [&file[..file.len() - 1], &[&file[..], b"x"].concat()] {
            fs::write(&path, bytes).expect("writable");
            let refused = TokenSet::open(&path).err().expect("refused").to_string();
            assert!(refused.contains("136"), "{refused}");
        }
    }
}
