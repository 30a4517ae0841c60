//! How many blocks of 32×32 pixels the canvas of a picture has.

use core::num::NonZeroU8;

use flextok_container::{BLOCK, Coded, CodedCanvas, Header, MAX_BLOCKS, TablesName};
use flextok_tokens::Grid;

use crate::{Error, Size};

/// Most memory that encoding or decoding takes for a pixel of the canvas, in bytes, beside input and output.
const BYTES_A_PIXEL: u64 = 24;

/// The same for a decode that keeps the canvas in floats.
const BYTES_A_PIXEL_OF_FLOATS: u64 = 32;

/// The canvas that suits `bytes` of payload: large enough for the detail that they can hold, and no larger, since coarse
/// detail on a large canvas costs more.
///
/// Of n = ⌊√(290 · bytes · long / short) / 32 + ½⌋ blocks along the long side, at least 2 and at most 255; the picture's own
/// size where that many blocks reach it. On photos it stays within 0.1 dB of the best number.
pub fn canvas_for(size: Size, bytes: u64) -> CodedCanvas {
    let (long, short) = (size.width.max(size.height), size.width.min(size.height));
    let side = libm::sqrt(290.0 * bytes as f64 * f64::from(long) / f64::from(short.max(1)));
    let blocks = libm::floor(side / f64::from(BLOCK) + 0.5).clamp(2.0, f64::from(MAX_BLOCKS));
    // At most 255.
    let blocks = blocks as u8;
    if u32::from(blocks) * BLOCK >= long {
        return CodedCanvas::Own;
    }
    NonZeroU8::new(blocks).map_or(CodedCanvas::Own, CodedCanvas::Long)
}

/// The blocks of a picture's canvas.
///
/// # Errors
/// [`Error::Container`] for a size that no file can have, or that is too large for a canvas of its own.
pub fn grid_of(size: Size, canvas: CodedCanvas) -> Result<Grid, Error> {
    let coded = Coded {
        tables: TablesName::BUILTIN,
        canvas,
        bytes: 1,
    };
    let blocks = Header::coded(size, coded)?.blocks();
    let (rows, columns) = blocks.map_or((0, 0), |grid| (grid.rows, grid.columns));
    Ok(Grid::new(rows as usize, columns as usize)?)
}

/// The canvas in pixels.
pub fn pixels_of(grid: Grid) -> Size {
    // At most 255 blocks a side.
    Size::new(grid.columns() as u32 * BLOCK, grid.rows() as u32 * BLOCK)
}

/// Most memory that encoding or decoding takes for the canvas, in bytes, beside input and output.
pub fn memory(grid: Grid) -> u64 {
    pixels_of(grid).area().saturating_mul(BYTES_A_PIXEL)
}

/// As [`memory`], for a decode that keeps the canvas in floats.
pub fn memory_of_floats(grid: Grid) -> u64 {
    pixels_of(grid)
        .area()
        .saturating_mul(BYTES_A_PIXEL_OF_FLOATS)
}
