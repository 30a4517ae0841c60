//! What can go wrong in an engine.

/// Why an engine failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComputeError {
    /// Memory for a tensor could not be allocated.
    #[error("out of memory: cannot allocate a tensor of shape {shape:?}")]
    OutOfMemory {
        /// Shape of the tensor.
        shape: Vec<usize>,
    },
    /// A weight does not have the rank or size that an operation needs.
    #[error("a weight has shape {found:?}; expected {expected}")]
    WeightShape {
        /// Shape that was found.
        found: Vec<usize>,
        /// What the operation needs.
        expected: &'static str,
    },
    /// The thread pool could not be started.
    #[error("cannot start {threads} compute threads: {reason}")]
    Threads {
        /// The number of threads requested.
        threads: usize,
        /// What the operating system said.
        reason: String,
    },
    /// There is no such device.
    #[error("no {wanted}; looked for {looked_for}, found {found}")]
    NoDevice {
        /// The device requested.
        wanted: String,
        /// Where it was looked for.
        looked_for: String,
        /// What is there.
        found: String,
    },
    /// A device was there but could not be used.
    #[error("{device} cannot be used: {reason}")]
    Device {
        /// Name of the device.
        device: String,
        /// What its driver or the self-test said.
        reason: String,
    },
    /// A tensor is larger than the device allows.
    #[error("{device} cannot hold {what}: {needed} bytes are needed, {allowed} are allowed")]
    DeviceMemory {
        /// Name of the device.
        device: String,
        /// What was to be stored.
        what: String,
        /// Bytes needed in total.
        needed: u64,
        /// Bytes that the device allows.
        allowed: u64,
    },
    /// A model or its tensors need more of a device's memory than the caller's limit.
    #[error(
        "{device} cannot hold {what} within the limit: {needed} bytes of its memory are needed, {allowed} are allowed"
    )]
    DeviceMemoryLimit {
        /// Name of the device.
        device: String,
        /// What was to be stored.
        what: String,
        /// Bytes needed in total.
        needed: u64,
        /// The caller's limit in bytes.
        allowed: u64,
    },
    /// A computation on a device gave values that no computation of a network gives.
    #[error(
        "{device} returned {what}; try f32 if it computed in f16, else another device: its driver may be broken"
    )]
    WrongResult {
        /// Name of the device.
        device: String,
        /// What was wrong with the values.
        what: String,
    },
}

impl ComputeError {
    /// [`ComputeError::Threads`] for `threads` requested threads; 0 means one for each core.
    #[must_use]
    pub fn threads(threads: usize, reason: &impl ToString) -> Self {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        Self::Threads {
            threads,
            reason: reason.to_string(),
        }
    }
}
