//! How a large canvas goes through the learned decoder: in tiles with enough around them that the result does not depend on
//! how it was cut.

use std::ops::Range;

use flextok_compute::backend::CONV_ALIGNMENT;

use super::learned::{SQUARE, VALUES};
use crate::Size;
use crate::config::LearnedDecoderConfig;

/// Pixels whose multiples tiles begin and end at: blocks of eight pixels, times the positions that a fast convolution computes
/// together.
const ALIGNMENT: usize = 8 * CONV_ALIGNMENT;

/// A part of a canvas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tile {
    /// Rows and columns that go through the network.
    pub(crate) outer: [Range<usize>; 2],
    /// Those of them whose result is kept; no two tiles share any.
    pub(crate) inner: [Range<usize>; 2],
}

/// The tiles of a canvas, whose sides are multiples of 32 pixels, such that the network takes at most `memory` bytes for one
/// of them.
///
/// # Errors
/// The bytes that the smallest tiles take, if they are more.
pub(crate) fn tiles(
    config: &LearnedDecoderConfig,
    size: Size,
    memory: u64,
) -> Result<Vec<Tile>, u64> {
    let (height, width) = (size.height as usize, size.width as usize);
    let border = border(config);
    let most = usize::try_from(memory / bytes_a_pixel(config)).unwrap_or(usize::MAX);
    let [rows, columns] = counts([height, width], border, most)
        .map_err(|pixels| (pixels as u64).saturating_mul(bytes_a_pixel(config)))?;
    let rows = spans(height, rows, border);
    let columns = spans(width, columns, border);
    let tile = |rows: &Span, columns: &Span| Tile {
        outer: [rows.outer.clone(), columns.outer.clone()],
        inner: [rows.inner.clone(), columns.inner.clone()],
    };
    let tiles = rows
        .iter()
        .flat_map(|rows| columns.iter().map(move |columns| tile(rows, columns)));
    Ok(tiles.collect())
}

/// Most memory that the network takes for a pixel of a tile, in bytes: the activations of a block, or of the way to the other
/// resolution with a padded copy, the tile's own samples, and some for the working memory of convolutions.
fn bytes_a_pixel(config: &LearnedDecoderConfig) -> u64 {
    let [fine, coarse] = config.widths.map(|width| width as u64);
    let coarse = coarse.div_ceil(4);
    let samples = VALUES as u64;
    let blocks = (3 * fine).max(fine + 3 * coarse);
    let between = 2 * fine + 2 * coarse;
    let ends = fine + 3 * samples;
    let values = samples + blocks.max(between).max(ends);
    (4 * values).div_ceil((SQUARE * SQUARE) as u64) + 8
}

/// Pixels around the inner part of a tile that its values may depend on.
fn border(config: &LearnedDecoderConfig) -> usize {
    let [fine, coarse, finer] = config.depths;
    // Positions from the edge of a tile on that are not those of the whole canvas. A 3×3 convolution adds one, and all that
    // are computed together with it.
    let conv = |wrong: usize| (wrong + 1).next_multiple_of(CONV_ALIGNMENT);
    let convs = |wrong: usize, blocks: usize| (0..2 * blocks).fold(wrong, |wrong, _| conv(wrong));
    let at_quarter = convs(conv(0), fine);
    let at_eighth = convs(
        (at_quarter + 1)
            .div_ceil(2)
            .next_multiple_of(CONV_ALIGNMENT),
        coarse,
    );
    let at_quarter = convs(
        (2 * (at_eighth + 1)).next_multiple_of(CONV_ALIGNMENT),
        finer,
    );
    (conv(at_quarter) * SQUARE).next_multiple_of(ALIGNMENT)
}

