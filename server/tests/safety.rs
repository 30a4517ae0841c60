//! No file outside the directory is ever served, and no request confuses the server.

mod common;

use std::path::Path;

use common::{Running, directory, file, serve};
use flextok_server::Options;

/// What must never be seen.
const SECRET: &[u8] = b"SECRET-SECRET-SECRET";

/// A directory `served` beside a secret file, with hidden and other files in it.
fn set_up() -> (tempfile::TempDir, Running) {
    let place = tempfile::tempdir().expect("a directory");
    let served = place.path().join("served");
    let put = |path: &Path, bytes: &[u8]| std::fs::write(path, bytes).expect("it is written");
    std::fs::create_dir_all(served.join("sub/.git")).expect("a directory");
    std::fs::create_dir(served.join("folder.flxt")).expect("a directory");
    std::fs::create_dir(place.path().join("served-not")).expect("a directory");
    put(&served.join("a.flxt"), &file(256));
    put(&served.join("sub/b c.flxt"), &file(8));
    put(&served.join("%2e%2e.flxt"), &file(4));
    put(&served.join("UPPER.FLXT"), &file(2));
    for path in ["secret.flxt", "secret.txt", "served-not/x.flxt"] {
        put(&place.path().join(path), SECRET);
    }
    for path in [
        "secret.txt",
        ".secret.flxt",
        "sub/.git/x.flxt",
        "secret.flxt.bak",
        "s.FLXT.txt",
    ] {
        put(&served.join(path), SECRET);
    }
    let server = serve(&served, Options::default());
    (place, server)
}

