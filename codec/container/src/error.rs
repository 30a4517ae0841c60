//! What can be wrong with a file or with a request: one variant per rule, with the values involved.

use core::fmt;
use core::ops::Range;

/// Why a file could not be read, written or cut.
///
/// Messages are single lower-case lines that state the value found and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first bytes are not the magic number (section 3).
    #[error(
        "not a flextok file: byte {offset} is {found:#04x}, a .flxt file has {expected:#04x} there"
    )]
    NotFlextok {
        /// Offset of the first byte that contradicts the magic number, 0 to 3.
        offset: u64,
        /// The byte found.
        found: u8,
        /// The byte of the magic number.
        expected: u8,
    },
    /// The file ends within its header, so that nothing can be read yet (section 9).
    #[error(
        "the file ends within its header: {have} of its bytes are there, at least {} more needed",
        .needed.saturating_sub(*.have)
    )]
    NeedMore {
        /// Bytes that are there.
        have: u64,
        /// Bytes needed in all, as far as the bytes that are there tell.
        needed: u64,
    },
    /// The major version is not the one this crate reads (section 3).
    #[error(
        "format version {major}.{minor} is not supported: this version reads {supported}.x; use a newer one"
    )]
    UnsupportedVersion {
        /// Major version of the file.
        major: u8,
        /// Minor version of the file.
        minor: u8,
        /// The major version this crate reads.
        supported: u8,
    },
    /// Flag bits are set that this version does not define (section 3).
    #[error("unknown flags {flags:#04x} are set: this version knows {known:#04x}; use a newer one")]
    UnsupportedFlags {
        /// The unknown bits that are set.
        flags: u8,
        /// All bits this version defines.
        known: u8,
    },
    /// A metadata chunk that must be understood is of an unknown type (section 6).
    #[error(
        "metadata chunk {index} is critical and of type {kind}, which this version does not know; use a newer one"
    )]
    UnsupportedChunk {
        /// Index of the chunk in the file, from 0.
        index: u64,
        /// Type number, 0 to 63.
        kind: u8,
    },
    /// A metadata chunk type that may occur once occurs twice (section 6).
    #[error("metadata chunk {index} repeats type {kind}, which may occur once")]
    DuplicateChunk {
        /// Index of the second chunk in the file, from 0.
        index: u64,
        /// Type number.
        kind: u8,
    },
    /// A header field of a file has a value that is not allowed, although the checksum is right (section 3, *invalid
    /// header*).
    #[error("malformed header: {field} is {value}, allowed is {allowed}")]
    MalformedHeader {
        /// Name of the field in the specification.
        field: &'static str,
        /// The value found.
        value: u64,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// A header field given for writing has a value that is not allowed (section 3).
    #[error("invalid header: {field} is {value}, allowed is {allowed}")]
    InvalidHeader {
        /// Name of the field in the specification.
        field: &'static str,
        /// The value asked for.
        value: u64,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// The number of ids does not belong to the header.
    #[error("{count} token ids were given, the header asks for {expected}")]
    InvalidTokenCount {
        /// Ids given.
        count: u64,
        /// Ids needed: tokens per canvas times canvases.
        expected: u64,
    },
    /// An id given for writing is not below the codebook size.
    #[error(
        "token id {id} at index {index} is not allowed: the codebook has ids 0 to {}",
        .codebook_size.saturating_sub(1)
    )]
    InvalidId {
        /// Index in the list of ids given.
        index: u64,
        /// The id.
        id: u16,
        /// Size of the codebook.
        codebook_size: u32,
    },
    /// Metadata given for writing does not fit the format (section 6).
    #[error("invalid metadata: {what} is {actual}, allowed is {allowed}")]
    InvalidMetadata {
        /// What is wrong.
        what: &'static str,
        /// The value given.
        actual: u64,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// A text is not a fingerprint.
    #[error("not a fingerprint: {length} characters were given, 8 hexadecimal digits are needed")]
    InvalidFingerprint {
        /// Characters given.
        length: usize,
    },
    /// Bytes of the file contradict the format or their checksum (section 9).
    #[error("corrupt file: {region} (bytes {}..{}): {fault}", .range.start, .range.end)]
    Corrupt {
        /// Part of the file.
        region: Region,
        /// Byte offsets from the start of the file. Of trailing bytes it holds the first one.
        range: Range<u64>,
        /// What is wrong there.
        fault: Fault,
    },
    /// A limit set by the caller is exceeded ([`Limits`](crate::Limits)).
    #[error("limit exceeded: {what} is {actual}, allowed is at most {allowed}")]
    Limit {
        /// Name of the limit.
        what: &'static str,
        /// Value of the file.
        actual: u64,
        /// Value of the limit.
        allowed: u64,
    },
    /// A cut to a number of tokens that the file does not have.
    #[error("cannot cut to {requested} tokens per canvas: the file allows 1 to {available}")]
    CannotCut {
        /// Tokens per canvas asked for.
        requested: u64,
        /// Whole layers the file has.
        available: u64,
    },
    /// A cut to a number of bytes in which no file of this header fits.
    #[error("cannot cut to {bytes} bytes: the smallest file of this picture has {minimum} bytes")]
    CannotFit {
        /// Bytes asked for.
        bytes: u64,
        /// Size of the file of one token per canvas, without metadata.
        minimum: u64,
    },
    /// The file has no whole layer, so that no complete file can be made of it.
    #[error("the file has {have} of {total} tokens, not one whole layer: nothing can be cut of it")]
    NoLayer {
        /// Tokens that are there.
        have: u64,
        /// Tokens of the whole file.
        total: u64,
    },
    /// A truncated file cannot be written as it is.
    #[error(
        "the file is truncated ({have} of {total} tokens): cut it to the layers it has, then write"
    )]
    Incomplete {
        /// Tokens that are there.
        have: u64,
        /// Tokens of the whole file.
        total: u64,
    },
    /// The system did not give the memory for bytes that are there.
    #[error("out of memory: {bytes} bytes could not be allocated")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: u64,
    },
}

