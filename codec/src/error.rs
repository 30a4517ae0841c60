//! The errors of the codec, and the groups that callers treat alike.

use std::sync::Arc;

use flextok_compute::{ComputeError, StorageError};

use crate::ModelName;
use crate::macros::named;
#[cfg(feature = "metrics")]
use crate::metrics::{CompareError, Metric};
use crate::network::NetworkError;
use crate::picture::{PictureError, PictureErrorKind};
use crate::weights::WeightsError;

/// What went wrong. [`Error::kind`] groups the cases by what a caller can do about them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The token file is damaged, or cannot be cut as requested.
    #[error(transparent)]
    Container(#[from] flextok_container::Error),
    /// The image could not be read or written.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The model could not be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The weights do not match the network that the config describes, or a request exceeds the network's limits.
    /// [`NetworkError::Weights`], [`NetworkError::Compute`] and [`NetworkError::Cancelled`] become [`Error::Weights`],
    /// [`Error::Compute`] and [`Error::Cancelled`], so that each fault has one variant.
    #[error(transparent)]
    Network(NetworkError),
    /// The coefficients or the grid of a coded payload were refused.
    #[error(transparent)]
    Coefficients(#[from] flextok_tokens::Error),
    /// The memory for a plain picture was not there.
    #[error(transparent)]
    Plain(flextok_plain::Error),
    /// The engine could not start, or failed.
    #[error(transparent)]
    Compute(#[from] ComputeError),
    /// The caller cancelled.
    #[error("cancelled after {done} of {total} steps")]
    Cancelled {
        /// Steps completed.
        done: u32,
        /// Steps requested.
        total: u32,
    },
    /// The file was made by another model.
    #[error(
        "made with model {expected}, but the opened model is {found}; use the model that made the file{}",
        expected.hint()
    )]
    WrongModel {
        /// The model that the file names.
        expected: ModelName,
        /// The model that was opened.
        found: ModelName,
    },
    /// Token ids were requested of a model whose payload is coded.
    #[error("model {model} has no token ids; open a FlexTok model for them")]
    NoTokenIds {
        /// The model.
        model: ModelName,
    },
    /// The file's codebook is not the model's, although their fingerprints agree.
    #[error("the file's codebook has {found} ids, but the model's has {expected}")]
    Codebook {
        /// Codebook size that the file gives.
        found: u32,
        /// Codebook size of the model.
        expected: u32,
    },
    /// The file has several canvases, which this version cannot assemble.
    #[error(
        "a grid of {columns}×{rows} canvases; this version decodes only single canvases; use a newer one"
    )]
    Grid {
        /// Columns of the grid.
        columns: u32,
        /// Rows of the grid.
        rows: u32,
    },
    /// The file requires a canvas that the model does not support.
    #[error("the model does not support the file's canvas {width}x{height}; allowed: {reason}")]
    FileCanvas {
        /// Width of the canvas in pixels.
        width: u32,
        /// Height of the canvas in pixels.
        height: u32,
        /// What the model allows.
        reason: String,
    },
    /// The file holds an id outside the model's codebook, or more tokens than the model has registers.
    #[error(
        "the file's {what} {actual} exceeds the model's maximum of {allowed}; the file is damaged or forged"
    )]
    FileTokens {
        /// Which bound is exceeded.
        what: TokenBound,
        /// The value in the file.
        actual: u64,
        /// The largest allowed.
        allowed: u64,
    },
    /// The file ends before the first byte of a coded payload, or before the first token of each canvas.
    #[error(
        "not enough payload to decode: {have} of {total} bytes; at least {needed} bytes of the file are needed"
    )]
    NoPayload {
        /// Bytes of payload present.
        have: u64,
        /// Bytes of payload of the whole file.
        total: u64,
        /// Bytes of the file up to the end of the first byte or layer of tokens.
        needed: u64,
    },
    /// An option has a value that the model or the codec does not allow.
    #[error("{option} {value} is not supported; allowed: {allowed}")]
    Option {
        /// The option.
        option: OptionName,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// An option that only models of another kind have a use for.
    #[error("the option {option} is for {models}; leave it out")]
    OptionOfOthers {
        /// The option.
        option: OptionName,
        /// The models that have it.
        models: &'static str,
    },
    /// An id outside the codebook, or more ids than the model has registers.
    #[error("{what} {actual} exceeds the model's maximum of {allowed}")]
    Tokens {
        /// Which bound is exceeded.
        what: TokenBound,
        /// The value given.
        actual: u64,
        /// The largest allowed.
        allowed: u64,
    },
    /// A limit of [`Limits`](crate::Limits) was exceeded.
    #[error("{limit}: {actual} exceeds the limit of {allowed}")]
    Limit {
        /// The limit.
        limit: LimitKind,
        /// The actual value.
        actual: u64,
        /// The most that is allowed.
        allowed: u64,
    },
    /// One of several inputs of a batch was refused; nothing was done with the others.
    #[error("input {index} of the batch, counted from 0: {error}")]
    InBatch {
        /// Its index in the batch, counted from 0.
        index: usize,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// No cut of a file reaches the requested quality.
    #[cfg(feature = "metrics")]
    #[error(
        "no cut reaches {} {wanted}: the best has {bytes} bytes and reaches {reached:.3}; lower the target",
        metric.label()
    )]
    TargetNotReached {
        /// The metric.
        metric: Metric,
        /// The requested quality.
        wanted: f64,
        /// The best that was reached.
        reached: f64,
        /// Bytes of payload of the cut that reached it.
        bytes: u64,
    },
    /// Even the smallest cuts of the files exceed their common budget.
    #[error(
        "a budget of {bytes} bytes is too small for all files; allowed: {minimum} or more, enough for the smallest cut of each"
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
    Compare(#[from] CompareError),
    /// Bytes were fed to a progressive decoder after its end.
    #[error("{bytes} bytes were fed after the end of the input; feed all bytes before ending it")]
    FedAfterEnd {
        /// Number of bytes.
        bytes: usize,
    },
    /// The error that ended the background decode, shared by all its callers.
    #[error(transparent)]
    Background(Arc<Error>),
    /// The background decoding thread panicked: in a progress callback, or through a bug.
    #[error("the decoding thread panicked; the progress callback must not panic")]
    Panicked,
}

