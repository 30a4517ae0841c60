//! A server in this process, a directory for it, and a client that sends bytes as they are.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flextok_container::{
    CanvasGrid, Coded, CodedCanvas, Fingerprint, Header, Ids, KeepMetadata, Metadata, Size,
    TablesName, TokenFile,
};
use flextok_server::{Options, Server};
use tokio::sync::oneshot;

/// No test waits longer for something that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running server; dropping it shuts it down and waits for the end.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) log: Lines,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a log was given.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().expect("no panic").clone();
        String::from_utf8(bytes).expect("the log is text")
    }

    /// Waits for a line with `part` in it.
    pub(crate) fn wait(&self, part: &str) -> String {
        let start = Instant::now();
        loop {
            let text = self.text();
            if let Some(line) = text.lines().find(|line| line.contains(part)) {
                return line.to_owned();
            }
            assert!(start.elapsed() < PATIENCE, "no {part:?} in {text:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Starts a server of `directory`.
pub(crate) fn serve(directory: &Path, options: Options) -> Running {
    let directory = directory.to_owned();
    let (started, address) = std::sync::mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let log = Lines::default();
    let lines = log.clone();
    let thread = std::thread::spawn(move || {
        let runtime = flextok_server::runtime(2).expect("a runtime");
        runtime.block_on(async {
            let server = Server::bind(&directory, ("127.0.0.1", 0), options).await;
            let server = server.and_then(|server| server.with_log(Box::new(lines)));
            let server = server.expect("it starts");
            started.send(server.local_addr()).expect("somebody waits");
            server
                .run(async {
                    let _ = stopped.await;
                })
                .await;
        });
    });
    Running {
        address: address.recv().expect("it starts"),
        log,
        stop: Some(stop),
        thread: Some(thread),
    }
}

impl Running {
    /// Asks for the end.
    pub(crate) fn stop(&mut self) {
        self.stop = None;
    }

    /// Waits for the end.
    pub(crate) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }

    /// One request on a connection of its own.
    pub(crate) fn get(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask("GET", target, fields)
    }

    pub(crate) fn ask(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        let mut client = self.connect();
        client.send(method, target, fields);
        client.answer(method)
    }

    pub(crate) fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).expect("it accepts"))
    }

    /// Sends bytes on a connection of their own and gives what comes back until the end.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().stream.into_inner();
        // A server that has seen enough may close.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        if !std::thread::panicking() {
            self.join();
        }
    }
}

/// An answer, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The status, and that the answer is one line of text with this in it.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, mention: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "text/plain; charset=utf-8");
        let text = self.text();
        assert!(
            text.ends_with('\n') && text.lines().count() == 1,
            "{text:?}"
        );
        assert!(text.contains(mention), "{text:?}");
    }
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) fn send(&mut self, method: &str, target: &str, fields: &[(&str, &str)]) {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in fields {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(request.as_bytes()).expect("it is sent");
    }

    pub(crate) fn answer(&mut self, method: &str) -> Answer {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("an answer");
        let status = line
            .split(' ')
            .nth(1)
            .unwrap_or_else(|| panic!("no status in {line:?}"));
        let status = status.parse().expect("a status");
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("a header");
            let line = line.strip_suffix("\r\n").expect("a line");
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").expect("a field");
            let before = headers.insert(name.to_ascii_lowercase(), value.to_owned());
            assert_eq!(before, None, "{name} is there twice");
        }
        let bodiless = method == "HEAD" || status == 304 || status == 204;
        let length = match headers.get("content-length") {
            _ if bodiless => 0,
            Some(length) => length.parse().expect("a length"),
            None => panic!("no length in {headers:?}"),
        };
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("the body");
        Answer {
            status,
            headers,
            body,
        }
    }

    /// Whether the other side ends the connection without another byte, within the patience of all tests.
    pub(crate) fn ends(&mut self) -> bool {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

const SIZE: Size = Size {
    width: 640,
    height: 480,
};

/// The bytes of a picture with so many tokens.
pub(crate) fn file(tokens: u32) -> Vec<u8> {
    let header = Header::ids(SIZE, Ids::new(Fingerprint([1, 2, 3, 4]), tokens, 64_000));
    let ids: Vec<u16> = (0..tokens).map(|at| (at * 37 + 5) as u16).collect();
    let file = TokenFile::of_ids(header.expect("a header"), &ids, Metadata::default());
    file.and_then(|file| file.to_bytes()).expect("a file")
}

/// The bytes of a picture with so many bytes of coded payload.
pub(crate) fn coded(bytes: u64) -> Vec<u8> {
    let coded = Coded {
        tables: TablesName::BUILTIN,
        canvas: CodedCanvas::Own,
        bytes,
    };
    let header = Header::coded(SIZE, coded).expect("a header");
    let payload = (0..bytes).map(|at| (at * 37 % 251) as u8).collect();
    let file = TokenFile::new(header, payload, Metadata::default());
    file.and_then(|file| file.to_bytes()).expect("a file")
}

/// The bytes of a picture with a grid of canvases, too long to be held while it is sent.
pub(crate) fn large() -> Vec<u8> {
    let size = Size {
        width: 64_000,
        height: 48_000,
    };
    let mut ids = Ids::new(Fingerprint([1, 2, 3, 4]), 256, 64_000);
    ids.grid = CanvasGrid {
        columns: 20,
        rows: 20,
    };
    let header = Header::ids(size, ids).expect("a header");
    let ids: Vec<u16> = (0..ids.total_tokens())
        .map(|at| (at * 37 % 64_000) as u16)
        .collect();
    let file = TokenFile::of_ids(header, &ids, Metadata::default());
    file.and_then(|file| file.to_bytes()).expect("a file")
}

/// What a cut to so many tokens has to be, made by the container alone.
pub(crate) fn cut(bytes: &[u8], tokens: u32) -> Vec<u8> {
    let file = TokenFile::parse(bytes).expect("a file");
    let cut = file.cut_layers(tokens, KeepMetadata::No);
    cut.and_then(|cut| cut.to_bytes()).expect("it can be cut")
}

/// What a cut to so many bytes has to be, made by the container alone.
pub(crate) fn fit(bytes: &[u8], budget: u64) -> Vec<u8> {
    let file = TokenFile::parse(bytes).expect("a file");
    let cut = file.fit(budget, KeepMetadata::No);
    cut.and_then(|cut| cut.to_bytes()).expect("it can be cut")
}

/// A directory with `a.flxt` of 256 tokens.
pub(crate) fn directory() -> (tempfile::TempDir, Vec<u8>) {
    let directory = tempfile::tempdir().expect("a directory");
    let bytes = file(256);
    std::fs::write(directory.path().join("a.flxt"), &bytes).expect("it is written");
    (directory, bytes)
}

/// A folder of a page that has only its first file.
pub(crate) fn page() -> tempfile::TempDir {
    let page = tempfile::tempdir().expect("a directory");
    let index = page.path().join("index.html");
    std::fs::write(index, "<!doctype html>").expect("it is written");
    page
}

/// Gives a file a time long past, so that its date tells versions apart.
pub(crate) fn settle(path: &Path) {
    let then = std::time::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let file = std::fs::File::options().write(true).open(path);
    file.and_then(|file| file.set_modified(then))
        .expect("its time is set");
}

/// The time that [`settle`] sets.
pub(crate) const SETTLED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
