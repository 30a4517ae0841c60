//! Cut files: by the query, and by what the client says of its link.

mod common;

use common::{cut, directory, file, large, serve, settle};
use flextok_container::{KeepMetadata, Metadata, State, TokenFile};
use flextok_server::Options;

#[test]
fn every_number_of_tokens_gives_a_complete_file() {
    let (place, bytes) = directory();
    let server = serve(place.path(), Options::default());
    let mut client = server.connect();
    let mut tags = std::collections::HashSet::new();
    for tokens in 1..=256 {
        client.send("GET", &format!("/a.flxt?tokens={tokens}"), &[]);
        let answer = client.answer("GET");
        assert_eq!((answer.status, &answer.body), (200, &cut(&bytes, tokens)));
        let file = TokenFile::parse(&answer.body).expect("a file");
        assert_eq!((file.state(), file.layers()), (State::Complete, tokens));
        assert_eq!(answer.header("flextok-tokens"), tokens.to_string());
        // The address says which it is.
        assert!(!answer.has("vary") && !answer.has("content-location"));
        assert!(tags.insert(answer.header("etag").to_owned()), "{tokens}");
    }
    let whole = server.get("/a.flxt", &[]);
    for tokens in ["256", "257", "70000", "99999999999999999999999"] {
        let answer = server.get(&format!("/a.flxt?tokens={tokens}"), &[]);
        assert_eq!((answer.status, &answer.body), (200, &bytes));
        assert_eq!(answer.header("etag"), whole.header("etag"));
        assert_eq!(answer.header("flextok-tokens"), "256");
    }
}

#[test]
fn every_number_of_bytes_gives_what_fits() {
    let (place, bytes) = directory();
    let server = serve(place.path(), Options::default());
    let mut client = server.connect();
    let parsed = TokenFile::parse(&bytes).expect("a file");
    for budget in 1..bytes.len() as u64 + 3 {
        client.send("GET", &format!("/a.flxt?bytes={budget}"), &[]);
        let answer = client.answer("GET");
        let Ok(expected) = parsed.fit(budget, KeepMetadata::No) else {
            assert!(budget < 26, "{budget}");
            answer.refuses(400, "bytes=26 and above");
            continue;
        };
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.body,
            expected.to_bytes().expect("complete"),
            "{budget}"
        );
        assert!(answer.body.len() as u64 <= budget);
    }
}

