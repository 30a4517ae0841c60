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
    /// The version is a later one (section 3).
    #[error(
        "the file is of a later format version: this version reads {supported}; use a newer one"
    )]
    UnsupportedVersion {
        /// The version this crate reads.
        supported: u8,
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
    /// A header field of a file has a value that is not allowed, although the check is right (section 3, *invalid header*).
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
    /// The number of bytes given for a payload does not belong to the header.
    #[error("{count} bytes of payload were given, the header asks for {expected}")]
    InvalidPayloadLength {
        /// Bytes given.
        count: u64,
        /// Bytes needed.
        expected: u64,
    },
    /// The number of ids does not belong to the header.
    #[error("{count} token ids were given, the header asks for {expected}")]
    InvalidTokenCount {
        /// Ids given.
        count: u64,
        /// Ids needed: tokens per canvas times canvases, 0 where the payload is coded.
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
    /// Bytes of the file contradict the format or their check (section 9).
    #[error(
        "corrupt file: {region} (bytes {}..{}): {fault}; {}",
        .range.start, .range.end, Proven(*.proven)
    )]
    Corrupt {
        /// Part of the file.
        region: Region,
        /// Byte offsets from the start of the file. Of trailing bytes it holds the first one.
        range: Range<u64>,
        /// What is wrong there.
        fault: Fault,
        /// Bytes of payload that a matching check covers: what [`TokenFile::salvage`](crate::TokenFile::salvage) gives.
        proven: u64,
    },
    /// A limit set by the caller is exceeded ([`Limits`](crate::Limits)).
    #[error("limit exceeded: {limit} is {actual}, allowed is at most {allowed}")]
    Limit {
        /// The limit.
        limit: LimitKind,
        /// Value of the file.
        actual: u64,
        /// Value of the limit.
        allowed: u64,
    },
    /// A cut to a number of payload bytes or tokens that the file does not have.
    #[error("cannot cut to {requested} {unit}: the file allows 1 to {available}")]
    CannotCut {
        /// Number asked for.
        requested: u64,
        /// Number the file has whole.
        available: u64,
        /// What is counted.
        unit: CutUnit,
    },
    /// A cut to a number of bytes in which no file of this header fits.
    #[error("cannot cut to {bytes} bytes: the smallest file of this picture has {minimum} bytes")]
    CannotFit {
        /// Bytes asked for.
        bytes: u64,
        /// Size of the file of one byte of payload or one token per canvas, with the metadata that is kept.
        minimum: u64,
    },
    /// The file has no byte of payload, or no whole layer of tokens, so that no complete file can be made of it.
    #[error("the file has {have} of {total} bytes of payload: too few to make a file of them")]
    NoPayload {
        /// Bytes of payload that are there.
        have: u64,
        /// Bytes of payload of the whole file.
        total: u64,
    },
    /// A truncated file cannot be written as it is.
    #[error(
        "the file is truncated ({have} of {total} bytes of payload): cut it to what it has, then write"
    )]
    Incomplete {
        /// Bytes of payload that are there.
        have: u64,
        /// Bytes of payload of the whole file.
        total: u64,
    },
    /// A buffer of the caller is too short for the file.
    #[error("a buffer of {have} bytes is too short: the file needs {needed}")]
    BufferTooShort {
        /// Bytes of the buffer.
        have: u64,
        /// Bytes of the file.
        needed: u64,
    },
    /// The system did not give the memory for bytes that are there.
    #[error("out of memory: {bytes} bytes could not be allocated")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: u64,
    },
}

/// How much of a damaged file can be used, in words.
struct Proven(u64);

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => write!(f, "nothing before it is proven"),
            bytes => write!(f, "the first {bytes} bytes of payload are proven"),
        }
    }
}

/// A part of a file, as an error names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Region {
    /// The header with its check.
    Header,
    /// Payload that the check behind it contradicts.
    Payload {
        /// Bytes of payload that an earlier check proves.
        first: u64,
        /// Bytes of payload before the check.
        end: u64,
    },
    /// One token.
    Token {
        /// Layer, counted from 1.
        layer: u32,
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

/// The fields of [`Limits`](crate::Limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitKind {
    /// [`Limits::canvases`](crate::Limits::canvases)
    Canvases,
    /// [`Limits::payload_bytes`](crate::Limits::payload_bytes)
    PayloadBytes,
    /// [`Limits::metadata_bytes`](crate::Limits::metadata_bytes)
    MetadataBytes,
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Canvases => "number of canvases",
            Self::PayloadBytes => "payload bytes",
            Self::MetadataBytes => "metadata bytes",
        })
    }
}

/// What a cut counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CutUnit {
    /// Bytes of payload.
    PayloadBytes,
    /// Tokens per canvas.
    Tokens,
}

impl fmt::Display for CutUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PayloadBytes => "bytes of payload",
            Self::Tokens => "tokens per canvas",
        })
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => write!(f, "header"),
            Self::Payload { first, end } => {
                write!(f, "bytes {first}..{end} of the payload or their check")
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
    /// The check does not match the bytes it covers.
    Checksum {
        /// Check in the file, a number of 8, 16 or 32 bits.
        stored: u32,
        /// Check of the bytes that are there.
        computed: u32,
    },
    /// The byte that tells the header's length has an even number of bits set.
    Parity {
        /// The byte.
        byte: u8,
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
                write!(f, "checksum is {stored:#x}, the bytes give {computed:#x}")
            }
            Self::Parity { byte } => write!(f, "{byte:#04x} has an even number of bits set"),
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
        let payload = Region::Payload { first: 64, end: 80 };
        let token = Region::Token {
            layer: 2,
            canvas: 5,
        };
        let chunk = Region::Chunk { index: 3 };
        let sums = "checksum is 0xab, the bytes give 0x1";
        for (region, fault, text) in [
            (Region::Header, checksum, "header (bytes 7..9): SUMS"),
            (
                Region::Header,
                Fault::Parity { byte: 3 },
                "header (bytes 7..9): 0x03 has an even number of bits set",
            ),
            (
                payload,
                checksum,
                "bytes 64..80 of the payload or their check (bytes 7..9): SUMS",
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
            for (proven, ending) in [
                (0, "nothing before it is proven"),
                (64, "the first 64 bytes of payload are proven"),
            ] {
                let range = 7..9;
                let error = Error::Corrupt {
                    region,
                    range,
                    fault,
                    proven,
                };
                let text = text.replace("SUMS", sums);
                let expected = alloc::format!("corrupt file: {text}; {ending}");
                assert_eq!(error.to_string(), expected);
            }
        }
    }
}
