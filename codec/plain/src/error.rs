//! Why a file has no plain picture, or that memory is exhausted.

use flextok_container::TablesName;

/// Why a file could not be decoded.
///
/// Messages are single lower-case lines that state the value found and what is allowed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is damaged, or of a later version.
    #[error(transparent)]
    Container(#[from] flextok_container::Error),
    /// The tables or the grid are not usable, or memory is exhausted.
    #[error(transparent)]
    Coefficients(#[from] flextok_tokens::Error),
    /// The file holds token ids of a FlexTok model, which needs its network.
    #[error("the file holds token ids; only files of the built-in model have a plain picture")]
    TokenIds,
    /// The file was made with other tables.
    #[error("the file was made with other tables than these; take the model that made it")]
    OtherTables {
        /// What the file names its tables by.
        found: TablesName,
        /// What these are named by.
        expected: TablesName,
    },
    /// The file ends before the first byte of payload.
    #[error(
        "nothing to decode: the file ends before its payload, {total} bytes of which are missing"
    )]
    NoPayload {
        /// Bytes of payload of the whole file.
        total: u64,
    },
    /// The picture has more pixels, or its canvas needs more memory, than the limits allow.
    #[error("{what} {actual} is over the limit of {allowed}; raise it if the file is trusted")]
    Limit {
        /// Which number is over its limit.
        what: &'static str,
        /// The number.
        actual: u64,
        /// The greatest that is allowed.
        allowed: u64,
    },
    /// The system does not have the memory that a picture needs.
    #[error(
        "the picture needs {bytes} bytes of memory, more than the system has; free some, or take a smaller one"
    )]
    OutOfMemory {
        /// Bytes that were not there.
        bytes: u64,
    },
}
