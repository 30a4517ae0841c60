//! Outputs: written whole or not at all, never over an existing file without --force, never binary to a terminal.
//! Streams, devices and inherited descriptors are written to, not replaced.

mod growing;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use flextok::compute::inherited::{self, Stream};
use flextok::image::ImageFormat;
use flextok::picture::save::{self, SaveFormat};
pub(crate) use growing::Growing;
use serde::Serialize;

use crate::exit::{CliError, Code};
use crate::input::Source;
use crate::platform::{self, Descriptor, terminal};
use crate::{interrupt, links, message};

/// Where the result of a command goes.
#[derive(Debug)]
pub(crate) struct Output {
    target: Target,
    /// The extension of the name as it was given, which selects the format.
    extension: String,
    force: bool,
}

#[derive(Debug)]
enum Target {
    Stdout,
    /// A pipe, a device, or a descriptor of another process: opened and written directly.
    Special(PathBuf),
    /// A descriptor that the program was started with, such as `/dev/fd/3`: written from its present position on.
    Descriptor {
        file: File,
        name: String,
    },
    /// A regular file, existing or not, with symbolic links resolved.
    File {
        path: PathBuf,
        name: String,
    },
}

impl Output {
    /// Checks before any work that `path` can be the output; `-` is standard output.
    pub(crate) fn new(path: &Path, force: bool) -> Result<Self, CliError> {
        let target = target_of(path, force)?;
        let extension = path.extension().unwrap_or_default();
        Ok(Self {
            target,
            extension: extension.to_string_lossy().into_owned(),
            force,
        })
    }

    /// The output of a command that reads `source`: `given` with -o, else next to the input with `extension`; for
    /// standard input it is standard output. A directory as input has none and is refused with `code`.
    pub(crate) fn of(
        given: Option<&Path>,
        source: &Source,
        (extension, code): (&str, Code),
        force: bool,
    ) -> Result<Self, CliError> {
        match given {
            Some(path) => Self::new(path, force),
            None => Self::new(&source.default_output(extension, code)?, force),
        }
    }

    /// Its name in errors and notes.
    pub(crate) fn name(&self) -> String {
        match &self.target {
            Target::Stdout => "standard output".to_owned(),
            Target::Special(path) => message::name(path),
            Target::Descriptor { name, .. } | Target::File { name, .. } => name.clone(),
        }
    }

    /// Whether the name has this extension, in upper or lower case.
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        self.extension.eq_ignore_ascii_case(extension)
    }

    /// Whether the name does not determine a format: a stream, or a device without an extension.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.extension.is_empty() && !matches!(self.target, Target::File { .. })
    }

    /// Refuses to overwrite `input`, even with `--force`: the output is a file of another kind.
    pub(crate) fn keep(&self, input: &Source) -> Result<(), CliError> {
        match (&self.target, input) {
            (Target::File { path, .. }, Source::File(input)) if links::same_file(path, input) => {
                let problem =
                    "the output would overwrite the input itself; choose another name with -o";
                Err(CliError::usage(self.name(), problem))
            }
            _ => Ok(()),
        }
    }

    /// Refuses to replace a picture that this program did not write, for outputs that nobody named.
    pub(crate) fn keep_foreign(&self) -> Result<(), CliError> {
        match &self.target {
            Target::File { path, name } if path.exists() && !is_own_picture(path) => {
                Err(CliError::Output {
                    name: name.clone(),
                    problem: "was not written by flextok; to replace it, name it with -o",
                })
            }
            _ => Ok(()),
        }
    }

    /// Refuses the extension of a picture or an array for a token file.
    pub(crate) fn refuse_other_extensions(&self) -> Result<(), CliError> {
        let known = ImageFormat::from_extension(&self.extension).is_some();
        if known || self.has_extension("npy") {
            let extension = &self.extension;
            let problem = format!("a token file cannot be a \"{extension}\" file; allowed: flxt");
            return Err(CliError::usage(self.name(), problem));
        }
        Ok(())
    }

    /// The error for an extension that cannot be written.
    pub(crate) fn wrong_extension(&self, allowed: &str) -> CliError {
        let extension = &self.extension;
        let problem = format!("cannot write \"{extension}\" files; allowed: {allowed}");
        CliError::usage(self.name(), problem)
    }

    /// The image format that the output's extension selects; PNG for streams and devices without one.
    /// `others` is appended to the extensions that the error lists as allowed.
    pub(crate) fn picture_format(&self, others: &str) -> Result<SaveFormat, CliError> {
        if self.is_anonymous() {
            return Ok(SaveFormat::Png);
        }
        let format = SaveFormat::from_extension(&self.extension);
        format.map_err(|_| self.wrong_extension(&format!("{}{others}", save::WRITABLE)))
    }

    /// The path of the file, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.target {
            Target::File { path, .. } => Some(path),
            _ => None,
        }
    }

    /// Writes everything. A failed write creates no file and leaves an existing one untouched.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), CliError> {
        self.prepare(bytes)?.publish()
    }

    /// Writes everything to a temporary file, so that several outputs can be written before any is published. Streams
    /// and devices are written when published.
    pub(crate) fn prepare<'a>(&'a self, bytes: &'a [u8]) -> Result<Prepared<'a>, CliError> {
        let Target::File { path, .. } = &self.target else {
            return Ok(Prepared {
                output: self,
                how: How::Stream(bytes),
            });
        };
        let (mut temporary, guard) =
            interrupt::guarded(|| temporary_beside(path)).map_err(|error| self.failed(error))?;
        let written = temporary.as_file_mut().write_all(bytes);
        written.map_err(|error| self.failed(error))?;
        Ok(Prepared {
            output: self,
            how: How::File {
                temporary: temporary.into_temp_path(),
                path,
                _guard: guard,
            },
        })
    }

    /// Gives a temporary file its final name.
    fn persist(&self, temporary: tempfile::TempPath, path: &Path) -> Result<(), CliError> {
        if self.force {
            let moved = platform::replace(temporary, path);
            return moved.map_err(|error| self.failed(error));
        }
        match temporary.persist_noclobber(path) {
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
                Err(CliError::Exists { name: self.name() })
            }
            result => result.map_err(|error| self.failed(error.error)),
        }
    }

    fn failed(&self, source: io::Error) -> CliError {
        CliError::Write {
            name: self.name(),
            source,
        }
    }
}

