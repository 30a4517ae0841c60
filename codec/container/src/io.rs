//! Reading a file from a stream (feature `std`).

use std::io::{ErrorKind, Read};

use crate::{Error, Limits, Reader, TokenFile};

/// Why a stream could not be read as a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The bytes are not a file of this format, or are damaged.
    #[error(transparent)]
    Format(#[from] Error),
}

impl TokenFile {
    /// Reads a file from a stream to its end; stops at the first byte that contradicts the format,
    /// so that a wrong or endless stream costs no memory.
    ///
    /// ```
    /// use flextok_container::{Limits, ReadError, TokenFile};
    ///
    /// let text: &[u8] = b"not a picture";
    /// let result = TokenFile::read_from(text, &Limits::default());
    /// assert!(matches!(result, Err(ReadError::Format(_))));
    /// ```
    ///
    /// # Errors
    /// [`ReadError::Io`] if the stream fails, [`ReadError::Format`] as [`TokenFile::parse`].
    pub fn read_from<R: Read>(mut source: R, limits: &Limits) -> Result<Self, ReadError> {
        let mut reader = Reader::with_limits(*limits);
        let mut buffer = [0_u8; 8192];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return Ok(reader.finish()?),
                Ok(count) => reader.feed(buffer.get(..count).unwrap_or(&buffer))?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
