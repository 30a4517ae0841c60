//! The members of a tar archive, one after the other, within limits. It knows nothing of pictures, nor of the program
//! around it, so that the fuzz targets can include it.
//!
//! The reader of the crate `tar` keeps names of any length in memory and takes an archive that was cut between two members
//! for a whole one, so the blocks are walked here; what is in them that crate reads.

use std::io::{self, Read, Seek, SeekFrom};

use tar::{EntryType, Header};

/// Bytes of a block.
const BLOCK: u64 = 512;
/// Longest name of a member, in bytes.
pub(crate) const MAX_NAME: usize = 4096;
/// Most bytes of a header that extends the next one: a long name, or the records of pax.
const MAX_EXTENSION: u64 = 1 << 20;
/// Most headers that extend one member.
const MAX_EXTENSIONS: usize = 8;
/// Most members of an archive.
const MAX_MEMBERS: u64 = 1 << 22;

/// A member of an archive.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its headers as they stand in the archive, with what extends them.
    pub(crate) headers: Vec<u8>,
    /// Its name, without `./` in front.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: MemberKind,
    /// Bytes of its data.
    pub(crate) size: u64,
    /// When it was changed, in seconds since 1970.
    pub(crate) time: u64,
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberKind {
    File,
    /// A symbolic or a hard link.
    Link,
    /// A directory, a device, or a header for all that follows.
    Other,
}

/// Why an archive cannot be read further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ArchiveError {
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
    #[error("the archive ends early: it has {have} bytes, and a member needs {need}")]
    Cut { have: u64, need: u64 },
    #[error("the archive ends early, at byte {at}: the blocks that mark its end are missing")]
    NoEnd { at: u64 },
    #[error("the archive is damaged at byte {at}, or is not a tar archive: {problem}")]
    Damaged { at: u64, problem: String },
    #[error(
        "the archive has {what} at byte {at}, which is not supported; write it with another program"
    )]
    Unsupported { at: u64, what: &'static str },
    #[error("the archive has {what} of {actual} at byte {at}; allowed: {allowed}")]
    Limit {
        at: u64,
        what: &'static str,
        actual: u64,
        allowed: u64,
    },
}

/// An archive that is being read.
#[derive(Debug)]
pub(crate) struct Archive<R> {
    stream: R,
    /// Bytes of the archive.
    end: u64,
    /// Where the next header is.
    next: u64,
    /// Where the data of the present member are.
    data: u64,
    members: u64,
}

impl<R: Read + Seek> Archive<R> {
    /// An archive from its first byte on.
    pub(crate) fn new(mut stream: R) -> io::Result<Self> {
        let end = stream.seek(SeekFrom::End(0))?;
        Ok(Self {
            stream,
            end,
            next: 0,
            data: 0,
            members: 0,
        })
    }

