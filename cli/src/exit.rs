//! How the program fails: one line on standard error and a documented exit code.

use std::process::ExitCode;

use flextok::metrics::{CompareError, FrechetError};
use flextok::npy::NpyError;
use flextok::picture::PictureError;
use flextok::{Error, ErrorKind, LimitKind};

use crate::archive::ArchiveError;
use crate::eval::RivalError;
use crate::tokenset::{RowError, SetError};
use crate::{interrupt, output};

/// The exit codes; `--help` explains them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Code {
    Usage = 2,
    Corrupt = 3,
    Model = 4,
    Limit = 5,
    Image = 6,
    Io = 7,
    Device = 8,
    Internal = 70,
    Interrupted = 130,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

impl From<ErrorKind> for Code {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Usage => Self::Usage,
            ErrorKind::Corrupt | ErrorKind::Unsupported => Self::Corrupt,
            ErrorKind::Model => Self::Model,
            ErrorKind::Limit => Self::Limit,
            ErrorKind::Image => Self::Image,
            ErrorKind::Io | ErrorKind::Resources => Self::Io,
            ErrorKind::Device => Self::Device,
            ErrorKind::Cancelled => Self::Interrupted,
            _ => Self::Internal,
        }
    }
}

/// An error, with the name of the file or option that it concerns.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// A request that cannot be fulfilled, whatever the files hold.
    #[error("{subject}: {problem}")]
    Usage { subject: String, problem: String },
    /// The library returned an error.
    #[error("{name}: {source}{}", .source.limit().map_or("", hint))]
    Codec { name: String, source: Box<Error> },
    /// An input other than an image exceeds the size limit of images.
    #[error(
        "{name}: the input exceeds the limit of {max} bytes{}",
        hint(LimitKind::ImageBytes)
    )]
    TooManyBytes { name: String, max: u64 },
    /// Reading failed.
    #[error("{name}: cannot read: {source}")]
    Read {
        name: String,
        source: std::io::Error,
    },
    /// Writing failed.
    #[error("{name}: cannot write: {source}")]
    Write {
        name: String,
        source: std::io::Error,
    },
    /// The output already exists.
    #[error("{name}: already exists; use --force to overwrite it, or choose another name with -o")]
    Exists { name: String },
    /// The output cannot be a file.
    #[error("{name}: {problem}")]
    Output { name: String, problem: &'static str },
    /// A directory where a file is expected.
    #[error("{name}: is a directory; expected {needed}")]
    Directory {
        name: String,
        needed: &'static str,
        code: Code,
    },
    /// A truncated file where only complete ones are accepted.
    #[error("{name}: truncated: {present}; --complete accepts only complete files")]
    Truncated { name: String, present: String },
    /// Packets of which nothing can be joined.
    #[error("{name}: {problem}")]
    Packets { name: String, problem: String },
    /// A tar archive that cannot be read, or not to its end.
    #[error("{name}: {source}")]
    Archive { name: String, source: ArchiveError },
    /// A member of a collection that cannot be used, for a reason that is not the picture's.
    #[error("{name}: {problem}")]
    Member {
        name: String,
        problem: String,
        code: Code,
    },
    /// An array file that cannot be used.
    #[error("{name}: {source}")]
    Npy { name: String, source: NpyError },
    /// A file of tokens that gives no rows, or no more of them.
    #[error("{name}: {source}")]
    Set { name: String, source: SetError },
    /// A row of a file of tokens that cannot be used.
    #[error("{name}: {source}")]
    Row { name: String, source: RowError },
    /// Pictures that cannot be compared.
    #[error("{name}: {source}")]
    Compare { name: String, source: CompareError },
    /// Another codec's program failed on a picture.
    #[error("{name}: {source}")]
    Rival { name: String, source: RivalError },
    /// Arrays that are no sets of features to compare.
    #[error("{name}: {source}")]
    Frechet { name: String, source: FrechetError },
    /// The model's file cannot be opened.
    #[error("{name}: cannot open the model: {source}")]
    Model {
        name: String,
        source: flextok::compute::StorageError,
    },
    /// The server cannot start.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Start(#[from] flextok_server::StartError),
    /// The build embeds no model and none was given.
    #[cfg(not(feature = "embedded-model"))]
    #[error("no model: this build embeds none; give one with --model PATH")]
    NoModel,
}

impl CliError {
    /// A usage error about `subject`, an option or a file.
    pub(crate) fn usage(subject: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Usage {
            subject: subject.into(),
            problem: problem.into(),
        }
    }

    /// An error of the library that concerns `name`, which replaces the library's own mention of the file.
    pub(crate) fn codec(name: impl Into<String>, error: impl Into<Error>) -> Self {
        let name = name.into();
        match error.into() {
            Error::Picture(PictureError::Io { source, .. }) => Self::Read { name, source },
            error => Self::Codec {
                name,
                source: Box::new(error),
            },
        }
    }

