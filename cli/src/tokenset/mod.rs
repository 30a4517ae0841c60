//! Sets of token rows as the commands read them, one row after another whatever the kind of file: `.npy` with its
//! `.jsonl`, `.parquet`, `.tar` of tokens.
//!
//! Nothing here knows the program around it, so that the fuzz targets can include it. Memory is that of a few rows or, of
//! a Parquet file, of a page of each column, never that of the file.

mod error;
pub(crate) mod index;
pub(crate) mod npy;
pub(crate) mod parquet;
pub(crate) mod path;
pub(crate) mod tar;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

pub(crate) use error::{RowError, SetError};

/// Bytes of a line of an index.
pub(crate) const MAX_LINE: usize = 64 << 10;
/// Bytes of an id.
pub(crate) const MAX_ID: usize = 4096;
/// Tokens of a row.
pub(crate) const MAX_TOKENS: usize = 65_536;
/// Longest side of a picture in pixels, as in token files.
pub(crate) const MAX_SIDE: u32 = 1 << 20;

/// A picture of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: String,
    /// Its tokens, coarse to fine, as the file has them; see [`Row::ids`].
    pub(crate) tokens: Vec<i64>,
    /// Width and height that a decoder restores, in pixels, if the set says so.
    pub(crate) size: Option<(u32, u32)>,
}

/// What follows in a set.
#[derive(Debug)]
pub(crate) enum Item {
    Row(Row),
    /// A row without tokens: its picture failed when the set was made.
    Empty,
    Fault(Fault),
}

/// A row that cannot be used.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Its id, or `row` and its number from 0.
    pub(crate) row: String,
    pub(crate) error: RowError,
}

/// What a file says of all of its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// How many there are, failures included.
    pub(crate) rows: Option<u64>,
    /// Tokens of each.
    pub(crate) tokens: Option<u64>,
    /// The fingerprint of their model, as text.
    pub(crate) model: Option<String>,
    /// Width and height of their canvas in pixels.
    pub(crate) canvas: Option<(u32, u32)>,
}

/// The rows of a set; an error is the last item.
pub(crate) type Items = Box<dyn Iterator<Item = Result<Item, SetError>>>;

/// A file of tokens.
pub(crate) struct TokenSet {
    pub(crate) about: About,
    pub(crate) items: Items,
}

impl Row {
    /// The tokens, if they are 1 to `most` ids below `codebook`, and as many as `wanted` says.
    pub(crate) fn ids(
        &self,
        codebook: u32,
        most: usize,
        wanted: Option<u64>,
    ) -> Result<Vec<u16>, RowError> {
        let found = self.tokens.len();
        if found == 0 || found > most {
            return Err(RowError::length(found, most));
        }
        if let Some(wanted) = wanted.filter(|&wanted| wanted != found as u64) {
            let allowed = format!("{wanted}, the number in its file's metadata");
            return Err(RowError::Length { found, allowed });
        }
        let id = |(index, &token): (usize, &i64)| {
            let id = u16::try_from(token).ok();
            id.filter(|&id| u32::from(id) < codebook)
                .ok_or_else(|| RowError::Token {
                    id: token.to_string(),
                    index,
                    largest: codebook.saturating_sub(1),
                })
        };
        self.tokens.iter().enumerate().map(id).collect()
    }
}

impl Item {
    /// The row, or the fault of the row of this number.
    fn new(row: Result<Row, RowError>, number: u64, id: Option<&str>) -> Self {
        match row {
            Ok(row) => Self::Row(row),
            Err(error) => Self::Fault(Fault {
                row: id.map_or_else(|| format!("row {number}"), str::to_owned),
                error,
            }),
        }
    }
}

impl TokenSet {
    /// Whether a path has the name of a set.
    pub(crate) fn is_named(path: &Path) -> bool {
        Kind::of(path).is_some()
    }

    /// Opens a file of a kind that its extension tells.
    pub(crate) fn open(path: &Path) -> Result<Self, SetError> {
        let kind = Kind::of(path).ok_or(SetError::Kind)?;
        let file = open_file(path)?;
        match kind {
            Kind::Npy => npy::open(file, path),
            Kind::Parquet => parquet::read(file),
            Kind::Tar => {
                let shard = path.with_extension("");
                let shard = shard.file_name().unwrap_or_default().to_string_lossy();
                tar::read(BufReader::new(file), &shard)
            }
        }
    }
}

/// Opens a file: a stream may have no end, and its beginning is read more than once.
fn open_file(path: &Path) -> io::Result<File> {
    let found = std::fs::metadata(path)?;
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !found.is_file() {
        let problem = "it has to be a file, not a stream or a device";
        return Err(io::Error::other(problem));
    }
    File::open(path)
}

/// The kinds of files.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Npy,
    Parquet,
    Tar,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "npy" => Some(Self::Npy),
            "parquet" => Some(Self::Parquet),
            "tar" => Some(Self::Tar),
            _ => None,
        }
    }
}

/// Width and height, both of which are there or neither.
fn size(width: Option<i64>, height: Option<i64>) -> Result<Option<(u32, u32)>, RowError> {
    let side = |side: i64| {
        u32::try_from(side)
            .ok()
            .filter(|s| (1..=MAX_SIDE).contains(s))
    };
    let shown = |side: Option<i64>| side.map_or("nothing".to_owned(), |side| side.to_string());
    match (width, height) {
        (None, None) => Ok(None),
        (Some(w), Some(h)) if side(w).is_some() && side(h).is_some() => Ok(side(w).zip(side(h))),
        _ => Err(RowError::Size(format!(
            "{}×{}",
            shown(width),
            shown(height)
        ))),
    }
}

/// An id within the limit.
fn checked_id(id: &[u8]) -> Result<&str, RowError> {
    if id.len() > MAX_ID {
        return Err(RowError::LongId(id.len()));
    }
    std::str::from_utf8(id).map_err(|_| RowError::IdText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_ids_of_the_codebook() {
        let row = |tokens: &[i64]| Row {
            id: "a".to_owned(),
            tokens: tokens.to_vec(),
            size: None,
        };
        assert_eq!(row(&[0, 9]).ids(10, 2, Some(2)).expect("ids"), [0, 9]);
        for (tokens, wanted, mention) in [
            (&[0, 10][..], None, "id 10 at index 1; allowed: 0 to 9"),
            (&[-1], None, "id -1 at index 0"),
            (&[1 << 40], None, "1099511627776"),
            (&[], None, "0 tokens; allowed: 1 to 2"),
            (&[1, 2, 3], None, "3 tokens; allowed: 1 to 2"),
            (&[1], Some(2), "1 tokens; allowed: 2, the number"),
        ] {
            let refused = row(tokens).ids(10, 2, wanted).expect_err("no ids");
            assert!(refused.to_string().contains(mention), "{refused}");
        }
    }

    #[test]
    fn sizes_are_both_sides_or_none() {
        assert_eq!(size(None, None).expect("none"), None);
        assert_eq!(
            size(Some(3), Some(1 << 20)).expect("both"),
            Some((3, 1 << 20))
        );
        for (width, height) in [
            (Some(3), None),
            (None, Some(3)),
            (Some(0), Some(3)),
            (Some(-1), Some(3)),
            (Some(3), Some(1 + (1 << 20))),
        ] {
            assert!(size(width, height).is_err());
        }
    }
}
