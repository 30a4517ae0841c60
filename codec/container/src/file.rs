//! A token file in memory: what was read or what will be written, and the cuts between the two.

use alloc::vec::Vec;

use crate::{Error, Header, Limits, Metadata, Reader, writer};

/// A file's header, tokens and metadata, complete or cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile {
    header: Header,
    ids: Vec<u16>,
    metadata: Metadata,
    state: State,
    proven: u16,
}

/// Whether a file is all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Header, tokens, checkpoints and metadata are there and match.
    Complete,
    /// The file ends early.
    Truncated {
        /// Whole tokens that are there, all canvases counted. Equal to `total` when only a
        /// checkpoint or metadata is missing.
        have: u64,
        /// Tokens of the whole file, all canvases counted.
        total: u64,
    },
}

/// Whether a cut keeps the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepMetadata {
    /// Tokens only: the smallest file.
    No,
    /// With the metadata the file has.
    Yes,
}

/// A place to cut a file: a row of the table of [`TokenFile::cut_offsets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutOffset {
    /// Tokens per canvas that remain.
    pub tokens: u16,
    /// Bytes to keep of this file, as by `head -c`, for these tokens to remain.
    pub prefix_bytes: u64,
    /// Size of the complete, re-checksummed file of these tokens, without metadata.
    pub complete_bytes: u64,
}

impl TokenFile {
    /// A complete file of `ids` in layer order: token 0 of all canvases (row-major), then token 1
    /// of all, and so on; their number is tokens per canvas times canvases.
    ///
    /// # Errors
    /// [`Error::InvalidTokenCount`], [`Error::InvalidId`] for an id not below the codebook size,
    /// [`Error::InvalidMetadata`] for texts of more than 65 535 bytes.
    pub fn new(header: Header, ids: Vec<u16>, metadata: Metadata) -> Result<Self, Error> {
        let (count, expected) = (ids.len() as u64, header.total_tokens());
        if count != expected {
            return Err(Error::InvalidTokenCount { count, expected });
        }
        let codebook_size = header.codebook_size();
        let mut numbered = ids.iter().enumerate();
        if let Some((index, &id)) = numbered.find(|&(_, &id)| u32::from(id) >= codebook_size) {
            return Err(Error::InvalidId {
                index: index as u64,
                id,
                codebook_size,
            });
        }
        metadata.check()?;
        Ok(Self {
            header: header.with_metadata(!metadata.is_empty()),
            ids,
            metadata,
            state: State::Complete,
            proven: header.tokens(),
        })
    }

    /// A complete file of one list of ids per canvas, the canvases in row-major order; each list
    /// has as many ids as the header has tokens per canvas.
    ///
    /// # Errors
    /// As [`TokenFile::new`]; a list of another length is [`Error::InvalidTokenCount`].
    pub fn from_canvases<C: AsRef<[u16]>>(
        header: Header,
        canvases: &[C],
        metadata: Metadata,
    ) -> Result<Self, Error> {
        let layers = usize::from(header.tokens());
        let unequal = canvases
            .iter()
            .map(AsRef::as_ref)
            .find(|c| c.len() != layers);
        if unequal.is_some() || canvases.len() as u64 != header.canvases() {
            let lengths = canvases.iter().map(|canvas| canvas.as_ref().len() as u64);
            return Err(Error::InvalidTokenCount {
                count: lengths.fold(0, u64::saturating_add),
                expected: header.total_tokens(),
            });
        }
        let ids = (0..layers)
            .flat_map(|layer| canvases.iter().filter_map(move |c| c.as_ref().get(layer)))
            .copied()
            .collect();
        Self::new(header, ids, metadata)
    }

    /// Reads a file, cut or complete, with the default [`Limits`].
    ///
    /// # Errors
    /// Whatever the bytes contradict; a file that ends early is no error once its header is there.
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

