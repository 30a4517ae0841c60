//! The chunks of a PNG file before its pixels: the size, and how much memory they take in the decoder.

use crate::picture::memory;

const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// The kind and the body of each chunk, up to the first one that is not all there.
pub(in crate::picture) fn chunks(png: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = png.get(SIGNATURE.len()..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        let body = after.get(..length)?;
        // The body and its CRC.
        rest = after.get(length..)?.get(4..).unwrap_or_default();
        Some((kind, body))
    })
}

/// The coding points of the pixels in a `cICP` chunk (ITU-T H.273): colour primaries and transfer characteristics.
pub(super) fn coding_points(png: &[u8]) -> Option<[u8; 2]> {
    let mut before_pixels = chunks(png).take_while(|(kind, _)| *kind != b"IDAT");
    let (_, body) = before_pixels.find(|(kind, _)| *kind == b"cICP")?;
    body.first_chunk().copied()
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
