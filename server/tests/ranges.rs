//! Stored files: ranges, conditions, methods, headers.

mod common;

use common::{Answer, SETTLED, directory, large, serve, settle};
use flextok_server::Options;

const FILE: &str = "/a.flxt";

#[test]
fn a_whole_file_and_its_headers() {
    let (place, bytes) = directory();
    settle(&place.path().join("a.flxt"));
    let server = serve(place.path(), Options::default());
    let answer = server.get(FILE, &[]);
    assert_eq!((answer.status, &answer.body), (200, &bytes));
    for (name, value) in [
        ("content-type", "image/vnd.flextok"),
        ("accept-ranges", "bytes"),
        ("cache-control", "public, no-cache, no-transform"),
        ("last-modified", SETTLED),
        ("x-content-type-options", "nosniff"),
        ("access-control-allow-origin", "*"),
        ("vary", "Save-Data, ECT, Downlink"),
        ("accept-ch", "ECT, Downlink, Save-Data"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    let exposed = answer.header("access-control-expose-headers");
    assert!(
        exposed.contains("ETag") && exposed.contains("Content-Range"),
        "{exposed}"
    );
    let tag = answer.header("etag");
    assert!(
        tag.len() == 34 && tag.starts_with('"') && tag.ends_with('"'),
        "{tag}"
    );
    assert!(!answer.has("flextok-tokens") && !answer.has("content-location"));

    let head = server.ask("HEAD", FILE, &[("Range", "bytes=0-1")]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    let without_date = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.remove("date");
        headers
    };
    assert_eq!(without_date(&head), without_date(&answer));
}

#[test]
fn the_tag_is_the_contents() {
    let (place, bytes) = directory();
    let path = place.path().join("a.flxt");
    std::fs::write(place.path().join("same.flxt"), &bytes).expect("it is written");
    let server = serve(place.path(), Options::default());
    let tag = |target| server.get(target, &[]).header("etag").to_owned();
    let first = tag(FILE);
    assert_eq!(tag("/same.flxt"), first);
    // Another content of the same length and time.
    let mut other = bytes.clone();
    other[25] ^= 1;
    std::fs::write(&path, &other).expect("it is written");
    settle(&path);
    assert_ne!(tag(FILE), first);
    std::fs::write(&path, &bytes).expect("it is written");
    settle(&path);
    assert_eq!(tag(FILE), first);
}

fn check_ranges(target: &str, bytes: &[u8]) {
    let (place, _) = directory();
    std::fs::write(place.path().join("large.flxt"), large()).expect("it is written");
    let server = serve(place.path(), Options::default());
    let length = bytes.len();
    let last = length - 1;
    for (range, start, end) in [
        ("bytes=0-0".to_owned(), 0, 1),
        ("bytes=0-".to_owned(), 0, length),
        ("bytes=10-19".to_owned(), 10, 20),
        (format!("bytes={last}-"), last, length),
        (format!("bytes={last}-{last}"), last, length),
        ("bytes=-1".to_owned(), last, length),
        ("bytes=-20".to_owned(), length - 20, length),
        (format!("bytes=-{}", length + 9), 0, length),
        (format!("bytes=10-{}", length + 9), 10, length),
        (format!("bytes=5-6,{length}-"), 5, 7),
    ] {
        let answer = server.get(target, &[("Range", &range)]);
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.body, bytes[start..end], "{range}");
        let expected = format!("bytes {start}-{}/{length}", end - 1);
        assert_eq!(answer.header("content-range"), expected, "{range}");
        assert_eq!(answer.header("content-type"), "image/vnd.flextok");
    }
    for range in [format!("bytes={length}-"), "bytes=-0".to_owned()] {
        let answer = server.get(target, &[("Range", &range)]);
        answer.refuses(416, &length.to_string());
        assert_eq!(answer.header("content-range"), format!("bytes */{length}"));
    }
    for range in [
        "bytes=",
        "bytes=5-4",
        "bytes=a-b",
        "lines=0-1",
        "bytes=0-1;5-6",
        "bytes=--1",
    ] {
        let answer = server.get(target, &[("Range", range)]);
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, bytes),
            "{range}"
        );
        assert!(!answer.has("content-range"), "{range}");
    }
    let twice = server.get(target, &[("Range", "bytes=0-1"), ("Range", "bytes=3-4")]);
    assert_eq!(twice.status, 200);
}

