//! Token files without a model: cut them, and tell what they say about themselves.

use flextok::ModelName;
use flextok::container::{
    BLOCK, CanvasGrid, CodedCanvas, Header, KeepMetadata, Payload, TokenFile,
};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::numbers::Budget;

/// The complete file of the first part of `file`, without metadata, as `flextok truncate` makes it. Without a budget it
/// is all that is there; of tokens, all complete layers.
pub(crate) fn cut(file: &[u8], budget: Budget) -> Result<Vec<u8>, Failure> {
    let file = TokenFile::parse(file)?;
    let cut = match budget {
        Budget::Count(units) => first(&file, units)?,
        Budget::Bytes(bytes) => file.fit(bytes, KeepMetadata::No)?,
        Budget::All => file.fit(u64::MAX, KeepMetadata::No)?,
    };
    Ok(cut.to_bytes()?)
}

/// The complete file of the first units of payload: bytes of a coded one, or tokens of each canvas.
pub(crate) fn first(file: &TokenFile, units: u32) -> Result<TokenFile, Failure> {
    Ok(match file.header().payload() {
        Payload::Coded(_) => file.cut(units.into(), KeepMetadata::No)?,
        Payload::Ids(_) => file.cut_layers(units, KeepMetadata::No)?,
    })
}

/// Whole units in this many bytes of payload.
pub(crate) fn units(header: &Header, payload: u64) -> u64 {
    payload / header.unit()
}

/// The name of the kind of payload.
pub(crate) fn kind(header: &Header) -> &'static str {
    match header.payload() {
        Payload::Coded(_) => "coded",
        Payload::Ids(_) => "ids",
    }
}

/// What `flextok info --json` says, as far as a page needs it, under the same keys.
pub(crate) fn inspect(bytes: &[u8]) -> Result<Value, Failure> {
    let file = TokenFile::parse(bytes)?;
    let header = file.header();
    let mut info = json!({
        "width": header.size().width,
        "height": header.size().height,
        "model": ModelName::of(header).to_string(),
        "payload": kind(header),
        "state": if file.is_complete() { "complete" } else { "truncated" },
        "bytes": bytes.len(),
        "cuts": cuts(&file),
    });
    if let (Some(info), Value::Object(more)) = (info.as_object_mut(), about_payload(&file)) {
        info.extend(more);
    }
    Ok(info)
}

/// Fields of one kind of payload only.
fn about_payload(file: &TokenFile) -> Value {
    let header = file.header();
    let have = file.payload().len() as u64;
    match header.payload() {
        Payload::Coded(coded) => {
            let blocks = header.blocks().unwrap_or(CanvasGrid::SINGLE);
            json!({
                "canvas": [blocks.columns * BLOCK, blocks.rows * BLOCK],
                "canvas_is_own": coded.canvas == CodedCanvas::Own,
                "bytes_have": have,
                "bytes_total": header.payload_bytes(),
                "bytes_proven": file.proven_bytes(),
            })
        }
        Payload::Ids(ids) => json!({
            "canvases": ids.canvases(),
            "codebook_size": ids.codebook_size,
            "tokens_per_canvas": ids.tokens,
            "tokens_have": file.ids().len(),
            "tokens_total": ids.total_tokens(),
            "tokens_proven": ids.canvases() * u64::from(file.proven_layers()),
        }),
    }
}

fn cuts(file: &TokenFile) -> Vec<Value> {
    let row = |cut: flextok::container::CutOffset| {
        let mut row = json!({
            "payload_bytes": cut.payload,
            "prefix_bytes": cut.prefix_bytes,
            "complete_bytes": cut.complete_bytes,
        });
        if let Some(tokens) = cut.tokens {
            row["tokens"] = tokens.into();
        }
        row
    };
    file.cut_offsets().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{coded, ids};

    #[test]
    fn a_cut_is_a_complete_file() {
        for (whole, kept) in [
            (coded(64), vec![0, 7, 14]),
            (ids(64), vec![0, 0, 7, 0, 14, 0]),
        ] {
            let three = TokenFile::parse(&cut(&whole, Budget::Count(3)).unwrap()).unwrap();
            assert_eq!(three.payload(), kept);
            assert!(three.is_complete());
            let small = cut(&whole, Budget::Bytes(60)).unwrap();
            assert!(small.len() <= 60 && small.len() > 57, "{}", small.len());
            assert_eq!(cut(&whole, Budget::All).unwrap(), whole);
            for wrong in [Budget::Count(65), Budget::Count(0), Budget::Bytes(5)] {
                assert_eq!(cut(&whole, wrong).unwrap_err().kind, "usage", "{wrong:?}");
            }
        }
        assert_eq!(cut(b"not a file", Budget::All).unwrap_err().kind, "corrupt");
    }

    #[test]
    fn cuts_are_where_inspect_says() {
        for (whole, rows, have) in [(coded(64), 7, "bytes_have"), (ids(64), 64, "tokens_have")] {
            let about = inspect(&whole).unwrap();
            assert_eq!(about["state"], "complete");
            assert_eq!(about["bytes"], whole.len());
            let cuts = about["cuts"].as_array().unwrap();
            assert_eq!(cuts.len(), rows);
            for row in cuts {
                let units = row.get("tokens").unwrap_or(&row["payload_bytes"]);
                let prefix = &whole[..row["prefix_bytes"].as_u64().unwrap() as usize];
                assert_eq!(&inspect(prefix).unwrap()[have], units);
                let units = units.as_u64().unwrap() as u32;
                let complete = cut(&whole, Budget::Count(units)).unwrap();
                assert_eq!(row["complete_bytes"], complete.len());
                assert_eq!(cut(prefix, Budget::All).unwrap(), complete);
            }
        }
    }

    #[test]
    fn inspect_says_what_kind_of_payload_there_is() {
        let about = inspect(&coded(300)).unwrap();
        assert_eq!(
            (&about["payload"], &about["model"]),
            (&json!("coded"), &json!("tables 1"))
        );
        assert_eq!(about["canvas"], json!([320, 224]));
        let about = inspect(&ids(5)).unwrap();
        assert_eq!(
            (&about["payload"], &about["model"]),
            (&json!("ids"), &json!("01020304"))
        );
        assert_eq!(about["tokens_per_canvas"], 5);
    }
}
