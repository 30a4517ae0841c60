//! Makes the checksums of made-up bytes right, so that fuzzing gets beyond them.

use flextok_container::Header;

/// The bytes with every checksum that has its place in them set right, as far as they look like a
/// file: `None` if they do not.
pub fn reseal(data: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = data.to_vec();
    bytes
        .get_mut(..5)?
        .copy_from_slice(&[0x89, 0x46, 0x4c, 0x58, 0x10]);
    let flags = *bytes.get(5)? & 15;
    bytes[5] = flags;
    let parts = [(1, 1), (2, 2), (4, 4)].into_iter();
    let extra: usize = parts
        .map(|(bit, len)| if flags & bit == 0 { 0 } else { len })
        .sum();
    seal(&mut bytes, 0, 17 + extra)?;
    let header = Header::parse(&bytes).ok()?;
    let layout = header.layout();
    // A header that asks for more than there is has no later checksums to set.
    let mut layer = 0;
    while let Some(next) = layout.next_checkpoint(layer) {
        let Some(()) = seal(
            &mut bytes,
            0,
            usize::try_from(layout.layer_end(next)?).ok()?,
        ) else {
            return Some(bytes);
        };
        layer = next;
    }
    let mut at = usize::try_from(layout.tokens_end()).ok()?;
    while let Some(&[_, low, high]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<3>()) {
        let end = at + 3 + usize::from(u16::from_le_bytes([low, high]));
        if !header.has_metadata() || seal(&mut bytes, at, end).is_none() {
            break;
        }
        at = end + 4;
    }
    Some(bytes)
}

/// Writes the CRC32 of `start..end` at `end`; `None` if it has no place there.
fn seal(bytes: &mut [u8], start: usize, end: usize) -> Option<()> {
    let crc = crc32fast::hash(bytes.get(start..end)?);
    let place = bytes.get_mut(end..end.checked_add(4)?)?;
    place.copy_from_slice(&crc.to_le_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use flextok_container::TokenFile;

    use super::reseal;

    #[test]
    fn a_damaged_file_reads_again() {
        let good = include_bytes!("../../format-spec/examples/worked.flxt");
        assert_eq!(reseal(good).as_deref(), Some(&good[..]));
        let mut damaged = *good;
        for at in [18, 22, 31, 36, 50, 57, 70] {
            damaged[at] ^= 0x40;
        }
        assert!(TokenFile::parse(&damaged).is_err());
        let resealed = reseal(&damaged).expect("the shape of a file");
        assert!(TokenFile::parse(&resealed).is_ok_and(|file| file.is_complete()));
    }
}
