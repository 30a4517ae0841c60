//! What can be wrong with a set of tokens as a whole, and with one of its rows.

use std::io;

use flextok::npy::{NpyError, ReadRowsError};

use super::{MAX_ID, MAX_LINE, MAX_SIDE};
use crate::archive::ArchiveError;

/// Why a file gives no rows, or no more of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SetError {
    /// Reading failed.
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
    /// The array cannot be used.
    #[error(transparent)]
    Npy(#[from] NpyError),
    /// The index cannot be read.
    #[error("cannot read its index {name}: {source}")]
    Index { name: String, source: io::Error },
    /// The index belongs to another array.
    #[error(
        "the array has {rows} rows, and its index {name} has {lines} lines; it must have one for each row"
    )]
    Lines { name: String, rows: u64, lines: u64 },
    /// A Parquet file that is damaged or of a kind that is not read.
    #[error("cannot be used as Parquet: {0}")]
    Parquet(String),
    /// A tar file that is damaged, ends early, or exceeds a limit.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Something of the file exceeds a limit.
    #[error("{what}: {actual}; allowed: at most {allowed}")]
    Limit {
        what: &'static str,
        actual: u64,
        allowed: u64,
    },
    /// Not one of the kinds of files.
    #[error(
        "is no set of tokens by its name; allowed: .npy (with a .jsonl beside it), .parquet, .tar"
    )]
    Kind,
}

impl From<ReadRowsError> for SetError {
    fn from(error: ReadRowsError) -> Self {
        match error {
            ReadRowsError::Format(error) => Self::Npy(error),
            ReadRowsError::Io(error) => Self::Io(error),
            other => Self::Io(io::Error::other(other)),
        }
    }
}

/// Why a row gives no picture. The rows beside it are not affected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RowError {
    /// A line of the index, or a JSON member of a tar file, is not the object it should be.
    #[error(
        "its line of the index is not {{\"id\": text, \"width\": pixels, \"height\": pixels}}: {0}"
    )]
    Json(String),
    /// A line of the index, or a JSON member of a tar file, is too long.
    #[error("its line of the index is longer than {MAX_LINE} bytes")]
    LongLine,
    /// There is no id.
    #[error("has no id")]
    NoId,
    /// An id that is not UTF-8.
    #[error("its id is not UTF-8")]
    IdText,
    /// An id that is too long.
    #[error("its id has {0} bytes; allowed: at most {MAX_ID}")]
    LongId(usize),
    /// A size that no picture can have.
    #[error("its size is {0}; allowed: a width and a height of 1 to {MAX_SIDE}, or neither")]
    Size(String),
    /// An element that is missing.
    #[error("the token at index {0} is missing")]
    Null(usize),
    /// An element beyond the codebook.
    #[error("id {id} at index {index}; allowed: 0 to {largest}")]
    Token {
        id: String,
        index: usize,
        largest: u32,
    },
    /// Too few tokens, too many, or not those of the set.
    #[error("has {found} tokens; allowed: {allowed}")]
    Length { found: usize, allowed: String },
    /// The tokens are not a list of integers within the limit.
    #[error("its tokens cannot be read: {0}")]
    Tokens(NpyError),
    /// A member of a tar file that is too large.
    #[error("its member {name} has {bytes} bytes; allowed: at most {allowed}")]
    Member {
        name: &'static str,
        bytes: u64,
        allowed: u64,
    },
    /// A member of a tar file that is there twice, or is no file.
    #[error("its member {name} {problem}")]
    Members {
        name: &'static str,
        problem: &'static str,
    },
    /// The id does not name a file beneath a directory.
    #[error("its id cannot name a file: {0}")]
    Path(&'static str),
    /// Another row has the same file.
    #[error("its file {0} is that of another row too")]
    Twice(String),
}

impl RowError {
    /// A row of a length that it must not have.
    pub(crate) fn length(found: usize, most: usize) -> Self {
        Self::Length {
            found,
            allowed: format!("1 to {most}"),
        }
    }
}

/// Text of a file or of another crate, on one line and not endless.
pub(super) fn plain(text: impl ToString) -> String {
    const MOST: usize = 300;
    let text = text.to_string();
    let shown = text.chars().take(MOST);
    shown
        .map(|symbol| if symbol.is_control() { ' ' } else { symbol })
        .collect()
}