    /// The next member, all of whose data are there; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, ArchiveError> {
        self.members += 1;
        self.limit("members", self.members, MAX_MEMBERS)?;
        let (mut headers, mut name) = (Vec::new(), None);
        for _ in 0..=MAX_EXTENSIONS {
            let Some(block) = self.block()? else {
                return match headers.is_empty() {
                    true => Ok(None),
                    false => Err(self.damaged("a long name without its member")),
                };
            };
            let header = Header::from_byte_slice(&block);
            let size = self.size(header)?;
            headers.extend_from_slice(&block);
            let kind = header.entry_type();
            if !(kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions())
            {
                let name = match name {
                    Some(name) => name,
                    None => header.path_bytes().into_owned(),
                };
                return self.member(header, headers, name, size).map(Some);
            }
            self.limit("a header", size, MAX_EXTENSION)?;
            let text = self.extension(size)?;
            if kind.is_gnu_longname() {
                let end = text.iter().position(|&byte| byte == 0);
                name = Some(
                    text.get(..end.unwrap_or(size as usize))
                        .unwrap_or(&text)
                        .to_vec(),
                );
            } else if kind.is_pax_local_extensions() {
                name = self.records(&text)?.or(name);
            }
            headers.extend_from_slice(&text);
            headers.resize(headers.len().next_multiple_of(BLOCK as usize), 0);
        }
        Err(self.damaged("too many headers for one member"))
    }

    /// The data of the member that came last.
    pub(crate) fn data(&mut self, member: &Member) -> io::Result<impl Read + use<'_, R>> {
        self.stream.seek(SeekFrom::Start(self.data))?;
        Ok((&mut self.stream).take(member.size))
    }

    fn member(
        &mut self,
        header: &Header,
        headers: Vec<u8>,
        mut name: Vec<u8>,
        size: u64,
    ) -> Result<Member, ArchiveError> {
        self.limit("a name", name.len() as u64, MAX_NAME as u64)?;
        while let Some(rest) = name.strip_prefix(b"./") {
            name = rest.to_vec();
        }
        let kind = match header.entry_type() {
            EntryType::GNUSparse => return Err(self.unsupported("a sparse file")),
            EntryType::Regular | EntryType::Continuous if !name.ends_with(b"/") => MemberKind::File,
            EntryType::Symlink | EntryType::Link => MemberKind::Link,
            _ => MemberKind::Other,
        };
        self.data = self.next;
        let need = self.next.saturating_add(size);
        if need > self.end {
            let have = self.end;
            return Err(ArchiveError::Cut { have, need });
        }
        // The padding of the last member may be missing: what is behind it is, too, and that is found next.
        self.next = need.checked_next_multiple_of(BLOCK).unwrap_or(need);
        Ok(Member {
            headers,
            name,
            kind,
            size,
            time: header.mtime().unwrap_or(0),
        })
    }

    /// The next block, which is a header; none where there is the mark of the end.
    fn block(&mut self) -> Result<Option<[u8; BLOCK as usize]>, ArchiveError> {
        let at = self.next;
        if at >= self.end {
            return Err(ArchiveError::NoEnd { at: self.end });
        }
        let mut block = [0; BLOCK as usize];
        if self.end - at < BLOCK {
            let (have, need) = (self.end, at.saturating_add(BLOCK));
            return Err(ArchiveError::Cut { have, need });
        }
        self.stream.seek(SeekFrom::Start(at))?;
        self.stream.read_exact(&mut block)?;
        if block == [0; BLOCK as usize] {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block);
        if header.cksum().ok() != Some(checksum(&block)) {
            return Err(self.damaged("the checksum of a header is wrong"));
        }
        self.next += BLOCK;
        Ok(Some(block))
    }

    /// Bytes of the data behind a header.
    fn size(&self, header: &Header) -> Result<u64, ArchiveError> {
        // Links and directories have none, whatever the field says.
        let kind = header.entry_type();
        if kind.is_hard_link() || kind.is_symlink() || kind.is_dir() {
            return Ok(0);
        }
        let size = header.entry_size();
        size.map_err(|_| self.damaged("the size of a member is no number"))
    }

    /// The data of a header that extends the next one.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, ArchiveError> {
        let need = self.next.saturating_add(size);
        if need > self.end {
            let have = self.end;
            return Err(ArchiveError::Cut { have, need });
        }
        let mut text = vec![0; size as usize];
        self.stream.seek(SeekFrom::Start(self.next))?;
        self.stream.read_exact(&mut text)?;
        self.next = need.next_multiple_of(BLOCK);
        Ok(text)
    }

    /// The name that records of pax give, if they do. Each is `LENGTH KEY=VALUE` and a line break, all counted; values may
    /// have line breaks.
    fn records(&self, mut text: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
        let mut name = None;
        while text.first().is_some_and(|&byte| byte != 0) {
            let record = first_record(text);
            let (length, key, value) = record.ok_or_else(|| self.damaged("a record of pax"))?;
            match key {
                b"path" => name = Some(value.to_vec()),
                b"size" => {
                    return Err(self.unsupported("a member with its size in a record of pax"));
                }
                _ => {}
            }
            text = &text[length..];
        }
        Ok(name)
    }

    fn limit(&self, what: &'static str, actual: u64, allowed: u64) -> Result<(), ArchiveError> {
        if actual > allowed {
            return Err(ArchiveError::Limit {
                at: self.next,
                what,
                actual,
                allowed,
            });
        }
        Ok(())
    }

    fn damaged(&self, problem: &str) -> ArchiveError {
        ArchiveError::Damaged {
            at: self.next,
            problem: problem.to_owned(),
        }
    }

    fn unsupported(&self, what: &'static str) -> ArchiveError {
        ArchiveError::Unsupported {
            at: self.next,
            what,
        }
    }
}

/// The length, the key and the value of the record that a text begins with.
fn first_record(text: &[u8]) -> Option<(usize, &[u8], &[u8])> {
    let space = text.iter().take(8).position(|&byte| byte == b' ')?;
    let length = str::from_utf8(&text[..space]).ok()?.parse().ok()?;
    let record = text.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((length, &record[..equals], &record[equals + 1..]))
}

/// The sum of a header's bytes, with spaces in place of the sum itself.
fn checksum(block: &[u8; BLOCK as usize]) -> u32 {
    let sum = 148..156;
    let bytes = block.iter().enumerate();
    bytes
        .map(|(at, &byte)| u32::from(if sum.contains(&at) { b' ' } else { byte }))
        .sum()
}

/// The key of a member's sample and what stands behind it: WebDataset splits names at the first dot of their last part.
/// None for names that are hidden or have no dot.
pub(crate) fn key(name: &str) -> Option<(&str, &str)> {
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = last + name.get(last..)?.find('.')?;
    (dot > last).then(|| (&name[..dot], &name[dot + 1..]))
}

