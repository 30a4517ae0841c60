//! A header as bytes: written field by field, and read in the order in which a reader may trust them.
//!
//! The first three bytes decide the length and protect themselves (two are fixed, the third has a parity bit); the check
//! at the end of that length protects the rest; only then are fields looked at.

use core::num::NonZeroU8;

use super::{
    CanvasGrid, Coded, CodedCanvas, Header, HeaderBytes, Ids, MAGIC, MAX_CANVAS, MAX_CODEBOOK,
    MAX_CODED_BYTES, MAX_DIMENSION, MAX_GRID, MAX_TOKENS, Payload, Size, TablesName, VERSION,
};
use crate::layout::{MAX_HEADER_BYTES, MIN_HEADER_BYTES};
use crate::{Error, Fault, Fingerprint, Region, checks};

/// Place of the byte that has version, kind, metadata flag, length and parity.
const KIND_AT: usize = 2;
const EXTENT: u8 = 0x0f;
const IDS: u8 = 1 << 4;
const METADATA: u8 = 1 << 5;
const LATER: u8 = 1 << 6;
const PARITY: u8 = 1 << 7;

/// Bytes of the shortest header of ids.
const MIN_IDS_BYTES: u64 = 19;

/// Bytes of the longest header that its first bytes can announce: one more than any has whose fields fill it.
pub(crate) const MAX_ANNOUNCED: usize = (MIN_IDS_BYTES + EXTENT as u64) as usize;

impl Header {
    /// The bytes of the header with its check.
    #[must_use]
    pub fn to_bytes(&self) -> HeaderBytes {
        let mut out = Out(HeaderBytes {
            bytes: [0; MAX_HEADER_BYTES as usize],
            length: 0,
        });
        out.push(&MAGIC);
        out.push(&[0]);
        let Size { width, height } = self.size;
        let minus_one = |value: u32| u64::from(value.saturating_sub(1));
        let (kind, least) = match &self.payload {
            Payload::Coded(coded) => {
                match coded.tables {
                    TablesName::Number(number) => out.push(&[number.get()]),
                    TablesName::Model(Fingerprint(model)) => {
                        out.push(&[0]);
                        out.push(&model);
                    }
                }
                out.push(&[match coded.canvas {
                    CodedCanvas::Own => 0,
                    CodedCanvas::Long(blocks) => blocks.get(),
                }]);
                out.number(minus_one(width));
                out.number(minus_one(height));
                out.number(coded.bytes);
                (0, MIN_HEADER_BYTES)
            }
            Payload::Ids(ids) => {
                out.push(&ids.model.0);
                out.number(minus_one(width));
                out.number(minus_one(height));
                out.number(minus_one(ids.tokens));
                out.number(minus_one(ids.codebook_size));
                out.number(ids.canvas.map_or(0, |canvas| canvas.columns.into()));
                out.number(ids.canvas.map_or(0, |canvas| minus_one(canvas.rows)));
                out.number(minus_one(ids.grid.columns));
                out.number(minus_one(ids.grid.rows));
                (IDS, MIN_IDS_BYTES)
            }
        };
        let check = check_len(kind);
        let length = (out.0.length as u64).saturating_add(check as u64);
        let extent = u8::try_from(length.saturating_sub(least)).unwrap_or(EXTENT);
        let metadata = if self.metadata { METADATA } else { 0 };
        let byte = kind | metadata | (extent & EXTENT);
        if let Some(place) = out.0.bytes.get_mut(KIND_AT) {
            *place = byte | if odd(byte) { 0 } else { PARITY };
        }
        let value = value(kind, &out.0).to_le_bytes();
        out.push(value.get(..check).unwrap_or(&value));
        out.0
    }

