//! What is known around a coefficient, and how likely that makes a one.
//!
//! The contexts of a layer follow from what was known before it, so that they are computed for all blocks at once: in
//! loops without branches over 16-bit numbers, which the compiler turns into SIMD. *Loudness* is a coefficient's size in
//! sixteenths of an octave, relative to what its class was expected to have; −306 to 333 is possible.

use alloc::vec::Vec;
use core::mem;

use crate::grid::{BANDS, BLOCK, COLOURS, FREQUENCIES};
use crate::memory::filled;
use crate::order::Layer;
use crate::statistics::{Cell, Statistics};
use crate::tables::{FEATURES, ROWS, STATES, Tables};
use crate::vectors::vectorized;
use crate::{Band, Error, Grid, logarithm};

/// Loudness of what nothing is known of.
const UNKNOWN: i16 = -2;
/// Channels: luma and chroma keep apart what they learn of blocks.
const CHANNELS: usize = 2;

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

/// [`loudness`] of many magnitudes, of which most are zero.
#[inline(always)]
pub(crate) fn loudness_of_all(magnitudes: &[u32], layer: &Layer, loudnesses: &mut [i16]) {
    let silent = loudness(0, layer);
    for (loudnesses, magnitudes) in loudnesses.chunks_mut(16).zip(magnitudes.chunks(16)) {
        if magnitudes.iter().fold(0, |any, magnitude| any | magnitude) == 0 {
            loudnesses.fill(silent);
            continue;
        }
        for (own, &magnitude) in loudnesses.iter_mut().zip(magnitudes) {
            *own = loudness(magnitude, layer);
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
    fn new(grid: Grid) -> Result<Self, Error> {
        Ok(Self {
            values: filled(0, grid.blocks() + 2 * grid.columns())?,
            columns: grid.columns(),
        })
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
    #[inline(always)]
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
    /// By channel, recent activity of each block, in 1/16.
    activity: [Framed; CHANNELS],
    /// The same of all blocks.
    level: [i32; CHANNELS],
    /// Scratch: loudness of the layer's own band, sums of neighbours of that and of the activity.
    own: Framed,
    own_sums: Vec<i16>,
    activity_sums: Vec<i16>,
}

impl Contexts {
    pub(crate) fn new(tables: &Tables, grid: Grid) -> Result<Self, Error> {
        let blocks = grid.blocks();
        Ok(Self {
            grid,
            weights: tables.weights,
            statistics: Statistics::new(tables),
            means: filled(UNKNOWN, COLOURS * blocks)?,
            bands: filled(Vec::new(), BANDS)?,
            unknown: filled(UNKNOWN, blocks)?,
            activity: [Framed::new(grid)?, Framed::new(grid)?],
            level: [0; CHANNELS],
            own: Framed::new(grid)?,
            own_sums: filled(0, blocks)?,
            activity_sums: filled(0, blocks)?,
        })
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
            + weights[5] * self.level(colour)
            + ((144 - i32::from(layer.after)) << 8);
        (state * ROWS) as Cell + row(sum)
    }

    /// Ends the layer of a mean that has a magnitude now, and whose context was `cell`.
    pub(crate) fn end_mean(
        &mut self,
        layer: &Layer,
        (colour, index): (usize, usize),
        magnitude: u32,
        cell: Cell,
    ) {
        self.means[colour * self.grid.blocks() + index] = loudness(magnitude, layer);
        self.statistics.adapt_one(cell);
    }

    /// The contexts of a band, whose loudness is given out to be changed and is to come back with [`Self::end_band`].
    pub(crate) fn band(
        &mut self,
        layer: &Layer,
        band: Band,
        cells: &mut [Cell],
    ) -> Result<Vec<i16>, Error> {
        let colour = band.colour();
        if self.bands[band.index()].is_empty() {
            self.bands[band.index()] = filled(UNKNOWN, self.unknown.len())?;
        }
        self.own
            .inner_mut()
            .copy_from_slice(&self.bands[band.index()]);
        self.own.close();
        vectorized(
            #[inline(always)]
            || {
                self.own.neighbours(&mut self.own_sums);
                self.activity[channel(colour)].neighbours(&mut self.activity_sums);
                self.cells(layer, band, cells);
            },
        );
        Ok(mem::take(&mut self.bands[band.index()]))
    }

    /// Computes contexts of a band.
    #[inline(always)]
    fn cells(&self, layer: &Layer, band: Band, cells: &mut [Cell]) {
        let around = Around::new(self, layer, band);
        match cells.len() {
            0..8 => around.all::<1>(layer, cells),
            8..64 => around.all::<8>(layer, cells),
            _ => around.all::<64>(layer, cells),
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
        let activity = self.activity[channel].inner_mut();
        let sum = vectorized(
            #[inline(always)]
            || {
                let mut sum = 0;
                for (activity, &loudness) in activity.iter_mut().zip(&loudness) {
                    *activity += (16 * loudness - *activity) >> 4;
                    sum += i32::from(loudness);
                }
                sum
            },
        );
        self.activity[channel].close();
        let mean = (16 * sum).div_euclid(loudness.len() as i32);
        self.level[channel] += (mean - self.level[channel]) >> 4;
        self.bands[band.index()] = loudness;
        self.statistics.adapt();
    }
}

/// What the contexts of a band depend on.
struct Around<'a> {
    near: [&'a [i16]; 4],
    own: &'a [i16],
    own_sums: &'a [i16],
    cross: [&'a [i16]; 2],
    activity: &'a [i16],
    activity_sums: &'a [i16],
    weights: [[i16; FEATURES]; STATES],
    /// By state, what all blocks have in common.
    offsets: [i32; STATES],
}

impl<'a> Around<'a> {
    #[inline(always)]
    fn new(contexts: &'a Contexts, layer: &Layer, band: Band) -> Self {
        let other = |other: usize| (band.index() + other * FREQUENCIES) % BANDS;
        let level = contexts.level(band.colour());
        let after = i32::from(layer.after);
        Self {
            near: contexts.near(band),
            own: contexts.own.inner(),
            own_sums: &contexts.own_sums,
            cross: [1, 2].map(|index| contexts.loudness_of(other(index))),
            activity: contexts.activity[channel(band.colour())].inner(),
            activity_sums: &contexts.activity_sums,
            weights: contexts
                .weights
                .map(|weights| weights.map(|weight| weight as i16)),
            offsets: contexts
                .weights
                .map(|weights| weights[5] * level + ((144 - after) << 8)),
        }
    }

    /// Computes the contexts of all blocks, of which there are `COUNT` or more, so many at once.
    #[inline(always)]
    fn all<const COUNT: usize>(&self, layer: &Layer, cells: &mut [Cell]) {
        for first in (0..cells.len()).step_by(COUNT) {
            // The last ones have some that were computed before.
            let first = first.min(cells.len() - COUNT);
            let loudest = self.own[first..][..COUNT]
                .iter()
                .fold(i16::MIN, |most, &own| most.max(own));
            // Most of them.
            if layer.first.is_some() || state(loudest, layer) == 0 {
                self.some::<1, COUNT>(layer, first, cells);
            } else {
                self.some::<STATES, COUNT>(layer, first, cells);
            }
        }
    }

    /// Computes contexts of `COUNT` blocks from `first` on in which states up to `MOST` − 1 occur.
    #[inline(always)]
    fn some<const MOST: usize, const COUNT: usize>(
        &self,
        layer: &Layer,
        first: usize,
        cells: &mut [Cell],
    ) {
        let features = self.features::<COUNT>(first);
        let mut found = self.of_state(0, &features);
        if MOST > 1 {
            let mut own = [0; COUNT];
            own.copy_from_slice(&self.own[first..][..COUNT]);
            for number in 1..MOST {
                let of_state = self.of_state(number, &features);
                for block in 0..COUNT {
                    if state(own[block], layer) == number {
                        found[block] = of_state[block];
                    }
                }
            }
        }
        cells[first..][..COUNT].copy_from_slice(&found);
    }

    /// The features of `COUNT` blocks from `first` on, without the last, which all have in common.
    // Loops over arrays of known size and of their own: with slices, compilers give up on proving that none is changed.
    #[inline(always)]
    fn features<const COUNT: usize>(&self, first: usize) -> [[i16; COUNT]; FEATURES - 1] {
        let mut features = [[0; COUNT]; FEATURES - 1];
        let parts: [(&[&[i16]], u32); FEATURES - 1] = [
            (&self.near, 2),
            (&[self.own_sums], 2),
            (&self.cross, 1),
            (&[self.activity], 4),
            (&[self.activity_sums], 6),
        ];
        for (feature, (parts, shift)) in features.iter_mut().zip(parts) {
            let mut sums = [0; COUNT];
            for part in parts {
                for (sum, value) in sums.iter_mut().zip(&part[first..][..COUNT]) {
                    *sum += value;
                }
            }
            for (feature, sum) in feature.iter_mut().zip(sums) {
                *feature = sum >> shift;
            }
        }
        features
    }

    /// The contexts that blocks with these features have in a state.
    #[inline(always)]
    fn of_state<const COUNT: usize>(
        &self,
        state: usize,
        features: &[[i16; COUNT]; FEATURES - 1],
    ) -> [Cell; COUNT] {
        let mut sums = [self.offsets[state]; COUNT];
        for (&weight, values) in self.weights[state].iter().zip(features) {
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum += i32::from(weight) * i32::from(value);
            }
        }
        let mut cells = [(state * ROWS) as Cell; COUNT];
        for (cell, &sum) in cells.iter_mut().zip(&sums) {
            *cell += row(sum);
        }
        cells
    }
}

/// 0: zero so far, 1: magnitude 1, 2: larger. It shows in the loudness, since ⌊16 log₂ 1½⌋ is 9 and ⌊16 log₂ 2½⌋ is 21.
#[inline(always)]
fn state(loudness: i16, layer: &Layer) -> usize {
    usize::from(loudness - layer.before >= 9) + usize::from(loudness - layer.before >= 21)
}

/// The row of a context, from the weighted sum of its features and what is added to that.
#[inline(always)]
fn row(sum: i32) -> u8 {
    (sum >> 10).clamp(0, ROWS as i32 - 1) as u8
}
