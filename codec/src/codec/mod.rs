//! The codec as its users see it: a model, opened once, that encodes pictures and decodes files.

mod batch;
mod builder;
mod decode;
mod device;
mod encode;
mod engine;
mod limits;
mod options;
mod refine;

use std::path::Path;
use std::sync::Arc;

pub use builder::CodecBuilder;
pub(crate) use decode::no_tokens;
pub use device::{Device, EngineInfo, ParseDeviceError};
use engine::Engine;
use flextok_compute::Threads;
pub use flextok_compute::{ParsePrecisionError, Precision};
use flextok_container::Fingerprint;
pub use limits::Limits;
pub use options::{Budget, CancelToken, DecodeOptions, EncodeOptions, Progress};
pub(crate) use refine::check_time;
pub use refine::{Latents, WarmStart};

use crate::Size;
use crate::config::ModelConfig;
use crate::error::{Error, LimitKind, OptionName};
use crate::weights::Weights;

/// A model on an engine, ready to encode and decode. It can be shared between threads.
///
/// Opening is cheap: the weights of the encoder and of the decoder are prepared when they are first used, and a program
/// that only encodes never touches the decoder's.
pub struct Codec {
    weights: Arc<Weights>,
    threads: Threads,
    engine: Box<dyn Engine>,
    engine_info: EngineInfo,
    limits: Limits,
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
    /// # #[cfg(feature = "embedded-model")] {
    /// use flextok::{Codec, ErrorKind};
    ///
    /// let refused = Codec::from_bytes(b"no model".to_vec()).unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::Model);
    /// # }
    /// ```
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        Self::builder().from_bytes(bytes)
    }

    /// A codec with other settings than the defaults.
    #[must_use]
    pub fn builder() -> CodecBuilder {
        CodecBuilder::default()
    }

    /// The model's config.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        self.weights.config()
    }

    /// The model's weights as stored: names, shapes, numbers of parameters.
    #[must_use]
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// What files of this model name it by.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.weights.fingerprint())
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

    /// Checks a canvas against the model and the limits.
    fn check_canvas(&self, canvas: Option<Size>) -> Result<Size, Error> {
        let canvas = canvas.unwrap_or(self.config().canvas);
        self.config()
            .check_canvas(canvas)
            .map_err(|error| OptionName::Canvas.refuse(canvas, error))?;
        limit(
            LimitKind::CanvasPixels,
            canvas.area(),
            self.limits.canvas_pixels,
        )?;
        Ok(canvas)
    }
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Codec")
            .field("model", &self.config().name)
            .field("fingerprint", &self.fingerprint())
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
