//! The tensors of a safetensors file by name, without a config.

#[cfg(feature = "metrics")]
use std::path::Path;

use flextok_compute::{Storage, Weight};

use super::header::Header;
#[cfg(feature = "metrics")]
use super::header::{self, HeaderLimits};
use super::{WeightsError, check_finite, float_type};

/// A safetensors file.
#[derive(Debug)]
pub(crate) struct Tensors {
    pub(super) storage: Storage,
    pub(super) header: Header,
}

impl Tensors {
    /// Maps a file.
    ///
    /// # Errors
    /// [`WeightsError`] for everything that makes the file or its header unusable.
    #[cfg(feature = "metrics")]
    pub(crate) fn map(path: &Path, limits: &HeaderLimits) -> Result<Self, WeightsError> {
        let storage = Storage::map(path).map_err(|source| WeightsError::Storage {
            path: path.to_owned(),
            source,
        })?;
        Self::of(storage, limits)
    }

    /// The tensors of a file's bytes.
    ///
    /// # Errors
    /// [`WeightsError`] for everything that makes the header unusable.
    #[cfg(feature = "metrics")]
    pub(crate) fn of(storage: Storage, limits: &HeaderLimits) -> Result<Self, WeightsError> {
        let header = header::read(storage.as_slice(), limits)?;
        Ok(Self { storage, header })
    }

    /// The tensor `name`, which has to have the shape `expected`.
    ///
    /// # Errors
    /// [`WeightsError::Missing`], [`WeightsError::Shape`], [`WeightsError::ElementType`] or [`WeightsError::NotFinite`],
    /// naming the tensor.
    pub(crate) fn get(&self, name: &str, expected: &[usize]) -> Result<Weight, WeightsError> {
        let Some(entry) = self.header.tensors.get(name) else {
            let (tensor, expected) = (name.to_owned(), expected.to_vec());
            return Err(WeightsError::Missing { tensor, expected });
        };
        if entry.shape != expected {
            let (tensor, found) = (name.to_owned(), entry.shape.clone());
            return Err(WeightsError::Shape {
                tensor,
                found,
                expected: expected.to_vec(),
            });
        }
        let Some(dtype) = float_type(entry.dtype) else {
            let (tensor, found) = (name.to_owned(), entry.dtype.to_string());
            return Err(WeightsError::ElementType { tensor, found });
        };
        let weight = Weight::new(
            self.storage.clone(),
            entry.range.clone(),
            dtype,
            entry.shape.clone(),
        )
        .map_err(|source| WeightsError::View {
            tensor: name.to_owned(),
            source,
        })?;
        check_finite(name, &weight)?;
        Ok(weight)
    }
}
