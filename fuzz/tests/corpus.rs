//! The committed corpus through every check, without libFuzzer: `cargo test` in this directory.

use std::fs;
use std::path::Path;

use flextok_fuzz::container;

fn run(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let entries = fs::read_dir(&corpus).expect("a committed corpus");
    let mut count = 0;
    for entry in entries {
        check(&fs::read(entry.expect("an entry").path()).expect("a file"));
        count += 1;
    }
    assert!(count >= 4, "{count} seeds for {target}");
}

#[test]
fn container_parse() {
    run("container_parse", container::parse);
}

#[test]
fn container_roundtrip() {
    run("container_roundtrip", container::roundtrip);
}

#[test]
fn container_chunks() {
    run("container_chunks", container::chunks);
}

#[test]
fn container_truncate() {
    run("container_truncate", container::truncate);
}
