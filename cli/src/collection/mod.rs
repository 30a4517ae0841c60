//! Collections of pictures: what folders, lists and tar shards hold, in a fixed order, and how their pictures are loaded
//! on all cores within the memory that is allowed.

mod find;
mod list;
mod load;
mod samples;
pub(crate) mod shard;
mod walk;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

pub(crate) use find::find;
use flextok::image::ImageFormat;
pub(crate) use load::{Input, Loader};
pub(crate) use samples::{Place, Sample, Samples, Step};

use crate::batch;
use crate::exit::{CliError, Code};
pub(crate) use crate::tokenset::MAX_ID;
use crate::{message, platform};

/// The most files of a collection.
pub(crate) const MAX_ITEMS: usize = 1 << 24;

/// Files in the order of work.
#[derive(Debug, Default)]
pub(crate) struct Collection {
    /// The folders that were named.
    folders: Vec<PathBuf>,
    pub(crate) items: Vec<Item>,
}

/// A file of a collection.
#[derive(Debug)]
pub(crate) struct Item {
    /// The folder it was found in, if it was not named itself.
    folder: Option<u32>,
    /// Its path in that folder, or as it was named.
    name: PathBuf,
    pub(crate) kind: Kind,
}

/// What a file of a collection is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Picture,
    /// A tar archive of samples, in the layout of WebDataset.
    Shard,
    /// Something in a folder that cannot be looked at, and why.
    Unreadable(String),
}

impl Collection {
    pub(crate) fn path(&self, item: &Item) -> PathBuf {
        match item
            .folder
            .and_then(|folder| self.folders.get(folder as usize))
        {
            Some(folder) => folder.join(&item.name),
            None => item.name.clone(),
        }
    }

    /// Whether there are shards in it.
    pub(crate) fn has_shards(&self) -> bool {
        self.items.iter().any(|item| item.kind == Kind::Shard)
    }

    /// Keeps every `count`th file, from the one with the number `index` on.
    pub(crate) fn deal(&mut self, index: u32, count: u32) {
        let mut number = 0_u32;
        self.items.retain(|_| {
            let kept = number % count == index;
            number = number.wrapping_add(1);
            kept
        });
    }

    /// CRC-32 of all ids, each on a line: another one for other files or another order.
    pub(crate) fn crc32(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for item in &self.items {
            hasher.update(item.id().as_bytes());
            hasher.update(b"\n");
        }
        hasher.finalize()
    }
}

impl Item {
    /// What failures and files of tokens call it; of a shard what stands before the key of each sample.
    pub(crate) fn id(&self) -> Cow<'_, str> {
        let id = match platform::with_slashes(&self.name) {
            Cow::Borrowed(name) => match std::str::from_utf8(name) {
                Ok(name) => Cow::Borrowed(name),
                Err(_) => Cow::Owned(message::bytes(name)),
            },
            Cow::Owned(name) => Cow::Owned(message::bytes(&name)),
        };
        let is_shard = self.kind == Kind::Shard;
        trimmed(id, is_shard)
    }

    /// Whether the name can be an id, or why not.
    pub(crate) fn check(&self, name: String) -> Result<(), CliError> {
        if let Kind::Unreadable(problem) = &self.kind {
            let source = std::io::Error::other(problem.clone());
            return Err(CliError::Read { name, source });
        }
        if self.name.to_str().is_none() {
            let problem = "its name is not UTF-8, which ids have to be; rename it";
            return Err(CliError::usage(name, problem));
        }
        check_id(&self.id(), name)
    }

    /// Whether both were found in one folder.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.folder.is_some() && self.folder == other.folder
    }

    /// Its path under the folder it was found in, or the name of the file.
    pub(crate) fn relative(&self) -> &Path {
        match self.folder {
            Some(_) => &self.name,
            None => self.name.file_name().map_or(&self.name, Path::new),
        }
    }
}

/// Refuses an id that is too long.
pub(crate) fn check_id(id: &str, name: String) -> Result<(), CliError> {
    if id.len() > MAX_ID {
        let problem = format!("its id has {} bytes; allowed: {MAX_ID}", id.len());
        return Err(CliError::usage(name, problem));
    }
    Ok(())
}

/// An id without what is not part of it.
fn trimmed(id: Cow<'_, str>, is_shard: bool) -> Cow<'_, str> {
    let trim = |id: &str| {
        let start = id.len() - id.trim_start_matches("./").len();
        let end = match is_shard {
            true => id.len() - TAR.len() - 1,
            false => id.len(),
        };
        start.min(end)..end
    };
    match id {
        Cow::Borrowed(id) => Cow::Borrowed(&id[trim(id)]),
        Cow::Owned(id) => Cow::Owned(id[trim(&id)].to_owned()),
    }
}

/// The extension of shards.
pub(crate) const TAR: &str = "tar";

/// Whether a name is that of a picture: the extension of one, and not hidden.
pub(crate) fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(ImageFormat::from_extension);
    !is_hidden(path) && (extension.is_some() || batch::has_extension(path, "jxl"))
}

/// Whether a name is that of a shard.
pub(crate) fn is_shard(path: &Path) -> bool {
    !is_hidden(path) && batch::has_extension(path, TAR)
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name();
    name.is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// What a file is by its name.
fn kind_of(path: &Path) -> Kind {
    match is_shard(path) {
        true => Kind::Shard,
        false => Kind::Picture,
    }
}

/// The error of a member of a shard.
pub(crate) fn member_error(name: String, problem: impl Into<String>) -> CliError {
    CliError::Member {
        name,
        problem: problem.into(),
        code: Code::Corrupt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, folder: Option<u32>) -> Item {
        Item {
            folder,
            name: name.into(),
            kind: kind_of(Path::new(name)),
        }
    }

    #[test]
    fn ids_are_names_without_dots_in_front_or_the_extension_of_shards() {
        for (name, id, relative) in [
            ("a.png", "a.png", "a.png"),
            ("./d/a.png", "d/a.png", "a.png"),
            ("/d/a.TAR", "/d/a", "a.TAR"),
            ("././a.tar", "a", "a.tar"),
            (".tar", ".tar", ".tar"),
        ] {
            let found = item(name, None);
            assert_eq!((&*found.id(), found.relative()), (id, Path::new(relative)));
            assert!(found.check(String::new()).is_ok());
        }
        assert_eq!(item("d/a.png", Some(0)).relative(), Path::new("d/a.png"));
        let long = item(&"n".repeat(4097), None).check("n".to_owned());
        assert!(long.is_err_and(|error| error.to_string().contains("4097")));
    }

    #[test]
    fn files_are_dealt_one_by_one() {
        let names: Vec<String> = (0..7).map(|number| format!("{number}.png")).collect();
        let all = |index| {
            let mut collection = Collection {
                items: names.iter().map(|name| item(name, None)).collect(),
                ..Collection::default()
            };
            collection.deal(index, 3);
            let ids = collection.items.iter().map(|item| item.id().into_owned());
            (ids.collect::<Vec<_>>(), collection.crc32())
        };
        assert_eq!(all(0).0, ["0.png", "3.png", "6.png"]);
        assert_eq!(all(1).0, ["1.png", "4.png"]);
        // zlib.crc32(b"2.png\n5.png\n") of Python.
        assert_eq!(all(2).1, 2_193_798_868);
    }
}
