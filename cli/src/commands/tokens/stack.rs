//! The ids of several files as one array, with an index of the files beside it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use flextok::{Size, npy};
use serde::Serialize;

use super::{TASK, check, ids};
use crate::batch;
use crate::context::Context;
use crate::exit::CliError;
use crate::input::Source;
use crate::message;
use crate::output::Output;
use crate::tokenset::MAX_ID;

/// A line of the index.
#[derive(Debug, Serialize)]
struct Line {
    id: String,
    width: u32,
    height: u32,
}

/// A file that was read.
struct Stacked {
    line: Line,
    ids: Vec<u16>,
}

/// Writes the array and its index, or neither if a file cannot be read.
pub(super) fn run(
    inputs: &[PathBuf],
    output: &Path,
    context: &Context,
) -> Result<ExitCode, CliError> {
    let array = Output::new(output, context.force)?;
    check(&array)?;
    if array.path().is_none() {
        let problem = "is no file, which several inputs need for the index beside it";
        return Err(CliError::usage(array.name(), problem));
    }
    let index = Output::new(&output.with_extension("jsonl"), context.force)?;
    let mut seen = BTreeSet::new();
    let mut named = Vec::with_capacity(inputs.len());
    for path in inputs {
        let id = id(path)?;
        if !seen.insert(id.clone()) {
            let problem = "is given twice; rows have different ids";
            return Err(CliError::usage(message::name(path), problem));
        }
        let source = Source::new(path);
        array.keep(&source)?;
        index.keep(&source)?;
        named.push(Ok((source, id)));
    }
    let mut rows: Vec<Stacked> = Vec::with_capacity(inputs.len());
    let code = batch::each(context, &TASK, named, |(source, id)| {
        rows.push(read(context, source, id)?);
        Ok(0)
    });
    if code != ExitCode::SUCCESS {
        context.note(&format!("{} is not written", array.name()));
        return Ok(code);
    }
    write(&rows, &array, &index)?;
    Ok(code)
}

/// The id of a file: its path as it was given.
fn id(path: &Path) -> Result<String, CliError> {
    if Source::new(path) == Source::Stdin {
        let problem = "has no name for the index; name files";
        return Err(CliError::usage(Source::Stdin.name(), problem));
    }
    let text = path.to_str().map(|text| text.trim_start_matches("./"));
    match text.filter(|text| text.len() <= MAX_ID) {
        Some(text) => Ok(text.to_owned()),
        None => {
            let problem = format!("is no id: allowed is UTF-8 of at most {MAX_ID} bytes");
            Err(CliError::usage(message::name(path), problem))
        }
    }
}

fn read(context: &Context, source: &Source, id: &str) -> Result<Stacked, CliError> {
    ids(context, source, |file, canvases| {
        let Size { width, height } = file.header().size();
        let count = canvases.len();
        let problem = match <[Vec<u16>; 1]>::try_from(canvases) {
            Err(_) => format!("has {count} canvases; a row is that of one"),
            Ok([ids]) if ids.is_empty() => "has no tokens that are there".to_owned(),
            Ok([ids]) => {
                let id = id.to_owned();
                let line = Line { id, width, height };
                return Ok(Stacked { line, ids });
            }
        };
        Err(CliError::usage(source.name(), problem))
    })
}

fn write(rows: &[Stacked], array: &Output, index: &Output) -> Result<(), CliError> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let wanted = first.ids.len();
    if let Some(other) = rows.iter().find(|row| row.ids.len() != wanted) {
        let (found, least) = (other.ids.len(), wanted.min(other.ids.len()));
        let problem = format!(
            "has {found} tokens, and {} has {wanted}; cut the longer ones with `flextok truncate -k {least}`",
            first.line.id
        );
        return Err(CliError::usage(&other.line.id, problem));
    }
    let all: Vec<u16> = rows
        .iter()
        .flat_map(|row| row.ids.iter().copied())
        .collect();
    let bytes = npy::write_u16(&[rows.len(), wanted], &all);
    let bytes = bytes.map_err(|source| CliError::Npy {
        name: array.name(),
        source,
    })?;
    let mut lines = Vec::new();
    for row in rows {
        let line = serde_json::to_vec(&row.line).map_err(|source| CliError::Write {
            name: index.name(),
            source: source.into(),
        })?;
        lines.extend(line);
        lines.push(b'\n');
    }
    let (array, index) = (array.prepare(&bytes)?, index.prepare(&lines)?);
    index.publish()?;
    array.publish()
}
