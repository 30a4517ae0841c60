//! The one parser of the crate: takes bytes in pieces of any size, holds what they say.

use alloc::vec::Vec;

use byteorder::{ByteOrder, LittleEndian};

use crate::header::{need_more, required_len};
use crate::metadata::RawChunk;
use crate::{Error, Fault, Header, Limits, Metadata, Region, State, TokenFile};

/// Reads a file while its bytes arrive.
///
/// Feed pieces of any size, ask for events after each, finish at the end of the input. The outcome
/// does not depend on how the bytes were cut into pieces. Memory is bounded by the bytes fed and by
/// [`Limits`]. After an error the reader stays with it; [`Reader::partial`] still gives what
/// came before.
#[derive(Clone, Debug)]
pub struct Reader {
    limits: Limits,
    stage: Stage,
    /// Offset in the file of the next byte.
    offset: u64,
    /// Bytes of an unfinished header, token, checkpoint or chunk.
    pending: Vec<u8>,
    crc: crc32fast::Hasher,
    header: Option<Header>,
    ids: Vec<u16>,
    /// Tokens that were read in all, those included that a checkpoint turned out to contradict.
    read: u64,
    proven: u16,
    metadata: Metadata,
    metadata_bytes: u64,
    chunks: u64,
    error: Option<Error>,
    told: Told,
}

/// What a [`Reader`] has learned. Events of one kind are merged when several are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The header is there and its checksum matches.
    Header(Header),
    /// More tokens are there.
    Tokens {
        /// Whole tokens so far, all canvases counted.
        available: u64,
    },
    /// A checkpoint matched.
    Proven {
        /// Layers it covers: all of their tokens are as they were written.
        layers: u16,
    },
    /// More metadata chunks are there: see [`Reader::metadata`].
    Metadata {
        /// Whole chunks so far.
        chunks: u64,
    },
    /// The file is complete.
    Complete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Header,
    Tokens,
    Checkpoint,
    Chunk,
    Complete,
}

