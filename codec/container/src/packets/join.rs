//! What arrived of a file's packets, as the start of the file.

use super::FileId;
use super::packet::Packet;

/// Bytes of the map of a [`Joiner`] for so many packets: one bit for each.
#[must_use]
pub const fn map_bytes(packets: u32) -> usize {
    packets.div_ceil(8) as usize
}

/// Joins the packets of one file, in whatever order they arrive, in buffers of the caller.
///
/// What a packet has of the file stands at its place in the buffer from the moment it is known. Before that, only the last
/// packet of a file may have arrived: it waits at the buffer's end, and counts as missing if the buffer turns out to be too
/// short for it.
#[derive(Debug)]
pub struct Joiner<'a> {
    buffer: &'a mut [u8],
    map: &'a mut [u8],
    id: Option<FileId>,
    /// Bytes of the file in each packet but the last, once it is known.
    payload: Option<usize>,
    last: Option<Last>,
    /// The highest number of a packet that is not the last.
    highest: Option<u16>,
    /// Packets that are there without a gap from the first on.
    prefix: u32,
    packets: u32,
}

/// The last packet of a file.
#[derive(Clone, Copy, Debug)]
struct Last {
    sequence: u16,
    /// Bytes of the file in it.
    length: usize,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Added {
    /// It was new, and is kept.
    New,
    /// It had arrived before.
    Double,
    /// It belongs to the file, but the buffer or the map is too short for it. It is not kept, and counts as missing; of the
    /// last packet the number is kept.
    NoRoom,
}

/// Why a packet was not taken, or a file is not what was sent. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The packet is of another file.
    #[error("the packet is of the file {found}, not of {expected}")]
    OtherFile {
        /// Its file.
        found: FileId,
        /// The file that is joined.
        expected: FileId,
    },
    /// The packet has another number of bytes of the file than the packets before it.
    #[error(
        "packet {sequence} contradicts those before it: it has {found} bytes of the file, they have {expected}"
    )]
    Length {
        /// Number of the packet.
        sequence: u16,
        /// Bytes of the file in it.
        found: usize,
        /// Bytes of the file in the others.
        expected: usize,
    },
    /// The packet's number contradicts which packet is the last.
    #[error(
        "packet {sequence} contradicts packet {other}, which came before: they disagree on which is the last"
    )]
    Order {
        /// Number of the packet.
        sequence: u16,
        /// Number of the packet that it contradicts.
        other: u16,
    },
    /// The packet differs from one of the same number that came before.
    #[error("packet {sequence} contradicts an earlier one of this number: the bytes differ")]
    Content {
        /// Number of the packets.
        sequence: u16,
    },
    /// All packets are there, but do not make the file that they name: they are of different files with one id.
    #[error("the packets are of different files: together they make {found}, not {expected}")]
    Mixed {
        /// The id of what they make.
        found: FileId,
        /// The id in the packets.
        expected: FileId,
    },
}

impl<'a> Joiner<'a> {
    /// A joiner for the file of the first packet that it is given. `buffer` has room for the file, `map` a bit for each packet
    /// ([`map_bytes`]); where they are shorter, the start of the file is joined.
    #[must_use]
    pub fn new(buffer: &'a mut [u8], map: &'a mut [u8]) -> Self {
        map.fill(0);
        Self {
            buffer,
            map,
            id: None,
            payload: None,
            last: None,
            highest: None,
            prefix: 0,
            packets: 0,
        }
    }

    /// A joiner for the file of this id.
    #[must_use]
    pub fn with_id(buffer: &'a mut [u8], map: &'a mut [u8], id: FileId) -> Self {
        Self {
            id: Some(id),
            ..Self::new(buffer, map)
        }
    }

    /// Takes a packet.
    ///
    /// # Errors
    /// All but [`JoinError::Mixed`]; what came first stays.
    pub fn add(&mut self, packet: &Packet<'_>) -> Result<Added, JoinError> {
        let expected = self.id.unwrap_or(packet.id);
        if packet.id != expected {
            let found = packet.id;
            return Err(JoinError::OtherFile { found, expected });
        }
        self.check_order(packet)?;
        self.check_length(packet)?;
        let sequence = packet.sequence;
        if self.has(sequence) {
            let same = self.kept(sequence) == Some(packet.payload);
            return same
                .then_some(Added::Double)
                .ok_or(JoinError::Content { sequence });
        }
        // Also where the last packet was not kept for want of room.
        if (self.last).is_some_and(|last| packet.last && packet.payload.len() != last.length) {
            return Err(JoinError::Content { sequence });
        }
        self.id = Some(expected);
        Ok(self.take(packet))
    }

    /// The name of the file; none before the first packet, if none was given.
    #[must_use]
    pub fn id(&self) -> Option<FileId> {
        self.id
    }

    /// Packets of the file, 1 to 65 536, once the last of them has arrived.
    #[must_use]
    pub fn total(&self) -> Option<u32> {
        self.last
            .map(|last| u32::from(last.sequence).saturating_add(1))
    }

    /// Packets that are there, each counted once.
    #[must_use]
    pub fn packets(&self) -> u32 {
        self.packets
    }

    /// The number of the first packet that is missing; none if the file is complete.
    #[must_use]
    pub fn first_missing(&self) -> Option<u32> {
        (self.total() != Some(self.prefix)).then_some(self.prefix)
    }