#[test]
fn impossible_queries_say_what_is_possible() {
    let (place, bytes) = directory();
    let server = serve(place.path(), Options::default());
    for query in [
        "tokens=0",
        "tokens=-1",
        "tokens=abc",
        "tokens=",
        "tokens",
        "tokens=1.5",
    ] {
        let answer = server.get(&format!("/a.flxt?{query}"), &[]);
        answer.refuses(400, "tokens=1 and above");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
    for query in ["bytes=0", "bytes=x", "bytes=0x20"] {
        server
            .get(&format!("/a.flxt?{query}"), &[])
            .refuses(400, "bytes=1 and above");
    }
    for query in ["tokens=3&bytes=99", "tokens=3&tokens=3"] {
        server
            .get(&format!("/a.flxt?{query}"), &[])
            .refuses(400, "once");
    }
    // Parameters of others are theirs.
    let answer = server.get("/a.flxt?v=7", &[]);
    assert_eq!((answer.status, answer.body), (200, bytes));
}

#[test]
fn a_truncated_file_goes_as_far_as_it_goes() {
    let (place, bytes) = directory();
    let server = serve(place.path(), Options::default());
    for length in [26, 60, 100, 300, bytes.len() - 1] {
        std::fs::write(place.path().join("t.flxt"), &bytes[..length]).expect("it is written");
        let stored = server.get("/t.flxt", &[]);
        assert_eq!(
            (stored.status, stored.body.as_slice()),
            (200, &bytes[..length])
        );
        let have = TokenFile::parse(&bytes[..length])
            .expect("a header")
            .layers();
        for (query, tokens) in [("tokens=256", have), ("bytes=99999", have), ("tokens=1", 1)] {
            let answer = server.get(&format!("/t.flxt?{query}"), &[]);
            assert_eq!(
                (answer.status, &answer.body),
                (200, &cut(&bytes, tokens)),
                "{length}"
            );
        }
    }
    // A header and half a token.
    std::fs::write(place.path().join("t.flxt"), &bytes[..25]).expect("it is written");
    assert_eq!(server.get("/t.flxt", &[]).status, 200);
    server
        .get("/t.flxt?tokens=1", &[])
        .refuses(500, "0 of 512 bytes of payload");
}

#[test]
fn a_corrupt_file_is_served_but_not_cut() {
    let (place, mut bytes) = directory();
    bytes[25] ^= 0x40;
    for (name, content, fault) in [
        ("bad.flxt", bytes.clone(), "corrupt file"),
        (
            "text.flxt",
            b"no picture at all".to_vec(),
            "not a flextok file",
        ),
        ("empty.flxt", Vec::new(), "ends within its header"),
    ] {
        std::fs::write(place.path().join(name), &content).expect("it is written");
        let server = serve(place.path(), Options::default());
        let stored = server.get(&format!("/{name}"), &[]);
        assert_eq!((stored.status, &stored.body), (200, &content), "{name}");
        for query in ["tokens=16", "bytes=100"] {
            server
                .get(&format!("/{name}?{query}"), &[])
                .refuses(500, fault);
        }
        // A hint is no demand.
        let hinted = server.get(&format!("/{name}"), &[("Save-Data", "on")]);
        assert_eq!((hinted.status, hinted.body), (200, content), "{name}");
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
    for (query, tokens) in [
        ("tokens=255", 255),
        ("tokens=999", 256),
        ("bytes=9999", 256),
    ] {
        let answer = server.get(&format!("/m.flxt?{query}"), &[]);
        assert_eq!(answer.body, cut(&bytes, tokens), "{query}");
        assert_eq!(answer.header("flextok-tokens"), tokens.to_string());
    }
    let budget = format!("/m.flxt?bytes={}", titled.len() - 1);
    assert_eq!(server.get(&budget, &[]).body, bytes);
}

#[test]
fn hints_choose_a_cut() {
    let (place, bytes) = directory();
    settle(&place.path().join("a.flxt"));
    let server = serve(place.path(), Options::default());
    for (fields, tokens) in [
        (&[("Save-Data", "on")][..], 16),
        (&[("ECT", "slow-2g")], 4),
        (&[("ECT", "2g")], 16),
        (&[("ECT", "3g")], 64),
        (&[("Downlink", "0.06")], 16),
        (&[("Downlink", "0.4"), ("Save-Data", "on")], 16),
    ] {
        let answer = server.get("/a.flxt", fields);
        assert_eq!(
            (answer.status, &answer.body),
            (200, &cut(&bytes, tokens)),
            "{fields:?}"
        );
        assert_eq!(answer.header("flextok-tokens"), tokens.to_string());
        assert_eq!(
            answer.header("content-location"),
            format!("/a.flxt?tokens={tokens}")
        );
        assert_eq!(answer.header("vary"), "Save-Data, ECT, Downlink");
        assert!(!answer.has("last-modified"));
        // A query is a demand.
        let asked = server.get("/a.flxt?tokens=200", fields);
        assert_eq!(asked.body, cut(&bytes, 200));
        assert!(!asked.has("vary"));
    }
    for fields in [
        &[("ECT", "4g")][..],
        &[("Downlink", "10")],
        &[("Save-Data", "off")],
    ] {
        let answer = server.get("/a.flxt", fields);
        assert_eq!(answer.body, bytes, "{fields:?}");
        assert!(!answer.has("flextok-tokens") && answer.has("last-modified"));
    }
    // A file of no more tokens is no cut.
    std::fs::write(place.path().join("few.flxt"), file(16)).expect("it is written");
    let answer = server.get("/few.flxt", &[("ECT", "2g")]);
    assert_eq!(answer.body, file(16));
    assert!(!answer.has("flextok-tokens"));

    let mut options = Options::default();
    options.adapt = false;
    let server = serve(place.path(), options);
    let answer = server.get("/a.flxt", &[("ECT", "2g")]);
    assert_eq!(answer.body, bytes);
    assert!(!answer.has("vary") && !answer.has("accept-ch"));
}

/// Parts of two versions are never joined, whatever the link did meanwhile.
#[test]
fn ranges_of_adapted_answers() {
    let (place, bytes) = directory();
    settle(&place.path().join("a.flxt"));
    let server = serve(place.path(), Options::default());
    let slow = ("ECT", "2g");
    let small = cut(&bytes, 16);
    let whole = server.get("/a.flxt", &[]);
    let adapted = server.get("/a.flxt", &[slow]);
    let (whole_tag, tag) = (whole.header("etag"), adapted.header("etag"));
    assert_ne!(whole_tag, tag);
    let range = ("Range", "bytes=20-29");

    let answer = server.get("/a.flxt", &[slow, range]);
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (206, &small[20..30])
    );
    assert_eq!(answer.header("content-range"), "bytes 20-29/56");
    assert_eq!(answer.header("etag"), tag);
    let resumed = server.get("/a.flxt", &[slow, range, ("If-Range", tag)]);
    assert_eq!(resumed.status, 206);
    // The link became faster, or slower.
    let faster = server.get("/a.flxt", &[range, ("If-Range", tag)]);
    assert_eq!((faster.status, &faster.body), (200, &bytes));
    let slower = server.get("/a.flxt", &[slow, range, ("If-Range", whole_tag)]);
    assert_eq!((slower.status, &slower.body), (200, &small));
    // The date is the stored file's; it is no proof for a cut.
    let dated = ("If-Range", whole.header("last-modified"));
    let slower = server.get("/a.flxt", &[slow, range, dated]);
    assert_eq!((slower.status, &slower.body), (200, &small));
    assert_eq!(server.get("/a.flxt", &[range, dated]).status, 206);
    let since = ("If-Modified-Since", whole.header("last-modified"));
    assert_eq!(server.get("/a.flxt", &[slow, since]).status, 200);
    assert_eq!(
        server
            .get("/a.flxt", &[slow, ("If-None-Match", tag)])
            .status,
        304
    );
    assert_eq!(
        server
            .get("/a.flxt", &[slow, ("If-None-Match", whole_tag)])
            .status,
        200
    );
}

#[test]
fn large_files_and_the_memory_for_them() {
    let (place, _) = directory();
    let bytes = large();
    std::fs::write(place.path().join("large.flxt"), &bytes).expect("it is written");
    let server = serve(place.path(), Options::default());
    for tokens in [1, 100, 256] {
        let answer = server.get(&format!("/large.flxt?tokens={tokens}"), &[]);
        assert_eq!(answer.status, 200);
        assert!(answer.body == cut(&bytes, tokens), "{tokens} tokens");
    }
    assert!(server.get("/large.flxt", &[]).body == bytes);
    drop(server);

    // Enough to read it, not to make another.
    let mut options = Options::default();
    options.memory = bytes.len() + 4096;
    let server = serve(place.path(), options.clone());
    let answer = server.get("/large.flxt?tokens=200", &[]);
    answer.refuses(503, "try again");
    assert_eq!(answer.header("retry-after"), "1");
    let small = server.get("/large.flxt?tokens=1", &[]);
    assert!(small.body == cut(&bytes, 1));
    // What is sent as it is stored needs none.
    assert!(server.get("/large.flxt", &[]).body == bytes);
    drop(server);

    options.limits.payload_bytes = 1000;
    options.limits.metadata_bytes = 1000;
    let server = serve(place.path(), options);
    server
        .get("/large.flxt", &[])
        .refuses(500, "allowed: at most 2049");
}
