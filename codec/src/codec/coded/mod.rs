//! The second family of models: what options and limits mean for a coded payload.

mod decode;
mod engine;
mod options;
#[cfg(feature = "metrics")]
mod target;

pub(super) use engine::{LearnedEngine, LearnedOn};
use flextok_compute::Threads;
use flextok_container::{
    BLOCK, Coded, CodedCanvas, Header, MAX_BLOCKS, MAX_CODED_BYTES, TablesName, TokenFile,
};
use flextok_tokens::{Grid, Tables};
use image::DynamicImage;

use super::{Budget, CanvasChoice, EncodeOptions, HasLearned, Limits, Present, limit as limit_of};
use crate::Size;
use crate::coded::{self, Analysis};
use crate::error::{Error, LimitKind, OptionName};
use crate::weights::{Weights, WeightsError};

/// A learned decoder on an engine.
pub(super) type Learned = Present<dyn LearnedEngine, HasLearned>;

/// Tables, the threads to use them on, and the learned decoder.
pub(super) struct CodedCodec {
    tables: Box<Tables>,
    name: TablesName,
    learned: Option<Learned>,
    threads: Threads,
    limits: Limits,
}

impl CodedCodec {
    pub(super) fn new(
        weights: &Weights,
        learned: Option<Learned>,
        threads: Threads,
        limits: Limits,
    ) -> Result<Self, WeightsError> {
        let tables = coded::tables(weights)?;
        Ok(Self {
            name: coded::name_of(&tables),
            learned,
            tables: Box::new(tables),
            threads,
            limits,
        })
    }

    pub(super) fn name(&self) -> TablesName {
        self.name
    }

    pub(super) fn has_learned_decoder(&self) -> bool {
        self.learned.is_some()
    }

    pub(super) fn tables(&self) -> &Tables {
        &self.tables
    }

    pub(super) fn encode_file(
        &self,
        image: &DynamicImage,
        options: &EncodeOptions,
    ) -> Result<TokenFile, Error> {
        self.check_encode(options)?;
        let size = size_of(image, options);
        let payload = self.payload(size, options)?;
        if let Some(cut) = options.cut_at
            && self.payload_within(size, cut, 0)? > payload
        {
            return Err(OptionName::CutAt.refuse(cut, "at most the bytes of the whole file"));
        }
        let canvas = self.canvas(size, options, payload)?;
        let analysis = self.analysis(image, options, size, canvas)?;
        // What readers with these limits refuse is refused here too: one byte more shows that there is more.
        let most = self.limits.container.payload_bytes;
        let limit = payload.min(most.saturating_add(1));
        // More than a machine can count it cannot hold either.
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let bytes = analysis.encode(&self.tables, limit)?;
        limit_of(LimitKind::PayloadBytes, bytes.len() as u64, most)?;
        self.file(size, canvas, bytes, options)
    }

    /// Bytes of payload that the budget allows.
    fn payload(&self, size: Size, options: &EncodeOptions) -> Result<u64, Error> {
        let bytes = match options.budget {
            Budget::Bytes(bytes) => bytes,
            _ => EncodeOptions::DEFAULT_BYTES.saturating_add(options.metadata.byte_len()),
        };
        self.payload_within(size, bytes, options.metadata.byte_len())
    }

    /// Most bytes of payload of a file of `bytes`.
    fn payload_within(&self, size: Size, bytes: u64, metadata: u64) -> Result<u64, Error> {
        let coded = Coded {
            tables: self.name,
            canvas: CodedCanvas::Long(std::num::NonZeroU8::MIN),
            bytes: MAX_CODED_BYTES,
        };
        Ok(Header::coded(size, coded)?.payload_within(bytes, metadata)?)
    }

    /// The canvas that the options select for so many bytes of payload.
    fn canvas(
        &self,
        size: Size,
        options: &EncodeOptions,
        payload: u64,
    ) -> Result<CodedCanvas, Error> {
        let canvas = match options.canvas {
            CanvasChoice::Own => {
                let most = MAX_BLOCKS * BLOCK;
                if size.width.max(size.height) > most {
                    let allowed =
                        format!("own for sides of at most {most} pixels, else 1 to 255 blocks");
                    return Err(OptionName::Canvas.refuse("own", allowed));
                }
                CodedCanvas::Own
            }
            CanvasChoice::Blocks(blocks) => CodedCanvas::Long(blocks),
            _ => {
                let cut = options
                    .cut_at
                    .map(|bytes| self.payload_within(size, bytes, 0))
                    .transpose()?;
                coded::canvas_for(size, cut.unwrap_or(payload))
            }
        };
        self.check_memory(coded::grid_of(size, canvas)?)?;
        Ok(canvas)
    }

    fn analysis(
        &self,
        image: &DynamicImage,
        options: &EncodeOptions,
        size: Size,
        canvas: CodedCanvas,
    ) -> Result<Analysis, Error> {
        Analysis::new(image, options.background, size, canvas, &self.threads)
    }

    fn file(
        &self,
        size: Size,
        canvas: CodedCanvas,
        bytes: Vec<u8>,
        options: &EncodeOptions,
    ) -> Result<TokenFile, Error> {
        let coded = Coded {
            tables: self.name,
            canvas,
            bytes: bytes.len() as u64,
        };
        let header = Header::coded(size, coded)?;
        Ok(TokenFile::new(header, bytes, options.metadata.clone())?)
    }

    fn check_memory(&self, grid: Grid) -> Result<(), Error> {
        let needed = coded::memory(grid);
        limit_of(LimitKind::ImageMemory, needed, self.limits.image_memory)
    }
}

/// The size that decoders restore.
fn size_of(image: &DynamicImage, options: &EncodeOptions) -> Size {
    let own = Size::new(image.width(), image.height());
    options.original_size.unwrap_or(own)
}
