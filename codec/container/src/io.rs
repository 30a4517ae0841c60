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

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::{Fingerprint, Header, Ids, Metadata, Size};

    /// Gives its parts in order, errors among them.
    struct Parts(Vec<Result<Vec<u8>, ErrorKind>>);

    impl Read for Parts {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let part = self.0.remove(0)?;
            buffer[..part.len()].copy_from_slice(&part);
            Ok(part.len())
        }
    }

    #[test]
    fn interruptions_are_no_failure_and_failures_are_passed_on() {
        let size = Size {
            width: 1,
            height: 1,
        };
        let header = Header::ids(size, Ids::new(Fingerprint([0; 4]), 2, 9)).unwrap();
        let file = TokenFile::of_ids(header, &[3, 4], Metadata::default()).unwrap();
        let bytes = file.to_bytes().unwrap();
        let halves = || [bytes[..9].to_vec(), bytes[9..].to_vec()].map(Ok);
        let [first, second] = halves();
        let parts = Parts(vec![first, Err(ErrorKind::Interrupted), second]);
        let read = TokenFile::read_from(parts, &Limits::default());
        assert_eq!(read.unwrap(), file);

        let [first, second] = halves();
        let parts = Parts(vec![first, Err(ErrorKind::ConnectionReset), second]);
        let error = TokenFile::read_from(parts, &Limits::default()).unwrap_err();
        assert!(matches!(error, ReadError::Io(e) if e.kind() == ErrorKind::ConnectionReset));
    }
}
