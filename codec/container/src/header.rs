//! The header: what a file says before its first token (section 3 of the specification).

use alloc::vec::Vec;

use byteorder::{ByteOrder, LittleEndian};

use crate::layout::{CRC_BYTES, Layout, MAX_HEADER_BYTES, MIN_HEADER_BYTES};
use crate::{Error, Fault, Fingerprint, Region};

/// The first four bytes of every file.
pub const MAGIC: [u8; 4] = [0x89, 0x46, 0x4C, 0x58];
/// The major version this crate reads and writes.
pub const VERSION_MAJOR: u8 = 1;
/// The minor version of the files this crate makes.
pub const VERSION_MINOR: u8 = 0;
/// The greatest width and height of the original picture, in pixels.
pub const MAX_DIMENSION: u32 = 1 << 20;
/// The greatest number of tokens per canvas.
pub const MAX_TOKENS: u16 = 256;
/// The greatest codebook size; the least is 2.
pub const MAX_CODEBOOK: u32 = 1 << 16;
/// The greatest number of patch columns and rows of a canvas.
pub const MAX_CANVAS: u16 = 256;
/// The greatest number of columns and rows of the canvas grid.
pub const MAX_GRID: u32 = 1 << 16;

const LARGE: u8 = 1;
const CANVAS: u8 = 1 << 1;
const GRID: u8 = 1 << 2;
const METADATA: u8 = 1 << 3;
const KNOWN_FLAGS: u8 = LARGE | CANVAS | GRID | METADATA;

const VERSION_AT: usize = 4;
const FLAGS_AT: usize = 5;
const CRC_LEN: usize = 4;

/// A header that is valid by construction.
///
/// ```
/// use flextok_container::{Fingerprint, Header};
///
/// let header = Header::new(Fingerprint([1, 2, 3, 4]), 4000, 3000, 256, 64_000)?
///     .with_canvas(Some((12, 8)))?; // a canvas of 12 by 8 patches instead of the model's own
/// assert_eq!(header.byte_len(), 23);
/// assert_eq!(Header::parse(&header.to_bytes())?, header);
/// # Ok::<(), flextok_container::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    minor: u8,
    fingerprint: Fingerprint,
    width: u32,
    height: u32,
    tokens: u16,
    codebook_size: u32,
    canvas: Option<(u16, u16)>,
    grid: (u32, u32),
    metadata: bool,
}

impl Header {
    /// A header for one canvas of the model's own size.
    ///
    /// `width` and `height` are those of the original picture in pixels (1 to 2^20), `tokens` is
    /// the number per canvas (1 to 256), `codebook_size` the number of different ids (2 to 65536).
    ///
    /// # Errors
    /// [`Error::InvalidHeader`] for a number out of its range.
    pub fn new(
        fingerprint: Fingerprint,
        width: u32,
        height: u32,
        tokens: u16,
        codebook_size: u32,
    ) -> Result<Self, Error> {
        let dimensions = (1, MAX_DIMENSION, "1 to 1048576");
        check("width", width, dimensions)?;
        check("height", height, dimensions)?;
        check(
            "codebook size",
            codebook_size,
            (2, MAX_CODEBOOK, "2 to 65536"),
        )?;
        let header = Self {
            minor: VERSION_MINOR,
            fingerprint,
            width,
            height,
            tokens: 1,
            codebook_size,
            canvas: None,
            grid: (1, 1),
            metadata: false,
        };
        header.with_tokens(tokens)
    }

    /// The same header with another number of tokens per canvas, 1 to 256.
    ///
    /// # Errors
    /// [`Error::InvalidHeader`] for a number out of its range.
    pub fn with_tokens(self, tokens: u16) -> Result<Self, Error> {
        check(
            "tokens per canvas",
            tokens.into(),
            (1, MAX_TOKENS.into(), "1 to 256"),
        )?;
        Ok(Self { tokens, ..self })
    }

