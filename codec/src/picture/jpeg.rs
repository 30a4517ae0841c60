//! Whether a JPEG stream is all there: the decoder itself fills what is missing with grey.

/// True if the marker segments and scans of `bytes` reach an end-of-image marker.
///
/// Walks the segments by their lengths, so that the end marker of an embedded thumbnail does not
/// count, and accepts anything after the end, which cameras like to append.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    // After the start-of-image marker.
    let mut at = 2;
    while let Some(marker) = next_marker(bytes, &mut at) {
        match marker {
            0xd9 => return true,
            // A stray start of image has no length.
            0xd8 => {}
            _ => match bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()) {
                Some(length) => at += usize::from(u16::from_be_bytes(*length)).max(2),
                None => return false,
            },
        }
    }
    false
}

/// The next marker from `at` on; leaves `at` behind it. Skips compressed data, stuffed zeros, fill
/// bytes and restart markers.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        let rest = bytes.get(*at..)?;
        *at += rest.iter().position(|&byte| byte == 0xff)? + 1;
        match *bytes.get(*at)? {
            0x00 | 0x01 | 0xff | 0xd0..=0xd7 => {}
            marker => {
                *at += 1;
                return Some(marker);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::fixtures;

    #[test]
    fn only_the_whole_file_is_complete() {
        for name in ["cmyk.jpg", "orientation6.jpg", "progressive.jpg"] {
            let bytes = fixtures::bytes(name);
            assert!(is_complete(&bytes), "{name}");
            for cut in 0..bytes.len() {
                assert!(!is_complete(&bytes[..cut]), "{name} cut to {cut}");
            }
        }
    }

    #[test]
    fn what_follows_the_end_is_ignored() {
        let mut bytes = fixtures::bytes("cmyk.jpg");
        bytes.extend(b"camera maker's appendix \xff\xe1");
        assert!(is_complete(&bytes));
    }

    #[test]
    fn a_thumbnail_in_a_segment_does_not_count() {
        let with_thumbnail = [0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9, 1, 2];
        assert!(!is_complete(&with_thumbnail));
        assert!(!is_complete(&[0xff, 0xd8, 0xff, 0xe1, 0, 0, 0xff]));
    }
}
