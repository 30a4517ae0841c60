//! Memory of the CPU engine: cache-line aligned floats, and buffers that are used again instead of freed.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytemuck::{Pod, Zeroable};

use crate::ComputeError;
use crate::memory::zeroed;

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

    /// Changes the length; the values are undefined, but zeros where memory was new. Such memory comes zeroed from the
    /// system, page by page when it is first touched, which many threads do at once.
    pub(crate) fn resize(&mut self, len: usize) -> Result<(), ComputeError> {
        let lines = len.div_ceil(16);
        if lines > self.lines.len() {
            // Freed first, so that old and new memory do not exist at once.
            self.lines = Vec::new();
            self.lines =
                zeroed(lines).map_err(|_| ComputeError::OutOfMemory { shape: vec![len] })?;
        }
        self.len = len;
        Ok(())
    }
}

impl Buffer {
    /// Floats that fit without allocating.
    fn capacity(&self) -> usize {
        self.lines.len() * 16
    }

    /// Changes the length to one within the capacity.
    fn shorten(&mut self, len: usize) {
        self.len = len.min(self.capacity());
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
///
/// Operations take theirs from one list, in an order that repeats. Which tasks run concurrently does not repeat, so
/// each thread has its own list for the buffers of tasks, and a buffer missing from one list is added to all.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: FreeList,
    of_threads: Vec<FreeList>,
    large: Large,
}

/// One idle buffer of any size, kept while computations run: the layers of a network take it one after the other, and new
/// memory costs them a page fault for every 4 KiB.
#[derive(Debug, Default)]
struct Large {
    idle: Mutex<Option<Buffer>>,
    /// Computations that run.
    running: AtomicUsize,
}

type FreeList = Mutex<Vec<Buffer>>;

/// Most floats of an idle buffer of a list: 16 MiB, so that a large picture does not leave its mark for good.
const MAX_KEPT: usize = 4 << 20;
/// Most idle buffers of a list: more than the operations of one network need; beyond it the smallest are freed.
const MAX_IDLE: usize = 64;

impl Pool {
    /// For an engine of `threads` threads.
    pub(crate) fn new(threads: usize) -> Self {
        let of_threads = (0..threads).map(|_| FreeList::default()).collect();
        Self {
            shared: FreeList::default(),
            of_threads,
            large: Large::default(),
        }
    }

    /// Runs a computation, after the last of which no large buffer is kept.
    pub(crate) fn run<R>(&self, computation: impl FnOnce() -> R) -> R {
        let _running = Running::new(&self.large);
        computation()
    }

    /// A buffer of `len` floats with undefined values, for an operation.
    pub(crate) fn take(&self, len: usize) -> Result<Pooled<'_>, ComputeError> {
        let buffer = match pick(&self.shared, len).or_else(|| self.large.take(len)) {
            Some(buffer) => buffer,
            None => Buffer::zeros(len)?,
        };
        Ok(Pooled::new(buffer, len, &self.shared, Some(&self.large)))
    }

    /// A buffer of `len` floats with undefined values, for a task that runs on one of the engine's threads.
    pub(crate) fn take_in_task(&self, len: usize) -> Result<Pooled<'_>, ComputeError> {
        let index = rayon::current_thread_index().filter(|&index| index < self.of_threads.len());
        let Some(index) = index else {
            return self.take(len);
        };
        let own = &self.of_threads[index];
        let buffer = match pick(own, len) {
            Some(buffer) => buffer,
            None => {
                // Another thread may run this task the next time, and should not have to allocate then.
                for (other, list) in self.of_threads.iter().enumerate() {
                    if other != index {
                        give_back(list, Buffer::zeros(len)?);
                    }
                }
                Buffer::zeros(len)?
            }
        };
        Ok(Pooled::new(buffer, len, own, None))
    }
}

impl Large {
    fn slot(&self) -> MutexGuard<'_, Option<Buffer>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The idle buffer if it is large enough for `len` floats, which are more than the lists keep. One that is too small is
    /// freed, so that old and new memory do not exist at once.
    fn take(&self, len: usize) -> Option<Buffer> {
        if len <= MAX_KEPT {
            return None;
        }
        self.slot().take().filter(|buffer| buffer.capacity() >= len)
    }

