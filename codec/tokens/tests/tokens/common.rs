//! The embedded tables, and numbers from tensors.

use flextok_tokens::{TableParts, Tables};
use safetensors::SafeTensors;

/// A tensor's elements, of as many bytes as `N`.
pub(crate) fn numbers<const N: usize, T>(
    file: &SafeTensors<'_>,
    name: &str,
    number: fn([u8; N]) -> T,
) -> Vec<T> {
    let tensor = file.tensor(name).expect(name);
    let (elements, rest) = tensor.data().as_chunks();
    assert!(rest.is_empty(), "{name} has other elements");
    elements.iter().map(|&bytes| number(bytes)).collect()
}

/// The tables of the embedded model.
pub(crate) fn tables() -> Tables {
    let file = SafeTensors::deserialize(flextok_models::BUILTIN).expect("a model");
    let i32s = |name: &str| numbers(&file, &format!("tables.{name}"), i32::from_le_bytes);
    Tables::new(&TableParts {
        ac_size: &i32s("ac_size"),
        dc_steps: &numbers(&file, "tables.dc_steps", i64::from_le_bytes),
        dc_top: &i32s("dc_top"),
        mean_size: &i32s("mean_size"),
        order: &i32s("order"),
        p_one: &i32s("p_one"),
        weights: &i32s("weights"),
    })
    .expect("sound tables")
}

/// The CRC32 of numbers as they are stored.
pub(crate) fn crc32(values: &[f32]) -> u32 {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    crc32fast::hash(&bytes)
}
