//! The committed corpus through every check, without libFuzzer: `cargo test` in this directory.

use std::fs;
use std::path::Path;

use flextok_fuzz::{
    arguments, collections, config, container, lpips, npy, options, packets, picture, tokens,
    weights,
};

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

#[test]
fn container_packets() {
    run("container_packets", packets::packets);
}

#[test]
fn weights_file() {
    run("weights_file", weights::file);
}

#[test]
fn lpips_weights() {
    run("lpips_weights", lpips::file);
}

#[test]
fn config_text() {
    run("config_text", config::text);
}

#[test]
fn picture_file() {
    run("picture_file", picture::file);
}

#[test]
fn picture_metadata() {
    run("picture_metadata", picture::metadata);
}

#[test]
fn npy_file() {
    run("npy_file", npy::file);
}

#[test]
fn codec_options() {
    run("codec_options", options::both);
}

#[test]
fn option_values() {
    run("option_values", arguments::values);
}

#[test]
fn tokens() {
    run("tokens", tokens::stream);
}

#[test]
fn tar_archive() {
    run("tar_archive", collections::archive);
}

#[test]
fn journal_lines() {
    run("journal_lines", collections::journal);
}
