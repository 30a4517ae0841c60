//! The errors of the codec, and the groups that callers treat alike.

use std::sync::Arc;

use flextok_compute::ComputeError;
use flextok_container::Fingerprint;

use crate::network::NetworkError;
use crate::picture::{PictureError, PictureErrorKind};
use crate::weights::WeightsError;

/// What went wrong. [`Error::kind`] groups the cases by what a caller can do about them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The token file is damaged, or cannot be cut as asked.
    #[error(transparent)]
    Container(#[from] flextok_container::Error),
    /// The image could not be read or written.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The model could not be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The network could not be prepared or run.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The file was made by another model.
    #[error(
        "made with model {expected}, but the model here is {found}; give the model that made the file"
    )]
    WrongModel {
        /// The model that the file names.
        expected: Fingerprint,
        /// The model that was opened.
        found: Fingerprint,
    },
    /// The file's codebook is not the model's, although their fingerprints agree.
    #[error("tokens of a codebook of {found}, but the model has one of {expected}")]
    Codebook {
        /// Codebook size that the file gives.
        found: u32,
        /// Codebook size of the model.
        expected: u32,
    },
    /// The file has several canvases, which this version does not put together.
    #[error(
        "a grid of {columns}×{rows} canvases; this version decodes single canvases, use a newer one"
    )]
    Grid {
        /// Columns of the grid.
        columns: u32,
        /// Rows of the grid.
        rows: u32,
    },
    /// The file asks for a canvas that the model cannot work on.
    #[error(
        "the file's canvas {width}x{height} is not possible with this model; allowed: {reason}"
    )]
    FileCanvas {
        /// Width of the canvas in pixels.
        width: u32,
        /// Height of the canvas in pixels.
        height: u32,
        /// What the model allows.
        reason: String,
    },
    /// The file holds an id beyond the model's codebook, or more tokens than the model has registers.
    #[error(
        "the file's {what} {actual} is beyond the model's {allowed}; the file is damaged or forged"
    )]
    FileTokens {
        /// What is beyond.
        what: &'static str,
        /// The value in the file.
        actual: u64,
        /// The largest allowed.
        allowed: u64,
    },
    /// Not even one token of each canvas is there.
    #[error(
        "no token is there yet: {have} of {total} tokens; at least {needed} bytes of the file are needed"
    )]
    NoTokens {
        /// Tokens that are there.
        have: u64,
        /// Tokens of the whole file.
        total: u64,
        /// Bytes up to the end of the first layer of tokens.
        needed: u64,
    },
    /// An option has a value that the model or the codec does not allow.
    #[error("{option} {value} is not possible; allowed: {allowed}")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// An id beyond the codebook, or more ids than the model has registers.
    #[error("{what} {actual} is beyond the model's {allowed}")]
    Tokens {
        /// What is beyond.
        what: &'static str,
        /// The value given.
        actual: u64,
        /// The largest allowed.
        allowed: u64,
    },
    /// A limit of [`Limits`](crate::Limits) was exceeded.
    #[error("{what}: {actual}, the limit is {allowed}")]
    Limit {
        /// What was limited.
        what: &'static str,
        /// The value met.
        actual: u64,
        /// The limit.
        allowed: u64,
    },
    /// One of several inputs of a batch was refused; nothing was done with the others.
    #[error("input {index} of the batch, counted from 0: {error}")]
    InBatch {
        /// Where it stands in the batch, counted from 0.
        index: usize,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// No cut of a file is as good as was asked for.
    #[error(
        "{metric} {wanted} is not reached: the best of the cuts is that of {tokens} tokens with {reached:.3}; ask for less"
    )]
    TargetNotReached {
        /// Name of the metric.
        metric: &'static str,
        /// What was asked for.
        wanted: f64,
        /// The best that was reached.
        reached: f64,
        /// Tokens of the cut that reached it.
        tokens: u16,
    },
    /// Not even the smallest cuts of some files fit a common budget.
    #[error(
        "{bytes} bytes are too few for all files; allowed: {minimum} or more, which is one token of each"
    )]
    CannotShare {
        /// Number of files.
        files: usize,
        /// The budget in bytes.
        bytes: u64,
        /// The least possible budget.
        minimum: u64,
    },
    /// Pictures that cannot be compared.
    #[cfg(feature = "metrics")]
    #[error(transparent)]
    Compare(#[from] crate::metrics::CompareError),
    /// What a decode in the background came to, for everybody who asks.
    #[error(transparent)]
    Background(Arc<Error>),
    /// The thread that decodes in the background has panicked, in a progress callback if not by a defect.
    #[error("the decoding thread panicked; see to it that the progress callback does not")]
    Panicked,
}

/// Groups of [`Error`], one for each thing that a caller can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request itself is impossible: change it.
    Usage,
    /// The token file is not one, or damaged: get it again.
    Corrupt,
    /// The token file needs a newer version of this library.
    Unsupported,
    /// The model is missing, unusable, or not the one that made the file: give another.
    Model,
    /// A limit was exceeded: raise it if the input is trusted.
    Limit,
    /// The image cannot be read: give another.
    Image,
    /// The operating system refused.
    Io,
    /// The caller cancelled.
    Cancelled,
    /// Memory or threads could not be had.
    Resources,
    /// A GPU is missing, cannot hold the model, or fails: use another device or the CPU.
    Device,
}

