//! Finds weights that are no numbers.

use super::WeightsError;
use flextok_compute::{DType, Weight};

/// Elements that are looked at together before the first bad one is searched for.
const BLOCK: usize = 4096;

/// Checks that a tensor holds no NaN and no infinity; `name` is for the message.
///
/// # Errors
/// [`WeightsError::NotFinite`] with the index of the first such element.
pub fn check_finite(name: &str, weight: &Weight) -> Result<(), WeightsError> {
    let bytes = weight.bytes();
    // An element is finite unless all bits of its exponent are set.
    let found = match weight.dtype() {
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
    };
    match found {
        None => Ok(()),
        Some(index) => Err(WeightsError::NotFinite {
            tensor: name.to_owned(),
            index,
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
