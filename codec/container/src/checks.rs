//! The checks: which of them stand in a file, and the sums they are compared with (section 4 of the specification).
//!
//! No two checks that cover the same bytes share a polynomial, apart from the CRC-32s: a change that one of them misses
//! would be missed by the other as well.

use crc::{Algorithm, Crc, Digest};
#[cfg(feature = "std")]
use crc32fast::Hasher as Crc32;

/// Bytes of the longest check.
pub(crate) const MAX_CHECK_BYTES: usize = 4;

/// Bytes of all parts that a CRC-8 or CRC-16 can cover: those of the longest header and of 1024 bytes of payload. The
/// sums of the short checks stop there.
const SHORT_REACH: u64 = 1024 + crate::layout::MAX_HEADER_BYTES;

const fn crc8(poly: u8, check: u8) -> Algorithm<u8> {
    Algorithm {
        width: 8,
        poly,
        init: 0xff,
        refin: false,
        refout: false,
        xorout: 0,
        check,
        residue: 0,
    }
}

static HEADER: Crc<u8> = Crc::<u8>::new(&crc8(0x1d, 0xb4));
static FIRST: Crc<u8> = Crc::<u8>::new(&crc8(0x2b, 0x43));
static SECOND: Crc<u8> = Crc::<u8>::new(&crc8(0x4d, 0x06));
static END: Crc<u8> = Crc::<u8>::new(&crc8(0x2d, 0x62));
static MIDDLE: Crc<u16> = Crc::<u16>::new(&crc::CRC_16_IBM_3740);
static PACKET: Crc<u32> = Crc::<u32>::new(&crc::CRC_32_ISCSI);

/// A running CRC-32. With the standard library it takes the processor's instructions; without, they could not be looked for,
/// and this has a small table and no panics.
#[cfg(not(feature = "std"))]
#[derive(Clone)]
pub(crate) struct Crc32(Digest<'static, u32>);

#[cfg(not(feature = "std"))]
impl Crc32 {
    fn new() -> Self {
        static LONG: Crc<u32> = Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
        Self(LONG.digest())
    }

    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finalize(self) -> u32 {
        self.0.finalize()
    }
}

/// A kind of check: its length and its polynomial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Check {
    /// CRC-8 of polynomial 0x2B: after 64 bytes of payload.
    First,
    /// CRC-8 of polynomial 0x4D: after 256 bytes of payload.
    Second,
    /// CRC-8 of polynomial 0x2D: at the end of a file of at most 64 bytes.
    End,
    /// CRC-16 of polynomial 0x1021: at the end of a file of at most 1024 bytes.
    Middle,
    /// CRC-32: wherever more than 1024 bytes come before.
    Long,
}

impl Check {
    /// Bytes of the check in the file: 1, 2 or 4.
    #[must_use]
    pub const fn byte_len(self) -> u64 {
        match self {
            Self::First | Self::Second | Self::End => 1,
            Self::Middle => 2,
            Self::Long => 4,
        }
    }
}

/// The CRC-8 of a coded file's header.
pub(crate) fn header8(bytes: &[u8]) -> u8 {
    HEADER.checksum(bytes)
}

/// The CRC-32 of a header of ids.
pub(crate) fn header32(bytes: &[u8]) -> u32 {
    let mut sum = Crc32::new();
    sum.update(bytes);
    sum.finalize()
}

/// The CRC-8 of a chunk's type and length.
pub(crate) fn frame8(type_and_length: [u8; 3]) -> u8 {
    HEADER.checksum(&type_and_length)
}

/// The running CRC-32C of a packet, or of a file for its name in packets: a polynomial that no check of a file has, so that
/// the file's own checks find what a packet's misses.
pub(crate) fn packet() -> Digest<'static, u32> {
    PACKET.digest()
}

/// The running sums of everything in a file that is not a check.
#[derive(Clone)]
pub(crate) struct Sums {
    covered: u64,
    first: Digest<'static, u8>,
    second: Digest<'static, u8>,
    end: Digest<'static, u8>,
    middle: Digest<'static, u16>,
    long: Crc32,
}

