//! The page, the index, and what else is not a token file.

mod common;

use std::io::Read;

use common::{directory, file, page, serve};
use flextok_server::{Options, StartError};

#[test]
fn the_index_lists_what_is_there() {
    let (place, bytes) = directory();
    let path = place.path();
    std::fs::create_dir_all(path.join("b/c")).expect("a directory");
    std::fs::write(path.join("b/c/<i>&\" ä.flxt"), &bytes[..60]).expect("it is written");
    std::fs::write(path.join("b/few.flxt"), file(5)).expect("it is written");
    std::fs::write(path.join("none.flxt"), b"not a picture").expect("it is written");
    let server = serve(path, Options::default());
    let answer = server.get("/index.json", &[]);
    assert_eq!(answer.header("content-type"), "application/json");
    let list: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    let entry = |name: &str, url: &str, bytes: usize, tokens: u32| {
        serde_json::json!({
            "name": name, "url": url, "bytes": bytes, "width": 640, "height": 480, "tokens": tokens
        })
    };
    let odd = "/b/c/%3Ci%3E%26%22%20%C3%A4.flxt";
    let expected = serde_json::json!([
        entry("a.flxt", "/a.flxt", bytes.len(), 256),
        entry("b/c/<i>&\" ä.flxt", odd, 60, 18),
        entry("b/few.flxt", "/b/few.flxt", file(5).len(), 5),
    ]);
    assert_eq!(list, expected);
    for entry in list.as_array().expect("a list") {
        let url = entry["url"].as_str().expect("text");
        assert_eq!(
            server.get(url, &[]).body.len() as u64,
            entry["bytes"],
            "{url}"
        );
    }
    let tag = answer.header("etag");
    assert_eq!(
        server.get("/index.json", &[("If-None-Match", tag)]).status,
        304
    );
    assert_eq!(
        server
            .ask("HEAD", "/index.json", &[])
            .header("content-length"),
        answer.body.len().to_string()
    );
}

