//! Why a server cannot start, and why a request is refused.

use std::io;
use std::path::PathBuf;

use hyper::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use crate::body::{Body, full};

/// Why a [`Server`](crate::Server) could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The directory with the files cannot be opened.
    #[error("{}: cannot serve this directory: {source}", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The directory with the page cannot be opened.
    #[error("{}: cannot serve the page of this directory: {source}", .path.display())]
    Page {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The model's file cannot be opened.
    #[error("{}: cannot open the model: {source}", .path.display())]
    Model {
        /// The file, or the directory that it was looked for in.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("{address}: cannot listen: {source}")]
    Listen {
        /// Host and port as they were given.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The system does not give the threads that answer requests.
    #[error(
        "cannot start {threads} threads that answer requests: {source}; ask for fewer, or allow more memory or processes"
    )]
    Threads {
        /// Threads that answer requests.
        threads: usize,
        /// What the system says.
        source: io::Error,
    },
    /// The system does not give the thread that writes the log.
    #[error(
        "cannot start the thread that writes the log: {source}; allow more memory or processes"
    )]
    Log {
        /// What the system says.
        source: io::Error,
    },
}

/// A query that no cut can satisfy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueryError {
    /// The value of an option is not a whole number of at least 1.
    #[error("{option} must be a whole number; allowed: {option}=1 and above")]
    NotACount { option: &'static str },
    /// More than one size.
    #[error("the query sets the size twice; allowed: tokens=K or bytes=N, once")]
    Twice,
    /// No file of this picture is so small.
    #[error(
        "bytes={bytes} is too small: no file of this picture fits; allowed: bytes={minimum} and above"
    )]
    TooFewBytes { bytes: u64, minimum: u64 },
    /// Tokens of a file that has none.
    #[error(
        "tokens={tokens} does not apply: this file is coded in bytes and has no tokens; use bytes=N"
    )]
    NoTokens { tokens: u32 },
}

/// Why a request is not answered with what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no such file, or none that is served; the answer does not say which.
    NotFound,
    /// The query asks for something impossible.
    Query(QueryError),
    /// The stored file cannot be used; the text says why.
    Fault(String),
    /// No `Host`, several, or one that is malformed.
    Host,
    /// A method other than these.
    Method(&'static str),
    /// A request with a body.
    Body,
    /// Out of the memory set aside for large files.
    Busy,
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl Refusal {
    /// The status and the one line that the answer has.
    fn parts(&self) -> (StatusCode, String) {
        let text = |text: &str| text.to_owned();
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, text("no such file")),
            Self::Query(problem) => (StatusCode::BAD_REQUEST, problem.to_string()),
            Self::Host => {
                let line =
                    "the request needs exactly one Host header with a host and an optional port";
                (StatusCode::BAD_REQUEST, text(line))
            }
            Self::Fault(problem) => (StatusCode::INTERNAL_SERVER_ERROR, problem.clone()),
            Self::Method(allowed) => {
                let line = format!("method not allowed here; allowed: {allowed}");
                (StatusCode::METHOD_NOT_ALLOWED, line)
            }
            Self::Body => {
                let line = "requests with a body are not accepted; send none";
                (StatusCode::PAYLOAD_TOO_LARGE, text(line))
            }
            Self::Busy => {
                let line = "too many large files are being sent; try again";
                (StatusCode::SERVICE_UNAVAILABLE, text(line))
            }
        }
    }

    pub(crate) fn response(&self) -> Response<Body> {
        let (status, mut line) = self.parts();
        line = line.replace(char::is_control, " ");
        line.push('\n');
        let mut response = Response::new(full(line));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(CONTENT_TYPE, plain);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        match self {
            Self::Method(allowed) => {
                headers.insert(ALLOW, HeaderValue::from_static(allowed));
            }
            Self::Body => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Busy => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::NotFound | Self::Query(_) | Self::Host | Self::Fault(_) => {}
        }
        response
    }
}
