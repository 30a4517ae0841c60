//! A token file in memory: what was read or what will be written, and the cuts between the two.

use alloc::vec::Vec;

use crate::layout::TOKEN_BYTES;
use crate::{CutUnit, Error, Header, Ids, Limits, Metadata, Reader, writer};

/// A file's header, payload and metadata, complete or cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile {
    header: Header,
    payload: Vec<u8>,
    metadata: Metadata,
    state: State,
    proven: u64,
}

/// Whether a file is all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Header, payload, checks and metadata are there and match.
    Complete,
    /// The file ends early.
    Truncated {
        /// Bytes of payload that are there; of tokens, those of whole ones. Equal to `total` when only a check or metadata
        /// is missing.
        have: u64,
        /// Bytes of payload of the whole file.
        total: u64,
    },
}

/// What could be read of a file that may be damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvage {
    /// The file; of a damaged one, what is proven of it, in the state of a file that was cut there.
    pub file: TokenFile,
    /// What is wrong with the rest; `None` if the file is undamaged.
    pub fault: Option<Error>,
}

/// Whether a cut keeps the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepMetadata {
    /// Payload only: the smallest file.
    No,
    /// With the metadata the file has.
    Yes,
}

/// A place to cut a file: a row of the table of [`TokenFile::cut_offsets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutOffset {
    /// Bytes of payload that remain.
    pub payload: u64,
    /// Tokens per canvas that remain; `None` of a coded payload.
    pub tokens: Option<u32>,
    /// Bytes to keep of this file, as by `head -c`, for this payload to remain.
    pub prefix_bytes: u64,
    /// Size of the complete file of this payload, with checks of its own, without metadata.
    pub complete_bytes: u64,
}

impl TokenFile {
    /// A complete file of a payload, as long as the header says. Tokens are 16-bit little-endian numbers in layer order:
    /// token 1 of all canvases (row-major), then token 2 of all, and so on.
    ///
    /// # Errors
    /// [`Error::InvalidPayloadLength`], [`Error::InvalidId`] for an id not below the codebook size,
    /// [`Error::InvalidMetadata`] for texts of more than 65 535 bytes.
    pub fn new(header: Header, payload: Vec<u8>, metadata: Metadata) -> Result<Self, Error> {
        let (count, expected) = (payload.len() as u64, header.payload_bytes());
        if count != expected {
            return Err(Error::InvalidPayloadLength { count, expected });
        }
        if let Some(&Ids { codebook_size, .. }) = header.as_ids() {
            let mut numbered = ids_of(&payload).enumerate();
            if let Some((index, id)) = numbered.find(|&(_, id)| u32::from(id) >= codebook_size) {
                return Err(Error::InvalidId {
                    index: index as u64,
                    id,
                    codebook_size,
                });
            }
        }
        metadata.check()?;
        Ok(Self {
            header: header.with_metadata(!metadata.is_empty()),
            payload,
            metadata,
            state: State::Complete,
            proven: expected,
        })
    }

    /// A complete file of `ids` in layer order; their number is tokens per canvas times canvases.
    ///
    /// # Errors
    /// As [`TokenFile::new`]; another number of ids is [`Error::InvalidTokenCount`].
    pub fn of_ids(header: Header, ids: &[u16], metadata: Metadata) -> Result<Self, Error> {
        let (count, expected) = (ids.len() as u64, total_tokens(&header));
        if count != expected {
            return Err(Error::InvalidTokenCount { count, expected });
        }
        let payload = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        Self::new(header, payload, metadata)
    }

