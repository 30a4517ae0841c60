//! What is known around a coefficient, and how likely that makes a one.
//!
//! The contexts of a layer follow from what was known before it, so that they are computed for all blocks at once: in
//! loops without branches over 16-bit numbers, which the compiler turns into SIMD. *Loudness* is a coefficient's size in
//! sixteenths of an octave, relative to what its class was expected to have; −306 to 333 is possible.

use alloc::vec;
use alloc::vec::Vec;
use core::mem;

use crate::grid::{BANDS, BLOCK, COLOURS, FREQUENCIES};
use crate::order::Layer;
use crate::tables::{FEATURES, LEAST_PROBABILITY, ROWS, STATES, Tables};
use crate::{Band, Grid, logarithm};

/// Loudness of what nothing is known of.
const UNKNOWN: i16 = -2;
/// Contexts: a state and a row each.
const CELLS: usize = STATES * ROWS;
/// Channels: luma and chroma keep apart what they learn of blocks.
const CHANNELS: usize = 2;

/// A context: state · [`ROWS`] + row.
pub(crate) type Cell = u8;

/// Whether coefficients of this context are zero so far.
#[inline]
pub(crate) fn is_zero(cell: Cell) -> bool {
    usize::from(cell) < ROWS
}

/// The channel of a colour.
fn channel(colour: usize) -> usize {
    colour.min(1)
}

/// The loudness of a magnitude after a layer.
#[inline]
pub(crate) fn loudness(magnitude: u32, layer: &Layer) -> i16 {
    if magnitude == 0 {
        UNKNOWN.min(layer.after - 18)
    } else {
        logarithm::half(magnitude) + layer.after
    }
}

/// Probabilities that adapt to the stream from layer to layer.
#[derive(Clone, Debug)]
pub(crate) struct Statistics {
    /// The fitted probability in 1/2²² at a weight of 64, and what was seen since: ones and all, in 64 bits.
    fitted: [u64; CELLS],
    ones: [u64; CELLS],
    seen: [u64; CELLS],
    /// The probability of a one from what was seen before this layer.
    probability: [u32; CELLS],
    /// A bit for each context that was seen in this layer.
    touched: [u64; CELLS.div_ceil(64)],
}

impl Statistics {
    fn new(tables: &Tables) -> Self {
        let table = tables.probabilities.as_flattened();
        let mut statistics = Self {
            fitted: core::array::from_fn(|cell| u64::from(table[cell]) << 6),
            ones: [0; CELLS],
            seen: [0; CELLS],
            probability: [0; CELLS],
            touched: [0; _],
        };
        for cell in 0..CELLS {
            statistics.estimate(cell);
        }
        statistics
    }

    fn estimate(&mut self, cell: usize) {
        let ones = (self.ones[cell] << 16) + self.fitted[cell];
        let least = LEAST_PROBABILITY as u32;
        self.probability[cell] =
            ((ones / (self.seen[cell] + 64)) as u32).clamp(least, 65_536 - least);
    }

    /// The probability of a one in a context, in 1/65536.
    #[inline]
    pub(crate) fn probability(&self, cell: Cell) -> u32 {
        self.probability[usize::from(cell)]
    }

    /// Counts a digit; it changes probabilities from the next layer on.
    #[inline]
    pub(crate) fn count(&mut self, cell: Cell, one: bool) {
        let cell = usize::from(cell);
        self.ones[cell] += u64::from(one);
        self.seen[cell] += 1;
        self.touched[cell / 64] |= 1 << (cell % 64);
    }

