//! The fitted tables: what size each band is expected to have, which plane comes when, and how likely a one is.

use alloc::vec::Vec;

use crate::grid::{BLOCK, COLOURS, FREQUENCIES};
use crate::{Error, logarithm};

/// Bit planes from the largest magnitudes down; plane p has the threshold 2^(20 − p).
pub(crate) const PLANES: usize = 24;
/// Expected sizes in eighths of an octave, from [`SMALLEST`] up.
pub(crate) const SIZES: usize = 144;
/// The smallest expected size.
const SMALLEST: i64 = -24;
/// Probabilities of each state.
pub(crate) const ROWS: usize = 72;
/// States of a coefficient: zero so far, magnitude 1, larger.
pub(crate) const STATES: usize = 3;
/// Features of a context.
pub(crate) const FEATURES: usize = 6;
/// Thresholds of the size of a mean by its frequency.
const STEPS: usize = 90;
/// Says in `order` that a plane is not there.
const ABSENT: i32 = -32_768;
/// Probabilities are at least this, and at most its complement, in 1/65536.
pub(crate) const LEAST_PROBABILITY: i32 = 24;

/// The arrays that [`Tables`] are made of, in row-major order, as the tensors `tables.*` of a model have them.
#[derive(Clone, Copy, Debug)]
pub struct TableParts<'a> {
    /// `ac_size`, `[3, 32, 32]`: expected size of a band by colour and frequency, in eighths of an octave.
    pub ac_size: &'a [i32],
    /// `dc_steps`, `[3, 90]`: squared frequencies, with 24 fractional bits and rising, at which the expected size of a mean
    /// falls by an eighth of an octave.
    pub dc_steps: &'a [i64],
    /// `dc_top`, `[3]`: expected size of a mean below the first of these frequencies.
    pub dc_top: &'a [i32],
    /// `mean_size`, `[3]`: expected size of the mean of everything in a grid of one block.
    pub mean_size: &'a [i32],
    /// `order`, `[144, 24]`: for each expected size (−24 to 119) and plane what it gains per bit, in any unit;
    /// −32 768: the plane is not coded.
    pub order: &'a [i32],
    /// `p_one`, `[3, 72]`: probability of a one by state and row, in 1/65536.
    pub p_one: &'a [i32],
    /// `weights`, `[3, 6]`: weight of each feature by state, in 1/256.
    pub weights: &'a [i32],
}

/// Tables that were found sound: with any of them, any bytes decode.
#[derive(Clone, Debug)]
pub struct Tables {
    fingerprint: [u8; 4],
    /// Expected sizes of the bands by [`crate::Band::index`]; those of the means are not used.
    band_sizes: Vec<i64>,
    mean_steps: Vec<u64>,
    mean_tops: [i64; COLOURS],
    mean_of_all: [i64; COLOURS],
    steps: Vec<Step>,
    pub(crate) probabilities: [[u16; ROWS]; STATES],
    pub(crate) weights: [[i32; FEATURES]; STATES],
}

/// One plane of all classes of one expected size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// What the plane gains per bit.
    pub(crate) slope: i16,
    /// The plane.
    pub(crate) plane: u8,
    /// The expected size's index.
    pub(crate) size: u8,
}

/// The first plane of classes of a size: they start at 64 times the size, or at what plane 0 has.
pub(crate) fn first_plane(size: usize) -> usize {
    SIZES.saturating_sub(size) / 8
}

/// Expected size in eighths of an octave of the size with an index.
pub(crate) fn octave_eighths(size: u8) -> i32 {
    i32::from(size) + SMALLEST as i32
}

/// The index of an expected size, which saturates.
fn size_index(eighths: i64) -> u8 {
    (eighths - SMALLEST).clamp(0, SIZES as i64 - 1) as u8
}

impl Tables {
    /// Checks the arrays and takes from them what coding needs.
    ///
    /// # Errors
    /// [`Error::TableLength`], [`Error::TableValue`] or [`Error::TableOrder`] for arrays that are not such tables.
    pub fn new(parts: &TableParts<'_>) -> Result<Self, Error> {
        let sizes = |name, table: &[i32], length| check(name, table, length, -4096, 4096);
        sizes("ac_size", parts.ac_size, COLOURS * FREQUENCIES)?;
        sizes("dc_top", parts.dc_top, COLOURS)?;
        sizes("mean_size", parts.mean_size, COLOURS)?;
        check("dc_steps", parts.dc_steps, COLOURS * STEPS, 0, 1 << 30)?;
        check(
            "order",
            parts.order,
            SIZES * PLANES,
            ABSENT.into(),
            i16::MAX.into(),
        )?;
        let least = i64::from(LEAST_PROBABILITY);
        check("p_one", parts.p_one, STATES * ROWS, least, 65_536 - least)?;
        // With 16 bits for features, sums of products keep to 32.
        check("weights", parts.weights, STATES * FEATURES, -2048, 2048)?;
        for (colour, steps) in parts.dc_steps.chunks_exact(STEPS).enumerate() {
            if let Some(fall) = steps.windows(2).position(|pair| pair[1] < pair[0]) {
                return Err(Error::TableValue {
                    table: "dc_steps",
                    index: colour * STEPS + fall + 1,
                    found: steps[fall + 1],
                    min: steps[fall],
                    max: 1 << 30,
                });
            }
        }
        Ok(Self {
            fingerprint: fingerprint(parts),
            band_sizes: parts.ac_size.iter().map(|&size| size.into()).collect(),
            mean_steps: parts.dc_steps.iter().map(|&step| step as u64).collect(),
            mean_tops: core::array::from_fn(|colour| parts.dc_top[colour].into()),
            mean_of_all: core::array::from_fn(|colour| parts.mean_size[colour].into()),
            steps: steps(parts.order)?,
            probabilities: core::array::from_fn(|state| {
                core::array::from_fn(|row| parts.p_one[state * ROWS + row] as u16)
            }),
            weights: core::array::from_fn(|state| {
                core::array::from_fn(|feature| parts.weights[state * FEATURES + feature])
            }),
        })
    }

