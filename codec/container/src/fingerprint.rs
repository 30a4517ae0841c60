//! The four bytes that name a model.

use core::fmt;
use core::str::FromStr;

use crate::Error;

/// Model fingerprint: four bytes in file order, shown as eight hexadecimal digits.
///
/// How it is made of a weights file is in section 7 of the specification; for this crate it is
/// an opaque name.
///
/// ```
/// use flextok_container::Fingerprint;
///
/// let fingerprint: Fingerprint = "0a1b2c3d".parse()?;
/// assert_eq!(fingerprint.0, [0x0a, 0x1b, 0x2c, 0x3d]);
/// assert_eq!(fingerprint.to_string(), "0a1b2c3d");
/// # Ok::<(), flextok_container::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(
    /// The bytes in file order.
    pub [u8; 4],
);

impl Fingerprint {
    /// The fingerprint of a CRC32 value: its bytes in little-endian order.
    #[must_use]
    pub fn from_crc32(value: u32) -> Self {
        Self(value.to_le_bytes())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As one number, so that width and alignment of the caller's format cannot split it.
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let error = Error::InvalidFingerprint {
            length: text.chars().count(),
        };
        // `from_str_radix` alone would also accept a sign.
        if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error);
        }
        u32::from_str_radix(text, 16)
            .map(|value| Self(value.to_be_bytes()))
            .map_err(|_| error)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        let fingerprint = Fingerprint::from_crc32(0x0403_0201);
        assert_eq!(fingerprint.0, [1, 2, 3, 4]);
        assert_eq!(fingerprint.to_string(), "01020304");
        assert_eq!("01020304".parse(), Ok(fingerprint));
        assert_eq!("FFfe00aA".parse(), Ok(Fingerprint([0xff, 0xfe, 0, 0xaa])));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "0102030",
            "010203040",
            "0x010203",
            "+1020304",
            "é23456",
            "0102030g",
        ] {
            let length = text.chars().count();
            let refused = Error::InvalidFingerprint { length };
            assert_eq!(text.parse::<Fingerprint>(), Err(refused), "{text}");
        }
    }
}