/// Rows and columns of tiles, each of at most `most` pixels with what is around it, that compute the fewest pixels twice; else
/// the pixels of the smallest tiles.
fn counts(size: [usize; 2], border: usize, most: usize) -> Result<[usize; 2], usize> {
    let most_of = |side: usize| side.div_ceil(ALIGNMENT);
    let outer = |side: usize, count: usize| {
        let inner = side.div_ceil(count).next_multiple_of(ALIGNMENT);
        // Those at the picture's own edges have nothing beyond them.
        (inner + border * (count - 1).min(2)).min(side)
    };
    let work = |&[rows, columns]: &[usize; 2]| {
        rows * outer(size[0], rows) * columns * outer(size[1], columns)
    };
    let fewest_rows = |columns: usize| {
        let fits = |&rows: &usize| outer(size[0], rows) * outer(size[1], columns) <= most;
        let rows = (1..=most_of(size[0])).find(fits);
        rows.map(|rows| [rows, columns])
    };
    let choices = (1..=most_of(size[1])).filter_map(fewest_rows);
    choices.min_by_key(work).ok_or_else(|| {
        let [height, width] = size.map(|side| outer(side, most_of(side)));
        height * width
    })
}

/// The part of a row or column of tiles along its side.
struct Span {
    outer: Range<usize>,
    inner: Range<usize>,
}

fn spans(side: usize, count: usize, border: usize) -> Vec<Span> {
    let inner = side.div_ceil(count).next_multiple_of(ALIGNMENT);
    let starts = (0..side).step_by(inner);
    let span = |start: usize| {
        let end = (start + inner).min(side);
        Span {
            outer: start.saturating_sub(border)..(end + border).min(side),
            inner: start..end,
        }
    };
    starts.map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> LearnedDecoderConfig {
        LearnedDecoderConfig {
            widths: [64, 128],
            depths: [2, 3, 2],
            embedding: 128,
            frequencies: 16,
            slopes: vec![0.0, 1.0],
            errors: vec![1.0, 0.5],
        }
    }

    #[test]
    fn small_canvases_are_one_tile() {
        let tiles = tiles(&config(), Size::new(1024, 768), 256 << 20).unwrap();
        let whole = [0..768, 0..1024];
        assert_eq!(tiles.len(), 1);
        assert_eq!((&tiles[0].outer, &tiles[0].inner), (&whole, &whole));
    }

    #[test]
    fn tiles_cover_a_canvas_once_and_fit_the_memory() {
        for (size, memory) in [
            (Size::new(4000, 3008), 256 << 20),
            (Size::new(8160, 8160), 256 << 20),
            (Size::new(8160, 32), 8 << 20),
            (Size::new(1056, 2080), 96 << 20),
        ] {
            let tiles = tiles(&config(), size, memory).unwrap();
            let area = |[rows, columns]: &[Range<usize>; 2]| rows.len() * columns.len();
            let inner: usize = tiles.iter().map(|tile| area(&tile.inner)).sum();
            assert_eq!(inner as u64, size.area());
            for (index, tile) in tiles.iter().enumerate() {
                assert!(area(&tile.outer) as u64 * bytes_a_pixel(&config()) <= memory);
                for (outer, (inner, side)) in tile.outer.iter().zip(
                    tile.inner
                        .iter()
                        .zip([size.height as usize, size.width as usize]),
                ) {
                    assert!(
                        [outer.start, outer.end, inner.start, inner.end]
                            .iter()
                            .all(|at| at % ALIGNMENT == 0)
                    );
                    let border = border(&config());
                    assert!(outer.start == 0 || inner.start - outer.start >= border);
                    assert!(outer.end == side || outer.end - inner.end >= border);
                }
                let meets = |a: &Range<usize>, b: &Range<usize>| a.start < b.end && b.start < a.end;
                assert!(tiles[..index].iter().all(|other| {
                    !meets(&tile.inner[0], &other.inner[0])
                        || !meets(&tile.inner[1], &other.inner[1])
                }));
            }
        }
    }

    #[test]
    fn memory_for_less_than_the_smallest_tile_is_refused() {
        let size = Size::new(96, 64);
        let needed = tiles(&config(), size, 0).unwrap_err();
        assert_eq!(needed, size.area() * bytes_a_pixel(&config()));
        assert_eq!(tiles(&config(), size, needed).unwrap().len(), 1);
    }
}