    /// Reads the header at the start of `bytes`; what follows it is not looked at.
    ///
    /// # Errors
    /// [`Error::NotFlextok`], [`Error::NeedMore`], [`Error::UnsupportedVersion`], [`Error::Corrupt`] for a wrong parity or
    /// check, [`Error::MalformedHeader`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let needed = required_len(bytes)?;
        let (Some(header), Some(&kind)) = (bytes.get(..needed), bytes.get(KIND_AT)) else {
            return Err(Error::NeedMore {
                have: bytes.len() as u64,
                needed: needed as u64,
            });
        };
        let body_len = needed.saturating_sub(check_len(kind));
        let (body, check) = header.split_at_checked(body_len).unwrap_or((header, &[]));
        let (stored, computed) = (checks::stored(check), value(kind, body));
        if stored != computed {
            let fault = Fault::Checksum { stored, computed };
            return Err(corrupt(needed, fault));
        }
        let mut fields = Fields(body.get(KIND_AT.saturating_add(1)..).unwrap_or(&[]));
        let header = match kind & IDS {
            0 => fields.coded()?,
            _ => fields.ids()?,
        };
        if !fields.0.is_empty() {
            let left = fields.0.len() as u64;
            return Err(malformed("extent", left, "no bytes behind the last field"));
        }
        Ok(header.with_metadata(kind & METADATA != 0))
    }
}

/// Length of the header that `bytes` begin, as far as they tell; checks the magic number, the parity and the version as soon
/// as each is there, because the length depends on them.
pub(crate) fn required_len(bytes: &[u8]) -> Result<usize, Error> {
    for (offset, (&found, &expected)) in bytes.iter().zip(&MAGIC).enumerate() {
        if found != expected {
            return Err(Error::NotFlextok {
                offset: offset as u64,
                found,
                expected,
            });
        }
    }
    let Some(&kind) = bytes.get(KIND_AT) else {
        return Ok(MIN_HEADER_BYTES as usize);
    };
    if !odd(kind) {
        let fault = Fault::Parity { byte: kind };
        return Err(corrupt(KIND_AT.saturating_add(1), fault));
    }
    if kind & LATER != 0 {
        return Err(Error::UnsupportedVersion { supported: VERSION });
    }
    let least = if kind & IDS == 0 {
        MIN_HEADER_BYTES
    } else {
        MIN_IDS_BYTES
    };
    let length = least.saturating_add((kind & EXTENT).into());
    Ok(usize::try_from(length).unwrap_or(MAX_ANNOUNCED))
}

fn odd(byte: u8) -> bool {
    byte.count_ones() & 1 == 1
}

/// Bytes of the header's check: ids have a CRC-32.
const fn check_len(kind: u8) -> usize {
    if kind & IDS == 0 { 1 } else { 4 }
}

fn value(kind: u8, body: &[u8]) -> u32 {
    match kind & IDS {
        0 => checks::header8(body).into(),
        _ => checks::header32(body),
    }
}

/// The header without its check.
pub(crate) fn body(header: &[u8]) -> &[u8] {
    let kind = header.get(KIND_AT).copied().unwrap_or(0);
    let length = header.len().saturating_sub(check_len(kind));
    header.get(..length).unwrap_or(header)
}

fn corrupt(length: usize, fault: Fault) -> Error {
    Error::Corrupt {
        region: Region::Header,
        range: 0..length as u64,
        fault,
        proven: 0,
    }
}

fn malformed(field: &'static str, value: u64, allowed: &'static str) -> Error {
    Error::MalformedHeader {
        field,
        value,
        allowed,
    }
}

struct Out(HeaderBytes);

impl Out {
    fn push(&mut self, bytes: &[u8]) {
        let end = self.0.length.saturating_add(bytes.len());
        // The longest header fits; see `MAX_HEADER_BYTES`.
        if let Some(place) = self.0.bytes.get_mut(self.0.length..end) {
            for (place, &byte) in place.iter_mut().zip(bytes) {
                *place = byte;
            }
            self.0.length = end;
        }
    }

    /// A number in its shortest form: seven bits a byte, low ones first, bit 7 where another byte follows.
    fn number(&mut self, mut value: u64) {
        loop {
            let [low, ..] = (value & 0x7f).to_le_bytes();
            value >>= 7;
            if value == 0 {
                self.push(&[low]);
                return;
            }
            self.push(&[low | 0x80]);
        }
    }
}