    /// A complete file of one list of ids per canvas, the canvases in row-major order; each list has as many ids as the header
    /// has tokens per canvas.
    ///
    /// # Errors
    /// As [`TokenFile::of_ids`]; a list of another length is [`Error::InvalidTokenCount`].
    pub fn from_canvases<C: AsRef<[u16]>>(
        header: Header,
        canvases: &[C],
        metadata: Metadata,
    ) -> Result<Self, Error> {
        let layers = header.as_ids().map_or(0, |ids| ids.tokens);
        let layers = usize::try_from(layers).unwrap_or(usize::MAX);
        let mut lengths = canvases.iter().map(|canvas| canvas.as_ref().len());
        let count = canvases.len() as u64;
        if lengths.any(|length| length != layers)
            || count != header.as_ids().map_or(0, Ids::canvases)
        {
            let lengths = canvases.iter().map(|canvas| canvas.as_ref().len() as u64);
            return Err(Error::InvalidTokenCount {
                count: lengths.fold(0, u64::saturating_add),
                expected: total_tokens(&header),
            });
        }
        let ids: Vec<u16> = (0..layers)
            .flat_map(|layer| canvases.iter().filter_map(move |c| c.as_ref().get(layer)))
            .copied()
            .collect();
        Self::of_ids(header, &ids, metadata)
    }

