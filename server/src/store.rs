//! The token files: as they are stored, or cut to what is requested.

use std::sync::Arc;

use bytes::Bytes;
use flextok_container::{Error, KeepMetadata, Limits, ReadError, TokenFile};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::body::Content;
use crate::error::{QueryError, Refusal};
use crate::folder::{Folder, HELD, Opened, Stored, tag};
use crate::name::Name;
use crate::negotiation::{Allowance, Budget};

/// Memory is counted in units of so many bytes.
const UNIT: u64 = 1024;

/// The directory of token files.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) folder: Arc<Folder>,
    limits: Limits,
    /// Units of memory for large files that are left.
    memory: Arc<Semaphore>,
}

/// The answer to a request for a token file.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    pub(crate) stored: Stored,
    /// How much is in it, where a number of tokens or bytes was requested, or hints chose one.
    pub(crate) extent: Option<Extent>,
    /// Whether hints chose it.
    pub(crate) adapted: bool,
}

/// How much of a picture is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Tokens per canvas.
    Tokens(u32),
    /// Bytes of a coded payload.
    Bytes(u64),
}

/// Bytes that hold their share of the memory until they are sent.
struct Counted {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Store {
    pub(crate) fn new(folder: Folder, limits: Limits, memory: usize) -> Self {
        let units = memory / UNIT as usize;
        Self {
            folder: Arc::new(folder),
            limits,
            memory: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// The file within `budget`, or else within what a hint allows. Blocks.
    pub(crate) fn select(
        &self,
        name: &Name,
        budget: Option<Budget>,
        hinted: Option<Allowance>,
    ) -> Result<Selected, Refusal> {
        let opened = self.folder.file(name)?;
        let most = self.limits.max_file_bytes();
        if opened.length > most {
            let length = opened.length;
            let problem = format!("the stored file has {length} bytes; allowed: at most {most}");
            return Err(Refusal::Fault(problem));
        }
        match (budget, hinted) {
            (None, None) => self.whole(opened, None),
            (None, Some(allowance)) => self.adapted(opened, allowance),
            (Some(budget), _) => self.cut(opened, budget),
        }
    }

    fn whole(&self, opened: Opened, extent: Option<Extent>) -> Result<Selected, Refusal> {
        Ok(Selected {
            stored: self.folder.load(opened)?,
            extent,
            adapted: false,
        })
    }

    /// Hints are advisory: a file that cannot be cut, or is no larger, goes as it is.
    fn adapted(&self, mut opened: Opened, allowance: Allowance) -> Result<Selected, Refusal> {
        let _permit = self.reserve(opened.length)?;
        let Ok(file) = self.parse(&mut opened)? else {
            return self.whole(opened, None);
        };
        let cut = match Extent::of(&file) {
            Extent::Tokens(have) if have > allowance.tokens => {
                file.cut_layers(allowance.tokens, KeepMetadata::No)
            }
            Extent::Bytes(_) if opened.length > allowance.bytes => {
                file.fit(allowance.bytes, KeepMetadata::No)
            }
            _ => return self.whole(opened, None),
        };
        let mut selected = self.made(&opened, &cut.map_err(refusal)?)?;
        selected.adapted = true;
        // Its date is the stored file's too, and would not tell the two apart.
        selected.stored.modified = None;
        Ok(selected)
    }

    /// A damaged file is not cut, not even to what is proven: a cut has new checks, which would hide the damage.
    fn cut(&self, mut opened: Opened, budget: Budget) -> Result<Selected, Refusal> {
        let _permit = self.reserve(opened.length)?;
        let file = self.parse(&mut opened)?.map_err(refusal)?;
        let extent = Extent::of(&file);
        let suffices = match (budget, extent) {
            (Budget::Tokens(tokens), Extent::Bytes(_)) => {
                return Err(QueryError::NoTokens { tokens }.into());
            }
            (Budget::Tokens(tokens), Extent::Tokens(have)) => tokens >= have,
            (Budget::Bytes(bytes), _) => bytes >= opened.length,
        };
        // A cut has no metadata, also where nothing else is cut.
        if suffices && file.is_complete() && file.metadata().is_empty() {
            return self.whole(opened, Some(extent));
        }
        let cut = match budget {
            Budget::Tokens(tokens) => file.cut_layers(tokens.min(file.layers()), KeepMetadata::No),
            Budget::Bytes(bytes) => file.fit(bytes, KeepMetadata::No),
        };
        self.made(&opened, &cut.map_err(refusal)?)
    }

    /// Reads the file, of which a fault is passed on as such, and goes back to its start.
    fn parse(&self, opened: &mut Opened) -> Result<Result<TokenFile, Error>, Refusal> {
        let unreadable = |error: std::io::Error| {
            Refusal::Fault(format!("the stored file cannot be read: {}", error.kind()))
        };
        let parsed = match TokenFile::read_from(&opened.file, &self.limits) {
            Ok(file) => Ok(file),
            Err(ReadError::Format(error)) => Err(error),
            Err(ReadError::Io(error)) => return Err(unreadable(error)),
            Err(_) => return Err(Refusal::Fault("the stored file cannot be read".to_owned())),
        };
        std::io::Seek::rewind(&mut opened.file).map_err(unreadable)?;
        Ok(parsed)
    }

    /// The bytes of a cut of `opened`.
    fn made(&self, opened: &Opened, cut: &TokenFile) -> Result<Selected, Refusal> {
        let bytes = cut.to_bytes().map_err(refusal)?;
        let (length, tag) = (bytes.len() as u64, tag(&bytes));
        let bytes = match self.reserve(length)? {
            Some(_permit) => Bytes::from_owner(Counted { bytes, _permit }),
            None => bytes.into(),
        };
        Ok(Selected {
            stored: Stored {
                content: Content::Memory(bytes),
                length,
                tag,
                modified: opened.modified,
            },
            extent: Some(Extent::of(cut)),
            adapted: false,
        })
    }

    /// A share of the memory for a file of `length` bytes; small ones need none.
    fn reserve(&self, length: u64) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
        if length <= HELD {
            return Ok(None);
        }
        let units = u32::try_from(length.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.memory).try_acquire_many_owned(units);
        permit.map(Some).map_err(|_| Refusal::Busy)
    }
}

impl Extent {
    /// What is there of `file`.
    fn of(file: &TokenFile) -> Self {
        match file.header().as_ids() {
            Some(_) => Self::Tokens(file.layers()),
            None => Self::Bytes(file.payload().len() as u64),
        }
    }
}

/// A budget that no file fits is the request's fault, all else the stored file's.
fn refusal(error: Error) -> Refusal {
    match error {
        Error::CannotFit { bytes, minimum } => QueryError::TooFewBytes { bytes, minimum }.into(),
        error => Refusal::Fault(format!("the stored file cannot be cut: {error}")),
    }
}
