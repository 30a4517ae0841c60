//! The codec as its users see it: a model, opened once, that encodes pictures and decodes files.
//!
//! There are two families of models. What one of them does alone is in `ids` and `coded`; here is the door to both.

mod builder;
mod coded;
mod decode;
mod device;
mod encode;
mod ids;
mod lazy;
mod limits;
mod look;
mod name;
mod options;
mod present;

use std::path::Path;
use std::sync::Arc;

pub use builder::CodecBuilder;
use coded::CodedCodec;
pub(crate) use decode::no_payload;
pub use device::{Device, EngineInfo, ParseDeviceError};
use flextok_compute::Threads;
pub use flextok_compute::{ParsePrecisionError, Precision};
use ids::IdsCodec;
pub(crate) use ids::check_time;
pub use ids::{Latents, Prepared, WarmStart};
pub use limits::Limits;
pub use look::{Look, ParseLookError};
pub use name::ModelName;
pub use options::{Budget, CancelToken, CanvasChoice, DecodeOptions, EncodeOptions, Progress};
use present::{HasLearned, HasNetworks, Present};

use crate::config::ModelConfig;
use crate::error::{Error, LimitKind};
use crate::weights::Weights;

/// A model on an engine, ready to encode and decode. It can be shared between threads.
///
/// Opening is cheap: the weights of the encoder and of the decoder are prepared when they are first used, and a program
/// that only encodes never touches the decoder's.
pub struct Codec {
    weights: Arc<Weights>,
    family: Family,
    threads: Threads,
    engine_info: EngineInfo,
    limits: Limits,
}

/// The two families, which differ in what their files hold.
enum Family {
    /// FlexTok networks: ids of a codebook.
    Ids(Present<IdsCodec, HasNetworks>),
    /// Fixed transforms: entropy-coded coefficients.
    Coded(CodedCodec),
}

impl Codec {
    /// The codec with the model that is embedded in the program.
    ///
    /// # Errors
    /// [`Error::Compute`] if the engine's threads cannot be started.
    #[cfg(feature = "embedded-model")]
    pub fn embedded() -> Result<Self, Error> {
        Self::builder().embedded()
    }

    /// The codec with the model in a `.safetensors` file, or in a directory with a `model.safetensors`.
    ///
    /// # Errors
    /// [`Error::Weights`] if the file cannot be opened or is refused, [`Error::Compute`] if the engine cannot start.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().open(path)
    }

    /// The codec with the model whose safetensors file, config included, is `bytes`.
    ///
    /// # Errors
    /// [`Error::Weights`] if the bytes are refused, [`Error::Compute`] if the engine cannot start.
    ///
    /// ```
    /// use flextok::{Codec, ErrorKind};
    ///
    /// let refused = Codec::from_bytes(b"no model".to_vec()).unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::Model);
    /// ```
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        Self::builder().from_bytes(bytes)
    }

    /// A codec with other settings than the defaults.
    #[must_use]
    pub fn builder() -> CodecBuilder {
        CodecBuilder::default()
    }

    /// What files of this model name it by.
    #[must_use]
    pub fn name(&self) -> ModelName {
        match &self.family {
            Family::Ids(ids) => ModelName::Ids(ids.fingerprint()),
            Family::Coded(coded) => ModelName::Coded(coded.name()),
        }
    }

    /// The config of a FlexTok network; `None` of a model with a coded payload.
    #[must_use]
    pub fn config(&self) -> Option<&ModelConfig> {
        match &self.family {
            Family::Ids(ids) => Some(ids.config()),
            Family::Coded(_) => None,
        }
    }

    /// The tables of a model with a coded payload, for [`encode_coefficients`](crate::tokens::encode_coefficients) and the
    /// like; `None` of a network.
    #[must_use]
    pub fn tables(&self) -> Option<&crate::tokens::Tables> {
        match &self.family {
            Family::Ids(_) => None,
            Family::Coded(coded) => Some(coded.tables()),
        }
    }

    /// Whether a learned decoder follows the tables of a model with a coded payload, so that it has looks other than
    /// [`Look::Plain`].
    #[must_use]
    pub fn has_learned_decoder(&self) -> bool {
        match &self.family {
            Family::Ids(_) => false,
            Family::Coded(coded) => coded.has_learned_decoder(),
        }
    }

    /// The look that a decode with these options has; plain for a network, which has none.
    #[must_use]
    pub fn look(&self, options: &DecodeOptions) -> Look {
        match &self.family {
            Family::Ids(_) => Look::Plain,
            Family::Coded(coded) => coded.look(options),
        }
    }

    /// The model's weights as stored: names, shapes, numbers of parameters.
    #[must_use]
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The engine that this codec computes on.
    #[must_use]
    pub fn engine(&self) -> &EngineInfo {
        &self.engine_info
    }

    /// The threads that this codec works on, for resampling and metrics of the caller's own.
    #[must_use]
    pub fn threads(&self) -> &Threads {
        &self.threads
    }

    /// The limits that this codec keeps to.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A file of as few bytes as reach a target, where the model's canvas depends on the bytes; `None` of a network.
    #[cfg(feature = "metrics")]
    pub(crate) fn encode_coded_to(
        &self,
        image: &image::DynamicImage,
        original: &image::RgbImage,
        target: crate::rate::Target,
        search: crate::rate::Search,
        options: &EncodeOptions,
        decode: &DecodeOptions,
    ) -> Option<Result<(flextok_container::TokenFile, crate::rate::Reached), Error>> {
        match &self.family {
            Family::Ids(_) => None,
            Family::Coded(coded) => Some(coded.check_options(decode).and_then(|()| {
                let decode = self.measured_decode(target.metric, decode);
                coded.encode_to(image, original, target, search, options, &decode)
            })),
        }
    }

    /// The canvas in pixels that options select of a model with token ids.
    #[cfg(feature = "metrics")]
    pub(crate) fn ids_canvas(&self, choice: CanvasChoice) -> Result<crate::Size, Error> {
        self.ids()?.canvas_of(choice)
    }

    /// The network of a model with token ids.
    fn ids(&self) -> Result<&IdsCodec, Error> {
        match &self.family {
            Family::Ids(ids) => Ok(ids),
            Family::Coded(_) => Err(Error::NoTokenIds { model: self.name() }),
        }
    }
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Codec")
            .field("model", &self.name())
            .field("engine", &self.engine_info)
            .finish_non_exhaustive()
    }
}

fn limit(limit: LimitKind, actual: u64, allowed: u64) -> Result<(), Error> {
    if actual > allowed {
        Err(Error::Limit {
            limit,
            actual,
            allowed,
        })
    } else {
        Ok(())
    }
}
