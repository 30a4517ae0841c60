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
    /// Directory with the page's files, including `index.html`, instead of the embedded ones. Read anew for each
    /// request.
    pub page: Option<PathBuf>,
    /// Weights file of the page's model, served as `/tables.safetensors` whatever it has beside tables, or a directory that
    /// contains it as `model.safetensors`. `None`: the files in the page's directory, or else the embedded model. Opened
    /// anew for each request.
    pub model: Option<PathBuf>,
    /// Bytes per second of `.flxt` content on each connection, sent evenly in small pieces; `None`: unlimited. Other
    /// responses, such as the page and the model, are not throttled.
    pub rate: Option<NonZeroU64>,
    /// Whether client hints (`Save-Data`, `ECT`, `Downlink`) select a cut when the request does not.
    pub adapt: bool,
    /// Limits on stored files; files beyond them are not served.
    pub limits: Limits,
    /// Concurrent connections. When all are taken, a new connection replaces the one that has been without a complete
    /// request for longest; while all are being answered, it waits. Default 4096.
    pub connections: usize,
    /// Time for a complete request header to arrive, counted from the start of the connection or the end of the
    /// previous response, so that it bounds idle connections too. Default 20 s.
    pub header_timeout: Duration,
    /// Time for which a client may read no byte of a response. Default 30 s.
    pub write_timeout: Duration,
    /// Bytes per second of a response that a client has to read on average; it is disconnected once it has fallen
    /// behind by [`write_timeout`](Self::write_timeout). Bytes in the system's buffers, at least a few dozen
    /// kilobytes, count as read. At most half of [`rate`](Self::rate) is required; 0 disables the check. Default
    /// 2048.
    pub slowest: u64,
    /// Time for responses in progress to complete after shutdown begins. Default 5 s.
    pub grace: Duration,
    /// Bytes of memory for cutting and sending large files, for all requests together; a request beyond it is
    /// answered with 503. Files of up to 64 KiB do not count. Default 256 MiB.
    pub memory: usize,
    /// Largest number of files that the index lists. Default 10 000.
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
