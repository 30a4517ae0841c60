//! How the program fails: one line on standard error and a documented exit code.

use std::process::ExitCode;

use flextok::container;
use flextok::metrics::CompareError;
use flextok::npy::NpyError;
use flextok::picture::PictureError;
use flextok::{Error, ErrorKind};

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

/// What went wrong, with the name of the file or option it went wrong with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// A request that cannot be fulfilled, whatever the files hold.
    #[error("{subject}: {problem}")]
    Usage { subject: String, problem: String },
    /// The library refused.
    #[error("{name}: {source}{}", hint(.source))]
    Codec { name: String, source: Box<Error> },
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
    /// The output is there already.
    #[error("{name}: exists already; give --force to overwrite it, or another name with -o")]
    Exists { name: String },
    /// The output cannot be a file.
    #[error("{name}: {problem}")]
    Output { name: String, problem: &'static str },
    /// A directory where a file is needed.
    #[error("{name}: is a directory; {needed} is needed")]
    Directory {
        name: String,
        needed: &'static str,
        code: Code,
    },
    /// A truncated file where a complete one was asked for.
    #[error("{name}: truncated: {have} of {total} tokens; --complete asks for whole files")]
    Truncated { name: String, have: u64, total: u64 },
    /// An array file that cannot be used.
    #[error("{name}: {source}")]
    Npy { name: String, source: NpyError },
    /// Pictures that cannot be compared.
    #[error("{name}: {source}")]
    Compare { name: String, source: CompareError },
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
    /// The build has no model and none was given.
    #[cfg(not(feature = "embedded-model"))]
    #[error("no model: this program was built without one; give one with --model PATH")]
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

    /// An error of the library that concerns `name`; the library's own mention of the file goes.
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

    /// The exit code.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Codec { source, .. } => source.kind().into(),
            Self::Compare {
                source: CompareError::OutOfMemory { .. },
                ..
            } => Code::Io,
            Self::Usage { .. } | Self::Npy { .. } | Self::Compare { .. } => Code::Usage,
            Self::Directory { code, .. } => *code,
            Self::Truncated { .. } => Code::Corrupt,
            Self::Read { .. } | Self::Write { .. } | Self::Exists { .. } | Self::Output { .. } => {
                Code::Io
            }
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

    /// [`CliError::codec`] for an error of the container.
    pub(crate) fn container(name: impl Into<String>, error: container::Error) -> Self {
        Self::codec(name, error)
    }
}

/// The option that raises an exceeded limit, where there is one.
fn hint(error: &Error) -> &'static str {
    match error {
        Error::Limit {
            what: "picture pixels",
            ..
        }
        | Error::Picture(PictureError::TooManyPixels { .. }) => {
            "; raise it with --max-pixels if the input is trusted"
        }
        Error::Limit {
            what: "canvas pixels",
            ..
        } => "; raise it with --max-canvas-pixels if memory and time allow",
        Error::Limit { what: "steps", .. } => "; raise it with --max-steps",
        Error::Picture(PictureError::TooManyBytes { .. }) => "; raise it with --max-input-bytes",
        Error::Picture(PictureError::TooMuchMemory { .. }) => "; raise it with --max-memory",
        _ => "",
    }
}

/// Prints `flextok: ` and the message on standard error, whatever it holds as one line.
pub(crate) fn report(message: &str) {
    let line = format!("flextok: {}\n", flextok::one_line(message));
    output::complain(&line);
}

/// A defect of the program is one line too, and leaves no temporary file.
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        interrupt::clean_up();
        let payload = info.payload();
        let what = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("unknown");
        let place = info
            .location()
            .map_or_else(String::new, |at| format!(" at {at}"));
        report(&format!(
            "internal error: {what}{place}; please report this as a defect"
        ));
        std::process::exit(Code::Internal as i32);
    }));
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
        let damaged = container::TokenFile::parse(b"no").expect_err("not a file");
        assert_eq!(CliError::container("a", damaged).code(), Code::Corrupt);
        let large = Error::Limit {
            what: "steps",
            actual: 2,
            allowed: 1,
        };
        let error = CliError::codec("a", large);
        assert_eq!(error.code(), Code::Limit);
        assert!(
            error.to_string().ends_with("raise it with --max-steps"),
            "{error}"
        );
        assert_eq!(CliError::usage("--seed", "no").code() as u8, 2);
    }
}
