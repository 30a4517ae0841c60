//! What a function returns: whether it succeeded, or what a caller can do about it.

use std::ffi::c_char;

use flextok::{Error, ErrorKind};

/// What became of a call. Numbers 2 to 8 are the exit codes of the program `flextok`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All went well.
    Ok = 0,
    /// The push decoder has nothing to show yet: feed it more bytes.
    NeedMore = 1,
    /// An argument is impossible: change the call.
    Usage = 2,
    /// The file is not one of flextok's, or damaged: get it again.
    Corrupt = 3,
    /// The model is missing, unusable, or not the one that made the file: set another.
    Model = 4,
    /// A limit was exceeded: raise it if the input is trusted.
    Limit = 5,
    /// The file needs a newer version of this library.
    Unsupported = 6,
    /// The operating system refused.
    Io = 7,
    /// A GPU is missing or fails.
    Device = 8,
    /// There is not enough memory, or no more threads.
    Resources = 9,
    /// The progress callback asked to stop.
    Cancelled = 10,
    /// A defect of this library.
    Internal = 70,
}

impl From<ErrorKind> for Status {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Usage => Self::Usage,
            ErrorKind::Corrupt => Self::Corrupt,
            ErrorKind::Unsupported => Self::Unsupported,
            ErrorKind::Model => Self::Model,
            ErrorKind::Limit => Self::Limit,
            ErrorKind::Io => Self::Io,
            ErrorKind::Device => Self::Device,
            ErrorKind::Resources => Self::Resources,
            ErrorKind::Cancelled => Self::Cancelled,
            _ => Self::Internal,
        }
    }
}

/// A status and a line about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) message: String,
}

/// What an operation returns inside of this crate.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            status: Status::Usage,
            message: message.into(),
        }
    }

    pub(crate) fn memory(bytes: usize) -> Self {
        Self {
            status: Status::Resources,
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

/// What a status means, in a few words: a text that always exists.
#[unsafe(no_mangle)]
pub extern "C" fn flextok_status_text(status: i32) -> *const c_char {
    const TEXTS: [(Status, &std::ffi::CStr); 12] = [
        (Status::Ok, c"ok"),
        (Status::NeedMore, c"more bytes are needed"),
        (Status::Usage, c"impossible argument"),
        (Status::Corrupt, c"corrupt file"),
        (Status::Model, c"unusable or wrong model"),
        (Status::Limit, c"limit exceeded"),
        (Status::Unsupported, c"file of a newer version"),
        (Status::Io, c"input or output failed"),
        (Status::Device, c"no usable device"),
        (Status::Resources, c"out of memory or threads"),
        (Status::Cancelled, c"cancelled"),
        (Status::Internal, c"defect of the library"),
    ];
    let found = TEXTS.iter().find(|(known, _)| *known as i32 == status);
    found.map_or(c"unknown status", |(_, text)| *text).as_ptr()
}
