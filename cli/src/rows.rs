//! The rows of several files of tokens, one after another: a failure of one is listed and does not stop the others, and
//! the exit code is that of the first.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::context::Context;
use crate::exit::{CliError, Code};
use crate::tokenset::{About, Item, Row, SetError, TokenSet};
use crate::{message, values};

/// What became of rows.
#[derive(Debug)]
pub(crate) struct Tally {
    counts: Mutex<Counts>,
    start: Instant,
}

#[derive(Debug, Default)]
struct Counts {
    done: u64,
    failed: u64,
    /// Rows without tokens.
    empty: u64,
    /// Rows whose output was there already.
    there: u64,
    /// The number and the code of the first failure.
    first: Option<(u64, Code)>,
}

/// A row with what messages call it, and its place in the order of all rows.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) row: Row,
    pub(crate) name: String,
    pub(crate) number: u64,
}

/// What ends the work on a row, or on all rows.
#[derive(Debug)]
pub(crate) enum Trouble {
    Row(CliError),
    Run(CliError),
}

impl From<CliError> for Trouble {
    fn from(error: CliError) -> Self {
        Self::Row(error)
    }
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            counts: Mutex::default(),
            start: Instant::now(),
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn done(&self) {
        self.counts().done += 1;
    }

    pub(crate) fn there(&self) {
        self.counts().there += 1;
    }

    /// Lists a failure. Rows may fail in another order than they have, since several are worked on at once.
    pub(crate) fn fail(&self, context: &Context, number: u64, error: &CliError) {
        context.fail(error);
        let mut counts = self.counts();
        counts.failed += 1;
        let failure = (number, error.code());
        let first = counts.first.get_or_insert(failure);
        *first = (*first).min(failure);
    }

    /// The end of a run: the summary, and the exit code.
    pub(crate) fn end(&self, context: &Context, done: &str) -> ExitCode {
        let counts = self.counts();
        let seconds = self.start.elapsed().as_secs_f64();
        context.summary(counts.failed > 0, || counts.summary(done, seconds));
        counts
            .first
            .map_or(ExitCode::SUCCESS, |(_, code)| code.into())
    }
}

impl Counts {
    fn summary(&self, done: &str, seconds: f64) -> String {
        let all = values::count(self.done + self.failed, "picture");
        let pictures = match self.failed {
            0 => all,
            _ => format!("{} of {all}", self.done),
        };
        let rate = self.done as f64 / seconds.max(0.001);
        let mut text = format!("{done} {pictures} in {seconds:.1} s, {rate:.1} pictures/s");
        let others = [
            (self.there, "there already"),
            (self.empty, "without tokens"),
            (self.failed, "failed"),
        ];
        for (count, what) in others.into_iter().filter(|&(count, _)| count > 0) {
            text.push_str(&format!("; {count} {what}"));
        }
        text
    }
}

/// Refuses inputs that are no sets of tokens by their names.
pub(crate) fn check_names(inputs: &[PathBuf]) -> Result<(), CliError> {
    match inputs.iter().find(|path| !TokenSet::is_named(path)) {
        Some(path) => Err(CliError::Set {
            name: message::name(path),
            source: SetError::Kind,
        }),
        None => Ok(()),
    }
}

/// How many rows there are, if all files say so.
pub(crate) fn count(inputs: &[PathBuf]) -> Option<u64> {
    let rows = |path: &PathBuf| TokenSet::open(path).ok()?.about.rows;
    inputs.iter().map(rows).sum()
}

/// Reads all rows of all files: `open` is told what a file says of its rows, `take` gets each row. What they refuse is
/// listed as a failure of the file or the row.
pub(crate) fn each(
    (context, tally): (&Context, &Tally),
    inputs: &[PathBuf],
    mut open: impl FnMut(&str, &About) -> Result<(), CliError>,
    mut take: impl FnMut(Named, &About) -> Result<(), Trouble>,
) -> Result<(), CliError> {
    let mut number = 0;
    for path in inputs {
        match file((context, tally), path, &mut number, &mut open, &mut take) {
            Ok(()) => {}
            Err(Trouble::Run(error)) => return Err(error),
            Err(Trouble::Row(error)) => {
                tally.fail(context, number, &error);
                number += 1;
            }
        }
    }
    Ok(())
}

fn file(
    (context, tally): (&Context, &Tally),
    path: &Path,
    number: &mut u64,
    open: &mut impl FnMut(&str, &About) -> Result<(), CliError>,
    take: &mut impl FnMut(Named, &About) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let name = message::name(path);
    let failed = |source| CliError::Set {
        name: name.clone(),
        source,
    };
    let set = TokenSet::open(path).map_err(failed)?;
    open(&name, &set.about)?;
    let mut empty = 0_u64;
    for item in set.items {
        let taken = match item.map_err(failed)? {
            Item::Row(row) => {
                let named = Named {
                    name: format!("{name}: {}", row.id),
                    row,
                    number: *number,
                };
                take(named, &set.about)
            }
            Item::Empty => {
                empty += 1;
                Ok(())
            }
            Item::Fault(fault) => Err(CliError::Row {
                name: format!("{name}: {}", fault.row),
                source: fault.error,
            }
            .into()),
        };
        match taken {
            Ok(()) => {}
            Err(Trouble::Row(error)) => tally.fail(context, *number, &error),
            Err(run) => return Err(run),
        }
        *number += 1;
    }
    if empty > 0 {
        let rows = values::count(empty, "row");
        context.note(&format!("{name}: {rows} without tokens, passed over"));
        tally.counts().empty += empty;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_count() {
        let mut counts = Counts {
            done: 10,
            ..Counts::default()
        };
        assert_eq!(
            counts.summary("decoded", 4.0),
            "decoded 10 pictures in 4.0 s, 2.5 pictures/s"
        );
        (counts.failed, counts.empty, counts.there) = (2, 1, 3);
        assert_eq!(
            counts.summary("decoded", 4.0),
            "decoded 10 of 12 pictures in 4.0 s, 2.5 pictures/s; 3 there already; 1 without tokens; 2 failed"
        );
    }
}
