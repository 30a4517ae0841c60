//! Bytes to coefficients, as far as the bytes determine them.

use alloc::vec::Vec;

use crate::coder::{self, EVEN};
use crate::contexts::{Contexts, loudness, loudness_of_all};
use crate::grid::{BANDS, COLOURS, FREQUENCIES, blocks_of_bands};
use crate::memory::{filled, reserve};
use crate::order::{Class, Layer, Order};
use crate::statistics::{Cell, Statistics, is_zero};
use crate::value::value;
use crate::vectors::vectorized;
use crate::{Band, Error, Grid, Tables};

/// What bytes decode to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The coefficients in the axes [colour, block row, block column, u, v].
    pub coefficients: Vec<f32>,
    /// Digits that were decoded.
    pub digits: u64,
    /// Index of the last layer that was begun. A stream that ends with a layer has begun the next, if there is one.
    pub layer: usize,
    /// What that layer gains per bit: how fine the picture is.
    pub slope: i32,
}

/// Decodes all that `bytes` determine. What lies behind the last layer is ignored.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn decode_coefficients(tables: &Tables, grid: Grid, bytes: &[u8]) -> Result<Decoded, Error> {
    let mut decoder = Decoder::new(tables, grid)?;
    decoder.feed(bytes)?;
    let blocks = grid.blocks();
    let mut bands = filled(0.0, grid.coefficients())?;
    for (band, values) in Band::all().zip(bands.chunks_exact_mut(blocks)) {
        decoder.read(band, 0, values);
    }
    Ok(Decoded {
        coefficients: blocks_of_bands(grid, &bands)?,
        digits: decoder.digits(),
        layer: decoder.layer(),
        slope: decoder.slope(),
    })
}

/// Coefficients of a band.
#[derive(Clone, Debug, Default)]
struct Coefficients {
    /// Magnitude · 2, plus 1 if negative; empty before the first layer. In the current layer, digits that were not decoded
    /// count as zeros.
    signed: Vec<u32>,
    /// Whether all of these are 0 for sure.
    silent: bool,
    /// The last plane that all of them had.
    plane: i32,
}

impl Coefficients {
    /// Takes zeros as the digits of a layer, and computes the coefficients' loudness after these. `magnitudes` has an
    /// element for each coefficient, to work in.
    fn append_zeros(
        &mut self,
        layer: &Layer,
        magnitudes: &mut [u32],
        own: &mut [i16],
    ) -> Result<(), Error> {
        if self.signed.is_empty() {
            self.signed = filled(0, own.len())?;
            self.silent = true;
        }
        if self.silent {
            own.fill(loudness(0, layer));
            return Ok(());
        }
        let signed = &mut self.signed;
        vectorized(
            #[inline(always)]
            || {
                for (signed, magnitude) in signed.iter_mut().zip(magnitudes.iter_mut()) {
                    *signed = after_zero(*signed);
                    *magnitude = *signed >> 1;
                }
                loudness_of_all(magnitudes, layer, own);
            },
        );
        Ok(())
    }

    /// Writes coefficients from the one with the index `first` on over zeros. `in_hand` is the plane of the current layer,
    /// if it is one of these, and how many of these coefficients have its digit.
    fn read(&self, first: usize, in_hand: Option<(i32, usize)>, values: &mut [f32]) {
        if self.silent {
            return;
        }
        let signed = self.signed.get(first..).unwrap_or_default();
        let (plane, done) = in_hand.unwrap_or((self.plane, signed.len()));
        let (new, old) = signed.split_at(done.min(signed.len()));
        let (new_values, old_values) = values.split_at_mut(new.len().min(values.len()));
        for (out, &signed) in new_values.iter_mut().zip(new) {
            // Most are 0.
            if signed != 0 {
                *out = coefficient(signed, plane);
            }
        }
        for (out, &signed) in old_values.iter_mut().zip(old) {
            *out = coefficient(before_layer(signed), self.plane);
        }
    }
}