    pub(crate) fn from_reader(
        header: Header,
        ids: Vec<u16>,
        metadata: Metadata,
        state: State,
        proven: u16,
    ) -> Self {
        Self {
            header,
            ids,
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

    /// The tokens that are there in layer order: whole layers, then those of an unfinished layer.
    #[must_use]
    pub fn ids(&self) -> &[u16] {
        &self.ids
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

    /// Whole layers that are there: tokens that every canvas has.
    #[must_use]
    pub fn layers(&self) -> u16 {
        let layers = (self.ids.len() as u64).checked_div(self.header.canvases());
        layers
            .and_then(|layers| u16::try_from(layers).ok())
            .unwrap_or(0)
    }

    /// Layers that a matching checkpoint covers. Tokens of later layers were read from a cut file
    /// that lost the checkpoint after them.
    #[must_use]
    pub fn proven_layers(&self) -> u16 {
        self.proven
    }

    /// How much of what the header declares is there: tokens read, of all canvases, divided by the
    /// tokens of the whole file; 0 to 1.
    ///
    /// It counts what this file lost since it was written, not how faithful the picture is. A file
    /// *written* with few tokens has all of what it declares, and most of the detail that a decoder
    /// shows for it is invented all the same: for that, look at the number of tokens. Tokens behind
    /// the last checkpoint that is there are counted although nothing vouches for them:
    /// [`TokenFile::proven_fraction`] leaves them out.
    ///
    /// ```
    /// use flextok_container::{Fingerprint, Header, Metadata, TokenFile};
    ///
    /// let header = Header::new(Fingerprint([0; 4]), 64, 48, 8, 64_000)?;
    /// let bytes = TokenFile::new(header, vec![7; 8], Metadata::default())?.to_bytes()?;
    /// let cut = TokenFile::parse(&bytes[..38])?;
    /// assert_eq!(cut.declared_fraction(), 6.0 / 8.0);
    /// assert_eq!(cut.proven_fraction(), 4.0 / 8.0);
    /// # Ok::<(), flextok_container::Error>(())
    /// ```
    #[must_use]
    pub fn declared_fraction(&self) -> f64 {
        self.fraction(self.ids.len() as u64)
    }

    /// As [`TokenFile::declared_fraction`], but only of tokens that a matching checkpoint covers.
    ///
    /// A checkpoint finds accidents. It is no signature: who changes a file can make it match.
    #[must_use]
    pub fn proven_fraction(&self) -> f64 {
        self.fraction(self.header.canvases().saturating_mul(self.proven.into()))
    }

    fn fraction(&self, tokens: u64) -> f64 {
        // At most 2^40 of at least 1: both are exact, the quotient is rounded once.
        tokens as f64 / self.header.total_tokens() as f64
    }

    /// The tokens of one canvas (index in row-major order), from coarse to fine, those of an
    /// unfinished layer included: take [`TokenFile::layers`] for as many on every canvas.
    /// Empty for a canvas the grid does not have.
    pub fn canvas_ids(&self, canvas: u64) -> impl Iterator<Item = u16> + '_ {
        let canvases = self.header.canvases();
        let start = if canvas < canvases { canvas } else { u64::MAX };
        // On a machine that cannot count so far, there are not so many ids either.
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let step = usize::try_from(canvases).unwrap_or(usize::MAX);
        let ids = self.ids.iter().copied();
        ids.skip(start).step_by(step.max(1))
    }

    /// The bytes of a complete file.
    ///
    /// # Errors
    /// [`Error::Incomplete`] for a truncated one: [`TokenFile::cut`] it first.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        if let State::Truncated { have, total } = self.state {
            return Err(Error::Incomplete { have, total });
        }
        writer::write(&self.header, &self.ids, &self.metadata)
    }

    /// A complete file of the first `tokens` tokens of each canvas.
    ///
    /// A truncated file can be cut to the whole layers it has. Layers beyond
    /// [`TokenFile::proven_layers`] get a new checkpoint although nothing vouched for them.
    ///
    /// # Errors
    /// [`Error::CannotCut`] for 0 tokens and for more than the whole layers there are,
    /// [`Error::NoLayer`] if there is none.
    pub fn cut(&self, tokens: u16, keep: KeepMetadata) -> Result<Self, Error> {
        let available = self.available_layers()?;
        if tokens == 0 || tokens > available {
            return Err(Error::CannotCut {
                requested: tokens.into(),
                available: available.into(),
            });
        }
        let header = self.header.with_tokens(tokens)?;
        let count = usize::try_from(header.total_tokens()).unwrap_or(usize::MAX);
        let ids = self.ids.iter().copied().take(count).collect();
        let metadata = match keep {
            KeepMetadata::Yes => self.metadata.clone(),
            KeepMetadata::No => Metadata::default(),
        };
        Self::new(header, ids, metadata)
    }

    /// The largest complete file of the whole layers there are that has at most `bytes`, metadata included where it is
    /// kept.
    ///
    /// # Errors
    /// [`Error::CannotFit`] if not even one token per canvas fits, [`Error::NoLayer`] if the file
    /// has no whole layer.
    pub fn fit(&self, bytes: u64, keep: KeepMetadata) -> Result<Self, Error> {
        let available = self.available_layers()?;
        let metadata = match keep {
            KeepMetadata::Yes => self.metadata.byte_len(),
            KeepMetadata::No => 0,
        };
        let tokens = self.header.tokens_within(bytes, metadata)?;
        self.cut(tokens.min(available), keep)
    }

    /// Where the file can be cut: one row for each whole layer there is.
    pub fn cut_offsets(&self) -> impl Iterator<Item = CutOffset> + use<> {
        let layout = self.header.layout();
        (1..=self.layers()).filter_map(move |tokens| {
            Some(CutOffset {
                tokens,
                prefix_bytes: layout.layer_end(tokens)?,
                complete_bytes: layout.cut_len(tokens)?,
            })
        })
    }

    fn available_layers(&self) -> Result<u16, Error> {
        match self.layers() {
            0 => Err(Error::NoLayer {
                have: self.ids.len() as u64,
                total: self.header.total_tokens(),
            }),
            layers => Ok(layers),
        }
    }
}

#[cfg(test)]
mod tests;
