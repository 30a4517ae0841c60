//! Files that end before their picture does: they are told apart from damaged ones, and never pass for whole.

use std::cell::Cell;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use super::{PictureError, PictureFormat, bmp, gif, png, webp};
use crate::picture::LoadNote;

/// The bytes of a file for a decoder, and whether it wanted more.
pub(super) struct Watched<'a> {
    bytes: Cursor<&'a [u8]>,
    ended: &'a Cell<bool>,
}

impl<'a> Watched<'a> {
    pub(super) fn new(bytes: &'a [u8], ended: &'a Cell<bool>) -> Self {
        Self {
            bytes: Cursor::new(bytes),
            ended,
        }
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(target)?;
        if read == 0 && !target.is_empty() {
            self.ended.set(true);
        }
        Ok(read)
    }

    fn read_exact(&mut self, target: &mut [u8]) -> io::Result<()> {
        let read = self.bytes.read_exact(target);
        if read.is_err() {
            self.ended.set(true);
        }
        read
    }
}

impl BufRead for Watched<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.bytes.fill_buf()?;
        if bytes.is_empty() {
            self.ended.set(true);
        }
        Ok(bytes)
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

/// Refuses what decoders would accept: files that are not whole, and damage behind the last pixel.
///
/// # Errors
/// [`PictureError::Truncated`], and [`PictureError::Malformed`] for wrong checksums.
pub(super) fn check(bytes: &[u8], format: PictureFormat) -> Result<(), PictureError> {
    let detail = match format {
        PictureFormat::Png => return png::check(bytes),
        PictureFormat::WebP => {
            // What a WebP file loses first is its orientation.
            let length = bytes.get(4..).and_then(|rest| rest.first_chunk::<4>());
            let need = length.map_or(12, |length| u64::from(u32::from_le_bytes(*length)) + 8);
            if need > bytes.len() as u64 {
                format!("it has {} of {need} bytes", bytes.len())
            } else if webp::overclaims(bytes, need) {
                format!("a chunk goes beyond its {} bytes", bytes.len())
            } else {
                return Ok(());
            }
        }
        _ => return Ok(()),
    };
    Err(PictureError::Truncated {
        format: format.name(),
        detail,
    })
}

/// Whether a file whose picture was read lacks what comes after it.
pub(super) fn note(bytes: &[u8], format: PictureFormat) -> Option<LoadNote> {
    let missing = match format {
        PictureFormat::Bmp => bmp::lacks_end(bytes),
        PictureFormat::Gif => gif::layout(bytes, 0).cut,
        // Numbers end with white space, so that the last one may have lost digits.
        PictureFormat::Pnm => {
            matches!(bytes, [b'P', b'2' | b'3', ..]) && bytes.last().is_some_and(u8::is_ascii_digit)
        }
        _ => false,
    };
    missing.then_some(LoadNote::EndMissing)
}

#[cfg(test)]
#[path = "ends_tests.rs"]
mod tests;
