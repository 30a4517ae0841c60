//! The lines of a journal: what became of each picture. It knows nothing of files.

use serde::{Deserialize, Serialize};

/// The longest line in bytes.
pub(crate) const MAX_LINE: usize = 64 << 10;

/// What a line says. The pictures are in their order; `item` is the number of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Entry {
    /// The next row has the tokens of this picture.
    Row {
        item: u32,
        id: String,
        width: u32,
        height: u32,
    },
    /// This picture, or with `end` the rest of this shard, cannot be used.
    Failed {
        item: u32,
        id: String,
        error: String,
        /// The exit code that this is for a run.
        code: u8,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        end: bool,
    },
    /// A shard has been read to its end.
    End { item: u32, end: bool },
    /// All pictures have been worked on, and the output is being made.
    Publish { publish: bool },
}

impl Entry {
    /// Reads a line, which ends with a line break.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        if line.len() > MAX_LINE {
            return Err(format!("is longer than {MAX_LINE} bytes"));
        }
        serde_json::from_slice(line).map_err(|error| format!("is no entry: {error}"))
    }

    /// The line, with its line break.
    pub(crate) fn line(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string(self)? + "\n")
    }

    /// The number of its file.
    pub(crate) fn item(&self) -> Option<u32> {
        match self {
            Self::Row { item, .. } | Self::Failed { item, .. } | Self::End { item, .. } => {
                Some(*item)
            }
            Self::Publish { .. } => None,
        }
    }

    /// Whether no further samples of its shard follow.
    pub(crate) fn is_end(&self) -> bool {
        matches!(self, Self::End { .. } | Self::Failed { end: true, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_was_written() {
        let id = "d/\"é\u{1b}\n.png".to_owned();
        for (entry, text) in [
            (
                Entry::Row {
                    item: 7,
                    id: id.clone(),
                    width: 3,
                    height: 2,
                },
                r#"{"item":7,"id":"d/\"é\u001b\n.png","width":3,"height":2}"#,
            ),
            (
                Entry::Failed {
                    item: 8,
                    id: "a".to_owned(),
                    error: "broken".to_owned(),
                    code: 6,
                    end: false,
                },
                r#"{"item":8,"id":"a","error":"broken","code":6}"#,
            ),
            (
                Entry::End { item: 9, end: true },
                r#"{"item":9,"end":true}"#,
            ),
            (Entry::Publish { publish: true }, r#"{"publish":true}"#),
        ] {
            let line = entry.line().expect("text");
            assert_eq!(line, format!("{text}\n"));
            assert_eq!(Entry::parse(line.as_bytes()), Ok(entry));
        }
        for text in [
            "{}",
            "[]",
            r#"{"item":-1,"end":true}"#,
            r#"{"item":1,"id":"a"}"#,
            "",
            "7",
        ] {
            let refused = Entry::parse(text.as_bytes()).expect_err(text);
            assert!(refused.starts_with("is no entry"), "{refused}");
        }
        assert!(Entry::parse(&[b' '; MAX_LINE + 1]).is_err());
    }
}
