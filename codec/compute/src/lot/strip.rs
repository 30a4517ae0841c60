//! Some rows of blocks of one colour with what their neighbours' overlap needs of the rows beside them.
//!
//! A line of a strip holds its samples turned: `[32][columns]`, sample v of all blocks side by side. Rows and columns of a
//! picture then go through the same kernels: across, a lane is a line; down, a lane is a place in the line.

use std::ops::Range;

use super::kernel::{self, LANES, Lane};
use super::tables::Tables;
use super::{BLOCK, COLOURS, LAP, zeros};
use crate::ComputeError;
use crate::cpu::vectorized;

/// Rows of the orthonormal colour transform: sum, red − blue, 2·green − red − blue, each over its norm √3, √2, √6.
const COLOUR: [[f32; COLOURS]; COLOURS] = [
    [0.577_350_26, 0.577_350_26, 0.577_350_26],
    [0.707_106_77, 0.0, -0.707_106_77],
    [-0.408_248_3, 0.816_496_6, -0.408_248_3],
];

pub(super) struct Strip {
    /// Rows of blocks of the whole grid.
    grid_rows: usize,
    columns: usize,
    /// The rows of blocks that the strip is for.
    blocks: Range<usize>,
    /// First row of samples: 16 above the blocks, where there are some.
    top: usize,
    /// `[samples down][32][columns]`
    lines: Vec<f32>,
    /// Some lines side by side, `[width][lanes]`, in the order of the picture.
    samples: Vec<Lane>,
}

impl Strip {
    pub(super) fn around(
        grid_rows: usize,
        columns: usize,
        blocks: Range<usize>,
    ) -> Result<Self, ComputeError> {
        let top = (blocks.start * BLOCK).saturating_sub(LAP);
        let bottom = (blocks.end * BLOCK + LAP).min(grid_rows * BLOCK);
        Ok(Self {
            grid_rows,
            columns,
            blocks,
            top,
            lines: zeros((bottom - top) * columns * BLOCK)?,
            samples: zeros(columns * BLOCK)?,
        })
    }

    fn width(&self) -> usize {
        self.columns * BLOCK
    }

    /// The boundaries between rows of blocks that mix samples of this strip's blocks, by the block below.
    fn boundaries(&self) -> Range<usize> {
        self.blocks.start.max(1)..(self.blocks.end + 1).min(self.grid_rows)
    }

