//! Metadata chunks: what may be said about a picture after its tokens (section 6).

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use byteorder::{ByteOrder, LittleEndian};

use crate::layout::CHUNK_FRAME_BYTES;
use crate::{Error, Fault, Region};

/// The greatest number of payload bytes of one chunk.
pub const MAX_CHUNK_PAYLOAD: usize = u16::MAX as usize;

/// Bytes before the payload: type and length.
pub(crate) const CHUNK_PREFIX: usize = 3;
/// Bytes of the checksum after the payload.
pub(crate) const CHUNK_CRC: usize = 4;

const CRITICAL: u8 = 1 << 7;
const LAST: u8 = 1 << 6;
const KIND_MASK: u8 = LAST - 1;

const ENCODER: u8 = 1;
const TITLE: u8 = 2;
const CAPTURE_TIME: u8 = 3;
const COLOR_PROFILE: u8 = 4;

/// What a file says about its picture beside the tokens. All of it is optional and is the first
/// thing lost when a file is cut.
///
/// ```
/// use flextok_container::Metadata;
///
/// let metadata = Metadata {
///     title: Some("Harbour at dawn".into()),
///     ..Metadata::default()
/// };
/// assert!(!metadata.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Name and version of the program that made the file.
    pub encoder: Option<String>,
    /// Title of the picture.
    pub title: Option<String>,
    /// When the picture was taken: RFC 3339 text as it was found, not checked.
    pub capture_time: Option<String>,
    /// Name of the original file's colour profile.
    pub color_profile: Option<String>,
    /// Ancillary chunks of types this version does not know, kept as they are.
    pub other: Vec<Chunk>,
}

/// An ancillary metadata chunk of a type that this version does not define.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    kind: u8,
    payload: Vec<u8>,
}

impl Chunk {
    /// A chunk of type number `kind` (0 or 5 to 63) with at most 65 535 bytes.
    ///
    /// # Errors
    /// [`Error::InvalidMetadata`] for a type this version defines or that is out of range, and for
    /// a payload that is too long.
    pub fn new(kind: u8, payload: Vec<u8>) -> Result<Self, Error> {
        if kind > KIND_MASK || (ENCODER..=COLOR_PROFILE).contains(&kind) {
            return Err(Error::InvalidMetadata {
                what: "type number of another chunk",
                actual: kind.into(),
                allowed: "0 or 5 to 63",
            });
        }
        check_length(payload.len())?;
        Ok(Self { kind, payload })
    }

    /// Type number, 0 or 5 to 63.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// The bytes of the chunk.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

impl Metadata {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of chunks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts().count().saturating_add(self.other.len())
    }

    /// Bytes that all chunks take in a file, their frames included.
    #[must_use]
    pub fn byte_len(&self) -> u64 {
        let texts = self.texts().map(|(_, text)| text.len());
        let payloads = texts.chain(self.other.iter().map(|chunk| chunk.payload.len()));
        payloads.fold(0, |sum: u64, payload| {
            sum.saturating_add(CHUNK_FRAME_BYTES)
                .saturating_add(payload as u64)
        })
    }

    /// Checks that everything fits the format.
    pub(crate) fn check(&self) -> Result<(), Error> {
        // Chunks of `other` were checked when they were made.
        self.texts()
            .try_for_each(|(_, text)| check_length(text.len()))
    }