#[test]
fn names_cannot_put_tags_into_the_plain_index() {
    let (place, _) = directory();
    let name = "<script>alert(1)<%2fscript>\"'.flxt";
    std::fs::write(place.path().join(name), file(1)).expect("it is written");
    let page = page();
    let mut options = Options::default();
    options.page = Some(page.path().to_owned());
    let server = serve(place.path(), options);
    std::fs::remove_file(page.path().join("index.html")).expect("it is gone");
    let answer = server.get("/", &[]);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(
        answer
            .header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    let text = answer.text();
    assert!(
        text.contains("<bdi>&lt;script&gt;alert(1)") && !text.contains("<script"),
        "{text}"
    );
    assert!(text.contains("--page"), "{text}");
}

#[test]
fn the_index_has_an_end() {
    let (place, _) = directory();
    for at in 0..50 {
        std::fs::write(place.path().join(format!("{at}.flxt")), file(1)).expect("it is written");
    }
    let mut options = Options::default();
    options.listed = 10;
    let server = serve(place.path(), options);
    let list: serde_json::Value =
        serde_json::from_slice(&server.get("/index.json", &[]).body).expect("JSON");
    assert_eq!(list.as_array().expect("a list").len(), 10);
}

#[test]
fn files_of_a_page_folder() {
    let (place, bytes) = directory();
    let page = tempfile::tempdir().expect("a directory");
    let script = "export const answer = 42;\n".repeat(8000);
    let put = |name: &str, text: &[u8]| {
        std::fs::write(page.path().join(name), text).expect("it is written");
    };
    std::fs::create_dir(page.path().join("deep")).expect("a directory");
    put("index.html", b"<!doctype html><title>page</title>");
    put("api.js", script.as_bytes());
    put("deep/x.wasm", b"\0asm");
    put("a.flxt", b"not this one");
    put("only.flxt", b"nor this one");
    put(".hidden.js", b"hidden");
    let mut options = Options::default();
    options.page = Some(page.path().to_owned());
    let server = serve(place.path(), options);

    let index = server.get("/", &[]);
    assert_eq!(index.text(), "<!doctype html><title>page</title>");
    assert_eq!(server.get("/index.html", &[]).body, index.body);
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-cache"),
        ("accept-ch", "ECT, Downlink, Save-Data"),
    ] {
        assert_eq!(index.header(name), value, "{name}");
    }
    let policy = index.header("content-security-policy");
    for part in [
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self';",
        "img-src 'self' blob:;",
        "style-src 'self';",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!index.has("access-control-allow-origin"));
    for (host, proto, isolated) in [
        ("localhost", "http", true),
        ("127.0.0.1:8080", "http", true),
        ("192.0.2.1:8080", "http", false),
        ("192.0.2.1:8080", "https", true),
    ] {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Proto: {proto}\r\nConnection: close\r\n\r\n"
        );
        let answer = String::from_utf8(server.raw(request.as_bytes())).expect("text");
        for name in ["cross-origin-opener-policy", "cross-origin-embedder-policy"] {
            assert_eq!(answer.contains(name), isolated, "{host} {proto}: {answer}");
        }
    }

    let plain = server.get("/api.js", &[]);
    assert_eq!((plain.status, plain.text()), (200, script.as_str()));
    assert_eq!(
        plain.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(plain.header("vary"), "Accept-Encoding");
    let packed = server.get("/api.js", &[("Accept-Encoding", "gzip, br")]);
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_ne!(packed.header("etag"), plain.header("etag"));
    assert!(plain.has("last-modified") && !packed.has("last-modified"));
    assert!(packed.body.len() * 10 < plain.body.len());
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.body.as_slice())
        .read_to_string(&mut text)
        .expect("gzip");
    assert_eq!(text, script);
    // The same again, now remembered; and a range of it.
    assert_eq!(
        server.get("/api.js", &[("Accept-Encoding", "gzip")]).body,
        packed.body
    );
    let part = server.get(
        "/api.js",
        &[("Accept-Encoding", "gzip"), ("Range", "bytes=3-9")],
    );
    assert_eq!(
        (part.status, part.body.as_slice()),
        (206, &packed.body[3..10])
    );
    let part = server.get("/api.js", &[("Range", "bytes=-7")]);
    assert_eq!(
        (part.status, part.text()),
        (206, &script[script.len() - 7..])
    );

    assert_eq!(
        server.get("/deep/x.wasm", &[]).header("content-type"),
        "application/wasm"
    );
    // Token files are the directory's only.
    assert_eq!(server.get("/a.flxt", &[]).body, bytes);
    for target in [
        "/only.flxt",
        "/.hidden.js",
        "/deep",
        "/nothing.js",
        "/../Cargo.toml",
    ] {
        assert_eq!(server.get(target, &[]).status, 404, "{target}");
    }
    // Another text at once.
    put("api.js", b"export const answer = 43;");
    assert_eq!(
        server.get("/api.js", &[]).text(),
        "export const answer = 43;"
    );
}

#[cfg(feature = "embedded-model")]
#[test]
fn the_model_is_beside_the_page() {
    let (place, _) = directory();
    let page = page();
    let mut options = Options::default();
    options.page = Some(page.path().to_owned());
    let server = serve(place.path(), options);
    let parts = flextok_models::split();
    for (name, model) in [
        ("tables.safetensors", &parts.tables),
        ("decoder.safetensors", &parts.decoder),
    ] {
        let address = format!("/{name}");
        let answer = server.get(&address, &[("Accept-Encoding", "gzip")]);
        assert_eq!(answer.status, 200);
        assert!(answer.body == *model && !answer.has("content-encoding"));
        let part = server.get(&address, &[("Range", "bytes=10000-10999")]);
        assert_eq!(
            (part.status, part.body.as_slice()),
            (206, &model[10_000..11_000])
        );
        let tag = answer.header("etag");
        let same = server.get(&address, &[("If-None-Match", tag)]);
        assert_eq!(same.status, 304);
        std::fs::write(page.path().join(name), "another").expect("it is written");
        assert_eq!(server.get(&address, &[]).text(), "another");
    }
}

