//! The server as a program: what it says, what it answers, how it ends.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::Duration;

use flextok::container::TokenFile;
use flextok_tests::{arg, command, encode, program, run, workplace, write};

/// The program, serving.
struct Serving {
    child: Child,
    stderr: BufReader<ChildStderr>,
    address: SocketAddr,
}

impl Serving {
    /// Starts it and waits until it listens, as it says on standard error.
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a line");
        let address = line.strip_prefix("flextok: listening on http://");
        let address = address.and_then(|rest| rest.strip_suffix("/\n"));
        let address = address.and_then(|address| address.parse().ok());
        Self {
            child,
            stderr,
            address: address.unwrap_or_else(|| panic!("no address in {line:?}")),
        }
    }

    fn of(directory: &Path, more: &[&str]) -> Self {
        let args = ["serve", ".", "0"];
        Self::start(command(directory, args.iter().chain(more)))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it accepts");
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).expect("a timeout");
        stream
    }

    /// The header and the content of an answer.
    fn get(&self, target: &str, fields: &str) -> (String, Vec<u8>) {
        let mut stream = self.connect();
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: x\r\n{fields}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let body = answer.split_off(end.expect("a header") + 4);
        (String::from_utf8(answer).expect("text"), body)
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// How it ended, and what else it said.
    fn end(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).expect("text");
        (self.child.wait().expect("it ends"), rest)
    }
}

#[test]
fn files_cuts_and_the_log() {
    let place = workplace();
    let directory = place.path();
    let bytes = encode(directory, "chelsea.png");
    let server = Serving::of(directory, &[]);
    let (header, body) = server.get("/a.flxt", "");
    assert!(header.starts_with("HTTP/1.1 200 OK\r\n"), "{header}");
    assert!(
        header.contains("content-type: image/vnd.flextok\r\n"),
        "{header}"
    );
    assert_eq!(body, bytes);

    // What comes over a slow line is what `truncate` makes.
    let args = ["truncate", "a.flxt", "--bytes", "256", "-o", "b.flxt"];
    run(directory, args).ok();
    let cut = flextok_tests::read(directory, "b.flxt");
    let (header, _) = server.get("/a.flxt?tokens=16", "");
    assert!(header.starts_with("HTTP/1.1 400 "), "{header}");
    assert_eq!(server.get("/a.flxt", "ECT: 2g\r\n").1, cut);
    let (_, body) = server.get("/a.flxt?bytes=100", "");
    write(directory, "c.flxt", &body);
    run(directory, ["verify", "--complete", "--quiet", "c.flxt"]).ok();
    assert!(body.len() == 100 && TokenFile::parse(&body).is_ok());

    let (header, body) = server.get("/a.flxt", "Range: bytes=-5\r\n");
    assert!(header.starts_with("HTTP/1.1 206 "), "{header}");
    assert_eq!(body, bytes[bytes.len() - 5..]);
    let (header, _) = server.get("/..%2fetc/passwd", "");
    assert!(header.starts_with("HTTP/1.1 404 "), "{header}");
    let (_, index) = server.get("/index.json", "");
    let index: serde_json::Value = serde_json::from_slice(&index).expect("JSON");
    assert_eq!(index[0]["name"], "a.flxt");
    assert_eq!(
        (&index[0]["width"], &index[0]["height"]),
        (&451.into(), &300.into())
    );
    let (header, page) = server.get("/", "");
    assert!(
        header.contains("content-type: text/html; charset=utf-8\r\n"),
        "{header}"
    );
    assert!(page.starts_with(b"<!doctype html>"));

    server.signal("TERM");
    let (status, log) = server.end();
    assert_eq!(status.code(), Some(0), "{log}");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 8, "{log}");
    assert!(
        lines[0].contains("\"GET /a.flxt HTTP/1.1\" 200 1024 "),
        "{log}"
    );
    assert!(
        lines[5].contains("\"GET /..%2fetc/passwd HTTP/1.1\" 404 "),
        "{log}"
    );
}