    /// The same header with a canvas of (columns, rows) patches of the model, 1 to 256 each;
    /// `None` is the model's own canvas.
    ///
    /// # Errors
    /// [`Error::InvalidHeader`] for a number out of its range.
    pub fn with_canvas(self, canvas: Option<(u16, u16)>) -> Result<Self, Error> {
        if let Some((columns, rows)) = canvas {
            let range = (1, MAX_CANVAS.into(), "1 to 256");
            check("canvas columns", columns.into(), range)?;
            check("canvas rows", rows.into(), range)?;
        }
        Ok(Self { canvas, ..self })
    }

    /// The same header with a grid of (columns, rows) canvases in row-major order, 1 to 65536 each.
    ///
    /// # Errors
    /// [`Error::InvalidHeader`] for a number out of its range.
    pub fn with_grid(self, columns: u32, rows: u32) -> Result<Self, Error> {
        let range = (1, MAX_GRID, "1 to 65536");
        check("grid columns", columns, range)?;
        check("grid rows", rows, range)?;
        Ok(Self {
            grid: (columns, rows),
            ..self
        })
    }

    /// Says whether metadata chunks follow the tokens: decided by the file, not by the caller.
    pub(crate) fn with_metadata(self, metadata: bool) -> Self {
        Self { metadata, ..self }
    }

    /// Format version of the file: (major, minor).
    #[must_use]
    pub fn version(&self) -> (u8, u8) {
        (VERSION_MAJOR, self.minor)
    }

    /// Name of the model whose tokens these are.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Width of the original picture in pixels, 1 to 2^20.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height of the original picture in pixels, 1 to 2^20.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Tokens per canvas of the whole file, 1 to 256: the number of layers.
    #[must_use]
    pub fn tokens(&self) -> u16 {
        self.tokens
    }

    /// Number of different token ids, 2 to 65536; each id is below it.
    #[must_use]
    pub fn codebook_size(&self) -> u32 {
        self.codebook_size
    }

    /// Canvas size as (columns, rows) of the model's patches; `None` is the model's own.
    #[must_use]
    pub fn canvas(&self) -> Option<(u16, u16)> {
        self.canvas
    }

    /// Canvas grid as (columns, rows); (1, 1) for a picture on one canvas.
    #[must_use]
    pub fn grid(&self) -> (u32, u32) {
        self.grid
    }

    /// Number of canvases: grid columns times rows.
    #[must_use]
    pub fn canvases(&self) -> u64 {
        u64::from(self.grid.0).saturating_mul(self.grid.1.into())
    }

