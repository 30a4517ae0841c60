//! What a path leads to: through symbolic links, to one file under several names.

use std::fs;
use std::path::{Path, PathBuf};

use crate::platform::Identity;

/// As many links in a row as Linux follows.
pub(crate) const MOST_LINKS: usize = 40;

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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

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
