//! The second family of models: a fixed lapped transform whose coefficients are entropy-coded, so that any prefix of the
//! bytes is a coarser picture (`format-spec/README.md` section 7 names the tables).
//!
//! Here are its steps, without options and limits: the size of the canvas, picture to coefficients to bytes, and back; and the
//! learned decoder, which makes the picture of the digits a better one.

mod analysis;
mod learned;
mod synthesis;
#[cfg(test)]
mod tests;
mod tiles;

pub(crate) use analysis::Analysis;
#[cfg(feature = "metrics")]
pub(crate) use analysis::on_canvas;
pub(crate) use flextok_plain::canvas::{canvas_for, grid_of, memory, memory_of_floats};
pub(crate) use flextok_plain::name_of;
use flextok_tokens::{TableParts, Tables};
pub(crate) use learned::LearnedDecoder;
pub(crate) use synthesis::{Plain, canvas_of, in_8_bits, picture_of, plain_of};
pub(crate) use tiles::{Tile, tiles};

use crate::weights::{Weights, WeightsError};

/// The tables of a checkpoint, its tensors `tables.*`.
///
/// # Errors
/// [`WeightsError`] naming the tensor that is missing or unsound.
pub(crate) fn tables(weights: &Weights) -> Result<Tables, WeightsError> {
    let numbers = |name: &str, count| weights.integers(&format!("tables.{name}"), count);
    let narrow = |name: &str, count| -> Result<Vec<i32>, WeightsError> {
        // What does not fit 32 bits is beyond every table's range.
        let saturated = |n: i64| n.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
        Ok(numbers(name, count)?.into_iter().map(saturated).collect())
    };
    Ok(Tables::new(&TableParts {
        ac_size: &narrow("ac_size", 3 * 32 * 32)?,
        dc_steps: &numbers("dc_steps", 3 * 90)?,
        dc_top: &narrow("dc_top", 3)?,
        mean_size: &narrow("mean_size", 3)?,
        order: &narrow("order", 144 * 24)?,
        p_one: &narrow("p_one", 3 * 72)?,
        weights: &narrow("weights", 3 * 6)?,
    })?)
}
