//! Reads a file while its bytes arrive: keeps what the scanner finds, and reports it as events.

use alloc::vec::Vec;

use crate::{Error, Header, Limits, Metadata, Part, Scanner, State, TokenFile};

/// Reads a file while its bytes arrive.
///
/// Feed pieces of any size, ask for events after each, finish at the end of the input. The outcome does not depend on how
/// the bytes were cut into pieces. Memory is bounded by the bytes fed and by [`Limits`]. After an error the reader stays with
/// it; [`Reader::partial`] then gives the proven part.
#[derive(Clone, Debug)]
pub struct Reader {
    scanner: Scanner,
    payload: Vec<u8>,
    metadata: Metadata,
    /// The chunk that is being read.
    chunk: OpenChunk,
    /// Whole chunks that could be understood.
    chunks: u64,
    reported: Reported,
}

/// What a [`Reader`] has learned. Events of one kind are merged when several are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The header is there and its check matches.
    Header(Header),
    /// More payload is there.
    Payload {
        /// Bytes of payload so far; of tokens, those of whole ones.
        available: u64,
    },
    /// A check matched.
    Proven {
        /// Bytes of payload it covers, all of which are as they were written.
        payload: u64,
    },
    /// More metadata chunks are there: see [`Reader::metadata`].
    Metadata {
        /// Whole chunks so far.
        chunks: u64,
    },
    /// The file is complete.
    Complete,
}

#[derive(Clone, Debug, Default)]
struct OpenChunk {
    tag: u8,
    content: Vec<u8>,
    start: u64,
}

