//! The options of a server.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use flextok_container::Limits;

/// How a [`Server`](crate::Server) behaves; the defaults suit a small public one.
///
/// ```
/// use std::time::Duration;
/// use flextok_server::Options;
///
/// let mut options = Options::default();
/// options.rate = std::num::NonZeroU64::new(100); // bytes per second, to watch a picture arrive
/// options.grace = Duration::from_secs(1);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Directory with the page's files, `index.html` among them, in place of those that were embedded
    /// when the crate was built. Read anew for each request.
    pub page: Option<PathBuf>,
    /// Weights file that the page gets as `/model.safetensors`, or a directory with one of that name;
    /// `None` is the page's own, else the embedded one. Opened anew for each request.
    pub model: Option<PathBuf>,
    /// Bytes per second of `.flxt` content on each connection, evenly in small pieces; `None` is as
    /// fast as can be. Other answers, such as the page and the model, are not slowed down.
    pub rate: Option<NonZeroU64>,
    /// Whether client hints (`Save-Data`, `ECT`, `Downlink`) choose how much of a file is sent when
    /// the request does not say so itself.
    pub adapt: bool,
    /// What stored files may ask for; larger ones are not served.
    pub limits: Limits,
    /// Connections at a time. For more, those go that have waited longest for a request, whole or half;
    /// while all are being answered, more wait. Default 4096.
    pub connections: usize,
    /// Time for a request's header to arrive whole, counted from the start of the connection or the
    /// end of the answer before, so that it bounds idle connections too. Default 20 s.
    pub header_timeout: Duration,
    /// Time that a client may take no byte of an answer. Default 30 s.
    pub write_timeout: Duration,
    /// Bytes per second of an answer that a client has to take on average; one that stays below is let
    /// go when it has fallen behind by [`write_timeout`](Self::write_timeout). What the system's
    /// buffers hold, a few dozen kilobytes at least, is taken at once. At most half of
    /// [`rate`](Self::rate) counts; 0 is no bound. Default 2048.
    pub slowest: u64,
    /// Time for running answers to end after shutdown began. Default 5 s.
    pub grace: Duration,
    /// Bytes of memory for cutting and sending large files, all requests together; a request beyond
    /// it is answered 503. Files of up to 64 KiB do not count. Default 256 MiB.
    pub memory: usize,
    /// Files that the index lists at most. Default 10 000.
    pub listed: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            page: None,
            model: None,
            rate: None,
            adapt: true,
            limits: Limits::default(),
            connections: 4096,
            header_timeout: Duration::from_secs(20),
            write_timeout: Duration::from_secs(30),
            slowest: 2048,
            grace: Duration::from_secs(5),
            memory: 256 << 20,
            listed: 10_000,
        }
    }
}
