//! The one parser of the crate: takes a file's bytes in pieces of any size and says what they are. It needs no memory beyond
//! itself; `Reader` keeps what it says.

use crate::checks::{self, Check, MAX_CHECK_BYTES, Sums};
use crate::header::{self, MAX_ANNOUNCED, required_len};
use crate::layout::{CHUNK_FRAME_BYTES, CheckPlace, Layout, TOKEN_BYTES};
use crate::{Error, Fault, Header, Limits, Region};

/// Bytes of a chunk before its content: type, length and their CRC-8.
pub(crate) const CHUNK_HEAD: usize = 4;

/// Marks the last chunk in its type.
pub(crate) const LAST: u8 = 1 << 6;

/// Marks chunks that a reader has to understand.
pub(crate) const CRITICAL: u8 = 1 << 7;

/// The number of a chunk's type, without the marks.
pub(crate) const KIND_MASK: u8 = 0x3f;

/// A part of the file, in file order; what it says has been checked as far as its own check is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part<'a> {
    /// The header; its check matches and it is within the limits.
    Header(Header),
    /// More bytes of payload. Of tokens, those that are whole are below the codebook size.
    Payload(&'a [u8]),
    /// A check matched.
    Proven {
        /// Bytes of payload before it, all of which are as they were written.
        payload: u64,
    },
    /// A metadata chunk begins; the CRC-8 of these two matches.
    Chunk {
        /// Type number and marks, as in the file.
        tag: u8,
        /// Bytes of its content.
        length: u16,
    },
    /// More bytes of a chunk's content.
    Content(&'a [u8]),
    /// The chunk is whole and its CRC-32 matches.
    ChunkEnd,
}

/// Takes a file apart without memory of its own: for programs that check, cut or pass on files as they arrive.
///
/// It judges structure and checks, and refuses chunks that must be understood. What the contents of chunks mean, whether a
/// type may occur twice, and whether texts are UTF-8 is for who reads them, as the crate's `Reader` does.
///
/// ```
/// use flextok_container::{CodedCanvas, Coded, Header, Metadata, Part, Scanner, Size, TablesName, TokenFile};
/// # let coded = Coded { tables: TablesName::BUILTIN, canvas: CodedCanvas::Own, bytes: 100 };
/// # let header = Header::coded(Size { width: 64, height: 48 }, coded)?;
/// # let file = TokenFile::new(header, vec![7; 100], Metadata::default())?.to_bytes()?;
/// let mut scanner = Scanner::new();
/// let mut rest = &file[..];
/// let mut payload = 0;
/// while let Some(part) = scanner.next(&mut rest)? {
///     if let Part::Payload(bytes) = part {
///         payload += bytes.len();
///     }
/// }
/// assert!(payload == 100 && scanner.is_complete());
/// # Ok::<(), flextok_container::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scanner {
    limits: Limits,
    stage: Stage,
    /// Offset in the file of the next byte.
    offset: u64,
    /// Bytes of an unfinished header, check or chunk head.
    pending: Pending,
    sums: Sums,
    header: Option<(Header, Layout)>,
    payload: u64,
    proven: u64,
    /// The first byte of a token whose second one is not there yet.
    half_token: Option<u8>,
    metadata_bytes: u64,
    chunks: u64,
    error: Option<Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Header,
    Payload,
    Check,
    ChunkHead,
    Content(ChunkPlace),
    ChunkCheck(ChunkPlace),
    Complete,
}

/// The chunk that is being read: where it starts, what is left of its content, its type with the marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ChunkPlace {
    start: u64,
    left: u16,
    tag: u8,
}

/// A few bytes that belong together and arrive in pieces.
#[derive(Clone, Debug)]
struct Pending {
    bytes: [u8; MAX_ANNOUNCED],
    length: usize,
}

impl Pending {
    fn get(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }

