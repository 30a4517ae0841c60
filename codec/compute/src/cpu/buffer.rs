//! Memory of the CPU engine: cache-line aligned floats, and buffers that are used again instead of freed.

use crate::ComputeError;
use bytemuck::{Pod, Zeroable};
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// One cache line, so that a `Vec` of them starts on one: vector loads that straddle lines cost double.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Floats that start on a cache line.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Result<Self, ComputeError> {
        let mut buffer = Self::default();
        buffer.resize(len)?;
        Ok(buffer)
    }

    /// Changes the length; values beyond the old length are zero or left from earlier use.
    pub(crate) fn resize(&mut self, len: usize) -> Result<(), ComputeError> {
        let lines = len.div_ceil(16);
        if lines > self.lines.len() {
            self.lines
                .try_reserve_exact(lines - self.lines.len())
                .map_err(|_| ComputeError::OutOfMemory { shape: vec![len] })?;
            self.lines.resize(lines, Line::zeroed());
        }
        self.len = len;
        Ok(())
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

/// Buffers that operations borrow and give back, so that repeated operations allocate nothing.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Buffer>>);

impl Pool {
    /// A buffer of `len` floats with undefined values.
    ///
    /// # Panics
    /// If memory for it cannot be had: the sizes are bounded by those of tensors that could be allocated.
    pub(crate) fn take(&self, len: usize) -> Pooled<'_> {
        let mut buffers = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // The smallest that is large enough, else the largest, so that few buffers ever grow.
        let fitting = buffers
            .iter()
            .enumerate()
            .filter(|(_, buffer)| buffer.lines.len() * 16 >= len)
            .min_by_key(|(_, buffer)| buffer.lines.len())
            .map(|(index, _)| index);
        let largest = || {
            buffers
                .iter()
                .enumerate()
                .max_by_key(|(_, buffer)| buffer.lines.len())
                .map(|(index, _)| index)
        };
        let index = fitting.or_else(largest);
        let mut buffer = index
            .map(|index| buffers.swap_remove(index))
            .unwrap_or_default();
        drop(buffers);
        buffer
            .resize(len)
            .expect("scratch memory no larger than the tensors of the operation");
        Pooled { buffer, pool: self }
    }
}

/// A buffer on loan from a [`Pool`].
pub(crate) struct Pooled<'a> {
    buffer: Buffer,
    pool: &'a Pool,
}

impl Deref for Pooled<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer
    }
}

impl DerefMut for Pooled<'_> {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer
    }
}

impl Drop for Pooled<'_> {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.pool
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(buffer);
    }
}

/// A tensor in main memory.
#[derive(Debug)]
pub struct CpuTensor {
    shape: Vec<usize>,
    values: Buffer,
}

impl CpuTensor {
    pub(crate) fn zeros(shape: &[usize]) -> Result<Self, ComputeError> {
        let len = element_count(shape)?;
        let values = Buffer::zeros(len).map_err(|_| ComputeError::OutOfMemory {
            shape: shape.to_vec(),
        })?;
        Ok(Self {
            shape: shape.to_vec(),
            values,
        })
    }

    pub(crate) fn reshape(&mut self, shape: &[usize]) -> Result<(), ComputeError> {
        let len = element_count(shape)?;
        self.values
            .resize(len)
            .map_err(|_| ComputeError::OutOfMemory {
                shape: shape.to_vec(),
            })?;
        self.shape.clear();
        self.shape.extend_from_slice(shape);
        Ok(())
    }

    /// Dimensions, outermost first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Size of the innermost dimension.
    pub(crate) fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// The values in row-major order.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

fn element_count(shape: &[usize]) -> Result<usize, ComputeError> {
    shape
        .iter()
        .try_fold(1usize, |count, &dim| count.checked_mul(dim))
        .filter(|&count| count <= isize::MAX as usize / 8)
        .ok_or_else(|| ComputeError::OutOfMemory {
            shape: shape.to_vec(),
        })
}
