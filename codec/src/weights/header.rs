//! The header of a safetensors file, checked before any view of its tensors is made.
//!
//! A header is a JSON object behind its length: one entry per tensor with element type, shape and byte range, and
//! `__metadata__`, a map of texts. Whether the ranges fit the shapes and fill the file is for `safetensors` to say
//! ([`Metadata::new`]). Its `SafeTensors::read_metadata` is not used for the JSON before that, because as of 0.8 it
//!
//! - takes the last of several entries, or metadata, of one name, where this refuses duplicates,
//! - buffers all of the JSON as a tree of untyped values before it looks at an entry, many times the header's size, where
//!   this stops at the first limit: on the number of tensors, names, dimensions, or keys and texts of the metadata,
//! - ignores unknown keys of an entry, and names neither tensor nor key in errors about the JSON,
//! - needs the whole file, where `--no-mmap` wants the header checked before the rest is read, and
//! - adds the file's own offsets without looking for overflow.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use super::WeightsError;

/// Longest name of a tensor in bytes; published names have about 80.
const MAX_NAME: usize = 1024;
/// Most dimensions of a tensor; 4 are used.
const MAX_DIMS: usize = 8;
/// Most keys in the metadata.
const MAX_METADATA_KEYS: usize = 1024;
/// Longest text in the metadata that is kept, in bytes.
const MAX_METADATA_TEXT: usize = crate::literal::MAX_BYTES;
/// Most bytes of all texts in the metadata together: a parsed config takes many times the bytes of its text.
const MAX_METADATA_BYTES: usize = MAX_METADATA_TEXT.saturating_mul(2);
/// Bytes before the JSON text: its length.
pub(super) const LENGTH_BYTES: usize = 8;
/// How many bytes of an overlong header its error shows.
pub(super) const SHOWN_BYTES: usize = 64;

/// Largest headers that are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderLimits {
    /// Longest header in bytes. The largest published model needs about 100 000.
    pub header_bytes: usize,
    /// Most tensors. The largest published model has about 800.
    pub tensors: usize,
}

impl Default for HeaderLimits {
    fn default() -> Self {
        Self {
            header_bytes: 16 << 20,
            tensors: 16_384,
        }
    }
}

/// A tensor's type, shape and byte range in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Stored element type, known to this program or not.
    pub(super) dtype: Dtype,
    /// Dimensions, outermost first.
    pub(super) shape: Vec<usize>,
    /// Byte range in the whole file.
    pub(super) range: Range<usize>,
}

impl Entry {
    /// The entry as safetensors has it, at `range`.
    fn info(&self, range: Range<usize>) -> TensorInfo {
        TensorInfo {
            dtype: self.dtype,
            shape: self.shape.clone(),
            data_offsets: (range.start, range.end),
        }
    }

    /// Number of elements.
    pub(super) fn elements(&self) -> usize {
        self.shape
            .iter()
            .fold(1, |product: usize, &dim| product.saturating_mul(dim))
    }
}

/// A header that matches its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// The tensors in ascending byte order of their names.
    pub(super) tensors: BTreeMap<String, Entry>,
    /// The metadata's texts.
    pub(super) metadata: BTreeMap<String, String>,
}

/// Reads and checks the header of the safetensors file `bytes`.
pub(super) fn read(bytes: &[u8], limits: &HeaderLimits) -> Result<Header, WeightsError> {
    read_start(bytes, bytes.len() as u64, limits)
}

/// Reads and checks the header of a safetensors file of `total` bytes, of which `start` holds at least the first
/// [`start_len`].
pub(super) fn read_start(
    start: &[u8],
    total: u64,
    limits: &HeaderLimits,
) -> Result<Header, WeightsError> {
    let needed = start_len(start, total, limits)?;
    let json = start.get(LENGTH_BYTES..needed);
    // Only possible if the file shrinks while it is read.
    let json = json.ok_or_else(|| {
        let found = start.len();
        invalid(format!("{found} bytes, its header ends at {needed}"))
    })?;
    let json = std::str::from_utf8(json).map_err(|error| {
        invalid(format!(
            "not UTF-8 at byte {}",
            error.valid_up_to().saturating_add(LENGTH_BYTES)
        ))
    })?;
    let mut reader = serde_json::Deserializer::from_str(json);
    let mut header = HeaderSeed { limits }
        .deserialize(&mut reader)
        .and_then(|header| reader.end().map(|()| header))
        .map_err(|error| invalid(crate::message::one_line(&error.to_string())))?;
    let data_len = usize::try_from(total)
        .map_err(|_| invalid(format!("{total} bytes, more than can be addressed")))?
        .saturating_sub(needed);
    check_layout(&mut header.tensors, needed, data_len)?;
    Ok(header)
}

