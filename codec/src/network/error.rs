//! Errors of preparing or running a network.

use flextok_compute::ComputeError;

use crate::weights::WeightsError;

/// Why a network could not be prepared or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A tensor is missing, has the wrong shape, or holds values that are not finite.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The engine failed.
    #[error(transparent)]
    Compute(#[from] ComputeError),
    /// The patches have more rows or columns than a position table.
    #[error(
        "{rows}×{columns} patches are beyond the model's position table of {}; choose a smaller canvas",
        table.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
    )]
    PositionTable {
        /// Rows of patches.
        rows: usize,
        /// Columns of patches.
        columns: usize,
        /// Sizes of the table.
        table: Vec<usize>,
    },
    /// A layer of the VAE is missing, whose sizes are read from its tensor.
    #[error("tensor {tensor:?} is missing, or has no outputs")]
    MissingLayer {
        /// The tensor.
        tensor: String,
    },
    /// A norm's channels cannot be divided into its groups.
    #[error("{layer} has {channels} channels; expected a multiple of {groups}")]
    Groups {
        /// Name of the norm.
        layer: String,
        /// Its channels.
        channels: usize,
        /// Groups of every such norm.
        groups: usize,
    },
    /// The VAE does not change the resolution as often as the size of its latents requires.
    #[error("the VAE's {part} changes the resolution {found} times; expected {expected} times")]
    Resolution {
        /// `encoder` or `decoder`.
        part: &'static str,
        /// Number of changes in the tensors.
        found: usize,
        /// Number of changes that are needed.
        expected: usize,
    },
    /// A tensor of a transformer that the config does not describe: ignoring it would compute another network.
    #[error(
        "tensor {tensor:?} is not part of the transformer of {depth} blocks that the config describes"
    )]
    UnexpectedTensor {
        /// The tensor.
        tensor: String,
        /// Number of blocks in the config.
        depth: usize,
    },
    /// More tokens than the model has registers.
    #[error("{actual} tokens; the model has registers for {allowed}")]
    Tokens {
        /// Number of tokens.
        actual: usize,
        /// Number of registers.
        allowed: usize,
    },
    /// A network's result is NaN or infinite, although its weights are not.
    #[error(
        "the {part} gives values that are not finite; its weights are damaged, or those of another network"
    )]
    NotFinite {
        /// The part of the model.
        part: &'static str,
    },
    /// The caller cancelled.
    #[error("cancelled after {done} of {total} steps")]
    Cancelled {
        /// Steps that were done.
        done: u32,
        /// Steps of the whole decode.
        total: u32,
    },
}
