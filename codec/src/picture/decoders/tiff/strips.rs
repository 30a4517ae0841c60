//! Where the strips or tiles of a picture are: their sizes in pixels, and their bytes in the file.

use super::directory::Field;
use super::layout::{Compression, Layout};
use super::{malformed, tag, truncated};
use crate::picture::PictureError;

/// How often the compressed bytes of a file may be read: equal tiles may share theirs, but not without end.
const MOST_SHARED: u64 = 256;

/// The strips or tiles of a picture, row by row, plane by plane.
#[derive(Debug, Clone)]
pub(super) struct Strips<'a> {
    file: &'a [u8],
    offsets: Field<'a>,
    byte_counts: Option<Field<'a>>,
    pub(super) are_tiles: bool,
    /// Pixels of one; the last strip may be shorter.
    pub(super) width: u32,
    pub(super) height: u32,
    /// How many are beside and below each other.
    pub(super) across: u32,
    pub(super) down: u32,
    planes: u32,
    /// Bytes of a row of one; of subsampled colours, of a row of units.
    pub(super) row_bytes: u64,
    /// Pixels of such a row, downwards.
    pub(super) rows: u32,
    uncompressed: bool,
    picture_height: u32,
}

impl<'a> Strips<'a> {
    /// Reads where they are. `max_pixels` is the most pixels of one, which for tiles has nothing to do with the picture.
    pub(super) fn new(layout: &Layout<'a>, max_pixels: u64) -> Result<Self, PictureError> {
        let directory = &layout.directory;
        let field = |tag, name: &str| {
            let field = directory.find(tag)?;
            field.ok_or_else(|| malformed(format!("it has no {name}")))
        };
        let are_tiles = directory.find(tag::TILE_WIDTH)?.is_some();
        let (offsets, byte_counts, width, height);
        if are_tiles {
            offsets = field(tag::TILE_OFFSETS, "TileOffsets")?;
            byte_counts = directory.find(tag::TILE_BYTE_COUNTS)?;
            width = directory.required(tag::TILE_WIDTH, "TileWidth")?;
            height = directory.required(tag::TILE_HEIGHT, "TileLength")?;
            if width == 0 || height == 0 || width.saturating_mul(height) > max_pixels {
                return Err(malformed(format!("its tiles have {width}x{height} pixels")));
            }
        } else {
            offsets = field(tag::STRIP_OFFSETS, "StripOffsets")?;
            byte_counts = directory.find(tag::STRIP_BYTE_COUNTS)?;
            width = u64::from(layout.width);
            let rows = directory.number(tag::ROWS_PER_STRIP)?;
            height = rows
                .map_or(layout.height, |rows| {
                    u32::try_from(rows).map_or(layout.height, |rows| rows.min(layout.height))
                })
                .into();
            if height == 0 {
                return Err(malformed("its strips have no rows"));
            }
        }
        let too_large = || malformed(format!("its tiles have {width}x{height} pixels"));
        let width = u32::try_from(width).map_err(|_| too_large())?;
        let height = u32::try_from(height).map_err(|_| too_large())?;
        let (row_bytes, rows) = row(layout, width);
        if !are_tiles && !height.is_multiple_of(rows) && height < layout.height {
            return Err(malformed("its strips end within a unit of colours"));
        }
        let strips = Self {
            file: directory.file.bytes,
            offsets,
            byte_counts,
            are_tiles,
            width,
            height,
            across: layout.width.div_ceil(width),
            down: layout.height.div_ceil(height),
            planes: if layout.is_planar {
                layout.samples as u32
            } else {
                1
            },
            row_bytes,
            rows,
            uncompressed: layout.compression == Compression::None,
            picture_height: layout.height,
        };
        strips.check()?;
        Ok(strips)
    }

    /// All of them are in the file.
    fn check(&self) -> Result<(), PictureError> {
        let per_plane = u64::from(self.across) * u64::from(self.down);
        let count = per_plane * u64::from(self.planes);
        let known = self.offsets.len() as u64;
        if known < count {
            return Err(malformed(format!(
                "it has {known} of {count} {}s",
                self.name()
            )));
        }
        let mut total: u64 = 0;
        for index in 0..count {
            total = total.saturating_add(self.bytes(index)?.len() as u64);
        }
        if !self.uncompressed && total > (self.file.len() as u64).saturating_mul(MOST_SHARED) {
            return Err(malformed(format!(
                "its {}s have {total} bytes, far more than the file",
                self.name()
            )));
        }
        Ok(())
    }

    /// What one is called.
    pub(super) fn name(&self) -> &'static str {
        if self.are_tiles { "tile" } else { "strip" }
    }

    /// The index of one in a plane.
    pub(super) fn index(&self, plane: u32, down: u32, across: u32) -> u64 {
        let row = u64::from(plane) * u64::from(self.down) + u64::from(down);
        row * u64::from(self.across) + u64::from(across)
    }

    /// The rows of pixels of those in this row.
    pub(super) fn height_of(&self, down: u32) -> u32 {
        if self.are_tiles {
            return self.height;
        }
        let above = u64::from(down) * u64::from(self.height);
        let left = u64::from(self.picture_height).saturating_sub(above);
        u64::from(self.height).min(left) as u32
    }

    /// The bytes of one.
    ///
    /// # Errors
    /// They are not in the file, or fewer than uncompressed samples take.
    pub(super) fn bytes(&self, index: u64) -> Result<&'a [u8], PictureError> {
        let name = self.name();
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let offset = self.offsets.uint(at).ok_or_else(|| self.offsets.odd())?;
        let down = (index / u64::from(self.across) % u64::from(self.down)) as u32;
        let needed = u64::from(self.height_of(down).div_ceil(self.rows)) * self.row_bytes;
        let count = match &self.byte_counts {
            Some(counts) => counts.uint(at).ok_or_else(|| counts.odd())?,
            // Where it is plain.
            None if self.uncompressed && self.offsets.len() == 1 => needed,
            None => return Err(malformed(format!("it has no byte counts of its {name}s"))),
        };
        let part = || {
            let start = usize::try_from(offset).ok()?;
            let end = start.checked_add(usize::try_from(count).ok()?)?;
            self.file.get(start..end)
        };
        let Some(part) = part() else {
            return Err(truncated(format!(
                "{name} {index} has {count} bytes at {offset}, the file has {}",
                self.file.len()
            )));
        };
        if count == 0 || self.uncompressed && count < needed {
            return Err(malformed(format!(
                "{name} {index} has {count} of {needed} bytes"
            )));
        }
        Ok(part)
    }
}

/// The bytes of a row, and how many rows of pixels it has.
fn row(layout: &Layout, width: u32) -> (u64, u32) {
    if layout.is_subsampled() {
        let [across, down] = layout.subsampling;
        let unit = u64::from(across * down + 2);
        return (u64::from(width.div_ceil(across)) * unit, down);
    }
    let samples = if layout.is_planar {
        1
    } else {
        layout.samples as u64
    };
    // Below 2^32 * 2^16 * 2^6.
    let bits = u64::from(width) * samples * u64::from(layout.bits);
    (bits.div_ceil(8), 1)
}
