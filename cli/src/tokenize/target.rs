//! Where the tokens of a collection go: which files an output has, and whether they may be written.

use std::fs;
use std::path::{Path, PathBuf};

use super::journal::Paths;
use crate::batch;
use crate::collection::{Collection, Item, Kind};
use crate::context::Context;
use crate::exit::CliError;
use crate::message;
use crate::output::{Growing, Output};
use crate::platform::Identity;

/// Samples of a shard that is made of single files.
pub(super) const SAMPLES: u64 = 10_000;

/// What kind of token set is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// An array and an index.
    Npy,
    Parquet,
    /// A directory of tar shards.
    Shards,
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Npy => "npy",
            Self::Parquet => "parquet",
            Self::Shards => "tar",
        }
    }
}

/// An output by its name.
#[derive(Debug)]
pub(crate) struct Target {
    pub(super) path: PathBuf,
    pub(super) format: Format,
    force: bool,
}

impl Target {
    /// The kind of output that a name means.
    pub(crate) fn new(path: &Path, context: &Context) -> Result<Self, CliError> {
        let format = if batch::is_folder(path) {
            Format::Shards
        } else if batch::has_extension(path, "npy") {
            Format::Npy
        } else if batch::has_extension(path, "parquet") {
            Format::Parquet
        } else {
            let problem =
                "names no kind of token set; allowed: X.npy, X.parquet, or DIR/ for tar shards";
            return Err(CliError::usage(message::name(path), problem));
        };
        Ok(Self {
            path: path.to_owned(),
            format,
            force: context.force,
        })
    }

    /// The directory that outputs go to, if it is there and they go to one.
    pub(crate) fn folder(&self) -> Option<Identity> {
        (self.format == Format::Shards)
            .then(|| Identity::of(&self.path))
            .flatten()
    }

    /// The files of the journal.
    pub(super) fn journal(&self) -> Paths {
        match self.format {
            Format::Shards => Paths::new(&self.path.join("tokens.")),
            _ => {
                let mut name = self.path.as_os_str().to_owned();
                name.push(".");
                Paths::new(Path::new(&name))
            }
        }
    }

    /// The index of an array.
    pub(super) fn index(&self) -> PathBuf {
        self.path.with_extension("jsonl")
    }

    /// The list of failures; a Parquet file has them itself.
    pub(super) fn failures(&self) -> Option<PathBuf> {
        match self.format {
            Format::Npy => Some(self.path.with_extension("failed.jsonl")),
            Format::Parquet => None,
            Format::Shards => Some(self.path.join("failed.jsonl")),
        }
    }

    /// The shard with this number, of single files.
    pub(super) fn shard(&self, number: u64) -> PathBuf {
        self.path.join(format!("tokens-{number:06}.tar"))
    }

    /// The shard that is made of a shard.
    pub(super) fn of_shard(&self, item: &Item) -> PathBuf {
        self.path.join(item.relative())
    }

    /// Refuses a collection of which two files would be written as one, or one over an input.
    pub(super) fn check(&self, collection: &Collection) -> Result<(), CliError> {
        if self.format != Format::Shards || !collection.has_shards() {
            return Ok(());
        }
        let shards = || {
            collection
                .items
                .iter()
                .filter(|item| item.kind == Kind::Shard)
        };
        let name = |item: &Item| match item.kind {
            Kind::Shard => message::name(&self.of_shard(item)),
            // These share shards.
            _ => item.id().into_owned(),
        };
        collection.refuse_doubles(name, "output", |_, _| true)?;
        let first = self.shard(0);
        for item in shards() {
            let (input, output) = (collection.path(item), self.of_shard(item));
            let refuse = |problem: &str| Err(CliError::usage(message::name(&input), problem));
            if crate::links::same_file(&input, &output) {
                return refuse(
                    "the output would overwrite the input itself; choose another directory with -o",
                );
            }
            if output == first && collection.has_pictures() {
                return refuse(
                    "its output would be the shard of the single files too; give them in separate runs",
                );
            }
        }
        Ok(())
    }

    /// Refuses what is there already, without `--force`.
    pub(super) fn refuse_existing(&self, collection: &Collection) -> Result<(), CliError> {
        if self.force {
            return Ok(());
        }
        let single = || match self.format {
            Format::Npy => vec![self.path.clone(), self.index()],
            Format::Parquet => vec![self.path.clone()],
            Format::Shards => vec![self.shard(0)],
        };
        let shards = collection
            .items
            .iter()
            .filter(|item| self.format == Format::Shards && item.kind == Kind::Shard);
        let paths = single().into_iter().chain(self.failures());
        let mut paths = paths.chain(shards.map(|item| self.of_shard(item)));
        match paths.find(|path| fs::symlink_metadata(path).is_ok()) {
            Some(path) => Err(CliError::Exists {
                name: message::name(&path),
            }),
            None => Ok(()),
        }
    }

    /// Begins a file of the output, in a directory that is made if need be.
    pub(super) fn grow(&self, path: &Path) -> Result<Growing, CliError> {
        if self.format == Format::Shards
            && let Some(folder) = path.parent()
        {
            fs::create_dir_all(folder).map_err(|source| CliError::Write {
                name: message::name(folder),
                source,
            })?;
        }
        // What is there is the user's to overwrite, or was published before an interrupt.
        Output::new(path, true)?.grow()
    }

    /// Removes the list of failures of an earlier run, if there is nothing to list.
    pub(super) fn remove_failures(&self) -> Result<(), CliError> {
        let Some(path) = self.failures() else {
            return Ok(());
        };
        match fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(CliError::Write {
                name: message::name(&path),
                source,
            }),
            _ => Ok(()),
        }
    }
}