#[test]
fn ranges_of_a_small_file() {
    check_ranges(FILE, &common::file(256));
}

#[test]
fn ranges_of_a_large_file() {
    check_ranges("/large.flxt", &large());
}

#[test]
fn ranges_of_a_cut() {
    let bytes = common::cut(&common::file(256), 16);
    check_ranges("/a.flxt?tokens=16", &bytes);
}

/// Takes a multipart answer apart as a client does: by the boundary and each part's own header.
fn parts(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let media = answer.header("content-type");
    let boundary = media
        .strip_prefix("multipart/byteranges; boundary=")
        .expect(media);
    let text: Vec<u8> = [b"\r\n", answer.body.as_slice()].concat();
    let mark = format!("\r\n--{boundary}");
    let mut rest = text.as_slice();
    let find =
        |text: &[u8], mark: &str| text.windows(mark.len()).position(|w| w == mark.as_bytes());
    let mut parts = Vec::new();
    assert_eq!(find(rest, &mark), Some(0));
    loop {
        rest = &rest[mark.len()..];
        if rest == b"--\r\n" {
            return parts;
        }
        let head = find(rest, "\r\n\r\n").expect("a header") + 4;
        let (fields, body) = rest.split_at(head);
        let end = find(body, &mark).expect("the next boundary");
        let fields = String::from_utf8(fields.to_vec()).expect("text");
        parts.push((fields, body[..end].to_vec()));
        rest = &body[end..];
    }
}

#[test]
fn several_ranges() {
    let (place, small) = directory();
    let large = large();
    std::fs::write(place.path().join("large.flxt"), &large).expect("it is written");
    let server = serve(place.path(), Options::default());
    for (target, bytes) in [(FILE, &small), ("/large.flxt", &large)] {
        let length = bytes.len();
        let answer = server.get(target, &[("Range", "bytes=0-4, 100-199,-3")]);
        assert_eq!(answer.status, 206);
        assert!(!answer.has("content-range"));
        let parts = parts(&answer);
        let ranges = [0..5, 100..200, length - 3..length];
        assert_eq!(parts.len(), ranges.len());
        for ((fields, body), range) in parts.iter().zip(ranges) {
            let (start, last) = (range.start, range.end - 1);
            assert!(
                fields.contains("\r\nContent-Type: image/vnd.flextok\r\n"),
                "{fields}"
            );
            let place = format!("\r\nContent-Range: bytes {start}-{last}/{length}\r\n");
            assert!(fields.contains(&place), "{fields}");
            assert_eq!(body, &bytes[range]);
        }
        // Asking for more than everything gets everything.
        let whole = server.get(target, &[("Range", "bytes=0-,0-,0-")]);
        assert_eq!((whole.status, &whole.body), (200, bytes));
    }
}

