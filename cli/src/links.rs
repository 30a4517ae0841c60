//! What a path leads to: through symbolic links, to one file under several names, to a descriptor.

use std::fs;
use std::path::{Path, PathBuf};

/// As many links in a row as Linux follows.
const MOST_LINKS: usize = 40;

/// A descriptor that a path stands for, such as `/dev/fd/3` or `/proc/self/fd/3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Descriptor {
    /// Of this process.
    Own(i32),
    /// Of another one.
    Foreign,
}

/// What makes a file the same under all of its names, hard links included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Identity {
    #[cfg(unix)]
    Node(u64, u64),
    #[cfg(not(unix))]
    Path(PathBuf),
}

impl Identity {
    /// `None` if there is no such file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let found = fs::metadata(path).ok()?;
            Some(Self::Node(found.dev(), found.ino()))
        }
        #[cfg(not(unix))]
        fs::canonicalize(path).ok().map(Self::Path)
    }
}

/// Whether an open file is still the one of this name. Where systems keep files that are open, it is.
pub(crate) fn is_at(file: &fs::File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let found = file.metadata().ok();
        let node = found.map(|found| Identity::Node(found.dev(), found.ino()));
        node.is_some() && node == Identity::of(path)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

/// Whether both names refer to one file, also through links.
pub(crate) fn same_file(a: &Path, b: &Path) -> bool {
    matches!((Identity::of(a), Identity::of(b)), (Some(a), Some(b)) if a == b)
}

/// The path of a file, which need not exist, with symbolic links resolved: the same for all of its names.
pub(crate) fn real_path(path: &Path) -> PathBuf {
    let path = end(path);
    match (fs::canonicalize(parent(&path)), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path,
    }
}

/// The target of symbolic links, which need not exist.
pub(crate) fn end(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = parent(&path).join(target),
            Err(_) => break,
        }
    }
    path
}

/// The directory of a file.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
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
    fn a_file_is_the_same_under_all_names() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let [a, hard, soft] = ["a", "hard", "soft"].map(|name| folder.path().join(name));
        fs::write(&a, b"x").expect("writable");
        fs::hard_link(&a, &hard).expect("links work");
        symlink("a", &soft).expect("links work");
        assert!(same_file(&a, &hard) && same_file(&soft, &hard));
        assert_eq!(real_path(&soft), real_path(&a));
        let missing = folder.path().join("no");
        assert!(!same_file(&missing, &missing));
    }
}
