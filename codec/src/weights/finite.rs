//! Finds weights that are not finite.

use flextok_compute::{DType, Weight};

use super::scan::Scan;
use super::{Weights, WeightsError, float_type};

/// Elements that are checked together before the first bad one is searched for.
const BLOCK: usize = 4096;

/// Bytes that are checked before their memory is released.
const WINDOW: usize = 8 << 20;

impl Weights {
    /// Checks all stored values once, in the time that it takes to read the file and in bounded memory. Every tensor is
    /// checked when it is loaded anyway; this checks them all beforehand.
    ///
    /// # Errors
    /// [`WeightsError::NotFinite`] with the first tensor, in the order of names, that holds a NaN or an infinity.
    pub fn check_values(&self) -> Result<(), WeightsError> {
        let mut scan = Scan::new(&self.tensors.storage);
        for (name, entry) in &self.tensors.header.tensors {
            let bytes = self.tensors.storage.as_slice().get(entry.range.clone());
            // The network cannot use tensors of other types.
            let (Some(bytes), Some(dtype)) = (bytes, float_type(entry.dtype)) else {
                continue;
            };
            let mut before = 0_usize;
            // Every element's size divides that of a window.
            for window in bytes.chunks(WINDOW) {
                if let Some(index) = first_not_finite(dtype, window) {
                    return Err(not_finite(name, before.saturating_add(index)));
                }
                before = before.saturating_add(WINDOW.checked_div(dtype.size()).unwrap_or(0));
                scan.advance(window.len());
            }
        }
        Ok(())
    }
}

/// Checks that a tensor holds no NaN and no infinity; `name` is for the message.
///
/// # Errors
/// [`WeightsError::NotFinite`] with the index of the first such element.
pub(crate) fn check_finite(name: &str, weight: &Weight) -> Result<(), WeightsError> {
    match first_not_finite(weight.dtype(), weight.bytes()) {
        None => Ok(()),
        Some(index) => Err(not_finite(name, index)),
    }
}

fn not_finite(name: &str, index: usize) -> WeightsError {
    let tensor = name.to_owned();
    WeightsError::NotFinite { tensor, index }
}

fn first_not_finite(dtype: DType, bytes: &[u8]) -> Option<usize> {
    // An element is finite unless all bits of its exponent are set.
    match dtype {
        DType::F32 => {
            let exponent = 0x7f80_0000;
            first_bad(bytes.as_chunks().0, |raw| {
                u32::from_le_bytes(raw) & exponent == exponent
            })
        }
        DType::F16 => first_bad(bytes.as_chunks().0, |raw| {
            u16::from_le_bytes(raw) & 0x7c00 == 0x7c00
        }),
        DType::BF16 => first_bad(bytes.as_chunks().0, |raw| {
            u16::from_le_bytes(raw) & 0x7f80 == 0x7f80
        }),
    }
}

fn first_bad<const N: usize>(elements: &[[u8; N]], bad: impl Fn([u8; N]) -> bool) -> Option<usize> {
    // Without an early exit inside a block, the loop over it runs on vectors.
    let block = elements
        .chunks(BLOCK)
        .position(|block| block.iter().fold(false, |any, raw| any | bad(*raw)))?;
    let start = block.saturating_mul(BLOCK);
    let rest = elements.get(start..)?;
    rest.iter()
        .position(|raw| bad(*raw))
        .map(|index| start.saturating_add(index))
}