impl ErrorKind {
    /// The group in lower case, one word: for programs in other languages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Corrupt => "corrupt",
            Self::Unsupported => "unsupported",
            Self::Model => "model",
            Self::Limit => "limit",
            Self::Image => "image",
            Self::Io => "io",
            Self::Cancelled => "cancelled",
            Self::Resources => "resources",
            Self::Device => "device",
        }
    }
}

impl Error {
    /// The group that this error belongs to.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Container(error) => container_kind(error),
            Self::Picture(error) => match error.kind() {
                PictureErrorKind::Unreadable => ErrorKind::Image,
                PictureErrorKind::Limit => ErrorKind::Limit,
                PictureErrorKind::Usage => ErrorKind::Usage,
                PictureErrorKind::Io | PictureErrorKind::Encode => ErrorKind::Io,
                PictureErrorKind::Resources => ErrorKind::Resources,
            },
            Self::Weights(_)
            | Self::WrongModel { .. }
            | Self::Codebook { .. }
            | Self::FileCanvas { .. } => ErrorKind::Model,
            Self::Network(NetworkError::Cancelled { .. }) => ErrorKind::Cancelled,
            Self::Network(NetworkError::Compute(ComputeError::WeightShape { .. })) => {
                ErrorKind::Model
            }
            Self::Network(NetworkError::Compute(
                ComputeError::NoDevice { .. }
                | ComputeError::Device { .. }
                | ComputeError::DeviceMemory { .. }
                | ComputeError::WrongResult { .. },
            )) => ErrorKind::Device,
            Self::Network(NetworkError::Compute(_)) => ErrorKind::Resources,
            Self::Network(NetworkError::PositionTable { .. } | NetworkError::Tokens { .. })
            | Self::Option { .. }
            | Self::TargetNotReached { .. }
            | Self::CannotShare { .. }
            | Self::Tokens { .. } => ErrorKind::Usage,
            Self::Network(_) => ErrorKind::Model,
            Self::Grid { .. } => ErrorKind::Unsupported,
            Self::NoTokens { .. } | Self::FileTokens { .. } => ErrorKind::Corrupt,
            Self::Limit { .. } => ErrorKind::Limit,
            Self::InBatch { error, .. } => error.kind(),
            Self::Background(error) => error.kind(),
            Self::Panicked => ErrorKind::Usage,
            #[cfg(feature = "metrics")]
            Self::Compare(crate::metrics::CompareError::OutOfMemory { .. }) => ErrorKind::Resources,
            #[cfg(feature = "metrics")]
            Self::Compare(_) => ErrorKind::Usage,
        }
    }
}

fn container_kind(error: &flextok_container::Error) -> ErrorKind {
    use flextok_container::Error as E;
    match error {
        E::Limit { .. } => ErrorKind::Limit,
        E::OutOfMemory { .. } => ErrorKind::Resources,
        E::UnsupportedVersion { .. } | E::UnsupportedFlags { .. } | E::UnsupportedChunk { .. } => {
            ErrorKind::Unsupported
        }
        E::CannotCut { .. }
        | E::CannotFit { .. }
        | E::InvalidHeader { .. }
        | E::InvalidId { .. }
        | E::InvalidTokenCount { .. }
        | E::InvalidMetadata { .. }
        | E::InvalidFingerprint { .. }
        | E::Incomplete { .. } => ErrorKind::Usage,
        _ => ErrorKind::Corrupt,
    }
}

#[cfg(test)]
mod tests {
    use flextok_container::{Error as E, TokenFile};

    use super::*;

    #[test]
    fn kinds_say_what_a_caller_can_do() {
        let network = |error| Error::Network(NetworkError::Compute(error));
        let text = String::new;
        for (error, kind) in [
            (
                network(ComputeError::WeightShape {
                    found: vec![2],
                    expected: "a matrix",
                }),
                ErrorKind::Model,
            ),
            (
                network(ComputeError::OutOfMemory { shape: vec![1] }),
                ErrorKind::Resources,
            ),
            (E::OutOfMemory { bytes: 1 }.into(), ErrorKind::Resources),
            (
                E::UnsupportedChunk { index: 0, kind: 9 }.into(),
                ErrorKind::Unsupported,
            ),
            (
                Error::Grid {
                    columns: 2,
                    rows: 1,
                },
                ErrorKind::Unsupported,
            ),
            (
                Error::FileCanvas {
                    width: 1,
                    height: 2,
                    reason: text(),
                },
                ErrorKind::Model,
            ),
            (
                Error::FileTokens {
                    what: "id",
                    actual: 9,
                    allowed: 8,
                },
                ErrorKind::Corrupt,
            ),
            (
                Error::InBatch {
                    index: 3,
                    error: Box::new(E::OutOfMemory { bytes: 1 }.into()),
                },
                ErrorKind::Resources,
            ),
        ] {
            assert_eq!(error.kind(), kind, "{error}");
        }
    }

    #[test]
    fn what_a_file_says_is_never_the_caller_s_fault() {
        let begin = [0x89, 0x46, 0x4C, 0x58];
        let kind = |bytes: &[u8]| TokenFile::parse(bytes).map_err(|e| Error::from(e).kind());
        for (version, flags) in [(0x20, 0), (0x00, 0), (0x10, 0x10)] {
            let bytes = [&begin[..], &[version, flags]].concat();
            assert_eq!(kind(&bytes), Err(ErrorKind::Unsupported));
        }
        // A codebook of one id, under a right checksum.
        let mut bytes = [&begin[..], &[0x10, 0, 1, 2, 3, 4, 0, 0, 0, 9, 0, 9, 0]].concat();
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        assert_eq!(kind(&bytes), Err(ErrorKind::Corrupt));
    }
}
