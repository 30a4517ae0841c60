//! The file of `--results`: what is finished, one JSON document a line, so that a run that was interrupted goes on where it
//! ended.
//!
//! The first line has the settings of the run; a file of other settings is refused. Each other line has one picture. A
//! last line that was not written to its end is dropped.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::results::{Halt, Measurement, Picture, Uncertainty};
use crate::exit::CliError;
use crate::message;
use crate::settings::{Settings, difference};

/// The longest line in bytes.
const MAX_LINE: u64 = 4 << 20;
/// The most pictures of a file.
const MAX_LINES: usize = 1 << 20;
/// The version of the lines.
const VERSION: u32 = 1;

/// All that was found out about a picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Finished {
    pub(crate) picture: Picture,
    /// CRC-32 of the picture's file: another picture under its name is measured anew.
    pub(crate) crc32: u32,
    pub(crate) measurements: Vec<Measurement>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) halt: Option<Halt>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) uncertainty: Vec<Uncertainty>,
}

impl Finished {
    /// As it is read from a file, where a number may come back changed in its last digit: so the results of a run do not
    /// depend on whether it was interrupted.
    pub(crate) fn reread(&self) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&serde_json::to_string(self)?)
    }
}

#[derive(Serialize, Deserialize)]
struct Head {
    flextok_eval: u32,
    settings: Settings,
}

/// The file, open to append to.
#[derive(Debug)]
pub(crate) struct Journal {
    name: String,
    file: File,
    finished: BTreeMap<String, Finished>,
}

impl Journal {
    /// Opens the results of a run with these settings, or begins them.
    pub(crate) fn open(path: &Path, settings: &Settings) -> Result<Self, CliError> {
        let name = message::name(path);
        let failed = |source| CliError::Read {
            name: name.clone(),
            source,
        };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(CliError::usage(name, "is not a file; results need one"));
        }
        let (finished, end) = read(BufReader::new(&file), settings, &name)?;
        let cut = file
            .set_len(end)
            .and_then(|()| file.seek(SeekFrom::Start(end)));
        cut.map_err(failed)?;
        let mut journal = Self {
            name,
            file,
            finished,
        };
        if end == 0 {
            journal.line(&Head {
                flextok_eval: VERSION,
                settings: settings.clone(),
            })?;
        }
        Ok(journal)
    }

    /// What is known of a picture whose file has this checksum.
    pub(crate) fn finished(&self, picture: &str, crc32: u32) -> Option<&Finished> {
        let finished = self.finished.get(picture)?;
        (finished.crc32 == crc32).then_some(finished)
    }

    /// Adds a picture.
    pub(crate) fn add(&mut self, finished: &Finished) -> Result<(), CliError> {
        self.line(finished)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(value).map_err(io::Error::from);
        // At once: what an interrupt leaves is a whole line, or the start of one.
        let written = text.and_then(|text| self.file.write_all(format!("{text}\n").as_bytes()));
        written.map_err(|source| CliError::Write {
            name: self.name.clone(),
            source,
        })
    }
}

/// The pictures of a file, and where its last whole line ends.
fn read(
    mut lines: impl BufRead,
    settings: &Settings,
    name: &str,
) -> Result<(BTreeMap<String, Finished>, u64), CliError> {
    let refuse =
        |number: usize, problem: String| CliError::usage(name, format!("line {number}: {problem}"));
    let (mut finished, mut end) = (BTreeMap::new(), 0);
    for number in 1.. {
        let mut line = Vec::new();
        let read = lines
            .by_ref()
            .take(MAX_LINE + 1)
            .read_until(b'\n', &mut line);
        let read = read.map_err(|source| CliError::Read {
            name: name.to_owned(),
            source,
        })?;
        if line.last() != Some(&b'\n') {
            if read as u64 > MAX_LINE {
                return Err(refuse(number, format!("is longer than {MAX_LINE} bytes")));
            }
            if number == 1 && !b"{\"flextok_eval\":".starts_with(&line[..line.len().min(16)]) {
                return Err(refuse(number, OTHER_FILE.to_owned()));
            }
            break;
        }
        if number > MAX_LINES {
            return Err(refuse(
                number,
                format!("there are more than {MAX_LINES} lines"),
            ));
        }
        if number == 1 {
            let head: Head =
                serde_json::from_slice(&line).map_err(|_| refuse(number, OTHER_FILE.to_owned()))?;
            same(&head, settings).map_err(|problem| refuse(number, problem))?;
        } else {
            let entry: Finished = serde_json::from_slice(&line)
                .map_err(|error| refuse(number, format!("is no result: {error}")))?;
            finished.insert(entry.picture.name.clone(), entry);
        }
        end += read as u64;
    }
    Ok((finished, end))
}

