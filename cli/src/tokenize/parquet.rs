//! A Parquet file from a journal: a row for each picture, in row groups of bounded size.

use std::io;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::entry::Entry;
use super::journal::Journal;
use super::target::Target;
use crate::exit::CliError;
use crate::output::Growing;
use crate::settings::Settings;

const SCHEMA: &str = "message tokens {
    required binary id (STRING);
    optional group tokens (LIST) { repeated group list { required int32 element (INTEGER(16,false)); } }
    optional int32 width (INTEGER(32,false));
    optional int32 height (INTEGER(32,false));
    optional binary error (STRING);
}";

/// Most tokens of a row group.
const TOKENS: usize = 1 << 22;
/// Most rows of a row group.
const ROWS: usize = 1 << 16;
/// Most bytes of text in a row group.
const TEXT: usize = 16 << 20;

/// Rows that are not written yet, column by column, with what Parquet calls levels: whether there is a value, and whether it
/// continues the row before.
#[derive(Debug, Default)]
struct Rows {
    ids: Vec<ByteArray>,
    tokens: Vec<i32>,
    defined: Vec<i16>,
    repeated: Vec<i16>,
    width: Vec<i32>,
    height: Vec<i32>,
    sized: Vec<i16>,
    errors: Vec<ByteArray>,
    failed: Vec<i16>,
    text: usize,
}

impl Rows {
    fn add(&mut self, entry: Entry, row: &[u16]) {
        let (id, error) = match entry {
            Entry::Row {
                id, width, height, ..
            } => {
                self.width.push(width.cast_signed());
                self.height.push(height.cast_signed());
                (id, None)
            }
            Entry::Failed { id, error, .. } => (id, Some(error)),
            Entry::End { .. } | Entry::Publish { .. } => return,
        };
        self.text += id.len() + error.as_ref().map_or(0, String::len);
        self.ids.push(id.into_bytes().into());
        self.sized.push(error.is_none().into());
        self.failed.push(error.is_some().into());
        self.tokens.extend(row.iter().map(|&id| i32::from(id)));
        match error {
            Some(error) => {
                self.errors.push(error.into_bytes().into());
                self.defined.push(0);
                self.repeated.push(0);
            }
            None => {
                self.defined.extend(row.iter().map(|_| 2));
                self.repeated
                    .extend((0..row.len()).map(|at| i16::from(at > 0)));
            }
        }
    }

    fn is_full(&self) -> bool {
        self.tokens.len() >= TOKENS || self.ids.len() >= ROWS || self.text >= TEXT
    }

    /// Writes all and leaves none.
    fn write<W: io::Write + Send>(
        &mut self,
        writer: &mut SerializedFileWriter<W>,
    ) -> Result<(), ParquetError> {
        let rows = std::mem::take(self);
        if rows.ids.is_empty() {
            return Ok(());
        }
        let mut group = writer.next_row_group()?;
        column::<ByteArrayType, W>(&mut group, &rows.ids, None, None)?;
        let levels = (Some(&rows.defined[..]), Some(&rows.repeated[..]));
        column::<Int32Type, W>(&mut group, &rows.tokens, levels.0, levels.1)?;
        column::<Int32Type, W>(&mut group, &rows.width, Some(&rows.sized), None)?;
        column::<Int32Type, W>(&mut group, &rows.height, Some(&rows.sized), None)?;
        column::<ByteArrayType, W>(&mut group, &rows.errors, Some(&rows.failed), None)?;
        group.close().map(drop)
    }
}

fn column<T: DataType, W: io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    defined: Option<&[i16]>,
    repeated: Option<&[i16]>,
) -> Result<(), ParquetError> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, defined, repeated)?;
        column.close()?;
    }
    Ok(())
}

/// Writes the file.
pub(super) fn write(
    target: &Target,
    journal: &Journal,
    settings: &Settings,
) -> Result<(), CliError> {
    let mut file = target.grow(&target.path)?;
    let written = all(&mut file, journal, settings);
    written.map_err(|error| match error {
        Failed::Journal(error) => error,
        Failed::Parquet(ParquetError::External(error)) => file.failed(io::Error::other(error)),
        Failed::Parquet(error) => file.failed(io::Error::other(error)),
    })?;
    file.publish()
}

/// Why writing failed.
enum Failed {
    Journal(CliError),
    Parquet(ParquetError),
}

impl From<ParquetError> for Failed {
    fn from(error: ParquetError) -> Self {
        Self::Parquet(error)
    }
}

fn all(file: &mut Growing, journal: &Journal, settings: &Settings) -> Result<(), Failed> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties(settings)))?;
    let mut entries = journal.entries().map_err(Failed::Journal)?;
    let mut rows = Rows::default();
    while let Some((entry, row)) = entries.next().map_err(Failed::Journal)? {
        rows.add(entry, &row);
        if rows.is_full() {
            rows.write(&mut writer)?;
        }
    }
    rows.write(&mut writer)?;
    writer.close()?;
    Ok(())
}

fn properties(settings: &Settings) -> WriterProperties {
    let about = ["model", "tokens", "canvas"].map(|key| {
        let value = settings.get(key).map(|value| match value.as_str() {
            Some(text) => text.to_owned(),
            None => value.to_string(),
        });
        KeyValue::new(format!("flextok.{key}"), value)
    });
    // Tokens are as good as random: no general compression makes them smaller than the dictionary does.
    WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_created_by(concat!("flextok ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(about.into()))
        .build()
}
