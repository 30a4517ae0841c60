//! Facts from the segments of a JPEG stream: whether it is complete, because the decoder fills missing parts with grey,
//! and how many coefficients the decoder keeps.

/// True if the marker segments and scans of `bytes` reach an end-of-image marker.
///
/// Walks the segments by their lengths, so that the end marker of an embedded thumbnail does not
/// count, and accepts anything after the end, which cameras like to append.
pub(in crate::picture::decoders) fn is_complete(bytes: &[u8]) -> bool {
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

/// Bytes of the coefficients that the decoder holds until the last scan: none where the first scan has all components,
/// because that is decoded row by row.
pub(in crate::picture::decoders) fn coefficient_bytes(bytes: &[u8]) -> u64 {
    let mut at = 2;
    let mut frame: Option<(u64, usize, bool)> = None;
    while let Some(marker) = next_marker(bytes, &mut at) {
        let rest = bytes.get(at..).unwrap_or_default();
        match marker {
            // frame headers, without the tables that stand among their numbers
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let progressive = marker != 0xc0 && marker != 0xc1;
                frame = samples(rest).map(|(samples, parts)| (samples, parts, progressive));
            }
            0xda => {
                let parts = rest.get(2).copied().map_or(0, usize::from);
                return match frame {
                    Some((samples, all, progressive)) if progressive || parts < all => 2 * samples,
                    _ => 0,
                };
            }
            _ => {}
        }
        match rest.first_chunk::<2>() {
            Some(_) if marker == 0xd8 || marker == 0xd9 => {}
            Some(length) => at += usize::from(u16::from_be_bytes(*length)).max(2),
            None => break,
        }
    }
    0
}

/// The samples of all components of a frame in whole units, and the number of components.
fn samples(header: &[u8]) -> Option<(u64, usize)> {
    let number = |at: usize| {
        let bytes = header.get(at..)?.first_chunk::<2>()?;
        Some(u64::from(u16::from_be_bytes(*bytes)))
    };
    let (height, width) = (number(3)?, number(5)?);
    let parts = usize::from(*header.get(7)?);
    let (parts_of, _) = header.get(8..)?.as_chunks::<3>();
    let factors = parts_of.iter().take(parts).map(|part| {
        let factors = part[1];
        (u64::from(factors >> 4), u64::from(factors & 15))
    });
    let across = factors.clone().map(|(across, _)| across).max()?.max(1);
    let down = factors.clone().map(|(_, down)| down).max()?.max(1);
    let units = width.div_ceil(8 * across) * height.div_ceil(8 * down);
    let blocks: u64 = factors.map(|(across, down)| across * down).sum();
    Some((units * blocks * 64, parts))
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
    fn coefficients_are_kept_of_several_scans_only() {
        assert_eq!(coefficient_bytes(&fixtures::bytes("cmyk.jpg")), 0);
        let progressive = fixtures::bytes("progressive.jpg");
        // 48x32 pixels of three components, the two of colour at half the size: 6 units of 6 blocks
        assert_eq!(coefficient_bytes(&progressive), 2 * 6 * 6 * 64);
        for cut in 0..progressive.len() {
            coefficient_bytes(&progressive[..cut]);
        }
        // The same frame as baseline, in a scan of one component and in one of all.
        let mut header = vec![0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0, 16, 0, 16, 3];
        header.extend([1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0, 0xff, 0xda, 0, 4, 1, 0]);
        assert_eq!(coefficient_bytes(&header), 2 * 6 * 64);
        header[25] = 3;
        assert_eq!(coefficient_bytes(&header), 0);
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
