//! Slow clients, many clients, and the end.

mod common;

use std::io::{Read, Write};
use std::num::NonZeroU64;
use std::time::Duration;

use common::{Client, PATIENCE, directory, large, page, serve};
use flextok_server::Options;

#[test]
fn two_thousand_connections_are_kept_alive() {
    const COUNT: usize = 2000;
    let limit = flextok_server::raise_file_limit().expect("the limit is known");
    // Both ends are in this process, and the server opens files.
    if limit < 2 * COUNT as u64 + 200 {
        eprintln!("skipped: only {limit} descriptors are allowed here");
        return;
    }
    let (place, bytes) = directory();
    let server = serve(place.path(), Options::default());
    let mut clients: Vec<Client> = (0..COUNT).map(|_| server.connect()).collect();
    for round in 0..3 {
        for client in &mut clients {
            client.send("GET", "/a.flxt", &[]);
        }
        for (at, client) in clients.iter_mut().enumerate() {
            let answer = client.answer("GET");
            assert_eq!(
                (answer.status, &answer.body),
                (200, &bytes),
                "{at} in round {round}"
            );
        }
    }
    // All at once they still leave room for one more.
    assert_eq!(server.get("/a.flxt", &[]).status, 200);
}

#[test]
fn connections_beyond_the_cap_wait_while_all_are_answered() {
    let (place, _) = directory();
    let mut options = Options::default();
    options.connections = 2;
    options.rate = NonZeroU64::new(1);
    let server = serve(place.path(), options);
    let held = [(); 2].map(|()| {
        let mut client = server.connect();
        client.send("GET", "/a.flxt", &[]);
        let stream = client.stream.get_ref();
        assert_eq!(stream.peek(&mut [0]).expect("an answer"), 1);
        client
    });
    let mut waiting = server.connect();
    waiting.send("GET", "/index.json", &[]);
    let stream = waiting.stream.get_ref();
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .expect("a timeout");
    assert!(
        stream.peek(&mut [0]).is_err(),
        "it was answered beyond the cap"
    );
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    drop(held);
    assert_eq!(waiting.answer("GET").status, 200);
}

/// With timeouts that no test waits for: room is made, not waited for.
#[test]
fn who_waits_longest_without_a_request_makes_room() {
    let (place, bytes) = directory();
    let mut options = Options::default();
    options.connections = 3;
    options.header_timeout = 100 * PATIENCE;
    let server = serve(place.path(), options);
    let mut half = server.connect();
    let part = b"GET /a.flxt HTTP/1.1\r\nX";
    half.stream.get_mut().write_all(part).expect("it is sent");
    let mut idle = server.connect();
    idle.send("GET", "/a.flxt", &[]);
    assert_eq!(idle.answer("GET").body, bytes);
    let mut used = server.connect();
    for _ in 0..20 {
        // More come and stay, and push out whoever is idle, but not one that keeps asking.
        let mut more = server.connect();
        more.send("GET", "/a.flxt", &[]);
        assert_eq!(more.answer("GET").body, bytes);
        used.send("GET", "/a.flxt", &[]);
        assert_eq!(used.answer("GET").body, bytes);
        std::mem::forget(more);
    }
    assert!(half.ends() && idle.ends());
}

fn impatient() -> Options {
    let mut options = Options::default();
    options.header_timeout = Duration::from_millis(300);
    options.write_timeout = Duration::from_millis(300);
    options
}

