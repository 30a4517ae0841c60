//! All pictures on one sheet: rows of square cells, each picture as large as fits in the middle of its cell.

use std::sync::{Mutex, PoisonError};

use flextok::image::{RgbImage, imageops};
use flextok::picture::save::SaveFormat;
use flextok::picture::{self, PictureError};
use flextok::{Error, LimitKind, Size, Threads};

use crate::exit::CliError;
use crate::sheet::{self, GROUND};

/// Most pictures on a sheet.
pub(crate) const MOST: u32 = 65_536;
/// Pixels between cells and around them.
const GAP: u32 = 4;

/// The cells of a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    columns: u32,
    cell: u32,
    size: Size,
}

impl Layout {
    /// The cells for `count` pictures: in this many columns or, without a number, as square as can be.
    pub(crate) fn new(
        count: u32,
        columns: Option<u32>,
        cell: u32,
        most_pixels: u64,
    ) -> Result<Self, Error> {
        let count = count.max(1);
        let square = || count.isqrt() + u32::from(count.isqrt().pow(2) < count);
        let columns = columns.unwrap_or_else(square).min(count);
        let rows = count.div_ceil(columns);
        let length = |cells: u32| {
            let length = u64::from(cells) * u64::from(cell + GAP) + u64::from(GAP);
            u32::try_from(length).unwrap_or(u32::MAX)
        };
        let size = Size::new(length(columns), length(rows));
        if size.area() > most_pixels {
            return Err(Error::Limit {
                limit: LimitKind::Pixels,
                actual: size.area(),
                allowed: most_pixels,
            });
        }
        Ok(Self {
            columns,
            cell,
            size,
        })
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }
}

/// A sheet that is being filled.
pub(crate) struct Grid {
    layout: Layout,
    sheet: Mutex<RgbImage>,
    threads: Threads,
}

impl Grid {
    /// An empty sheet.
    pub(crate) fn new(layout: Layout, threads: Threads) -> Result<Self, PictureError> {
        let Size { width, height } = layout.size;
        let bytes = layout.size.area().saturating_mul(3);
        let mut samples = Vec::new();
        usize::try_from(bytes)
            .ok()
            .and_then(|length| samples.try_reserve_exact(length).ok())
            .ok_or(PictureError::OutOfMemory { bytes })?;
        for _ in 0..layout.size.area() {
            samples.extend(GROUND.0);
        }
        let sheet = RgbImage::from_raw(width, height, samples).unwrap_or_default();
        Ok(Self {
            layout,
            sheet: Mutex::new(sheet),
            threads,
        })
    }

    /// Draws a canvas, whose picture has this size, into a cell.
    pub(super) fn place(&self, cell: u32, canvas: &RgbImage, size: Size) -> Result<(), CliError> {
        let Layout {
            columns,
            cell: side,
            ..
        } = self.layout;
        let fitted = sheet::fitted(size, side);
        let picture = picture::restore(canvas, fitted, &self.threads);
        // The caller knows the name of the row.
        let picture = picture.map_err(|error| CliError::codec("", error))?;
        let left = |number: u32, own: u32| {
            i64::from(number) * i64::from(side + GAP) + i64::from(GAP + (side - own) / 2)
        };
        let x = left(cell % columns, fitted.width);
        let y = left(cell / columns, fitted.height);
        let mut sheet = self.sheet.lock().unwrap_or_else(PoisonError::into_inner);
        imageops::replace(&mut *sheet, &picture, x, y);
        Ok(())
    }

    /// The sheet as a file.
    pub(crate) fn encode(self, format: SaveFormat) -> Result<Vec<u8>, PictureError> {
        let sheet = self
            .sheet
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        picture::save::encode(&sheet, format)
    }
}

#[cfg(test)]
mod tests {
    use flextok::image::Rgb;

    use super::*;

    #[test]
    fn cells_are_as_square_as_can_be() {
        let size = |count, columns| {
            let layout = Layout::new(count, columns, 96, 1 << 20).expect("within the limit");
            (layout.columns, layout.size.width, layout.size.height)
        };
        assert_eq!(size(1, None), (1, 104, 104));
        assert_eq!(size(5, None), (3, 304, 204));
        assert_eq!(size(9, None), (3, 304, 304));
        assert_eq!(size(5, Some(4)), (4, 404, 204));
        assert_eq!(size(5, Some(9)), (5, 504, 104));
        let refused = Layout::new(MOST, None, u32::from(u16::MAX), 1 << 20).expect_err("too large");
        assert!(refused.to_string().contains("1048576"), "{refused}");
    }

    #[test]
    fn pictures_are_in_the_middle_of_their_cells() {
        let layout = Layout::new(3, Some(2), 10, 1 << 20).expect("small");
        let threads = Threads::new(1).expect("a thread");
        let grid = Grid::new(layout, threads).expect("memory");
        let red = RgbImage::from_pixel(8, 8, Rgb([200, 0, 0]));
        grid.place(2, &red, Size::new(40, 20)).expect("memory");
        let sheet = grid.sheet.into_inner().expect("no panic");
        assert_eq!(sheet.dimensions(), (32, 32));
        // Ten by five pixels, from the left edge of the cell on, three rows below its top.
        for (x, y, pixel) in sheet.enumerate_pixels() {
            let inside = (4..14).contains(&x) && (20..25).contains(&y);
            assert_eq!(pixel.0 == [200, 0, 0], inside, "{x}, {y}");
        }
    }
}
