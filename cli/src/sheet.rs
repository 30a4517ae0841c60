//! The contact sheet of `preview`: tiles in rows and columns on a light background, each with a two-line label.

use std::convert::Infallible;

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{self, OriginDimensions, Point};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, ascii};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::text::{Alignment, Baseline, Text};
use flextok::Size;
use flextok::image::imageops::{self, FilterType};
use flextok::image::{Rgb, RgbImage};

/// Longest side of a tile's picture in pixels.
const TILE: u32 = 256;
const MARGIN: u32 = 24;
const GAP: u32 = 20;
/// From the picture to the first line, and the height of both lines.
const LABEL_GAP: u32 = 8;
const LABEL: u32 = 38;
const LINE: u32 = 19;
const MOST_COLUMNS: u32 = 5;
pub(crate) const GROUND: Rgb<u8> = Rgb([247, 247, 245]);
const EDGE: Rgb<u8> = Rgb([214, 214, 210]);
const INK: Rgb888 = Rgb888::new(28, 28, 30);
const PALE_INK: Rgb888 = Rgb888::new(104, 104, 108);

/// A picture with a title and a line of small print.
#[derive(Debug)]
pub(crate) struct Tile {
    pub(crate) picture: RgbImage,
    pub(crate) title: String,
    pub(crate) detail: String,
}

/// The size at which a picture is drawn in a tile.
pub(crate) fn tile_size(picture: Size) -> Size {
    fitted(picture, TILE)
}

/// The size of a picture whose longer side is `most` pixels, with its aspect ratio kept.
pub(crate) fn fitted(picture: Size, most: u32) -> Size {
    let longest = u64::from(picture.width.max(picture.height).max(1));
    let side = |side: u32| {
        let scaled = (u64::from(side) * u64::from(most) + longest / 2) / longest;
        u32::try_from(scaled).unwrap_or(most).clamp(1, most)
    };
    Size::new(side(picture.width), side(picture.height))
}

/// Draws the sheet.
pub(crate) fn draw(tiles: &[Tile]) -> RgbImage {
    let count = u32::try_from(tiles.len()).unwrap_or(u32::MAX).max(1);
    let columns = columns(count);
    let rows = count.div_ceil(columns);
    // All pictures are scaled to the same size; a thin one still leaves room for its label.
    let picture = |tile: &Tile| tile_size(tile.picture.dimensions().into());
    let cell_height = tiles
        .iter()
        .map(|tile| picture(tile).height)
        .max()
        .unwrap_or(1);
    let cell_width = tiles
        .iter()
        .map(|tile| picture(tile).width)
        .max()
        .unwrap_or(1)
        .max(200);
    let total = |cells: u32, size: u32| 2 * MARGIN + cells * size + (cells - 1) * GAP;
    let width = total(columns, cell_width);
    let height = total(rows, cell_height + LABEL_GAP + LABEL);

    let mut sheet = RgbImage::from_pixel(width, height, GROUND);
    for (index, tile) in (0..count).zip(tiles) {
        let (column, row) = (index % columns, index / columns);
        let left = MARGIN + column * (cell_width + GAP);
        let top = MARGIN + row * (cell_height + LABEL_GAP + LABEL + GAP);
        draw_tile(&mut sheet, tile, (left, top), (cell_width, cell_height));
    }
    sheet
}

/// As square as can be with few empty cells.
fn columns(count: u32) -> u32 {
    let least = (1..=MOST_COLUMNS).find(|columns| columns * columns >= count);
    let candidates = least.unwrap_or(MOST_COLUMNS).min(count)..=MOST_COLUMNS.min(count);
    candidates
        .min_by_key(|columns| count.div_ceil(*columns) * columns - count)
        .unwrap_or(1)
}

fn draw_tile(sheet: &mut RgbImage, tile: &Tile, (left, top): (u32, u32), cell: (u32, u32)) {
    let size = tile_size(tile.picture.dimensions().into());
    let Size { width, height } = size;
    let scaled = if size == tile.picture.dimensions().into() {
        tile.picture.clone()
    } else {
        imageops::resize(&tile.picture, width, height, FilterType::CatmullRom)
    };
    let x = left + (cell.0 - width) / 2;
    let y = top + (cell.1 - height);
    let edge = RgbImage::from_pixel(width + 2, height + 2, EDGE);
    imageops::replace(sheet, &edge, i64::from(x) - 1, i64::from(y) - 1);
    imageops::replace(sheet, &scaled, x.into(), y.into());

    let center = left + cell.0 / 2;
    let line = top + cell.1 + LABEL_GAP;
    write(
        sheet,
        &tile.title,
        (center, line),
        &ascii::FONT_9X18_BOLD,
        INK,
    );
    write(
        sheet,
        &tile.detail,
        (center, line + LINE),
        &ascii::FONT_8X13,
        PALE_INK,
    );
}

fn write(sheet: &mut RgbImage, text: &str, at: (u32, u32), font: &MonoFont<'_>, ink: Rgb888) {
    let point = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let at = Point::new(point(at.0), point(at.1));
    let style = MonoTextStyle::new(font, ink);
    let mut text = Text::with_baseline(text, at, style, Baseline::Top);
    text.text_style.alignment = Alignment::Center;
    let Ok(_) = text.draw(&mut Paper(sheet));
}

/// A picture as something that text can be drawn on; what lies outside is dropped.
struct Paper<'a>(&'a mut RgbImage);

impl OriginDimensions for Paper<'_> {
    fn size(&self) -> geometry::Size {
        geometry::Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Paper<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = embedded_graphics::Pixel<Rgb888>>,
    {
        for embedded_graphics::Pixel(at, color) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else {
                continue;
            };
            if let Some(pixel) = self.0.get_pixel_mut_checked(x, y) {
                *pixel = Rgb([color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aspect_is_kept() {
        let scaled = |width, height| <(u32, u32)>::from(tile_size(Size::new(width, height)));
        assert_eq!(scaled(4000, 3000), (256, 192));
        assert_eq!(scaled(20_000, 10), (256, 1));
        assert_eq!(scaled(1, 1), (256, 256));
        assert_eq!(scaled(3, 1_048_576), (1, 256));
    }

    #[test]
    fn grids_are_nearly_square_and_full() {
        let made: Vec<u32> = (1..=10).map(columns).collect();
        assert_eq!(made, [1, 2, 3, 2, 5, 3, 4, 4, 3, 5]);
    }

    #[test]
    fn tiles_and_labels_are_drawn() {
        let tile = |title: &str| Tile {
            picture: RgbImage::from_pixel(40, 30, Rgb([200, 0, 0])),
            title: title.to_owned(),
            detail: "27 bytes".to_owned(),
        };
        let (one, other) = (draw(&[tile("1 token")]), draw(&[tile("2 tokens")]));
        assert_eq!(one.width(), 256 + 2 * MARGIN);
        let red = one.pixels().filter(|pixel| pixel.0 == [200, 0, 0]).count();
        assert_eq!(red, 256 * 192);
        assert!(one != other, "the labels differ");
        assert!(
            one.pixels().filter(|pixel| pixel.0 == [28, 28, 30]).count() > 50,
            "ink"
        );
    }
}
