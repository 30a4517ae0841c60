//! Coefficients to bytes.

use alloc::vec::Vec;

use crate::coder::{EVEN, Encoder};
use crate::contexts::{Contexts, loudness, loudness_of_all};
use crate::cuts::{Cuts, Record, Unmeasured};
use crate::grid::{BANDS, COLOURS, bands_of_blocks};
use crate::memory::filled;
use crate::order::{Class, Layer, Order};
use crate::statistics::{Cell, Statistics, is_zero};
use crate::vectors::vectorized;
use crate::{Band, Error, Grid, Tables};

/// Larger coefficients count as this: 2²² − ¼.
const LARGEST: f32 = (1 << 22) as f32 - 0.25;
/// Coding ends with the layer in which the bytes are this many more than wanted, so that no carry changes these.
const BEYOND: usize = 8;

/// Where an encoder takes coefficients from.
pub trait Source {
    /// Writes the coefficients of a band to `values`, which has an element for each block. The encoder calls this at most
    /// once for each plane of a band; it must write the same values each time.
    fn read(&self, band: Band, values: &mut [f32]);
}

impl<F: Fn(Band, &mut [f32])> Source for F {
    fn read(&self, band: Band, values: &mut [f32]) {
        self(band, values);
    }
}

/// Coefficients band after band, in the order of [`Band::all`]: the axes [colour, u, v, block row, block column].
impl Source for [f32] {
    fn read(&self, band: Band, values: &mut [f32]) {
        values.copy_from_slice(&self[band.index() * values.len()..][..values.len()]);
    }
}

/// A stream and what each cut of it loses.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The stream.
    pub bytes: Vec<u8>,
    /// The squared error, summed over all coefficients, of what the first 0, 1, 2 … bytes decode to.
    ///
    /// That is the squared error of the samples on the canvas, before they are clipped and rounded. It is the error of
    /// exactly the digits that so many bytes determine, up to the rounding of sums in `f64`: 10⁻¹² of the first value
    /// for each digit at most, in practice less than that in total.
    pub squared_errors: Vec<f64>,
}

/// Codes coefficients of the axes [colour, block row, block column, u, v] in at most `limit` bytes, each prefix of which
/// is a coarser picture. The coefficients with u = v = 0 are the DCT of the blocks' means over the whole grid.
///
/// Coefficients saturate at ±(2²² − ¼).
///
/// # Errors
/// [`Error::CoefficientCount`], [`Error::NonFinite`] or [`Error::OutOfMemory`].
pub fn encode_coefficients(
    tables: &Tables,
    grid: Grid,
    coefficients: &[f32],
    limit: usize,
) -> Result<Vec<u8>, Error> {
    let bands = bands_of_blocks(grid, coefficients)?;
    for (band, values) in Band::all().zip(bands.chunks_exact(grid.blocks())) {
        check(band, values)?;
    }
    encode(tables, grid, bands.as_slice(), limit)
}

/// Codes coefficients in at most `limit` bytes, each prefix of which is a coarser picture.
///
/// # Errors
/// [`Error::NonFinite`], where the coefficient would have been coded, or [`Error::OutOfMemory`].
pub fn encode<S: Source + ?Sized>(
    tables: &Tables,
    grid: Grid,
    source: &S,
    limit: usize,
) -> Result<Vec<u8>, Error> {
    let mut bytes = encode_layers(tables, grid, source, limit, &mut Unmeasured)?.finish();
    bytes.truncate(limit);
    Ok(bytes)
}

/// Codes coefficients in at most `limit` bytes, the same as [`encode`], and says what each cut of them loses.
///
/// # Errors
/// [`Error::NonFinite`] or [`Error::OutOfMemory`].
pub fn encode_measured<S: Source + ?Sized>(
    tables: &Tables,
    grid: Grid,
    source: &S,
    limit: usize,
) -> Result<Measured, Error> {
    let mut energy = 0.0;
    let mut values = filled(0.0, grid.blocks())?;
    for band in Band::all() {
        source.read(band, &mut values);
        check(band, &values)?;
        energy += squares(&values);
    }
    let mut cuts = Cuts::new(energy);
    let mut bytes = encode_layers(tables, grid, source, limit, &mut cuts)?.finish();
    let squared_errors = cuts.finish(&bytes, limit);
    bytes.truncate(limit);
    Ok(Measured {
        bytes,
        squared_errors,
    })
}

