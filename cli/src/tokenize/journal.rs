//! The journal of a run: what is finished, so that a run that was interrupted goes on where it ended.
//!
//! Two files stand beside the output until it is made. `….journal.jsonl` has the settings of the run in its first line, and
//! in each other an [`Entry`]; `….journal.u16` has a row of tokens for each picture that did not fail, little-endian. A row is
//! written before its line, so a line whose row is missing, half a line, and a row without its line are what an interrupt
//! leaves, and are dropped.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::entry::{Entry, MAX_LINE};
use crate::collection::{Collection, Kind, Place};
use crate::context::Context;
use crate::exit::CliError;
use crate::settings::{Settings, difference};
use crate::{message, platform};

/// The version of the lines.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Head {
    flextok_tokenize: u32,
    settings: Settings,
}

/// What has been done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) place: Place,
    /// Pictures with tokens.
    pub(super) rows: u64,
    pub(super) failed: u64,
    /// The exit code of the first failure.
    pub(super) first: Option<u8>,
    /// Whether the output was being made.
    pub(super) publishing: bool,
}

impl Done {
    pub(super) fn count(&mut self, entry: &Entry, is_shard: bool) {
        match entry {
            Entry::Row { .. } => self.rows += 1,
            Entry::Failed { code, .. } => {
                self.failed += 1;
                self.first.get_or_insert(*code);
            }
            Entry::End { .. } => {}
            Entry::Publish { .. } => {
                self.publishing = true;
                return;
            }
        }
        if is_shard && !entry.is_end() {
            self.place.samples += 1;
            if let Entry::Row { id, .. } | Entry::Failed { id, .. } = entry {
                self.place.last.clone_from(id);
            }
        } else {
            self.place = Place {
                item: self.place.item + 1,
                ..Place::default()
            };
        }
    }
}

/// The files, open to append to and locked.
#[derive(Debug)]
pub(super) struct Journal {
    lines: File,
    rows: File,
    paths: Paths,
    /// Tokens of a row.
    tokens: usize,
    pub(super) done: Done,
}

/// Where the files are.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    lines: PathBuf,
    rows: PathBuf,
}

impl Paths {
    /// Those whose names begin with `stem`.
    pub(super) fn new(stem: &Path) -> Self {
        let with = |end: &str| {
            let mut name = stem.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        Self {
            lines: with("journal.jsonl"),
            rows: with("journal.u16"),
        }
    }

    /// Whether a run was begun and not finished.
    pub(super) fn exist(&self) -> bool {
        fs::symlink_metadata(&self.lines).is_ok()
    }
}

impl Journal {
    /// Opens the journal of a run with these settings over this collection, or begins it.
    pub(super) fn open(
        paths: Paths,
        settings: &Settings,
        (collection, tokens): (&Collection, usize),
        context: &Context,
    ) -> Result<Self, CliError> {
        let lines = locked(&paths.lines, context)?;
        let name = message::name(&paths.lines);
        let present = fs::metadata(&paths.rows).map_or(0, |rows| rows.len());
        let present = present / (2 * tokens.max(1) as u64);
        let (done, end) = read(&lines, &name, (settings, collection, present))?;
        let mut journal = Self {
            rows: open(&paths.rows)?,
            lines,
            paths,
            tokens,
            done,
        };
        journal.cut(end).map_err(|error| journal.failed(error))?;
        if end == 0 {
            let head = Head {
                flextok_tokenize: VERSION,
                settings: settings.clone(),
            };
            let text = serde_json::to_string(&head).map_err(io::Error::from);
            let written = text.and_then(|text| writeln!(journal.lines, "{text}"));
            written.map_err(|error| journal.failed(error))?;
        }
        Ok(journal)
    }

