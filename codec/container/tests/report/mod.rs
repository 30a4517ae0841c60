//! What a reader says of a file, as section 15 of the specification defines it.

use std::path::PathBuf;

use flextok_container::{Error, Metadata, Region, State, TokenFile};
use serde_json::{Value, json};

/// A file of `format-spec/`.
pub(crate) fn specification(path: &str) -> PathBuf {
    let crate_dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    crate_dir.join("../../format-spec").join(path)
}

/// The report of a file, or of the error that it is.
pub(crate) fn report(result: &Result<TokenFile, Error>) -> Value {
    match result {
        Ok(file) => contents(file),
        Err(error) => refusal(error),
    }
}

fn contents(file: &TokenFile) -> Value {
    let header = file.header();
    let (major, minor) = header.version();
    let (state, have, total) = match file.state() {
        State::Complete => ("complete", file.ids().len() as u64, header.total_tokens()),
        State::Truncated { have, total } => ("truncated", have, total),
    };
    json!({
        "version": format!("{major}.{minor}"),
        "fingerprint": header.fingerprint().to_string(),
        "width": header.width(),
        "height": header.height(),
        "tokens_per_canvas": header.tokens(),
        "codebook_size": header.codebook_size(),
        "canvas": header.canvas(),
        "grid": header.grid(),
        "state": state,
        "have": have,
        "total": total,
        "proven": file.proven_layers(),
        "ids": file.ids(),
        "chunks": chunks(file.metadata()),
    })
}

/// Types 1 to 4 in this order, then the others in theirs.
fn chunks(metadata: &Metadata) -> Vec<Value> {
    let texts = [
        (1, "encoder", &metadata.encoder),
        (2, "title", &metadata.title),
        (3, "capture_time", &metadata.capture_time),
        (4, "color_profile", &metadata.color_profile),
    ];
    let texts = texts.into_iter().filter_map(|(kind, name, text)| {
        let text = text.as_ref()?;
        Some(json!({ "type": kind, name: text }))
    });
    let others = metadata.other.iter().map(|chunk| {
        let digits: String = chunk.payload().iter().map(|b| format!("{b:02x}")).collect();
        json!({ "type": chunk.kind(), "payload": digits })
    });
    texts.chain(others).collect()
}

fn refusal(error: &Error) -> Value {
    match error {
        Error::NotFlextok { offset, .. } => json!({ "error": "not-flextok", "offset": offset }),
        Error::NeedMore { have, needed } => {
            json!({ "error": format!("need-more {}", needed - have) })
        }
        Error::UnsupportedVersion { major, minor, .. } => {
            json!({ "error": "unsupported-version", "version": format!("{major}.{minor}") })
        }
        Error::UnsupportedFlags { flags, .. } => {
            json!({ "error": "unsupported-flags", "flags": flags })
        }
        Error::UnsupportedChunk { index, kind } => {
            json!({ "error": format!("unsupported-chunk {index}"), "type": kind })
        }
        Error::DuplicateChunk { index, kind } => {
            json!({ "error": format!("duplicate-chunk {index}"), "type": kind })
        }
        Error::MalformedHeader { field, .. } => {
            let field = match *field {
                "large dimensions byte" => "large",
                "number of canvases under the grid flag" => "grid",
                "codebook size" => "codebook",
                other => other,
            };
            json!({ "error": "invalid-header", "field": field })
        }
        Error::Limit {
            what,
            actual,
            allowed,
        } => {
            let what = match *what {
                "number of canvases" => "canvases",
                "number of tokens" => "tokens",
                "metadata bytes" => "metadata_bytes",
                other => other,
            };
            json!({ "error": "limit", "what": what, "actual": actual, "allowed": allowed })
        }
        Error::Corrupt { region, range, .. } => {
            let region = match region {
                Region::Header => "header".into(),
                Region::Layers { first, last } => format!("layers {first} {last}"),
                Region::Token { layer, canvas } => format!("token {layer} {canvas}"),
                Region::Chunk { index } => format!("chunk {index}"),
                Region::Trailing => format!("trailing {}", range.start),
                other => other.to_string(),
            };
            let place = [range.start, range.end];
            json!({ "error": format!("corrupt {region}"), "range": place })
        }
        other => json!({ "error": other.to_string() }),
    }
}

/// The rows of `vectors/container.tsv`: name, outcome, bytes.
pub(crate) fn lines() -> Vec<(String, String, Vec<u8>)> {
    let text = std::fs::read_to_string(specification("vectors/container.tsv")).expect("vectors");
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let fields: Vec<&str> = row.split('\t').collect();
        let [name, expected, digits] = fields[..] else {
            panic!("three fields in {row:?}");
        };
        (name.into(), expected.into(), from_hex(digits))
    })
    .collect()
}

fn from_hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2) && digits.is_ascii());
    let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits");
    (0..digits.len()).step_by(2).map(pair).collect()
}

/// The files of `vectors/valid` or `vectors/invalid` in the order of their names: name, bytes, report.
pub(crate) fn files(directory: &str) -> Vec<(String, Vec<u8>, Value)> {
    let directory = specification("vectors").join(directory);
    let entries = std::fs::read_dir(&directory).expect("the directory of vectors");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    assert!(paths.len().is_multiple_of(2), "each file has its report");
    paths.retain(|path| path.extension().is_some_and(|end| end == "flxt"));
    let read = |path: PathBuf| {
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let bytes = std::fs::read(&path).expect("a vector");
        let text = std::fs::read_to_string(path.with_extension("json"));
        let expected = serde_json::from_str(&text.expect("its report")).expect("JSON");
        (name, bytes, expected)
    };
    paths.into_iter().map(read).collect()
}