impl From<NetworkError> for Error {
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::Weights(error) => Self::Weights(error),
            NetworkError::Compute(error) => Self::Compute(error),
            NetworkError::Cancelled { done, total } => Self::Cancelled { done, total },
            error => Self::Network(error),
        }
    }
}

named! {
    /// The limits of [`Limits`](crate::Limits), each of which is one field there. Not
    /// `#[non_exhaustive]`: programs that advise on limits must handle every one.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum LimitKind {
        /// [`Limits::pixels`](crate::Limits::pixels).
        Pixels => "picture pixels",
        /// [`Limits::side`](crate::Limits::side).
        Side => "picture side",
        /// [`Limits::image_bytes`](crate::Limits::image_bytes).
        ImageBytes => "image bytes",
        /// [`Limits::image_memory`](crate::Limits::image_memory).
        ImageMemory => "image memory",
        /// [`Limits::canvas_pixels`](crate::Limits::canvas_pixels).
        CanvasPixels => "canvas pixels",
        /// [`Limits::tile_memory`](crate::Limits::tile_memory), which is too little for the smallest tile.
        TileMemory => "tile memory",
        /// [`Limits::steps`](crate::Limits::steps).
        Steps => "steps",
        /// [`Limits::container`](crate::Limits::container), but for its bound on the payload.
        Container => "token file",
        /// The payload's bound in [`Limits::container`](crate::Limits::container).
        PayloadBytes => "payload bytes",
        /// [`Limits::weights_bytes`](crate::Limits::weights_bytes).
        WeightsBytes => "weights bytes",
        /// [`Limits::device_memory`](crate::Limits::device_memory).
        DeviceMemory => "device memory",
    }
}