#[test]
fn the_model_of_the_page_is_the_embedded_one() {
    let place = workplace();
    let directory = place.path();
    let server = Serving::of(directory, &["--quiet"]);
    for name in ["tables.safetensors", "decoder.safetensors"] {
        let (header, body) = server.get(&format!("/{name}"), "");
        assert!(header.starts_with("HTTP/1.1 200 OK\r\n"), "{header}");
        write(directory, name, &body);
    }
    let model = run(
        directory,
        ["model", "--json", "--model", "tables.safetensors"],
    )
    .ok();
    let embedded = run(directory, ["model", "--json"]).ok();
    assert_eq!(model.json()["model"], embedded.json()["model"]);
    let decoder = std::fs::metadata(directory.join("decoder.safetensors"));
    let decoder = decoder.expect("it was written").len();
    assert!(model.json()["bytes"].as_u64() < Some(decoder / 50));
    server.signal("TERM");
    let (status, log) = server.end();
    assert_eq!((status.code(), log.as_str()), (Some(0), ""));
}

#[test]
fn an_interrupt_waits_for_answers_and_a_second_one_does_not() {
    let place = workplace();
    let directory = place.path();
    let bytes = encode(directory, "chelsea.png");
    for (rate, second) in [("2000", false), ("1", true)] {
        let log = format!("{rate}.log");
        let server = Serving::of(directory, &["--rate", rate, "--log", &log]);
        let mut stream = server.connect();
        let request = b"GET /a.flxt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).expect("it is sent");
        let mut answer = vec![0];
        stream.read_exact(&mut answer).expect("it has begun");
        server.signal("TERM");
        if second {
            // The first has arrived when nothing is accepted any more.
            while TcpStream::connect(server.address).is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
            server.signal("TERM");
        }
        let _ = stream.read_to_end(&mut answer);
        let (status, rest) = server.end();
        assert_eq!(rest, "", "the log is in its file");
        let code = if second { 130 } else { 0 };
        assert_eq!(status.code(), Some(code));
        assert_eq!(answer.ends_with(&bytes), !second);
        if !second {
            let log = flextok_tests::read(directory, &log);
            let log = String::from_utf8(log).expect("text");
            assert!(log.contains("\"GET /a.flxt HTTP/1.1\" 200 1024 "), "{log}");
        }
    }
}

#[test]
fn few_descriptors_are_shared_out() {
    let place = workplace();
    let directory = place.path();
    let bytes = encode(directory, "chelsea.png");
    let mut command = Command::new("sh");
    let script = "ulimit -n 64 && exec \"$0\" serve . --port 0 --quiet";
    command
        .args(["-c", script, arg(program())])
        .current_dir(directory);
    let server = Serving::start(command);
    let idle: Vec<TcpStream> = (0..200).map(|_| server.connect()).collect();
    // The accepted connections take all slots, and free them when they close.
    drop(idle);
    for _ in 0..100 {
        assert_eq!(server.get("/a.flxt", "").1, bytes);
    }
    server.signal("TERM");
    assert_eq!(server.end().0.code(), Some(0));
}

#[test]
fn refusals() {
    let place = workplace();
    let directory = place.path();
    write(directory, "file", "");
    for (args, code, mentions) in [
        (&["serve"][..], 2, &["DIR"][..]),
        (
            &["serve", "missing", "--port", "0"],
            7,
            &["missing: cannot serve this directory"],
        ),
        (
            &["serve", "file", "--port", "0"],
            7,
            &["file: cannot serve this directory"],
        ),
        (&["serve", ".", "70000"], 2, &["PORT", "from 0 to 65535"]),
        (&["serve", ".", "0", "--port", "0"], 2, &["PORT", "--port"]),
        (
            &["serve", ".", "--port", "65536"],
            2,
            &["--port", "from 0 to 65535"],
        ),
        (
            &["serve", ".", "--port", "0", "--rate", "0"],
            2,
            &["--rate", "of at least 1"],
        ),
        (
            &["serve", ".", "--port", "0", "--page", "missing"],
            7,
            &["missing", "page"],
        ),
        (
            &["serve", ".", "--port", "0", "--page", "."],
            7,
            &["page", "index.html"],
        ),
        (
            &["serve", ".", "--port", "0", "--model", "missing"],
            4,
            &["missing: cannot open the model: "],
        ),
        (
            &["serve", ".", "--port", "1", "--host", "192.0.2.1"],
            7,
            &["flextok: 192.0.2.1:1: cannot listen"],
        ),
        (
            &["serve", ".", "--port", "0", "--log", "none/log"],
            7,
            &["none/log: cannot write"],
        ),
    ] {
        run(directory, args).fails(code, mentions);
    }
    // A port that is taken.
    let server = Serving::of(directory, &[]);
    let port = server.address.port().to_string();
    run(directory, ["serve", ".", "--port", &port]).fails(7, &["cannot listen", &port]);
    server.signal("TERM");
    assert_eq!(server.end().0.code(), Some(0));
}
