//! Makes the checks of made-up bytes right, so that fuzzing gets beyond them.

use flextok_container::{Check, Header};

/// The bytes with every check that has its place in them set right, as far as they look like a file: `None` if they do not.
pub fn reseal(data: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = data.to_vec();
    bytes.get_mut(..2)?.copy_from_slice(&[0xf6, 0xdc]);
    let kind = bytes.get(2)? & 0x3f;
    let ids = kind & 0x10 != 0;
    let even = kind.count_ones().is_multiple_of(2);
    bytes[2] = kind | (u8::from(even) << 7);
    let length = usize::from(kind & 15) + if ids { 19 } else { 9 };
    let body = length - if ids { 4 } else { 1 };
    let mut covered = bytes.get(..body)?.to_vec();
    let check = if ids {
        crc32(&covered)
    } else {
        crc8(0x1d, &covered)
    };
    seal(&mut bytes, &check, body)?;
    let layout = Header::parse(&bytes).ok()?.layout();
    // A header that asks for more than there is has no later checks to set.
    let (mut at, mut done) = (length, 0);
    while let Some(place) = layout.next_check(done) {
        let count = usize::try_from(place.payload - done).ok()?;
        let Some(run) = at.checked_add(count).and_then(|end| bytes.get(at..end)) else {
            return Some(bytes);
        };
        covered.extend(run);
        at += count;
        let check = match place.check {
            Check::First => crc8(0x2b, &covered),
            Check::Second => crc8(0x4d, &covered),
            Check::End => crc8(0x2d, &covered),
            Check::Middle => crc16(&covered),
            _ => crc32(&covered),
        };
        let Some(()) = seal(&mut bytes, &check, at) else {
            return Some(bytes);
        };
        at += check.len();
        done = place.payload;
    }
    while let Some(&head @ [_, low, high]) =
        bytes.get(at..).and_then(|rest| rest.first_chunk::<3>())
    {
        let start = at + 4;
        let end = start + usize::from(u16::from_le_bytes([low, high]));
        if kind & 0x20 == 0 || seal(&mut bytes, &crc8(0x1d, &head), at + 3).is_none() {
            break;
        }
        let Some(content) = bytes.get(start..end) else {
            break;
        };
        covered.extend(head);
        covered.extend(content);
        if seal(&mut bytes, &crc32(&covered), end).is_none() {
            break;
        }
        at = end + 4;
    }
    Some(bytes)
}

/// A CRC of `width` bits from all ones, most significant bit first.
fn crc(width: u32, polynomial: u32, bytes: &[u8]) -> u32 {
    let mask = u32::MAX >> (32 - width);
    bytes.iter().fold(mask, |state, byte| {
        (0..8).rev().fold(state, |state, bit| {
            let out = ((state >> (width - 1)) ^ u32::from(byte >> bit)) & 1;
            ((state << 1) ^ (polynomial * out)) & mask
        })
    })
}

fn crc8(polynomial: u32, bytes: &[u8]) -> Vec<u8> {
    crc(8, polynomial, bytes).to_le_bytes()[..1].to_vec()
}

fn crc16(bytes: &[u8]) -> Vec<u8> {
    crc(16, 0x1021, bytes).to_le_bytes()[..2].to_vec()
}

fn crc32(bytes: &[u8]) -> Vec<u8> {
    crc32fast::hash(bytes).to_le_bytes().to_vec()
}

/// Writes a check at `at`; `None` if it has no place there.
fn seal(bytes: &mut [u8], check: &[u8], at: usize) -> Option<()> {
    bytes
        .get_mut(at..at.checked_add(check.len())?)?
        .copy_from_slice(check);
    Some(())
}

#[cfg(test)]
mod tests {
    use flextok_container::TokenFile;

    use super::reseal;

    #[test]
    fn a_damaged_file_reads_again() {
        let coded = &include_bytes!("../../format-spec/examples/coded.flxt")[..];
        let ids = &include_bytes!("../../format-spec/examples/ids.flxt")[..];
        for (good, places) in [
            (coded, &[6, 10, 30, 75, 80, 84, 89, 95, 104, 115, 120][..]),
            (ids, &[4, 20, 24, 33]),
        ] {
            assert_eq!(reseal(good).as_deref(), Some(good));
            let mut damaged = good.to_vec();
            for &at in places {
                damaged[at] ^= 0x20;
            }
            assert!(TokenFile::parse(&damaged).is_err());
            let resealed = reseal(&damaged).expect("the shape of a file");
            assert!(TokenFile::parse(&resealed).is_ok_and(|file| file.is_complete()));
        }
    }
}
