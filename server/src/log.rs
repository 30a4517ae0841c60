//! The access log: one line for each request, in the combined format.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use hyper::header::{HeaderName, REFERER, USER_AGENT};
use hyper::{HeaderMap, Request, StatusCode};

/// Lines that may wait for a slow disk; what comes on top is counted and dropped.
const WAITING: usize = 1 << 16;

/// Bytes of one field of a request that are written.
const MAX_FIELD: usize = 2048;

/// Where lines go. Clones write to the same log; writing does not block.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Option<Arc<Channel>>);

#[derive(Debug)]
struct Channel {
    lines: SyncSender<String>,
    dropped: AtomicU64,
}

/// The thread that writes. It ends, with all written, when the last clone of its log is gone.
#[derive(Debug)]
pub(crate) struct Writing(JoinHandle<()>);

impl Log {
    /// A log into `writer`; an error if there is no thread for it.
    pub(crate) fn new(writer: Box<dyn Write + Send>) -> io::Result<(Self, Writing)> {
        let (lines, received) = sync_channel(WAITING);
        let dropped = AtomicU64::new(0);
        let thread = thread::Builder::new().spawn(move || write_all(&received, writer))?;
        let channel = Arc::new(Channel { lines, dropped });
        Ok((Self(Some(channel)), Writing(thread)))
    }

    fn line(&self, line: String) {
        let Some(channel) = &self.0 else { return };
        if let Err(TrySendError::Full(_)) = channel.lines.try_send(line) {
            channel.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            let dropped = channel.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                let note = format!("# {dropped} lines are missing: the log was too slow\n");
                let _ = channel.lines.try_send(note);
            }
        }
    }

    /// Logs a request that could not be parsed.
    pub(crate) fn failed(&self, peer: SocketAddr, status: u16) {
        if self.0.is_some() {
            let date = date(SystemTime::now());
            let peer = peer.ip();
            self.line(format!(
                "{peer} - - [{date}] \"-\" {status} 0 \"-\" \"-\"\n"
            ));
        }
    }

    /// Collects the request's part of the line; `None` if nothing is logged.
    pub(crate) fn request<B>(&self, peer: SocketAddr, request: &Request<B>) -> Option<Pending> {
        self.0.as_ref()?;
        let mut line = String::new();
        let headers = request.headers();
        let target = request.uri().to_string();
        escape(&mut line, request.method().as_str().as_bytes());
        line.push(' ');
        escape(&mut line, target.as_bytes());
        let _ = write!(line, " {:?}", request.version());
        let mut agent = String::new();
        for name in [REFERER, USER_AGENT] {
            agent.push_str(" \"");
            field(&mut agent, headers, &name);
            agent.push('"');
        }
        Some(Pending {
            log: self.clone(),
            start: format!("{} - - [{}] \"{line}\"", peer.ip(), date(SystemTime::now())),
            agent,
            status: StatusCode::OK,
            sent: 0,
        })
    }
}

impl Writing {
    /// Waits until all is written. Blocks.
    pub(crate) fn join(self) {
        let _ = self.0.join();
    }
}

fn write_all(lines: &Receiver<String>, mut writer: Box<dyn Write + Send>) {
    while let Ok(mut text) = lines.recv() {
        // What has gathered goes in one write.
        while text.len() < 64 << 10
            && let Ok(more) = lines.try_recv()
        {
            text.push_str(&more);
        }
        // A full disk must not end the service.
        let _ = writer.write_all(text.as_bytes());
        let _ = writer.flush();
    }
}

/// A request whose line is written when its answer is sent, or given up: when this is dropped.
#[derive(Debug)]
pub(crate) struct Pending {
    log: Log,
    start: String,
    agent: String,
    status: StatusCode,
    sent: u64,
}

impl Pending {
    pub(crate) fn set_status(&mut self, status: StatusCode) {
        self.status = status;
    }

    /// Counts bytes of the answer's body.
    pub(crate) fn add_sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let (start, status, sent) = (&self.start, self.status.as_u16(), self.sent);
        let agent = &self.agent;
        self.log.line(format!("{start} {status} {sent}{agent}\n"));
    }
}

fn field(line: &mut String, headers: &HeaderMap, name: &HeaderName) {
    match headers.get(name) {
        Some(value) => escape(line, value.as_bytes()),
        None => line.push('-'),
    }
}

/// Text of a stranger: nothing in it can end the field or the line, or move a terminal's cursor.
fn escape(line: &mut String, bytes: &[u8]) {
    for &byte in bytes.iter().take(MAX_FIELD) {
        match byte {
            b'"' | b'\\' => {
                line.push('\\');
                line.push(char::from(byte));
            }
            b' '..=b'~' => line.push(char::from(byte)),
            _ => {
                let _ = write!(line, "\\x{byte:02x}");
            }
        }
    }
    if bytes.len() > MAX_FIELD {
        line.push_str("...");
    }
}

/// `10/Oct/2000:13:55:36 +0000`.
fn date(time: SystemTime) -> String {
    let text = httpdate::fmt_http_date(time);
    let mut words = text.split(' ').skip(1);
    let mut word = || words.next().unwrap_or_default();
    let (day, month, year, clock) = (word(), word(), word(), word());
    format!("{day}/{month}/{year}:{clock} +0000")
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::task::Context;
    use std::time::{Duration, UNIX_EPOCH};

    use http_body_util::BodyExt;
    use hyper::body::Body as _;

    use super::*;
    use crate::body::full;

    #[test]
    fn nothing_of_a_stranger_ends_a_line() {
        let mut line = String::new();
        escape(&mut line, b"a\"b\\c\r\n\x1b[2J\xc3\xa4\x7f ");
        assert_eq!(line, r#"a\"b\\c\x0d\x0a\x1b[2J\xc3\xa4\x7f "#);
        line.clear();
        escape(&mut line, &[b'a'; 5000]);
        assert_eq!(line.len(), MAX_FIELD + 3);
    }

    #[test]
    fn dates() {
        let time = UNIX_EPOCH + Duration::from_secs(971_186_136);
        assert_eq!(date(time), "10/Oct/2000:13:55:36 +0000");
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_written_when_the_body_is_gone() {
        let shared = Shared::default();
        let (log, writing) = Log::new(Box::new(shared.clone())).expect("a thread");
        let peer = "127.0.0.1:5".parse().expect("an address");
        let request = Request::get("/a.flxt?tokens=1").header(USER_AGENT, "x\"y");
        let pending = log.request(peer, &request.body(()).expect("a request"));
        let mut pending = pending.expect("it is logged");
        pending.set_status(StatusCode::PARTIAL_CONTENT);
        let mut body = full("12345").inspect_frame(move |frame| {
            pending.add_sent(frame.data_ref().map_or(0, bytes::Bytes::len));
        });
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut body).poll_frame(&mut context).is_ready());
        assert!(shared.0.lock().expect("no panic").is_empty());
        drop(body);
        log.failed(peer, 400);
        drop(log);
        writing.join();
        let text = String::from_utf8(shared.0.lock().expect("no panic").clone());
        let text = text.expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].starts_with("127.0.0.1 - - ["), "{text}");
        let end = "\"GET /a.flxt?tokens=1 HTTP/1.1\" 206 5 \"-\" \"x\\\"y\"";
        assert!(lines[0].ends_with(end), "{text}");
        assert!(lines[1].ends_with("\"-\" 400 0 \"-\" \"-\""), "{text}");
    }
}