/// Bytes from the start of a file of `total` bytes to the end of its header; `start` holds at least its first
/// [`LENGTH_BYTES`], if it has as many.
pub(super) fn start_len(
    start: &[u8],
    total: u64,
    limits: &HeaderLimits,
) -> Result<usize, WeightsError> {
    let Some(length) = start.first_chunk::<LENGTH_BYTES>() else {
        let found = start.len();
        return Err(invalid(format!(
            "{found} bytes, a safetensors file has at least {LENGTH_BYTES}"
        )));
    };
    let length = u64::from_le_bytes(*length);
    if length > limits.header_bytes as u64 {
        let allowed = limits.header_bytes;
        // The beginning usually shows which key or tensor makes it so long.
        let shown = start.get(LENGTH_BYTES..).unwrap_or_default();
        let shown = shown.get(..SHOWN_BYTES).unwrap_or(shown);
        let shown = crate::message::one_line(&String::from_utf8_lossy(shown));
        return Err(invalid(format!(
            "a header of {length} bytes, at most {allowed} are allowed; it begins: {shown}"
        )));
    }
    let found = total.saturating_sub(LENGTH_BYTES as u64);
    if length > found {
        return Err(invalid(format!(
            "a header of {length} bytes, but only {found} bytes follow"
        )));
    }
    // No more than the limit, which is a `usize`.
    let length = usize::try_from(length).unwrap_or(limits.header_bytes);
    Ok(LENGTH_BYTES.saturating_add(length))
}

fn invalid(what: String) -> WeightsError {
    WeightsError::Header { what }
}

/// Has safetensors check that the tensors fill the data without gap or overlap and have the sizes that their shapes
/// imply, and makes their ranges relative to the whole file.
fn check_layout(
    tensors: &mut BTreeMap<String, Entry>,
    data_start: usize,
    data_len: usize,
) -> Result<(), WeightsError> {
    // One by one first, because only errors about the order name their tensor.
    for (name, entry) in tensors.iter() {
        // No tensor is as large as a range that ends before it starts is taken to be.
        let size = entry.range.end.checked_sub(entry.range.start);
        let alone = (name.clone(), entry.info(0..size.unwrap_or(usize::MAX)));
        if Metadata::new(None, vec![alone]).is_err() {
            let why = "its type and shape need another number of bytes";
            return Err(misplaced(name, entry, why));
        }
    }
    let mut in_order: Vec<_> = tensors
        .iter()
        .map(|(name, entry)| (name.clone(), entry.info(entry.range.clone())))
        .collect();
    in_order.sort_by_key(|(_, info)| info.data_offsets);
    let end = match Metadata::new(None, in_order) {
        Ok(metadata) => metadata.data_len(),
        Err(SafeTensorError::InvalidOffset(name)) if let Some(entry) = tensors.get(&name) => {
            let why = "it overlaps the tensor before it, or leaves a gap";
            return Err(misplaced(&name, entry, why));
        }
        Err(error) => return Err(invalid(error.to_string())),
    };
    if end != data_len {
        let what = format!("the tensors end at {end}, but there are {data_len} bytes of data");
        return Err(invalid(what));
    }
    for entry in tensors.values_mut() {
        // No overflow: the end of the data is the end of a slice.
        let Range { start, end } = entry.range;
        entry.range = data_start.saturating_add(start)..data_start.saturating_add(end);
    }
    Ok(())
}

fn misplaced(tensor: &str, entry: &Entry, why: &str) -> WeightsError {
    let Entry {
        dtype,
        shape,
        range,
    } = entry;
    WeightsError::Layout {
        tensor: tensor.to_owned(),
        what: format!("{dtype} {shape:?} at bytes {range:?} of the data: {why}"),
    }
}

struct HeaderSeed<'a> {
    limits: &'a HeaderLimits,
}

