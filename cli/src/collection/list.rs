//! Lists of files: a path on each line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::MAX_ITEMS;
use crate::exit::CliError;
use crate::input::{Source, stdin};
use crate::platform;

/// The longest line in bytes, that of a path.
const MAX_LINE: u64 = 4096;

/// The paths of a list; `-` is standard input. Empty lines are none.
pub(super) fn read(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    let source = Source::new(path);
    match &source {
        Source::Stdin => lines(stdin()?, &source),
        Source::File(path) => {
            let file = File::open(path).map_err(|error| failed(&source, error))?;
            lines(BufReader::new(file), &source)
        }
    }
}

fn failed(source: &Source, error: io::Error) -> CliError {
    CliError::Read {
        name: source.name(),
        source: error,
    }
}

fn lines(mut stream: impl BufRead, source: &Source) -> Result<Vec<PathBuf>, CliError> {
    let (mut paths, mut line) = (Vec::new(), Vec::new());
    for number in 1_u64.. {
        line.clear();
        let mut limited = stream.by_ref().take(MAX_LINE + 2);
        let read = limited.read_until(b'\n', &mut line);
        if read.map_err(|error| failed(source, error))? == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let refuse = |problem: String| CliError::usage(source.name(), problem);
        if text.len() as u64 > MAX_LINE {
            let problem = format!("line {number} is longer than {MAX_LINE} bytes");
            return Err(refuse(problem));
        }
        if paths.len() == MAX_ITEMS {
            let problem = format!("has more than {MAX_ITEMS} paths; split it");
            return Err(refuse(problem));
        }
        if !text.is_empty() {
            let path = platform::path_of(text);
            paths.push(path.ok_or_else(|| refuse(format!("line {number} is not UTF-8")))?);
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_path() {
        let read = |text: &[u8]| lines(text, &Source::Stdin);
        let found = read(b"a.png\r\n\nd/b c.png\n \nlast").expect("lines");
        let expected = ["a.png", "d/b c.png", " ", "last"].map(PathBuf::from);
        assert_eq!(found, expected);
        assert!(read(b"").expect("none").is_empty());
        let longest = [b"x".repeat(4096), b"\r\n".to_vec()].concat();
        assert_eq!(read(&longest).expect("a path").len(), 1);
        for end in [&b""[..], b"\n", b"xxxxxx\n"] {
            let long = [&b"a\n"[..], &b"x".repeat(4097), end].concat();
            let refused = read(&long).expect_err("too long");
            assert!(refused.to_string().contains("line 2 is longer than 4096"));
        }
    }
}
