//! Properties of what collections are read from: tar archives, and the journals of `flextok tokenize`.

use std::io::{Cursor, Read};

// The program's own parser; a program has no library to take it from.
#[path = "../../cli/src/tokenize/entry.rs"]
mod entry;

use entry::Entry;

use crate::archive::{self, Archive, ArchiveError, MAX_NAME, Member, MemberKind};

/// Each member lies in the archive behind the one before it, and all end in finite time; the headers that are kept are those
/// of the archive.
pub fn archive(data: &[u8]) {
    let mut archive = Archive::new(Cursor::new(data)).expect("a slice has an end");
    let mut total = 0;
    loop {
        match archive.next() {
            Ok(None) => break,
            Ok(Some(member)) => {
                let mut bytes = Vec::new();
                let read = archive
                    .data(&member)
                    .and_then(|mut own| own.read_to_end(&mut bytes));
                assert_eq!(read.expect("it is in memory") as u64, member.size);
                total += member.headers.len() + bytes.len();
                assert!(total <= data.len().next_multiple_of(512), "{member:?}");
                check(&member);
            }
            Err(error) => {
                crate::one_line(&error);
                assert!(!matches!(error, ArchiveError::Io(_)), "a slice can be read");
                break;
            }
        }
    }
}

fn check(member: &Member) {
    assert!(member.name.len() <= MAX_NAME && member.headers.len().is_multiple_of(512));
    let _ = (member.kind == MemberKind::File, member.time);
    let Ok(name) = std::str::from_utf8(&member.name) else {
        return;
    };
    if let Some((key, extension)) = archive::key(name) {
        assert_eq!(format!("{key}.{extension}"), name);
        assert!(!key.is_empty() && !extension.contains('/'));
    }
    if archive::is_safe(name) {
        assert!(!name.starts_with('/') && !name.split('/').any(|part| part == ".."));
    }
}

/// A line is an entry that reads the same once written, or is refused.
pub fn journal(data: &[u8]) {
    for line in data.split_inclusive(|&byte| byte == b'\n') {
        match Entry::parse(line) {
            Ok(entry) => {
                let again = entry.line().expect("text");
                assert_eq!(Entry::parse(again.as_bytes()).as_ref(), Ok(&entry));
                // Only this is about no file.
                let about = entry.item().is_some() || entry.is_end();
                assert_eq!(!about, matches!(entry, Entry::Publish { .. }));
            }
            Err(problem) => crate::one_line(&problem),
        }
    }
}
