//! What a reader says of a file, as section 15 of the specification defines it.

use std::path::PathBuf;

use flextok_container::{
    CanvasGrid, CodedCanvas, Error, Header, LimitKind, Metadata, Payload, Region, State,
    TablesName, TokenFile,
};
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
    let total = file.header().payload_bytes();
    let (state, have) = match file.state() {
        State::Complete => ("complete", total),
        State::Truncated {
            have,
            total: reported,
        } => {
            assert_eq!(reported, total);
            ("truncated", have)
        }
    };
    let mut report = named(file.header());
    let rest = json!({
        "width": file.header().size().width,
        "height": file.header().size().height,
        "state": state,
        "have": have,
        "total": total,
        "proven": file.proven_bytes(),
        "payload": hex(file.payload()),
        "chunks": chunks(file.metadata()),
    });
    let fields = report.as_object_mut().expect("an object");
    fields.extend(rest.as_object().expect("an object").clone());
    report
}

fn named(header: &Header) -> Value {
    let pair = |grid: CanvasGrid| [grid.columns, grid.rows];
    match header.payload() {
        Payload::Coded(coded) => json!({
            "kind": "coded",
            "tables": match coded.tables {
                TablesName::Number(number) => json!(number),
                TablesName::Model(model) => json!(model.to_string()),
            },
            "canvas": match coded.canvas {
                CodedCanvas::Own => 0,
                CodedCanvas::Long(blocks) => blocks.get(),
            },
            "blocks": header.blocks().map(pair),
        }),
        Payload::Ids(ids) => json!({
            "kind": "ids",
            "fingerprint": ids.model.to_string(),
            "tokens_per_canvas": ids.tokens,
            "codebook_size": ids.codebook_size,
            "canvas": ids.canvas.map(pair),
            "grid": pair(ids.grid),
        }),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
    let others = metadata.other.iter();
    let others = others.map(|c| json!({ "type": c.kind(), "content": hex(c.content()) }));
    texts.chain(others).collect()
}

fn refusal(error: &Error) -> Value {
    match error {
        Error::NotFlextok { offset, .. } => json!({ "error": "not-flextok", "offset": offset }),
        Error::NeedMore { have, needed } => {
            json!({ "error": format!("need-more {}", needed - have) })
        }
        Error::UnsupportedVersion { .. } => json!({ "error": "unsupported-version" }),
        Error::UnsupportedChunk { index, kind } => {
            json!({ "error": format!("unsupported-chunk {index}"), "type": kind })
        }
        Error::DuplicateChunk { index, kind } => {
            json!({ "error": format!("duplicate-chunk {index}"), "type": kind })
        }
        Error::MalformedHeader { field, .. } => {
            json!({ "error": "invalid-header", "field": field })
        }
        Error::Limit {
            limit,
            actual,
            allowed,
        } => {
            let what = match limit {
                LimitKind::Canvases => "canvases",
                LimitKind::PayloadBytes => "payload_bytes",
                LimitKind::MetadataBytes => "metadata_bytes",
                other => panic!("{other}"),
            };
            json!({ "error": "limit", "what": what, "actual": actual, "allowed": allowed })
        }
        Error::Corrupt {
            region,
            range,
            proven,
            ..
        } => {
            let region = match region {
                Region::Header => "header".into(),
                Region::Payload { first, end } => format!("payload {first} {end}"),
                Region::Token { layer, canvas } => format!("token {layer} {canvas}"),
                Region::Chunk { index } => format!("chunk {index}"),
                Region::Trailing => format!("trailing {}", range.start),
                other => other.to_string(),
            };
            let place = [range.start, range.end];
            json!({ "error": format!("corrupt {region}"), "range": place, "proven": proven })
        }
        other => json!({ "error": other.to_string() }),
    }
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