/// Decodes a stream that arrives in pieces.
///
/// After any pieces the state is the same as if the bytes had come in one: that of all digits that they determine,
/// whatever follows. Memory grows with the bands that were begun, to 6 bytes a coefficient; a byte holds at most about
/// 15 200 digits, which bounds the work.
#[derive(Clone, Debug)]
pub struct Decoder {
    order: Order,
    contexts: Contexts,
    coder: coder::Decoder,
    /// Bytes that are not in the coder's window yet.
    pending: Vec<u8>,
    /// The current layer; `None` after the last.
    layer: Option<Layer>,
    /// Index and slope of the last layer that was begun.
    index: usize,
    slope: i32,
    /// The layer's contexts, the loudness of its band, and how many of its digits were decoded.
    cells: Vec<Cell>,
    own: Vec<i16>,
    done: usize,
    /// Scratch: the magnitudes of the current band.
    magnitudes: Vec<u32>,
    digits: u64,
    /// The means by colour and frequency as in [`Coefficients::signed`], and the last plane that each of them had.
    means: Vec<u32>,
    mean_planes: Vec<u8>,
    /// By [`Band::index`]; those of the means are not used.
    bands: Vec<Coefficients>,
}

impl Decoder {
    /// Starts without any bytes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(tables: &Tables, grid: Grid) -> Result<Self, Error> {
        let blocks = grid.blocks();
        let mut decoder = Self {
            order: Order::new(tables, grid)?,
            contexts: Contexts::new(tables, grid)?,
            coder: coder::Decoder::new(),
            pending: Vec::new(),
            layer: None,
            index: 0,
            slope: 0,
            cells: filled(0, blocks)?,
            own: Vec::new(),
            magnitudes: filled(0, blocks)?,
            done: 0,
            digits: 0,
            means: filled(0, COLOURS * blocks)?,
            mean_planes: filled(0, COLOURS * blocks)?,
            bands: filled(Coefficients::default(), BANDS)?,
        };
        decoder.begin_layer()?;
        Ok(decoder)
    }

    /// Decodes all that these bytes and those before determine. What lies behind the last layer is ignored.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the decoder is of no use then.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        reserve(&mut self.pending, bytes.len())?;
        self.pending.extend_from_slice(bytes);
        self.coder.fill(&self.pending);
        while let Some(layer) = self.layer
            && self.decode(&layer)
        {
            self.end_layer(&layer);
            self.index += usize::from(self.begin_layer()?);
        }
        self.pending.drain(..self.coder.at);
        self.coder.at = 0;
        if self.layer.is_none() {
            self.pending.clear();
        }
        Ok(())
    }

    /// Digits that were decoded.
    #[must_use]
    pub fn digits(&self) -> u64 {
        self.digits
    }

    /// Index of the last layer that was begun, as [`Decoded::layer`].
    #[must_use]
    pub fn layer(&self) -> usize {
        self.index
    }

    /// What that layer gains per bit, as [`Decoded::slope`].
    #[must_use]
    pub fn slope(&self) -> i32 {
        self.slope
    }

    /// Whether all layers were decoded, so that more bytes change nothing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.layer.is_none()
    }

    /// Writes the coefficients of a band to `values`, from that of the block with the index `first` on; 0 beyond the
    /// last block. Returns whether some layer of the band was begun: if not, all are 0.
    pub fn read(&self, band: Band, first: usize, values: &mut [f32]) -> bool {
        let blocks = self.cells.len();
        values.fill(0.0);
        if band.index().is_multiple_of(FREQUENCIES) {
            let means = self
                .means
                .iter()
                .zip(&self.mean_planes)
                .skip(band.colour() * blocks)
                .take(blocks);
            for (out, (&signed, &plane)) in values.iter_mut().zip(means.skip(first)) {
                *out = coefficient(signed, plane.into());
            }
            return true;
        }
        let coefficients = &self.bands[band.index()];
        let in_hand = self.layer.filter(|layer| layer.class == Class::Band(band));
        let in_hand = in_hand.map(|layer| (layer.plane, self.done.saturating_sub(first)));
        coefficients.read(first, in_hand, values);
        !coefficients.signed.is_empty()
    }

    /// Makes the next layer current, if there is one.
    fn begin_layer(&mut self) -> Result<bool, Error> {
        self.done = 0;
        self.layer = self.order.next();
        let Some(layer) = &self.layer else {
            return Ok(false);
        };
        self.slope = layer.slope;
        match layer.class {
            Class::Mean { colour, index } => {
                self.cells[0] = self.contexts.mean(layer, colour, index)
            }
            Class::Band(band) => {
                self.own = self.contexts.band(layer, band, &mut self.cells)?;
                self.bands[band.index()].append_zeros(
                    layer,
                    &mut self.magnitudes,
                    &mut self.own,
                )?;
            }
        }
        Ok(true)
    }

    /// Decodes what there is of the current layer; whether that is all of it.
    fn decode(&mut self, layer: &Layer) -> bool {
        let mut reader = Reader {
            layer,
            coder: self.coder,
            data: &self.pending,
            statistics: &mut self.contexts.statistics,
        };
        let before = self.done;
        let complete = match layer.class {
            Class::Mean { colour, index } => {
                let mean = &mut self.means[colour * self.cells.len() + index];
                let mut signed = after_zero(*mean);
                let read = reader.digit(self.cells[0], &mut signed);
                if read {
                    *mean = signed;
                }
                self.done += usize::from(read);
                read
            }
            Class::Band(band) => {
                let Coefficients { signed, silent, .. } = &mut self.bands[band.index()];
                self.done = reader.band(&self.cells, signed, &mut self.own, (before, silent));
                self.done == self.cells.len()
            }
        };
        self.coder = reader.coder;
        self.digits += (self.done - before) as u64;
        complete
    }

    fn end_layer(&mut self, layer: &Layer) {
        match layer.class {
            Class::Mean { colour, index } => {
                let place = colour * self.cells.len() + index;
                self.mean_planes[place] = layer.plane as u8;
                let magnitude = self.means[place] >> 1;
                self.contexts
                    .end_mean(layer, (colour, index), magnitude, self.cells[0]);
            }
            Class::Band(band) => {
                self.bands[band.index()].plane = layer.plane;
                self.contexts.end_band(band, core::mem::take(&mut self.own));
            }
        }
    }
}

