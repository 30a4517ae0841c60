//! One packet: its bytes, and what they say.

use super::{FileId, MAX_PACKET_BYTES, MIN_PACKET_BYTES};
use crate::checks;

/// The first byte of a packet without its two lowest bits.
const MARK: u8 = 0xf8;
/// The bit of the first byte that marks the last packet of a file.
const LAST: u8 = 1;
/// The bit of the first byte for numbers of two bytes.
const WIDE: u8 = 2;

/// Bytes of the check at the end.
const CHECK_BYTES: usize = 4;
/// Bytes of a packet beside its part of the file, the number in one byte and in two.
pub(super) const OVERHEADS: [usize; 2] = [8, 9];

/// A packet: a part of a file, and where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    pub(super) id: FileId,
    pub(super) sequence: u16,
    pub(super) last: bool,
    pub(super) wide: bool,
    pub(super) payload: &'a [u8],
}

/// Why bytes are not a packet, or a packet cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// The first byte is not that of a packet of this version.
    #[error("not a packet: the first byte is {found:#04x}, allowed is 0xf8 to 0xfb")]
    NotAPacket {
        /// The byte.
        found: u8,
    },
    /// There are fewer bytes than a packet has.
    #[error("not a packet: {length} bytes, it has at least {minimum}")]
    TooShort {
        /// Bytes that are there.
        length: usize,
        /// Bytes of the shortest packet of this kind.
        minimum: usize,
    },
    /// There are more bytes than a packet has.
    #[error("not a packet: {length} bytes, it has at most {MAX_PACKET_BYTES}")]
    TooLong {
        /// Bytes that are there.
        length: usize,
    },
    /// The check at the end does not match: bytes were changed on the way.
    #[error("damaged packet: the checksum is {stored:#010x}, the bytes give {computed:#010x}")]
    Check {
        /// The check in the packet.
        stored: u32,
        /// The check of the bytes that are there.
        computed: u32,
    },
    /// The buffer to write to is too short.
    #[error("the packet has {needed} bytes, the buffer only {available}")]
    Buffer {
        /// Bytes of the packet.
        needed: usize,
        /// Bytes of the buffer.
        available: usize,
    },
}

impl<'a> Packet<'a> {
    /// Takes apart the bytes of one packet, which must be all that the link delivered at once.
    ///
    /// # Errors
    /// All but [`PacketError::Buffer`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let length = bytes.len();
        let short = |minimum| PacketError::TooShort { length, minimum };
        let &[kind, ..] = bytes else {
            return Err(short(MIN_PACKET_BYTES.into()));
        };
        if kind & !(LAST | WIDE) != MARK {
            return Err(PacketError::NotAPacket { found: kind });
        }
        let wide = kind & WIDE != 0;
        let minimum = overhead(wide).saturating_add(1);
        if length < minimum {
            return Err(short(minimum));
        }
        if length > MAX_PACKET_BYTES.into() {
            return Err(PacketError::TooLong { length });
        }
        let (covered, check) = bytes
            .split_last_chunk::<CHECK_BYTES>()
            .ok_or(short(minimum))?;
        let stored = u32::from_le_bytes(*check);
        let mut sum = checks::packet();
        sum.update(covered);
        let computed = sum.finalize();
        if stored != computed {
            return Err(PacketError::Check { stored, computed });
        }
        let head = overhead(wide).saturating_sub(CHECK_BYTES);
        let (head, payload) = covered.split_at_checked(head).unwrap_or((covered, &[]));
        // A number of one byte has no second one.
        let byte = |index| head.get(index).copied().unwrap_or(0);
        Ok(Self {
            id: FileId([byte(1), byte(2)]),
            sequence: u16::from_le_bytes([byte(3), byte(4)]),
            last: kind & LAST != 0,
            wide,
            payload,
        })
    }

    /// The name of the file that the packet is of.
    #[must_use]
    pub fn id(&self) -> FileId {
        self.id
    }

    /// The number of the packet in its file, from 0.
    #[must_use]
    pub fn sequence(&self) -> u16 {
        self.sequence
    }

    /// Whether no packet of the file has a higher number.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.last
    }

    /// The part of the file, at least one byte. It begins at the byte whose offset is the packet's number times the bytes that
    /// each packet but the last has of the file.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Bytes of the packet, 9 to 65 535.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.payload.len().saturating_add(overhead(self.wide))
    }

    /// Writes the packet to the start of `buffer`; gives its bytes.
    ///
    /// # Errors
    /// [`PacketError::Buffer`] if it is shorter than [`byte_len`](Self::byte_len).
    pub fn write<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], PacketError> {
        let error = PacketError::Buffer {
            needed: self.byte_len(),
            available: buffer.len(),
        };
        let target = buffer.get_mut(..self.byte_len()).ok_or(error)?;
        let [low, high] = self.sequence.to_le_bytes();
        let FileId([a, b]) = self.id;
        let kind = MARK | if self.last { LAST } else { 0 } | if self.wide { WIDE } else { 0 };
        let head = [kind, a, b, low, high];
        let head = head.get(..if self.wide { 5 } else { 4 }).unwrap_or(&head);
        let mut sum = checks::packet();
        sum.update(head);
        sum.update(self.payload);
        let check = sum.finalize().to_le_bytes();
        let parts = head.iter().chain(self.payload).chain(&check);
        for (to, &from) in target.iter_mut().zip(parts) {
            *to = from;
        }
        Ok(target)
    }
}

/// Bytes of a packet beside its part of the file.
fn overhead(wide: bool) -> usize {
    let [narrow, two] = OVERHEADS;
    if wide { two } else { narrow }
}
