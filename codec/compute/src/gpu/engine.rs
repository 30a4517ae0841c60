//! The engine: a device's client, its precision, its memory budget, and the counters of what it did.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cubecl::client::Client;
use cubecl::prelude::{CubeCount, CubeDim};
use cubecl::server::Handle;
use cubecl_environment::stream::StreamId;

use super::device::{self, DeviceInfo};
use super::memory::Budget;
use super::tensor::{Element, GpuTensor, element_count};
use crate::memory::with_capacity;
use crate::{ComputeError, Precision};

/// Units of a cube of the elementwise kernels.
const ELEMENTWISE_UNITS: u32 = 256;

/// Buffers that are kept for operations to work in.
const SPARE_TENSORS: usize = 12;

/// How an engine is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GpuOptions {
    /// Element type of weights and activations (default: [`Precision::Auto`]).
    pub precision: Precision,
    /// Most bytes of device memory that weights and tensors may take (default: no limit but the device's).
    pub memory_limit: Option<u64>,
    /// Largest single buffer in bytes, if less than the device's own limit.
    pub buffer_limit: Option<u64>,
    /// Compare a kernel of each family with the CPU engine before use (default: yes).
    pub self_test: bool,
}

impl Default for GpuOptions {
    fn default() -> Self {
        Self {
            precision: Precision::Auto,
            memory_limit: None,
            buffer_limit: None,
            self_test: true,
        }
    }
}

/// What an engine has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Kernels that were launched.
    pub launches: u64,
    /// Bytes that the kernels read and wrote, each operand counted once per launch.
    pub bytes: u64,
    /// Buffers that were taken from the device's memory.
    pub buffers: u64,
    /// Bytes that were copied from the device to the host.
    pub downloaded: u64,
}

#[derive(Debug, Default)]
struct AtomicCounters {
    launches: AtomicU64,
    bytes: AtomicU64,
    buffers: AtomicU64,
    downloaded: AtomicU64,
}

/// An engine on one device.
pub struct GpuEngine {
    client: Client,
    info: DeviceInfo,
    pub(super) element: Element,
    budget: Arc<Budget>,
    buffer_limit: u64,
    counters: AtomicCounters,
    /// Buffers that operations have worked in, for those that follow.
    spare: Mutex<Vec<GpuTensor>>,
    pub(super) tables: super::attention::Tables,
    pub(super) group_norms: super::group_norm::Parameters,
}

