//! Bytes to coefficients, and coefficients to pictures.

use flextok_compute::{Threads, release_freed_memory};
use flextok_container::CodedCanvas;
use flextok_plain::canvas::pixels_of;
use flextok_plain::lot::{self, LappedTransform};
use flextok_plain::{Digits, digits, fitted};
use flextok_tokens::{Grid, Tables};
use image::RgbImage;

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
    let decoder = digits(tables, grid, payload)?;
    let transform = LappedTransform::new(grid.rows(), grid.columns());
    let samples = threads.install(|| transform.to_signed(&Digits::new(&decoder, grid)))?;
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

/// The canvas that the bytes determine, its colours from 0 to 255.
///
/// # Errors
/// [`Error::Plain`] if memory is exhausted.
pub(crate) fn canvas_of(
    tables: &Tables,
    grid: Grid,
    payload: &[u8],
    threads: &Threads,
) -> Result<RgbImage, Error> {
    let samples = threads.install(|| flextok_plain::canvas_of(tables, grid, payload))?;
    let Size { width, height } = pixels_of(grid);
    Ok(RgbImage::from_raw(width, height, samples).unwrap_or_default())
}

/// The canvas in the picture's size: without what was repeated to fill the last blocks, or resampled.
///
/// # Errors
/// [`Error::Plain`] if memory is exhausted.
pub(crate) fn picture_of(
    pixels: RgbImage,
    size: Size,
    (canvas, grid): (CodedCanvas, Grid),
    threads: &Threads,
) -> Result<RgbImage, Error> {
    let samples = threads.install(|| fitted(pixels.into_raw(), grid, size, canvas))?;
    Ok(RgbImage::from_raw(size.width, size.height, samples).unwrap_or_default())
}
