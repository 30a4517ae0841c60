//! Tar files of tokens in WebDataset's layout: of each sample `KEY.tokens.npy` and `KEY.tokens.json`; the members beside
//! them are passed over.

use std::borrow::Cow;
use std::io::{Read, Seek};

use flextok::npy::{ReadRowsError, Rows};

use super::index::Entry;
use super::{About, Item, MAX_LINE, MAX_TOKENS, Row, RowError, SetError, TokenSet, checked_id};
use crate::archive::{Archive, Member, MemberKind, key};

/// Bytes of the tokens of a sample: the longest row of the widest type, and its header.
const MAX_ARRAY: u64 = 8 * MAX_TOKENS as u64 + 4096;

/// The ends of the members' names, as far as they are not the key.
const ARRAY: &str = "tokens.npy";
const INDEX: &str = "tokens.json";

/// The samples of a tar file. `shard` begins the ids of those without an index.
///
/// # Errors
/// [`SetError::Io`] where the stream has no length.
pub(crate) fn read(stream: impl Read + Seek + 'static, shard: &str) -> Result<TokenSet, SetError> {
    Ok(TokenSet {
        about: About::default(),
        items: Box::new(Samples {
            archive: Archive::new(stream)?,
            shard: shard.to_owned(),
            open: None,
            number: 0,
            error: None,
            ended: false,
        }),
    })
}

/// A sample whose members are being collected.
#[derive(Default)]
struct Sample {
    key: String,
    /// Whether the names of the members are text.
    is_text: bool,
    array: Option<Result<Vec<i64>, RowError>>,
    index: Option<Result<Entry, RowError>>,
}

struct Samples<R> {
    archive: Archive<R>,
    shard: String,
    open: Option<Sample>,
    /// Samples that were given.
    number: u64,
    /// The error that follows the last sample.
    error: Option<SetError>,
    ended: bool,
}

impl<R: Read + Seek> Samples<R> {
    /// The sample that follows: when a member of another one begins, or at the end.
    fn read(&mut self) -> Result<Option<Item>, SetError> {
        while let Some(member) = self.archive.next()? {
            let name = String::from_utf8_lossy(&member.name);
            let Some((key, extension)) = key(&name) else {
                continue;
            };
            let is_open = self.open.as_ref().is_some_and(|sample| sample.key == key);
            let done = if is_open { None } else { self.open.take() };
            self.open.get_or_insert_with(|| Sample {
                key: key.to_owned(),
                is_text: matches!(name, Cow::Borrowed(_)),
                ..Sample::default()
            });
            let taken = self.take(&member, extension);
            let Some(done) = done else {
                taken?;
                continue;
            };
            // The sample before this member is whole, whatever became of the member.
            if let Err(error) = taken {
                self.open = None;
                self.error = Some(error);
                self.ended = true;
            }
            return Ok(Some(self.item(done)));
        }
        self.ended = true;
        Ok(self.open.take().map(|sample| self.item(sample)))
    }

    /// Takes a member into the open sample, if it is one of tokens.
    fn take(&mut self, member: &Member, extension: &str) -> Result<(), SetError> {
        let (name, most) = match extension {
            ARRAY => (ARRAY, MAX_ARRAY),
            INDEX => (INDEX, MAX_LINE as u64),
            _ => return Ok(()),
        };
        let problem = |problem| RowError::Members { name, problem };
        let read = if member.kind != MemberKind::File {
            Err(problem("is no file"))
        } else if member.size > most {
            let bytes = member.size;
            Err(RowError::Member {
                name,
                bytes,
                allowed: most,
            })
        } else {
            let mut bytes = Vec::new();
            self.archive.data(member)?.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let Some(sample) = &mut self.open else {
            return Ok(());
        };
        let twice = || Err(problem("is there twice"));
        if name == ARRAY {
            let array = read.and_then(|bytes| array(&bytes));
            sample.array = Some(if sample.array.is_some() {
                twice()
            } else {
                array
            });
        } else {
            let index = read.and_then(|bytes| Entry::parse(&bytes));
            sample.index = Some(match &sample.index {
                Some(_) => Err(problem("is there twice")),
                None => index,
            });
        }
        Ok(())
    }

    fn item(&mut self, sample: Sample) -> Item {
        let number = self.number;
        self.number += 1;
        let key = sample.key;
        let array = match (sample.array, &sample.index) {
            (None, None) => return Item::Empty,
            (None, Some(_)) => Err(RowError::Members {
                name: ARRAY,
                problem: "is missing",
            }),
            (Some(array), _) => array,
        };
        let entry = sample.index.unwrap_or_else(|| {
            if !sample.is_text {
                return Err(RowError::IdText);
            }
            checked_id(key.as_bytes()).map(|key| Entry {
                id: format!("{}/{key}", self.shard),
                size: None,
            })
        });
        let row = entry.and_then(|entry| {
            Ok(Row {
                tokens: array?,
                id: entry.id,
                size: entry.size,
            })
        });
        Item::new(row, number, Some(&key))
    }
}

/// The one row of a member.
fn array(bytes: &[u8]) -> Result<Vec<i64>, RowError> {
    let failed = |error| match error {
        ReadRowsError::Format(error) => RowError::Tokens(error),
        _ => RowError::Members {
            name: ARRAY,
            problem: "cannot be read",
        },
    };
    let mut rows = Rows::new(bytes, MAX_TOKENS).map_err(failed)?;
    if rows.rows() != 1 || rows.file_bytes() != bytes.len() as u64 {
        return Err(RowError::Members {
            name: ARRAY,
            problem: "is not one row of tokens",
        });
    }
    rows.next().unwrap_or(Ok(Vec::new())).map_err(failed)
}

impl<R: Read + Seek> Iterator for Samples<R> {
    type Item = Result<Item, SetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return self.error.take().map(Err);
        }
        let error = match self.read() {
            Ok(item) => return item.map(Ok),
            Err(error) => error,
        };
        self.ended = true;
        // A sample that has both members is whole; to another one, some may be missing.
        let whole = |sample: &Sample| sample.array.is_some() && sample.index.is_some();
        match self.open.take().filter(whole) {
            Some(sample) => {
                self.error = Some(error);
                Some(Ok(self.item(sample)))
            }
            None => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use flextok::npy::write_u16;
    use tar::{Builder, EntryType, Header};

    use super::*;

    fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (name, bytes) in members {
            let mut header = Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder
                .append_data(&mut header, name, *bytes)
                .expect("a member");
        }
        builder.into_inner().expect("a tar file")
    }

