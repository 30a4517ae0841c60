//! Lists the files of the built page for embedding: those of `page`, which the repository links to `web/dist/`, or of the
//! folder that `FLEXTOK_PAGE` names. None are there before it is built.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The parts of the model, which the crate `flextok-models` has already.
const MODEL: [&str; 2] = ["tables.safetensors", "decoder.safetensors"];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    println!("cargo::rerun-if-env-changed=FLEXTOK_PAGE");
    let named = env::var_os("FLEXTOK_PAGE").map(PathBuf::from);
    let dist = named.unwrap_or_else(|| root.join("page"));
    let mut files = Vec::new();
    if dist.is_dir() {
        println!("cargo::rerun-if-changed={}", dist.display());
        if dist.join("index.html").is_file() {
            collect(&dist, "", &mut files)?;
        }
    } else {
        println!("cargo::rerun-if-changed=build.rs");
    }
    if env::var_os("CARGO_FEATURE_EMBEDDED_MODEL").is_some() {
        files.retain(|(name, _)| !MODEL.contains(&name.as_str()));
    }
    files.sort();
    let mut table = String::from("static FILES: &[(&str, &[u8])] = &[\n");
    for (name, path) in files {
        let path = path.canonicalize()?;
        writeln!(table, "    ({name:?}, include_bytes!({path:?})),").map_err(io::Error::other)?;
    }
    table.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("page.rs"), table)
}

/// Adds the files beneath `folder` with their names as addresses have them.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files)?;
        } else if path.is_file() {
            files.push((name, path));
        }
    }
    Ok(())
}