    /// Appends all chunks, the last one marked; known types in order of their number, then others.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let texts = self.texts().map(|(kind, text)| (kind, text.as_bytes()));
        let others = self.other.iter().map(|c| (c.kind, c.payload.as_slice()));
        let mut chunks = texts.chain(others).peekable();
        while let Some((kind, payload)) = chunks.next() {
            let last = if chunks.peek().is_none() { LAST } else { 0 };
            write_chunk(out, kind | last, payload);
        }
    }

    /// Takes up a chunk whose checksum is right.
    pub(crate) fn accept(&mut self, chunk: RawChunk<'_>) -> Result<(), Error> {
        let (index, kind) = (chunk.index, chunk.tag & KIND_MASK);
        if chunk.tag & CRITICAL != 0 {
            // Version 1.0 defines no critical type.
            return Err(Error::UnsupportedChunk { index, kind });
        }
        let slot = match kind {
            ENCODER => &mut self.encoder,
            TITLE => &mut self.title,
            CAPTURE_TIME => &mut self.capture_time,
            COLOR_PROFILE => &mut self.color_profile,
            _ => {
                let payload = chunk.payload.to_vec();
                self.other.push(Chunk { kind, payload });
                return Ok(());
            }
        };
        if slot.is_some() {
            return Err(Error::DuplicateChunk { index, kind });
        }
        let text = core::str::from_utf8(chunk.payload).map_err(|_| Error::Corrupt {
            region: Region::Chunk { index },
            range: chunk.range(),
            fault: Fault::Text,
        })?;
        *slot = Some(String::from(text));
        Ok(())
    }

    fn texts(&self) -> impl Iterator<Item = (u8, &str)> {
        [
            (ENCODER, &self.encoder),
            (TITLE, &self.title),
            (CAPTURE_TIME, &self.capture_time),
            (COLOR_PROFILE, &self.color_profile),
        ]
        .into_iter()
        .filter_map(|(kind, text)| Some((kind, text.as_deref()?)))
    }
}

/// A whole chunk as it stands in the file, its checksum verified.
pub(crate) struct RawChunk<'a> {
    tag: u8,
    payload: &'a [u8],
    index: u64,
    offset: u64,
    bytes: u64,
}

impl<'a> RawChunk<'a> {
    /// Bytes of the chunk that `prefix` begins; `None` before its length is there.
    pub(crate) fn byte_len(prefix: &[u8]) -> Option<usize> {
        let length = LittleEndian::read_u16(prefix.get(1..CHUNK_PREFIX)?);
        Some(usize::from(length).saturating_add(CHUNK_PREFIX + CHUNK_CRC))
    }

    /// Verifies the checksum of a whole chunk; `index` counts chunks, `offset` is its place.
    pub(crate) fn verify(bytes: &'a [u8], index: u64, offset: u64) -> Result<Self, Error> {
        let length = bytes.len() as u64;
        let region = Region::Chunk { index };
        let body_len = bytes.len().saturating_sub(CHUNK_CRC);
        let (body, crc) = bytes.split_at_checked(body_len).unwrap_or((bytes, &[]));
        let parts = body.split_at_checked(CHUNK_PREFIX);
        let (Some(([tag, ..], payload)), true) = (parts, crc.len() == CHUNK_CRC) else {
            // The reader hands over whole chunks only.
            return Err(Error::NeedMore {
                have: length,
                needed: (CHUNK_PREFIX + CHUNK_CRC) as u64,
            });
        };
        let (stored, computed) = (LittleEndian::read_u32(crc), crc32fast::hash(body));
        if stored != computed {
            return Err(Error::Corrupt {
                region,
                range: offset..offset.saturating_add(length),
                fault: Fault::Checksum { stored, computed },
            });
        }
        Ok(Self {
            tag: *tag,
            payload,
            index,
            offset,
            bytes: length,
        })
    }

    /// Whether the list of chunks ends with this one.
    pub(crate) fn is_last(&self) -> bool {
        self.tag & LAST != 0
    }

    fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.bytes)
    }
}

fn write_chunk(out: &mut Vec<u8>, tag: u8, payload: &[u8]) {
    // Longer payloads cannot be: texts are checked before writing, chunks when they are made.
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let [low, high] = length.to_le_bytes();
    let mut crc = crc32fast::Hasher::new();
    for part in [&[tag, low, high][..], payload] {
        crc.update(part);
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&crc.finalize().to_le_bytes());
}

fn check_length(length: usize) -> Result<(), Error> {
    if length > MAX_CHUNK_PAYLOAD {
        return Err(Error::InvalidMetadata {
            what: "length of a chunk in bytes",
            actual: length as u64,
            allowed: "at most 65535",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
