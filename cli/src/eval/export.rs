//! Originals and decodes as PNG files, for other programs that measure.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flextok::image::RgbImage;
use flextok::picture::save::{self, SaveFormat};

use crate::exit::CliError;
use crate::message;
use crate::output::Output;

/// The subdirectory of originals.
pub(crate) const ORIGINAL: &str = "original";

/// A directory with a subdirectory for the originals and one for each codec and budget.
#[derive(Debug)]
pub(crate) struct Export {
    folder: PathBuf,
    force: bool,
}

impl Export {
    /// Exports to a directory, which is made where there is none. Pictures that would have one name are refused.
    pub(crate) fn new(folder: &Path, force: bool, pictures: &[PathBuf]) -> Result<Self, CliError> {
        let mut taken = BTreeMap::new();
        for path in pictures {
            if let Some(other) = taken.insert(path.file_stem(), path) {
                let (path, other) = (message::name(path), message::name(other));
                let problem = format!("its exports would be those of {other} too; rename one");
                return Err(CliError::usage(path, problem));
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            force,
        })
    }

    /// The subdirectory of a codec's decodes at a budget.
    pub(crate) fn kind(codec: &str, budget: u32) -> String {
        format!("{codec}-{budget}")
    }

    /// Whether a picture of this kind is there.
    pub(crate) fn has(&self, kind: &str, name: &str) -> bool {
        self.path(kind, name).exists()
    }

    /// Writes a picture. A file that is there and the same is left, so that an interrupted run can go on; another one is
    /// an error without `--force`.
    pub(crate) fn save(&self, kind: &str, name: &str, picture: &RgbImage) -> Result<(), CliError> {
        let path = self.path(kind, name);
        let bytes = save::encode(picture, SaveFormat::Png);
        let bytes = bytes.map_err(|error| CliError::codec(message::name(&path), error))?;
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        let made = fs::create_dir_all(self.folder.join(kind));
        made.map_err(|source| CliError::Write {
            name: message::name(&self.folder.join(kind)),
            source,
        })?;
        Output::new(&path, self.force)?.write(&bytes)
    }

    fn path(&self, kind: &str, name: &str) -> PathBuf {
        let mut file = Path::new(name).file_stem().unwrap_or_default().to_owned();
        file.push(".png");
        self.folder.join(kind).join(file)
    }
}
