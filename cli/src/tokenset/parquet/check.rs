//! What a Parquet file claims, checked before the `parquet` crate acts on it: the footer, and the header of each page of a
//! column.

use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::{
    ColumnChunkMetaData, FooterTail, ParquetMetaData, ParquetMetaDataReader,
};
use parquet::file::reader::ChunkReader;

use super::super::SetError;
use super::thrift::{Problem, walk};
use super::{damaged, of_crate};

/// Bytes of the footer.
const MAX_FOOTER: u64 = 16 << 20;
/// Bytes of a page, compressed or not.
const MAX_PAGE: u64 = 64 << 20;
/// Values in a page, missing ones included.
pub(super) const MAX_VALUES: u64 = 8 << 20;
/// Bytes of a page's header: first tried, then allowed.
const HEADER: [u64; 2] = [4 << 10, 1 << 20];
/// Bytes of the length and the signature at the end.
const TAIL: u64 = 8;

/// The metadata in a file's footer.
pub(super) fn footer(reader: &impl ChunkReader) -> Result<ParquetMetaData, SetError> {
    let length = reader.len();
    let Some(end) = length.checked_sub(TAIL) else {
        return Err(damaged("it is shorter than any"));
    };
    let tail = reader.get_bytes(end, TAIL as usize).map_err(of_crate)?;
    let tail: [u8; TAIL as usize] = (&tail[..])
        .try_into()
        .map_err(|_| damaged("it ends early"))?;
    if &tail[4..] == b"PARE" {
        return Err(damaged("it is encrypted"));
    }
    if &tail[4..] != b"PAR1" {
        return Err(damaged("it does not end like one; it may be cut"));
    }
    let tail = FooterTail::try_from(tail).map_err(of_crate)?;
    let footer = tail.metadata_length() as u64;
    limit("bytes of its footer", footer, MAX_FOOTER)?;
    let Some(start) = end.checked_sub(footer) else {
        return Err(damaged("its footer is longer than the file"));
    };
    let bytes = reader.get_bytes(start, footer as usize).map_err(of_crate)?;
    schema(&bytes)?;
    ParquetMetaDataReader::decode_metadata(&bytes).map_err(of_crate)
}

/// Checks that the numbers of children in the schema, for which the crate reserves memory, are those of elements.
fn schema(footer: &[u8]) -> Result<(), SetError> {
    let (mut elements, mut children) = (0_i64, 0_i64);
    let mut negative = false;
    let walked = walk(footer, |path, value| match path {
        [2] => elements = value,
        [2, 5] => {
            negative |= value < 0;
            children = children.saturating_add(value);
        }
        _ => {}
    });
    walked.map_err(|problem| malformed("footer", problem))?;
    if negative || children >= elements.max(1) {
        return Err(damaged("its schema has other columns than it says"));
    }
    Ok(())
}

/// Checks how a column is compressed, and the header of each of its pages.
pub(super) fn column(
    reader: &impl ChunkReader,
    chunk: &ColumnChunkMetaData,
) -> Result<(), SetError> {
    match chunk.compression() {
        Compression::UNCOMPRESSED | Compression::SNAPPY => {}
        other => {
            let problem = format!(
                "column {} is compressed with {other}; write it with snappy or uncompressed",
                chunk.column_path()
            );
            return Err(damaged(&problem));
        }
    }
    let (mut at, length) = chunk.byte_range();
    let end = at.checked_add(length).filter(|&end| end <= reader.len());
    let end = end.ok_or_else(|| damaged("a column ends behind the file"))?;
    while at < end {
        at = page(reader, chunk, at, end)?;
    }
    Ok(())
}

/// The numbers in a page's header.
#[derive(Debug, Default)]
struct Header {
    kind: Option<i64>,
    uncompressed: i64,
    compressed: i64,
    values: i64,
    encoding: i64,
}

/// Kinds of pages, as in the format.
const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_V2: i64 = 3;

/// Checks the page at `at` and returns where the next one begins.
fn page(
    reader: &impl ChunkReader,
    chunk: &ColumnChunkMetaData,
    at: u64,
    end: u64,
) -> Result<u64, SetError> {
    let (header, length) = header(reader, at, end)?;
    let positive = |value: i64| u64::try_from(value).ok();
    let sizes = (
        positive(header.uncompressed),
        positive(header.compressed),
        positive(header.values),
    );
    let (Some(uncompressed), Some(compressed), Some(values)) = sizes else {
        return Err(damaged("the header of a page holds a negative number"));
    };
    limit("bytes of a page", uncompressed.max(compressed), MAX_PAGE)?;
    limit("values in a page", values, MAX_VALUES)?;
    match header.kind {
        // Each value of a dictionary has four bytes at least.
        Some(DICTIONARY) if values > uncompressed / 4 => {
            return Err(damaged("a dictionary has more values than bytes for them"));
        }
        Some(DATA | DICTIONARY | DATA_V2) => {}
        _ => return Err(damaged("a page is of an unknown kind")),
    }
    let known = [
        Encoding::PLAIN,
        Encoding::PLAIN_DICTIONARY,
        Encoding::RLE_DICTIONARY,
    ];
    if !known.iter().any(|&known| known as i64 == header.encoding) {
        let problem = format!(
            "column {} has the encoding {}; write it with the encodings plain or dictionary",
            chunk.column_path(),
            header.encoding
        );
        return Err(damaged(&problem));
    }
    let next = at.saturating_add(length).saturating_add(compressed);
    if next > end {
        return Err(damaged("a page ends behind its column"));
    }
    Ok(next)
}

/// The header of the page at `at`, and its length in bytes.
fn header(reader: &impl ChunkReader, at: u64, end: u64) -> Result<(Header, u64), SetError> {
    let mut found = Err(Problem::Ends);
    let mut header = Header::default();
    for most in HEADER {
        let held = (end - at).min(most);
        let bytes = reader.get_bytes(at, held as usize).map_err(of_crate)?;
        header = Header::default();
        found = walk(&bytes, |path, value| match path {
            [1] => header.kind = Some(value),
            [2] => header.uncompressed = value,
            [3] => header.compressed = value,
            [5 | 7 | 8, 1] => header.values = header.values.max(value),
            [5 | 7, 2] | [8, 4] => header.encoding = value,
            _ => {}
        });
        if found != Err(Problem::Ends) {
            break;
        }
    }
    let length = found.map_err(|problem| malformed("page header", problem))?;
    Ok((header, length as u64))
}

fn malformed(what: &str, problem: Problem) -> SetError {
    SetError::Parquet(match problem {
        Problem::Ends => format!("its {what} ends early or is too long"),
        Problem::Malformed(why) => format!("its {what} is malformed: {why}"),
    })
}

fn limit(what: &'static str, actual: u64, allowed: u64) -> Result<(), SetError> {
    if actual > allowed {
        return Err(SetError::Limit {
            what,
            actual,
            allowed,
        });
    }
    Ok(())
}
