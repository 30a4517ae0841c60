//! Bytes of a token file: header, payload with its checks, chunks, written into a buffer of the right size.

use crate::checks::{Check, Sums};
use crate::layout::Layout;
use crate::{Error, Header, header};

/// A complete file while it is written, with the checks that belong between its parts.
pub(crate) struct Writer<'a> {
    out: &'a mut [u8],
    written: usize,
    sums: Sums,
    layout: Layout,
    /// Bytes of payload so far.
    payload: u64,
    /// Bytes of payload before the last check.
    checked: u64,
}

impl<'a> Writer<'a> {
    /// Begins the file of a header, without metadata.
    pub(crate) fn begin(header: &Header, out: &'a mut [u8]) -> Result<Self, Error> {
        let layout = header.layout();
        let (have, needed) = (out.len() as u64, layout.payload_section_end());
        if have < needed {
            return Err(Error::BufferTooShort { have, needed });
        }
        let mut writer = Self {
            out,
            written: 0,
            sums: Sums::new(),
            layout,
            payload: 0,
            checked: 0,
        };
        let head = header.to_bytes();
        writer.put(&head);
        writer.sums.update(header::body(&head));
        Ok(writer)
    }

    /// Adds bytes of payload, and the checks that become due.
    pub(crate) fn payload(&mut self, run: &[u8]) {
        let mut rest = run;
        while let Some(place) = self.layout.next_check(self.checked) {
            let missing = place.payload.saturating_sub(self.payload);
            let missing = usize::try_from(missing).unwrap_or(usize::MAX);
            let (run, after) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
            self.covered(run);
            self.payload = self.payload.saturating_add(run.len() as u64);
            rest = after;
            if self.payload < place.payload {
                return;
            }
            self.check(place.check);
            self.checked = place.payload;
        }
    }

    /// Ends the file.
    pub(crate) fn finish(self) -> Result<&'a [u8], Error> {
        let (count, expected) = (self.payload, self.layout.payload_bytes());
        if self.checked != expected {
            return Err(Error::InvalidPayloadLength { count, expected });
        }
        Ok(self.out.get(..self.written).unwrap_or(self.out))
    }

    /// Writes bytes that the checks cover.
    fn covered(&mut self, bytes: &[u8]) {
        self.sums.update(bytes);
        self.put(bytes);
    }

    fn check(&mut self, check: Check) {
        let value = self.sums.value(check).to_le_bytes();
        let length = usize::try_from(check.byte_len()).unwrap_or(value.len());
        self.put(value.get(..length).unwrap_or(&value));
    }

    fn put(&mut self, bytes: &[u8]) {
        let places = self.out.iter_mut().skip(self.written);
        for (place, &byte) in places.zip(bytes) {
            *place = byte;
        }
        self.written = self.written.saturating_add(bytes.len());
    }
}

#[cfg(feature = "alloc")]
impl Writer<'_> {
    /// Adds a metadata chunk, whose type byte has its marks.
    fn chunk(&mut self, tag: u8, content: &[u8]) {
        // Longer contents cannot be: texts are checked before writing, chunks when they are made.
        let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
        let [low, high] = length.to_le_bytes();
        let head = [tag, low, high];
        self.covered(&head);
        self.put(&[crate::checks::frame8(head)]);
        self.covered(content);
        self.check(Check::Long);
    }
}

/// Writes a complete file. The payload has the length that the header asks for, and the header's metadata flag agrees with
/// `metadata`.
#[cfg(feature = "alloc")]
pub(crate) fn write(
    header: &Header,
    payload: &[u8],
    metadata: &crate::Metadata,
) -> Result<alloc::vec::Vec<u8>, Error> {
    let size = header.layout().payload_section_end();
    let size = size.saturating_add(metadata.byte_len());
    let mut bytes = alloc::vec::Vec::new();
    // What a machine cannot count it cannot reserve either.
    let length = usize::try_from(size).unwrap_or(usize::MAX);
    let reserved = bytes.try_reserve_exact(length);
    reserved.or(Err(Error::OutOfMemory { bytes: size }))?;
    bytes.resize(length, 0);
    let mut writer = Writer::begin(header, &mut bytes)?;
    writer.payload(payload);
    for (tag, content) in metadata.tagged() {
        writer.chunk(tag, content);
    }
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fingerprint, Ids, Metadata, Size};

    #[test]
    fn too_little_payload_is_no_file() {
        let size = Size {
            width: 1,
            height: 1,
        };
        let header = Header::ids(size, Ids::new(Fingerprint([0; 4]), 6, 9)).unwrap();
        for count in 0..12 {
            let written = write(&header, &[0; 12][..count], &Metadata::default());
            let refused = Error::InvalidPayloadLength {
                count: count as u64,
                expected: 12,
            };
            assert_eq!(written, Err(refused));
        }
    }
}