/// What the events so far have reported: an event is a difference to it, so that no queue can grow.
#[derive(Clone, Debug, Default)]
struct Reported {
    header: bool,
    payload: u64,
    proven: u64,
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
            scanner: Scanner::with_limits(limits),
            payload: Vec::new(),
            metadata: Metadata::default(),
            chunk: OpenChunk::default(),
            chunks: 0,
            reported: Reported::default(),
        }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// Whatever the bytes contradict; the same error again for every later call.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let fed = self.take(bytes);
        if fed.is_err() {
            // What is known to be wrong, or stands beside such, is not for `partial`.
            let proven = usize::try_from(self.scanner.proven_bytes()).unwrap_or(0);
            self.payload.truncate(proven);
        }
        fed
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut rest = bytes;
        loop {
            let start = self.scanner.offset();
            let Some(part) = self.scanner.next(&mut rest)? else {
                return Ok(());
            };
            let kept = match part {
                Part::Payload(run) => append(&mut self.payload, run),
                Part::Chunk { tag, .. } => {
                    self.chunk.content.clear();
                    (self.chunk.tag, self.chunk.start) = (tag, start);
                    Ok(())
                }
                Part::Content(run) => append(&mut self.chunk.content, run),
                Part::ChunkEnd => self.take_chunk(),
                Part::Header(_) | Part::Proven { .. } => Ok(()),
            };
            kept.map_err(|error| self.scanner.refuse(error))?;
        }
    }

    fn take_chunk(&mut self) -> Result<(), Error> {
        let OpenChunk {
            tag,
            ref content,
            start,
        } = self.chunk;
        let range = start..self.scanner.offset();
        let place = (self.chunks, range, self.scanner.proven_bytes());
        self.metadata.accept(tag, content, place)?;
        self.chunks = self.scanner.chunks();
        Ok(())
    }

    /// The next event that the bytes so far give; `None` until more bytes are fed.
    pub fn next_event(&mut self) -> Option<Event> {
        let header = *self.header()?;
        if !self.reported.header {
            self.reported.header = true;
            return Some(Event::Header(header));
        }
        let available = self.payload().len() as u64;
        if self.reported.payload < available {
            self.reported.payload = available;
            return Some(Event::Payload { available });
        }
        if self.reported.proven < self.proven_bytes() {
            self.reported.proven = self.proven_bytes();
            let payload = self.proven_bytes();
            return Some(Event::Proven { payload });
        }
        self.next_ending(self.chunks)
    }

    /// As [`Reader::next_event`], but nothing is merged: one event for each byte of a coded payload or layer of tokens, for
    /// each check and chunk, in file order. The sequence depends on the bytes alone, not on the pieces in which they were fed
    /// nor on how often it is asked for.
    ///
    /// For a damaged file the sequence has all that was read before the fault, also payload that the check after it
    /// contradicts: a caller that feeds single bytes has had its event by then.
    ///
    /// ```
    /// use flextok_container::{Event, Reader};
    /// # use flextok_container::{Fingerprint, Header, Ids, Metadata, Size, TokenFile};
    /// # let size = Size { width: 64, height: 48 };
    /// # let header = Header::ids(size, Ids::new(Fingerprint([0; 4]), 3, 64_000))?;
    /// # let bytes = TokenFile::of_ids(header, &[7; 3], Metadata::default())?.to_bytes()?;
    /// let mut reader = Reader::new();
    /// reader.feed(&bytes)?; // a header, 3 tokens, a check
    /// let events: Vec<Event> = std::iter::from_fn(|| reader.next_event_in_order()).collect();
    /// assert!(matches!(events[0], Event::Header(_)));
    /// let payload = [2, 4, 6].map(|available| Event::Payload { available });
    /// assert_eq!(events[1..4], payload);
    /// assert_eq!(events[4..], [Event::Proven { payload: 6 }, Event::Complete]);
    /// # Ok::<(), flextok_container::Error>(())
    /// ```
    pub fn next_event_in_order(&mut self) -> Option<Event> {
        let header = *self.header()?;
        if !self.reported.header {
            self.reported.header = true;
            return Some(Event::Header(header));
        }
        if let Some(check) = header.layout().next_check(self.reported.proven) {
            if self.reported.payload < check.payload {
                let available = self.reported.payload.saturating_add(header.unit());
                let there = available <= self.scanner.payload_bytes();
                return there.then(|| {
                    self.reported.payload = available;
                    Event::Payload { available }
                });
            }
            let payload = check.payload;
            return (payload <= self.proven_bytes()).then(|| {
                self.reported.proven = payload;
                Event::Proven { payload }
            });
        }
        self.next_ending(self.reported.chunks.saturating_add(1).min(self.chunks))
    }

    /// What follows the payload: `chunks`, if that is news, and the end.
    fn next_ending(&mut self, chunks: u64) -> Option<Event> {
        if self.reported.chunks < chunks {
            self.reported.chunks = chunks;
            return Some(Event::Metadata { chunks });
        }
        if self.is_complete() && !self.reported.complete {
            self.reported.complete = true;
            return Some(Event::Complete);
        }
        None
    }

    /// The header, once it is there.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        self.scanner.header_so_far()
    }

    /// The payload so far; of tokens, the whole ones.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        let ids = self
            .header()
            .is_some_and(|header| header.as_ids().is_some());
        let half = if ids { self.payload.len() & 1 } else { 0 };
        let whole = self.payload.len().saturating_sub(half);
        self.payload.get(..whole).unwrap_or(&self.payload)
    }

    /// Bytes of payload that a matching check covers.
    #[must_use]
    pub fn proven_bytes(&self) -> u64 {
        self.scanner.proven_bytes()
    }

    /// The metadata so far.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Whether the file has ended: only its end may follow.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.scanner.is_complete()
    }

    /// The error that [`Reader::feed`] gave, if it did.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.scanner.error()
    }

    /// Whether the file is all there, as if it ended here; `None` before the header is there.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.header().map(|header| self.state_of(header))
    }

    /// What is there so far, as if the file ended here: the way to show a picture while it arrives. After an error it is the
    /// proven part. `None` before the header is there.
    #[must_use]
    pub fn partial(&self) -> Option<TokenFile> {
        let header = *self.header()?;
        Some(self.clone().into_file(header))
    }

    /// Ends the input.
    ///
    /// # Errors
    /// The error of an earlier [`Reader::feed`]; [`Error::NeedMore`] if the header is not whole.
    pub fn finish(self) -> Result<TokenFile, Error> {
        let header = self.scanner.finish()?;
        Ok(self.into_file(header))
    }

    fn into_file(mut self, header: Header) -> TokenFile {
        let state = self.state_of(&header);
        let whole = self.payload().len();
        self.payload.truncate(whole);
        let proven = self.proven_bytes();
        TokenFile::from_reader(header, self.payload, self.metadata, state, proven)
    }

    fn state_of(&self, header: &Header) -> State {
        if self.is_complete() {
            return State::Complete;
        }
        State::Truncated {
            have: self.payload().len() as u64,
            total: header.payload_bytes(),
        }
    }
}

fn append(buffer: &mut Vec<u8>, run: &[u8]) -> Result<(), Error> {
    let bytes = run.len() as u64;
    let reserved = buffer.try_reserve(run.len());
    reserved.or(Err(Error::OutOfMemory { bytes }))?;
    buffer.extend_from_slice(run);
    Ok(())
}

#[cfg(test)]
mod tests;
