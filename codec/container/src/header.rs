//! The header: what a file says before its first byte of payload (section 3 of the specification).

use core::fmt;
use core::num::NonZeroU8;
use core::ops::Deref;

use crate::layout::{Layout, MAX_HEADER_BYTES, TOKEN_BYTES};
use crate::{Error, Fingerprint};

mod bytes;

pub(crate) use bytes::{MAX_ANNOUNCED, body, required_len};

/// The first two bytes of every file.
pub const MAGIC: [u8; 2] = [0xf6, 0xdc];
/// The version of the format that this crate reads and writes.
pub const VERSION: u8 = 2;
/// The greatest width and height of the original picture, in pixels.
pub const MAX_DIMENSION: u32 = 1 << 20;
/// The greatest number of bytes of a coded payload.
pub const MAX_CODED_BYTES: u64 = u32::MAX as u64;
/// The greatest number of tokens per canvas.
pub const MAX_TOKENS: u32 = 1 << 16;
/// The greatest codebook size; the least is 2.
pub const MAX_CODEBOOK: u32 = 1 << 16;
/// The greatest number of patch columns and rows of a canvas of ids.
pub const MAX_CANVAS: u32 = 256;
/// The greatest number of columns and rows of the canvas grid.
pub const MAX_GRID: u32 = 1 << 16;
/// Pixels a side of a block of a coded canvas.
pub const BLOCK: u32 = 32;
/// The greatest number of block columns and rows of a coded canvas.
pub const MAX_BLOCKS: u32 = 255;

/// A width and a height: of a picture or a canvas in pixels, or of latents.
///
/// ```
/// use flextok_container::Size;
///
/// let size = Size::new(320, 240);
/// assert_eq!((size.area(), size.to_string().as_str()), (76_800, "320x240"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Size {
    /// `width` columns and `height` rows.
    #[must_use]
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Width times height.
    #[must_use]
    pub const fn area(self) -> u64 {
        (self.width as u64).saturating_mul(self.height as u64)
    }
}

impl From<(u32, u32)> for Size {
    /// The dimensions as image libraries give them.
    fn from((width, height): (u32, u32)) -> Self {
        Self { width, height }
    }
}

impl From<Size> for (u32, u32) {
    fn from(Size { width, height }: Size) -> Self {
        (width, height)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// Columns and rows: of patches or blocks of a canvas, or of canvases of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanvasGrid {
    /// Number of columns.
    pub columns: u32,
    /// Number of rows.
    pub rows: u32,
}

impl CanvasGrid {
    /// One column, one row.
    pub const SINGLE: Self = Self {
        columns: 1,
        rows: 1,
    };

    /// Columns times rows.
    #[must_use]
    pub const fn cells(self) -> u64 {
        (self.columns as u64).saturating_mul(self.rows as u64)
    }
}

/// What a file's payload is, and what a decoder has to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Bytes of a model's own coder, which can be cut anywhere.
    Coded(Coded),
    /// 16-bit tokens, layer by layer.
    Ids(Ids),
}

/// A payload of bytes that the coder of a model gives a meaning to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coded {
    /// The tables of the coder.
    pub tables: TablesName,
    /// How the picture was fitted to blocks.
    pub canvas: CodedCanvas,
    /// Bytes of payload of the whole file, 1 to 2^32 − 1.
    pub bytes: u64,
}

/// The name of a coder's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TablesName {
    /// Tables that have a number in section 7 of the specification.
    Number(NonZeroU8),
    /// Others, by the fingerprint of their model.
    Model(Fingerprint),
}

impl TablesName {
    /// Number 1: the tables of the built-in model.
    pub const BUILTIN: Self = Self::Number(NonZeroU8::MIN);
}

/// The canvas of a coded picture, in blocks of [`BLOCK`] pixels a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodedCanvas {
    /// The picture's own size, its last column and row repeated to whole blocks; for at most [`MAX_BLOCKS`] blocks a side.
    Own,
    /// The picture resampled to so many blocks along its long side.
    Long(NonZeroU8),
}

/// A payload of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Name of the model whose tokens these are.
    pub model: Fingerprint,
    /// Tokens per canvas of the whole file, 1 to 65 536: the number of layers.
    pub tokens: u32,
    /// Number of different ids, 2 to 65 536; each id is below it.
    pub codebook_size: u32,
    /// Canvas size in patches of the model, 1 to 256 a side; `None` is the model's own.
    pub canvas: Option<CanvasGrid>,
    /// Canvases in row-major order, 1 to 65 536 a side.
    pub grid: CanvasGrid,
}

impl Ids {
    /// Tokens for one canvas of the model's own size.
    #[must_use]
    pub const fn new(model: Fingerprint, tokens: u32, codebook_size: u32) -> Self {
        Self {
            model,
            tokens,
            codebook_size,
            canvas: None,
            grid: CanvasGrid::SINGLE,
        }
    }

    /// Number of canvases: grid columns times rows.
    #[must_use]
    pub const fn canvases(&self) -> u64 {
        self.grid.cells()
    }

    /// Tokens of all canvases together.
    #[must_use]
    pub const fn total_tokens(&self) -> u64 {
        self.canvases().saturating_mul(self.tokens as u64)
    }
}

