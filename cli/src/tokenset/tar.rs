//! Tar files of tokens in WebDataset's layout: of each sample `KEY.tokens.npy` and `KEY.tokens.json`; the members beside
//! them are passed over.

use std::io::{self, Read};

use flextok::npy::{ReadRowsError, Rows};
use tar::{EntryType, Header, PaxExtensions};

use super::error::plain;
use super::index::Entry;
use super::{About, Item, MAX_LINE, MAX_TOKENS, Row, RowError, SetError, TokenSet, checked_id};

/// Bytes of the tokens of a sample: the longest row of the widest type, and its header.
const MAX_ARRAY: u64 = 8 * MAX_TOKENS as u64 + 4096;
/// Bytes of what precedes a member: a long name, or PAX records.
const MAX_RECORDS: u64 = 64 << 10;
const BLOCK: u64 = 512;

/// The ends of the members' names, as far as they are not the key.
const ARRAY: &str = "tokens.npy";
const INDEX: &str = "tokens.json";

/// The samples of a tar file. `shard` begins the ids of those without an index.
pub(crate) fn read(stream: impl Read + 'static, shard: &str) -> TokenSet {
    TokenSet {
        about: About::default(),
        items: Box::new(Samples {
            members: Members { stream },
            shard: shard.to_owned(),
            open: None,
            number: 0,
            error: None,
            ended: false,
        }),
    }
}

/// A file, or what else has a name and bytes.
struct Member {
    name: Vec<u8>,
    kind: EntryType,
    /// Bytes that follow in the stream.
    size: u64,
}

/// The members of a tar file, one after another.
struct Members<R> {
    stream: R,
}

impl<R: Read> Members<R> {
    /// The next member; its bytes must be read or skipped. `None` at the mark of the end.
    fn next(&mut self) -> Result<Option<Member>, SetError> {
        let (mut long_name, mut long_size) = (None, None);
        loop {
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let kind = header.entry_type();
            let size = header.entry_size().map_err(of_crate)?;
            match kind {
                EntryType::GNULongName => {
                    let mut name = self.records(size)?;
                    name.truncate(
                        name.iter()
                            .position(|&byte| byte == 0)
                            .unwrap_or(name.len()),
                    );
                    long_name = Some(name);
                }
                EntryType::XHeader => {
                    let records = self.records(size)?;
                    for record in PaxExtensions::new(&records) {
                        let record = record.map_err(of_crate)?;
                        match record.key_bytes() {
                            b"path" => long_name = Some(record.value_bytes().to_vec()),
                            b"size" => long_size = Some(record.value_bytes().to_vec()),
                            _ => {}
                        }
                    }
                }
                EntryType::XGlobalHeader | EntryType::GNULongLink => self.skip(size)?,
                EntryType::GNUSparse => return Err(damaged("it holds a sparse file")),
                kind => {
                    let size = long_size.map_or(Ok(size), |text| {
                        let text = std::str::from_utf8(&text).ok();
                        let size = text.and_then(|text| text.parse().ok());
                        size.ok_or_else(|| damaged("a size is no number"))
                    })?;
                    let name = long_name.unwrap_or_else(|| header.path_bytes().into_owned());
                    return Ok(Some(Member { name, kind, size }));
                }
            }
        }
    }

    /// The header that follows; `None` at the mark of the end.
    fn header(&mut self) -> Result<Option<Header>, SetError> {
        let mut header = Header::new_old();
        let have = fill(&mut self.stream, header.as_mut_bytes())?;
        if have == 0 {
            return Err(damaged("it has no mark of its end; it may be cut"));
        }
        if have < BLOCK as usize {
            return Err(damaged("it ends within a header"));
        }
        let bytes = header.as_bytes();
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        // The checksum counts its own eight bytes as spaces.
        let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
        let sum = sum(&bytes[..148]) + 8 * u32::from(b' ') + sum(&bytes[156..]);
        if header.cksum().ok() != Some(sum) {
            return Err(damaged("the checksum of a header does not match"));
        }
        Ok(Some(header))
    }

    /// Reads the bytes of a member and what fills its last block.
    fn bytes(&mut self, size: u64) -> Result<Vec<u8>, SetError> {
        let mut bytes = Vec::new();
        let read = self.stream.by_ref().take(size).read_to_end(&mut bytes)?;
        if (read as u64) < size {
            return Err(damaged("it ends within a member"));
        }
        self.skip_exactly(size.next_multiple_of(BLOCK) - size)?;
        Ok(bytes)
    }

