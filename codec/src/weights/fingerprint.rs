//! The fingerprint that ties a token file to the weights it was made with.
//!
//! A CRC32 over the tensors in ascending byte order of their names: name, a zero byte, element type as safetensors
//! spells it, a zero byte, number of dimensions (u8), each dimension (u64, little-endian), and a sample of the stored
//! bytes. Tensors up to [`WHOLE`] bytes are sampled whole, others by [`CHUNKS`] chunks of [`CHUNK`] bytes spread evenly
//! from their first byte to their last, so that a fingerprint reads little of a large checkpoint.

use std::collections::BTreeMap;
use std::ops::Range;

use flextok_compute::Storage;

use super::header::Entry;
use super::scan::Scan;

/// Largest tensor in bytes that is sampled whole.
const WHOLE: usize = 1 << 20;
/// Chunks that are sampled of a larger one.
const CHUNKS: usize = 16;
/// Bytes in a chunk.
const CHUNK: usize = 4096;

/// The fingerprint of `tensors`, whose ranges refer to `storage`.
pub(super) fn fingerprint(storage: &Storage, tensors: &BTreeMap<String, Entry>) -> [u8; 4] {
    let mut scan = Scan::new(storage);
    let mut crc = crc32fast::Hasher::new();
    for (name, entry) in tensors {
        crc.update(name.as_bytes());
        crc.update(&[0]);
        crc.update(entry.dtype.to_string().as_bytes());
        crc.update(&[0]);
        // The header allows far fewer than 256 dimensions.
        crc.update(&[u8::try_from(entry.shape.len()).unwrap_or(u8::MAX)]);
        for &dim in &entry.shape {
            crc.update(&(dim as u64).to_le_bytes());
        }
        let stored = storage
            .as_slice()
            .get(entry.range.clone())
            .unwrap_or_default();
        for range in samples(stored.len()) {
            let sample = stored.get(range).unwrap_or_default();
            crc.update(sample);
            scan.advance(sample.len());
        }
    }
    crc.finalize().to_le_bytes()
}

/// The byte ranges that are sampled of a tensor of `size` bytes.
fn samples(size: usize) -> impl Iterator<Item = Range<usize>> {
    let (count, length) = if size <= WHOLE {
        (1, size)
    } else {
        (CHUNKS, CHUNK)
    };
    (0..count).map(move |index| {
        let span = size.saturating_sub(length) as u128;
        let last = (CHUNKS as u128).saturating_sub(1);
        let start = span
            .saturating_mul(index as u128)
            .checked_div(last)
            .unwrap_or(0);
        let start = usize::try_from(start).unwrap_or(size);
        start..start.saturating_add(length)
    })
}