#[test]
fn no_spelling_of_a_path_leaves_the_directory() {
    let (place, server) = set_up();
    let absolute = place.path().join("secret.flxt");
    let absolute = absolute.to_str().expect("text");
    let deep = "../".repeat(12);
    let mut targets: Vec<String> = [
        "/../secret.flxt",
        "/./../secret.flxt",
        "/sub/../../secret.flxt",
        "/%2e%2e/secret.flxt",
        "/%2E%2e/secret.flxt",
        "/.%2e/secret.flxt",
        "/..%2fsecret.flxt",
        "/..%2Fsecret.flxt",
        "/%2e%2e%2fsecret.flxt",
        "/sub%2f..%2f..%2fsecret.flxt",
        "/..%5csecret.flxt",
        "/..\\secret.flxt",
        "/%252e%252e/secret.flxt",
        "/%252e%252e%252fsecret.flxt",
        "/..%252fsecret.flxt",
        "/%c0%ae%c0%ae/secret.flxt",
        "/%e0%80%ae%e0%80%ae/secret.flxt",
        "/%uff0e%uff0e/secret.flxt",
        "/..%00/secret.flxt",
        "/../secret.flxt%00.flxt",
        "/../served-not/x.flxt",
        "/..;/secret.flxt",
        "//secret.flxt",
        "/C:/secret.flxt",
        "/C:%5csecret.flxt",
        "/secret.txt",
        "/.secret.flxt",
        "/sub/.git/x.flxt",
        "/secret.flxt.bak",
        "/secret.txt%00.flxt",
        "/s.FLXT.txt",
        "/folder.flxt",
        "/folder.flxt/",
        "/sub",
        "/sub/",
        "/a.flxt/",
        "/a.flxt/x.flxt",
    ]
    .map(str::to_owned)
    .into();
    targets.push(format!("/{absolute}"));
    targets.push(absolute.replace('/', "%2f"));
    targets.push(format!("/{}", absolute.replace('/', "%2f")));
    targets.push(format!("/{deep}{absolute}"));
    targets.push(format!("/{}etc/passwd", deep));
    targets.push(format!("file://{absolute}"));
    for target in &targets {
        for suffix in ["", "?tokens=1", "#x"] {
            let request =
                format!("GET {target}{suffix} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let answer = server.raw(request.as_bytes());
            let text = String::from_utf8_lossy(&answer);
            assert!(text.starts_with("HTTP/1.1 40"), "{target}: {text}");
            assert!(
                !text.contains("SECRET") && !text.contains("root:"),
                "{target}: {text}"
            );
        }
    }
    // Not because nothing is found at all.
    assert_eq!(server.get("/a.flxt", &[]).body, file(256));
    assert_eq!(server.get("/sub/b%20c.flxt", &[]).body, file(8));
    assert_eq!(server.get("/%252e%252e.flxt", &[]).body, file(4));
    assert_eq!(server.get("/UPPER.FLXT", &[]).body, file(2));
    assert_eq!(server.get("http://elsewhere/a.flxt", &[]).body, file(256));
    let index = server.get("/index.json", &[]);
    let index: serde_json::Value = serde_json::from_slice(&index.body).expect("JSON");
    let names: Vec<_> = index
        .as_array()
        .expect("a list")
        .iter()
        .map(|e| &e["name"])
        .collect();
    assert_eq!(
        names,
        ["%2e%2e.flxt", "UPPER.FLXT", "a.flxt", "sub/b c.flxt"]
    );
}

#[cfg(unix)]
#[test]
fn links_may_stay_but_not_leave() {
    use std::os::unix::fs::symlink;
    let (place, server) = set_up();
    let served = place.path().join("served");
    let link = |target: &Path, name: &str| symlink(target, served.join(name)).expect("a link");
    link(Path::new("a.flxt"), "inside.flxt");
    link(Path::new("../a.flxt"), "sub/up.flxt");
    link(Path::new("sub"), "linked");
    link(Path::new("../secret.flxt"), "relative.flxt");
    link(&place.path().join("secret.flxt"), "absolute.flxt");
    link(Path::new(".."), "parent");
    link(place.path(), "outside");
    link(Path::new("/etc/passwd"), "passwd.flxt");
    link(Path::new("relative.flxt"), "twice.flxt");
    link(Path::new("loop.flxt"), "loop.flxt");
    link(Path::new("nothing.flxt"), "dangling.flxt");
    link(Path::new("../served/../secret.flxt"), "winding.flxt");
    link(Path::new("/proc/self/environ"), "environ.flxt");
    for (target, tokens) in [
        ("/inside.flxt", 256),
        ("/sub/up.flxt", 256),
        ("/linked/b%20c.flxt", 8),
    ] {
        let answer = server.get(target, &[]);
        assert_eq!(
            (answer.status, answer.body),
            (200, file(tokens)),
            "{target}"
        );
    }
    for target in [
        "/relative.flxt",
        "/absolute.flxt",
        "/parent/secret.flxt",
        "/outside/secret.flxt",
        "/passwd.flxt",
        "/twice.flxt",
        "/loop.flxt",
        "/dangling.flxt",
        "/winding.flxt",
        "/environ.flxt",
    ] {
        server.get(target, &[]).refuses(404, "no such file");
        server
            .get(&format!("{target}?tokens=1"), &[])
            .refuses(404, "no such file");
    }
    let index = server.get("/index.json", &[]);
    assert!(!index.text().contains("relative"), "{}", index.text());
}

/// While one thread swaps a file for a link that leads out, no request ever sees what is there.
#[cfg(unix)]
#[test]
fn swapping_a_file_for_a_link_is_no_way_out() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let (place, server) = set_up();
    let served = place.path().join("served");
    let spare = place.path().join("spare");
    std::fs::write(&spare, file(256)).expect("it is written");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (name, next) = (served.join("race.flxt"), served.join("race.tmp"));
            while !done.load(Ordering::Relaxed) {
                std::os::unix::fs::symlink("../secret.flxt", &next).expect("a link");
                std::fs::rename(&next, &name).expect("it is there");
                std::fs::hard_link(&spare, &next).expect("a file");
                std::fs::rename(&next, &name).expect("it is there");
            }
        });
        let mut client = server.connect();
        for _ in 0..3000 {
            client.send("GET", "/race.flxt", &[]);
            let answer = client.answer("GET");
            let is_file = answer.status == 200 && answer.body == file(256);
            assert!(is_file || answer.status == 404, "{answer:?}");
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// Opening a FIFO waits for a writer, if one lets it; many such requests would stop everything.
#[cfg(unix)]
#[test]
fn what_is_no_file_does_not_hang() {
    let (place, bytes) = directory();
    let fifo = place.path().join("fifo.flxt");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo runs").success());
    let socket = place.path().join("socket.flxt");
    let _listener = std::os::unix::net::UnixListener::bind(socket).expect("a socket");
    let server = serve(place.path(), Options::default());
    for _ in 0..20 {
        server.get("/fifo.flxt", &[]).refuses(404, "no such file");
        server
            .get("/fifo.flxt?tokens=3", &[])
            .refuses(404, "no such file");
        server.get("/socket.flxt", &[]).refuses(404, "no such file");
    }
    assert_eq!(server.get("/a.flxt", &[]).body, bytes);
    let index = server.get("/index.json", &[]);
    assert!(!index.text().contains("fifo") && index.text().contains("a.flxt"));
}

#[test]
fn malformed_and_oversized_requests() {
    let (place, bytes) = directory();
    let server = serve(place.path(), Options::default());
    let field = |length: usize| {
        let value = "x".repeat(length);
        format!("GET /a.flxt HTTP/1.1\r\nHost: x\r\nX: {value}\r\nConnection: close\r\n\r\n")
    };
    let fields = |count: usize| {
        let fields: String = (0..count).map(|at| format!("X-{at}: y\r\n")).collect();
        format!("GET /a.flxt HTTP/1.1\r\nHost: x\r\n{fields}Connection: close\r\n\r\n")
    };
    let path = |length: usize| {
        let name = "a".repeat(length);
        format!("GET /{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    };
    for (request, statuses) in [
        (field(8000), &["200"][..]),
        (field(20_000), &["431"]),
        (field(1_000_000), &["431"]),
        (fields(60), &["200"]),
        (fields(100), &["431"]),
        (path(8000), &["404"]),
        (path(100_000), &["414", "431"]),
        ("GET\r\n\r\n".to_owned(), &["400"]),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), &["400"]),
        ("GET / a b HTTP/1.1\r\n\r\n".to_owned(), &["400"]),
        ("\u{1}\u{2}\u{3}\r\n\r\n".to_owned(), &["400"]),
        (
            "GET /a.flxt HTTP/1.1\r\nHost: x\r\nBad Field: x\r\n\r\n".to_owned(),
            &["400"],
        ),
        (
            "GET /a.flxt HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n".to_owned(),
            &["400"],
        ),
        (
            "CONNECT a.flxt:80 HTTP/1.1\r\nHost: a.flxt:80\r\nConnection: close\r\n\r\n".to_owned(),
            &["405"],
        ),
        (
            "GET /a.flxt HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"
                .to_owned(),
            &["400"],
        ),
        (
            "GET /a.flxt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"
                .to_owned(),
            &["413", "400"],
        ),
        ("GET /a.flxt HTTP/1.0\r\n\r\n".to_owned(), &["200"]),
        ("GET /a.flxt HTTP/1.1\r\n\r\n".to_owned(), &["400"]),
        (
            "GET /a.flxt HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n".to_owned(),
            &["400"],
        ),
    ] {
        let answer = server.raw(request.as_bytes());
        let text = String::from_utf8_lossy(&answer);
        let status = text.get(9..12).unwrap_or_default();
        let start: String = request.chars().take(60).collect();
        assert!(statuses.contains(&status), "{start:?}: {text}");
    }
    assert_eq!(server.get("/a.flxt", &[]).body, bytes);
    server.log.wait("\"-\" 431");
    server.log.wait("\"-\" 400");
    server.log.wait("\"GET /a.flxt HTTP/1.1\" 400");
}

/// Bytes of no meaning, the same on each run.
#[test]
fn noise_is_refused() {
    let (place, bytes) = directory();
    let server = serve(place.path(), Options::default());
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let request = b"GET /a.flxt?tokens=5 HTTP/1.1\r\nHost: x\r\nRange: bytes=0-5\r\n\
        If-None-Match: \"a\"\r\nDownlink: 1.5\r\nConnection: close\r\n\r\n";
    for _ in 0..500 {
        let mut bytes = request.to_vec();
        for _ in 0..random() % 6 + 1 {
            let at = random() as usize % bytes.len();
            bytes[at] = random() as u8;
        }
        let answer = server.raw(&bytes);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1."),
            "{bytes:?}"
        );
    }
    assert_eq!(server.get("/a.flxt", &[]).body, bytes);
}

#[test]
fn the_log_has_one_line_for_each_request() {
    let (place, _) = directory();
    let server = serve(place.path(), Options::default());
    server.get(
        "/a.flxt?tokens=16",
        &[("User-Agent", "a\"b\\ \u{e4}"), ("Referer", "http://x/")],
    );
    let line = server.log.wait("tokens=16");
    let end = r#"] "GET /a.flxt?tokens=16 HTTP/1.1" 200 56 "http://x/" "a\"b\\ \xc3\xa4""#;
    assert!(
        line.starts_with("127.0.0.1 - - [") && line.ends_with(end),
        "{line}"
    );
    server.get("/none%0aGET.flxt", &[]);
    let line = server.log.wait("none");
    assert!(line.contains("/none%0aGET.flxt HTTP/1.1\" 404"), "{line}");
    server.ask("HEAD", "/a.flxt", &[]);
    server
        .log
        .wait("\"HEAD /a.flxt HTTP/1.1\" 200 0 \"-\" \"-\"");
    assert_eq!(server.log.text().lines().count(), 3);
}
