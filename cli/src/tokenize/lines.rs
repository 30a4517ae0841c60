//! The lines of indices and lists of failures.

use serde::Serialize;

use super::target::Target;
use crate::exit::CliError;
use crate::output::Growing;

/// What an index says of a picture that has tokens.
#[derive(Debug, Serialize)]
pub(super) struct Described<'a> {
    pub(super) id: &'a str,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// What a list says of a picture that has none.
#[derive(Debug, Serialize)]
struct Refused<'a> {
    id: &'a str,
    error: &'a str,
}

/// Adds a line.
pub(super) fn add(to: &mut Growing, line: &impl Serialize) -> Result<(), CliError> {
    let mut text = serde_json::to_string(line).map_err(|error| to.failed(error.into()))?;
    text.push('\n');
    to.put(text.as_bytes())
}

/// The list of failures, begun with the first.
pub(super) struct Failures<'a> {
    target: &'a Target,
    list: Option<Growing>,
}

impl<'a> Failures<'a> {
    pub(super) fn new(target: &'a Target) -> Self {
        Self { target, list: None }
    }

    pub(super) fn add(&mut self, id: &str, error: &str) -> Result<(), CliError> {
        let Some(path) = self.target.failures() else {
            return Ok(());
        };
        let list = match &mut self.list {
            Some(list) => list,
            None => self.list.insert(self.target.grow(&path)?),
        };
        add(list, &Refused { id, error })
    }

    /// Writes what is still in memory.
    pub(super) fn complete(&mut self) -> Result<(), CliError> {
        self.list.as_mut().map_or(Ok(()), Growing::complete)
    }

    pub(super) fn publish(self) -> Result<(), CliError> {
        self.list.map_or(Ok(()), Growing::publish)
    }
}
