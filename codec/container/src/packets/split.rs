//! A file as packets of at most so many bytes.

use core::iter::FusedIterator;

use super::packet::{OVERHEADS, Packet};
use super::{FileId, MAX_PACKET_BYTES, MAX_PACKETS, MIN_PACKET_BYTES};

/// Packets whose number has one byte, at most.
const NARROW_PACKETS: u64 = 256;

/// The packets of a file, in order: an iterator, which can be cloned to send some of them again.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    file: &'a [u8],
    id: FileId,
    wide: bool,
    /// Bytes of the file in each packet but the last.
    payload: usize,
    count: u32,
    next: u32,
}

/// Why a file cannot be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// There is nothing to send.
    #[error("the file has no bytes, so that there is nothing to split")]
    Empty,
    /// Packets of this size are none, or the file would need too many of them.
    #[error(
        "packets of {size} bytes are not possible here: this file allows {minimum} to {MAX_PACKET_BYTES}"
    )]
    Size {
        /// Bytes of a packet asked for.
        size: usize,
        /// The least that makes at most [`MAX_PACKETS`] packets of this file.
        minimum: u16,
    },
    /// The file is too long for packets of any size.
    #[error(
        "the file has {bytes} bytes, more than {MAX_PACKETS} packets of {MAX_PACKET_BYTES} bytes can carry"
    )]
    TooLong {
        /// Bytes of the file.
        bytes: u64,
    },
}

impl<'a> Packets<'a> {
    /// The packets of a file, complete or cut, each of at most `size` bytes (9 to 65 535).
    ///
    /// # Errors
    /// [`SplitError`]: an empty file, or more packets than 65 536.
    pub fn new(file: &'a [u8], size: usize) -> Result<Self, SplitError> {
        let bytes = file.len() as u64;
        if bytes == 0 {
            return Err(SplitError::Empty);
        }
        let minimum = Self::minimum_size(bytes).ok_or(SplitError::TooLong { bytes })?;
        let error = SplitError::Size { size, minimum };
        if size > MAX_PACKET_BYTES.into() {
            return Err(error);
        }
        let [narrow, wide] = OVERHEADS.map(|overhead| plan(file.len(), size, overhead));
        let (is_wide, payload, count) = match (narrow, wide) {
            (Some((payload, count)), _) if u64::from(count) <= NARROW_PACKETS => {
                (false, payload, count)
            }
            (_, Some((payload, count))) if count <= MAX_PACKETS => (true, payload, count),
            _ => return Err(error),
        };
        // The first packet has all of a file that it can hold.
        let first = u16::try_from(payload.min(file.len())).unwrap_or(MAX_PACKET_BYTES);
        Ok(Self {
            file,
            id: FileId::of(file, first),
            wide: is_wide,
            payload,
            count,
            next: 0,
        })
    }

    /// The least size of packets in which a file of so many bytes can be sent; none if there are too many bytes for any.
    #[must_use]
    pub fn minimum_size(bytes: u64) -> Option<u16> {
        let [narrow, wide] = OVERHEADS;
        let least =
            |packets: u64, overhead: usize| bytes.div_ceil(packets).saturating_add(overhead as u64);
        let least = least(NARROW_PACKETS, narrow).min(least(MAX_PACKETS.into(), wide));
        let least = least.max(MIN_PACKET_BYTES.into());
        u16::try_from(least).ok()
    }

    /// The name of the file in its packets.
    #[must_use]
    pub fn id(&self) -> FileId {
        self.id
    }

    /// Packets of the file, 1 to 65 536, however many of them this iterator still gives.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.count
    }

    /// Bytes of all packets of the file together.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        let [narrow, wide] = OVERHEADS;
        let overhead = if self.wide { wide } else { narrow } as u64;
        let beside = overhead.saturating_mul(self.count.into());
        beside.saturating_add(self.file.len() as u64)
    }

    /// The packet of a number; none if the file has fewer.
    #[must_use]
    pub fn packet(&self, sequence: u16) -> Option<Packet<'a>> {
        let start = usize::from(sequence).checked_mul(self.payload)?;
        let rest = self.file.get(start..).filter(|rest| !rest.is_empty())?;
        let last = rest.len() <= self.payload;
        Some(Packet {
            id: self.id,
            sequence,
            last,
            wide: self.wide,
            payload: rest.get(..self.payload).unwrap_or(rest),
        })
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let packet = self.packet(u16::try_from(self.next).ok()?)?;
        self.next = self.next.saturating_add(1);
        Some(packet)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl ExactSizeIterator for Packets<'_> {
    // The default asserts what is plain here.
    fn len(&self) -> usize {
        let left = self.count.saturating_sub(self.next);
        usize::try_from(left).unwrap_or(usize::MAX)
    }
}

impl FusedIterator for Packets<'_> {}

/// Bytes of the file in each packet but the last, and how many packets there are.
fn plan(bytes: usize, size: usize, overhead: usize) -> Option<(usize, u32)> {
    let payload = size.checked_sub(overhead)?;
    let before_last = bytes.saturating_sub(1).checked_div(payload)?;
    let count = u32::try_from(before_last).ok()?.checked_add(1)?;
    Some((payload, count))
}