/// A header that is valid by construction.
///
/// ```
/// use flextok_container::{Fingerprint, CanvasGrid, Header, Ids, Size};
///
/// let mut ids = Ids::new(Fingerprint([1, 2, 3, 4]), 256, 64_000);
/// ids.canvas = Some(CanvasGrid { columns: 12, rows: 8 }); // instead of the model's own
/// let header = Header::ids(Size { width: 4000, height: 3000 }, ids)?;
/// assert_eq!(header.byte_len(), 24);
/// assert_eq!(Header::parse(&header.to_bytes())?, header);
/// # Ok::<(), flextok_container::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    size: Size,
    payload: Payload,
    metadata: bool,
}

/// The bytes of a header, with its check.
#[derive(Clone, Copy, Debug)]
pub struct HeaderBytes {
    bytes: [u8; MAX_HEADER_BYTES as usize],
    length: usize,
}

impl Deref for HeaderBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

impl Header {
    /// A header of a picture of `size` pixels (1 to 2^20 a side, orientation applied).
    ///
    /// # Errors
    /// [`Error::InvalidHeader`] for a number out of its range.
    pub fn new(size: Size, payload: Payload) -> Result<Self, Error> {
        let dimensions = (1, MAX_DIMENSION, "1 to 1048576");
        check("width", size.width, dimensions)?;
        check("height", size.height, dimensions)?;
        match payload {
            Payload::Coded(coded) => check_coded(size, &coded)?,
            Payload::Ids(ids) => check_ids(&ids)?,
        }
        Ok(Self {
            size,
            payload,
            metadata: false,
        })
    }

    /// As [`Header::new`], of a coded payload.
    ///
    /// # Errors
    /// As [`Header::new`].
    pub fn coded(size: Size, coded: Coded) -> Result<Self, Error> {
        Self::new(size, Payload::Coded(coded))
    }

    /// As [`Header::new`], of a payload of tokens.
    ///
    /// # Errors
    /// As [`Header::new`].
    pub fn ids(size: Size, ids: Ids) -> Result<Self, Error> {
        Self::new(size, Payload::Ids(ids))
    }

    /// The same header for another number of payload bytes: whole layers where they are tokens.
    ///
    /// # Errors
    /// [`Error::InvalidHeader`] for a number out of its range, or for parts of a layer.
    pub fn with_payload_bytes(self, bytes: u64) -> Result<Self, Error> {
        let payload = match self.payload {
            Payload::Coded(coded) => Payload::Coded(Coded { bytes, ..coded }),
            Payload::Ids(ids) => {
                let tokens = bytes.checked_div(self.unit()).unwrap_or(0);
                let whole = bytes == tokens.saturating_mul(self.unit());
                let tokens = u32::try_from(tokens).ok().filter(|_| whole);
                let Some(tokens) = tokens else {
                    return Err(Error::InvalidHeader {
                        field: "payload bytes",
                        value: bytes,
                        allowed: "those of whole layers of tokens",
                    });
                };
                Payload::Ids(Ids { tokens, ..ids })
            }
        };
        let header = Self::new(self.size, payload)?;
        Ok(header.with_metadata(self.metadata))
    }

    /// Says whether metadata chunks follow the payload: decided by the file, not by the caller.
    pub(crate) const fn with_metadata(self, metadata: bool) -> Self {
        Self { metadata, ..self }
    }

    /// Size of the original picture.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// What the payload is.
    #[must_use]
    pub const fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Fields of a payload of tokens; `None` if the payload is coded.
    #[must_use]
    pub const fn as_ids(&self) -> Option<&Ids> {
        match &self.payload {
            Payload::Ids(ids) => Some(ids),
            Payload::Coded(_) => None,
        }
    }

    /// Fields of a coded payload; `None` if it consists of tokens.
    #[must_use]
    pub const fn as_coded(&self) -> Option<&Coded> {
        match &self.payload {
            Payload::Coded(coded) => Some(coded),
            Payload::Ids(_) => None,
        }
    }

    /// Bytes of payload of the whole file.
    #[must_use]
    pub const fn payload_bytes(&self) -> u64 {
        match &self.payload {
            Payload::Coded(coded) => coded.bytes,
            Payload::Ids(ids) => ids.total_tokens().saturating_mul(TOKEN_BYTES),
        }
    }

    /// Bytes of payload that a complete file has whole: those of a layer of tokens, or 1.
    #[must_use]
    pub const fn unit(&self) -> u64 {
        match &self.payload {
            Payload::Coded(_) => 1,
            Payload::Ids(ids) => ids.canvases().saturating_mul(TOKEN_BYTES),
        }
    }

    /// Whole layers in this many bytes of payload: tokens that every canvas has. 0 if the payload is coded.
    #[must_use]
    pub fn layers_in(&self, payload: u64) -> u32 {
        let layers = payload.checked_div(self.unit()).unwrap_or(0);
        let tokens = self.as_ids().map_or(0, |ids| ids.tokens);
        u32::try_from(layers).unwrap_or(tokens).min(tokens)
    }