    /// Keeps the larger of two buffers while a computation runs.
    fn give_back(&self, buffer: Buffer) {
        let mut slot = self.slot();
        let idle = slot.as_ref().map_or(0, Buffer::capacity);
        if self.running.load(Ordering::SeqCst) > 0 && buffer.capacity() > idle {
            *slot = Some(buffer);
        }
    }
}

/// A computation that runs, until it is dropped.
struct Running<'a>(&'a Large);

impl<'a> Running<'a> {
    fn new(large: &'a Large) -> Self {
        large.running.fetch_add(1, Ordering::SeqCst);
        Self(large)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Under the lock, so that no buffer comes after the last computation.
        let mut slot = self.0.slot();
        if self.0.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            *slot = None;
        }
    }
}

/// The smallest buffer that holds `len` floats.
fn pick(list: &FreeList, len: usize) -> Option<Buffer> {
    let mut buffers = list.lock().unwrap_or_else(PoisonError::into_inner);
    let fitting = buffers
        .iter()
        .enumerate()
        .filter(|(_, buffer)| buffer.capacity() >= len);
    let index = fitting
        .min_by_key(|(_, buffer)| buffer.capacity())
        .map(|(index, _)| index)?;
    Some(buffers.swap_remove(index))
}

fn give_back(list: &FreeList, buffer: Buffer) {
    if buffer.capacity() > MAX_KEPT {
        return;
    }
    let mut buffers = list.lock().unwrap_or_else(PoisonError::into_inner);
    // All the room at once, so that the list itself never grows later.
    let room = (MAX_IDLE + 1).saturating_sub(buffers.len());
    if buffers.try_reserve(room).is_err() {
        return;
    }
    buffers.push(buffer);
    if buffers.len() > MAX_IDLE {
        let smallest = buffers
            .iter()
            .enumerate()
            .min_by_key(|(_, buffer)| buffer.capacity());
        let index = smallest.map_or(0, |(index, _)| index);
        drop(buffers.swap_remove(index));
    }
}

/// A buffer on loan from a [`Pool`].
pub(crate) struct Pooled<'a> {
    buffer: Buffer,
    home: &'a FreeList,
    /// Where it goes if it is too large for the list.
    large: Option<&'a Large>,
}

impl<'a> Pooled<'a> {
    fn new(mut buffer: Buffer, len: usize, home: &'a FreeList, large: Option<&'a Large>) -> Self {
        buffer.shorten(len);
        Self {
            buffer,
            home,
            large,
        }
    }
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
        match self.large {
            Some(large) if buffer.capacity() > MAX_KEPT => large.give_back(buffer),
            _ => give_back(self.home, buffer),
        }
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

    /// Number of rows of the innermost dimension.
    pub(crate) fn rows(&self) -> usize {
        self.values.len() / self.columns().max(1)
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
        // Half of the largest possible allocation of f32, which leaves room to round up to cache lines.
        .filter(|&count| count <= isize::MAX as usize / 8)
        .ok_or_else(|| ComputeError::OutOfMemory {
            shape: shape.to_vec(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(pool: &Pool) -> usize {
        pool.large.slot().as_ref().map_or(0, Buffer::capacity)
    }

    #[test]
    fn a_large_buffer_is_kept_while_computations_run() {
        let pool = Pool::new(1);
        drop(pool.take(MAX_KEPT + 1).unwrap());
        assert_eq!(idle(&pool), 0, "outside of computations");
        pool.run(|| {
            let first = pool.take(2 * MAX_KEPT).unwrap();
            drop(pool.take(MAX_KEPT + 1).unwrap());
            assert!(idle(&pool) > MAX_KEPT, "one of two");
            drop(first);
            assert_eq!(idle(&pool), 2 * MAX_KEPT, "the larger one");
            // An inner computation is not the last.
            pool.run(|| assert_eq!(pool.take(MAX_KEPT + 1).unwrap().len(), MAX_KEPT + 1));
            assert_eq!(idle(&pool), 2 * MAX_KEPT);
            let larger = pool.take(2 * MAX_KEPT + 1).unwrap();
            assert_eq!(idle(&pool), 0, "too small, and freed first");
            drop(larger);
            drop(pool.take(16).unwrap());
            assert!(idle(&pool) > 2 * MAX_KEPT, "small ones have their lists");
        });
        assert_eq!(idle(&pool), 0, "after the last computation");
    }
}
