//! A file as packets for a link that loses them, and what arrived as a file again (section 19 of the specification).
//!
//! A packet has 8 or 9 bytes beside its part of the file: a mark, two bytes that name the file, a number, and a CRC-32C of it
//! all. The parts have one length, so that the place of each follows from its number; packets may arrive in any order, twice,
//! damaged, or not at all. What is joined equals the file up to the first missing packet, and decodes. No memory is allocated:
//! packets are written and files joined in buffers of the caller.
//!
//! ```
//! use flextok_container::packets::{Joiner, Packet, Packets, map_bytes};
//!
//! let file: [u8; 500] = core::array::from_fn(|i| i as u8); // any file
//! let packets = Packets::new(&file, 140)?; // packets of at most 140 bytes
//! assert_eq!(packets.len(), 4); // of 132 bytes of the file each, the last one of 104
//!
//! // Send them all, and the first one again.
//! let mut sent = Vec::new();
//! for packet in packets.clone().chain(packets.take(1)) {
//!     let mut buffer = [0; 140];
//!     sent.push(packet.write(&mut buffer)?.to_vec());
//! }
//!
//! // Of five, the third is lost, the others arrive in another order, one of them damaged.
//! sent.remove(2);
//! sent.reverse();
//! sent[1][50] ^= 1;
//! let (mut buffer, mut map) = ([0; 1024], [0; map_bytes(8)]);
//! let mut joiner = Joiner::new(&mut buffer, &mut map);
//! for bytes in &sent {
//!     if let Ok(packet) = Packet::parse(bytes) {
//!         joiner.add(&packet)?;
//!     }
//! }
//! assert_eq!(joiner.total(), None); // the last packet was the damaged one
//! assert_eq!(joiner.finish()?, &file[..264]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod join;
mod packet;
mod split;

#[cfg(test)]
mod tests;

use core::fmt;
use core::str::FromStr;

pub use join::{Added, JoinError, Joiner, map_bytes};
pub use packet::{Packet, PacketError};
pub use split::{Packets, SplitError};

use crate::checks;

/// Packets of a file at most.
pub const MAX_PACKETS: u32 = 65_536;

/// Bytes of a packet at most.
pub const MAX_PACKET_BYTES: u16 = 65_535;

/// Bytes of a packet at least: one byte of the file, and what is beside it.
pub const MIN_PACKET_BYTES: u16 = 9;

/// Bytes of a packet beside its part of the file, in a file of at most 256 packets; one more if there are more.
pub const OVERHEAD_BYTES: u16 = 8;

/// What names a file in its packets: two bytes in the order of the packet, shown as four hexadecimal digits.
///
/// ```
/// use flextok_container::packets::FileId;
///
/// let id: FileId = "9f3c".parse()?;
/// assert_eq!(id, FileId([0x9f, 0x3c]));
/// assert_eq!(id.to_string(), "9f3c");
/// # Ok::<(), flextok_container::packets::InvalidFileId>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(
    /// The bytes in the order of the packet.
    pub [u8; 2],
);

impl FileId {
    /// The id of a file whose first packet has `payload` bytes of it: the low half of a CRC-32C over that number and the file.
    #[must_use]
    pub fn of(file: &[u8], payload: u16) -> Self {
        let mut sum = checks::packet();
        sum.update(&payload.to_le_bytes());
        sum.update(file);
        let [low, high, ..] = sum.finalize().to_le_bytes();
        Self([low, high])
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", u16::from_be_bytes(self.0))
    }
}

/// A text is not the id of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the id of a file in packets: {length} characters were given, 4 hexadecimal digits are needed"
)]
pub struct InvalidFileId {
    /// Characters given.
    pub length: usize,
}

impl FromStr for FileId {
    type Err = InvalidFileId;

    fn from_str(text: &str) -> Result<Self, InvalidFileId> {
        let length = text.chars().count();
        // `from_str_radix` alone would also accept a sign.
        if text.len() != 4 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidFileId { length });
        }
        u16::from_str_radix(text, 16)
            .map(|value| Self(value.to_be_bytes()))
            .map_err(|_| InvalidFileId { length })
    }
}
