//! Untrusted text, names of files among it, on one line of a terminal.

use std::fmt::Write;
use std::path::Path;

/// Characters of a message that are shown.
const MAX_CHARS: usize = 2000;

/// The text on one line: characters that break the line, move the cursor, change the writing direction or are invisible
/// are escaped, and text beyond 2000 characters is cut off. For messages and for text from files.
#[must_use]
pub(crate) fn one_line(text: &str) -> String {
    let mut out = String::new();
    for symbol in text.chars().take(MAX_CHARS) {
        if is_hidden(symbol) {
            out.extend(symbol.escape_default());
        } else {
            out.push(symbol);
        }
    }
    if text.chars().nth(MAX_CHARS).is_some() {
        out.push('…');
    }
    out
}

/// The name of a file as text: bytes that are not UTF-8 are `\xNN`, so that two names never read the same.
#[must_use]
pub(crate) fn name(path: &Path) -> String {
    bytes(path.as_os_str().as_encoded_bytes())
}

/// [`name`] of a name's bytes.
pub(crate) fn bytes(name: &[u8]) -> String {
    let mut out = String::new();
    for chunk in name.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Characters that terminals obey or do not show.
pub(crate) fn is_hidden(symbol: char) -> bool {
    symbol.is_control() || is_unseen(symbol)
}

/// Characters that format others, separate lines or take no room; those that join letters and emoji are seen in effect.
fn is_unseen(symbol: char) -> bool {
    matches!(symbol,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(one_line("a \"b\\n\" é"), "a \"b\\n\" é");
        assert_eq!(
            one_line("a\nb\r\u{1b}[2J\u{202e}\0"),
            "a\\nb\\r\\u{1b}[2J\\u{202e}\\u{0}"
        );
        assert_eq!(
            one_line("\u{9b}1m\u{200f}\u{e0001}"),
            "\\u{9b}1m\\u{200f}\\u{e0001}"
        );
        assert_eq!(one_line(&"x".repeat(2000)).len(), 2000);
        assert_eq!(name(Path::new("é a.png")), "é a.png");
        let long = one_line(&"é".repeat(2001));
        assert!(long.ends_with("é…") && long.chars().count() == 2001);
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_differ() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let name = |bytes| name(Path::new(OsStr::from_bytes(bytes)));
        assert_eq!(name(b"a\xff.png"), "a\\xff.png");
        assert_eq!(name(b"a\xc3\xfe"), "a\\xc3\\xfe");
    }
}