    /// Ends a layer.
    fn adapt(&mut self) {
        for word in 0..self.touched.len() {
            let mut bits = mem::take(&mut self.touched[word]);
            while bits != 0 {
                self.estimate(64 * word + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }
}

/// A number for each block between copies of the first and the last row, so that all blocks have one above and below.
#[derive(Clone, Debug)]
struct Framed {
    values: Vec<i16>,
    columns: usize,
}

impl Framed {
    fn new(grid: Grid) -> Self {
        Self {
            values: vec![0; grid.blocks() + 2 * grid.columns()],
            columns: grid.columns(),
        }
    }

    fn inner(&self) -> &[i16] {
        &self.values[self.columns..self.values.len() - self.columns]
    }

    fn inner_mut(&mut self) -> &mut [i16] {
        let end = self.values.len() - self.columns;
        &mut self.values[self.columns..end]
    }

    /// Copies the first and the last row outwards.
    fn close(&mut self) {
        let (columns, length) = (self.columns, self.values.len());
        self.values.copy_within(columns..2 * columns, 0);
        self.values
            .copy_within(length - 2 * columns..length - columns, length - columns);
    }

    /// The sums of the four neighbours; beyond the border, a block is its own neighbour.
    fn neighbours(&self, sums: &mut [i16]) {
        let (columns, blocks) = (self.columns, sums.len());
        let from = |offset: usize| &self.values[offset..offset + blocks];
        let (above, below) = (from(0), from(2 * columns));
        let (left, right) = (from(columns - 1), from(columns + 1));
        for block in 0..blocks {
            sums[block] = above[block] + below[block] + left[block] + right[block];
        }
        // The first and the last of a row have met their neighbours in the rows beside.
        let own = self.inner();
        for first in (0..blocks).step_by(columns) {
            let last = first + columns - 1;
            sums[first] += own[first] - left[first];
            sums[last] += own[last] - right[last];
        }
    }
}

/// All that contexts depend on.
#[derive(Clone, Debug)]
pub(crate) struct Contexts {
    grid: Grid,
    weights: [[i32; FEATURES]; STATES],
    pub(crate) statistics: Statistics,
    /// Loudness of the means, by colour and frequency.
    means: Vec<i16>,
    /// Loudness of the bands by [`Band::index`]; empty before a band's first layer.
    bands: Vec<Vec<i16>>,
    /// The loudness of bands before their first layer.
    unknown: Vec<i16>,
    /// By channel, what bands said of each block lately, in 1/16.
    activity: [Framed; CHANNELS],
    /// The same of all blocks.
    level: [i32; CHANNELS],
    /// Scratch: loudness of the layer's own band, sums of neighbours of that and of the activity.
    own: Framed,
    own_sums: Vec<i16>,
    activity_sums: Vec<i16>,
}

impl Contexts {
    pub(crate) fn new(tables: &Tables, grid: Grid) -> Self {
        let blocks = grid.blocks();
        Self {
            grid,
            weights: tables.weights,
            statistics: Statistics::new(tables),
            means: vec![UNKNOWN; COLOURS * blocks],
            bands: vec![Vec::new(); BANDS],
            unknown: vec![UNKNOWN; blocks],
            activity: [Framed::new(grid), Framed::new(grid)],
            level: [0; CHANNELS],
            own: Framed::new(grid),
            own_sums: vec![0; blocks],
            activity_sums: vec![0; blocks],
        }
    }

    /// The context of a mean.
    pub(crate) fn mean(&self, layer: &Layer, colour: usize, index: usize) -> Cell {
        let (rows, columns, blocks) = (self.grid.rows(), self.grid.columns(), self.grid.blocks());
        let means = &self.means[colour * blocks..][..blocks];
        let own = means[index];
        let (i, j) = (index / columns, index % columns);
        let or_own = |inside: bool, index: usize| if inside { means[index] } else { own };
        let near = or_own(i + 1 < rows, index + columns)
            + or_own(i > 0, index.wrapping_sub(columns))
            + or_own(j + 1 < columns, index + 1)
            + or_own(j > 0, index.wrapping_sub(1));
        let of_colour = |colour: usize| self.means[colour % COLOURS * blocks + index];
        let cross = of_colour(colour + 1) + of_colour(colour + 2);
        let state = if layer.first.is_some() {
            0
        } else {
            state(own, layer)
        };
        let weights = &self.weights[state];
        let (near, cross) = (i32::from(near >> 2), i32::from(cross >> 1));
        let sum = weights[0] * near
            + weights[1] * near
            + weights[2] * cross
            + weights[5] * self.level(colour);
        (state * ROWS) as Cell + row(sum, layer)
    }

    /// Ends the layer of a mean that has a magnitude now.
    pub(crate) fn end_mean(&mut self, layer: &Layer, colour: usize, index: usize, magnitude: u32) {
        self.means[colour * self.grid.blocks() + index] = loudness(magnitude, layer);
        self.statistics.adapt();
    }

    /// The contexts of a band, whose loudness is given out to be changed and is to come back with [`Self::end_band`].
    pub(crate) fn band(&mut self, layer: &Layer, band: Band, cells: &mut [Cell]) -> Vec<i16> {
        let colour = band.colour();
        if self.bands[band.index()].is_empty() {
            self.bands[band.index()] = self.unknown.clone();
        }
        self.own
            .inner_mut()
            .copy_from_slice(&self.bands[band.index()]);
        self.own.close();
        self.own.neighbours(&mut self.own_sums);
        self.activity[channel(colour)].neighbours(&mut self.activity_sums);
        if layer.first.is_some() {
            self.cells::<1>(layer, band, cells);
        } else {
            self.cells::<STATES>(layer, band, cells);
        }
        mem::take(&mut self.bands[band.index()])
    }

    /// Computes contexts of a band in which states up to `MOST` − 1 occur.
    fn cells<const MOST: usize>(&self, layer: &Layer, band: Band, cells: &mut [Cell]) {
        let blocks = self.grid.blocks();
        let near = self.near(band);
        let [near0, near1, near2, near3] = near.map(|near| &near[..blocks]);
        let cross =
            [1, 2].map(|other| self.loudness_of((band.index() + other * FREQUENCIES) % BANDS));
        let [cross0, cross1] = cross.map(|cross| &cross[..blocks]);
        let activity = &self.activity[channel(band.colour())].inner()[..blocks];
        let own = &self.own.inner()[..blocks];
        let (own_sums, activity_sums) = (&self.own_sums[..blocks], &self.activity_sums[..blocks]);
        let level = self.level(band.colour());
        let weights = self
            .weights
            .map(|weights| weights.map(|weight| weight as i16));
        let offsets = self.weights.map(|weights| weights[5] * level);
        let cells = &mut cells[..blocks];
        for block in 0..blocks {
            let near = (near0[block] + near1[block] + near2[block] + near3[block]) >> 2;
            let side = own_sums[block] >> 2;
            let cross = (cross0[block] + cross1[block]) >> 1;
            let (here, around) = (activity[block] >> 4, activity_sums[block] >> 6);
            let mut cell = 0;
            let own_state = state(own[block], layer);
            for state in 0..MOST {
                let product = |feature: usize, value: i16| {
                    i32::from(weights[state][feature]) * i32::from(value)
                };
                let sum = product(0, near)
                    + product(1, side)
                    + product(2, cross)
                    + product(3, here)
                    + product(4, around);
                let this = (state * ROWS) as Cell + row(sum + offsets[state], layer);
                cell = if MOST == 1 || state == own_state {
                    this
                } else {
                    cell
                };
            }
            cells[block] = cell;
        }
    }

    /// The bands of the next frequencies below, above, right and left; beyond the last, the band itself.
    fn near(&self, band: Band) -> [&[i16]; 4] {
        let (index, u, v) = (band.index(), band.u(), band.v());
        // The means do not count as neighbours.
        let at = |inside: bool, other: usize| self.loudness_of(if inside { other } else { index });
        [
            at(u + 1 < BLOCK, index + BLOCK),
            at(u > 0 && (u, v) != (1, 0), index.wrapping_sub(BLOCK)),
            at(v + 1 < BLOCK, index + 1),
            at(v > 0 && (u, v) != (0, 1), index.wrapping_sub(1)),
        ]
    }

    fn loudness_of(&self, band: usize) -> &[i16] {
        let loudness = &self.bands[band];
        if loudness.is_empty() {
            &self.unknown
        } else {
            loudness
        }
    }

    fn level(&self, colour: usize) -> i32 {
        self.level[channel(colour)] >> 4
    }

    /// Ends a band's layer with what its coefficients' loudness is now.
    pub(crate) fn end_band(&mut self, band: Band, loudness: Vec<i16>) {
        let channel = channel(band.colour());
        let mut sum = 0;
        for (activity, &loudness) in self.activity[channel].inner_mut().iter_mut().zip(&loudness) {
            *activity += (16 * loudness - *activity) >> 4;
            sum += i32::from(loudness);
        }
        self.activity[channel].close();
        let mean = (16 * sum).div_euclid(loudness.len() as i32);
        self.level[channel] += (mean - self.level[channel]) >> 4;
        self.bands[band.index()] = loudness;
        self.statistics.adapt();
    }
}

/// 0: zero so far, 1: magnitude 1, 2: larger. It shows in the loudness, since ⌊16 log₂ 1½⌋ is 9 and ⌊16 log₂ 2½⌋ is 21.
#[inline]
fn state(loudness: i16, layer: &Layer) -> usize {
    usize::from(loudness - layer.before >= 9) + usize::from(loudness - layer.before >= 21)
}

/// The row of a context, from the weighted sum of its features.
#[inline]
fn row(sum: i32, layer: &Layer) -> u8 {
    (((sum >> 8) + 144 - i32::from(layer.after)) >> 2).clamp(0, ROWS as i32 - 1) as u8
}