    /// Block columns and rows of a coded picture's canvas; `None` if the payload consists of tokens.
    ///
    /// If the canvas is not the picture's own size, its short side has
    /// max(1, (2·n·short + long) div (2·long)) blocks, where n is the number of the long side.
    #[must_use]
    pub fn blocks(&self) -> Option<CanvasGrid> {
        let Size { width, height } = self.size;
        Some(match self.as_coded()?.canvas {
            CodedCanvas::Own => CanvasGrid {
                columns: width.div_ceil(BLOCK),
                rows: height.div_ceil(BLOCK),
            },
            CodedCanvas::Long(blocks) => {
                let long = width.max(height);
                let side = |pixels: u32| shrunk(pixels, long, blocks);
                CanvasGrid {
                    columns: side(width),
                    rows: side(height),
                }
            }
        })
    }

    /// Whether metadata chunks follow the payload.
    #[must_use]
    pub const fn has_metadata(&self) -> bool {
        self.metadata
    }

    /// Of so many bytes of payload those of which complete files can be made: whole layers of tokens.
    pub(crate) fn whole_units(&self, have: u64) -> Result<u64, Error> {
        match have.saturating_sub(have.checked_rem(self.unit()).unwrap_or(0)) {
            0 => Err(Error::NoPayload {
                have,
                total: self.payload_bytes(),
            }),
            whole => Ok(whole),
        }
    }

    /// Bytes of the header with its check: 9 to 33.
    #[must_use]
    pub fn byte_len(&self) -> u64 {
        self.to_bytes().length as u64
    }

    /// Where everything stands in the file of this header.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout::of_header(
            self.byte_len(),
            self.unit(),
            self.payload_bytes(),
            self.metadata,
        )
    }

    /// Size of the complete file of the first `payload` bytes of payload, without metadata; `None` where no file can have
    /// so many.
    #[must_use]
    pub fn cut_len(&self, payload: u64) -> Option<u64> {
        if payload > self.payload_bytes() {
            return None;
        }
        let header = self.with_metadata(false).with_payload_bytes(payload).ok()?;
        Some(header.layout().payload_section_end())
    }

    /// Most bytes of payload of a complete file of at most `bytes`, `metadata` of which are for metadata chunks: at most as
    /// many as this header has, and whole layers of tokens.
    ///
    /// # Errors
    /// [`Error::CannotFit`] if not even one byte, or one layer, fits.
    pub fn payload_within(&self, bytes: u64, metadata: u64) -> Result<u64, Error> {
        let size = |units: u64| {
            let payload = units.saturating_mul(self.unit());
            let header = self.with_metadata(metadata > 0).with_payload_bytes(payload);
            let end = header.map(|header| header.layout().payload_section_end());
            end.unwrap_or(0).saturating_add(metadata)
        };
        let most = self.payload_bytes().checked_div(self.unit()).unwrap_or(0);
        let units = crate::layout::greatest(most, |units| units == 0 || size(units) <= bytes);
        if units == 0 {
            let minimum = size(1);
            return Err(Error::CannotFit { bytes, minimum });
        }
        Ok(units.saturating_mul(self.unit()))
    }
}

/// Blocks of a side of `pixels`, where the long one has `blocks`.
fn shrunk(pixels: u32, long: u32, blocks: NonZeroU8) -> u32 {
    let (pixels, long) = (u64::from(pixels), u64::from(long));
    let twice = u64::from(blocks.get())
        .saturating_mul(2)
        .saturating_mul(pixels);
    let rounded = twice
        .saturating_add(long)
        .checked_div(long.saturating_mul(2));
    let most = u32::from(blocks.get());
    rounded
        .and_then(|n| u32::try_from(n).ok())
        .map_or(most, |n| n.clamp(1, most))
}

fn check_coded(size: Size, coded: &Coded) -> Result<(), Error> {
    if !(1..=MAX_CODED_BYTES).contains(&coded.bytes) {
        return Err(Error::InvalidHeader {
            field: "payload length",
            value: coded.bytes,
            allowed: "1 to 4294967295",
        });
    }
    let long = size.width.max(size.height);
    if coded.canvas == CodedCanvas::Own && long > MAX_BLOCKS.saturating_mul(BLOCK) {
        return Err(Error::InvalidHeader {
            field: "long side on a canvas of its own size",
            value: long.into(),
            allowed: "1 to 8160",
        });
    }
    Ok(())
}

fn check_ids(ids: &Ids) -> Result<(), Error> {
    check(
        "tokens per canvas",
        ids.tokens,
        (1, MAX_TOKENS, "1 to 65536"),
    )?;
    check(
        "codebook size",
        ids.codebook_size,
        (2, MAX_CODEBOOK, "2 to 65536"),
    )?;
    if let Some(canvas) = ids.canvas {
        let range = (1, MAX_CANVAS, "1 to 256");
        check("canvas columns", canvas.columns, range)?;
        check("canvas rows", canvas.rows, range)?;
    }
    let range = (1, MAX_GRID, "1 to 65536");
    check("grid columns", ids.grid.columns, range)?;
    check("grid rows", ids.grid.rows, range)
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

#[cfg(test)]
mod tests;
