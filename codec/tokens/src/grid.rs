//! The grid of blocks, its bands, and the two orders in which coefficients lie in memory.

use alloc::vec::Vec;
use core::fmt;

use crate::Error;
use crate::memory::filled;

/// Colours: luma and two chroma.
pub const COLOURS: usize = 3;
/// Coefficients of a block a side.
pub const BLOCK: usize = 32;
/// Coefficients of a block in one colour.
pub(crate) const FREQUENCIES: usize = BLOCK * BLOCK;
/// Bands of a grid.
pub(crate) const BANDS: usize = COLOURS * FREQUENCIES;

/// How many blocks a canvas has: 1 to 255 a side, each of 32×32 pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grid {
    rows: u8,
    columns: u8,
}

impl Grid {
    /// A grid that is `rows` blocks high and `columns` wide.
    ///
    /// # Errors
    /// [`Error::GridSize`] for no block or more than 255 a side.
    pub fn new(rows: usize, columns: usize) -> Result<Self, Error> {
        match (u8::try_from(rows), u8::try_from(columns)) {
            (Ok(rows @ 1..), Ok(columns @ 1..)) => Ok(Self { rows, columns }),
            _ => Err(Error::GridSize { rows, columns }),
        }
    }

    /// Blocks high, 1 to 255.
    #[must_use]
    pub fn rows(self) -> usize {
        usize::from(self.rows)
    }

    /// Blocks wide, 1 to 255.
    #[must_use]
    pub fn columns(self) -> usize {
        usize::from(self.columns)
    }

    /// Blocks in all, which is the number of coefficients of a band.
    #[must_use]
    pub fn blocks(self) -> usize {
        self.rows() * self.columns()
    }

    /// Coefficients in all: three for each pixel of the canvas.
    #[must_use]
    pub fn coefficients(self) -> usize {
        BANDS * self.blocks()
    }
}

/// One frequency of one colour in all blocks, row by row: as many coefficients as the grid has blocks.
///
/// The band of frequency (0, 0) has the means of the blocks, or rather their DCT over the whole grid: its coefficient
/// number `i · columns + j` is that of the vertical frequency `i` and the horizontal `j`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Band(u16);

impl Band {
    /// The band of `colour` (0 to 2), vertical frequency `u` and horizontal frequency `v` (0 to 31).
    #[must_use]
    pub fn new(colour: usize, u: usize, v: usize) -> Option<Self> {
        let inside = colour < COLOURS && u < BLOCK && v < BLOCK;
        let index = u16::try_from(colour * FREQUENCIES + u * BLOCK + v).ok()?;
        inside.then_some(Self(index))
    }

    /// All bands by colour, vertical and horizontal frequency.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..BANDS as u16).map(Self)
    }

    /// The band with an index below [`BANDS`].
    pub(crate) fn from_index(index: usize) -> Self {
        debug_assert!(index < BANDS);
        Self(index as u16)
    }

    /// The band's place among [`Band::all`]: `(colour · 32 + u) · 32 + v`.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// 0: luma, 1 and 2: chroma.
    #[must_use]
    pub fn colour(self) -> usize {
        self.index() / FREQUENCIES
    }

    /// Vertical frequency, 0 to 31.
    #[must_use]
    pub fn u(self) -> usize {
        self.index() / BLOCK % BLOCK
    }

    /// Horizontal frequency, 0 to 31.
    #[must_use]
    pub fn v(self) -> usize {
        self.index() % BLOCK
    }
}

impl fmt::Display for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "colour {} frequency {},{}",
            self.colour(),
            self.u(),
            self.v()
        )
    }
}

/// Coefficients of the axes [colour, block row, block column, u, v] in the axes [colour, u, v, block row, block
/// column]: band after band.
///
/// # Errors
/// [`Error::CoefficientCount`] if there are not [`Grid::coefficients`] of them; [`Error::OutOfMemory`].
pub fn bands_of_blocks(grid: Grid, coefficients: &[f32]) -> Result<Vec<f32>, Error> {
    check_count(grid, coefficients)?;
    let mut bands = filled(0.0, coefficients.len())?;
    let size = grid.blocks() * FREQUENCIES;
    for (blocks, bands) in coefficients
        .chunks_exact(size)
        .zip(bands.chunks_exact_mut(size))
    {
        transpose(blocks, FREQUENCIES, bands);
    }
    Ok(bands)
}

/// The reverse of [`bands_of_blocks`].
///
/// # Errors
/// [`Error::CoefficientCount`] if there are not [`Grid::coefficients`] of them; [`Error::OutOfMemory`].
pub fn blocks_of_bands(grid: Grid, coefficients: &[f32]) -> Result<Vec<f32>, Error> {
    check_count(grid, coefficients)?;
    let mut blocks = filled(0.0, coefficients.len())?;
    let size = grid.blocks() * FREQUENCIES;
    for (bands, blocks) in coefficients
        .chunks_exact(size)
        .zip(blocks.chunks_exact_mut(size))
    {
        transpose(bands, grid.blocks(), blocks);
    }
    Ok(blocks)
}

pub(crate) fn check_count(grid: Grid, coefficients: &[f32]) -> Result<(), Error> {
    let (found, expected) = (coefficients.len(), grid.coefficients());
    if found == expected {
        Ok(())
    } else {
        Err(Error::CoefficientCount { found, expected })
    }
}

/// Rows of `width` elements to columns, in tiles that stay in the cache.
fn transpose(from: &[f32], width: usize, to: &mut [f32]) {
    const TILE: usize = 16;
    let height = from.len() / width;
    for top in (0..height).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            for x in left..width.min(left + TILE) {
                for y in top..height.min(top + TILE) {
                    to[x * height + y] = from[y * width + x];
                }
            }
        }
    }
}
