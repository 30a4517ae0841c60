//! Windows: no inodes, no permissions of three digits, no descriptors with names, and Ctrl-C instead of signals.
//!
//! Nothing here has run: `.ci/run platforms` has a compiler check it.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::Descriptor;

/// Whether file systems take spellings of a name, such as its capitals, for the same.
pub(crate) const SPELLINGS_ARE_ONE: bool = true;

/// What makes a file the same under its names. Stable Rust has no number of a file here, so that hard links differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity(PathBuf);

impl Identity {
    /// `None` if there is no such file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        fs::canonicalize(path).ok().map(Self)
    }
}

/// Whether an open file is still the one of this name: the system keeps names of files that are open.
pub(crate) fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// Gives a temporary file the name of another, which it replaces whole (`MoveFileExW`). That fails while a program has the
/// other open without sharing its deletion, and leaves the other as it is.
pub(crate) fn replace(temporary: TempPath, path: &Path) -> io::Result<()> {
    temporary.persist(path).map_err(|error| error.error)
}

/// The path that the bytes of a text name; `None` unless it is UTF-8.
pub(crate) fn path_of(text: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(text).ok().map(PathBuf::from)
}

/// A path with `/` between its parts, as bytes.
pub(crate) fn with_slashes(path: &Path) -> Cow<'_, [u8]> {
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    bytes
        .map(|&byte| if byte == b'\\' { b'/' } else { byte })
        .collect()
}

/// Has a thread of its own call `interrupted` at Ctrl-C and Ctrl-Break. When the console closes, the system may end the
/// program before that is done.
pub(crate) fn watch(interrupted: fn()) -> io::Result<()> {
    ctrlc::set_handler(interrupted).map_err(io::Error::other)
}

/// The descriptor that a path stands for: none does.
pub(crate) fn descriptor(_path: &Path) -> Option<Descriptor> {
    None
}