impl GpuEngine {
    /// Opens a device.
    ///
    /// # Errors
    /// [`ComputeError::Device`] if its driver refuses, if it does not support the precision, or if the self-test fails.
    pub fn open(info: &DeviceInfo, options: &GpuOptions) -> Result<Self, ComputeError> {
        let mut client = device::client(info)?;
        // SAFETY: all launches, copies and buffers of this engine go through this client, so they are on this one stream,
        // which no one else has, and run in the order in which they are made, whichever threads make them.
        #[allow(unsafe_code)]
        unsafe {
            client.set_stream(StreamId::allocate());
        }
        let element = info.element(options.precision)?;
        let own = client.properties().memory.max_page_size;
        let engine = Self {
            client,
            info: info.clone(),
            element,
            budget: Budget::new(options.memory_limit),
            buffer_limit: options.buffer_limit.map_or(own, |limit| limit.min(own)),
            counters: AtomicCounters::default(),
            spare: Mutex::new(Vec::new()),
            tables: super::attention::Tables::default(),
            group_norms: super::group_norm::Parameters::default(),
        };
        if options.self_test {
            super::self_test::run(&engine)?;
        }
        Ok(engine)
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &DeviceInfo {
        &self.info
    }

    /// Bytes of device memory that weights and tensors take now.
    #[must_use]
    pub fn memory_used(&self) -> u64 {
        self.budget.used()
    }

    /// What was done since the engine was opened.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            launches: read(&self.counters.launches),
            bytes: read(&self.counters.bytes),
            buffers: read(&self.counters.buffers),
            downloaded: read(&self.counters.downloaded),
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Element type of weights and activations.
    pub(super) fn element(&self) -> Element {
        self.element
    }

    /// Largest single buffer in bytes.
    pub(super) fn buffer_limit(&self) -> u64 {
        self.buffer_limit
    }

    /// Byte offsets at which a part of a buffer may begin.
    pub(super) fn alignment(&self) -> usize {
        (self.client.properties().memory.alignment as usize).max(1)
    }

    /// Bytes of memory that the units of a cube share.
    pub(super) fn shared_memory(&self) -> usize {
        self.client.properties().hardware.max_shared_memory_size
    }

    /// Counts one launch that moves `bytes`.
    pub(super) fn count(&self, bytes: usize) {
        self.counters.launches.fetch_add(1, Ordering::Relaxed);
        self.counters
            .bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Geometry of a launch with one unit per element, which is counted; `None` for no elements.
    pub(super) fn elementwise(
        &self,
        elements: usize,
        bytes: usize,
    ) -> Option<(CubeCount, CubeDim)> {
        if elements == 0 {
            return None;
        }
        self.count(bytes);
        let count = self.cubes(elements.div_ceil(ELEMENTWISE_UNITS as usize));
        Some((count, CubeDim::new_1d(ELEMENTWISE_UNITS)))
    }

    /// `cubes` cubes, spread over the launch's axes since each has a largest size: possibly more than
    /// requested, so a kernel checks `CUBE_POS` and ends if there is nothing to do.
    pub(super) fn cubes(&self, cubes: usize) -> CubeCount {
        let most = self.client.properties().hardware.max_cube_count.0.max(1) as usize;
        let rows = cubes.div_ceil(most).max(1);
        CubeCount::Static(cubes.div_ceil(rows) as u32, rows as u32, 1)
    }

    /// A tensor whose contents are undefined.
    pub(super) fn allocate(
        &self,
        shape: &[usize],
        element: Element,
    ) -> Result<GpuTensor, ComputeError> {
        let bytes = element_count(shape)? * element.size();
        self.tensor(bytes, shape, element, |room| self.client.empty(room))
    }

    /// A tensor of `bytes` in a buffer that `make` makes with at least as much room.
    fn tensor(
        &self,
        bytes: usize,
        shape: &[usize],
        element: Element,
        make: impl FnOnce(usize) -> Handle,
    ) -> Result<GpuTensor, ComputeError> {
        // Kernels index whole words, and a buffer of no bytes cannot be bound.
        let capacity = bytes.next_multiple_of(4).max(4);
        let what = || format!("a tensor of shape {shape:?}");
        let reserved = self.reserve(capacity as u64, what)?;
        self.counters.buffers.fetch_add(1, Ordering::Relaxed);
        Ok(GpuTensor {
            handle: make(capacity),
            shape: shape.to_vec(),
            element,
            capacity,
            _reserved: reserved,
        })
    }

    /// Takes `bytes` for one buffer.
    pub(super) fn reserve(
        &self,
        bytes: u64,
        what: impl Fn() -> String,
    ) -> Result<Arc<super::memory::Reserved>, ComputeError> {
        if bytes > self.buffer_limit {
            return Err(ComputeError::DeviceMemory {
                device: self.info.name.clone(),
                what: what(),
                needed: bytes,
                allowed: self.buffer_limit,
            });
        }
        self.budget
            .reserve(bytes)
            .map_err(|(needed, allowed)| ComputeError::DeviceMemoryLimit {
                device: self.info.name.clone(),
                what: what(),
                needed,
                allowed,
            })
    }

    /// A tensor of given bytes, which are its elements in the machine's byte order.
    pub(super) fn upload_bytes(
        &self,
        bytes: &[u8],
        shape: &[usize],
        element: Element,
    ) -> Result<GpuTensor, ComputeError> {
        assert_eq!(
            bytes.len(),
            element_count(shape)? * element.size(),
            "bytes of another shape"
        );
        let room = bytes.len().next_multiple_of(4);
        let mut padded = Vec::new();
        if bytes.len() < room {
            padded = with_capacity(room)?;
            padded.extend_from_slice(bytes);
        }
        self.tensor(bytes.len(), shape, element, |room| {
            if bytes.len() == room {
                return self.client.create_from_slice(bytes);
            }
            padded.resize(room, 0);
            self.client.create_from_slice(&padded)
        })
    }

    /// A tensor of f32, whatever the engine's precision.
    pub(super) fn upload_f32(
        &self,
        values: &[f32],
        shape: &[usize],
    ) -> Result<GpuTensor, ComputeError> {
        self.upload_bytes(bytemuck::cast_slice(values), shape, Element::F32)
    }

    /// A tensor of the engine's precision.
    pub(super) fn upload_rounded(
        &self,
        values: &[f32],
        shape: &[usize],
    ) -> Result<GpuTensor, ComputeError> {
        match self.element {
            Element::F32 => self.upload_f32(values, shape),
            Element::F16 => {
                let mut halves = with_capacity(values.len())?;
                halves.extend(values.iter().map(|&value| half::f16::from_f32(value)));
                self.upload_bytes(bytemuck::cast_slice(&halves), shape, Element::F16)
            }
            Element::BF16 => {
                let mut halves = with_capacity(values.len())?;
                halves.extend(values.iter().map(|&value| half::bf16::from_f32(value)));
                self.upload_bytes(bytemuck::cast_slice(&halves), shape, Element::BF16)
            }
        }
    }

    /// A tensor to work in within one operation; its contents are undefined. Launches run in their order, so the next
    /// operation may have the same memory.
    pub(super) fn scratch(
        &self,
        shape: &[usize],
        element: Element,
    ) -> Result<Scratch<'_>, ComputeError> {
        let bytes = element_count(shape)? * element.size();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = |tensor: &GpuTensor| {
            tensor.capacity >= bytes && tensor.capacity / 4 <= bytes.max(1 << 16)
        };
        let smallest = (0..spare.len()).filter(|&index| fitting(&spare[index]));
        let found = smallest.min_by_key(|&index| spare[index].capacity);
        let tensor = match found {
            Some(index) => {
                let mut tensor = spare.swap_remove(index);
                tensor.shape.clear();
                tensor.shape.extend_from_slice(shape);
                tensor.element = element;
                tensor
            }
            None => {
                drop(spare);
                self.allocate(shape, element)?
            }
        };
        Ok(Scratch {
            tensor: Some(tensor),
            engine: self,
        })
    }

    /// The error for what the driver, or a launch, reported.
    pub(super) fn refused(&self, reason: &str) -> ComputeError {
        ComputeError::Device {
            device: self.info.name.clone(),
            reason: one_line(reason),
        }
    }

    /// Waits for everything that was launched, and copies a tensor's values to the host. Values that no network gives,
    /// which are not finite or all zero, are an error, since they are what a broken driver leaves.
    pub(super) fn read(&self, tensor: &GpuTensor) -> Result<Vec<f32>, ComputeError> {
        let values = self.read_raw(tensor)?;
        let wrong = |what: String| ComputeError::WrongResult {
            device: self.info.name.clone(),
            what,
        };
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(wrong(format!("{} at index {index}", values[index])));
        }
        if !values.is_empty() && values.iter().all(|&value| value == 0.0) {
            return Err(wrong("nothing but zeros".to_owned()));
        }
        Ok(values)
    }