/// Takes fields off the front of a header whose check is right.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn coded(&mut self) -> Result<Header, Error> {
        let tables = match NonZeroU8::new(self.byte("tables")?) {
            Some(number) => TablesName::Number(number),
            None => TablesName::Model(self.fingerprint("tables")?),
        };
        let canvas =
            NonZeroU8::new(self.byte("canvas")?).map_or(CodedCanvas::Own, CodedCanvas::Long);
        let size = self.size()?;
        let bytes = self.number("length", 0, (1, MAX_CODED_BYTES), "1 to 4294967295")?;
        let coded = Coded {
            tables,
            canvas,
            bytes,
        };
        Header::coded(size, coded).map_err(found_in_file)
    }

    fn ids(&mut self) -> Result<Header, Error> {
        let model = self.fingerprint("fingerprint")?;
        let size = self.size()?;
        let tokens = self.plus_one("tokens", MAX_TOKENS, "1 to 65536")?;
        let codebook_size = self.plus_one("codebook", MAX_CODEBOOK, "2 to 65536")?;
        if codebook_size < 2 {
            return Err(malformed("codebook", codebook_size.into(), "2 to 65536"));
        }
        let columns = self.number("columns", 0, (0, MAX_CANVAS.into()), "0 to 256")?;
        let rows = self.plus_one("rows", MAX_CANVAS, "1 to 256")?;
        if columns == 0 && rows != 1 {
            return Err(malformed("rows", rows.into(), "1 without columns"));
        }
        let columns = u32::try_from(columns).unwrap_or(0);
        let grid = CanvasGrid {
            columns: self.plus_one("grid-columns", MAX_GRID, "1 to 65536")?,
            rows: self.plus_one("grid-rows", MAX_GRID, "1 to 65536")?,
        };
        let ids = Ids {
            model,
            tokens,
            codebook_size,
            canvas: (columns > 0).then_some(CanvasGrid { columns, rows }),
            grid,
        };
        Header::ids(size, ids).map_err(found_in_file)
    }

    fn size(&mut self) -> Result<Size, Error> {
        Ok(Size {
            width: self.plus_one("width", MAX_DIMENSION, "1 to 1048576")?,
            height: self.plus_one("height", MAX_DIMENSION, "1 to 1048576")?,
        })
    }

    fn byte(&mut self, field: &'static str) -> Result<u8, Error> {
        let Some((first, rest)) = self.0.split_first() else {
            return Err(malformed(field, 0, "a field that ends within the header"));
        };
        self.0 = rest;
        Ok(*first)
    }

    fn fingerprint(&mut self, field: &'static str) -> Result<Fingerprint, Error> {
        let mut model = [0; 4];
        for byte in &mut model {
            *byte = self.byte(field)?;
        }
        Ok(Fingerprint(model))
    }

    /// A number that is stored as one less.
    fn plus_one(
        &mut self,
        field: &'static str,
        most: u32,
        allowed: &'static str,
    ) -> Result<u32, Error> {
        let value = self.number(field, 1, (1, most.into()), allowed)?;
        Ok(u32::try_from(value).unwrap_or(most))
    }

    /// A number that is stored as `less` less.
    fn number(
        &mut self,
        field: &'static str,
        less: u64,
        (least, most): (u64, u64),
        allowed: &'static str,
    ) -> Result<u64, Error> {
        let mut value = 0_u64;
        // Five bytes hold 35 bits, more than any field has.
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte(field)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 != 0 {
                continue;
            }
            if byte == 0 && shift > 0 {
                return Err(malformed(field, value, "a number in its shortest form"));
            }
            let value = value.saturating_add(less);
            if !(least..=most).contains(&value) {
                return Err(malformed(field, value, allowed));
            }
            return Ok(value);
        }
        Err(malformed(field, value, "a number of at most five bytes"))
    }
}

/// What is a wrong request of a writer is a malformed file to a reader.
fn found_in_file(error: Error) -> Error {
    match error {
        Error::InvalidHeader { value, .. } => malformed(
            "canvas",
            value,
            "another size than the picture's own for a side of more than 8160 pixels",
        ),
        error => error,
    }
}