    /// The name of these tables: what a model's fingerprint would be (`format-spec/README.md`, section 7) if the tensors
    /// `tables.*`, with the types and shapes of [`TableParts`], were all it had.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 4] {
        self.fingerprint
    }

    /// The planes of all sizes, from the greatest gain on; of equal gains, the first plane first.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The index of the expected size of a band other than the means.
    pub(crate) fn band_size(&self, band: usize) -> u8 {
        size_index(self.band_sizes[band])
    }

    /// The indices of the expected sizes of a colour's means, row by row, appended to `sizes`.
    pub(crate) fn mean_sizes(
        &self,
        colour: usize,
        rows: usize,
        columns: usize,
        sizes: &mut Vec<u8>,
    ) {
        let (rows, columns) = (rows as u64, columns as u64);
        let blocks = rows * columns;
        // f = ⌊(i² columns² + j² rows²) · 2²⁴ / blocks²⌋ reaches a step where the numerator reaches step · blocks².
        let mut steps = [0; STEPS];
        for (product, &step) in steps.iter_mut().zip(&self.mean_steps[colour * STEPS..]) {
            *product = step * blocks * blocks;
        }
        let top = self.mean_tops[colour];
        let mut row_start = 0;
        for i in 0..rows {
            let mut reached = row_start;
            for j in 0..columns {
                let numerator = ((i * columns).pow(2) + (j * rows).pow(2)) << 24;
                while reached < STEPS && steps[reached] <= numerator {
                    reached += 1;
                }
                if j == 0 {
                    row_start = reached;
                }
                sizes.push(size_index(if i + j == 0 {
                    self.mean_of_all[colour] + i64::from(logarithm::sixteenths(blocks as u32) / 4)
                } else {
                    top - reached as i64
                }));
            }
        }
    }
}

/// Refuses a table of another length, or with a value that is out of range.
fn check<T: Copy + Into<i64>>(
    table: &'static str,
    values: &[T],
    expected: usize,
    min: i64,
    max: i64,
) -> Result<(), Error> {
    let found = values.len();
    if found != expected {
        return Err(Error::TableLength {
            table,
            found,
            expected,
        });
    }
    for (index, &value) in values.iter().enumerate() {
        let found = value.into();
        if !(min..=max).contains(&found) {
            return Err(Error::TableValue {
                table,
                index,
                found,
                min,
                max,
            });
        }
    }
    Ok(())
}

/// The planes of all sizes in the order in which they are coded.
///
/// Each size has its planes from the first on, without a gap, so the plane determines how many come before it.
fn steps(order: &[i32]) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    for (row, gains) in order.chunks_exact(PLANES).enumerate() {
        let first = first_plane(row);
        let mut before = Some(i32::MAX);
        for (plane, &gain) in gains.iter().enumerate() {
            let sound = match before {
                _ if plane < first => gain == ABSENT,
                Some(before) => gain <= before && (gain != ABSENT || plane > first),
                None => gain == ABSENT,
            };
            if !sound {
                return Err(Error::TableOrder { row, plane, first });
            }
            if plane >= first {
                before = (gain != ABSENT).then_some(gain);
            }
            if gain != ABSENT {
                steps.push(Step {
                    slope: gain as i16,
                    plane: plane as u8,
                    size: row as u8,
                });
            }
        }
    }
    steps.sort_by_key(|step| (-i32::from(step.slope), step.plane));
    Ok(steps)
}

fn fingerprint(parts: &TableParts<'_>) -> [u8; 4] {
    let i32s = |table: &[i32]| {
        table
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect::<Vec<_>>()
    };
    let i64s = parts
        .dc_steps
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    // In ascending order of names.
    let tables = [
        (
            "ac_size",
            "I32",
            [COLOURS, BLOCK, BLOCK].as_slice(),
            i32s(parts.ac_size),
        ),
        ("dc_steps", "I64", &[COLOURS, STEPS], i64s),
        ("dc_top", "I32", &[COLOURS], i32s(parts.dc_top)),
        ("mean_size", "I32", &[COLOURS], i32s(parts.mean_size)),
        ("order", "I32", &[SIZES, PLANES], i32s(parts.order)),
        ("p_one", "I32", &[STATES, ROWS], i32s(parts.p_one)),
        ("weights", "I32", &[STATES, FEATURES], i32s(parts.weights)),
    ];
    let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let mut crc = sum.digest();
    for (name, dtype, shape, elements) in tables {
        for text in ["tables.", name, "\0", dtype, "\0"] {
            crc.update(text.as_bytes());
        }
        crc.update(&[shape.len() as u8]);
        for &dimension in shape {
            crc.update(&(dimension as u64).to_le_bytes());
        }
        crc.update(&elements);
    }
    crc.finalize().to_le_bytes()
}
