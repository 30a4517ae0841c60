//! Files of coded bytes: cuts of any number of bytes, by the query and by hints, and what does not apply to them.

mod common;

use std::collections::HashSet;

use common::{coded, cut, file, fit, page, serve, settle};
use flextok_container::{Error, KeepMetadata, Metadata, State, TokenFile};
use flextok_server::Options;

/// Bytes of payload of the file in [`directory`].
const PAYLOAD: u64 = 5000;

/// The smallest file of this picture: a header of 11 bytes, a byte of payload and a check.
const LEAST: u64 = 13;

/// A directory with `c.flxt` of [`PAYLOAD`] bytes.
fn directory() -> (tempfile::TempDir, Vec<u8>) {
    let directory = tempfile::tempdir().expect("a directory");
    let bytes = coded(PAYLOAD);
    let path = directory.path().join("c.flxt");
    std::fs::write(&path, &bytes).expect("it is written");
    settle(&path);
    (directory, bytes)
}

/// Every budget up to where the next check stands, those around later ones, and those around the whole file.
fn budgets(length: u64) -> impl Iterator<Item = u64> {
    let around = |place: u64| place - 6..place + 30;
    (1..400)
        .chain(around(1024))
        .chain(around(4096))
        .chain(length - 9..length + 3)
}

#[test]
fn every_number_of_bytes_gives_the_largest_file_that_fits() {
    let (place, bytes) = directory();
    let server = serve(place.path(), Options::default());
    let mut client = server.connect();
    let whole = TokenFile::parse(&bytes).expect("a file");
    let mut tags = HashSet::new();
    let mut contents = HashSet::new();
    for budget in budgets(bytes.len() as u64) {
        client.send("GET", &format!("/c.flxt?bytes={budget}"), &[]);
        let answer = client.answer("GET");
        if budget < LEAST {
            answer.refuses(400, "bytes=13 and above");
            continue;
        }
        let expected = fit(&bytes, budget);
        assert_eq!((answer.status, &answer.body), (200, &expected), "{budget}");
        assert!(answer.body.len() as u64 <= budget);
        let file = TokenFile::parse(&answer.body).expect("a file");
        assert_eq!(file.state(), State::Complete);
        assert!(whole.payload().starts_with(file.payload()), "{budget}");
        let have = file.payload().len();
        assert_eq!(answer.header("flextok-bytes"), have.to_string());
        assert!(!answer.has("flextok-tokens") && !answer.has("content-location"));
        // Another content has another tag; the same one has the same.
        tags.insert(answer.header("etag").to_owned());
        contents.insert(answer.body.clone());
        assert_eq!(tags.len(), contents.len(), "{budget}");
        // As large a file by its own length.
        let length = expected.len();
        client.send("HEAD", &format!("/c.flxt?bytes={length}"), &[]);
        let head = client.answer("HEAD");
        assert_eq!(head.status, 200);
        for name in ["etag", "content-length", "flextok-bytes"] {
            assert_eq!(head.header(name), answer.header(name), "{budget}");
        }
    }
    for bytes in ["bytes=0", "bytes=-5", "bytes=1k", "bytes="] {
        let answer = server.get(&format!("/c.flxt?{bytes}"), &[]);
        answer.refuses(400, "bytes=1 and above");
    }
}

#[test]
fn the_whole_file_is_its_largest_cut() {
    let (place, bytes) = directory();
    let server = serve(place.path(), Options::default());
    let stored = server.get("/c.flxt", &[]);
    assert_eq!((stored.status, &stored.body), (200, &bytes));
    assert!(!stored.has("flextok-bytes"));
    let length = bytes.len().to_string();
    for budget in [length.as_str(), "99999", "99999999999999999999999"] {
        let answer = server.get(&format!("/c.flxt?bytes={budget}"), &[]);
        assert_eq!((answer.status, &answer.body), (200, &bytes));
        assert_eq!(answer.header("etag"), stored.header("etag"));
        assert_eq!(answer.header("flextok-bytes"), PAYLOAD.to_string());
    }
    let head = server.ask("HEAD", "/c.flxt", &[]);
    assert_eq!(head.header("content-length"), length);
    assert_eq!(head.header("etag"), stored.header("etag"));
}

#[test]
fn tokens_do_not_apply() {
    let (place, _) = directory();
    let server = serve(place.path(), Options::default());
    for query in ["tokens=1", "tokens=256", "tokens=99999999999999999999999"] {
        for method in ["GET", "HEAD"] {
            let answer = server.ask(method, &format!("/c.flxt?{query}"), &[]);
            assert_eq!(answer.status, 400, "{method} {query}");
            assert_eq!(answer.header("access-control-allow-origin"), "*");
            if method == "GET" {
                answer.refuses(400, "use bytes=N");
                assert!(answer.text().starts_with("tokens="), "{}", answer.text());
            }
        }
    }
    // What is wrong with every file goes first.
    let answer = server.get("/c.flxt?tokens=0", &[]);
    answer.refuses(400, "tokens=1 and above");
    let answer = server.get("/c.flxt?tokens=9&bytes=100", &[]);
    answer.refuses(400, "once");
}