    /// Reads a file, cut or complete, with the default [`Limits`].
    ///
    /// # Errors
    /// Whatever the bytes contradict; a file that ends early is not an error once its header is there.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Self::parse_with(bytes, &Limits::default())
    }

    /// Reads a file with other limits.
    ///
    /// # Errors
    /// As [`TokenFile::parse`].
    pub fn parse_with(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let mut reader = Reader::with_limits(*limits);
        reader.feed(bytes)?;
        reader.finish()
    }

    /// Reads what is proven of a file that may be damaged: everything, if it is not; else the payload before the last check
    /// that matches, and the metadata before the fault.
    ///
    /// ```
    /// use flextok_container::{CodedCanvas, Coded, Header, Limits, Metadata, Size, TablesName, TokenFile};
    ///
    /// let coded = Coded { tables: TablesName::BUILTIN, canvas: CodedCanvas::Own, bytes: 400 };
    /// let header = Header::coded(Size { width: 64, height: 48 }, coded)?;
    /// let mut bytes = TokenFile::new(header, vec![7; 400], Metadata::default())?.to_bytes()?;
    /// bytes[300] ^= 1;
    /// let salvage = TokenFile::salvage(&bytes, &Limits::default())?;
    /// assert_eq!(salvage.file.payload(), [7; 256]); // there is a check after 256
    /// assert!(salvage.fault.is_some());
    /// # Ok::<(), flextok_container::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`TokenFile::parse_with`], if nothing is proven.
    pub fn salvage(bytes: &[u8], limits: &Limits) -> Result<Salvage, Error> {
        let mut reader = Reader::with_limits(*limits);
        let Err(fault) = reader.feed(bytes) else {
            return Ok(Salvage {
                file: reader.finish()?,
                fault: None,
            });
        };
        let file = reader.partial().filter(|file| file.proven > 0);
        file.map_or(Err(fault.clone()), |file| {
            Ok(Salvage {
                file,
                fault: Some(fault),
            })
        })
    }

    pub(crate) fn from_reader(
        header: Header,
        payload: Vec<u8>,
        metadata: Metadata,
        state: State,
        proven: u64,
    ) -> Self {
        Self {
            header,
            payload,
            metadata,
            state,
            proven,
        }
    }

    /// The header. Of a truncated file it still tells what the whole file had.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The payload that is there; of tokens, the whole ones.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The tokens that are there in layer order: whole layers, then those of an unfinished layer. Empty if the payload is
    /// coded.
    #[must_use]
    pub fn ids(&self) -> Vec<u16> {
        self.ids_iter().collect()
    }

    /// The metadata that is there.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Whether the file is all there.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether the state is [`State::Complete`].
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Whole layers that are there: tokens that every canvas has. 0 if the payload is coded.
    #[must_use]
    pub fn layers(&self) -> u32 {
        self.header.layers_in(self.payload.len() as u64)
    }

    /// Bytes of payload that a matching check covers. Later ones were read from a cut file that lost the check after them.
    #[must_use]
    pub fn proven_bytes(&self) -> u64 {
        self.proven
    }

    /// Layers that a matching check covers; 0 if the payload is coded.
    #[must_use]
    pub fn proven_layers(&self) -> u32 {
        self.header.layers_in(self.proven)
    }

    /// How much of what the header declares is there: bytes of payload divided by those of the whole file; 0 to 1.
    ///
    /// It counts what this file lost since it was written, not how faithful the picture is. A file *written* with few bytes has
    /// all of what it declares. Bytes behind the last check that is there are counted although nothing vouches for them:
    /// [`TokenFile::proven_fraction`] leaves them out.
    ///
    /// ```
    /// use flextok_container::{CodedCanvas, Coded, Header, Metadata, Size, TablesName, TokenFile};
    ///
    /// let coded = Coded { tables: TablesName::BUILTIN, canvas: CodedCanvas::Own, bytes: 160 };
    /// let header = Header::coded(Size { width: 64, height: 48 }, coded)?;
    /// let bytes = TokenFile::new(header, vec![7; 160], Metadata::default())?.to_bytes()?;
    /// let cut = TokenFile::parse(&bytes[..header.byte_len() as usize + 81])?;
    /// assert_eq!(cut.declared_fraction(), 80.0 / 160.0);
    /// assert_eq!(cut.proven_fraction(), 64.0 / 160.0);
    /// # Ok::<(), flextok_container::Error>(())
    /// ```
    #[must_use]
    pub fn declared_fraction(&self) -> f64 {
        self.fraction(self.payload.len() as u64)
    }

    /// As [`TokenFile::declared_fraction`], but only of payload that a matching check covers.
    ///
    /// A check finds accidents. It is not a signature: anyone who changes a file can make it match.
    #[must_use]
    pub fn proven_fraction(&self) -> f64 {
        self.fraction(self.proven)
    }

    fn fraction(&self, bytes: u64) -> f64 {
        // At most 2^49 of at least 1: both are exact, the quotient is rounded once.
        bytes as f64 / self.header.payload_bytes() as f64
    }

    /// The tokens of one canvas (index in row-major order), from coarse to fine, those of an unfinished layer included: take
    /// [`TokenFile::layers`] for as many on every canvas. Empty for a canvas the grid does not have, and if the payload is
    /// coded.
    pub fn canvas_ids(&self, canvas: u64) -> impl Iterator<Item = u16> + '_ {
        let canvases = self.header.as_ids().map_or(0, Ids::canvases);
        let start = if canvas < canvases { canvas } else { u64::MAX };
        // On a machine that cannot count so far, there are not so many ids either.
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let step = usize::try_from(canvases).unwrap_or(usize::MAX);
        self.ids_iter().skip(start).step_by(step.max(1))
    }

    fn ids_iter(&self) -> impl Iterator<Item = u16> + '_ {
        let tokens = self.header.as_ids().map(|_| &*self.payload);
        ids_of(tokens.unwrap_or_default())
    }

    /// The bytes of a complete file.
    ///
    /// # Errors
    /// [`Error::Incomplete`] for a truncated one: [`TokenFile::cut`] it first.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        if let State::Truncated { have, total } = self.state {
            return Err(Error::Incomplete { have, total });
        }
        writer::write(&self.header, &self.payload, &self.metadata)
    }

    /// A complete file of the first `payload` bytes of payload, less those of a layer of tokens that is not whole.
    ///
    /// A truncated file can be cut to what it has. Payload beyond [`TokenFile::proven_bytes`] gets new checks although nothing
    /// vouched for it.
    ///
    /// # Errors
    /// [`Error::CannotCut`] for less than one byte or layer and for more than there is, [`Error::NoPayload`] if the file has no
    /// byte or whole layer.
    pub fn cut(&self, payload: u64, keep: KeepMetadata) -> Result<Self, Error> {
        let unit = self.header.unit();
        let whole = payload.saturating_sub(payload.checked_rem(unit).unwrap_or(0));
        let available = self.available()?;
        if whole == 0 || payload > available {
            return Err(Error::CannotCut {
                requested: payload,
                available,
                unit: CutUnit::PayloadBytes,
            });
        }
        self.cut_whole(whole, keep)
    }

    /// A complete file of the first `tokens` tokens of each canvas; see [`TokenFile::cut`].
    ///
    /// # Errors
    /// [`Error::CannotCut`] for 0 tokens and for more than the whole layers there are, of which a coded payload has none;
    /// [`Error::NoPayload`] if there is none.
    pub fn cut_layers(&self, tokens: u32, keep: KeepMetadata) -> Result<Self, Error> {
        self.available()?;
        let available = self.layers();
        if tokens == 0 || tokens > available {
            return Err(Error::CannotCut {
                requested: tokens.into(),
                available: available.into(),
                unit: CutUnit::Tokens,
            });
        }
        self.cut_whole(self.header.unit().saturating_mul(tokens.into()), keep)
    }

    fn cut_whole(&self, payload: u64, keep: KeepMetadata) -> Result<Self, Error> {
        let header = self.header.with_payload_bytes(payload)?;
        let count = usize::try_from(payload).unwrap_or(usize::MAX);
        let kept = self.payload.get(..count).unwrap_or(&self.payload);
        let metadata = match keep {
            KeepMetadata::Yes => self.metadata.clone(),
            KeepMetadata::No => Metadata::default(),
        };
        Self::new(header, kept.to_vec(), metadata)
    }

    /// The largest complete file of what is there that has at most `bytes`, metadata included where it is kept.
    ///
    /// # Errors
    /// [`Error::CannotFit`] if not even one byte of payload, or one token per canvas, fits; [`Error::NoPayload`] if the file
    /// has none.
    pub fn fit(&self, bytes: u64, keep: KeepMetadata) -> Result<Self, Error> {
        let available = self.available()?;
        let metadata = match keep {
            KeepMetadata::Yes => self.metadata.byte_len(),
            KeepMetadata::No => 0,
        };
        let payload = self.header.payload_within(bytes, metadata)?;
        self.cut_whole(payload.min(available), keep)
    }

    /// Where the file can be cut: one row for each whole layer of tokens there is; of a coded payload, which can be cut
    /// anywhere, for each power of two and for all that is there.
    pub fn cut_offsets(&self) -> impl Iterator<Item = CutOffset> + use<> {
        let (header, available) = (self.header, self.available().unwrap_or(0));
        let (layout, unit) = (header.layout(), header.unit());
        let coded = header.as_coded().is_some();
        let following = move |&payload: &u64| {
            let next = match coded {
                true if payload < available => payload.saturating_mul(2).min(available),
                true => return None,
                false => payload.saturating_add(unit),
            };
            (next <= available).then_some(next)
        };
        let first = (available > 0).then_some(unit);
        core::iter::successors(first, following).filter_map(move |payload| {
            Some(CutOffset {
                payload,
                tokens: (!coded).then(|| header.layers_in(payload)),
                prefix_bytes: layout.payload_end(payload)?,
                complete_bytes: header.cut_len(payload)?,
            })
        })
    }

    /// Bytes of payload of which complete files can be made: whole layers of tokens.
    fn available(&self) -> Result<u64, Error> {
        self.header.whole_units(self.payload.len() as u64)
    }
}

fn total_tokens(header: &Header) -> u64 {
    header.as_ids().map_or(0, Ids::total_tokens)
}

fn ids_of(payload: &[u8]) -> impl Iterator<Item = u16> + '_ {
    let (pairs, _) = payload.as_chunks::<{ TOKEN_BYTES as usize }>();
    pairs.iter().map(|&pair| u16::from_le_bytes(pair))
}

#[cfg(test)]
mod tests;