#[test]
fn a_model_of_ones_own_is_beside_the_page() {
    let (place, _) = directory();
    let page = page();
    for name in ["tables.safetensors", "decoder.safetensors"] {
        std::fs::write(page.path().join(name), "the page's").expect("it is written");
    }
    let models = tempfile::tempdir().expect("a directory");
    let file = models.path().join("model.safetensors");
    let long = "weights ".repeat(20_000);
    std::fs::write(&file, &long).expect("it is written");
    for path in [models.path(), &file] {
        let mut options = Options::default();
        options.page = Some(page.path().to_owned());
        options.model = Some(path.to_owned());
        let server = serve(place.path(), options);
        let answer = server.get("/tables.safetensors", &[("Accept-Encoding", "gzip")]);
        assert_eq!((answer.status, answer.text()), (200, long.as_str()));
        let part = server.get("/tables.safetensors", &[("Range", "bytes=8-14")]);
        assert_eq!((part.status, part.text()), (206, "weights"));
        // A decoder of another model has no place beside it.
        assert_eq!(server.get("/decoder.safetensors", &[]).status, 404);
    }
    let mut options = Options::default();
    options.model = Some(file.clone());
    let server = serve(place.path(), options);
    std::fs::remove_file(&file).expect("it is gone");
    server
        .get("/tables.safetensors", &[])
        .refuses(500, "cannot be read");
    std::fs::write(&file, "others").expect("it is written");
    assert_eq!(server.get("/tables.safetensors", &[]).text(), "others");
}

#[test]
fn what_cannot_be_served_is_said_at_the_start() {
    let (place, _) = directory();
    let runtime = flextok_server::runtime(1).expect("a runtime");
    let start = |path: &std::path::Path, address: (&str, u16), options: Options| {
        let server = runtime.block_on(flextok_server::Server::bind(path, address, options));
        server.expect_err("it cannot start")
    };
    let missing = place.path().join("missing");
    let error = start(&missing, ("127.0.0.1", 0), Options::default());
    assert!(matches!(&error, StartError::Directory { path, .. } if *path == missing));
    let text = error.to_string();
    assert!(
        text.contains("missing: cannot serve this directory: "),
        "{text}"
    );
    let error = start(
        &place.path().join("a.flxt"),
        ("127.0.0.1", 0),
        Options::default(),
    );
    assert!(matches!(error, StartError::Directory { .. }), "{error}");
    for path in [&missing, place.path()] {
        let mut options = Options::default();
        options.model = Some(path.to_owned());
        let error = start(place.path(), ("127.0.0.1", 0), options);
        assert!(matches!(error, StartError::Model { .. }), "{error}");
    }
    let mut options = Options::default();
    options.page = Some(missing);
    let error = start(place.path(), ("127.0.0.1", 0), options);
    assert!(matches!(error, StartError::Page { .. }), "{error}");
    let error = start(place.path(), ("192.0.2.1", 1), Options::default());
    assert!(matches!(&error, StartError::Listen { address, .. } if address == "192.0.2.1:1"));
    for host in ["2001:db8::1", "[2001:db8::1]"] {
        let error = start(place.path(), (host, 1), Options::default());
        let bracketed = "[2001:db8::1]:1";
        assert!(matches!(&error, StartError::Listen { address, .. } if address == bracketed));
    }
    let mut options = Options::default();
    options.page = Some(place.path().to_owned());
    let error = start(place.path(), ("127.0.0.1", 0), options);
    let StartError::Page { source, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
}

/// Its superuser may read everything, so that there the test has nothing to see.
#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_read_is_not_served() {
    use std::os::unix::fs::PermissionsExt;
    let (place, _) = directory();
    let mode = |mode| std::fs::set_permissions(place.path(), PermissionsExt::from_mode(mode));
    mode(0).expect("its mode is set");
    let readable = std::fs::read_dir(place.path()).is_ok();
    let runtime = flextok_server::runtime(1).expect("a runtime");
    let bound = flextok_server::Server::bind(place.path(), ("127.0.0.1", 0), Options::default());
    let server = runtime.block_on(bound);
    mode(0o700).expect("its mode is set");
    match server {
        Ok(_) => assert!(readable, "it is served"),
        Err(error) => assert!(matches!(error, StartError::Directory { .. }), "{error}"),
    }
}
