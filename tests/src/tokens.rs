//! Files of tokens as other programs write them, for tests of the program's readers.

use std::path::Path;
use std::sync::Arc;

use flextok::npy;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// A row: id, tokens, width and height.
#[derive(Debug, Clone)]
pub struct Row {
    /// The id.
    pub id: String,
    /// The tokens; none of a picture that failed.
    pub tokens: Option<Vec<u16>>,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
}

impl Row {
    /// A row of a picture.
    #[must_use]
    pub fn new(id: &str, tokens: &[u16], size: (u32, u32)) -> Self {
        Self {
            id: id.to_owned(),
            tokens: Some(tokens.to_vec()),
            size: Some(size),
        }
    }

    /// The line of an index, or the JSON member of a tar file.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = serde_json::json!({"id": self.id});
        if let Some((width, height)) = self.size {
            line["width"] = width.into();
            line["height"] = height.into();
        }
        line.to_string()
    }
}

/// Writes `name.npy` and `name.jsonl`.
///
/// # Panics
/// If that fails, or rows differ in length.
pub fn write_npy(directory: &Path, name: &str, rows: &[Row]) {
    let tokens: Vec<&[u16]> = rows
        .iter()
        .filter_map(|row| row.tokens.as_deref())
        .collect();
    let array = npy::write_u16(&[tokens.len(), tokens[0].len()], &tokens.concat());
    let index: String = rows.iter().map(|row| row.line() + "\n").collect();
    crate::write(directory, &format!("{name}.npy"), array.expect("an array"));
    crate::write(directory, &format!("{name}.jsonl"), index);
}

/// The bytes of a tar file with the two members of each row, whose keys are numbers.
///
/// # Panics
/// If that fails.
#[must_use]
pub fn tar(rows: &[Row]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: String, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, bytes)
            .expect("a member");
    };
    for (number, row) in rows.iter().enumerate() {
        let tokens = row.tokens.as_deref().unwrap_or_default();
        let array = npy::write_u16(&[tokens.len()], tokens).expect("an array");
        add(format!("{number:09}.cls"), b"7");
        add(format!("{number:09}.tokens.npy"), &array);
        add(format!("{number:09}.tokens.json"), row.line().as_bytes());
    }
    builder.into_inner().expect("a tar file")
}

/// The bytes of a Parquet file with a row group for every three rows, compressed with snappy, and these entries as its
/// metadata.
///
/// # Panics
/// If that fails.
#[must_use]
pub fn parquet(rows: &[Row], metadata: &[(&str, &str)]) -> Vec<u8> {
    let schema = "message schema { required binary id (STRING);
        optional group tokens (LIST) { repeated group list { required int32 element (INTEGER(16, false)); } }
        optional int32 width (INTEGER(32, false)); optional int32 height (INTEGER(32, false)); }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let entries = metadata
        .iter()
        .map(|&(key, value)| KeyValue::new(key.to_owned(), value.to_owned()));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(entries.collect()))
        .build();
    let mut bytes = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).expect("a writer");
    for rows in rows.chunks(3) {
        let mut group = writer.next_row_group().expect("a row group");
        let ids: Vec<ByteArray> = rows.iter().map(|row| row.id.as_str().into()).collect();
        let mut column = group.next_column().expect("fine").expect("ids");
        column
            .typed::<ByteArrayType>()
            .write_batch(&ids, None, None)
            .expect("ids");
        column.close().expect("ids");

        let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            let tokens = row.tokens.as_deref();
            let levels = tokens.map_or(1, |tokens| tokens.len().max(1));
            let level = tokens.map_or(0, |tokens| if tokens.is_empty() { 1 } else { 2 });
            defined.extend(vec![level; levels]);
            repeated.extend((0..levels).map(|index| i16::from(index > 0)));
            values.extend(
                tokens
                    .unwrap_or_default()
                    .iter()
                    .map(|&token| i32::from(token)),
            );
        }
        let mut column = group.next_column().expect("fine").expect("tokens");
        let written = column.typed::<Int32Type>();
        written
            .write_batch(&values, Some(&defined), Some(&repeated))
            .expect("tokens");
        column.close().expect("tokens");

        for side in [
            |(width, _): (u32, u32)| width,
            |(_, height): (u32, u32)| height,
        ] {
            let sides = rows.iter().filter_map(|row| row.size.map(side));
            let sides: Vec<i32> = sides.map(|side| side as i32).collect();
            let defined: Vec<i16> = rows.iter().map(|row| row.size.is_some().into()).collect();
            let mut column = group.next_column().expect("fine").expect("a side");
            column
                .typed::<Int32Type>()
                .write_batch(&sides, Some(&defined), None)
                .expect("a side");
            column.close().expect("a side");
        }
        group.close().expect("a row group");
    }
    writer.close().expect("a file");
    bytes
}