named! {
    /// What [`Error::Option`] is about.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum OptionName {
        /// The canvas: its size, or the number of its values.
        Canvas => "canvas",
        /// The published centre crop.
        Crop => "crop",
        /// The size of a later cut.
        CutAt => "cut size",
        /// Where to compute.
        Device => "device",
        /// A search that tries every cut.
        EveryCut => "every cut",
        /// Guidance scale.
        Guidance => "guidance",
        /// The look of a coded payload.
        Look => "look",
        /// Starting noise.
        Noise => "noise",
        /// The picture to encode.
        Picture => "picture",
        /// Seed of the VAE's posterior.
        Posterior => "posterior seed",
        /// Element type of the engine.
        Precision => "precision",
        /// The cuts of one of several pictures that share a budget.
        Rungs => "rungs",
        /// Number of decodes from different noise.
        Samples => "samples",
        /// Seed of the starting noise.
        Seed => "seed",
        /// Sampling steps.
        Steps => "steps",
        /// The quality to reach.
        Target => "target quality",
        /// Number of tokens.
        Tokens => "tokens",
        /// Warm start of a decode from earlier latents.
        WarmStart => "warm start",
    }
}

impl OptionName {
    /// The error of an option that FlexTok models alone have a use for.
    pub(crate) fn of_networks(self) -> Error {
        Error::OptionOfOthers {
            option: self,
            models: "FlexTok models",
        }
    }

    /// The error of an option that models with a coded payload alone have a use for.
    pub(crate) fn of_coded(self) -> Error {
        Error::OptionOfOthers {
            option: self,
            models: "models with a coded payload, such as the embedded one",
        }
    }

    /// The error of an impossible `value` of the option.
    pub(crate) fn refuse(self, value: impl ToString, allowed: impl ToString) -> Error {
        Error::Option {
            option: self,
            value: value.to_string(),
            allowed: allowed.to_string(),
        }
    }
}

named! {
    /// The two bounds that a model puts on tokens.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum TokenBound {
        /// How many there are: at most the model's registers.
        Count => "number of tokens",
        /// A token's id: less than the codebook size.
        Id => "token id",
    }
}

named! {
    /// Groups of [`Error`], one for each thing that a caller can do. The names are single
    /// words in lower case, for programs in other languages.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum ErrorKind {
        /// The request itself is impossible: change it.
        Usage => "usage",
        /// The token file is not one, or damaged: get it again.
        Corrupt => "corrupt",
        /// The token file needs a newer version of this library.
        Unsupported => "unsupported",
        /// The model is missing, unusable, or not the one that made the file: give another.
        Model => "model",
        /// A limit was exceeded: raise it if the input is trusted.
        Limit => "limit",
        /// The image cannot be read: give another.
        Image => "image",
        /// The operating system refused.
        Io => "io",
        /// The caller cancelled.
        Cancelled => "cancelled",
        /// The system has no more memory or threads.
        Resources => "resources",
        /// A GPU is missing, cannot hold the model, or fails: use another device or the CPU.
        Device => "device",
    }
}

