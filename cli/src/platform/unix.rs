//! Unix: inodes, permissions, signals, and descriptors that have names.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flextok::compute::inherited::is_ignored;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use tempfile::TempPath;

use super::Descriptor;
use crate::links::{MOST_LINKS, parent};

/// Whether file systems take spellings of a name, such as its capitals, for the same.
pub(crate) const SPELLINGS_ARE_ONE: bool = cfg!(target_vendor = "apple");

/// What makes a file the same under all of its names, hard links included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    device: u64,
    node: u64,
}

impl Identity {
    /// `None` if there is no such file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path)
            .ok()
            .map(|found| Self::in_metadata(&found))
    }

    fn in_metadata(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            node: metadata.ino(),
        }
    }
}

/// Whether an open file is still the one of this name.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let open = file.metadata().ok();
    let open = open.map(|found| Identity::in_metadata(&found));
    open.is_some() && open == Identity::of(path)
}

/// Gives a temporary file the name of another, which it replaces whole, and whose rights it gets.
pub(crate) fn replace(temporary: TempPath, path: &Path) -> io::Result<()> {
    keep_permissions(path, &temporary);
    temporary.persist(path).map_err(|error| error.error)
}

/// The rights to read, write and execute of an old file for the new one: whoever could read that can read this. The bits
/// that lend the owner's rights to others were given to other contents.
fn keep_permissions(old: &Path, new: &Path) {
    if let Ok(old) = fs::metadata(old) {
        let rights = fs::Permissions::from_mode(old.permissions().mode() & 0o777);
        let _ = fs::set_permissions(new, rights);
    }
}

/// The path that the bytes of a text name.
pub(crate) fn path_of(text: &[u8]) -> Option<PathBuf> {
    Some(OsStr::from_bytes(text).into())
}

/// A path with `/` between its parts, as bytes.
pub(crate) fn with_slashes(path: &Path) -> Cow<'_, [u8]> {
    Cow::Borrowed(path.as_os_str().as_bytes())
}

/// Waits for the signals that end programs in a thread of its own, which calls `interrupted` for each. Those that are
/// ignored stay so: `nohup` and shells ask for that.
pub(crate) fn watch(interrupted: fn()) -> io::Result<()> {
    let mut signals = Signals::new::<[i32; 0], i32>([])?;
    let handle = signals.handle();
    std::thread::Builder::new().spawn(move || signals.forever().for_each(|_| interrupted()))?;
    // Only now, since without the thread nothing would end the program.
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        if !is_ignored(signal) {
            handle.add_signal(signal)?;
        }
    }
    // With a handler, of whatever kind, writing beyond a limit on file sizes fails like a full disk.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    Ok(())
}

/// The descriptor that a path stands for, itself or through links such as `/dev/stdout`. On Linux these entries are links
/// to the open file, which would be replaced if they were followed.
pub(crate) fn descriptor(path: &Path) -> Option<Descriptor> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if let Some(found) = descriptor_entry(&path) {
            return Some(found);
        }
        path = parent(&path).join(fs::read_link(&path).ok()?);
    }
    None
}

/// The descriptor of an entry of `/dev/fd`, `/proc/self/fd` or `/proc/PID/fd`.
fn descriptor_entry(path: &Path) -> Option<Descriptor> {
    let name = path.file_name()?.to_str()?;
    let number = name.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.then(|| name.parse().ok()).flatten()?;
    let folder = fs::canonicalize(parent(path)).ok()?;
    let own = ["/proc/self/fd", "/proc/thread-self/fd", "/dev/fd"];
    if own
        .iter()
        .any(|own| fs::canonicalize(own).is_ok_and(|own| own == folder))
    {
        return Some(Descriptor::Own(number));
    }
    (folder.starts_with("/proc") && folder.ends_with("fd")).then_some(Descriptor::Foreign)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn descriptors_are_recognized() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let link = folder.path().join("link");
        symlink("/dev/fd/1", &link).expect("links work");
        let own = format!("/proc/{}/fd/3", std::process::id());
        for (path, found) in [
            ("/dev/stdout", Some(Descriptor::Own(1))),
            ("/dev/fd/2", Some(Descriptor::Own(2))),
            ("/proc/self/fd/63", Some(Descriptor::Own(63))),
            (&own, Some(Descriptor::Own(3))),
            ("/proc/1/fd/1", Some(Descriptor::Foreign)),
            (link.to_str().expect("text"), Some(Descriptor::Own(1))),
            ("/dev/null", None),
            ("1", None),
            ("/dev/fd/x", None),
        ] {
            assert_eq!(descriptor(Path::new(path)), found, "{path}");
        }
    }

    #[test]
    fn an_open_file_is_at_its_name_until_another_takes_it() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("a");
        fs::write(&path, b"old").expect("writable");
        let open = File::open(&path).expect("there");
        assert!(is_at(&open, &path));
        let new = tempfile::NamedTempFile::new_in(&folder).expect("writable");
        replace(new.into_temp_path(), &path).expect("replaced");
        assert!(!is_at(&open, &path));
        fs::remove_file(&path).expect("there");
        assert!(!is_at(&open, &path));
    }
}
