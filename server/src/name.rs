//! Names of files as addresses spell them: anything that is not plainly a name beneath the
//! directory is rejected.

use std::fmt;

use flextok_container::EXTENSION;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands in an address as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Longest name in bytes; longer ones than systems have are not looked for.
const MAX_BYTES: usize = 4096;

/// A relative name of plain components: no `..`, no empty or hidden one, no separator or control
/// character inside, parted by `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name(String);

impl Name {
    /// The name that the path of a request asks for. Each component is decoded once, after parting,
    /// so that an encoded separator stays inside its component and is refused there.
    pub(crate) fn from_path(path: &str) -> Option<Self> {
        let relative = path.strip_prefix('/')?;
        if relative.len() > 3 * MAX_BYTES {
            return None;
        }
        let mut name = String::with_capacity(relative.len());
        for component in relative.split('/') {
            let component = percent_decode_str(component).decode_utf8().ok()?;
            if !is_plain(&component) {
                return None;
            }
            if !name.is_empty() {
                name.push('/');
            }
            name.push_str(&component);
        }
        (name.len() <= MAX_BYTES).then_some(Self(name))
    }

    /// The name of an entry within a folder, itself a name or the empty one of the directory; none
    /// where no request could ask for it.
    pub(crate) fn within(folder: Option<&Self>, entry: &str) -> Option<Self> {
        let name = match folder {
            Some(folder) => format!("{folder}/{entry}"),
            None => entry.to_owned(),
        };
        (is_plain(entry) && name.len() <= MAX_BYTES).then_some(Self(name))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the name of a token file, in upper or lower case: some cameras and file systems write names so.
    pub(crate) fn is_token_file(&self) -> bool {
        self.0.rsplit_once('.').is_some_and(|(stem, extension)| {
            extension.eq_ignore_ascii_case(EXTENSION) && !stem.ends_with('/')
        })
    }

    /// The path of a request for it.
    pub(crate) fn to_path(&self) -> String {
        let mut path = String::with_capacity(self.0.len() + 1);
        for component in self.0.split('/') {
            path.push('/');
            path.extend(utf8_percent_encode(component, ESCAPED));
        }
        path
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Hidden names, `.` and `..` start with a dot. A backslash parts names on some systems, a colon
/// names drives and streams there.
fn is_plain(component: &str) -> bool {
    let parts = |c: char| c == '/' || c == '\\' || (cfg!(windows) && c == ':');
    let hidden = component.is_empty() || component.starts_with('.');
    !hidden && !component.contains(|c: char| parts(c) || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths() {
        for (path, name) in [
            ("/a.flxt", "a.flxt"),
            ("/sub/b%20c.flxt", "sub/b c.flxt"),
            ("/%C3%A4.flxt", "ä.flxt"),
            // Decoded once: this is a file with a percent sign in its name.
            ("/%252e%252e", "%2e%2e"),
            ("/a..flxt", "a..flxt"),
        ] {
            let parsed = Name::from_path(path).expect(path);
            assert_eq!(parsed.as_str(), name);
            assert_eq!(Name::from_path(&parsed.to_path()), Some(parsed));
        }
    }

    #[test]
    fn no_spelling_leaves_the_directory() {
        for path in [
            "",
            "a.flxt",
            "/",
            "//a.flxt",
            "/..",
            "/../a.flxt",
            "/sub/../../a.flxt",
            "/./a.flxt",
            "/%2e%2e/a.flxt",
            "/%2E%2E/a.flxt",
            "/.%2e/a.flxt",
            "/..%2fa.flxt",
            "/..%2Fa.flxt",
            "/..%5ca.flxt",
            "/..\\a.flxt",
            "/sub%2fa.flxt",
            "/%2fetc%2fpasswd",
            "/%00a.flxt",
            "/a.flxt%00.png",
            "/a%0a.flxt",
            "/a%c2%85.flxt",
            "/%ff.flxt",
            "/%c0%ae%c0%ae/a.flxt",
            "/.hidden.flxt",
            "/.git/a.flxt",
            "/a/",
            "/a//b.flxt",
        ] {
            assert_eq!(Name::from_path(path), None, "{path}");
        }
        assert_eq!(Name::from_path(&"/a".repeat(9000)), None);
        if cfg!(windows) {
            assert_eq!(Name::from_path("/C:/a.flxt"), None);
        }
    }

    #[test]
    fn token_files() {
        let is = |path| Name::from_path(path).expect(path).is_token_file();
        assert!(is("/a.flxt") && is("/a.b.flxt") && is("/a/b.flxt") && is("/A.FLXT"));
        assert!(!is("/flxt") && !is("/a.flxt/b") && !is("/a.flxt.png"));
    }
}
