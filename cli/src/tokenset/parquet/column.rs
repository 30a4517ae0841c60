//! One column of a row group, read some records at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescriptor;

use super::check::MAX_VALUES;

/// Values that the pages of one read may have: those of a page that was begun, and of as many records as are read.
const MAX_READ: u64 = 2 * MAX_VALUES;

/// Pages of a column. A record may go over any number of pages; those of one read have a limit.
struct Pages<R: ChunkReader> {
    pages: SerializedPageReader<R>,
    left: Arc<AtomicU64>,
}

impl<R: ChunkReader> PageReader for Pages<R> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = page.as_ref().filter(|page| page.is_data_page()) {
            let values = u64::from(page.num_values());
            let taken = self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(values)
                });
            if taken.is_err() {
                let problem = format!("a row has more than {MAX_VALUES} tokens");
                return Err(ParquetError::General(problem));
            }
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

impl<R: ChunkReader> Iterator for Pages<R> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

/// A column of a row group.
pub(super) struct Column {
    reader: ColumnReader,
    name: String,
    left: Arc<AtomicU64>,
    /// The definition level of a value that is there, and that of a list which has an element.
    present: i16,
    element: i16,
    unsigned: bool,
}

/// A list of integers, each of which may be missing.
pub(super) type List = Vec<Option<i64>>;

impl Column {
    pub(super) fn new<R: ChunkReader + 'static>(
        reader: &Arc<R>,
        chunk: &ColumnChunkMetaData,
        element: i16,
        rows: usize,
    ) -> Result<Self> {
        let left = Arc::new(AtomicU64::new(MAX_READ));
        let pages = Pages {
            pages: SerializedPageReader::new(Arc::clone(reader), chunk, rows, None)?,
            left: Arc::clone(&left),
        };
        let descriptor = chunk.column_descr_ptr();
        Ok(Self {
            name: descriptor.name().to_owned(),
            present: descriptor.max_def_level(),
            unsigned: is_unsigned(&descriptor),
            reader: get_column_reader(descriptor, Box::new(pages)),
            left,
            element,
        })
    }

    /// The texts of as many records.
    pub(super) fn texts(&mut self, records: usize) -> Result<Vec<Option<ByteArray>>> {
        let present = self.present;
        let ColumnReader::ByteArrayColumnReader(reader) = &mut self.reader else {
            return Err(self.wrong());
        };
        self.left.store(MAX_READ, Ordering::Relaxed);
        let levels = read(reader, records, &self.name)?;
        Ok(levels.flat(present))
    }

    /// The integers of as many records.
    pub(super) fn integers(&mut self, records: usize) -> Result<List> {
        Ok(self.levels(records)?.flat(self.present))
    }

    /// The lists of as many records; a record without a list has none.
    pub(super) fn lists(&mut self, records: usize) -> Result<Vec<Option<List>>> {
        let (present, element) = (self.present, self.element);
        let levels = self.levels(records)?;
        let mut lists: Vec<Option<List>> = Vec::with_capacity(records);
        let mut values = levels.values.into_iter();
        for (&repeat, &defined) in levels.repeat.iter().zip(&levels.defined) {
            if repeat == 0 {
                // One level below that of an element there is a list, which is empty.
                lists.push((defined + 1 >= element).then(Vec::new));
            }
            if defined >= element {
                let value = (defined == present).then(|| values.next()).flatten();
                match lists.last_mut() {
                    Some(Some(list)) => list.push(value),
                    _ => return Err(ParquetError::General("a list has no start".to_owned())),
                }
            }
        }
        if lists.len() != records {
            return Err(short(&self.name));
        }
        Ok(lists)
    }

    fn levels(&mut self, records: usize) -> Result<Levels<i64>> {
        self.left.store(MAX_READ, Ordering::Relaxed);
        match &mut self.reader {
            ColumnReader::Int32ColumnReader(reader) => {
                let read = read(reader, records, &self.name)?;
                let unsigned = self.unsigned;
                Ok(read.map(|value| match unsigned {
                    true => i64::from(value as u32),
                    false => i64::from(value),
                }))
            }
            // Beyond the signed range no id or side is right, so that its sign does not matter.
            ColumnReader::Int64ColumnReader(reader) => read(reader, records, &self.name),
            _ => Err(self.wrong()),
        }
    }

    fn wrong(&self) -> ParquetError {
        ParquetError::General(format!("column {} is of another type", self.name))
    }
}

/// What was read of some records: levels of all positions, and the values that are there.
struct Levels<T> {
    defined: Vec<i16>,
    repeat: Vec<i16>,
    values: Vec<T>,
}

impl<T> Levels<T> {
    fn map<U>(self, to: impl Fn(T) -> U) -> Levels<U> {
        Levels {
            defined: self.defined,
            repeat: self.repeat,
            values: self.values.into_iter().map(to).collect(),
        }
    }

    /// The values of a column without lists.
    fn flat(self, present: i16) -> Vec<Option<T>> {
        if present == 0 {
            return self.values.into_iter().map(Some).collect();
        }
        let mut values = self.values.into_iter();
        let value = |&defined: &i16| (defined == present).then(|| values.next()).flatten();
        self.defined.iter().map(value).collect()
    }
}

fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    records: usize,
    name: &str,
) -> Result<Levels<T::T>> {
    let mut levels = Levels {
        defined: Vec::new(),
        repeat: Vec::new(),
        values: Vec::new(),
    };
    let Levels {
        defined,
        repeat,
        values,
    } = &mut levels;
    let (read, _, _) = reader.read_records(records, Some(defined), Some(repeat), values)?;
    if read != records {
        return Err(short(name));
    }
    Ok(levels)
}

fn short(name: &str) -> ParquetError {
    ParquetError::General(format!("column {name} has fewer rows than its row group"))
}

fn is_unsigned(column: &ColumnDescriptor) -> bool {
    let signed =
        matches!(column.logical_type_ref(), Some(LogicalType::Integer(kind)) if kind.is_signed);
    let converted = matches!(
        column.converted_type(),
        ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32
    );
    column.physical_type() == Type::INT32 && converted && !signed
}