    /// Adds what became of pictures, and the rows of those that have tokens.
    pub(super) fn add(&mut self, entries: &[Entry], rows: &[u16]) -> Result<(), CliError> {
        let bytes: Vec<u8> = rows.iter().flat_map(|id| id.to_le_bytes()).collect();
        let lines = entries.iter().map(Entry::line);
        let lines = lines.collect::<serde_json::Result<String>>();
        let written = self.rows.write_all(&bytes).and_then(|()| {
            // At once: what an interrupt leaves are whole lines, and the start of one.
            self.lines.write_all(lines?.as_bytes())
        });
        written.map_err(|error| self.failed(error))
    }

    /// Says that all is done, so that outputs from now on are this run's own.
    pub(super) fn publish(&mut self) -> Result<(), CliError> {
        if !self.done.publishing {
            self.add(&[Entry::Publish { publish: true }], &[])?;
            self.done.publishing = true;
        }
        Ok(())
    }

    /// The entries and their rows from the first on. Nothing is added afterwards.
    pub(super) fn entries(&self) -> Result<Entries, CliError> {
        let lines = Lines::new(&self.lines, &message::name(&self.paths.lines))?;
        let rows = from_start(&self.rows).map_err(|error| self.failed(error))?;
        let mut entries = Entries {
            lines,
            rows,
            tokens: self.tokens,
        };
        // The settings.
        entries.lines.next()?;
        Ok(entries)
    }

    /// Removes the journal, whose output is made.
    pub(super) fn remove(self) -> Result<(), CliError> {
        // The lock goes with the files, and last.
        for path in [&self.paths.rows, &self.paths.lines] {
            fs::remove_file(path).map_err(|source| CliError::Write {
                name: message::name(path),
                source,
            })?;
        }
        Ok(())
    }

    fn failed(&self, source: io::Error) -> CliError {
        CliError::Write {
            name: message::name(&self.paths.lines),
            source,
        }
    }

    /// Drops what no line speaks of, and what has no line's end.
    fn cut(&mut self, end: u64) -> io::Result<()> {
        let rows = self.done.rows * 2 * self.tokens as u64;
        for (file, end) in [(&mut self.lines, end), (&mut self.rows, rows)] {
            file.set_len(end)?;
            file.seek(SeekFrom::Start(end))?;
        }
        Ok(())
    }
}

/// Reads what has been done, and where the last line ends that counts. `present` is the number of rows that there are.
fn read(
    file: &File,
    name: &str,
    (settings, collection, present): (&Settings, &Collection, u64),
) -> Result<(Done, u64), CliError> {
    let (mut lines, mut done) = (Lines::new(file, name)?, Done::default());
    let Some(head) = lines.next()? else {
        return lines.half(b"{\"flextok_tokenize\":").map(|()| (done, 0));
    };
    let mut end = head.len() as u64;
    same(head, settings).map_err(|problem| lines.refuse(&problem))?;
    while let Some(line) = lines.next()? {
        let length = line.len() as u64;
        let entry = Entry::parse(line).map_err(|problem| lines.refuse(&problem))?;
        if matches!(entry, Entry::Row { .. }) && done.rows == present {
            break;
        }
        let item = entry.item().map(|item| item as usize);
        let place = done.place.item;
        let file = collection.items.get(place);
        if item.is_some_and(|item| item != place || file.is_none()) {
            return Err(lines.refuse(&format!("is not about file {place}, which is next")));
        }
        done.count(&entry, file.is_some_and(|file| file.kind == Kind::Shard));
        end += length;
    }
    Ok((done, end))
}

/// Goes through a journal.
pub(super) struct Entries {
    lines: Lines,
    rows: BufReader<File>,
    tokens: usize,
}

impl Entries {
    /// The next entry, with its row if it has one; none behind the last.
    pub(super) fn next(&mut self) -> Result<Option<(Entry, Vec<u16>)>, CliError> {
        let Some(line) = self.lines.next()? else {
            return Ok(None);
        };
        let entry = Entry::parse(line).map_err(|problem| self.lines.refuse(&problem))?;
        let row = match entry {
            Entry::Row { .. } => self.row()?,
            _ => Vec::new(),
        };
        Ok(Some((entry, row)))
    }

