//! Probabilities of contexts, which adapt to the stream from layer to layer.

use core::mem;

use crate::tables::{LEAST_PROBABILITY, ROWS, STATES, Tables};

/// A context: state · [`ROWS`] + row.
pub(crate) type Cell = u8;

/// Contexts: a state and a row each.
const CELLS: usize = STATES * ROWS;
/// As many as a [`Cell`] can name, so that no index needs a check; those from [`CELLS`] on are not used.
const NAMES: usize = 1 << Cell::BITS;

/// Whether coefficients of this context are zero so far.
#[inline(always)]
pub(crate) fn is_zero(cell: Cell) -> bool {
    usize::from(cell) < ROWS
}

/// What was seen in each context.
#[derive(Clone, Debug)]
pub(crate) struct Statistics {
    /// The fitted probability in 1/2²² at a weight of 64, and what was seen since: ones and all, in 64 bits.
    fitted: [u64; NAMES],
    ones: [u64; NAMES],
    seen: [u64; NAMES],
    /// The probability of a one from what was seen before this layer.
    probability: [u32; NAMES],
    /// Whether a context was seen in this layer.
    touched: [bool; NAMES],
}

impl Statistics {
    pub(crate) fn new(tables: &Tables) -> Self {
        let table = tables.probabilities.as_flattened();
        let mut statistics = Self {
            fitted: [0; NAMES],
            ones: [0; NAMES],
            seen: [0; NAMES],
            probability: [0; NAMES],
            touched: [false; NAMES],
        };
        for (cell, &fitted) in table.iter().enumerate() {
            statistics.fitted[cell] = u64::from(fitted) << 6;
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
    #[inline(always)]
    pub(crate) fn probability(&self, cell: Cell) -> u32 {
        self.probability[usize::from(cell)]
    }

    /// Counts a digit; it changes probabilities from the next layer on.
    #[inline(always)]
    pub(crate) fn count(&mut self, cell: Cell, one: bool) {
        let cell = usize::from(cell);
        self.ones[cell] += u64::from(one);
        self.seen[cell] += 1;
        self.touched[cell] = true;
    }

    /// Ends a layer of one digit.
    pub(crate) fn adapt_one(&mut self, cell: Cell) {
        self.touched[usize::from(cell)] = false;
        self.estimate(cell.into());
    }

    /// Ends a layer.
    pub(crate) fn adapt(&mut self) {
        for group in (0..CELLS).step_by(8) {
            let touched = &mut self.touched[group..group + 8];
            if !touched.iter().fold(false, |any, &touched| any | touched) {
                continue;
            }
            for cell in group..group + 8 {
                if mem::take(&mut self.touched[cell]) {
                    self.estimate(cell);
                }
            }
        }
    }
}