/// An output that is written but not yet published; dropping it discards it.
pub(crate) struct Prepared<'a> {
    output: &'a Output,
    how: How<'a>,
}

enum How<'a> {
    Stream(&'a [u8]),
    File {
        // Closed: there may be thousands of them.
        temporary: tempfile::TempPath,
        path: &'a Path,
        _guard: interrupt::Guard,
    },
}

impl Prepared<'_> {
    /// Moves it to its final name.
    pub(crate) fn publish(self) -> Result<(), CliError> {
        let output = self.output;
        let published = match self.how {
            How::Stream(bytes) => match &output.target {
                Target::Special(path) => {
                    let open = File::options().append(true).open(path);
                    open.and_then(|mut file| file.write_all(bytes))
                }
                Target::Descriptor { file, .. } => (&*file).write_all(bytes),
                _ => {
                    let mut stdout = io::stdout().lock();
                    stdout.write_all(bytes).and_then(|()| stdout.flush())
                }
            },
            How::File {
                temporary, path, ..
            } => return output.persist(temporary, path),
        };
        published.map_err(|error| output.failed(error))
    }
}

fn target_of(path: &Path, force: bool) -> Result<Target, CliError> {
    let name = message::name(path);
    match platform::descriptor(path) {
        _ if path == Path::new("-") => return stdout(),
        Some(Descriptor::Own(1)) => return stdout(),
        Some(Descriptor::Own(number)) => return inherited(number, name),
        Some(Descriptor::Foreign) => return Ok(Target::Special(path.to_owned())),
        None => {}
    }
    let mut path = path.to_owned();
    match fs::metadata(&path) {
        Ok(found) if found.is_dir() => {
            let problem = "is a directory; name a file with -o";
            return Err(CliError::Output { name, problem });
        }
        Ok(found) if !found.is_file() => return Ok(Target::Special(path)),
        Ok(_) if !force => return Err(CliError::Exists { name }),
        Ok(_) => {
            // The file behind a link is replaced, not the link.
            if let Ok(real) = fs::canonicalize(&path) {
                path = real;
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // A dangling link counts as existing.
            if !force && fs::symlink_metadata(&path).is_ok() {
                return Err(CliError::Exists { name });
            }
            path = links::end(&path);
            let parent = links::parent(&path);
            if !parent.is_dir() {
                let problem = "its directory does not exist; create it first";
                return Err(CliError::Output { name, problem });
            }
            if path.file_name().is_none() {
                return Err(CliError::Output {
                    name,
                    problem: "is not a file name",
                });
            }
        }
        Err(source) => return Err(CliError::Write { name, source }),
    }
    Ok(Target::File { path, name })
}

/// Standard output, unless it is a terminal or closed.
fn stdout() -> Result<Target, CliError> {
    check_stdout()?;
    if terminal::shows_output() {
        return Err(refused_terminal("standard output"));
    }
    Ok(Target::Stdout)
}

/// A descriptor that the program was started with.
fn inherited(number: i32, name: String) -> Result<Target, CliError> {
    match inherited::descriptor(number) {
        Ok(file) if terminal::is_one(&file) => Err(refused_terminal(&name)),
        Ok(file) => Ok(Target::Descriptor { file, name }),
        Err(source) => Err(CliError::Write { name, source }),
    }
}

fn refused_terminal(name: &str) -> CliError {
    let problem = "binary data is not written to a terminal; name a file with -o";
    CliError::usage(name, problem)
}

/// Refuses a closed standard output, to which writing would seem to succeed.
fn check_stdout() -> Result<(), CliError> {
    if Stream::Output.was_closed() {
        return Err(CliError::Write {
            name: "standard output".to_owned(),
            source: io::Error::new(ErrorKind::NotConnected, "it is closed"),
        });
    }
    Ok(())
}

/// A temporary file in the directory of `path`, with the permissions of an ordinary new file.
fn temporary_beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".flextok-").suffix(".tmp");
    // The default way of opening would add the temporary name to errors.
    builder.make_in(links::parent(path), |path| {
        let mut options = File::options();
        options.write(true).create_new(true);
        options.open(path)
    })
}