    /// An error about the packets of `name`.
    pub(crate) fn packets(name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Packets {
            name: name.into(),
            problem: problem.into(),
        }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Codec { source, .. } => source.kind().into(),
            Self::Compare {
                source: CompareError::OutOfMemory { .. },
                ..
            }
            | Self::Frechet {
                source: FrechetError::OutOfMemory { .. },
                ..
            } => Code::Io,
            Self::Usage { .. } | Self::Npy { .. } | Self::Compare { .. } | Self::Frechet { .. } => {
                Code::Usage
            }
            Self::Set { source, .. } => match source {
                SetError::Io(_) | SetError::Index { .. } => Code::Io,
                SetError::Npy(_) | SetError::Kind => Code::Usage,
                SetError::Limit { .. } => Code::Limit,
                SetError::Lines { .. } | SetError::Parquet(_) => Code::Corrupt,
                SetError::Archive(error) => archive_code(error),
            },
            Self::Row { .. } => Code::Corrupt,
            Self::TooManyBytes { .. } => Code::Limit,
            Self::Directory { code, .. } | Self::Member { code, .. } => *code,
            Self::Archive { source, .. } => archive_code(source),
            Self::Truncated { .. } | Self::Packets { .. } => Code::Corrupt,
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Exists { .. }
            | Self::Output { .. }
            | Self::Rival { .. } => Code::Io,
            Self::Model { .. } => Code::Model,
            #[cfg(feature = "serve")]
            Self::Start(flextok_server::StartError::Model { .. }) => Code::Model,
            #[cfg(feature = "serve")]
            Self::Start(_) => Code::Io,
            #[cfg(not(feature = "embedded-model"))]
            Self::NoModel => Code::Model,
        }
    }

    /// Prints the line and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        report(&self.to_string());
        self.code().into()
    }
}

/// The option that raises a limit, where there is one. A new limit in the library does not
/// compile until it is added here.
fn hint(limit: LimitKind) -> &'static str {
    match limit {
        LimitKind::Pixels => "; raise it with --max-pixels if the input is trusted",
        LimitKind::ImageBytes => "; raise it with --max-input-bytes",
        LimitKind::ImageMemory => "; raise it with --max-memory",
        LimitKind::TileMemory => "; raise it with --max-tile-memory",
        LimitKind::CanvasPixels => "; raise it with --max-canvas-pixels if memory and time allow",
        LimitKind::PayloadBytes => "; raise it with --max-payload if the file is trusted",
        LimitKind::Steps => "; raise it with --max-steps",
        LimitKind::DeviceMemory => "; raise it with --max-device-memory",
        LimitKind::Side | LimitKind::Container | LimitKind::WeightsBytes => "",
    }
}

/// Prints `flextok: ` and the message on standard error, always as one line.
pub(crate) fn report(message: &str) {
    let line = format!("flextok: {}\n", crate::message::one_line(message));
    output::complain(&line);
}

/// Reports a panic as one line too, and removes temporary files; but for those of image decoders and of
/// readers of tables, which become errors.
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        if flextok::picture::is_decoding() {
            return;
        }
        interrupt::clean_up();
        let payload = info.payload();
        let what = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("unknown");
        let location = info
            .location()
            .map_or_else(String::new, |at| format!(" at {at}"));
        report(&format!(
            "internal error: {what}{location}; please report this bug"
        ));
        std::process::exit(Code::Internal as i32);
    }));
}

fn archive_code(error: &ArchiveError) -> Code {
    match error {
        ArchiveError::Io(_) => Code::Io,
        ArchiveError::Limit { .. } => Code::Limit,
        _ => Code::Corrupt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_documented_ones() {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        let picture = PictureError::Io {
            path: "a.png".into(),
            source: missing,
        };
        assert_eq!(CliError::codec("a.png", picture).code(), Code::Io);
        assert_eq!(
            CliError::codec("a.png", PictureError::Empty).code(),
            Code::Image
        );
        let damaged = flextok::container::TokenFile::parse(b"no").expect_err("not a file");
        assert_eq!(CliError::codec("a", damaged).code(), Code::Corrupt);
        assert_eq!(CliError::usage("--seed", "no").code() as u8, 2);
    }

    #[test]
    fn every_limit_that_an_option_raises_names_it() {
        use flextok::compute::ComputeError;
        let limit = |limit| Error::Limit {
            limit,
            actual: 2,
            allowed: 1,
        };
        let device_memory = ComputeError::DeviceMemoryLimit {
            device: "a GPU".to_owned(),
            what: "the weights".to_owned(),
            needed: 2,
            allowed: 1,
        };
        let image_memory = PictureError::TooMuchMemory { needed: 2, max: 1 };
        let batch = Error::InBatch {
            index: 0,
            error: Box::new(limit(LimitKind::CanvasPixels)),
        };
        for (error, code, option) in [
            (limit(LimitKind::Steps), Code::Limit, "--max-steps"),
            (
                limit(LimitKind::TileMemory),
                Code::Limit,
                "--max-tile-memory",
            ),
            (limit(LimitKind::Pixels), Code::Limit, "--max-pixels"),
            (batch, Code::Limit, "--max-canvas-pixels"),
            (
                PictureError::TooManyBytes { max: 1 }.into(),
                Code::Limit,
                "--max-input-bytes",
            ),
            (image_memory.into(), Code::Limit, "--max-memory"),
            (device_memory.into(), Code::Device, "--max-device-memory"),
        ] {
            let error = CliError::codec("a", error);
            assert_eq!(error.code(), code, "{error}");
            // The hint is what is tested here.
            let line = error.to_string();
            let words: Vec<&str> = line.split(' ').collect();
            assert!(words.contains(&option), "{line}");
        }
        let large = CliError::TooManyBytes {
            name: "a".to_owned(),
            max: 1,
        };
        assert_eq!(large.code(), Code::Limit);
    }
}