    fn row(&mut self) -> Result<Vec<u16>, CliError> {
        let mut bytes = vec![0; 2 * self.tokens];
        let read = self.rows.read_exact(&mut bytes);
        read.map_err(|source| self.lines.failed(source))?;
        let (words, _) = bytes.as_chunks();
        Ok(words.iter().map(|&word| u16::from_le_bytes(word)).collect())
    }
}

/// The lines of a journal.
struct Lines {
    name: String,
    stream: BufReader<File>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    fn new(file: &File, name: &str) -> Result<Self, CliError> {
        let stream = from_start(file).map_err(|source| CliError::Read {
            name: name.to_owned(),
            source,
        })?;
        Ok(Self {
            name: name.to_owned(),
            stream,
            line: Vec::new(),
            number: 0,
        })
    }

    /// The next whole line; none where there is no further one.
    fn next(&mut self) -> Result<Option<&[u8]>, CliError> {
        self.line.clear();
        self.number += 1;
        let mut limited = self.stream.by_ref().take(MAX_LINE as u64 + 1);
        let read = limited.read_until(b'\n', &mut self.line);
        read.map_err(|source| self.failed(source))?;
        if self.line.len() > MAX_LINE {
            return Err(self.refuse(&format!("is longer than {MAX_LINE} bytes")));
        }
        Ok(self.line.ends_with(b"\n").then_some(&self.line))
    }

    /// Refuses what came last unless it is the beginning of this, or this the beginning of it.
    fn half(&self, beginning: &[u8]) -> Result<(), CliError> {
        let length = self.line.len().min(beginning.len());
        if beginning.get(..length) == self.line.get(..length) {
            return Ok(());
        }
        Err(self.refuse(OTHER_FILE))
    }

    fn refuse(&self, problem: &str) -> CliError {
        CliError::usage(&self.name, format!("line {}: {problem}", self.number))
    }

    fn failed(&self, source: io::Error) -> CliError {
        CliError::Read {
            name: self.name.clone(),
            source,
        }
    }
}

/// The same open file, which may be locked against others, from its first byte on.
fn from_start(file: &File) -> io::Result<BufReader<File>> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

const OTHER_FILE: &str =
    "is not that of a journal of flextok tokenize; name another output with -o";

/// Whether a journal is of the same run, or what differs.
fn same(line: &[u8], settings: &Settings) -> Result<(), String> {
    let head: Head = serde_json::from_slice(line).map_err(|_| OTHER_FILE.to_owned())?;
    if head.flextok_tokenize != VERSION {
        let found = head.flextok_tokenize;
        return Err(format!(
            "is of version {found}; allowed: {VERSION}, so name another output with -o, or remove the journal to start anew"
        ));
    }
    match difference(&head.settings, settings) {
        None => Ok(()),
        Some(difference) => Err(format!(
            "the journal is of other settings: {difference}; name another output with -o, or remove the journal to start anew"
        )),
    }
}

fn open(path: &Path) -> Result<File, CliError> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let file = options.open(path).map_err(|source| CliError::Write {
        name: message::name(path),
        source,
    })?;
    match file.metadata() {
        Ok(found) if found.is_file() => Ok(file),
        _ => Err(CliError::usage(
            message::name(path),
            "is not a file; a journal needs one",
        )),
    }
}

/// The file, which no other run has until this one ends.
fn locked(path: &Path, context: &Context) -> Result<File, CliError> {
    let name = || message::name(path);
    let in_use = || CliError::Output {
        name: name(),
        problem: "is the journal of a run that has not ended; wait for it, or name another output with -o",
    };
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(in_use()),
        // Some network file systems have no locks.
        Err(TryLockError::Error(error)) => {
            let problem = "so a second run on this output at the same time would not be noticed";
            context.note(&format!(
                "{}: cannot be locked ({error}), {problem}",
                name()
            ));
        }
    }
    // Another run may have ended in between and removed its journal.
    match platform::is_at(&file, path) {
        true => Ok(file),
        false => Err(in_use()),
    }
}
