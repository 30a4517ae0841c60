//! Where the bytes of a weights file live: embedded in the program, read into memory, or mapped from a file.
//!
//! This module holds the project's only memory map. A map is read-only and private; its contract is that nobody
//! truncates or rewrites the file while it is mapped, which no program can enforce on its own. Whoever cannot promise
//! that reads the file instead ([`Storage::read`]).

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::memory::with_capacity;

/// Why a weights file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The operating system refused to open, size, map or read the file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The path names something that is not a regular file.
    #[error("not a regular file")]
    NotAFile,
    /// The file holds more bytes than the caller allows to be read into memory.
    #[error("{actual} bytes, more than the {allowed} that may be read into memory")]
    TooLarge {
        /// Size of the file in bytes.
        actual: u64,
        /// Largest size that the caller allows.
        allowed: u64,
    },
    /// Not enough memory to read the file into.
    #[error("not enough memory for its {bytes} bytes")]
    OutOfMemory {
        /// Bytes that were to be read.
        bytes: u64,
    },
    /// The file changed its size between being opened and being mapped or read.
    #[error("changed while being opened: {before} bytes, then {after}")]
    Changed {
        /// Size when opened, in bytes.
        before: u64,
        /// Size afterwards, in bytes.
        after: u64,
    },
}

#[derive(Debug)]
enum Inner {
    Static(&'static [u8]),
    Owned(Vec<u8>),
    Mapped(memmap2::Mmap),
}

/// Immutable bytes that are cheap to share between tensors and threads.
#[derive(Debug, Clone)]
pub struct Storage(Arc<Inner>);

impl Storage {
    /// Bytes that are part of the program.
    #[must_use]
    pub fn from_static(bytes: &'static [u8]) -> Self {
        Self(Arc::new(Inner::Static(bytes)))
    }

    /// Bytes that are already in memory.
    #[must_use]
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Inner::Owned(bytes)))
    }

    /// Maps the file at `path` read-only.
    ///
    /// # Errors
    /// [`StorageError::NotAFile`] for anything but a regular file, [`StorageError::Changed`] if its size changes while
    /// it is being mapped, [`StorageError::Io`] for everything the operating system refuses.
    pub fn map(path: &Path) -> Result<Self, StorageError> {
        let (file, before) = open_regular(path)?;
        if before == 0 {
            return Ok(Self::from_vec(Vec::new()));
        }
        // SAFETY: the map is read-only and private, it is never handed out as anything but `&[u8]`, and its file is a
        // regular one of a size that is checked again below. What remains is the contract in this module's heading:
        // the file is not truncated or rewritten in place while mapped; callers that cannot promise it use `read`.
        #[allow(unsafe_code)]
        let map = unsafe { memmap2::MmapOptions::new().map_copy_read_only(&file)? };
        let after = file.metadata()?.len();
        if after != before || map.len() as u64 != before {
            return Err(StorageError::Changed { before, after });
        }
        Ok(Self(Arc::new(Inner::Mapped(map))))
    }

    /// Reads the file at `path` into memory, at most `allowed` bytes of it.
    ///
    /// # Errors
    /// Those of [`Storage::map`]; [`StorageError::TooLarge`] and [`StorageError::OutOfMemory`] before anything is read.
    pub fn read(path: &Path, allowed: u64) -> Result<Self, StorageError> {
        let (mut file, actual) = open_regular(path)?;
        if actual > allowed {
            return Err(StorageError::TooLarge { actual, allowed });
        }
        let size =
            usize::try_from(actual).map_err(|_| StorageError::OutOfMemory { bytes: actual })?;
        let mut bytes =
            with_capacity(size).map_err(|_| StorageError::OutOfMemory { bytes: actual })?;
        (&mut file)
            .take(actual.saturating_add(1))
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 != actual {
            return Err(StorageError::Changed {
                before: actual,
                after: bytes.len() as u64,
            });
        }
        Ok(Self::from_vec(bytes))
    }

    /// Reads the first `bytes` of the file at `path`, or all of a shorter one, and says how long the file is.
    ///
    /// # Errors
    /// [`StorageError::NotAFile`] and [`StorageError::Io`] as [`Storage::map`]; [`StorageError::OutOfMemory`].
    pub fn read_start(path: &Path, bytes: usize) -> Result<(Self, u64), StorageError> {
        let (file, total) = open_regular(path)?;
        let size = usize::try_from(total).unwrap_or(usize::MAX).min(bytes);
        let mut start =
            with_capacity(size).map_err(|_| StorageError::OutOfMemory { bytes: size as u64 })?;
        file.take(size as u64).read_to_end(&mut start)?;
        Ok((Self::from_vec(start), total))
    }

    /// All bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match &*self.0 {
            Inner::Static(bytes) => bytes,
            Inner::Owned(bytes) => bytes,
            Inner::Mapped(map) => map,
        }
    }

    /// Gives the memory of a mapped file's pages back to the operating system where it can; they are read again from the
    /// file where they are looked at again.
    pub fn release_pages(&self) {
        #[cfg(unix)]
        if let Inner::Mapped(map) = &*self.0 {
            // SAFETY: the map is read-only and backed by its file, so a page that is dropped comes back with the same
            // contents; the advice invalidates no reference.
            #[allow(unsafe_code)]
            let advised = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
            // Only a hint: where it is refused, the pages stay.
            drop(advised);
        }
    }

    /// Whether the bytes are a mapped file.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        matches!(&*self.0, Inner::Mapped(_))
    }
}

fn open_regular(path: &Path) -> Result<(File, u64), StorageError> {
    // Opening a pipe would wait for its other end, so the file's type is checked before it is opened.
    if !std::fs::metadata(path)?.is_file() {
        return Err(StorageError::NotAFile);
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(StorageError::NotAFile);
    }
    Ok((file, metadata.len()))
}