const OTHER_FILE: &str = "is not that of results of flextok eval; name another file";

/// Whether a file is of the same run, or what differs.
fn same(head: &Head, settings: &Settings) -> Result<(), String> {
    if head.flextok_eval != VERSION {
        let found = head.flextok_eval;
        return Err(format!(
            "is of version {found}; allowed: {VERSION}, so name another file"
        ));
    }
    match difference(&head.settings, settings) {
        None => Ok(()),
        Some(difference) => Err(format!(
            "the results are of other settings: {difference}; name another file"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(look: &str) -> Settings {
        Settings::from_iter([("look".to_owned(), json!(look))])
    }

    fn entry(name: &str, crc32: u32) -> Finished {
        Finished {
            picture: Picture {
                name: name.to_owned(),
                width: 3,
                height: 2,
            },
            crc32,
            measurements: Vec::new(),
            halt: Some(Halt {
                picture: name.to_owned(),
                budget: None,
                reached: f64::INFINITY,
            }),
            uncertainty: Vec::new(),
        }
    }

    #[test]
    fn what_was_finished_is_known_and_half_a_line_is_dropped() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("r.jsonl");
        let mut journal = Journal::open(&path, &settings("plain")).expect("new");
        journal.add(&entry("a.png", 7)).expect("written");
        let whole = std::fs::read(&path).expect("there");
        journal.add(&entry("b.png", 8)).expect("written");
        let both = std::fs::read(&path).expect("there");
        for end in whole.len()..both.len() {
            std::fs::write(&path, &both[..end]).expect("writable");
            let mut journal = Journal::open(&path, &settings("plain")).expect("the same settings");
            let known = journal.finished("a.png", 7).expect("finished");
            assert_eq!(
                known.halt.as_ref().map(|halt| halt.reached),
                Some(f64::INFINITY)
            );
            assert!(journal.finished("a.png", 6).is_none());
            assert!(journal.finished("b.png", 8).is_none());
            journal.add(&entry("b.png", 8)).expect("written");
            assert_eq!(std::fs::read(&path).expect("there"), both);
        }
        for end in 0..20 {
            std::fs::write(&path, &both[..end]).expect("writable");
            Journal::open(&path, &settings("plain")).expect("begun anew");
        }
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("r.jsonl");
        Journal::open(&path, &settings("plain")).expect("new");
        let refused = |text: &[u8], mention: &str| {
            if !text.is_empty() {
                std::fs::write(&path, text).expect("writable");
            }
            let before = std::fs::read(&path).expect("there");
            let error = Journal::open(&path, &settings("sharp")).expect_err("another file");
            assert!(error.to_string().contains(mention), "{error}");
            assert_eq!(std::fs::read(&path).expect("there"), before);
        };
        refused(b"", "look is \"plain\" there and \"sharp\" now");
        refused(b"text", "is not that of results");
        refused(b"text\n", "is not that of results");
        refused(b"{}\n", "is not that of results");
        refused(b"{\"flextok_eval\":2,\"settings\":{}}\n", "is of version 2");
        let head = "{\"flextok_eval\":1,\"settings\":{\"look\":\"sharp\"}}\n";
        refused(
            format!("{head}{{\"picture\":1}}\n").as_bytes(),
            "line 2: is no result",
        );
        let long = format!("{head}{}", "x".repeat(MAX_LINE as usize + 1));
        refused(long.as_bytes(), "line 2: is longer than 4194304 bytes");
        let deep = format!("{head}{}\n", "[".repeat(100_000));
        refused(deep.as_bytes(), "line 2: is no result");
    }
}