impl core::fmt::Debug for Sums {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sums")
            .field("covered", &self.covered)
            .finish_non_exhaustive()
    }
}

impl Sums {
    pub(crate) fn new() -> Self {
        Self {
            covered: 0,
            first: FIRST.digest(),
            second: SECOND.digest(),
            end: END.digest(),
            middle: MIDDLE.digest(),
            long: Crc32::new(),
        }
    }

    /// Takes the next bytes of the file that are not a check.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let reach = usize::try_from(SHORT_REACH.saturating_sub(self.covered)).unwrap_or(0);
        let short = bytes.get(..reach).unwrap_or(bytes);
        self.first.update(short);
        self.second.update(short);
        self.end.update(short);
        self.middle.update(short);
        self.long.update(bytes);
        self.covered = self.covered.saturating_add(bytes.len() as u64);
    }

    /// The value of a check after the bytes so far.
    pub(crate) fn value(&self, check: Check) -> u32 {
        debug_assert!(check == Check::Long || self.covered <= SHORT_REACH);
        match check {
            Check::First => self.first.clone().finalize().into(),
            Check::Second => self.second.clone().finalize().into(),
            Check::End => self.end.clone().finalize().into(),
            Check::Middle => self.middle.clone().finalize().into(),
            Check::Long => self.long.clone().finalize(),
        }
    }
}

/// The number of a stored check: little-endian, 1 to 4 bytes.
pub(crate) fn stored(bytes: &[u8]) -> u32 {
    let shifted = bytes.iter().rev();
    shifted.fold(0, |value, &byte| (value << 8) | u32::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit, as the specification defines it.
    fn plain(bytes: &[u8], width: u32, polynomial: u32) -> u32 {
        let mask = u32::MAX >> (32 - width);
        let bits = bytes
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit) & 1));
        bits.fold(mask, |state, bit| {
            let out = (state >> (width - 1)) ^ bit;
            ((state << 1) ^ (polynomial * (out & 1))) & mask
        })
    }

    #[test]
    fn check_values_are_those_of_the_specification() {
        let digits = b"123456789";
        let mut sums = Sums::new();
        digits.chunks(2).for_each(|piece| sums.update(piece));
        for (check, width, polynomial, value) in [
            (Check::First, 8, 0x2b, FIRST.algorithm.check.into()),
            (Check::Second, 8, 0x4d, SECOND.algorithm.check.into()),
            (Check::End, 8, 0x2d, END.algorithm.check.into()),
            (Check::Middle, 16, 0x1021, 0x29b1),
        ] {
            assert_eq!(plain(digits, width, polynomial), value, "{check:?}");
            assert_eq!(sums.value(check), value, "{check:?}");
        }
        assert_eq!(sums.value(Check::Long), 0xcbf4_3926);
        let header = HEADER.algorithm.check;
        assert_eq!(plain(digits, 8, 0x1d), u32::from(header));
        assert_eq!(header8(digits), header);
        assert_eq!(frame8(*b"123"), plain(b"123", 8, 0x1d) as u8);
    }

    /// The four CRC-8s share no factor: what one of them misses, another one finds.
    #[test]
    fn polynomials_are_irreducible_and_different() {
        let remainder = |mut value: u32, by: u32| {
            let degree = by.ilog2();
            while value != 0 && value.ilog2() >= degree {
                value ^= by << (value.ilog2() - degree);
            }
            value
        };
        let all = [0x11d_u32, 0x12b, 0x14d, 0x12d];
        for (index, &polynomial) in all.iter().enumerate() {
            assert!((2..0x20).all(|factor| remainder(polynomial, factor) != 0));
            assert!(!all[..index].contains(&polynomial));
        }
    }

    #[test]
    fn stored_checks_are_little_endian() {
        assert_eq!(stored(&[]), 0);
        assert_eq!(stored(&[0xab]), 0xab);
        assert_eq!(stored(&[1, 2, 3, 4]), 0x0403_0201);
    }
}