/// The sum of squares, in eight sums that need not wait for each other.
fn squares(values: &[f32]) -> f64 {
    let mut sums = [0.0; 8];
    for values in values.chunks(sums.len()) {
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    sums.iter().sum()
}

fn check(band: Band, values: &[f32]) -> Result<(), Error> {
    // Without a way out of the loop, it becomes SIMD.
    if values
        .iter()
        .fold(true, |finite, value| finite & value.is_finite())
    {
        return Ok(());
    }
    let found = values
        .iter()
        .enumerate()
        .find(|(_, value)| !value.is_finite());
    found.map_or(Ok(()), |(index, &value)| {
        Err(Error::NonFinite { band, index, value })
    })
}

/// Codes layers until there are more bytes than wanted or no more layers.
fn encode_layers<S: Source + ?Sized, R: Record>(
    tables: &Tables,
    grid: Grid,
    source: &S,
    limit: usize,
    record: &mut R,
) -> Result<Encoder, Error> {
    let blocks = grid.blocks();
    let mut means = filled(0.0, COLOURS * blocks)?;
    for (colour, means) in means.chunks_exact_mut(blocks).enumerate() {
        let band = Band::from_index(colour * BANDS / COLOURS);
        source.read(band, means);
        check(band, means)?;
    }
    let mut contexts = Contexts::new(tables, grid)?;
    let mut encoder = Encoder::new();
    let mut band_in_hand = BandInHand::new(blocks)?;
    for layer in Order::new(tables, grid)? {
        match layer.class {
            Class::Mean { colour, index } => {
                let cell = contexts.mean(&layer, colour, index);
                let value = means[colour * blocks + index];
                let magnitude = magnitude(value, &layer);
                let coefficient = Coefficient {
                    value,
                    magnitude,
                    cell,
                };
                coefficient.put(&mut encoder, &mut contexts.statistics, &layer, record);
                contexts.end_mean(&layer, (colour, index), magnitude, cell);
            }
            Class::Band(band) => {
                let mut own = contexts.band(&layer, band, &mut band_in_hand.cells)?;
                band_in_hand.read(source, band, &layer, &mut own)?;
                band_in_hand.put(&mut encoder, &mut contexts.statistics, &layer, record);
                contexts.end_band(band, own);
            }
        }
        record.layer_ends(&encoder);
        if encoder.bytes().len() > limit.saturating_add(BEYOND) {
            break;
        }
    }
    Ok(encoder)
}

/// A coefficient's magnitude in units of the threshold after a layer.
#[inline(always)]
fn magnitude(value: f32, layer: &Layer) -> u32 {
    // A power of two times a float is exact.
    (value.abs().min(LARGEST) * layer.per_threshold()) as u32
}

/// The coefficients of the band whose layer is coded, with an element for each block.
struct BandInHand {
    values: Vec<f32>,
    magnitudes: Vec<u32>,
    cells: Vec<Cell>,
    /// The largest absolute value of each band that had a layer.
    peaks: Vec<f32>,
}

impl BandInHand {
    fn new(blocks: usize) -> Result<Self, Error> {
        Ok(Self {
            values: filled(0.0, blocks)?,
            magnitudes: filled(0, blocks)?,
            cells: filled(0, blocks)?,
            peaks: filled(0.0, BANDS)?,
        })
    }

    /// Reads the coefficients, if some are not zero after the layer, and computes magnitudes and loudness after it.
    fn read<S: Source + ?Sized>(
        &mut self,
        source: &S,
        band: Band,
        layer: &Layer,
        own: &mut [i16],
    ) -> Result<(), Error> {
        let peak = &mut self.peaks[band.index()];
        if layer.first.is_some() {
            source.read(band, &mut self.values);
            check(band, &self.values)?;
            let values = &self.values;
            *peak = vectorized(
                #[inline(always)]
                || values.iter().fold(0.0, |peak, value| value.abs().max(peak)),
            );
        }
        // Most of them, and reading is what takes time then.
        if magnitude(*peak, layer) == 0 {
            self.magnitudes.fill(0);
            own.fill(loudness(0, layer));
            return Ok(());
        }
        if layer.first.is_none() {
            source.read(band, &mut self.values);
        }
        vectorized(
            #[inline(always)]
            || {
                for (magnitude_after, &value) in self.magnitudes.iter_mut().zip(&self.values) {
                    *magnitude_after = magnitude(value, layer);
                }
                loudness_of_all(&self.magnitudes, layer, own);
            },
        );
        Ok(())
    }

    /// Codes the layer's digits.
    fn put<R: Record>(
        &self,
        encoder: &mut Encoder,
        statistics: &mut Statistics,
        layer: &Layer,
        record: &mut R,
    ) {
        let mut done = 0;
        loop {
            done += encoder.zeros(statistics, &self.cells[done..], &self.magnitudes[done..]);
            let Some(&value) = self.values.get(done) else {
                return;
            };
            let coefficient = Coefficient {
                value,
                magnitude: self.magnitudes[done],
                cell: self.cells[done],
            };
            coefficient.put(encoder, statistics, layer, record);
            done += 1;
        }
    }
}

/// A coefficient in a layer.
struct Coefficient {
    value: f32,
    /// The magnitude after the layer.
    magnitude: u32,
    cell: Cell,
}

impl Coefficient {
    /// Codes the digit.
    #[inline(always)]
    fn put<R: Record>(
        &self,
        encoder: &mut Encoder,
        statistics: &mut Statistics,
        layer: &Layer,
        record: &mut R,
    ) {
        let &Self {
            value,
            magnitude,
            cell,
        } = self;
        let digit = if layer.first.is_some() {
            magnitude
        } else {
            magnitude & 1
        };
        encoder.put(digit != 0, statistics.probability(cell));
        statistics.count(cell, digit != 0);
        let is_new = digit != 0 && is_zero(cell);
        if is_new {
            encoder.put(value < 0.0, EVEN);
            if let Some(most_zeros) = layer.first {
                encoder.magnitude(magnitude, most_zeros);
            }
        }
        if magnitude != 0 {
            record.digit(encoder, layer, value, magnitude, is_new);
        }
    }
}
