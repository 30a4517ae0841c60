//! A folder's pictures and shards, however deep.

use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::{Kind, MAX_ITEMS, is_hidden, is_picture, is_shard, kind_of};
use crate::context::Context;
use crate::exit::CliError;
use crate::message;
use crate::platform::{Identity, with_slashes};

/// What is found, by its path in the folder.
type Found = (PathBuf, Kind);

/// A folder that is still to be read.
struct Pending {
    /// Its path in the folder that was named.
    relative: PathBuf,
    /// Itself and all folders above it, up to that one.
    above: Vec<Identity>,
}

/// Reads folders beneath one folder.
struct Walk<'a> {
    root: &'a Path,
    /// A folder that is left out.
    without: Option<&'a Identity>,
    context: &'a Context,
    found: Vec<Found>,
    pending: Vec<Pending>,
}

/// The files of a folder that are named like pictures or shards and not hidden, sorted by the bytes of their path in it.
/// Links are followed, but not to a folder that they are in. What cannot be looked at is found as that.
pub(super) fn walk(
    root: &Path,
    without: Option<&Identity>,
    context: &Context,
) -> Result<Vec<Found>, CliError> {
    let above = Identity::of(root).into_iter().collect();
    let mut walk = Walk {
        root,
        without,
        context,
        found: Vec::new(),
        pending: Vec::new(),
    };
    let top = Pending {
        relative: PathBuf::new(),
        above,
    };
    let entries = fs::read_dir(root).and_then(|entries| walk.read(entries, &top));
    entries.map_err(|source| CliError::Read {
        name: message::name(root),
        source,
    })?;
    let mut folders = 0;
    while let Some(folder) = walk.pending.pop() {
        folders += 1;
        // Links from folder to folder can make more paths than there are files.
        if walk.found.len().max(folders) > MAX_ITEMS {
            let problem = format!("has more than {MAX_ITEMS} files or folders; name its parts");
            return Err(CliError::usage(message::name(root), problem));
        }
        let entries = fs::read_dir(root.join(&folder.relative));
        if let Err(error) = entries.and_then(|entries| walk.read(entries, &folder)) {
            let problem = Kind::Unreadable(error.to_string());
            walk.found.push((folder.relative, problem));
        }
    }
    walk.found
        .sort_unstable_by(|(a, _), (b, _)| with_slashes(a).cmp(&with_slashes(b)));
    Ok(walk.found)
}

impl Walk<'_> {
    fn read(&mut self, entries: fs::ReadDir, folder: &Pending) -> io::Result<()> {
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            if !is_hidden(Path::new(&name)) {
                self.entry(&entry, name, folder)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &DirEntry, name: OsString, folder: &Pending) -> io::Result<()> {
        let relative = folder.relative.join(name);
        let mut kind = entry.file_type()?;
        if kind.is_symlink() {
            match fs::metadata(entry.path()) {
                Ok(found) => kind = found.file_type(),
                Err(error) => {
                    let problem = format!("a link that leads nowhere: {error}");
                    self.found.push((relative, Kind::Unreadable(problem)));
                    return Ok(());
                }
            }
        }
        if kind.is_dir() {
            self.folder(relative, &folder.above);
        } else if kind.is_file() && (is_picture(&relative) || is_shard(&relative)) {
            let kind = kind_of(&relative);
            self.found.push((relative, kind));
        }
        Ok(())
    }

    /// Puts a folder off until this one is read, unless that would not end.
    fn folder(&mut self, relative: PathBuf, above: &[Identity]) {
        let path = self.root.join(&relative);
        let Some(identity) = Identity::of(&path) else {
            let problem = Kind::Unreadable("it is gone".to_owned());
            self.found.push((relative, problem));
            return;
        };
        if above.contains(&identity) {
            let name = message::name(&path);
            let problem = "a link to a folder that it is in is not followed";
            self.context.note(&format!("{name}: {problem}"));
        } else if self.without != Some(&identity) {
            let above = above.iter().cloned().chain([identity]).collect();
            self.pending.push(Pending { relative, above });
        }
    }
}