    /// The file up to the first packet that is missing.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        self.buffer.get(..self.prefix_bytes()).unwrap_or(&[])
    }

    /// The file up to the first packet that is missing; of a complete file the id is checked.
    ///
    /// # Errors
    /// [`JoinError::Mixed`] if packets of different files bear this id.
    pub fn finish(self) -> Result<&'a [u8], JoinError> {
        let complete = self.first_missing().is_none();
        let (bytes, payload, id) = (self.prefix_bytes(), self.payload, self.id);
        let buffer: &'a [u8] = self.buffer;
        let file = buffer.get(..bytes).unwrap_or(&[]);
        if let (true, Some(payload), Some(expected)) = (complete, payload, id) {
            let found = FileId::of(file, u16::try_from(payload).unwrap_or(u16::MAX));
            if found != expected {
                return Err(JoinError::Mixed { found, expected });
            }
        }
        Ok(file)
    }

    /// The last packet has the highest number.
    fn check_order(&self, packet: &Packet<'_>) -> Result<(), JoinError> {
        let sequence = packet.sequence;
        let wrong = |other| Err(JoinError::Order { sequence, other });
        match (self.last, self.highest) {
            (Some(last), _) if packet.last && sequence != last.sequence => wrong(last.sequence),
            (Some(last), _) if !packet.last && sequence >= last.sequence => wrong(last.sequence),
            (None, Some(highest)) if packet.last && sequence <= highest => wrong(highest),
            _ => Ok(()),
        }
    }

    /// All packets but the last have the same number of bytes, which the last one does not exceed.
    fn check_length(&self, packet: &Packet<'_>) -> Result<(), JoinError> {
        let found = packet.payload.len();
        let wrong = |expected| {
            Err(JoinError::Length {
                sequence: packet.sequence,
                found,
                expected,
            })
        };
        match (self.payload, self.last) {
            (Some(payload), _) if !packet.last && found != payload => wrong(payload),
            (Some(payload), _) if packet.last && found > payload => wrong(payload),
            (None, Some(last)) if !packet.last && found < last.length => wrong(last.length),
            _ => Ok(()),
        }
    }

    /// Keeps a packet that contradicts nothing.
    fn take(&mut self, packet: &Packet<'_>) -> Added {
        let length = packet.payload.len();
        if packet.last {
            let sequence = packet.sequence;
            self.last = Some(Last { sequence, length });
        } else {
            self.highest = self.highest.max(Some(packet.sequence));
        }
        if self.payload.is_none() && (!packet.last || packet.sequence == 0) {
            self.payload = Some(length);
            self.settle_last();
        }
        let start = match self.payload {
            Some(payload) => usize::from(packet.sequence).checked_mul(payload),
            // The last packet, which waits.
            None => self.buffer.len().checked_sub(length),
        };
        let place = start.and_then(|start| {
            let end = start.checked_add(length)?;
            self.buffer.get_mut(start..end)
        });
        let Some(place) = place else {
            return Added::NoRoom;
        };
        if !mark(self.map, packet.sequence) {
            return Added::NoRoom;
        }
        for (to, &from) in place.iter_mut().zip(packet.payload) {
            *to = from;
        }
        self.packets = self.packets.saturating_add(1);
        self.extend_prefix();
        Added::New
    }

    /// Moves the last packet from the buffer's end, where it waited, to its place, which has just become known.
    fn settle_last(&mut self) {
        let (Some(last), Some(payload)) = (self.last, self.payload) else {
            return;
        };
        if !self.has(last.sequence) {
            return;
        }
        let from = self.buffer.len().saturating_sub(last.length);
        let to = usize::from(last.sequence).saturating_mul(payload);
        if to > from {
            unmark(self.map, last.sequence);
            self.packets = self.packets.saturating_sub(1);
            return;
        }
        // Downwards, so that no byte is overwritten before it was moved.
        for index in 0..last.length {
            let (from, to) = (from.saturating_add(index), to.saturating_add(index));
            let byte = self.buffer.get(from).copied();
            if let (Some(byte), Some(place)) = (byte, self.buffer.get_mut(to)) {
                *place = byte;
            }
        }
    }

    fn extend_prefix(&mut self) {
        while u16::try_from(self.prefix).is_ok_and(|sequence| self.has(sequence)) {
            self.prefix = self.prefix.saturating_add(1);
        }
    }

    fn has(&self, sequence: u16) -> bool {
        let (index, bit) = place(sequence);
        self.map.get(index).is_some_and(|byte| byte & bit != 0)
    }

    /// What is kept of a packet that is there.
    fn kept(&self, sequence: u16) -> Option<&[u8]> {
        let last = self.last.filter(|last| last.sequence == sequence);
        let length = last.map(|last| last.length).or(self.payload)?;
        let start = match self.payload {
            Some(payload) => usize::from(sequence).checked_mul(payload)?,
            None => self.buffer.len().checked_sub(length)?,
        };
        self.buffer.get(start..start.checked_add(length)?)
    }

    fn prefix_bytes(&self) -> usize {
        let Some(payload) = self.payload else {
            return 0;
        };
        let whole = usize::try_from(self.prefix).unwrap_or(usize::MAX);
        let bytes = whole.saturating_mul(payload);
        match self.last {
            Some(last) if self.total() == Some(self.prefix) => {
                bytes.saturating_sub(payload).saturating_add(last.length)
            }
            _ => bytes,
        }
    }
}

/// The byte and the bit of a packet in a map.
fn place(sequence: u16) -> (usize, u8) {
    (usize::from(sequence >> 3), 1 << (sequence & 7))
}

/// Sets the bit of a packet; false if the map has none for it.
fn mark(map: &mut [u8], sequence: u16) -> bool {
    let (index, bit) = place(sequence);
    map.get_mut(index).map(|byte| *byte |= bit).is_some()
}

fn unmark(map: &mut [u8], sequence: u16) {
    let (index, bit) = place(sequence);
    if let Some(byte) = map.get_mut(index) {
        *byte &= !bit;
    }
}