#[test]
fn a_header_that_never_ends_is_not_waited_for() {
    let (place, bytes) = directory();
    let server = serve(place.path(), impatient());
    let mut silent = server.connect();
    let mut half = server.connect();
    half.stream
        .get_mut()
        .write_all(b"GET /a.flxt HT")
        .expect("it is sent");
    let mut idle = server.connect();
    idle.send("GET", "/a.flxt", &[]);
    assert_eq!(idle.answer("GET").body, bytes);
    for (name, client) in [
        ("silent", &mut silent),
        ("half", &mut half),
        ("idle", &mut idle),
    ] {
        assert!(client.ends(), "{name}");
    }
    // Only of one of them anything had come.
    server.log.wait("\"-\" 408 0");
    assert_eq!(server.log.text().matches("\" 408 ").count(), 1);

    // One that keeps sending a little does not get more time.
    let mut slow = server.connect();
    let stream = slow.stream.get_mut();
    stream
        .write_all(b"GET /a.flxt HTTP/1.1\r\nX: ")
        .expect("it is sent");
    let mut ended = false;
    for _ in 0..2000 {
        ended = stream.write_all(b"x").is_err();
        if ended {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(ended, "a header that trickles in keeps its connection");
    assert_eq!(server.get("/a.flxt", &[]).body, bytes);
}

#[test]
fn hundreds_of_slow_clients_do_not_keep_others_out() {
    let (place, bytes) = directory();
    let mut options = impatient();
    options.connections = 100;
    let server = serve(place.path(), options);
    let mut slow: Vec<Client> = (0..400).map(|_| server.connect()).collect();
    for client in &mut slow {
        // Those that waited long may be gone already.
        let _ = client
            .stream
            .get_mut()
            .write_all(b"GET /a.flxt HTTP/1.1\r\nX");
    }
    assert_eq!(server.get("/a.flxt", &[]).body, bytes);
}

#[test]
fn a_client_that_takes_nothing_is_let_go() {
    let (place, _) = directory();
    let page = page();
    let file = std::fs::File::create(page.path().join("big.bin")).expect("a file");
    // More than the buffers of both ends; a hole on the disk.
    file.set_len(256 << 20).expect("its length");
    let mut options = impatient();
    options.page = Some(page.path().to_owned());
    let server = serve(place.path(), options);
    let mut client = server.connect();
    client.send("GET", "/big.bin", &[]);
    // The line is written when the answer is given up.
    let line = server.log.wait("/big.bin");
    let sent: u64 = line
        .split(' ')
        .nth(9)
        .and_then(|sent| sent.parse().ok())
        .expect("bytes");
    assert!(line.contains("\" 200 ") && sent < 256 << 20, "{line}");
}

#[test]
fn at_a_rate_small_files_come_in_small_pieces() {
    let (place, bytes) = directory();
    let mut options = Options::default();
    options.rate = NonZeroU64::new(2000);
    let server = serve(place.path(), options);
    let mut client = server.connect();
    client.send("GET", "/a.flxt", &[]);
    let answer = client.answer("GET");
    assert_eq!((answer.status, &answer.body), (200, &bytes));
    client.send("GET", "/a.flxt", &[("Range", "bytes=0-4,7-9")]);
    assert_eq!(client.answer("GET").status, 206);
    // The header is there before the content.
    let mut client = server.connect();
    client.send("GET", "/a.flxt", &[]);
    let mut start = [0; 17];
    client.stream.read_exact(&mut start).expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 200 OK\r\n");
    // Giving up in the middle is logged with what was sent.
    drop(client);
    let line = server.log.wait(" 200 ");
    assert!(line.contains("/a.flxt"), "{line}");
}

#[test]
fn running_answers_end_before_the_server_does() {
    let (place, bytes) = directory();
    let mut options = Options::default();
    options.rate = NonZeroU64::new(1000);
    options.grace = PATIENCE;
    let mut server = serve(place.path(), options);
    let mut idle = server.connect();
    idle.send("GET", "/index.json", &[]);
    assert_eq!(idle.answer("GET").status, 200);
    let mut silent = server.connect();
    let mut half = server.connect();
    let part = half.stream.get_mut().write_all(b"GET / HT");
    part.expect("it is sent");
    let mut clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send("GET", "/a.flxt", &[]);
        // It has begun.
        let mut byte = [0];
        let stream = client.stream.get_ref();
        assert_eq!(stream.peek(&mut byte).expect("an answer"), 1);
    }
    server.stop();
    assert!(idle.ends(), "an idle connection is kept");
    assert!(silent.ends(), "a connection without a request is kept");
    assert!(half.ends(), "half a request is waited for");
    for client in &mut clients {
        let answer = client.answer("GET");
        assert_eq!((answer.status, &answer.body), (200, &bytes));
        assert!(client.ends());
    }
    server.join();
    assert!(std::net::TcpStream::connect(server.address).is_err());
    assert_eq!(server.log.text().lines().count(), 21);
}

#[test]
fn answers_that_take_too_long_are_given_up() {
    let (place, bytes) = directory();
    let mut options = Options::default();
    options.rate = NonZeroU64::new(1);
    options.grace = Duration::from_millis(200);
    let mut server = serve(place.path(), options);
    let mut client = server.connect();
    client.send("GET", "/a.flxt", &[]);
    let mut byte = [0];
    assert_eq!(
        client.stream.get_ref().peek(&mut byte).expect("an answer"),
        1
    );
    server.stop();
    server.join();
    let mut rest = Vec::new();
    let _ = client.stream.read_to_end(&mut rest);
    assert!(rest.len() < bytes.len() + 900 && !rest.ends_with(&bytes));
    assert_eq!(server.log.text().lines().count(), 1);
}

#[test]
fn many_requests_at_once_and_an_end_among_them() {
    let (place, bytes) = directory();
    std::fs::write(place.path().join("large.flxt"), large()).expect("it is written");
    let mut server = serve(place.path(), Options::default());
    let address = server.address;
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let bytes = &bytes;
            scope.spawn(move || {
                for round in 0..50 {
                    let Ok(stream) = std::net::TcpStream::connect(address) else {
                        return;
                    };
                    let mut stream = stream;
                    let target = match (thread + round) % 3 {
                        0 => "/a.flxt",
                        1 => "/large.flxt?tokens=9",
                        _ => "/",
                    };
                    let request =
                        format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                    let mut answer = Vec::new();
                    let sent = stream.write_all(request.as_bytes());
                    let read = sent.and_then(|()| stream.read_to_end(&mut answer));
                    // Not begun, or whole.
                    if read.is_ok() && !answer.is_empty() {
                        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
                        assert!(target != "/a.flxt" || answer.ends_with(bytes));
                    }
                }
            });
        }
        std::thread::sleep(Duration::from_millis(50));
        server.stop();
    });
    server.join();
}
