//! The learned decoder on one engine, with the engine's type hidden: a plain canvas in, a better one out, tile by tile.
//!
//! Its layers are prepared when they are first needed, so that encoding and plain decoding never touch them.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use flextok_compute::Backend;

use crate::Size;
use crate::codec::lazy::Lazy;
use crate::coded::{LearnedDecoder, Plain, Tile, tiles};
use crate::config::LearnedDecoderConfig;
use crate::error::{Error, LimitKind};
use crate::network::builder::VarBuilder;
use crate::network::{NetworkError, with_capacity};
use crate::weights::Weights;

/// Reports a tile (done, total) and says whether to go on.
pub(in crate::codec) type OnTile<'a> = &'a mut (dyn FnMut(u32, u32) -> ControlFlow<()> + Send);

/// Takes the clean samples of some columns of a line, `[columns][3]`: line and first column.
pub(in crate::codec) type Put<'a> = &'a mut (dyn FnMut(usize, usize, &[f32]) + Send);

/// A canvas to decode, and how.
pub(in crate::codec) struct Job<'a> {
    pub(in crate::codec) plain: &'a Plain,
    /// 0 for the least squared error, 1 for sharpness.
    pub(in crate::codec) look: f32,
    /// Most bytes that the network may take for a tile.
    pub(in crate::codec) memory: u64,
}

/// The learned decoder on some engine.
pub(in crate::codec) trait LearnedEngine: Send + Sync {
    /// Gives out the clean canvas, each sample once.
    fn clean(&self, job: &Job<'_>, on_tile: OnTile<'_>, put: Put<'_>) -> Result<(), Error>;
}

/// The learned decoder on the engine `B`.
pub(in crate::codec) struct LearnedOn<B: Backend> {
    backend: B,
    weights: Arc<Weights>,
    config: LearnedDecoderConfig,
    decoder: Lazy<LearnedDecoder<B>>,
}

impl<B: Backend> LearnedOn<B> {
    pub(in crate::codec) fn new(
        backend: B,
        weights: Arc<Weights>,
        config: LearnedDecoderConfig,
    ) -> Self {
        Self {
            backend,
            weights,
            config,
            decoder: Lazy::new(),
        }
    }

    fn decoder(&self) -> Result<Arc<LearnedDecoder<B>>, NetworkError> {
        let (backend, weights) = (&self.backend, &*self.weights);
        self.decoder.get(|| {
            backend.run(|| {
                let vs = VarBuilder::new(backend, weights).pp("decoder");
                let decoder = LearnedDecoder::load(&vs, &self.config)?;
                weights.release_pages();
                Ok(decoder)
            })
        })
    }
}

impl<B: Backend> LearnedEngine for LearnedOn<B> {
    fn clean(&self, job: &Job<'_>, on_tile: OnTile<'_>, put: Put<'_>) -> Result<(), Error> {
        let Plain {
            samples,
            size,
            slope,
        } = job.plain;
        // First, so that a fault of the model is told as one.
        let decoder = self.decoder()?;
        let tiles = tiles(&self.config, *size, job.memory).map_err(|needed| Error::Limit {
            limit: LimitKind::TileMemory,
            actual: needed,
            allowed: job.memory,
        })?;
        let backend = &self.backend;
        let condition = backend.run(|| decoder.condition(backend, *slope, job.look))?;
        // At most 255 × 255.
        let total = tiles.len() as u32;
        for (done, tile) in (0..).zip(&tiles) {
            if on_tile(done, total).is_break() {
                return Err(Error::Cancelled { done, total });
            }
            let [rows, columns] = &tile.outer;
            let mut outer = part(samples, *size, [rows, columns])?;
            let sides = [rows.len(), columns.len()];
            backend.run(|| decoder.correct(backend, &condition, &mut outer, sides))?;
            give(tile, &outer, put);
        }
        // Nothing is left to be cancelled.
        let _ = on_tile(total, total);
        Ok(())
    }
}

/// A part of a picture of `[height, width, 3]`.
fn part(
    samples: &[f32],
    size: Size,
    [rows, columns]: [&Range<usize>; 2],
) -> Result<Vec<f32>, NetworkError> {
    let mut part = with_capacity(rows.len() * columns.len() * 3)?;
    let lines = samples.chunks_exact(3 * size.width as usize);
    for line in lines.take(rows.end).skip(rows.start) {
        part.extend_from_slice(&line[3 * columns.start..3 * columns.end]);
    }
    Ok(part)
}

/// Gives out the inner part of a tile.
fn give(tile: &Tile, outer: &[f32], put: Put<'_>) {
    let [rows, columns] = &tile.inner;
    let width = 3 * tile.outer[1].len();
    let skipped = [0, 1].map(|axis| tile.inner[axis].start - tile.outer[axis].start);
    let lines = outer.chunks_exact(width).skip(skipped[0]);
    for (row, line) in rows.clone().zip(lines) {
        put(
            row,
            columns.start,
            &line[3 * skipped[1]..][..3 * columns.len()],
        );
    }
}
