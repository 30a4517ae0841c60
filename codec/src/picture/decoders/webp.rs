//! What a WebP file claims in the chunks that its decoder believes before it has seen their data.

use std::borrow::Cow;

/// The chunks of a file from its twelfth byte on: name, declared length, and the part of the body that is present.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], u64, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (name, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        let end = usize::try_from(length).map_or(after.len(), |end| end.min(after.len()));
        let (body, next) = after.split_at(end);
        // Odd chunks are padded.
        rest = next.get(end & 1..).unwrap_or_default();
        Some((*name, u64::from(length), body))
    })
}

/// Whether a chunk of the first `end` bytes claims more than follows it: the decoder takes memory for it before it reads.
pub(super) fn overclaims(file: &[u8], end: u64) -> bool {
    let mut at = 12;
    chunks(file.get(12..).unwrap_or_default())
        .take_while(|(_, length, _)| {
            let inside = at < end;
            at += 8 + length + (length & 1);
            inside
        })
        .any(|(_, length, body)| length > body.len() as u64)
}

/// The flags of an extended file (WebP container, section "Extended File Format").
const ALPHA: u8 = 0x10;
const EXIF: u8 = 0x08;
const XMP: u8 = 0x04;
const ANIMATION: u8 = 0x02;

/// The number of frames of an animation.
pub(super) fn frames(file: &[u8]) -> usize {
    let chunks = chunks(file.get(12..).unwrap_or_default());
    chunks.filter(|(name, ..)| name == b"ANMF").count()
}

/// The file without flags for chunks that it does not have: editors that leave out metadata forget them, and the decoder
/// refuses such files.
pub(super) fn without_empty_flags(file: &[u8]) -> Cow<'_, [u8]> {
    const FLAGS: usize = 20;
    let Some(&flags) = file
        .get(FLAGS)
        .filter(|_| file.get(12..16) == Some(b"VP8X"))
    else {
        return Cow::Borrowed(file);
    };
    let mut empty = flags & (EXIF | XMP);
    let mut lossy = false;
    let mut alpha = false;
    for (name, ..) in chunks(file.get(12..).unwrap_or_default()) {
        match &name {
            b"EXIF" => empty &= !EXIF,
            b"XMP " => empty &= !XMP,
            b"VP8 " => lossy = true,
            b"ALPH" => alpha = true,
            _ => {}
        }
    }
    if lossy && !alpha && flags & ANIMATION == 0 {
        empty |= flags & ALPHA;
    }
    if empty == 0 {
        return Cow::Borrowed(file);
    }
    let mut copy = file.to_vec();
    if let Some(flags) = copy.get_mut(FLAGS) {
        *flags &= !empty;
    }
    Cow::Owned(copy)
}

/// Memory of the decoder in addition to the returned pixels.
pub(super) fn working_bytes(file: &[u8], pixels: u64) -> u64 {
    let file = file.get(12..).unwrap_or_default();
    let mut per_pixel = 0;
    let mut lossy = 0;
    for (name, _, body) in chunks(file) {
        match &name {
            // Four channels although three are returned, and the tables of the transforms.
            b"VP8L" => per_pixel = per_pixel.max(5),
            // Alpha is unpacked to four channels before it is one.
            b"ALPH" => per_pixel = per_pixel.max(6),
            b"VP8 " => lossy = lossy.max(planes(body)),
            // The frame, the picture it is laid on, and what the frame is decoded from.
            b"ANMF" => {
                per_pixel = per_pixel.max(14);
                let frame = chunks(body.get(16..).unwrap_or_default());
                let planes = frame.filter(|(name, ..)| name == b"VP8 ");
                lossy = planes.fold(lossy, |most, (_, _, body)| most.max(self::planes(body)));
            }
            _ => {}
        }
    }
    pixels.saturating_mul(per_pixel).saturating_add(lossy)
}

/// Bytes of the luma and chroma planes of a lossy frame, whose size need not be that of the file.
fn planes(frame: &[u8]) -> u64 {
    let side = |at: usize| {
        let bytes = frame.get(at..).and_then(|rest| rest.first_chunk::<2>());
        let side = bytes.map_or(0, |&bytes| u16::from_le_bytes(bytes) & 0x3fff);
        u64::from(side).next_multiple_of(16)
    };
    side(6) * side(8) * 3 / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::fixtures;

    fn chunk(name: &[u8; 4], claimed: u32, body: &[u8]) -> Vec<u8> {
        [name, &claimed.to_le_bytes()[..], body].concat()
    }

    fn frame(width: u16, height: u16) -> Vec<u8> {
        let start = [0x30, 1, 0, 0x9d, 1, 0x2a];
        [&start[..], &width.to_le_bytes(), &height.to_le_bytes()].concat()
    }

    #[test]
    fn real_files_claim_what_they_have() {
        for name in ["orientation3.webp", "animated.webp"] {
            let bytes = fixtures::bytes(name);
            assert!(!overclaims(&bytes, bytes.len() as u64), "{name}");
            assert!(working_bytes(&bytes, 24) > 0, "{name}");
        }
    }

    #[test]
    fn a_frame_may_be_larger_than_its_file_says() {
        let head = [0; 12];
        let lossy = [&head[..], &chunk(b"VP8 ", 10, &frame(16_383, 8))].concat();
        assert_eq!(working_bytes(&lossy, 16), 16_384 * 16 * 3 / 2);
        let inner = [vec![0; 16], chunk(b"VP8 ", 10, &frame(32, 32))].concat();
        let animated = [&head[..], &chunk(b"ANMF", inner.len() as u32, &inner)].concat();
        assert_eq!(working_bytes(&animated, 10), 140 + 32 * 32 * 3 / 2);
        assert!(!overclaims(&animated, u64::MAX));
    }

    #[test]
    fn lengths_beyond_the_file_are_found() {
        let odd = chunk(b"EXIF", 3, &[1, 2, 3, 0]);
        let good = [vec![0; 12], odd.clone(), odd.clone()].concat();
        assert!(!overclaims(&good, u64::MAX));
        let end = good.len() as u64;
        let bad = [good, chunk(b"ICCP", u32::MAX, b"x")].concat();
        assert!(overclaims(&bad, end + 1));
        assert!(!overclaims(&bad, end), "bytes after the end are ignored");
        for cut in 0..bad.len() {
            overclaims(&bad[..cut], u64::MAX);
            working_bytes(&bad[..cut], 1);
        }
    }
}