#[test]
fn conditions() {
    let (place, bytes) = directory();
    settle(&place.path().join("a.flxt"));
    let server = serve(place.path(), Options::default());
    let tag = server.get(FILE, &[]).header("etag").to_owned();
    let weak = format!("W/{tag}");
    let list = format!("\"other\", {tag}");
    let later = "Sun, 06 Nov 1994 08:49:38 GMT";
    let earlier = "Sun, 06 Nov 1994 08:49:36 GMT";
    for (fields, status) in [
        (&[("If-None-Match", tag.as_str())][..], 304),
        (&[("If-None-Match", &weak)], 304),
        (&[("If-None-Match", &list)], 304),
        (&[("If-None-Match", "*")], 304),
        (&[("If-None-Match", "\"other\"")], 200),
        (&[("If-Modified-Since", SETTLED)], 304),
        (&[("If-Modified-Since", later)], 304),
        (&[("If-Modified-Since", earlier)], 200),
        (&[("If-Modified-Since", "no date")], 200),
        // A tag that differs wins over a date that does not.
        (
            &[("If-None-Match", "\"other\""), ("If-Modified-Since", later)],
            200,
        ),
        (
            &[("If-None-Match", &tag), ("If-Modified-Since", earlier)],
            304,
        ),
        (&[("If-Match", &tag)], 200),
        (&[("If-Match", "\"other\"")], 412),
        (&[("If-Match", &weak)], 412),
        (&[("If-Unmodified-Since", SETTLED)], 200),
        (&[("If-Unmodified-Since", earlier)], 412),
        // Conditions go before ranges.
        (&[("If-None-Match", &tag), ("Range", "bytes=0-1")], 304),
        (&[("Range", "bytes=0-1"), ("If-Range", &tag)], 206),
        (&[("Range", "bytes=0-1"), ("If-Range", SETTLED)], 206),
        (&[("Range", "bytes=0-1"), ("If-Range", &weak)], 200),
        (&[("Range", "bytes=0-1"), ("If-Range", "\"other\"")], 200),
        (&[("Range", "bytes=0-1"), ("If-Range", earlier)], 200),
        (&[("Range", "bytes=0-1"), ("If-Range", later)], 200),
        (&[("Range", "bytes=9999-"), ("If-Range", "\"other\"")], 200),
        (&[("Range", "bytes=9999-"), ("If-Range", &tag)], 416),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = server.ask(method, FILE, fields);
            let status = match (method, status) {
                ("HEAD", 206 | 416) => 200,
                (_, status) => status,
            };
            assert_eq!(answer.status, status, "{method} {fields:?}");
            if method == "GET" && status == 200 {
                assert_eq!(answer.body, bytes, "{fields:?}");
            }
            if status == 304 {
                assert_eq!(answer.header("etag"), tag);
                for name in ["cache-control", "vary", "last-modified"] {
                    assert!(answer.has(name), "{name}");
                }
                assert!(!answer.has("content-type"));
                // If it has a length, it is the one a 200 would have.
                let length = answer.headers.get("content-length");
                assert!(length.is_none_or(|length| *length == bytes.len().to_string()));
            }
        }
    }
}

#[test]
fn a_date_is_no_proof_while_the_file_may_still_change() {
    let (place, bytes) = directory();
    let server = serve(place.path(), Options::default());
    // As from a clock that is ahead.
    let path = place.path().join("a.flxt");
    let ahead = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let file = std::fs::File::options().write(true).open(path);
    file.and_then(|file| file.set_modified(ahead))
        .expect("its time is set");
    let answer = server.get(FILE, &[]);
    let date = answer.header("last-modified").to_owned();
    let time = |text| httpdate::parse_http_date(text).expect("a date");
    assert!(time(&date) <= time(answer.header("date")));
    let answer = server.get(FILE, &[("Range", "bytes=0-1"), ("If-Range", &date)]);
    assert_eq!((answer.status, answer.body), (200, bytes));
}

#[test]
fn other_methods() {
    let (place, _) = directory();
    let server = serve(place.path(), Options::default());
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
        let answer = server.ask(method, FILE, &[]);
        answer.refuses(405, "GET, HEAD");
        assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
        for target in ["/", "/index.json", "/nothing"] {
            let answer = server.ask(method, target, &[]);
            assert_eq!(answer.status, 405, "{method} {target}");
            assert_eq!(answer.header("allow"), "GET, HEAD");
        }
    }
    let fields = [
        ("Origin", "http://elsewhere"),
        ("Access-Control-Request-Method", "GET"),
    ];
    let answer = server.ask("OPTIONS", FILE, &fields);
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(
        answer
            .header("access-control-allow-headers")
            .contains("If-Range")
    );
}

#[test]
fn requests_with_a_content_are_refused() {
    let (place, bytes) = directory();
    let server = serve(place.path(), Options::default());
    let request = b"GET /a.flxt HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    let answer = server.raw(request);
    assert!(
        answer.starts_with(b"HTTP/1.1 413 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert!(text.contains("connection: close"), "{text}");
    let empty = server.get(FILE, &[("Content-Length", "0")]);
    assert_eq!((empty.status, empty.body), (200, bytes));
}

/// HTTP has no dates before 1970; a file system has.
#[test]
fn a_file_older_than_dates_is_served_without_one() {
    let (place, bytes) = directory();
    let path = place.path().join("a.flxt");
    let before = std::time::SystemTime::UNIX_EPOCH - std::time::Duration::from_secs(86_400);
    let file = std::fs::File::options().write(true).open(path);
    file.and_then(|file| file.set_modified(before))
        .expect("its time is set");
    let server = serve(place.path(), Options::default());
    let answer = server.get(FILE, &[("If-Modified-Since", SETTLED)]);
    assert_eq!((answer.status, &answer.body), (200, &bytes));
    assert!(!answer.has("last-modified"));
}
