//! What a token file says about itself, as data: for programs, under the keys of `flextok info --json`. No model is needed.

use flextok_container::layout::TOKEN_BYTES;
use flextok_container::{
    BLOCK, CanvasGrid, CodedCanvas, CutOffset, Header, Metadata, Payload, TokenFile, VERSION,
};
use serde::Serialize;

use crate::ModelName;

/// What a token file, whole or cut, says about itself.
///
/// ```
/// # #[cfg(feature = "embedded-model")] {
/// use flextok::container::TokenFile;
/// use flextok::info::FileInfo;
/// use flextok::{Codec, EncodeOptions, image};
///
/// let picture = image::DynamicImage::new_rgb8(64, 48);
/// let bytes = Codec::embedded()?.encode(&picture, &EncodeOptions::default())?;
/// let cut = &bytes[..14];
/// let info = FileInfo::new(&TokenFile::parse(cut)?, cut.len() as u64);
/// assert_eq!((info.width, info.height, info.state), (64, 48, "truncated"));
/// # }
/// # Ok::<(), flextok::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FileInfo {
    /// Version of the format.
    pub format_version: u8,
    /// Width in pixels of the picture that a decoder restores.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// The model that made the file: [`ModelName`] as text.
    pub model: String,
    /// What the payload is, and how much of it there is.
    #[serde(flatten)]
    pub payload: PayloadInfo,
    /// `complete` or `truncated`; a caller that has salvaged the file writes `damaged`.
    pub state: &'static str,
    /// Payload there of payload declared, from 0 to 1.
    pub declared_fraction: f64,
    /// Payload that checksums prove of payload declared, from 0 to 1.
    pub proven_fraction: f64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bits of the file for each pixel of the picture.
    pub bits_per_pixel: f64,
    /// The texts stored beside the payload.
    pub metadata: MetadataInfo,
    /// Where to cut, from the smallest cut on.
    pub cuts: Vec<CutInfo>,
}

/// Fields of the payload, by its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "payload", rename_all = "snake_case")]
pub enum PayloadInfo {
    /// Ids of a codebook.
    Ids {
        /// Columns and rows of patches; the model's own if absent.
        canvas: Option<(u32, u32)>,
        /// Columns and rows of canvases.
        grid: (u32, u32),
        /// Number of canvases.
        canvases: u64,
        /// Number of ids in the codebook.
        codebook_size: u32,
        /// Ids of each canvas in the whole file.
        tokens_per_canvas: u32,
        /// Ids that are there, of all canvases.
        tokens_have: u64,
        /// Ids of the whole file.
        tokens_total: u64,
        /// Ids that checksums prove.
        tokens_proven: u64,
    },
    /// Bytes of a coder.
    Coded {
        /// Width and height in pixels, before the decoder restores the picture's size.
        canvas: (u32, u32),
        /// Whether the canvas is the picture in its own size.
        canvas_is_own: bool,
        /// Bytes of payload that are there.
        bytes_have: u64,
        /// Bytes of payload of the whole file.
        bytes_total: u64,
        /// Bytes of payload that checksums prove.
        bytes_proven: u64,
    },
}

/// The texts of [`Metadata`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MetadataInfo {
    /// Program that made the file.
    pub encoder: Option<String>,
    /// Title of the picture.
    pub title: Option<String>,
    /// When it was taken.
    pub capture_time: Option<String>,
    /// Name of the colour profile of the original.
    pub color_profile: Option<String>,
    /// Number of chunks of types that this version does not know.
    pub other_chunks: usize,
}

/// A place to cut: [`CutOffset`] as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CutInfo {
    /// Tokens of each canvas; `None` of a coded payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u32>,
    /// Bytes of payload.
    pub payload_bytes: u64,
    /// Bytes of the file to keep for a prefix.
    pub prefix_bytes: u64,
    /// Bytes of a complete file of the cut, without metadata.
    pub complete_bytes: u64,
}

impl FileInfo {
    /// What `file`, which was parsed from `bytes` bytes, says about itself.
    #[must_use]
    pub fn new(file: &TokenFile, bytes: u64) -> Self {
        let header = file.header();
        Self {
            format_version: VERSION,
            width: header.size().width,
            height: header.size().height,
            model: ModelName::of(header).to_string(),
            payload: PayloadInfo::new(file),
            state: match file.is_complete() {
                true => "complete",
                false => "truncated",
            },
            declared_fraction: file.declared_fraction(),
            proven_fraction: file.proven_fraction(),
            bytes,
            bits_per_pixel: bytes as f64 * 8.0 / header.size().area() as f64,
            metadata: MetadataInfo::new(file.metadata()),
            cuts: file.cut_offsets().map(CutInfo::new).collect(),
        }
    }
}

impl PayloadInfo {
    fn new(file: &TokenFile) -> Self {
        let header = file.header();
        let count = |payload| count(header, payload);
        let have = count(file.payload().len() as u64);
        let (total, proven) = (count(header.payload_bytes()), count(file.proven_bytes()));
        match header.payload() {
            Payload::Ids(ids) => Self::Ids {
                canvas: ids.canvas.map(|grid| (grid.columns, grid.rows)),
                grid: (ids.grid.columns, ids.grid.rows),
                canvases: ids.canvases(),
                codebook_size: ids.codebook_size,
                tokens_per_canvas: ids.tokens,
                tokens_have: have,
                tokens_total: total,
                tokens_proven: proven,
            },
            Payload::Coded(coded) => {
                let blocks = header.blocks().unwrap_or(CanvasGrid::SINGLE);
                Self::Coded {
                    canvas: (blocks.columns * BLOCK, blocks.rows * BLOCK),
                    canvas_is_own: coded.canvas == CodedCanvas::Own,
                    bytes_have: have,
                    bytes_total: total,
                    bytes_proven: proven,
                }
            }
        }
    }
}

/// How many of the payload's bytes, or of all canvases' tokens, `payload` bytes of it are.
#[must_use]
pub fn count(header: &Header, payload: u64) -> u64 {
    match header.payload() {
        Payload::Ids(_) => payload / TOKEN_BYTES,
        Payload::Coded(_) => payload,
    }
}

impl MetadataInfo {
    fn new(metadata: &Metadata) -> Self {
        Self {
            encoder: metadata.encoder.clone(),
            title: metadata.title.clone(),
            capture_time: metadata.capture_time.clone(),
            color_profile: metadata.color_profile.clone(),
            other_chunks: metadata.other.len(),
        }
    }
}

impl CutInfo {
    fn new(cut: CutOffset) -> Self {
        Self {
            tokens: cut.tokens,
            payload_bytes: cut.payload,
            prefix_bytes: cut.prefix_bytes,
            complete_bytes: cut.complete_bytes,
        }
    }
}
