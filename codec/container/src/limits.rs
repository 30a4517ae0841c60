//! How much a reader accepts of a file it was given.

use crate::layout::MAX_HEADER_BYTES;
use crate::{Error, Header, Ids, LimitKind};

/// Upper bounds on what a file may ask for; exceeding one is [`Error::Limit`].
///
/// A reader allocates for bytes that are there, never for numbers that a header claims; the limits
/// bound what a long file can make it hold.
///
/// ```
/// use flextok_container::Limits;
///
/// let mut limits = Limits::default();
/// limits.canvases = 1;
/// assert!(limits.max_file_bytes() > limits.metadata_bytes);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Number of canvases (grid columns times rows). Default 65 536.
    pub canvases: u64,
    /// Bytes of payload, coded or of the tokens of all canvases together. Default 32 MiB.
    pub payload_bytes: u64,
    /// Bytes of all metadata chunks together, each with its 8 bytes of frame. Default 1 MiB.
    pub metadata_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            canvases: 65_536,
            payload_bytes: 33_554_432,
            metadata_bytes: 1_048_576,
        }
    }
}

impl Limits {
    /// A size in bytes that no file within these limits exceeds. A program that reads a stream can stop there.
    #[must_use]
    pub fn max_file_bytes(&self) -> u64 {
        // Checks take the most where each layer has one: 4 bytes for every 4098 of payload, and the first four.
        let checks = self.payload_bytes.saturating_div(1024).saturating_add(16);
        self.payload_bytes
            .saturating_add(checks)
            .saturating_add(self.metadata_bytes)
            .saturating_add(MAX_HEADER_BYTES)
    }

    /// Checks what the header asks for.
    pub(crate) fn check_header(&self, header: &Header) -> Result<(), Error> {
        let canvases = header.as_ids().map_or(1, Ids::canvases);
        check(LimitKind::Canvases, canvases, self.canvases)?;
        check(
            LimitKind::PayloadBytes,
            header.payload_bytes(),
            self.payload_bytes,
        )
    }

    /// Checks the bytes of all metadata chunks so far.
    pub(crate) fn check_metadata(&self, bytes: u64) -> Result<(), Error> {
        check(LimitKind::MetadataBytes, bytes, self.metadata_bytes)
    }
}

fn check(limit: LimitKind, actual: u64, allowed: u64) -> Result<(), Error> {
    if actual > allowed {
        return Err(Error::Limit {
            limit,
            actual,
            allowed,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;

    use super::*;
    use crate::{Coded, CodedCanvas, Metadata, Size, TablesName, TokenFile};

    #[test]
    fn no_file_within_the_limits_is_longer_than_they_say() {
        for payload in [1, 64, 4097, 50_000] {
            let mut limits = Limits::default();
            (limits.payload_bytes, limits.metadata_bytes) = (payload, 8 + 9);
            let coded = Coded {
                tables: TablesName::BUILTIN,
                canvas: CodedCanvas::Own,
                bytes: payload,
            };
            let size = Size {
                width: 70,
                height: 1,
            };
            let header = Header::coded(size, coded).unwrap();
            let metadata = Metadata {
                title: Some(String::from("123456789")),
                ..Metadata::default()
            };
            let file = TokenFile::new(header, vec![8; payload as usize], metadata).unwrap();
            let bytes = file.to_bytes().unwrap();
            assert_eq!(TokenFile::parse_with(&bytes, &limits), Ok(file));
            assert!(bytes.len() as u64 <= limits.max_file_bytes());
            limits.metadata_bytes -= 1;
            let refused = Err(Error::Limit {
                limit: LimitKind::MetadataBytes,
                actual: 17,
                allowed: 16,
            });
            assert_eq!(TokenFile::parse_with(&bytes, &limits), refused);
            limits.payload_bytes -= 1;
            let refused = Err(Error::Limit {
                limit: LimitKind::PayloadBytes,
                actual: payload,
                allowed: payload - 1,
            });
            assert_eq!(TokenFile::parse_with(&bytes, &limits), refused);
        }
    }
}