    /// Tokens of all canvases together.
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        self.canvases().saturating_mul(self.tokens.into())
    }

    /// Whether metadata chunks follow the tokens.
    #[must_use]
    pub fn has_metadata(&self) -> bool {
        self.metadata
    }

    /// Bytes of the header with its checksum: 21 to 28, at most 24 for a single canvas.
    #[must_use]
    pub fn byte_len(&self) -> u64 {
        header_len(self.flags())
    }

    /// Where everything stands in the file of this header.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout::of_header(self.byte_len(), self.canvases(), self.tokens)
    }

    /// Most tokens per canvas of a complete file of at most `bytes`, `metadata` of which are for metadata chunks: at most
    /// as many as this header has.
    ///
    /// # Errors
    /// [`Error::CannotFit`] if not even one token per canvas fits.
    pub fn tokens_within(&self, bytes: u64, metadata: u64) -> Result<u16, Error> {
        let layout = self.layout();
        let tokens = bytes
            .checked_sub(metadata)
            .and_then(|bytes| layout.layers_within(bytes));
        tokens.ok_or_else(|| {
            let minimum = layout.cut_len(1).unwrap_or(0).saturating_add(metadata);
            Error::CannotFit { bytes, minimum }
        })
    }

    /// The bytes of the header with its checksum.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (x, y) = (self.width.saturating_sub(1), self.height.saturating_sub(1));
        let mut out = Vec::with_capacity(32);
        out.extend_from_slice(&MAGIC);
        out.push((VERSION_MAJOR << 4) | self.minor);
        out.push(self.flags());
        out.extend_from_slice(&self.fingerprint.0);
        push_minus_one_u8(&mut out, self.tokens);
        push_minus_one_u16(&mut out, self.codebook_size);
        push_low_u16(&mut out, x);
        push_low_u16(&mut out, y);
        if self.is_large() {
            let [_, _, x_high, _] = x.to_le_bytes();
            let [_, _, y_high, _] = y.to_le_bytes();
            out.push(x_high | (y_high << 4));
        }
        if let Some((columns, rows)) = self.canvas {
            push_minus_one_u8(&mut out, columns);
            push_minus_one_u8(&mut out, rows);
        }
        if self.grid != (1, 1) {
            push_minus_one_u16(&mut out, self.grid.0);
            push_minus_one_u16(&mut out, self.grid.1);
        }
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the header at the start of `bytes`; what follows it is not looked at.
    ///
    /// # Errors
    /// [`Error::NotFlextok`], [`Error::NeedMore`], [`Error::UnsupportedVersion`],
    /// [`Error::UnsupportedFlags`], [`Error::Corrupt`] for a wrong checksum,
    /// [`Error::MalformedHeader`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let needed = required_len(bytes)?;
        let header = bytes.get(..needed);
        let parts = header.and_then(|header| header.split_last_chunk::<CRC_LEN>());
        let Some((body, crc)) = parts else {
            return Err(need_more(bytes, needed));
        };
        let (stored, computed) = (u32::from_le_bytes(*crc), crc32fast::hash(body));
        if stored != computed {
            return Err(Error::Corrupt {
                region: Region::Header,
                range: 0..needed as u64,
                fault: Fault::Checksum { stored, computed },
            });
        }
        // The lengths were made to fit above; running out of bytes is answered all the same.
        Self::parse_body(body)
            .map_err(found_in_file)
            .transpose()
            .unwrap_or(Err(need_more(bytes, needed)))
    }

    /// Reads the fields of a header whose checksum is right; `Ok(None)` if bytes are missing.
    fn parse_body(body: &[u8]) -> Result<Option<Self>, Error> {
        let Some(raw) = RawHeader::read(body) else {
            return Ok(None);
        };
        if raw.large == Some(0) {
            return Err(Error::MalformedHeader {
                field: "large dimensions byte",
                value: 0,
                allowed: "1 to 255 when the flag is set",
            });
        }
        if raw.grid == Some((0, 0)) {
            return Err(Error::MalformedHeader {
                field: "number of canvases under the grid flag",
                value: 1,
                allowed: "2 or more",
            });
        }
        let high = u32::from(raw.large.unwrap_or(0));
        let width = u32::from(raw.width) | ((high & 0x0f) << 16);
        let height = u32::from(raw.height) | ((high >> 4) << 16);
        let plus_one = |value: u16| u32::from(value).saturating_add(1);
        let plus_one_u8 = |value: u8| u16::from(value).saturating_add(1);
        let (columns, rows) = raw.grid.unwrap_or((0, 0));
        let header = Self::new(
            raw.fingerprint,
            width.saturating_add(1),
            height.saturating_add(1),
            plus_one_u8(raw.tokens),
            plus_one(raw.codebook),
        )?
        .with_canvas(raw.canvas.map(|(c, r)| (plus_one_u8(c), plus_one_u8(r))))?
        .with_grid(plus_one(columns), plus_one(rows))?;
        Ok(Some(Self {
            minor: raw.version & 0x0f,
            metadata: raw.flags & METADATA != 0,
            ..header
        }))
    }

    fn is_large(&self) -> bool {
        self.width > 1 << 16 || self.height > 1 << 16
    }

    fn flags(&self) -> u8 {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        flag(self.is_large(), LARGE)
            | flag(self.canvas.is_some(), CANVAS)
            | flag(self.grid != (1, 1), GRID)
            | flag(self.metadata, METADATA)
    }
}