    /// Takes bytes off the front of `rest` until there are `length`; whether there are.
    fn fill(&mut self, rest: &mut &[u8], length: usize) -> bool {
        while self.length < length {
            let (Some((&byte, after)), Some(place)) =
                (rest.split_first(), self.bytes.get_mut(self.length))
            else {
                return false;
            };
            *place = byte;
            self.length = self.length.saturating_add(1);
            *rest = after;
        }
        true
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// A scanner with the default [`Limits`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// A scanner with other limits.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self {
            limits,
            stage: Stage::Header,
            offset: 0,
            pending: Pending {
                bytes: [0; MAX_ANNOUNCED],
                length: 0,
            },
            sums: Sums::new(),
            header: None,
            payload: 0,
            proven: 0,
            half_token: None,
            metadata_bytes: 0,
            chunks: 0,
            error: None,
        }
    }

    /// The next part of the file; what it consists of is taken off the front of `rest`. `None` when `rest` is used up.
    ///
    /// # Errors
    /// Whatever the bytes contradict; the same error again for every later call.
    pub fn next<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Option<Part<'a>>, Error> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        while !rest.is_empty() || self.is_due() {
            let step = match self.stage {
                Stage::Header => self.header(rest),
                Stage::Payload => self.payload(rest),
                Stage::Check => self.check(rest),
                Stage::ChunkHead => self.chunk_head(rest),
                Stage::Content(place) => Ok(self.content(rest, place)),
                Stage::ChunkCheck(place) => self.chunk_check(rest, place),
                Stage::Complete => {
                    let range = self.offset..self.offset.saturating_add(1);
                    Err(self.corrupt(Region::Trailing, range, Fault::Surplus))
                }
            };
            let part = step.inspect_err(|error| self.error = Some(error.clone()))?;
            if part.is_some() {
                return Ok(part);
            }
        }
        Ok(None)
    }

    /// The header, once it is there.
    #[must_use]
    pub fn header_so_far(&self) -> Option<&Header> {
        self.header.as_ref().map(|(header, _)| header)
    }

    /// Bytes of payload so far; of a file with a wrong id, those before it.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.payload
    }

    /// Bytes of payload that a matching check covers.
    #[must_use]
    pub fn proven_bytes(&self) -> u64 {
        self.proven
    }

    /// Whether the file has ended: only its end may follow.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.stage == Stage::Complete && self.error.is_none()
    }

    /// Ends the input: gives the header, behind which a file may end anywhere.
    ///
    /// # Errors
    /// The error of an earlier call; [`Error::NeedMore`] if the header is not whole.
    pub fn finish(&self) -> Result<Header, Error> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        if let Some((header, _)) = self.header {
            return Ok(header);
        }
        let bytes = self.pending.get();
        Err(Error::NeedMore {
            have: bytes.len() as u64,
            needed: required_len(bytes)? as u64,
        })
    }

    /// Whether a stage ends without another byte: a chunk without content does.
    fn is_due(&self) -> bool {
        matches!(self.stage, Stage::Content(ChunkPlace { left: 0, .. }))
    }

    fn header<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Option<Part<'a>>, Error> {
        // The first bytes decide how many there are, and each of them can end the matter.
        let mut needed = required_len(self.pending.get())?;
        while self.pending.length < needed {
            let next = self.pending.length.saturating_add(1);
            if !self.pending.fill(rest, next) {
                return Ok(None);
            }
            needed = required_len(self.pending.get())?;
        }
        let header = Header::parse(self.pending.get())?;
        self.limits.check_header(&header)?;
        self.sums.update(header::body(self.pending.get()));
        self.offset = self.pending.length as u64;
        self.pending.length = 0;
        self.header = Some((header, header.layout()));
        self.stage = Stage::Payload;
        Ok(Some(Part::Header(header)))
    }

    fn next_place(&self) -> Option<CheckPlace> {
        let (_, layout) = self.header.as_ref()?;
        layout.next_check(self.proven)
    }

    fn payload<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Option<Part<'a>>, Error> {
        let place = self.next_place().map_or(0, |place| place.payload);
        let missing = place.saturating_sub(self.payload);
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        let (run, after) = rest.split_at_checked(missing).unwrap_or((*rest, &[]));
        self.check_ids(run)?;
        *rest = after;
        self.sums.update(run);
        let count = run.len() as u64;
        self.payload = self.payload.saturating_add(count);
        self.offset = self.offset.saturating_add(count);
        if self.payload >= place {
            self.stage = Stage::Check;
        }
        Ok((count > 0).then_some(Part::Payload(run)))
    }

    /// Refuses an id that is not below the codebook size.
    fn check_ids(&mut self, run: &[u8]) -> Result<(), Error> {
        let ids = self.header.as_ref().and_then(|(header, _)| header.as_ids());
        let Some(&ids) = ids else { return Ok(()) };
        let mut at = self.payload;
        let mut bytes = run;
        if let (Some(low), Some((&high, after))) = (self.half_token, run.split_first()) {
            self.half_token = None;
            at = at.saturating_sub(1);
            self.check_id(&ids, at, u16::from_le_bytes([low, high]))?;
            at = at.saturating_add(TOKEN_BYTES);
            bytes = after;
        }
        let (pairs, half) = bytes.as_chunks::<2>();
        for &pair in pairs {
            let id = u16::from_le_bytes(pair);
            if u32::from(id) >= ids.codebook_size {
                return self.check_id(&ids, at, id);
            }
            at = at.saturating_add(TOKEN_BYTES);
        }
        if let [low] = half {
            self.half_token = Some(*low);
        }
        Ok(())
    }

    /// Judges the id that starts after `payload` bytes of payload.
    fn check_id(&mut self, ids: &crate::Ids, payload: u64, id: u16) -> Result<(), Error> {
        if u32::from(id) < ids.codebook_size {
            return Ok(());
        }
        // Nothing behind this place was read, however the bytes came.
        let start = self
            .offset
            .saturating_sub(self.payload)
            .saturating_add(payload);
        self.payload = payload;
        let index = payload.checked_div(TOKEN_BYTES).unwrap_or(0);
        let layer = index.checked_div(ids.canvases()).unwrap_or(0);
        let region = Region::Token {
            layer: u32::try_from(layer.saturating_add(1)).unwrap_or(u32::MAX),
            canvas: index.checked_rem(ids.canvases()).unwrap_or(0),
        };
        let fault = Fault::Id {
            id,
            codebook_size: ids.codebook_size,
        };
        Err(self.corrupt(region, start..start.saturating_add(TOKEN_BYTES), fault))
    }

    fn check<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Option<Part<'a>>, Error> {
        let Some(place) = self.next_place() else {
            self.stage = Stage::Complete;
            return Ok(None);
        };
        let Some((stored, computed)) = self.take_check(rest, place.check) else {
            return Ok(None);
        };
        if stored != computed {
            let region = Region::Payload {
                first: self.proven,
                end: place.payload,
            };
            let read = self.payload.saturating_sub(self.proven);
            let start = self.offset.saturating_sub(read);
            let end = self.offset.saturating_add(place.check.byte_len());
            let fault = Fault::Checksum { stored, computed };
            return Err(self.corrupt(region, start..end, fault));
        }
        self.offset = self.offset.saturating_add(place.check.byte_len());
        self.proven = place.payload;
        let header = self.header_so_far();
        let metadata = header.is_some_and(Header::has_metadata);
        self.stage = match (self.next_place(), metadata) {
            (Some(_), _) => Stage::Payload,
            (None, true) => Stage::ChunkHead,
            (None, false) => Stage::Complete,
        };
        Ok(Some(Part::Proven {
            payload: self.proven,
        }))
    }

    /// A check once it is there: its number in the file, and that of the bytes.
    fn take_check(&mut self, rest: &mut &[u8], check: Check) -> Option<(u32, u32)> {
        let length = usize::try_from(check.byte_len()).unwrap_or(MAX_CHECK_BYTES);
        if !self.pending.fill(rest, length) {
            return None;
        }
        let stored = checks::stored(self.pending.get());
        self.pending.length = 0;
        Some((stored, self.sums.value(check)))
    }

    fn chunk_head<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Option<Part<'a>>, Error> {
        if !self.pending.fill(rest, CHUNK_HEAD) {
            return Ok(None);
        }
        let &[tag, low, high, stored, ..] = &self.pending.bytes;
        self.pending.length = 0;
        let start = self.offset;
        let computed = checks::frame8([tag, low, high]);
        if stored != computed {
            let fault = Fault::Checksum {
                stored: stored.into(),
                computed: computed.into(),
            };
            let index = self.chunks;
            let end = start.saturating_add(CHUNK_HEAD as u64);
            return Err(self.corrupt(Region::Chunk { index }, start..end, fault));
        }
        let length = u16::from_le_bytes([low, high]);
        let frame = u64::from(length).saturating_add(CHUNK_FRAME_BYTES);
        self.metadata_bytes = self.metadata_bytes.saturating_add(frame);
        self.limits.check_metadata(self.metadata_bytes)?;
        self.sums.update(&[tag, low, high]);
        self.offset = start.saturating_add(CHUNK_HEAD as u64);
        self.stage = Stage::Content(ChunkPlace {
            start,
            left: length,
            tag,
        });
        Ok(Some(Part::Chunk { tag, length }))
    }

    fn content<'a>(&mut self, rest: &mut &'a [u8], place: ChunkPlace) -> Option<Part<'a>> {
        let missing = usize::from(place.left);
        let (run, after) = rest.split_at_checked(missing).unwrap_or((*rest, &[]));
        *rest = after;
        self.sums.update(run);
        self.offset = self.offset.saturating_add(run.len() as u64);
        let left = missing.saturating_sub(run.len());
        let left = u16::try_from(left).unwrap_or(0);
        let place = ChunkPlace { left, ..place };
        self.stage = match left {
            0 => Stage::ChunkCheck(place),
            _ => Stage::Content(place),
        };
        (!run.is_empty()).then_some(Part::Content(run))
    }

    fn chunk_check<'a>(
        &mut self,
        rest: &mut &'a [u8],
        place: ChunkPlace,
    ) -> Result<Option<Part<'a>>, Error> {
        let Some((stored, computed)) = self.take_check(rest, Check::Long) else {
            return Ok(None);
        };
        let end = self.offset.saturating_add(Check::Long.byte_len());
        if stored != computed {
            let index = self.chunks;
            let fault = Fault::Checksum { stored, computed };
            return Err(self.corrupt(Region::Chunk { index }, place.start..end, fault));
        }
        if place.tag & CRITICAL != 0 {
            // Version 2 defines no critical type.
            return Err(Error::UnsupportedChunk {
                index: self.chunks,
                kind: place.tag & KIND_MASK,
            });
        }
        self.offset = end;
        self.chunks = self.chunks.saturating_add(1);
        self.stage = if place.tag & LAST != 0 {
            Stage::Complete
        } else {
            Stage::ChunkHead
        };
        Ok(Some(Part::ChunkEnd))
    }

    fn corrupt(&self, region: Region, range: core::ops::Range<u64>, fault: Fault) -> Error {
        Error::Corrupt {
            region,
            range,
            fault,
            proven: self.proven,
        }
    }
}

/// What readers of whole files need.
#[cfg(feature = "alloc")]
impl Scanner {
    /// Keeps an error of what a part holds, so that every later call gives it.
    pub(crate) fn refuse(&mut self, error: Error) -> Error {
        self.error = Some(error.clone());
        error
    }

    pub(crate) fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Bytes of the file so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whole chunks so far.
    pub(crate) fn chunks(&self) -> u64 {
        self.chunks
    }
}