/// Whether a name stays inside of the directory that it is looked for in.
pub(crate) fn is_safe(name: &str) -> bool {
    let parts = name.split('/');
    !name.contains('\0')
        && parts
            .into_iter()
            .all(|part| !["", ".", ".."].contains(&part))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, data) in members {
            let mut header = Header::new_gnu();
            header.set_size(data.len() as u64);
            header.set_mtime(7);
            builder
                .append_data(&mut header, name, *data)
                .expect("a member");
        }
        builder.into_inner().expect("memory")
    }

    type Found = Vec<(String, Vec<u8>)>;

    fn walk(bytes: &[u8]) -> (Found, Option<ArchiveError>) {
        let mut archive = Archive::new(Cursor::new(bytes)).expect("memory");
        let mut found = Vec::new();
        loop {
            match archive.next() {
                Ok(None) => return (found, None),
                Err(error) => return (found, Some(error)),
                Ok(Some(member)) => {
                    let mut data = Vec::new();
                    let read = archive
                        .data(&member)
                        .and_then(|mut own| own.read_to_end(&mut data));
                    read.expect("memory");
                    found.push((String::from_utf8(member.name).expect("text"), data));
                }
            }
        }
    }

    #[test]
    fn members_come_with_their_names_and_data() {
        let long = format!("{}/{}.txt", "d".repeat(90), "n".repeat(200));
        let members: &[(&str, &[u8])] = &[("a.jpg", b"one"), (&long, b""), ("b/c.txt", &[9; 513])];
        let (found, error) = walk(&archive(members));
        assert!(error.is_none(), "{error:?}");
        let expected = members
            .iter()
            .map(|(name, data)| ((*name).to_owned(), data.to_vec()));
        assert_eq!(found, expected.collect::<Vec<_>>());
    }

    #[test]
    fn headers_are_kept_as_they_are() {
        let long = "n".repeat(300);
        let bytes = archive(&[(&long, b"data")]);
        let mut found = Archive::new(Cursor::new(&bytes)).expect("memory");
        let member = found.next().expect("whole").expect("a member");
        assert_eq!(member.headers, bytes[..1536]);
        assert_eq!((member.size, member.time), (4, 7));
    }

    #[test]
    fn what_stands_before_a_cut_is_found() {
        let bytes = archive(&[("a", b"one"), ("b", b"two")]);
        for end in 0..bytes.len() {
            let (found, error) = walk(&bytes[..end]);
            let whole = [515, 1539].iter().filter(|&&needed| end >= needed).count();
            assert_eq!(found.len(), whole, "{end}");
            // One block of zeros is the mark of the end already.
            assert_eq!(error.is_none(), end >= 2048 + 512, "{end}: {error:?}");
        }
    }

    #[test]
    fn damage_and_excess_are_refused() {
        let mut bytes = archive(&[("a", b"one"), ("b", b"two")]);
        bytes[1024] ^= 1;
        let (found, error) = walk(&bytes);
        assert_eq!(found.len(), 1);
        assert!(matches!(
            error,
            Some(ArchiveError::Damaged { at: 1024, .. })
        ));
        let long = archive(&[(&"n".repeat(5000), b"")]);
        let (_, error) = walk(&long);
        assert!(matches!(
            error,
            Some(ArchiveError::Limit { actual: 5000, .. })
        ));
        let (_, error) = walk(&[b'x'; 2000]);
        assert!(matches!(error, Some(ArchiveError::Damaged { at: 0, .. })));
    }

    #[test]
    fn records_of_pax_name_their_member() {
        let mut builder = tar::Builder::new(Vec::new());
        let records = [
            ("comment", &b"two\nlines"[..]),
            ("path", "é.jpg".as_bytes()),
        ];
        builder.append_pax_extensions(records).expect("records");
        let mut header = Header::new_ustar();
        header.set_size(1);
        builder
            .append_data(&mut header, "short", &b"x"[..])
            .expect("a member");
        let (found, error) = walk(&builder.into_inner().expect("memory"));
        assert!(error.is_none(), "{error:?}");
        assert_eq!(found, [("é.jpg".to_owned(), b"x".to_vec())]);
    }

    #[test]
    fn keys_end_at_the_first_dot_of_the_last_part() {
        for (name, found) in [
            ("a.jpg", Some(("a", "jpg"))),
            ("d.e/a.left.jpg", Some(("d.e/a", "left.jpg"))),
            (".a.jpg", None),
            ("d/._a.jpg", None),
            ("a", None),
            ("a.", Some(("a", ""))),
            ("", None),
        ] {
            assert_eq!(key(name), found, "{name}");
        }
        for (name, safe) in [
            ("a/b", true),
            ("/a", false),
            ("a/../b", false),
            ("a//b", false),
        ] {
            assert_eq!(is_safe(name), safe, "{name}");
        }
    }
}