    /// The samples of one colour of the picture `rgb` to coefficients, which go into `out`: this strip's part of all.
    pub(super) fn analyse(&mut self, tables: &Tables, rgb: &[u8], colour: usize, out: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || {
                self.across(tables, rgb, colour);
                let (width, top, boundaries) = (self.width(), self.top, self.boundaries());
                for boundary in boundaries {
                    let first = boundary * BLOCK - LAP - top;
                    for x in (0..width).step_by(LANES) {
                        let mut lanes = load(&self.lines, first, x, width);
                        kernel::filter(&tables.filter, &mut lanes);
                        store(&mut self.lines, first, x, width, &lanes);
                    }
                }
                for (index, block) in self.blocks.clone().enumerate() {
                    let out = &mut out[(index * COLOURS + colour) * BLOCK * width..];
                    for x in (0..width).step_by(LANES) {
                        let lanes = load(&self.lines, block * BLOCK - top, x, width);
                        store(out, 0, x, width, &kernel::dct(tables, &lanes));
                    }
                }
            },
        );
    }

    /// The horizontal part: reads the picture's rows and leaves their coefficients in the lines.
    #[inline(always)]
    fn across(&mut self, tables: &Tables, rgb: &[u8], colour: usize) {
        let (width, columns) = (self.width(), self.columns);
        let samples = &mut self.samples;
        for (group, lines) in self.lines.chunks_exact_mut(LANES * width).enumerate() {
            let first = self.top + group * LANES;
            for lane in 0..LANES {
                let row = &rgb[(first + lane) * width * COLOURS..][..width * COLOURS];
                for (sample, pixel) in samples.iter_mut().zip(row.chunks_exact(COLOURS)) {
                    let weighted = |c: usize| COLOUR[colour][c] * (f32::from(pixel[c]) - 127.5);
                    sample[lane] = weighted(0) + weighted(1) + weighted(2);
                }
            }
            for boundary in 1..columns {
                filter_in(&tables.filter, samples, boundary);
            }
            for (block, samples) in samples.as_chunks::<BLOCK>().0.iter().enumerate() {
                let frequencies = kernel::dct(tables, samples);
                for (v, lanes) in frequencies.iter().enumerate() {
                    for (lane, value) in lanes.iter().enumerate() {
                        lines[lane * width + v * columns + block] = *value;
                    }
                }
            }
        }
    }

    /// One colour of coefficients to samples in the lines, before the colour transform is undone. `read` writes those of a
    /// row of blocks, `[32][32][columns]`, to `from`.
    pub(super) fn synthesise(
        &mut self,
        tables: &Tables,
        from: &mut [f32],
        read: impl Fn(usize, &mut [f32]),
    ) {
        vectorized(
            #[inline(always)]
            || {
                let (width, top) = (self.width(), self.top);
                let bottom = top + self.lines.len() / width;
                let needed = top / BLOCK..bottom.div_ceil(BLOCK);
                for block in needed {
                    read(block, from);
                    let inside = |row: usize| (top..bottom).contains(&(block * BLOCK + row));
                    for x in (0..width).step_by(LANES) {
                        let lanes = kernel::dct_back(tables, &load(from, 0, x, width));
                        for (row, lanes) in lanes.iter().enumerate().filter(|&(row, _)| inside(row))
                        {
                            let at = (block * BLOCK + row - top) * width + x;
                            self.lines[at..][..LANES].copy_from_slice(lanes);
                        }
                    }
                }
                for boundary in self.boundaries() {
                    let first = boundary * BLOCK - LAP - top;
                    for x in (0..width).step_by(LANES) {
                        let mut lanes = load(&self.lines, first, x, width);
                        kernel::filter(&tables.filter_back, &mut lanes);
                        store(&mut self.lines, first, x, width, &lanes);
                    }
                }
                self.across_back(tables);
            },
        );
    }

    /// The horizontal part of the inverse: afterwards lines hold samples in the order of the picture, `[width]`.
    #[inline(always)]
    fn across_back(&mut self, tables: &Tables) {
        let (width, columns) = (self.width(), self.columns);
        let samples = &mut self.samples;
        for lines in self.lines.chunks_exact_mut(LANES * width) {
            for (block, samples) in samples.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
                let frequencies = std::array::from_fn(|v| {
                    std::array::from_fn(|lane| lines[lane * width + v * columns + block])
                });
                *samples = kernel::dct_back(tables, &frequencies);
            }
            for boundary in 1..columns {
                filter_in(&tables.filter_back, samples, boundary);
            }
            for (lane, line) in lines.chunks_exact_mut(width).enumerate() {
                for (value, sample) in line.iter_mut().zip(&*samples) {
                    *value = sample[lane];
                }
            }
        }
    }

    /// The lines of the strip's own blocks, without those of its neighbours.
    fn own(&self) -> &[f32] {
        let width = self.width();
        let first = self.blocks.start * BLOCK - self.top;
        &self.lines[first * width..][..self.blocks.len() * BLOCK * width]
    }
}

/// Undoes the colour transform of three strips and hands each pixel's samples, from 0 to 255 but not clamped, to `store`.
pub(super) fn store_colours<T>(
    strips: &[Strip],
    out: &mut [T],
    store: impl Fn([f32; COLOURS], &mut [T]),
) {
    let [sum, red, green] = strips else {
        unreachable!("one strip for each colour");
    };
    let colours = sum.own().iter().zip(red.own()).zip(green.own());
    vectorized(
        #[inline(always)]
        || {
            for (((&a, &b), &c), out) in colours.clone().zip(out.chunks_exact_mut(COLOURS)) {
                let sample =
                    |i: usize| COLOUR[0][i] * a + COLOUR[1][i] * b + COLOUR[2][i] * c + 127.5;
                store([sample(0), sample(1), sample(2)], out);
            }
        },
    );
}

/// The filter over a boundary of two blocks of samples.
#[inline(always)]
fn filter_in(matrix: &super::tables::Matrix<LAP>, samples: &mut [Lane], boundary: usize) {
    let first = boundary * BLOCK - LAP;
    let (chunks, _) = samples[first..].as_chunks_mut::<BLOCK>();
    kernel::filter(matrix, &mut chunks[0]);
}

/// 32 rows of a vector's width.
#[inline(always)]
fn load(values: &[f32], first: usize, x: usize, width: usize) -> [Lane; BLOCK] {
    std::array::from_fn(|row| {
        let (lanes, _) = values[(first + row) * width + x..].as_chunks::<LANES>();
        lanes[0]
    })
}

/// The inverse of [`load`].
#[inline(always)]
fn store(values: &mut [f32], first: usize, x: usize, width: usize, lanes: &[Lane; BLOCK]) {
    for (row, lanes) in lanes.iter().enumerate() {
        values[(first + row) * width + x..][..LANES].copy_from_slice(lanes);
    }
}