    fn items(bytes: &[u8]) -> Vec<Result<Item, SetError>> {
        let set = read(Cursor::new(bytes.to_vec()), "shard").expect("memory");
        set.items.collect()
    }

    fn ids(tokens: &[u16]) -> Vec<u8> {
        write_u16(&[tokens.len()], tokens).expect("an array")
    }

    #[test]
    fn samples_are_members_of_one_key() {
        let (one, two) = (ids(&[1, 2]), ids(&[3]));
        let long = format!("{}/x", "d".repeat(150));
        let bytes = tar(&[
            ("a.cls", b"7"),
            ("a.tokens.npy", &one),
            (
                "a.tokens.json",
                b"{\"id\": \"p/a.jpg\", \"width\": 4, \"height\": 3}",
            ),
            ("b.txt", b"no tokens"),
            (&format!("{long}.tokens.npy"), &two),
        ]);
        let items = items(&bytes);
        assert_eq!(items.len(), 3);
        assert!(matches!(&items[0], Ok(Item::Row(row))
            if row.id == "p/a.jpg" && row.tokens == [1, 2] && row.size == Some((4, 3))));
        assert!(matches!(&items[1], Ok(Item::Empty)));
        assert!(matches!(&items[2], Ok(Item::Row(row))
            if row.id == format!("shard/{long}") && row.tokens == [3] && row.size.is_none()));
    }

    #[test]
    fn a_bad_sample_does_not_hide_the_next() {
        let good = ids(&[5]);
        let large = vec![b' '; MAX_LINE + 1];
        let rows = write_u16(&[2, 1], &[1, 2]).expect("an array");
        let cases: [&[(&str, &[u8])]; 6] = [
            &[("a.tokens.json", b"{\"id\": \"a\"}")],
            &[("a.tokens.npy", b"no array")],
            &[("a.tokens.npy", &rows)],
            &[("a.tokens.npy", &good), ("a.tokens.json", &large)],
            &[("a.tokens.npy", &good), ("a.tokens.json", b"[]")],
            &[("a.tokens.npy", &good), ("a.tokens.npy", &good)],
        ];
        for case in cases {
            let members = [case, &[("b.tokens.npy", &good[..])]].concat();
            let items = items(&tar(&members));
            assert_eq!(items.len(), 2, "{items:?}");
            assert!(
                matches!(&items[0], Ok(Item::Fault(fault)) if fault.row == "a"),
                "{items:?}"
            );
            assert!(matches!(&items[1], Ok(Item::Row(row)) if row.id == "shard/b"));
        }
    }

    #[test]
    fn every_cut_is_an_error_after_the_samples_before_it() {
        let (good, index) = (ids(&[5]), b"{\"id\": \"x\"}");
        let bytes = tar(&[
            ("a.tokens.npy", &good),
            ("a.tokens.json", index),
            ("b.tokens.json", index),
            ("b.tokens.npy", &good),
        ]);
        let end = bytes.len() - 1024;
        for cut in (0..end).step_by(64).chain([end]) {
            let items = items(&bytes[..cut]);
            assert!(
                matches!(items.last(), Some(Err(SetError::Archive(_)))),
                "{cut}"
            );
            let rows = items.iter().filter(|item| matches!(item, Ok(Item::Row(_))));
            // Behind the data of the second members, whatever fills their last block.
            let ends = [1536 + index.len(), 3584 + good.len()];
            let whole = ends.iter().filter(|&&end| cut >= end).count();
            assert_eq!(rows.count(), whole, "{cut}");
        }
        assert_eq!(items(&bytes[..end + 512]).len(), 2);
    }

    #[test]
    fn what_headers_claim_takes_no_memory() {
        for kind in [
            EntryType::GNULongName,
            EntryType::XHeader,
            EntryType::Regular,
        ] {
            let mut header = Header::new_gnu();
            header.set_path("a.tokens.npy").expect("a name");
            header.set_size(u64::MAX / 2);
            header.set_entry_type(kind);
            header.set_cksum();
            let items = items(header.as_bytes());
            assert!(matches!(items[..], [Err(_)]), "{items:?}");
        }
        let mut bytes = tar(&[("a.tokens.npy", &ids(&[5]))]);
        bytes[0] ^= 1;
        assert!(
            matches!(&items(&bytes)[..], [Err(SetError::Archive(error))] if error.to_string().contains("checksum"))
        );
    }
}
