//! A directory of outputs that are named by ids, which strangers chose: nothing is written outside of it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use unicode_normalization::UnicodeNormalization;

use crate::batch::NewFolder;
use crate::exit::CliError;
use crate::message;
use crate::output::Output;
use crate::platform::SPELLINGS_ARE_ONE;
use crate::seen::Seen;
use crate::tokenset::{RowError, path};

/// What becomes of outputs that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Their row fails.
    Refuse,
    /// They are replaced: `--force`.
    Replace,
    /// They are left as they are: `--resume`.
    Leave,
}

impl Existing {
    /// What the options `--force` and `--resume` say.
    pub(crate) fn of(force: bool, resume: bool) -> Self {
        match (force, resume) {
            (true, _) => Self::Replace,
            (_, true) => Self::Leave,
            _ => Self::Refuse,
        }
    }
}

/// Where the output of a row goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The file, relative to the directory.
    File(PathBuf),
    /// It is there and is left as it is.
    There,
}

/// A directory of outputs.
#[derive(Debug)]
pub(crate) struct Folder {
    /// As it was named, for messages.
    name: PathBuf,
    /// Without links.
    real: PathBuf,
    extension: String,
    existing: Existing,
    /// The files that rows have.
    taken: Mutex<Seen>,
    _new: Option<NewFolder>,
}

impl Folder {
    /// The directory, which is made if there is none; outputs have this extension.
    pub(crate) fn open(path: &Path, extension: &str, existing: Existing) -> Result<Self, CliError> {
        let new = NewFolder::make(path)?;
        let real = fs::canonicalize(path).map_err(|source| CliError::Read {
            name: message::name(path),
            source,
        })?;
        Ok(Self {
            name: path.to_owned(),
            real,
            extension: extension.to_owned(),
            existing,
            taken: Mutex::default(),
            _new: new,
        })
    }

    /// The file for an id; `row` is what errors name.
    pub(crate) fn place(&self, id: &str, row: &str) -> Result<Place, CliError> {
        let failed = |source| CliError::Row {
            name: row.to_owned(),
            source,
        };
        let file = path::of_id(id, &self.extension).map_err(failed)?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if !taken.insert(spelling(&file)) {
            let name = message::name(&self.name.join(&file));
            return Err(failed(RowError::Twice(name)));
        }
        match (self.exists(&file)?, self.existing) {
            (true, Existing::Refuse) => Err(self.refused(
                &file,
                "already exists; --resume leaves it, --force overwrites it",
            )),
            (true, Existing::Leave) => Ok(Place::There),
            _ => Ok(Place::File(file)),
        }
    }

    /// Writes a file, whole or not at all, and makes the directories on the way to it.
    pub(crate) fn write(&self, file: &Path, bytes: &[u8]) -> Result<(), CliError> {
        let Some(folder) = self.parent(file, true)? else {
            return Err(self.refused(file, "its directory was removed"));
        };
        self.exists(file)?;
        let path = folder.join(file.file_name().unwrap_or_default());
        Output::new(&path, self.existing == Existing::Replace)?.write(bytes)
    }

    /// Whether there is such a file. What is no plain file is refused: a link may lead elsewhere.
    fn exists(&self, file: &Path) -> Result<bool, CliError> {
        let Some(folder) = self.parent(file, false)? else {
            return Ok(false);
        };
        match fs::symlink_metadata(folder.join(file.file_name().unwrap_or_default())) {
            Ok(found) if found.is_file() => Ok(true),
            Ok(found) if found.is_symlink() => {
                Err(self.refused(file, "is a link, which is not followed; remove it first"))
            }
            Ok(_) => Err(self.refused(file, "is there and is no file")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(source) => Err(CliError::Write {
                name: message::name(&self.name.join(file)),
                source,
            }),
        }
    }

    /// The directory of a file, without links; `None` if it is not there and not to be made.
    fn parent(&self, file: &Path, make: bool) -> Result<Option<PathBuf>, CliError> {
        let mut path = self.real.clone();
        let mut way = PathBuf::new();
        for part in file.parent().into_iter().flat_map(Path::components) {
            path.push(part);
            way.push(part);
            let failed = |source| CliError::Write {
                name: message::name(&self.name.join(&way)),
                source,
            };
            if make {
                match fs::create_dir(&path) {
                    // Another row may have made it.
                    Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                        return Err(failed(error));
                    }
                    _ => {}
                }
            }
            let found = match fs::symlink_metadata(&path) {
                Ok(found) => found,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(failed(error)),
            };
            if found.is_symlink() {
                path = fs::canonicalize(&path).map_err(failed)?;
                if !path.starts_with(&self.real) {
                    return Err(self.refused(&way, "is a link out of the output directory"));
                }
            }
            if !path.is_dir() {
                return Err(self.refused(&way, "is no directory, which an id needs"));
            }
        }
        Ok(Some(path))
    }

