//! The tables of the built-in model, from the bytes in the program.

use alloc::vec::Vec;

use flextok_models::tables;
use flextok_tokens::{TableParts, Tables};

use crate::Error;
use crate::memory::with_capacity;

/// The tables of the built-in model.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn embedded_tables() -> Result<Tables, Error> {
    let narrow = |bytes: &[u8]| numbers(bytes, i32::from_le_bytes);
    Ok(Tables::new(&TableParts {
        ac_size: &narrow(tables::AC_SIZE)?,
        dc_steps: &numbers(tables::DC_STEPS, i64::from_le_bytes)?,
        dc_top: &narrow(tables::DC_TOP)?,
        mean_size: &narrow(tables::MEAN_SIZE)?,
        order: &narrow(tables::ORDER)?,
        p_one: &narrow(tables::P_ONE)?,
        weights: &narrow(tables::WEIGHTS)?,
    })?)
}

/// Little-endian numbers of `N` bytes.
fn numbers<const N: usize, T>(bytes: &[u8], read: fn([u8; N]) -> T) -> Result<Vec<T>, Error> {
    let (numbers, _) = bytes.as_chunks::<N>();
    let mut out = with_capacity(numbers.len())?;
    out.extend(numbers.iter().map(|&bytes| read(bytes)));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use flextok_container::TablesName;

    use super::*;

    #[test]
    fn these_are_the_tables_that_files_name_by_number() {
        assert_eq!(
            crate::name_of(&embedded_tables().unwrap()),
            TablesName::BUILTIN
        );
    }
}