#[test]
fn ranges_of_a_cut_belong_to_the_cut() {
    let (place, bytes) = directory();
    let server = serve(place.path(), Options::default());
    let small = fit(&bytes, 100);
    let other = server.get("/c.flxt?bytes=200", &[]);
    let answer = server.get("/c.flxt?bytes=100", &[("Range", "bytes=20-29")]);
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (206, &small[20..30])
    );
    let length = small.len();
    assert_eq!(
        answer.header("content-range"),
        format!("bytes 20-29/{length}")
    );
    let range = ("Range", "bytes=90-");
    let tag = answer.header("etag");
    let answer = server.get("/c.flxt?bytes=100", &[range, ("If-Range", tag)]);
    assert_eq!((answer.status, answer.body.as_slice()), (206, &small[90..]));
    let answer = server.get(
        "/c.flxt?bytes=100",
        &[range, ("If-Range", other.header("etag"))],
    );
    assert_eq!((answer.status, &answer.body), (200, &small));
    let beyond = format!("bytes={length}-");
    let answer = server.get("/c.flxt?bytes=100", &[("Range", &beyond)]);
    answer.refuses(416, &length.to_string());
    let matches = server.get("/c.flxt?bytes=100", &[("If-None-Match", tag)]);
    assert_eq!(matches.status, 304);
    let differs = server.get("/c.flxt?bytes=200", &[("If-None-Match", tag)]);
    assert_eq!((differs.status, differs.body), (200, other.body));
    // The first bytes of the stored file are a picture as well: the same payload under another header.
    let answer = server.get("/c.flxt", &[("Range", "bytes=0-99")]);
    let start = TokenFile::parse(&answer.body).expect("a cut file");
    assert_eq!(
        start.state(),
        State::Truncated {
            have: 87,
            total: PAYLOAD
        }
    );
}

#[test]
fn hints_choose_bytes() {
    let (place, bytes) = directory();
    let server = serve(place.path(), Options::default());
    for (fields, budget) in [
        (&[("ECT", "slow-2g")][..], 64),
        (&[("ECT", "2g")], 256),
        (&[("Save-Data", "on")], 256),
        (&[("ECT", "3g")], 1024),
        (&[("Downlink", "0.4"), ("Save-Data", "on")], 256),
    ] {
        let answer = server.get("/c.flxt", fields);
        let expected = fit(&bytes, budget);
        assert_eq!(
            (answer.status, &answer.body),
            (200, &expected),
            "{fields:?}"
        );
        assert_eq!(answer.header("vary"), "Save-Data, ECT, Downlink");
        assert!(!answer.has("last-modified") && !answer.has("flextok-tokens"));
        // The same at the address it names, which is nobody's but this cut's.
        let named = server.get(answer.header("content-location"), fields);
        assert_eq!((named.status, &named.body), (200, &expected));
        for name in ["etag", "flextok-bytes"] {
            assert_eq!(named.header(name), answer.header(name), "{fields:?}");
        }
        assert!(!named.has("vary"));
        let asked = server.get("/c.flxt?bytes=2000", fields);
        assert_eq!(asked.body, fit(&bytes, 2000));
    }
    // What is small enough is no cut.
    let few = coded(240);
    assert!(few.len() <= 256);
    std::fs::write(place.path().join("few.flxt"), &few).expect("it is written");
    let answer = server.get("/few.flxt", &[("ECT", "2g")]);
    assert_eq!(answer.body, few);
    assert!(!answer.has("flextok-bytes"));
}

#[test]
fn a_truncated_file_goes_as_far_as_it_goes() {
    let (place, bytes) = directory();
    let server = serve(place.path(), Options::default());
    let path = place.path().join("t.flxt");
    for length in [13, 14, 76, 80, 1500, bytes.len() - 1] {
        let stored = &bytes[..length];
        std::fs::write(&path, stored).expect("it is written");
        let answer = server.get("/t.flxt", &[]);
        assert_eq!((answer.status, answer.body.as_slice()), (200, stored));
        for budget in [LEAST, 70, 9999] {
            let answer = server.get(&format!("/t.flxt?bytes={budget}"), &[]);
            let expected = fit(stored, budget);
            assert_eq!((answer.status, &answer.body), (200, &expected), "{length}");
            let file = TokenFile::parse(&answer.body).expect("a file");
            assert!(file.is_complete());
        }
    }
    // A header alone.
    std::fs::write(&path, &bytes[..12]).expect("it is written");
    assert_eq!(server.get("/t.flxt", &[]).status, 200);
    let answer = server.get("/t.flxt?bytes=500", &[]);
    answer.refuses(500, "0 of 5000 bytes of payload");
}

