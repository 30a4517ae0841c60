//! Token files without a model: cut them, and tell what they say about themselves.

use flextok::container::{KeepMetadata, TokenFile};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::numbers::Budget;

/// The complete file of the first tokens of `file`, without metadata, as `flextok truncate` makes it. Without a budget
/// it is all complete layers present.
pub(crate) fn cut(file: &[u8], budget: Budget) -> Result<Vec<u8>, Failure> {
    let file = TokenFile::parse(file)?;
    let cut = match budget {
        Budget::Tokens(tokens) => file.cut(tokens, KeepMetadata::No)?,
        Budget::Bytes(bytes) => file.fit(bytes, KeepMetadata::No)?,
        Budget::All => file.fit(u64::MAX, KeepMetadata::No)?,
    };
    Ok(cut.to_bytes()?)
}

/// What `flextok info --json` says, as far as a page needs it.
pub(crate) fn inspect(bytes: &[u8]) -> Result<Value, Failure> {
    let file = TokenFile::parse(bytes)?;
    let header = file.header();
    let cuts: Vec<Value> = file
        .cut_offsets()
        .map(|cut| {
            json!({
                "tokens": cut.tokens,
                "prefix_bytes": cut.prefix_bytes,
                "complete_bytes": cut.complete_bytes,
            })
        })
        .collect();
    Ok(json!({
        "width": header.width(),
        "height": header.height(),
        "model": header.fingerprint().to_string(),
        "canvases": header.canvases(),
        "codebook_size": header.codebook_size(),
        "state": if file.is_complete() { "complete" } else { "truncated" },
        "tokens_have": file.ids().len(),
        "tokens_per_canvas": header.tokens(),
        "tokens_total": header.total_tokens(),
        "tokens_proven": header.canvases() * u64::from(file.proven_layers()),
        "bytes": bytes.len(),
        "cuts": cuts,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::file;

    #[test]
    fn a_cut_is_a_complete_file() {
        let whole = file(64);
        let three = cut(&whole, Budget::Tokens(3)).unwrap();
        assert_eq!(TokenFile::parse(&three).unwrap().ids(), [0, 7, 14]);
        assert!(TokenFile::parse(&three).unwrap().is_complete());
        let small = cut(&whole, Budget::Bytes(60)).unwrap();
        assert!(small.len() <= 60 && small.len() > 50, "{}", small.len());
        assert_eq!(cut(&whole, Budget::All).unwrap(), whole);
        assert_eq!(cut(&whole, Budget::Tokens(65)).unwrap_err().kind, "usage");
        assert_eq!(cut(&whole, Budget::Bytes(5)).unwrap_err().kind, "usage");
        assert_eq!(cut(b"not a file", Budget::All).unwrap_err().kind, "corrupt");
    }

    #[test]
    fn cuts_are_where_inspect_says() {
        let whole = file(64);
        let about = inspect(&whole).unwrap();
        assert_eq!(about["state"], "complete");
        assert_eq!(about["bytes"], whole.len());
        let cuts = about["cuts"].as_array().unwrap();
        assert_eq!(cuts.len(), 64);
        for row in cuts {
            let tokens = row["tokens"].as_u64().unwrap();
            let prefix = &whole[..row["prefix_bytes"].as_u64().unwrap() as usize];
            let here = inspect(prefix).unwrap();
            assert_eq!(here["tokens_have"], tokens);
            assert_eq!(here["tokens_per_canvas"], 64);
            let complete = cut(&whole, Budget::Tokens(tokens as u16)).unwrap();
            assert_eq!(row["complete_bytes"], complete.len());
            assert_eq!(cut(prefix, Budget::All).unwrap(), complete);
        }
    }
}
