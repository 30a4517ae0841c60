//! A tensor of a weights file in the element type it is stored in: a view of shared bytes, converted only where used.

use std::ops::Range;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::ComputeError;
use crate::memory::with_capacity;
use crate::storage::Storage;

/// Element type of a stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    BF16,
}

impl DType {
    /// Bytes that one element takes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    /// The name that safetensors files use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
        }
    }
}

/// Why a view of stored bytes could not be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightError {
    /// The product of the dimensions does not fit the address space.
    #[error("shape {shape:?} has more elements than can be addressed")]
    TooManyElements {
        /// The shape expected.
        shape: Vec<usize>,
    },
    /// There is no memory for the tensor's bytes.
    #[error("out of memory for a weight of shape {shape:?}")]
    OutOfMemory {
        /// The shape expected.
        shape: Vec<usize>,
    },
    /// The byte range does not have the size that shape and element type require, or lies outside the storage.
    #[error(
        "bytes {start}..{end} do not hold shape {shape:?} of {dtype:?} in a storage of {stored} bytes",
        start = range.start,
        end = range.end
    )]
    Range {
        /// Byte range that was given.
        range: Range<usize>,
        /// The shape expected.
        shape: Vec<usize>,
        /// The element type expected.
        dtype: DType,
        /// Size of the storage in bytes.
        stored: usize,
    },
}

/// A tensor of a weights file, row-major, little-endian, still in its stored element type.
#[derive(Debug, Clone)]
pub struct Weight {
    storage: Storage,
    range: Range<usize>,
    dtype: DType,
    shape: Vec<usize>,
}

impl Weight {
    /// A view of `storage[range]` as a row-major little-endian tensor.
    ///
    /// # Errors
    /// [`WeightError`] unless the range lies inside the storage and has exactly the size of `shape` times `dtype`.
    pub fn new(
        storage: Storage,
        range: Range<usize>,
        dtype: DType,
        shape: Vec<usize>,
    ) -> Result<Self, WeightError> {
        let bytes = shape
            .iter()
            .try_fold(dtype.size(), |size, &dim| size.checked_mul(dim));
        let Some(bytes) = bytes else {
            return Err(WeightError::TooManyElements { shape });
        };
        let stored = storage.as_slice().len();
        if range.start > range.end || range.end > stored || range.end - range.start != bytes {
            return Err(WeightError::Range {
                range,
                shape,
                dtype,
                stored,
            });
        }
        Ok(Self {
            storage,
            range,
            dtype,
            shape,
        })
    }

    /// A tensor made from values in memory; the values' count must be the product of the shape.
    ///
    /// # Errors
    /// [`WeightError::Range`] if it is not; [`WeightError::OutOfMemory`].
    pub fn from_f32(values: &[f32], shape: &[usize]) -> Result<Self, WeightError> {
        let mut bytes =
            with_capacity(size_of_val(values)).map_err(|_| WeightError::OutOfMemory {
                shape: shape.to_vec(),
            })?;
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let size = bytes.len();
        Self::new(
            Storage::from_vec(bytes),
            0..size,
            DType::F32,
            shape.to_vec(),
        )
    }

    /// Dimensions, outermost first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Stored element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len() / self.dtype.size()
    }

    /// Whether the tensor has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The stored bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // The constructor has checked the range against the storage, which never changes its size.
        &self.storage.as_slice()[self.range.clone()]
    }

    /// Converts elements `start..start + out.len()` to f32.
    ///
    /// # Panics
    /// If the elements lie outside the tensor.
    pub fn read_f32(&self, start: usize, out: &mut [f32]) {
        let size = self.dtype.size();
        let bytes = &self.bytes()[start * size..(start + out.len()) * size];
        match self.dtype {
            DType::F32 => {
                for (value, raw) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *value = f32::from_le_bytes(*raw);
                }
            }
            DType::F16 => {
                // In slices, which are converted by vectors.
                const RUN: usize = 64;
                let mut run = [f16::ZERO; RUN];
                for (out, bytes) in out.chunks_mut(RUN).zip(bytes.chunks(2 * RUN)) {
                    for (half, raw) in run.iter_mut().zip(bytes.as_chunks::<2>().0) {
                        *half = f16::from_le_bytes(*raw);
                    }
                    run[..out.len()].convert_to_f32_slice(out);
                }
            }
            DType::BF16 => {
                for (value, raw) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *value = bf16::from_le_bytes(*raw).to_f32();
                }
            }
        }
    }

    /// All elements as f32, in row-major order.
    ///
    /// # Errors
    /// [`ComputeError::OutOfMemory`].
    pub fn to_f32(&self) -> Result<Vec<f32>, ComputeError> {
        let mut out = with_capacity(self.len())?;
        out.resize(self.len(), 0.0);
        self.read_f32(0, &mut out);
        Ok(out)
    }
}
