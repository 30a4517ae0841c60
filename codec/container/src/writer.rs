//! Bytes from a token file: header, payload with its checks, chunks.

use alloc::vec::Vec;

use crate::checks::{Check, Sums};
use crate::{Error, Header, Metadata, header};

/// Bytes with the checks that belong between them.
struct Out {
    bytes: Vec<u8>,
    sums: Sums,
}

impl Out {
    fn push(&mut self, bytes: &[u8]) {
        self.sums.update(bytes);
        self.bytes.extend_from_slice(bytes);
    }

    fn push_check(&mut self, check: Check) {
        let value = self.sums.value(check).to_le_bytes();
        let bytes = value.iter().zip(0..check.byte_len());
        self.bytes.extend(bytes.map(|(&byte, _)| byte));
    }
}

/// Writes a complete file. The payload has the length that the header asks for, and the header's metadata flag agrees with
/// `metadata`.
pub(crate) fn write(
    header: &Header,
    payload: &[u8],
    metadata: &Metadata,
) -> Result<Vec<u8>, Error> {
    let layout = header.layout();
    let size = layout
        .payload_section_end()
        .saturating_add(metadata.byte_len());
    let mut bytes = Vec::new();
    // What a machine cannot count it cannot reserve either.
    let reserved = bytes.try_reserve_exact(usize::try_from(size).unwrap_or(usize::MAX));
    reserved.or(Err(Error::OutOfMemory { bytes: size }))?;
    let mut out = Out {
        bytes,
        sums: Sums::new(),
    };
    let head = header.to_bytes();
    out.bytes.extend_from_slice(&head);
    out.sums.update(header::body(&head));

    let mut rest = payload;
    let mut done = 0_u64;
    while let Some(place) = layout.next_check(done) {
        let count = usize::try_from(place.payload.saturating_sub(done)).ok();
        let parts = count.and_then(|count| rest.split_at_checked(count));
        let Some((run, after)) = parts else {
            return Err(Error::InvalidPayloadLength {
                count: payload.len() as u64,
                expected: header.payload_bytes(),
            });
        };
        out.push(run);
        out.push_check(place.check);
        (rest, done) = (after, place.payload);
    }
    for (tag, content) in metadata.tagged() {
        // Longer contents cannot be: texts are checked before writing, chunks when they are made.
        let [low, high] = u16::try_from(content.len())
            .unwrap_or(u16::MAX)
            .to_le_bytes();
        let head = [tag, low, high];
        out.push(&head);
        out.bytes.push(crate::checks::frame8(head));
        out.push(content);
        out.push_check(Check::Long);
    }
    Ok(out.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fingerprint, Ids, Size};

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
