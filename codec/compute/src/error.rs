//! What can go wrong in an engine.

/// Why an engine could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComputeError {
    /// Memory for a tensor could not be had.
    #[error("out of memory: a tensor of shape {shape:?} was asked for")]
    OutOfMemory {
        /// Shape of the tensor.
        shape: Vec<usize>,
    },
    /// A weight does not have the rank or size that an operation needs.
    #[error("a weight of shape {found:?} stands where {expected} is needed")]
    WeightShape {
        /// Shape that was found.
        found: Vec<usize>,
        /// What the operation needs.
        expected: &'static str,
    },
    /// The thread pool could not be started.
    #[error("cannot start {threads} compute threads: {reason}")]
    Threads {
        /// Number of threads that was asked for.
        threads: usize,
        /// What the operating system said.
        reason: String,
    },
}
