//! Other programs: started without a shell, with a time limit, ended when this program ends; what they say is kept from
//! the terminal.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::interrupt::Process;

/// The longest that one run of another program may take.
const TIME_LIMIT: Duration = Duration::from_secs(300);
/// How often a run is looked at.
const PAUSE: Duration = Duration::from_micros(500);
/// The most that is read of what a program said, in bytes.
const MOST_SAID: u64 = 4096;
/// Where a program's output goes, in its directory.
const SAID: &str = "said.txt";

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// There is no such program.
    #[error("not installed")]
    NotInstalled,
    /// It could not be started or watched.
    #[error("cannot run: {0}")]
    Io(#[from] io::Error),
    /// It failed, and this is the last that it said.
    #[error("failed ({status}): {said}")]
    Failed { status: String, said: String },
    /// It took too long.
    #[error("took longer than {} seconds", TIME_LIMIT.as_secs())]
    TimedOut,
}

/// Runs a program to its end and gives the time from its start on. `folder` is a directory for nothing else meanwhile.
pub(crate) fn run(
    program: &str,
    args: &[OsString],
    folder: &Path,
) -> Result<Duration, ProcessError> {
    let (time, status) = finish(program, args, folder)?;
    if status.success() {
        return Ok(time);
    }
    let said = said(folder)?;
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    Err(ProcessError::Failed {
        status: status.to_string(),
        said: last.unwrap_or("it said nothing").to_owned(),
    })
}

/// The version that a program names with these arguments: the first two numbers with a point between them, and what
/// follows of that form.
pub(crate) fn version(
    program: &str,
    args: &[OsString],
    folder: &Path,
) -> Result<String, ProcessError> {
    finish(program, args, folder)?;
    let said = said(folder)?;
    Ok(number_in(&said).unwrap_or("of unknown version").to_owned())
}

fn finish(
    program: &str,
    args: &[OsString],
    folder: &Path,
) -> Result<(Duration, std::process::ExitStatus), ProcessError> {
    let out = File::create(folder.join(SAID))?;
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(out.try_clone()?)
        .stdout(out);
    let start = Instant::now();
    let process = Process::start(&mut command).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ProcessError::NotInstalled,
        _ => error.into(),
    })?;
    loop {
        if let Some(status) = process.ended()? {
            return Ok((start.elapsed(), status));
        }
        if start.elapsed() > TIME_LIMIT {
            return Err(ProcessError::TimedOut);
        }
        thread::sleep(PAUSE);
    }
}

fn said(folder: &Path) -> io::Result<String> {
    let path = folder.join(SAID);
    let mut bytes = Vec::new();
    File::open(&path)?.take(MOST_SAID).read_to_end(&mut bytes)?;
    fs::remove_file(path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn number_in(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    let words = text.split(|c: char| !is_part(c));
    let mut words = words.map(|word| word.trim_matches('.'));
    words.find(|word| {
        let parts: Vec<&str> = word.split('.').collect();
        parts.len() >= 2 && parts.iter().all(|part| !part.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (text, version) in [
            ("1.2.4\nlibsharpyuv: 0.2.0\n", Some("1.2.4")),
            ("Version: 0.11.1 (dav1d [dec]:1.0.0)", Some("0.11.1")),
            (
                "libjpeg-turbo version 2.1.5 (build 20230203)",
                Some("2.1.5"),
            ),
            ("cjxl v0.7.0 [AVX2,SSE4]", Some("0.7.0")),
            (
                "It compresses JPEG 2000 images.\nopenjp2 library v2.5.0.\n",
                Some("2.5.0"),
            ),
            ("no number 12. here", None),
        ] {
            assert_eq!(number_in(text), version, "{text}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_told_from_one_that_fails() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let run = |program| run(program, &["--no-such-option".into()], folder.path());
        assert!(matches!(
            run("flextok-no-such-program"),
            Err(ProcessError::NotInstalled)
        ));
        if cfg!(unix) {
            assert!(run("true").is_ok());
            assert!(matches!(run("false"), Err(ProcessError::Failed { .. })));
        }
    }
}
