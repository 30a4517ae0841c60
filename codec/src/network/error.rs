//! What can go wrong while a network is prepared or run.

use flextok_compute::ComputeError;

use crate::weights::WeightsError;

/// Why a network could not be prepared or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A tensor is missing, has another shape, or holds what no weight may hold.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The engine could not do what was asked.
    #[error(transparent)]
    Compute(#[from] ComputeError),
    /// A grid of patches is larger than a position table.
    #[error(
        "a grid of {rows}×{columns} patches is beyond the model's position table of {}; choose a smaller canvas",
        table.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
    )]
    Grid {
        /// Rows of patches.
        rows: usize,
        /// Columns of patches.
        columns: usize,
        /// Sizes of the table.
        table: Vec<usize>,
    },
    /// A layer of the VAE, whose sizes the tensors tell, is not there.
    #[error("tensor {tensor:?} is missing, or has no outputs")]
    MissingLayer {
        /// The tensor.
        tensor: String,
    },
    /// A norm's channels cannot be shared out to its groups.
    #[error("{layer} has {channels} channels; a multiple of {groups} is needed")]
    Groups {
        /// Name of the norm.
        layer: String,
        /// Its channels.
        channels: usize,
        /// Groups of every such norm.
        groups: usize,
    },
    /// The VAE halves or doubles the resolution another number of times than the latents' size needs.
    #[error("the VAE's {part} changes the resolution {found} times; {expected} times are needed")]
    Resolution {
        /// `encoder` or `decoder`.
        part: &'static str,
        /// Number of changes in the tensors.
        found: usize,
        /// Number of changes that are needed.
        expected: usize,
    },
    /// A tensor among the transformer's that the config gives no place: ignoring it would compute another network.
    #[error(
        "tensor {tensor:?} has no place in a transformer of {depth} blocks as the config describes it"
    )]
    Unplaced {
        /// The tensor.
        tensor: String,
        /// Number of blocks that the config asks for.
        depth: usize,
    },
    /// More tokens than the model has registers.
    #[error("{actual} tokens; the model has registers for {allowed}")]
    Tokens {
        /// Number of tokens asked for.
        actual: usize,
        /// Number of registers.
        allowed: usize,
    },
    /// The caller asked to stop.
    #[error("cancelled after {done} of {total} steps")]
    Cancelled {
        /// Steps that were done.
        done: u32,
        /// Steps that were asked for.
        total: u32,
    },
}
