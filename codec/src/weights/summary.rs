//! What a checkpoint amounts to: parameters by part of the model, and the element types they are stored in.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Weights;

/// Numbers of stored values by part of the model, position tables included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Parameters {
    /// Tensors under `vae.`.
    pub vae: u64,
    /// Tensors under `encoder.`.
    pub encoder: u64,
    /// Tensors under `decoder.`.
    pub decoder: u64,
    /// All other tensors; none of them is used.
    pub other: u64,
}

impl Parameters {
    /// Values of all parts together.
    #[must_use]
    pub fn total(&self) -> u64 {
        [self.vae, self.encoder, self.decoder, self.other]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// How much of a checkpoint is stored in one element type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoredType {
    /// The element type as safetensors spells it.
    pub dtype: String,
    /// Number of tensors.
    pub tensors: u64,
    /// Number of values.
    pub values: u64,
}

impl Weights {
    /// Counts the stored values by part of the model.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        let mut counts = Parameters::default();
        for (name, entry) in &self.tensors.header.tensors {
            let count = match name.split('.').next() {
                Some("vae") => &mut counts.vae,
                Some("encoder") => &mut counts.encoder,
                Some("decoder") => &mut counts.decoder,
                _ => &mut counts.other,
            };
            *count = count.saturating_add(entry.elements() as u64);
        }
        counts
    }

    /// The element types that the tensors are stored in, in the order of their names.
    #[must_use]
    pub fn stored_types(&self) -> Vec<StoredType> {
        let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for entry in self.tensors.header.tensors.values() {
            let (tensors, values) = counts.entry(entry.dtype.to_string()).or_default();
            *tensors = tensors.saturating_add(1);
            *values = values.saturating_add(entry.elements() as u64);
        }
        let stored = |(dtype, (tensors, values))| StoredType {
            dtype,
            tensors,
            values,
        };
        counts.into_iter().map(stored).collect()
    }
}