/// What the events so far have told: events are differences to it, so that no queue can grow.
#[derive(Clone, Debug, Default)]
struct Told {
    header: bool,
    tokens: u64,
    proven: u16,
    chunks: u64,
    complete: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader with the default [`Limits`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// A reader with other limits.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self {
            limits,
            stage: Stage::Header,
            offset: 0,
            pending: Vec::new(),
            crc: crc32fast::Hasher::new(),
            header: None,
            ids: Vec::new(),
            read: 0,
            proven: 0,
            metadata: Metadata::default(),
            metadata_bytes: 0,
            chunks: 0,
            error: None,
            told: Told::default(),
        }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// Whatever the bytes contradict; the same error again for every later call.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let step = match self.stage {
                Stage::Header => self.feed_header(rest),
                Stage::Tokens => self.feed_tokens(rest),
                Stage::Checkpoint => self.feed_checkpoint(rest),
                Stage::Chunk => self.feed_chunk(rest),
                Stage::Complete => Err(Error::Corrupt {
                    region: Region::Trailing,
                    range: self.offset..self.offset.saturating_add(1),
                    fault: Fault::Surplus,
                }),
            };
            rest = step.inspect_err(|error| self.error = Some(error.clone()))?;
        }
        Ok(())
    }

    /// The next thing the bytes so far have told; `None` until more bytes are fed.
    pub fn next_event(&mut self) -> Option<Event> {
        let header = self.header?;
        if !self.told.header {
            self.told.header = true;
            return Some(Event::Header(header));
        }
        let available = self.ids.len() as u64;
        if self.told.tokens < available {
            self.told.tokens = available;
            return Some(Event::Tokens { available });
        }
        if self.told.proven < self.proven {
            self.told.proven = self.proven;
            let layers = self.proven;
            return Some(Event::Proven { layers });
        }
        if self.told.chunks < self.chunks {
            self.told.chunks = self.chunks;
            let chunks = self.chunks;
            return Some(Event::Metadata { chunks });
        }
        if self.is_complete() && !self.told.complete {
            self.told.complete = true;
            return Some(Event::Complete);
        }
        None
    }

    /// As [`Reader::next_event`], but nothing is merged: one event for each layer of tokens, checkpoint and chunk, in
    /// file order. The sequence depends on the bytes alone, not on the pieces in which they were fed nor on how often
    /// it is asked for.
    ///
    /// [`Event::Tokens`] counts whole layers here, so that there are at most 256 of them, of which every canvas has all
    /// tokens. Of a damaged file the sequence has all that was read before the fault, also tokens that the checkpoint
    /// after them contradicts: who feeds single bytes has been told of them by then.
    ///
    /// ```
    /// use flextok_container::{Event, Reader};
    /// # use flextok_container::{Fingerprint, Header, Metadata, TokenFile};
    /// # let header = Header::new(Fingerprint([0; 4]), 64, 48, 6, 64_000)?;
    /// # let bytes = TokenFile::new(header, vec![7; 6], Metadata::default())?.to_bytes()?;
    /// let mut reader = Reader::new();
    /// reader.feed(&bytes[..34])?; // header, 4 tokens, checkpoint, half a token
    /// let events: Vec<Event> = std::iter::from_fn(|| reader.next_event_in_order()).collect();
    /// assert!(matches!(events[0], Event::Header(_)));
    /// let tokens = (1..=4).map(|available| Event::Tokens { available });
    /// assert!(events[1..5].iter().copied().eq(tokens));
    /// assert_eq!(events[5..], [Event::Proven { layers: 4 }]);
    /// # Ok::<(), flextok_container::Error>(())
    /// ```
    pub fn next_event_in_order(&mut self) -> Option<Event> {
        let header = self.header?;
        if !self.told.header {
            self.told.header = true;
            return Some(Event::Header(header));
        }
        let canvases = header.canvases();
        let layers = self.told.tokens.checked_div(canvases).unwrap_or(0);
        if let Some(checkpoint) = header.layout().next_checkpoint(self.told.proven) {
            if layers < checkpoint.into() {
                let available = layers.saturating_add(1).saturating_mul(canvases);
                let there = available <= self.read;
                return there.then(|| {
                    self.told.tokens = available;
                    Event::Tokens { available }
                });
            }
            return (checkpoint <= self.proven).then(|| {
                self.told.proven = checkpoint;
                Event::Proven { layers: checkpoint }
            });
        }
        if self.told.chunks < self.chunks {
            self.told.chunks = self.told.chunks.saturating_add(1);
            let chunks = self.told.chunks;
            return Some(Event::Metadata { chunks });
        }
        if self.is_complete() && !self.told.complete {
            self.told.complete = true;
            return Some(Event::Complete);
        }
        None
    }

    /// The header, once it is there.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// The tokens so far, in layer order.
    #[must_use]
    pub fn ids(&self) -> &[u16] {
        &self.ids
    }

    /// Layers that a matching checkpoint covers.
    #[must_use]
    pub fn proven_layers(&self) -> u16 {
        self.proven
    }

    /// The metadata so far.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Whether the file has ended: only its end may follow.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.stage == Stage::Complete
    }

    /// Whole layers so far: tokens that every canvas has.
    #[must_use]
    pub fn layers(&self) -> u16 {
        let canvases = self.header.map_or(1, |header| header.canvases());
        let layers = (self.ids.len() as u64).checked_div(canvases);
        layers.and_then(|n| u16::try_from(n).ok()).unwrap_or(0)
    }

    /// The error that [`Reader::feed`] gave, if it did.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Whether the file is all there, as if it ended here; `None` before the header is there.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.header.map(|header| self.state_of(&header))
    }

    /// What is there so far, as if the file ended here: the way to show a picture while it arrives.
    /// After an error it is what precedes the fault; of layers whose checkpoint does not match,
    /// nothing. `None` before the header is there.
    #[must_use]
    pub fn partial(&self) -> Option<TokenFile> {
        let header = self.header?;
        Some(TokenFile::from_reader(
            header,
            self.ids.clone(),
            self.metadata.clone(),
            self.state_of(&header),
            self.proven,
        ))
    }

    /// Ends the input.
    ///
    /// # Errors
    /// The error of an earlier [`Reader::feed`]; [`Error::NeedMore`] if the header is not whole.
    pub fn finish(self) -> Result<TokenFile, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let Some(header) = self.header else {
            return Err(need_more(&self.pending, required_len(&self.pending)?));
        };
        let state = self.state_of(&header);
        Ok(TokenFile::from_reader(
            header,
            self.ids,
            self.metadata,
            state,
            self.proven,
        ))
    }

    fn state_of(&self, header: &Header) -> State {
        if self.stage == Stage::Complete && self.error.is_none() {
            return State::Complete;
        }
        State::Truncated {
            have: self.ids.len() as u64,
            total: header.total_tokens(),
        }
    }

    fn feed_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        // Byte by byte, because each of the first six can end the matter; at most 28 of them.
        let mut rest = bytes;
        let mut needed = required_len(&self.pending)?;
        while self.pending.len() < needed {
            let Some((&byte, after)) = rest.split_first() else {
                return Ok(rest);
            };
            self.pending.push(byte);
            rest = after;
            needed = required_len(&self.pending)?;
        }
        let header = Header::parse(&self.pending)?;
        self.limits.check_header(&header)?;
        self.crc.update(&self.pending);
        self.offset = self.pending.len() as u64;
        self.pending.clear();
        self.header = Some(header);
        self.stage = Stage::Tokens;
        Ok(rest)
    }

    fn feed_tokens<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        let missing = self.tokens_to_checkpoint();
        if let [first] = *self.pending.as_slice() {
            // The second byte of a token whose first one ended the last piece.
            let Some((&second, rest)) = bytes.split_first() else {
                return Ok(bytes);
            };
            self.pending.clear();
            self.take_tokens(&[first, second])?;
            return Ok(rest);
        }
        let pairs = (bytes.len() >> 1).min(missing);
        let (run, rest) = bytes
            .split_at_checked(pairs.saturating_mul(2))
            .unwrap_or((bytes, &[]));
        self.take_tokens(run)?;
        match rest {
            [byte] if self.stage == Stage::Tokens => {
                self.pending.push(*byte);
                Ok(&[])
            }
            _ => Ok(rest),
        }
    }

    /// Takes whole tokens, no more than there are before the next checkpoint.
    fn take_tokens(&mut self, run: &[u8]) -> Result<(), Error> {
        let Some(header) = self.header else {
            return Ok(());
        };
        let (start, count) = (self.ids.len(), run.len() >> 1);
        let bytes = run.len() as u64;
        let reserved = self.ids.try_reserve(count);
        reserved.or(Err(Error::OutOfMemory { bytes }))?;
        self.ids.resize(start.saturating_add(count), 0);
        let fresh = self.ids.get_mut(start..).unwrap_or_default();
        LittleEndian::read_u16_into(run, fresh);
        let largest = header.codebook_size().saturating_sub(1);
        let bad = fresh.iter().position(|&id| u32::from(id) > largest);
        if let Some(at) = bad {
            let id = fresh.get(at).copied().unwrap_or_default();
            let index = start.saturating_add(at);
            self.ids.truncate(index);
            self.read = index as u64;
            return Err(corrupt_id(&header, index as u64, id));
        }
        self.read = self.ids.len() as u64;
        self.crc.update(run);
        self.offset = self.offset.saturating_add(run.len() as u64);
        if self.tokens_to_checkpoint() == 0 {
            self.stage = Stage::Checkpoint;
        }
        Ok(())
    }

    /// Tokens that come before the next checkpoint.
    fn tokens_to_checkpoint(&self) -> usize {
        let Some(header) = self.header else { return 0 };
        let layer = header.layout().next_checkpoint(self.proven).unwrap_or(0);
        let target = header.canvases().saturating_mul(layer.into());
        let missing = target.saturating_sub(self.ids.len() as u64);
        usize::try_from(missing).unwrap_or(usize::MAX)
    }

    fn feed_checkpoint<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        let rest = self.fill_pending(bytes, crate::metadata::CHUNK_CRC);
        let (Some(header), Some(crc)) = (self.header, self.pending.first_chunk::<4>()) else {
            return Ok(rest);
        };
        let (stored, computed) = (u32::from_le_bytes(*crc), self.crc.clone().finalize());
        let layout = header.layout();
        let Some(layer) = layout.next_checkpoint(self.proven) else {
            return Ok(rest);
        };
        let end = self.offset.saturating_add(crc.len() as u64);
        if stored != computed {
            // Tokens known to be wrong, or next to such, are not for `partial`.
            let proven = header.canvases().saturating_mul(self.proven.into());
            self.ids.truncate(usize::try_from(proven).unwrap_or(0));
            return Err(Error::Corrupt {
                region: Region::Layers {
                    first: self.proven.saturating_add(1),
                    last: layer,
                },
                range: layout.checkpoint_end(self.proven).unwrap_or(0)..end,
                fault: Fault::Checksum { stored, computed },
            });
        }
        self.crc.update(crc);
        self.pending.clear();
        self.offset = end;
        self.proven = layer;
        self.stage = match (layer == header.tokens(), header.has_metadata()) {
            (false, _) => Stage::Tokens,
            (true, true) => Stage::Chunk,
            (true, false) => Stage::Complete,
        };
        Ok(rest)
    }

    fn feed_chunk<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        let rest = self.fill_pending(bytes, crate::metadata::CHUNK_PREFIX);
        let Some(length) = RawChunk::byte_len(&self.pending) else {
            return Ok(rest);
        };
        let total = self.metadata_bytes.saturating_add(length as u64);
        self.limits.check_metadata(total)?;
        let rest = self.fill_pending(rest, length);
        if self.pending.len() < length {
            return Ok(rest);
        }
        let chunk = RawChunk::verify(&self.pending, self.chunks, self.offset)?;
        let last = chunk.is_last();
        self.metadata.accept(chunk)?;
        self.pending.clear();
        self.offset = self.offset.saturating_add(length as u64);
        self.metadata_bytes = total;
        self.chunks = self.chunks.saturating_add(1);
        if last {
            self.stage = Stage::Complete;
        }
        Ok(rest)
    }

    /// Moves bytes to `pending` until it holds `length`; returns what is left.
    fn fill_pending<'a>(&mut self, bytes: &'a [u8], length: usize) -> &'a [u8] {
        let missing = length.saturating_sub(self.pending.len());
        let (taken, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
        self.pending.extend_from_slice(taken);
        rest
    }
}

fn corrupt_id(header: &Header, index: u64, id: u16) -> Error {
    let start = header.layout().token_offset(index).unwrap_or(0);
    let layer = index.checked_div(header.canvases()).unwrap_or(0);
    Error::Corrupt {
        region: Region::Token {
            layer: u16::try_from(layer.saturating_add(1)).unwrap_or(u16::MAX),
            canvas: index.checked_rem(header.canvases()).unwrap_or(0),
        },
        range: start..start.saturating_add(2),
        fault: Fault::Id {
            id,
            codebook_size: header.codebook_size(),
        },
    }
}

#[cfg(test)]
mod tests;