impl<'de> DeserializeSeed<'de> for HeaderSeed<'_> {
    type Value = Header;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Header, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeaderSeed<'_> {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Header, A::Error> {
        let mut header = Header {
            tensors: BTreeMap::new(),
            metadata: BTreeMap::new(),
        };
        let mut has_metadata = false;
        while let Some(Text(name)) = items.next_key()? {
            if name == "__metadata__" {
                if std::mem::replace(&mut has_metadata, true) {
                    return Err(A::Error::custom("__metadata__ appears twice"));
                }
                header.metadata = items
                    .next_value_seed(MetadataSeed)
                    .map_err(|error| A::Error::custom(format!("__metadata__: {error}")))?;
                continue;
            }
            if name.len() > MAX_NAME {
                let what = format!(
                    "a tensor's name of {} bytes, at most {MAX_NAME}",
                    name.len()
                );
                return Err(A::Error::custom(what));
            }
            if header.tensors.len() >= self.limits.tensors {
                let (found, allowed) = (self.limits.tensors.saturating_add(1), self.limits.tensors);
                let what = format!(
                    "tensor {name:?}: {found} or more tensors, at most {allowed} are allowed"
                );
                return Err(A::Error::custom(what));
            }
            let Raw {
                dtype,
                shape,
                data_offsets: (start, end),
            } = items
                .next_value()
                .map_err(|error| A::Error::custom(format!("tensor {name:?}: {error}")))?;
            let entry = Entry {
                dtype,
                shape: shape.0,
                range: start..end,
            };
            if header.tensors.insert(name.to_string(), entry).is_some() {
                return Err(A::Error::custom(format!(
                    "the tensor {name:?} appears twice"
                )));
            }
        }
        Ok(header)
    }
}

/// A text that borrows from the header where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// An entry as it is stored; its byte range counts from the end of the header.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    dtype: Dtype,
    shape: Shape,
    data_offsets: (usize, usize),
}

struct Shape(Vec<usize>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_seq(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX_DIMS} dimensions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut shape = Vec::new();
        while let Some(dim) = items.next_element()? {
            if shape.len() >= MAX_DIMS {
                let found = MAX_DIMS.saturating_add(1);
                return Err(A::Error::custom(format!(
                    "a shape of {found} or more dimensions, at most {MAX_DIMS} are allowed"
                )));
            }
            shape.push(dim);
        }
        Ok(Shape(shape))
    }
}

/// Keeps the metadata texts that do not exceed the maximum length of a config.
struct MetadataSeed;

impl<'de> DeserializeSeed<'de> for MetadataSeed {
    type Value = BTreeMap<String, String>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MetadataSeed {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut metadata = BTreeMap::new();
        let mut total = 0_usize;
        while let Some(Text(key)) = items.next_key()? {
            if key.len() > MAX_NAME {
                let found = key.len();
                let what = format!("a key of {found} bytes, at most {MAX_NAME} are allowed");
                return Err(A::Error::custom(what));
            }
            if metadata.len() >= MAX_METADATA_KEYS {
                let found = MAX_METADATA_KEYS.saturating_add(1);
                let what = format!(
                    "key {key:?}: {found} or more keys, at most {MAX_METADATA_KEYS} are allowed"
                );
                return Err(A::Error::custom(what));
            }
            if metadata.contains_key(key.as_ref()) {
                return Err(A::Error::custom(format!(
                    "the metadata key {key:?} appears twice"
                )));
            }
            let Text(text) = items
                .next_value()
                .map_err(|error| A::Error::custom(format!("key {key:?}: {error}")))?;
            if text.len() > MAX_METADATA_TEXT {
                let what = format!(
                    "the metadata key {key:?} has {} bytes, at most {MAX_METADATA_TEXT} are allowed",
                    text.len()
                );
                return Err(A::Error::custom(what));
            }
            total = total.saturating_add(text.len());
            if total > MAX_METADATA_BYTES {
                let what = format!(
                    "the metadata up to the key {key:?} have {total} bytes, at most {MAX_METADATA_BYTES} are allowed"
                );
                return Err(A::Error::custom(what));
            }
            metadata.insert(key.into_owned(), text.into_owned());
        }
        Ok(metadata)
    }
}