    fn refused(&self, file: &Path, problem: &'static str) -> CliError {
        CliError::Output {
            name: message::name(&self.name.join(file)),
            problem,
        }
    }
}

/// What tells a file from others; where file systems take spellings for the same, these have the same.
fn spelling(file: &Path) -> String {
    let name = file.to_string_lossy();
    if SPELLINGS_ARE_ONE {
        return name.nfc().flat_map(char::to_lowercase).collect();
    }
    name.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &Path, existing: Existing) -> Folder {
        Folder::open(path, "png", existing).expect("a directory")
    }

    /// Places and writes a file; the error as text.
    fn put(folder: &Folder, id: &str) -> Result<(), String> {
        match folder.place(id, id).map_err(|error| error.to_string())? {
            Place::File(file) => folder.write(&file, b"x").map_err(|error| error.to_string()),
            Place::There => Ok(()),
        }
    }

    #[test]
    fn rows_have_files_of_their_own() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = place.path().join("out");
        let out = folder(&path, Existing::Refuse);
        for id in ["a", "b/c/d.jpg", "b/e"] {
            assert_eq!(put(&out, id), Ok(()));
        }
        assert!(path.join("b/c/d.png").is_file());
        let twice = put(&out, "b/c/d.webp").expect_err("the same file");
        assert!(twice.contains("that of another row"), "{twice}");
        assert!(put(&out, "../a").is_err());
        // "a.png" is a file now.
        assert!(put(&out, "a.png/b").is_err());
        let again = folder(&path, Existing::Refuse);
        assert!(
            put(&again, "a")
                .expect_err("it exists")
                .contains("--resume")
        );
        let resumed = folder(&path, Existing::Leave);
        assert_eq!(resumed.place("a", "a").expect("fine"), Place::There);
        let forced = folder(&path, Existing::Replace);
        assert_eq!(put(&forced, "a"), Ok(()));
    }

    #[test]
    fn a_new_directory_goes_again_if_nothing_comes_into_it() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = place.path().join("out");
        drop(folder(&path, Existing::Refuse));
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn links_do_not_lead_out() {
        use std::os::unix::fs::symlink;
        let place = tempfile::tempdir().expect("a temporary directory");
        let (path, other) = (place.path().join("out"), place.path().join("other"));
        fs::create_dir_all(path.join("inside")).expect("writable");
        fs::create_dir(&other).expect("writable");
        fs::write(other.join("a.png"), b"mine").expect("writable");
        symlink(&other, path.join("away")).expect("links work");
        symlink(other.join("a.png"), path.join("a.png")).expect("links work");
        symlink(other.join("new.png"), path.join("new.png")).expect("links work");
        symlink("inside", path.join("near")).expect("links work");
        let out = folder(&path, Existing::Replace);
        for id in ["away/a", "away/new", "a", "new"] {
            let refused = put(&out, id).expect_err("a link");
            assert!(refused.contains("link"), "{refused}");
        }
        assert_eq!(put(&out, "near/b"), Ok(()));
        assert!(path.join("inside/b.png").is_file());
        assert_eq!(fs::read(other.join("a.png")).expect("there"), b"mine");
        assert_eq!(fs::read_dir(&other).expect("there").count(), 1);
    }
}
