//! Bytes to coefficients, and coefficients to pictures.

use flextok_compute::lot::{self, LappedTransform, Source};
use flextok_compute::{Threads, release_freed_memory};
use flextok_container::CodedCanvas;
use flextok_tokens::{Band, Decoder, Grid, Tables};
use image::RgbImage;

use super::canvas::pixels_of;
use crate::picture::enlarge;
use crate::{Error, Size};

/// Pixels of a canvas whose digits take so much memory that it is given back before the network begins.
const LARGE: u64 = 1 << 22;

/// A canvas as the digits alone determine it, for the learned decoder.
pub(crate) struct Plain {
    /// `[height, width, 3]`, in units of (sample − 127.5) / 127.5, not clamped.
    pub(crate) samples: Vec<f32>,
    /// Size in pixels.
    pub(crate) size: Size,
    /// The slope of the last layer begun, which says how coarse it is.
    pub(crate) slope: i32,
}

/// The canvas that the bytes determine, in floats.
///
/// # Errors
/// As [`canvas_of`].
pub(crate) fn plain_of(
    tables: &Tables,
    grid: Grid,
    payload: &[u8],
    threads: &Threads,
) -> Result<Plain, Error> {
    let decoder = decoder_of(tables, grid, payload)?;
    let transform = LappedTransform::new(grid.rows(), grid.columns());
    let source = Digits {
        decoder: &decoder,
        columns: grid.columns(),
    };
    let samples = threads.install(|| transform.to_signed(&source))?;
    let (size, slope) = (pixels_of(grid), decoder.slope());
    drop(decoder);
    if size.area() >= LARGE {
        // Digits are in thousands of small buffers, which would stay beside the network's large ones.
        release_freed_memory();
    }
    Ok(Plain {
        samples,
        size,
        slope,
    })
}

/// A sample in units of (sample − 127.5) / 127.5 as one of 0 to 255, clamped and rounded to even.
#[inline(always)]
pub(crate) fn in_8_bits(sample: f32) -> u8 {
    lot::in_8_bits(sample * 127.5 + 127.5)
}

/// All digits that the bytes determine.
fn decoder_of(tables: &Tables, grid: Grid, payload: &[u8]) -> Result<Decoder, Error> {
    let mut decoder = Decoder::new(tables, grid)?;
    decoder.feed(payload)?;
    Ok(decoder)
}

/// The canvas that the bytes determine, its colours from 0 to 255.
///
/// # Errors
/// [`Error::Coefficients`] or [`Error::Compute`] if memory is exhausted.
pub(crate) fn canvas_of(
    tables: &Tables,
    grid: Grid,
    payload: &[u8],
    threads: &Threads,
) -> Result<RgbImage, Error> {
    let decoder = decoder_of(tables, grid, payload)?;
    let transform = LappedTransform::new(grid.rows(), grid.columns());
    let source = Digits {
        decoder: &decoder,
        columns: grid.columns(),
    };
    let samples = threads.install(|| transform.to_rgb(&source))?;
    let Size { width, height } = pixels_of(grid);
    Ok(RgbImage::from_raw(width, height, samples).unwrap_or_default())
}

/// The canvas in the picture's size: without what was repeated to fill the last blocks, or resampled.
///
/// # Errors
/// [`Error::Picture`] if memory is exhausted.
pub(crate) fn picture_of(
    pixels: RgbImage,
    size: Size,
    canvas: CodedCanvas,
    threads: &Threads,
) -> Result<RgbImage, Error> {
    match canvas {
        CodedCanvas::Own => Ok(cropped(pixels, size)),
        CodedCanvas::Long(_) => Ok(enlarge(&pixels, size, threads)?),
    }
}

/// The upper left part, moved to the front of its own memory.
fn cropped(pixels: RgbImage, size: Size) -> RgbImage {
    let (from, to) = (3 * pixels.width() as usize, 3 * size.width as usize);
    if pixels.dimensions() == size.into() {
        return pixels;
    }
    let mut samples = pixels.into_raw();
    for row in 0..size.height as usize {
        samples.copy_within(row * from..row * from + to, row * to);
    }
    samples.truncate(to * size.height as usize);
    RgbImage::from_raw(size.width, size.height, samples).unwrap_or_default()
}

/// The coefficients that a decoder has so far.
struct Digits<'a> {
    decoder: &'a Decoder,
    columns: usize,
}

impl Digits<'_> {
    fn band(&self, colour: usize, (u, v): (usize, usize), row: usize, values: &mut [f32]) {
        if let Some(band) = Band::new(colour, u, v) {
            self.decoder.read(band, row * self.columns, values);
        }
    }
}

impl Source for Digits<'_> {
    fn read(&self, colour: usize, row: usize, values: &mut [f32]) {
        for (index, values) in values.chunks_exact_mut(self.columns).enumerate() {
            self.band(colour, (index % 32, index / 32), row, values);
        }
    }

    fn read_means(&self, colour: usize, row: usize, values: &mut [f32]) {
        self.band(colour, (0, 0), row, values);
    }
}