    /// [`GpuEngine::read`] without checking the values.
    pub(super) fn read_raw(&self, tensor: &GpuTensor) -> Result<Vec<f32>, ComputeError> {
        let bytes = self.client.read_one(tensor.handle.clone());
        let bytes = bytes.map_err(|error| self.refused(&error.to_string()))?;
        self.counters
            .downloaded
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let count = tensor.len();
        let mut values = with_capacity(count)?;
        match tensor.element {
            Element::F32 => {
                let words = bytes.as_chunks::<4>().0.iter().take(count);
                values.extend(words.map(|&bytes| f32::from_ne_bytes(bytes)));
            }
            Element::F16 => {
                let halves = bytes.as_chunks::<2>().0.iter().take(count);
                values.extend(halves.map(|&bytes| half::f16::from_ne_bytes(bytes).to_f32()));
            }
            Element::BF16 => {
                let halves = bytes.as_chunks::<2>().0.iter().take(count);
                values.extend(halves.map(|&bytes| half::bf16::from_ne_bytes(bytes).to_f32()));
            }
        }
        Ok(values)
    }
}

/// A tensor on loan from the engine's spare ones.
pub(super) struct Scratch<'a> {
    tensor: Option<GpuTensor>,
    engine: &'a GpuEngine,
}

impl std::ops::Deref for Scratch<'_> {
    type Target = GpuTensor;

    fn deref(&self) -> &GpuTensor {
        self.tensor.as_ref().expect("a tensor until it is dropped")
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        let mut spare = self
            .engine
            .spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        spare.extend(self.tensor.take());
        if spare.len() > SPARE_TENSORS {
            spare.remove(0);
        }
    }
}

/// The part of a driver's message that fits one line: what comes before a backtrace.
pub(super) fn one_line(message: &str) -> String {
    let message = message.split("Backtrace:").next().unwrap_or_default();
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl std::fmt::Debug for GpuEngine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("GpuEngine")
            .field("device", &self.info)
            .field("element", &self.element)
            .finish_non_exhaustive()
    }
}
