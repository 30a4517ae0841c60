//! A tensor in a device's memory, and the element types it can have.

use std::sync::Arc;

use cubecl::ir::ElemType;
use cubecl::prelude::{BufferArg, Scalar, TensorBinding};
use cubecl::server::Handle;
use cubecl::zspace::{Shape, Strides};

use super::memory::Reserved;
use crate::ComputeError;
pub(super) use crate::precision::Element;

impl Element {
    /// The type's name in kernels.
    pub(crate) fn kind(self) -> ElemType {
        match self {
            Self::F32 => f32::elem_type_native(),
            Self::F16 => half::f16::elem_type_native(),
            Self::BF16 => half::bf16::elem_type_native(),
        }
    }
}

/// A row-major tensor in a device's memory.
#[derive(Debug)]
pub struct GpuTensor {
    pub(super) handle: Handle,
    pub(super) shape: Vec<usize>,
    pub(super) element: Element,
    /// Size of the buffer in bytes; a tensor that was reshaped to a smaller shape keeps it.
    pub(super) capacity: usize,
    pub(super) _reserved: Arc<Reserved>,
}

impl GpuTensor {
    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Size of the innermost dimension.
    pub(super) fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Number of rows of the innermost dimension.
    pub(super) fn rows(&self) -> usize {
        self.len() / self.columns().max(1)
    }

    /// Bytes that the tensor has room for.
    pub(super) fn bytes(&self) -> usize {
        self.capacity
    }

    /// The tensor as a kernel's argument: all its elements, one after the other.
    pub(super) fn arg(&self) -> BufferArg {
        debug_assert!(self.len() * self.element.size() <= self.capacity);
        // SAFETY: the handle was made with `capacity` bytes, and no shape is ever given to a tensor that needs more.
        #[allow(unsafe_code)]
        unsafe {
            BufferArg::from_raw_parts(self.handle.clone(), self.len())
        }
    }

    /// `[rows, columns]` of this memory, from byte `offset` on and `stride` elements from row to row, as a matrix.
    ///
    /// Panics if they are not inside the tensor.
    pub(super) fn matrix(
        &self,
        offset: usize,
        (rows, columns): (usize, usize),
        stride: usize,
    ) -> TensorBinding {
        let end = offset + ((rows.max(1) - 1) * stride + columns) * self.element.size();
        assert!(end <= self.capacity, "a matrix beyond its tensor");
        let handle = self.handle.clone().offset_start(offset as u64);
        // SAFETY: the last element of the last row ends inside the handle, as was just checked.
        #[allow(unsafe_code)]
        unsafe {
            TensorBinding::from_raw_parts(
                handle,
                Strides::new(&[stride, 1]),
                Shape::new([rows, columns]),
            )
        }
    }
}

/// The number of elements of a shape.
pub(super) fn element_count(shape: &[usize]) -> Result<usize, ComputeError> {
    shape
        .iter()
        .try_fold(1usize, |count, &dim| count.checked_mul(dim))
        .filter(|&count| count <= u32::MAX as usize)
        .ok_or_else(|| ComputeError::OutOfMemory {
            shape: shape.to_vec(),
        })
}
