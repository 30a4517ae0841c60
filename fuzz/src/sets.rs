//! Properties of the readers of files of tokens over arbitrary bytes.

use std::io::Cursor;
use std::path::Component;

use flextok::npy::{self, Rows};
use parquet::file::reader::ChunkReader;

// The program's own readers; a program has no library to take them from.
#[allow(dead_code)]
#[path = "../../cli/src/tokenset/mod.rs"]
mod tokenset;

use tokenset::{Item, MAX_ID, MAX_SIDE, MAX_TOKENS, Row, TokenSet};

/// Of an array and its index, behind the length of the array in two bytes: the rows are those of the array read at once,
/// one item for each of them, and a bad line spoils only its own.
pub fn rows(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (array, index) = rest.split_at(length);
    let whole = npy::read_integers(array);
    let rows = match Rows::new(array, MAX_TOKENS) {
        Ok(rows) => rows,
        Err(error) => return crate::one_line(&error),
    };
    if let Ok(whole) = &whole {
        assert_eq!(rows.file_bytes(), array.len() as u64);
        let read: Result<Vec<_>, _> = Rows::new(array, MAX_TOKENS).expect("as before").collect();
        let read = read.expect("rows of a whole array").concat();
        assert_eq!(read, whole.data);
    }
    let lines = tokenset::index::count_lines(index).expect("bytes do not fail");
    let wanted = rows.rows();
    let items = tokenset::npy::Indexed::new(rows, Some(index), "x.jsonl".to_owned());
    // Rows of no columns take no bytes, so that there may be any number of them.
    let found = items
        .take(1000)
        .map(check)
        .filter(|&is_item| is_item)
        .count() as u64;
    assert!(found <= wanted.min(lines));
    if whole.is_ok() {
        assert_eq!(found, wanted.min(lines).min(1000));
    }
}

/// Of a Parquet file: rows or errors.
pub fn table(data: &[u8]) {
    match tokenset::parquet::read(bytes(data)) {
        Ok(set) => drain(set),
        Err(error) => crate::one_line(&error),
    }
}

/// The bytes as the `parquet` crate reads them.
fn bytes(data: &[u8]) -> impl ChunkReader + 'static {
    bytes::Bytes::copy_from_slice(data)
}

/// Of a tar file: samples or errors.
pub fn shard(data: &[u8]) {
    match tokenset::tar::read(Cursor::new(data.to_vec()), "shard") {
        Ok(set) => drain(set),
        Err(error) => crate::one_line(&error),
    }
}

fn drain(set: TokenSet) {
    let mut ended = false;
    for item in set.items.take(100_000) {
        assert!(!ended, "an error is the last item");
        ended = !check(item);
    }
}

/// Checks an item; false for an error, which ends a file.
fn check(item: Result<Item, tokenset::SetError>) -> bool {
    match item {
        Ok(Item::Row(row)) => check_row(&row),
        Ok(Item::Empty) => {}
        Ok(Item::Fault(fault)) => crate::one_line(&fault.error),
        Err(error) => {
            crate::one_line(&error);
            return false;
        }
    }
    true
}

fn check_row(row: &Row) {
    assert!(row.id.len() <= MAX_ID + "shard/".len() && row.tokens.len() <= MAX_TOKENS);
    if let Some((width, height)) = row.size {
        assert!((1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height));
    }
    if let Ok(ids) = row.ids(64_000, 256, None) {
        assert!((1..=256).contains(&ids.len()) && ids.iter().all(|&id| id < 64_000));
    }
    if let Ok(path) = tokenset::path::of_id(&row.id, "png") {
        let inside = |part| matches!(part, Component::Normal(_));
        assert!(path.components().all(inside), "{:?}", row.id);
        assert!(path.extension().is_some_and(|extension| extension == "png"));
    }
}