/// Reads the digits of a layer.
struct Reader<'a> {
    layer: &'a Layer,
    coder: coder::Decoder,
    data: &'a [u8],
    statistics: &'a mut Statistics,
}

impl Reader<'_> {
    /// Reads the digits of a band from the one with the index `done` on; the index of the first that the bytes do not
    /// determine. The coefficients and their loudness are those of digits that are all zeros, until a one is read.
    fn band(
        &mut self,
        cells: &[Cell],
        signed: &mut [u32],
        own: &mut [i16],
        (mut done, silent): (usize, &mut bool),
    ) -> usize {
        loop {
            done += self.coder.zeros(self.data, self.statistics, &cells[done..]);
            let Some(&cell) = cells.get(done) else {
                return done;
            };
            if !self.digit(cell, &mut signed[done]) {
                return done;
            }
            own[done] = loudness(signed[done] >> 1, self.layer);
            *silent &= signed[done] == 0;
            done += 1;
        }
    }

    /// Reads one coefficient's digit, with its sign and magnitude, unless the bytes end within it. `signed` is the
    /// coefficient after a zero.
    #[inline(always)]
    fn digit(&mut self, cell: Cell, signed: &mut u32) -> bool {
        let mut coder = self.coder;
        let Some(one) = coder.get(self.data, self.statistics.probability(cell)) else {
            return false;
        };
        if one && is_zero(cell) {
            let Some((after, read)) = self.magnitude_and_sign(coder) else {
                return false;
            };
            (coder, *signed) = (after, read);
        } else {
            *signed |= u32::from(one) << 1;
        }
        self.coder = coder;
        self.statistics.count(cell, one);
        true
    }

    /// What follows the first one of a coefficient, and the coder behind that.
    #[inline]
    fn magnitude_and_sign(&self, mut coder: coder::Decoder) -> Option<(coder::Decoder, u32)> {
        let negative = coder.get(self.data, EVEN)?;
        let magnitude = match self.layer.first {
            Some(most_zeros) => coder.magnitude(self.data, most_zeros)?,
            None => 1,
        };
        Some((coder, magnitude << 1 | u32::from(negative)))
    }
}

/// A magnitude and sign after another digit, if that is a zero.
#[inline(always)]
fn after_zero(signed: u32) -> u32 {
    (signed & !1) << 1 | signed & 1
}

/// The inverse of [`after_zero`].
fn before_layer(signed: u32) -> u32 {
    signed >> 1 & !1 | signed & 1
}

/// The coefficient of a magnitude and sign, after a plane.
fn coefficient(signed: u32, plane: i32) -> f32 {
    let value = value(signed >> 1, plane);
    if signed & 1 == 1 { -value } else { value }
}
