//! How much a reader accepts of a file it was given.

use crate::{Error, Header};

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
    /// Number of tokens in all canvases together. Default 16 777 216, in memory 32 MiB.
    pub tokens: u64,
    /// Bytes of all metadata chunks together, each with its 7 bytes of frame. Default 1 MiB.
    pub metadata_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            canvases: 65_536,
            tokens: 16_777_216,
            metadata_bytes: 1_048_576,
        }
    }
}

impl Limits {
    /// The size in bytes that no file within these limits exceeds: longest header, tokens, four
    /// checkpoints, metadata. A program that reads a stream can stop there.
    #[must_use]
    pub fn max_file_bytes(&self) -> u64 {
        self.tokens
            .saturating_mul(2)
            .saturating_add(self.metadata_bytes)
            .saturating_add(28 + 4 * 4)
    }

    /// Checks what the header asks for.
    pub(crate) fn check_header(&self, header: &Header) -> Result<(), Error> {
        check("number of canvases", header.canvases(), self.canvases)?;
        check("number of tokens", header.total_tokens(), self.tokens)
    }

    /// Checks the bytes of all metadata chunks so far.
    pub(crate) fn check_metadata(&self, bytes: u64) -> Result<(), Error> {
        check("metadata bytes", bytes, self.metadata_bytes)
    }
}

fn check(what: &'static str, actual: u64, allowed: u64) -> Result<(), Error> {
    if actual > allowed {
        return Err(Error::Limit {
            what,
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
    use crate::{Fingerprint, Metadata, TokenFile};

    #[test]
    fn no_file_within_the_limits_is_longer_than_they_say() {
        let mut limits = Limits::default();
        (limits.canvases, limits.tokens, limits.metadata_bytes) = (2, 512, 7 + 9);
        assert_eq!(limits.max_file_bytes(), 1024 + 16 + 28 + 16);
        let header = Header::new(Fingerprint([0; 4]), 70_000, 1, 256, 9).unwrap();
        let header = header.with_canvas(Some((2, 3))).unwrap();
        let header = header.with_grid(2, 1).unwrap();
        let metadata = Metadata {
            title: Some(String::from("123456789")),
            ..Metadata::default()
        };
        let file = TokenFile::new(header, vec![8; 512], metadata).unwrap();
        let bytes = file.to_bytes().unwrap();
        assert_eq!(TokenFile::parse_with(&bytes, &limits), Ok(file));
        assert_eq!(bytes.len() as u64, limits.max_file_bytes());
        limits.metadata_bytes -= 1;
        let refused = Err(Error::Limit {
            what: "metadata bytes",
            actual: 16,
            allowed: 15,
        });
        assert_eq!(TokenFile::parse_with(&bytes, &limits), refused);
    }
}
