//! The chunks of a PNG file: the size, and how much memory those before the pixels take in the decoder.

mod blocks;
mod check;

pub(super) use blocks::blocks;
pub(super) use check::check;

use crate::picture::memory;

const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// A chunk whose body is all there.
struct Chunk<'a> {
    kind: &'a [u8; 4],
    body: &'a [u8],
    /// The checksum, unless the file ends before it.
    crc: Option<u32>,
}

impl Chunk<'_> {
    /// Whether its checksum is right.
    fn is_intact(&self) -> bool {
        let mut crc = crc32fast::Hasher::new();
        crc.update(self.kind);
        crc.update(self.body);
        self.crc == Some(crc.finalize())
    }
}

/// The chunks up to the first one that is not all there.
fn walk(png: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = png.get(SIGNATURE.len()..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        let (body, after) = after.split_at_checked(length)?;
        let crc = after.split_first_chunk::<4>();
        rest = crc.map(|(_, rest)| rest).unwrap_or_default();
        let crc = crc.map(|(crc, _)| u32::from_be_bytes(*crc));
        Some(Chunk { kind, body, crc })
    })
}

/// The kind and the body of each chunk, up to the first one that is not all there.
pub(in crate::picture) fn chunks(png: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    walk(png).map(|chunk| (chunk.kind, chunk.body))
}

/// Whether the file is an animation of several frames (section 11.3.5).
pub(super) fn is_animated(png: &[u8]) -> bool {
    let mut before_pixels = chunks(png).take_while(|(kind, _)| *kind != b"IDAT");
    let control = before_pixels.find(|(kind, _)| *kind == b"acTL");
    let frames = control.and_then(|(_, body)| body.first_chunk::<4>());
    frames.is_some_and(|frames| u32::from_be_bytes(*frames) > 1)
}

/// The size in the header. The decoder is given its limit on memory before it tells the size, and a refusal is to name
/// the size.
pub(super) fn size(png: &[u8]) -> Option<(u32, u32)> {
    let (words, _) = png.get(12..24)?.as_chunks::<4>();
    let [kind, width, height] = words else {
        return None;
    };
    let number = |bytes: &[u8; 4]| u32::from_be_bytes(*bytes);
    (kind == b"IHDR").then(|| (number(width), number(height)))
}

/// Bytes that the decoder keeps of the chunks before the pixels, and of its rows; a colour profile comes on top.
pub(super) fn header_bytes(png: &[u8]) -> u64 {
    let width = size(png).map_or(0, |(width, _)| u64::from(width));
    let before_pixels = chunks(png).take_while(|(kind, _)| *kind != b"IDAT");
    // The chunk itself in a buffer that grows, and its text, which is converted from Latin-1.
    let texts: u64 = before_pixels
        .map(|(_, body)| 128 + 4 * body.len() as u64)
        .sum();
    width.saturating_mul(4 * 8).saturating_add(texts)
}

/// What the decoder may take for its chunks and rows, a profile of usual size included.
pub(super) fn header_limit(png: &[u8]) -> u64 {
    header_bytes(png).saturating_add(memory::METADATA)
}

/// A chunk with its checksum.
#[cfg(test)]
pub(in crate::picture) fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let checked = [kind, body].concat();
    let length = (body.len() as u32).to_be_bytes();
    let crc = crc32fast::hash(&checked).to_be_bytes();
    [&length[..], &checked, &crc].concat()
}

/// A file of these chunks.
#[cfg(test)]
pub(in crate::picture) fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
    [SIGNATURE.to_vec(), chunks.concat()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::fixtures;

    #[test]
    fn sizes_and_chunks_of_real_files() {
        let png = fixtures::bytes("profile.png");
        let kinds: Vec<&[u8; 4]> = chunks(&png).map(|(kind, _)| kind).collect();
        assert_eq!(kinds.first(), Some(&b"IHDR"));
        assert_eq!(kinds.last(), Some(&b"IEND"));
        assert!(kinds.contains(&b"iCCP"));
        assert!(size(&png).is_some());
        for cut in 0..png.len() {
            let part = &png[..cut];
            assert!(chunks(part).count() <= kinds.len());
            assert!(header_bytes(part) <= header_bytes(&png));
        }
        assert_eq!(size(&fixtures::bytes("cmyk.jpg")), None);
    }
}
