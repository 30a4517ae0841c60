//! Metadata chunks: what may be said about a picture behind its payload (section 6 of the specification).

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::layout::CHUNK_FRAME_BYTES;
use crate::scanner::{KIND_MASK, LAST};
use crate::{Error, Fault, Region};

/// The greatest number of bytes in one chunk.
pub const MAX_CHUNK_CONTENT: usize = u16::MAX as usize;

const ENCODER: u8 = 1;
const TITLE: u8 = 2;
const CAPTURE_TIME: u8 = 3;
const COLOR_PROFILE: u8 = 4;

/// What a file says about its picture beside the payload. All of it is optional and is the first
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
    content: Vec<u8>,
}

impl Chunk {
    /// A chunk of type number `kind` (0 or 5 to 63) with at most 65 535 bytes.
    ///
    /// # Errors
    /// [`Error::InvalidMetadata`] for a type this version defines or that is out of range, and for
    /// a content that is too long.
    pub fn new(kind: u8, content: Vec<u8>) -> Result<Self, Error> {
        if kind > KIND_MASK || (ENCODER..=COLOR_PROFILE).contains(&kind) {
            return Err(Error::InvalidMetadata {
                what: "type number of another chunk",
                actual: kind.into(),
                allowed: "0 or 5 to 63",
            });
        }
        check_length(content.len())?;
        Ok(Self { kind, content })
    }

    /// Type number, 0 or 5 to 63.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// The bytes of the chunk.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
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
        let contents = texts.chain(self.other.iter().map(|chunk| chunk.content.len()));
        contents.fold(0, |sum: u64, content| {
            sum.saturating_add(CHUNK_FRAME_BYTES)
                .saturating_add(content as u64)
        })
    }

    /// Checks that everything fits the format.
    pub(crate) fn check(&self) -> Result<(), Error> {
        // Chunks of `other` were checked when they were made.
        self.texts()
            .try_for_each(|(_, text)| check_length(text.len()))
    }

    /// All chunks with their type bytes, the last one marked; known types in order of their number, then others.
    pub(crate) fn tagged(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let texts = self.texts().map(|(kind, text)| (kind, text.as_bytes()));
        let others = self.other.iter().map(|c| (c.kind, c.content.as_slice()));
        let last = self.len().saturating_sub(1);
        let chunks = texts.chain(others).enumerate();
        chunks.map(move |(index, (kind, content))| {
            let mark = if index == last { LAST } else { 0 };
            (kind | mark, content)
        })
    }

    /// Takes up a chunk whose check is right. Its place is its index, its bytes in the file, and the payload that is proven.
    pub(crate) fn accept(
        &mut self,
        tag: u8,
        content: &[u8],
        (index, range, proven): (u64, Range<u64>, u64),
    ) -> Result<(), Error> {
        let kind = tag & KIND_MASK;
        let slot = match kind {
            ENCODER => &mut self.encoder,
            TITLE => &mut self.title,
            CAPTURE_TIME => &mut self.capture_time,
            COLOR_PROFILE => &mut self.color_profile,
            _ => {
                let content = content.to_vec();
                self.other.push(Chunk { kind, content });
                return Ok(());
            }
        };
        if slot.is_some() {
            return Err(Error::DuplicateChunk { index, kind });
        }
        let text = core::str::from_utf8(content).map_err(|_| Error::Corrupt {
            region: Region::Chunk { index },
            range,
            fault: Fault::Text,
            proven,
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

fn check_length(length: usize) -> Result<(), Error> {
    if length > MAX_CHUNK_CONTENT {
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