    fn records(&mut self, size: u64) -> Result<Vec<u8>, SetError> {
        if size > MAX_RECORDS {
            return Err(SetError::Limit {
                what: "bytes of a member's name and attributes",
                actual: size,
                allowed: MAX_RECORDS,
            });
        }
        self.bytes(size)
    }

    fn skip(&mut self, size: u64) -> Result<(), SetError> {
        let blocks = size.checked_next_multiple_of(BLOCK);
        self.skip_exactly(blocks.ok_or_else(|| damaged("a member is larger than any file"))?)
    }

    fn skip_exactly(&mut self, count: u64) -> Result<(), SetError> {
        let skipped = io::copy(&mut self.stream.by_ref().take(count), &mut io::sink())?;
        if skipped < count {
            return Err(damaged("it ends within a member"));
        }
        Ok(())
    }
}

/// Reads until the buffer is full or the stream ends.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while have < buffer.len() {
        match stream.read(&mut buffer[have..]) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}

fn of_crate(error: io::Error) -> SetError {
    SetError::Tar(plain(error))
}

fn damaged(problem: &str) -> SetError {
    SetError::Tar(problem.to_owned())
}

/// A sample whose members are being collected.
#[derive(Default)]
struct Sample {
    key: Vec<u8>,
    array: Option<Result<Vec<i64>, RowError>>,
    index: Option<Result<Entry, RowError>>,
}

struct Samples<R> {
    members: Members<R>,
    shard: String,
    open: Option<Sample>,
    /// Samples that were given.
    number: u64,
    /// The error that follows the last sample.
    error: Option<SetError>,
    ended: bool,
}

/// Key and extension of a member's name, as WebDataset has them: at the first dot of the last component.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let last = name
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |slash| slash + 1);
    let dot = name[last..].iter().position(|&byte| byte == b'.')?;
    Some((&name[..last + dot], &name[last + dot + 1..]))
}

impl<R: Read> Samples<R> {
    /// The sample that follows: when a member of another one begins, or at the end.
    fn read(&mut self) -> Result<Option<Item>, SetError> {
        while let Some(member) = self.members.next()? {
            let name = split(&member.name).filter(|_| !member.kind.is_dir());
            let Some((key, extension)) = name else {
                self.members.skip(member.size)?;
                continue;
            };
            let is_open = self.open.as_ref().is_some_and(|sample| sample.key == key);
            let done = if is_open { None } else { self.open.take() };
            self.open.get_or_insert_with(|| Sample {
                key: key.to_vec(),
                ..Sample::default()
            });
            self.take(&member, extension)?;
            if let Some(done) = done {
                return Ok(Some(self.item(done)));
            }
        }
        self.ended = true;
        Ok(self.open.take().map(|sample| self.item(sample)))
    }

    /// Takes a member into the open sample, if it is one of tokens.
    fn take(&mut self, member: &Member, extension: &[u8]) -> Result<(), SetError> {
        let (name, most) = match extension {
            ext if ext == ARRAY.as_bytes() => (ARRAY, MAX_ARRAY),
            ext if ext == INDEX.as_bytes() => (INDEX, MAX_LINE as u64),
            _ => return self.members.skip(member.size),
        };
        let problem = |problem| RowError::Members { name, problem };
        let read = if !member.kind.is_file() {
            self.members.skip(member.size)?;
            Err(problem("is no file"))
        } else if member.size > most {
            self.members.skip(member.size)?;
            let bytes = member.size;
            Err(RowError::Member {
                name,
                bytes,
                allowed: most,
            })
        } else {
            Ok(self.members.bytes(member.size)?)
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
        let key = String::from_utf8_lossy(&sample.key).into_owned();
        let array = match (sample.array, &sample.index) {
            (None, None) => return Item::Empty,
            (None, Some(_)) => Err(RowError::Members {
                name: ARRAY,
                problem: "is missing",
            }),
            (Some(array), _) => array,
        };
        let entry = sample.index.unwrap_or_else(|| {
            checked_id(&sample.key).map(|key| Entry {
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

impl<R: Read> Iterator for Samples<R> {
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
    use flextok::npy::write_u16;
    use tar::Builder;

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
        read(io::Cursor::new(bytes.to_vec()), "shard")
            .items
            .collect()
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
            assert!(matches!(items.last(), Some(Err(SetError::Tar(_)))), "{cut}");
            let rows = items.iter().filter(|item| matches!(item, Ok(Item::Row(_))));
            assert_eq!(rows.count(), cut / 2048, "{cut}");
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
            matches!(&items(&bytes)[..], [Err(SetError::Tar(text))] if text.contains("checksum"))
        );
    }
}