/// A part of a file, as an error names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Region {
    /// The header with its checksum.
    Header,
    /// The tokens of some layers and the checkpoint after them.
    Layers {
        /// First layer, counted from 1.
        first: u16,
        /// Last layer, counted from 1.
        last: u16,
    },
    /// One token.
    Token {
        /// Layer, counted from 1.
        layer: u16,
        /// Canvas, counted from 0 in row-major order.
        canvas: u64,
    },
    /// A metadata chunk.
    Chunk {
        /// Index in the file, from 0.
        index: u64,
    },
    /// Bytes after the end of the file's structure.
    Trailing,
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => write!(f, "header"),
            Self::Layers { first, last } => {
                write!(f, "tokens of layers {first}..={last} or their checkpoint")
            }
            Self::Token { layer, canvas } => write!(f, "token of layer {layer}, canvas {canvas}"),
            Self::Chunk { index } => write!(f, "metadata chunk {index}"),
            Self::Trailing => write!(f, "trailing bytes"),
        }
    }
}

/// What is wrong with a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The checksum does not match the bytes it covers.
    Checksum {
        /// Checksum in the file.
        stored: u32,
        /// Checksum of the bytes that are there.
        computed: u32,
    },
    /// A token id is not below the codebook size.
    Id {
        /// The id found.
        id: u16,
        /// Size of the codebook.
        codebook_size: u32,
    },
    /// A text is not UTF-8.
    Text,
    /// The file goes on after its end.
    Surplus,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum { stored, computed } => {
                write!(f, "checksum is {stored:08x}, the bytes give {computed:08x}")
            }
            Self::Id { id, codebook_size } => {
                write!(f, "id {id} is not below the codebook size {codebook_size}")
            }
            Self::Text => write!(f, "text is not utf-8"),
            Self::Surplus => write!(f, "nothing may follow the end of the file"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn messages_say_where_and_what() {
        let checksum = Fault::Checksum {
            stored: 0xab,
            computed: 1,
        };
        let id = Fault::Id {
            id: 9,
            codebook_size: 8,
        };
        let layers = Region::Layers { first: 1, last: 4 };
        let token = Region::Token {
            layer: 2,
            canvas: 5,
        };
        let chunk = Region::Chunk { index: 3 };
        for (region, fault, text) in [
            (
                Region::Header,
                checksum,
                "header (bytes 7..9): checksum is 000000ab, the bytes give 00000001",
            ),
            (
                layers,
                checksum,
                "tokens of layers 1..=4 or their checkpoint (bytes 7..9): \
                 checksum is 000000ab, the bytes give 00000001",
            ),
            (
                token,
                id,
                "token of layer 2, canvas 5 (bytes 7..9): id 9 is not below the codebook size 8",
            ),
            (
                chunk,
                Fault::Text,
                "metadata chunk 3 (bytes 7..9): text is not utf-8",
            ),
            (
                Region::Trailing,
                Fault::Surplus,
                "trailing bytes (bytes 7..9): nothing may follow the end of the file",
            ),
        ] {
            let range = 7..9;
            let error = Error::Corrupt {
                region,
                range,
                fault,
            };
            let message = error.to_string();
            assert_eq!(message.strip_prefix("corrupt file: "), Some(text));
        }
    }
}
