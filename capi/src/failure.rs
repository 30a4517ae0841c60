//! A status with a line about it, which the handle keeps.

use flextok::{Error, ErrorKind};

use crate::shape::Unfit;
use crate::status::Status;

impl From<ErrorKind> for Status {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Usage => Self::USAGE,
            ErrorKind::Corrupt => Self::CORRUPT,
            ErrorKind::Unsupported => Self::UNSUPPORTED,
            ErrorKind::Model => Self::MODEL,
            ErrorKind::Limit => Self::LIMIT,
            ErrorKind::Io => Self::IO,
            ErrorKind::Device => Self::DEVICE,
            ErrorKind::Resources => Self::RESOURCES,
            ErrorKind::Cancelled => Self::CANCELLED,
            _ => Self::INTERNAL,
        }
    }
}

/// A status and a line about it.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) message: String,
}

/// What an operation returns inside of this crate.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            status: Status::USAGE,
            message: message.into(),
        }
    }

    pub(crate) fn memory(bytes: usize) -> Self {
        Self {
            status: Status::RESOURCES,
            message: format!("no memory for {bytes} bytes"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            status: error.kind().into(),
            message: error.to_string(),
        }
    }
}

impl From<Unfit> for Failure {
    fn from(unfit: Unfit) -> Self {
        Self::usage(unfit.to_string())
    }
}
