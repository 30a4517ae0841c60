//! Shared set-up of the whole-program tests: where the program is, how it is run, where the data are.

pub mod collection;
pub mod eval;
pub mod tokens;

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What a run of the program left behind.
#[derive(Debug)]
pub struct Run {
    /// Exit code; none if a signal ended the program.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// Checks that all went well and nothing was said.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert_eq!(self.stderr, "", "no news is good news");
        self
    }

    /// Checks that the run succeeded with this one note, which stands behind the name of the input.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn notes(self, note: &str) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        let line = self.stderr.strip_suffix('\n').unwrap_or_default();
        assert!(
            line.starts_with("flextok: note: ") && !line.contains('\n'),
            "{self:?}"
        );
        assert!(line.ends_with(note), "{self:?}");
        self
    }

    /// Checks that the run failed as documented: this exit code, one line on standard error that
    /// starts with the program's name and contains all of `mentions`, nothing on standard output.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn fails(self, code: i32, mentions: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        assert!(self.stderr.starts_with("flextok: "), "{self:?}");
        for mention in mentions {
            assert!(
                self.stderr.contains(mention),
                "{mention:?} is not in {:?}",
                self.stderr
            );
        }
        assert!(self.stdout.is_empty(), "{self:?}");
        self
    }

    /// Checks that some of several inputs failed: this exit code, and one line on standard error with each of `mentions`,
    /// in this order, that starts with the program's name.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn fails_in_part(self, code: i32, mentions: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        let named = lines.iter().all(|line| line.starts_with("flextok: "));
        assert!(named && lines.len() >= mentions.len(), "{self:?}");
        let pairs = lines.iter().zip(mentions);
        assert!(
            pairs.clone().all(|(line, mention)| line.contains(mention)),
            "{self:?}"
        );
        self
    }

    /// Standard output as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("standard output is text")
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// If it is not JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).expect("standard output is JSON")
    }
}

/// The program, built by the cargo and in the profile that built these tests.
///
/// # Panics
/// If it cannot be built.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // Tests run at <target>/<profile>/deps/<test>.
        let test = std::env::current_exe().expect("the test knows its own path");
        let profile = test
            .parent()
            .and_then(Path::parent)
            .expect("a profile directory");
        let target = profile.parent().expect("a target directory");
        let name = match profile.file_name().and_then(OsStr::to_str) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            // Of the same packages as the tests, so that what these are built from serves again.
            .args(["build", "--quiet", "--bin", "flextok", "--profile", name])
            .args(["--message-format", "json", "--target-dir"])
            .arg(target)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "the program does not build");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| message["target"]["name"] == "flextok")
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .expect("cargo names the program")
    })
}

/// A command that runs the program with `args` in `directory`.
pub fn command<S: AsRef<OsStr>>(directory: &Path, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program());
    command
        .args(args)
        .current_dir(directory)
        .stdin(Stdio::null());
    command
}

/// Runs the program with `args` in `directory`, without input.
///
/// # Panics
/// If it does not start.
pub fn run<S: AsRef<OsStr>>(directory: &Path, args: impl IntoIterator<Item = S>) -> Run {
    finish(&mut command(directory, args))
}

/// Runs the program with `args` in `directory` and `input` on its standard input.
///
/// # Panics
/// If it does not start.
pub fn pipe<S: AsRef<OsStr>>(
    directory: &Path,
    args: impl IntoIterator<Item = S>,
    input: &[u8],
) -> Run {
    let mut command = command(directory, args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A program that has seen enough may close the pipe.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("writing does not panic");
    result(output)
}

/// Runs a prepared command to its end.
///
/// # Panics
/// If it does not start.
pub fn finish(command: &mut Command) -> Run {
    result(command.output().expect("the program starts"))
}

fn result(output: std::process::Output) -> Run {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("internal error"), "{stderr}");
    Run {
        code: output.status.code(),
        stdout: output.stdout,
        stderr,
    }
}

/// A new empty directory that goes with its handle.
///
/// # Panics
/// If there can be none.
#[must_use]
pub fn workplace() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// The names of the files in a directory, sorted.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn listing(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("the directory is readable");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// A file of this package.
#[must_use]
pub fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Encodes a sample photo with the embedded model to `a.flxt`, of 1024 bytes, in `directory`; gives its bytes.
///
/// # Panics
/// If that fails.
#[track_caller]
pub fn encode(directory: &Path, name: &str) -> Vec<u8> {
    let photo = photo(name);
    run(directory, ["encode", arg(&photo), "-o", "a.flxt"]).ok();
    read(directory, "a.flxt")
}

/// Encodes a sample photo with a FlexTok model to `a.flxt`, of 256 tokens, in `directory`; gives its bytes.
///
/// # Panics
/// If that fails.
#[track_caller]
pub fn encode_ids(directory: &Path, name: &str) -> Vec<u8> {
    let photo = photo(name);
    run_ids(directory, ["encode", arg(&photo), "-o", "a.flxt"]).ok();
    read(directory, "a.flxt")
}

/// Runs the program as [`run`] does, with a FlexTok model.
///
/// # Panics
/// If it does not start.
pub fn run_ids<S: AsRef<OsStr>>(directory: &Path, args: impl IntoIterator<Item = S>) -> Run {
    finish(command(directory, args).arg("--model").arg(nano()))
}

/// The bytes of a file in `directory`.
///
/// # Panics
/// If it cannot be read.
#[must_use]
#[track_caller]
pub fn read(directory: &Path, name: &str) -> Vec<u8> {
    std::fs::read(directory.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Puts a file into `directory`.
///
/// # Panics
/// If that fails.
#[track_caller]
pub fn write(directory: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    std::fs::write(directory.join(name), bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// The bytes of a file among the specification's vectors.
///
/// # Panics
/// If there is none of this name.
#[must_use]
pub fn vector(name: &str) -> Vec<u8> {
    let of = |kind: &str| data(&format!("../format-spec/vectors/{kind}/{name}.flxt"));
    let bytes = std::fs::read(of("valid")).or_else(|_| std::fs::read(of("invalid")));
    bytes.expect("a vector's name")
}

/// The sample photos with their sizes.
pub const PHOTOS: [(&str, u32, u32); 4] = [
    ("chelsea.png", 451, 300),
    ("coffee.png", 600, 400),
    ("astronaut.png", 512, 512),
    ("seeding.jpg", 1600, 900),
];

/// A sample photo.
#[must_use]
pub fn photo(name: &str) -> PathBuf {
    data("photos").join(name)
}

/// An image file of the library's own tests.
#[must_use]
pub fn picture(name: &str) -> PathBuf {
    data("../codec/tests/data/picture").join(name)
}

/// A small random checkpoint in the published layout.
#[must_use]
pub fn tiny() -> PathBuf {
    data("data/tiny/model.safetensors")
}

/// A small FlexTok model in the native form, whose photos are recognisable.
#[must_use]
pub fn nano() -> PathBuf {
    data("data/nano.safetensors")
}

/// A path as a program argument.
///
/// # Panics
/// If it is not Unicode.
#[must_use]
pub fn arg(path: &Path) -> &str {
    path.to_str().expect("the path is Unicode")
}
