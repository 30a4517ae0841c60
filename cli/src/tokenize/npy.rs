//! An array `[N, K]` of uint16 with an index of its rows, from a journal.

use flextok::npy;

use super::entry::Entry;
use super::journal::Journal;
use super::lines::{self, Described, Failures};
use super::target::Target;
use crate::exit::CliError;
use crate::message;

/// Writes the array, its index, and the list of failures if there are any.
pub(super) fn write(target: &Target, journal: &Journal, tokens: usize) -> Result<(), CliError> {
    let mut array = target.grow(&target.path)?;
    let mut index = target.grow(&target.index())?;
    let mut failures = Failures::new(target);
    let header = usize::try_from(journal.done.rows).map(|rows| npy::header_u16(&[rows, tokens]));
    let header = header.unwrap_or(Err(npy::NpyError::Shape));
    array.put(&header.map_err(|source| CliError::Npy {
        name: message::name(&target.path),
        source,
    })?)?;
    let mut entries = journal.entries()?;
    while let Some((entry, row)) = entries.next()? {
        match entry {
            Entry::Row {
                id, width, height, ..
            } => {
                let bytes: Vec<u8> = row.iter().flat_map(|id| id.to_le_bytes()).collect();
                array.put(&bytes)?;
                let id = &id;
                lines::add(&mut index, &Described { id, width, height })?;
            }
            Entry::Failed { id, error, .. } => failures.add(&id, &error)?,
            Entry::End { .. } | Entry::Publish { .. } => {}
        }
    }
    array.complete()?;
    index.complete()?;
    failures.complete()?;
    // The array last: where it is, all is.
    failures.publish()?;
    index.publish()?;
    array.publish()
}
