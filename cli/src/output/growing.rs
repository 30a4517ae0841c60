//! Outputs that are written piece by piece, since they may be larger than memory.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use super::{Output, Target, temporary_beside};
use crate::exit::CliError;
use crate::interrupt;

impl Output {
    /// Begins a file of any size, which is written piece by piece.
    pub(crate) fn grow(self) -> Result<Growing, CliError> {
        let Target::File { path, .. } = &self.target else {
            return Err(CliError::Output {
                name: self.name(),
                problem: "is a stream; this output needs a file",
            });
        };
        let made = interrupt::guarded(|| temporary_beside(path));
        let (temporary, guard) = made.map_err(|error| self.failed(error))?;
        let (file, temporary) = temporary.into_parts();
        Ok(Growing {
            output: self,
            file: BufWriter::with_capacity(1 << 16, file),
            temporary,
            _guard: guard,
        })
    }
}

/// A file that is being written and not yet published; dropping it discards it.
pub(crate) struct Growing {
    output: Output,
    file: BufWriter<File>,
    temporary: tempfile::TempPath,
    _guard: interrupt::Guard,
}

impl Growing {
    /// Adds these bytes.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| self.output.failed(error))
    }

    /// The error of another writer into it.
    pub(crate) fn failed(&self, source: io::Error) -> CliError {
        self.output.failed(source)
    }

    /// Writes what is still in memory, so that of several files none is published if one is incomplete.
    pub(crate) fn complete(&mut self) -> Result<(), CliError> {
        self.file.flush().map_err(|error| self.output.failed(error))
    }

    /// Moves it to its final name.
    pub(crate) fn publish(mut self) -> Result<(), CliError> {
        self.complete()?;
        match &self.output.target {
            Target::File { path, .. } => self.output.persist(self.temporary, path),
            // No other is grown.
            _ => Ok(()),
        }
    }
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
