//! Whether someone looks at a stream. The standard library knows terminals of Unix, consoles of Windows and the pipes that
//! stand for terminals there.

use std::io::{self, IsTerminal};

/// Whether binary data on standard output would go to a screen.
pub(crate) fn shows_output() -> bool {
    io::stdout().is_terminal()
}

/// Whether messages and progress go to a screen.
pub(crate) fn shows_messages() -> bool {
    io::stderr().is_terminal()
}

/// Whether an open file is one.
pub(crate) fn is_one(file: &std::fs::File) -> bool {
    file.is_terminal()
}

/// Whether a standard stream is one, so that its width is known, which goes before `COLUMNS`.
pub(crate) fn has_width() -> bool {
    shows_output() || shows_messages() || io::stdin().is_terminal()
}