/// Receivers check it and take what is proven; a cut would have checks of its own that hide the damage.
#[test]
fn a_damaged_file_is_served_but_not_cut() {
    let (place, mut bytes) = directory();
    bytes[300] ^= 1;
    let proven = match TokenFile::parse(&bytes) {
        Err(Error::Corrupt { proven, .. }) => proven,
        other => panic!("it is not damaged: {other:?}"),
    };
    assert_eq!(proven, 256);
    std::fs::write(place.path().join("bad.flxt"), &bytes).expect("it is written");
    let server = serve(place.path(), Options::default());
    for fields in [&[][..], &[("Save-Data", "on")]] {
        let stored = server.get("/bad.flxt", fields);
        assert_eq!((stored.status, &stored.body), (200, &bytes));
    }
    for budget in [100, 1000, 99_999] {
        let answer = server.get(&format!("/bad.flxt?bytes={budget}"), &[]);
        answer.refuses(500, "the first 256 bytes of payload are proven");
    }
}

#[test]
fn metadata_stay_with_the_stored_file() {
    let (place, bytes) = directory();
    let plain = TokenFile::parse(&bytes).expect("a file");
    let metadata = Metadata {
        title: Some("a title".to_owned()),
        ..Metadata::default()
    };
    let titled = TokenFile::new(*plain.header(), plain.payload().to_vec(), metadata);
    let titled = titled.and_then(|file| file.to_bytes()).expect("a file");
    std::fs::write(place.path().join("m.flxt"), &titled).expect("it is written");
    let server = serve(place.path(), Options::default());
    assert_eq!(server.get("/m.flxt", &[]).body, titled);
    for budget in ["99999", "5100", &(titled.len() - 1).to_string()] {
        let answer = server.get(&format!("/m.flxt?bytes={budget}"), &[]);
        assert_eq!((answer.status, &answer.body), (200, &bytes), "{budget}");
    }
    let cut = plain
        .cut(300, KeepMetadata::No)
        .and_then(|cut| cut.to_bytes());
    let cut = cut.expect("a file");
    let answer = server.get(&format!("/m.flxt?bytes={}", cut.len()), &[]);
    assert_eq!(answer.body, cut);
}

#[test]
fn files_too_large_to_be_held() {
    let (place, _) = directory();
    let bytes = coded(300_000);
    std::fs::write(place.path().join("large.flxt"), &bytes).expect("it is written");
    let server = serve(place.path(), Options::default());
    for budget in [LEAST, 65_536, 65_537, 200_000, bytes.len() as u64] {
        let answer = server.get(&format!("/large.flxt?bytes={budget}"), &[]);
        assert_eq!(answer.status, 200);
        assert!(answer.body == fit(&bytes, budget), "{budget} bytes");
    }
    let answer = server.get("/large.flxt?bytes=200000", &[("Range", "bytes=-10")]);
    let expected = fit(&bytes, 200_000);
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (206, &expected[expected.len() - 10..])
    );
}

#[test]
fn both_kinds_in_one_index() {
    let (place, bytes) = directory();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(place.path().join(name), bytes).expect("it is written");
    };
    write("cut.flxt", &bytes[..1000]);
    write("ids.flxt", &cut(&file(256), 9));
    let page = page();
    let mut options = Options::default();
    options.page = Some(page.path().to_owned());
    let server = serve(place.path(), options);
    let answer = server.get("/index.json", &[]);
    let list: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    let have = TokenFile::parse(&bytes[..1000]).expect("a file");
    let have = have.payload().len();
    let entry = |name: &str, bytes: usize, extent: serde_json::Value| {
        let mut entry = serde_json::json!({
            "name": name, "url": format!("/{name}"), "bytes": bytes, "width": 640, "height": 480
        });
        let keys = extent.as_object().expect("keys").clone();
        entry.as_object_mut().expect("keys").extend(keys);
        entry
    };
    let of = |have, total| serde_json::json!({ "bytes_have": have, "bytes_total": total });
    let expected = serde_json::json!([
        entry("c.flxt", bytes.len(), of(PAYLOAD as usize, PAYLOAD)),
        entry("cut.flxt", 1000, of(have, PAYLOAD)),
        entry(
            "ids.flxt",
            cut(&file(256), 9).len(),
            serde_json::json!({ "tokens": 9 })
        ),
    ]);
    assert_eq!(list, expected);

    // The same for people, where there is no page.
    std::fs::remove_file(page.path().join("index.html")).expect("it is gone");
    let answer = server.get("/", &[]);
    for cell in [
        "<td>5000 bytes<td>640×480",
        &format!("<td>1000<td>{have} of 5000 bytes<td>"),
        "<td>9 tokens<td>",
        "?bytes=256",
    ] {
        assert!(answer.text().contains(cell), "{cell}: {}", answer.text());
    }
}