/// Length of the header that `bytes` begin, as far as they tell; checks magic, version and flags
/// as soon as each is there, because the length depends on them.
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
    if let Some(&version) = bytes.get(VERSION_AT) {
        let (major, minor) = (version >> 4, version & 0x0f);
        if major != VERSION_MAJOR {
            return Err(Error::UnsupportedVersion {
                major,
                minor,
                supported: VERSION_MAJOR,
            });
        }
    }
    let flags = bytes.get(FLAGS_AT).copied().unwrap_or(0);
    if flags & !KNOWN_FLAGS != 0 {
        return Err(Error::UnsupportedFlags {
            flags: flags & !KNOWN_FLAGS,
            known: KNOWN_FLAGS,
        });
    }
    // 21 to 28.
    Ok(usize::try_from(header_len(flags)).unwrap_or(MAX_HEADER_BYTES as usize))
}

fn header_len(flags: u8) -> u64 {
    let part = |bit: u8, bytes: u64| if flags & bit == 0 { 0 } else { bytes };
    debug_assert_eq!(CRC_BYTES, CRC_LEN as u64);
    MIN_HEADER_BYTES
        .saturating_add(part(LARGE, 1))
        .saturating_add(part(CANVAS, 2))
        .saturating_add(part(GRID, 4))
}

pub(crate) fn need_more(bytes: &[u8], needed: usize) -> Error {
    Error::NeedMore {
        have: bytes.len() as u64,
        needed: needed as u64,
    }
}

/// What is a wrong request of a writer is a malformed file to a reader.
fn found_in_file(error: Error) -> Error {
    match error {
        Error::InvalidHeader {
            field,
            value,
            allowed,
        } => Error::MalformedHeader {
            field,
            value,
            allowed,
        },
        error => error,
    }
}

fn check(
    field: &'static str,
    value: u32,
    (least, most, allowed): (u32, u32, &'static str),
) -> Result<(), Error> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::InvalidHeader {
        field,
        value: value.into(),
        allowed,
    })
}

fn push_minus_one_u8(out: &mut Vec<u8>, value: u16) {
    let [low, _] = value.saturating_sub(1).to_le_bytes();
    out.push(low);
}

fn push_minus_one_u16(out: &mut Vec<u8>, value: u32) {
    push_low_u16(out, value.saturating_sub(1));
}

fn push_low_u16(out: &mut Vec<u8>, value: u32) {
    let [low, high, _, _] = value.to_le_bytes();
    out.extend_from_slice(&[low, high]);
}

/// The fields as they stand in the file, each of them one less than what it means.
struct RawHeader {
    version: u8,
    flags: u8,
    fingerprint: Fingerprint,
    tokens: u8,
    codebook: u16,
    width: u16,
    height: u16,
    large: Option<u8>,
    canvas: Option<(u8, u8)>,
    grid: Option<(u16, u16)>,
}

impl RawHeader {
    /// Reads a header without its checksum; `None` if bytes are missing.
    fn read(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body.get(VERSION_AT..)?);
        let version = fields.u8()?;
        let flags = fields.u8()?;
        let fingerprint = Fingerprint([fields.u8()?, fields.u8()?, fields.u8()?, fields.u8()?]);
        let (tokens, codebook) = (fields.u8()?, fields.u16()?);
        let (width, height) = (fields.u16()?, fields.u16()?);
        let large = match flags & LARGE {
            0 => None,
            _ => Some(fields.u8()?),
        };
        let canvas = match flags & CANVAS {
            0 => None,
            _ => Some((fields.u8()?, fields.u8()?)),
        };
        let grid = match flags & GRID {
            0 => None,
            _ => Some((fields.u16()?, fields.u16()?)),
        };
        Some(Self {
            version,
            flags,
            fingerprint,
            tokens,
            codebook,
            width,
            height,
            large,
            canvas,
            grid,
        })
    }
}

/// Takes little-endian numbers off the front of a slice.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn u16(&mut self) -> Option<u16> {
        let (number, rest) = self.0.split_at_checked(2)?;
        self.0 = rest;
        Some(LittleEndian::read_u16(number))
    }
}

#[cfg(test)]
mod tests;