/// Whether a file is a PNG that this program wrote.
fn is_own_picture(path: &Path) -> bool {
    let mut start = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(save::SIGNED_WITHIN).read_to_end(&mut start));
    read.is_ok() && save::is_signed(&start)
}

/// Prints text on standard output. Whoever closes the pipe early has read enough.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    check_stdout()?;
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|source| CliError::Write {
            name: "standard output".to_owned(),
            source,
        }),
    }
}

/// Prints an indented JSON document on standard output.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    print_serialized(serde_json::to_string_pretty(value))
}

/// Prints a JSON document on one line of standard output.
pub(crate) fn print_json_line(value: &(impl Serialize + ?Sized)) -> Result<(), CliError> {
    print_serialized(serde_json::to_string(value))
}

fn print_serialized(text: serde_json::Result<String>) -> Result<(), CliError> {
    let failed = |error: serde_json::Error| CliError::Write {
        name: "standard output".to_owned(),
        source: error.into(),
    };
    let mut text = escape_controls(&text.map_err(failed)?);
    text.push('\n');
    print(&text)
}

/// The document with characters escaped that JSON permits but terminals interpret or do not show; they occur only in strings.
fn escape_controls(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && message::is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(character);
        }
    }
    out
}

/// Prints text on standard error; a failure cannot be reported anywhere.
pub(crate) fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_no_controls() {
        let text = "é\u{9b}1m\u{7f}\u{1b}\"\n\u{202e}\u{2028}\u{e0041}";
        let json = escape_controls(&serde_json::to_string_pretty(&[text]).expect("text"));
        assert!(
            !json.contains(|c: char| message::is_hidden(c) && c != '\n'),
            "{json}"
        );
        assert_eq!(
            serde_json::from_str::<[String; 1]>(&json).expect("JSON"),
            [text]
        );
    }

    #[test]
    fn files_appear_whole_and_are_not_overwritten_without_force() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("a.bin");
        Output::new(&path, false)
            .and_then(|out| out.write(b"one"))
            .expect("a new file");
        assert!(matches!(
            Output::new(&path, false),
            Err(CliError::Exists { .. })
        ));
        Output::new(&path, true)
            .and_then(|out| out.write(b"two"))
            .expect("forced");
        assert_eq!(fs::read(&path).expect("it is there"), b"two");

        let late = directory.path().join("late.bin");
        let output = Output::new(&late, false).expect("not there yet");
        fs::write(&late, b"someone else").expect("writable");
        assert!(matches!(
            output.write(b"mine"),
            Err(CliError::Exists { .. })
        ));
        assert_eq!(fs::read(&late).expect("it is there"), b"someone else");
        let left = fs::read_dir(directory.path()).expect("readable").count();
        assert_eq!(left, 2, "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_are_kept() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (real, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&real, b"old").expect("writable");
        let ordinary = fs::metadata(&real).expect("there").permissions().mode();
        let new = directory.path().join("new");
        Output::new(&new, false)
            .and_then(|out| out.write(b"x"))
            .expect("a new file");
        assert_eq!(
            fs::metadata(&new).expect("there").permissions().mode(),
            ordinary
        );

        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("own file");
        symlink(&real, &link).expect("links work");
        Output::new(&link, true)
            .and_then(|out| out.write(b"new"))
            .expect("forced");
        assert_eq!(fs::read(&real).expect("there"), b"new");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(
            fs::metadata(&real).expect("there").permissions().mode() & 0o7777,
            0o640
        );

        fs::set_permissions(&real, fs::Permissions::from_mode(0o6751)).expect("own file");
        Output::new(&real, true)
            .and_then(|out| out.write(b"newer"))
            .expect("forced");
        assert_eq!(
            fs::metadata(&real).expect("there").permissions().mode() & 0o7777,
            0o751
        );
    }

    #[test]
    fn impossible_outputs_are_named() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for path in [
            directory.path().to_owned(),
            directory.path().join("no/such/a.png"),
        ] {
            let error = Output::new(&path, true).expect_err("no file can be there");
            assert!(
                error.to_string().contains(&*path.to_string_lossy()),
                "{error}"
            );
        }
    }
}
