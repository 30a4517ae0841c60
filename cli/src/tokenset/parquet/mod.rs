//! Parquet files with the columns `id`, `tokens` and, if sizes are known, `width` and `height`; others are not read.
//!
//! The `parquet` crate reads the pages. It trusts sizes that a file claims, and panics on some malformed ones: so sizes are
//! checked first ([`check`]), and panics are caught.

mod check;
mod column;
mod thrift;

use std::sync::Arc;

use flextok::guard::guarded;
use parquet::basic::Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::ChunkReader;
use parquet::schema::types::SchemaDescriptor;

use self::column::{Column, List};
use super::error::plain;
use super::{About, Item, MAX_TOKENS, Row, RowError, SetError, TokenSet, checked_id, size};

/// Rows that are read at a time.
const ROWS: usize = 64;
/// Most rows for each byte of the file.
const ROWS_PER_BYTE: u64 = 64;

/// The columns that are read, by their number among the leaves of the schema.
#[derive(Debug, Clone, Copy)]
struct Columns {
    id: usize,
    tokens: usize,
    /// The definition level of an element of `tokens`.
    element: i16,
    width: Option<usize>,
    height: Option<usize>,
}

/// The columns of a row group that is being read.
struct Group {
    id: Column,
    tokens: Column,
    width: Option<Column>,
    height: Option<Column>,
    left: u64,
}

struct Items<R> {
    reader: Arc<R>,
    metadata: ParquetMetaData,
    columns: Columns,
    next_group: usize,
    group: Option<Group>,
    /// What was read and not yet given, from the last to the next.
    ready: Vec<Item>,
    /// Rows that were read.
    rows: u64,
    ended: bool,
}

/// The rows of a Parquet file.
pub(crate) fn read<R: ChunkReader + 'static>(reader: R) -> Result<TokenSet, SetError> {
    let (reader, metadata, columns) = inside(|| {
        let metadata = check::footer(&reader)?;
        let columns = Columns::of(metadata.file_metadata().schema_descr())?;
        Ok((reader, metadata, columns))
    })?;
    let about = about(&metadata)?;
    // Each row has an id of its own, which no compression here makes that small.
    let most = reader.len().saturating_mul(ROWS_PER_BYTE);
    if about.rows.is_some_and(|rows| rows > most) {
        return Err(damaged("it has more rows than bytes for them"));
    }
    Ok(TokenSet {
        about,
        items: Box::new(Items {
            reader: Arc::new(reader),
            metadata,
            columns,
            next_group: 0,
            group: None,
            ready: Vec::new(),
            rows: 0,
            ended: false,
        }),
    })
}

/// Runs what calls the crate.
fn inside<T>(read: impl FnOnce() -> Result<T, SetError>) -> Result<T, SetError> {
    guarded(read).unwrap_or_else(|panic| Err(damaged(&format!("its reader gave up: {panic}"))))
}

fn of_crate(error: ParquetError) -> SetError {
    SetError::Parquet(plain(error))
}

fn damaged(problem: &str) -> SetError {
    SetError::Parquet(plain(problem))
}

fn about(metadata: &ParquetMetaData) -> Result<About, SetError> {
    let mut about = About::default();
    let rows = metadata.row_groups().iter().map(RowGroupMetaData::num_rows);
    let rows = rows.map(|rows| u64::try_from(rows).ok());
    let rows: Option<Vec<u64>> = rows.collect();
    let rows = rows.ok_or_else(|| damaged("a row group has a negative number of rows"))?;
    about.rows = Some(rows.into_iter().fold(0, u64::saturating_add));
    let entries = metadata.file_metadata().key_value_metadata();
    for entry in entries.into_iter().flatten() {
        let Some(value) = &entry.value else { continue };
        let invalid = || {
            let shown: String = value.chars().take(40).collect();
            damaged(&format!("its metadata {} is \"{shown}\"", entry.key))
        };
        match entry.key.as_str() {
            "flextok.model" => about.model = Some(value.clone()),
            "flextok.tokens" => about.tokens = Some(value.parse().map_err(|_| invalid())?),
            "flextok.canvas" => {
                let sides = value.split_once('x').ok_or_else(invalid)?;
                let side = |side: &str| side.parse().map_err(|_| invalid());
                about.canvas = Some((side(sides.0)?, side(sides.1)?));
            }
            _ => {}
        }
    }
    Ok(about)
}

impl Columns {
    fn of(schema: &SchemaDescriptor) -> Result<Self, SetError> {
        let found = |name: &str| {
            let of_name = schema.columns().iter().enumerate();
            let mut of_name = of_name
                .filter(|(_, column)| column.path().parts().first().is_some_and(|p| p == name));
            match (of_name.next(), of_name.next()) {
                (Some((index, column)), None) => Ok(Some((index, column))),
                (None, _) => Ok(None),
                _ => Err(damaged(&format!("column {name} is a structure of several"))),
            }
        };
        let integers = [Type::INT32, Type::INT64];
        let flat = |name: &str, kinds: &[Type]| match found(name)? {
            None => Ok(None),
            Some((index, column))
                if column.max_rep_level() == 0
                    && column.path().parts().len() == 1
                    && kinds.contains(&column.physical_type()) =>
            {
                Ok(Some(index))
            }
            Some(_) => Err(damaged(&format!("column {name} is of another type"))),
        };
        let id = flat("id", &[Type::BYTE_ARRAY])?.ok_or_else(|| damaged("it has no column id"))?;
        let Some((tokens, list)) = found("tokens")? else {
            return Err(damaged("it has no column tokens"));
        };
        if list.max_rep_level() != 1 || !integers.contains(&list.physical_type()) {
            return Err(damaged("its column tokens is no list of integers"));
        }
        Ok(Self {
            id,
            tokens,
            element: element_level(schema, tokens)?,
            width: flat("width", &integers)?,
            height: flat("height", &integers)?,
        })
    }
}