impl From<flextok_plain::Error> for Error {
    fn from(error: flextok_plain::Error) -> Self {
        match error {
            flextok_plain::Error::Container(error) => error.into(),
            flextok_plain::Error::Coefficients(error) => error.into(),
            other => Self::Plain(other),
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
            Self::Coefficients(flextok_tokens::Error::OutOfMemory { .. })
            | Self::Plain(flextok_plain::Error::OutOfMemory { .. }) => ErrorKind::Resources,
            Self::Weights(_)
            | Self::Coefficients(_)
            | Self::Plain(_)
            | Self::WrongModel { .. }
            | Self::Codebook { .. }
            | Self::FileCanvas { .. } => ErrorKind::Model,
            Self::Network(error) => match error {
                NetworkError::PositionTable { .. } | NetworkError::Tokens { .. } => {
                    ErrorKind::Usage
                }
                _ => ErrorKind::Model,
            },
            Self::Compute(error) => match error {
                ComputeError::WeightShape { .. } => ErrorKind::Model,
                ComputeError::NoDevice { .. }
                | ComputeError::Device { .. }
                | ComputeError::DeviceMemory { .. }
                | ComputeError::DeviceMemoryLimit { .. }
                | ComputeError::WrongResult { .. } => ErrorKind::Device,
                _ => ErrorKind::Resources,
            },
            Self::Cancelled { .. } => ErrorKind::Cancelled,
            Self::Option { .. }
            | Self::OptionOfOthers { .. }
            | Self::CannotShare { .. }
            | Self::Tokens { .. }
            | Self::NoTokenIds { .. }
            | Self::FedAfterEnd { .. }
            | Self::Panicked => ErrorKind::Usage,
            Self::Grid { .. } => ErrorKind::Unsupported,
            Self::NoPayload { .. } | Self::FileTokens { .. } => ErrorKind::Corrupt,
            Self::Limit { .. } => ErrorKind::Limit,
            Self::InBatch { error, .. } => error.kind(),
            Self::Background(error) => error.kind(),
            #[cfg(feature = "metrics")]
            Self::Compare(CompareError::OutOfMemory { .. }) => ErrorKind::Resources,
            #[cfg(feature = "metrics")]
            Self::Compare(CompareError::NotFinite { .. }) => ErrorKind::Model,
            #[cfg(feature = "metrics")]
            Self::Compare(_) | Self::TargetNotReached { .. } => ErrorKind::Usage,
        }
    }

    /// The field of [`Limits`](crate::Limits) to raise, where one was exceeded. Its kind need not be
    /// [`ErrorKind::Limit`]: that of device memory is [`ErrorKind::Device`].
    #[must_use]
    pub fn limit(&self) -> Option<LimitKind> {
        match self {
            Self::Limit { limit, .. } => Some(*limit),
            Self::Container(flextok_container::Error::Limit { limit, .. }) => Some(match limit {
                flextok_container::LimitKind::PayloadBytes => LimitKind::PayloadBytes,
                _ => LimitKind::Container,
            }),
            Self::Picture(error) => error.limit(),
            Self::Weights(WeightsError::Storage {
                source: StorageError::TooLarge { .. },
                ..
            }) => Some(LimitKind::WeightsBytes),
            Self::Compute(ComputeError::DeviceMemoryLimit { .. }) => Some(LimitKind::DeviceMemory),
            Self::InBatch { error, .. } => error.limit(),
            Self::Background(error) => error.limit(),
            _ => None,
        }
    }
}

fn container_kind(error: &flextok_container::Error) -> ErrorKind {
    use flextok_container::Error as E;
    match error {
        E::Limit { .. } => ErrorKind::Limit,
        E::OutOfMemory { .. } => ErrorKind::Resources,
        E::UnsupportedVersion { .. } | E::UnsupportedChunk { .. } => ErrorKind::Unsupported,
        E::CannotCut { .. }
        | E::CannotFit { .. }
        | E::BufferTooShort { .. }
        | E::InvalidHeader { .. }
        | E::InvalidId { .. }
        | E::InvalidTokenCount { .. }
        | E::InvalidPayloadLength { .. }
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
        let network = |error| Error::from(NetworkError::Compute(error));
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
                    what: TokenBound::Id,
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
        let kind = |bytes: &[u8]| TokenFile::parse(bytes).map_err(|e| Error::from(e).kind());
        let vector = |name: &str| {
            let vectors = concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../format-spec/vectors/invalid"
            );
            kind(&std::fs::read(format!("{vectors}/{name}.flxt")).expect("a vector"))
        };
        let unsupported = vector("unsupported-chunk-type-5");
        assert_eq!(unsupported, Err(ErrorKind::Unsupported));
        // An impossible width, under a right checksum.
        let invalid = vector("invalid-header-width-2-20");
        assert_eq!(invalid, Err(ErrorKind::Corrupt));
    }
}