/// The definition level of an element of a list: that of the one repeated node on the way to the column.
fn element_level(schema: &SchemaDescriptor, column: usize) -> Result<i16, SetError> {
    let mut node = schema.root_schema();
    let mut level = 0;
    for part in schema.column(column).path().parts() {
        let child = node.get_fields().iter().find(|field| field.name() == part);
        node = child.ok_or_else(|| damaged("its schema contradicts itself"))?;
        match node.get_basic_info().repetition() {
            parquet::basic::Repetition::REPEATED => return Ok(level + 1),
            parquet::basic::Repetition::OPTIONAL => level += 1,
            parquet::basic::Repetition::REQUIRED => {}
        }
        if node.is_primitive() {
            break;
        }
    }
    Err(damaged("its column tokens is no list of integers"))
}

impl<R: ChunkReader + 'static> Items<R> {
    /// The columns of the next row group.
    fn open(&self, index: usize) -> Result<Group, SetError> {
        let group = self.metadata.row_group(index);
        let rows = u64::try_from(group.num_rows()).unwrap_or(0);
        let open = |column: usize, element: i16| {
            let chunk = group.column(column);
            check::column(&*self.reader, chunk)?;
            let rows = usize::try_from(rows).unwrap_or(usize::MAX);
            Column::new(&self.reader, chunk, element, rows).map_err(of_crate)
        };
        let size = |column: Option<usize>| column.map(|column| open(column, 0)).transpose();
        Ok(Group {
            id: open(self.columns.id, 0)?,
            tokens: open(self.columns.tokens, self.columns.element)?,
            width: size(self.columns.width)?,
            height: size(self.columns.height)?,
            left: rows,
        })
    }

    /// Makes some rows ready; false at the end of the file.
    fn fill(&mut self) -> Result<bool, SetError> {
        loop {
            if let Some(group) = self.group.as_mut().filter(|group| group.left > 0) {
                let count = group.left.min(ROWS as u64) as usize;
                let rows = group.rows(count).map_err(of_crate)?;
                let numbers = self.rows..;
                let items = rows.into_iter().zip(numbers);
                self.ready = items.map(|(row, number)| row.item(number)).collect();
                self.ready.reverse();
                self.rows += count as u64;
                return Ok(true);
            }
            if self.next_group == self.metadata.num_row_groups() {
                return Ok(false);
            }
            self.group = Some(self.open(self.next_group)?);
            self.next_group += 1;
        }
    }
}

impl<R: ChunkReader + 'static> Iterator for Items<R> {
    type Item = Result<Item, SetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() && !self.ended {
            let filled = inside(|| self.fill());
            // After an error or a panic the columns are not used any more.
            self.ended = !matches!(filled, Ok(true));
            if let Err(error) = filled {
                return Some(Err(error));
            }
        }
        self.ready.pop().map(Ok)
    }
}

/// The values of a row.
struct Raw {
    id: Option<parquet::data_type::ByteArray>,
    tokens: Option<List>,
    width: Option<i64>,
    height: Option<i64>,
}

impl Group {
    fn rows(&mut self, count: usize) -> Result<Vec<Raw>, ParquetError> {
        let ids = self.id.texts(count)?;
        let lists = self.tokens.lists(count)?;
        let side = |column: &mut Option<Column>| match column {
            Some(column) => column.integers(count),
            None => Ok(vec![None; count]),
        };
        let (widths, heights) = (side(&mut self.width)?, side(&mut self.height)?);
        self.left -= count as u64;
        let sizes = widths.into_iter().zip(heights);
        let rows = ids.into_iter().zip(lists).zip(sizes);
        let rows = rows.map(|((id, tokens), (width, height))| Raw {
            id,
            tokens,
            width,
            height,
        });
        Ok(rows.collect())
    }
}

impl Raw {
    fn item(self, number: u64) -> Item {
        let Some(tokens) = self.tokens else {
            return Item::Empty;
        };
        let id = match &self.id {
            Some(id) => checked_id(id.data()).map(str::to_owned),
            None => Err(RowError::NoId),
        };
        let known = id.as_ref().ok().cloned();
        let row = id.and_then(|id| {
            if tokens.len() > MAX_TOKENS {
                return Err(RowError::length(tokens.len(), MAX_TOKENS));
            }
            let token = |(index, token): (usize, Option<i64>)| token.ok_or(RowError::Null(index));
            Ok(Row {
                id,
                tokens: tokens
                    .into_iter()
                    .enumerate()
                    .map(token)
                    .collect::<Result<_, _>>()?,
                size: size(self.width, self.height)?,
            })
        });
        Item::new(row, number, known.as_deref())
    }
}
