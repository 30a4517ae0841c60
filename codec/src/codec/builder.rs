//! How a codec is opened: which model, on how many threads, mapped or read, within which limits.

use std::path::Path;
use std::sync::Arc;

use flextok_compute::{Storage, Threads};

use super::coded::{CodedCodec, Learned};
use super::device::Choice;
#[cfg(any(feature = "networks", feature = "learned"))]
use super::present::Present;
use super::{Codec, Device, EngineInfo, Family, Limits, Precision};
#[cfg(not(feature = "networks"))]
use crate::config::ConfigError;
use crate::config::{CodedConfig, Config};
use crate::error::Error;
use crate::macros::setters;
use crate::weights::{OpenOptions, Weights, WeightsError};

/// Settings of a [`Codec`].
///
/// ```
/// # #[cfg(feature = "embedded-model")] {
/// use flextok::container::TablesName;
/// use flextok::{Codec, ModelName};
///
/// let codec = Codec::builder().with_threads(1).embedded()?;
/// assert_eq!(codec.name(), ModelName::Coded(TablesName::BUILTIN));
/// # }
/// # Ok::<(), flextok::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CodecBuilder {
    threads: usize,
    device: Device,
    precision: Precision,
    mmap: bool,
    learned_decoder: Option<Vec<u8>>,
    limits: Limits,
}

impl Default for CodecBuilder {
    fn default() -> Self {
        Self {
            threads: 0,
            device: Device::Cpu,
            precision: Precision::Auto,
            mmap: true,
            learned_decoder: None,
            limits: Limits::default(),
        }
    }
}

impl CodecBuilder {
    setters! {
        /// Number of threads for all work: the network on the CPU, resampling and metrics. 0, the default, takes one for each
        /// core. Results do not depend on it.
        with_threads(threads: usize);
        /// Where to compute (default: [`Device::Cpu`]). The other devices need a build with the feature `gpu`, `cuda`,
        /// `rocm` or `metal`.
        with_device(device: Device);
        /// Element type of the network (default: [`Precision::Auto`]).
        with_precision(precision: Precision);
        /// Whether weights files are mapped, which is the default, or read into memory. A mapped file must not be changed
        /// while the codec lives.
        with_mmap(mmap: bool);
        /// The learned decoder of a model whose own file has only the tables: the bytes of a safetensors file with the tensors
        /// `decoder.*` and the model's config. So a program can begin with the tables, which are small.
        with_learned_decoder(learned_decoder: Vec<u8>);
        /// Bounds on what the codec accepts.
        with_limits(limits: Limits);
    }

    /// The codec with the model that is embedded in the program: without the feature `learned`, its tables alone.
    ///
    /// # Errors
    /// As [`Codec::embedded`].
    #[cfg(feature = "embedded-model")]
    pub fn embedded(self) -> Result<Codec, Error> {
        #[cfg(feature = "learned")]
        let weights = Weights::from_static(flextok_models::BUILTIN)?;
        #[cfg(not(feature = "learned"))]
        let weights = Weights::from_static(flextok_models::TABLES)?;
        self.build(weights)
    }

    /// The codec with the model at `path`.
    ///
    /// # Errors
    /// As [`Codec::open`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<Codec, Error> {
        let options = OpenOptions {
            mmap: self.mmap,
            max_read_bytes: self.limits.weights_bytes,
            limits: self.limits.weights.clone(),
        };
        let weights = Weights::open(path, &options)?;
        self.build(weights)
    }

    /// The codec with the model whose safetensors file is `bytes`: for programs without a file system, such as a web page,
    /// and for models that come from elsewhere. The config has to be in the file's metadata.
    ///
    /// # Errors
    /// As [`Codec::from_bytes`].
    pub fn from_bytes(self, bytes: Vec<u8>) -> Result<Codec, Error> {
        let storage = Storage::from_vec(bytes);
        let weights = Weights::from_storage(storage, None, &self.limits.weights)?;
        self.build(weights)
    }

    fn build(mut self, weights: Weights) -> Result<Codec, Error> {
        let weights = Arc::new(weights);
        let threads = Threads::new(self.threads)?;
        let choice = Choice {
            device: self.device,
            precision: self.precision,
            threads: threads.clone(),
            device_memory: self.limits.device_memory,
        };
        let limits = self.limits.clone();
        let (family, engine_info) = match weights.config() {
            Config::Network(_) => network(&weights, &choice, limits)?,
            Config::Coded(config) => {
                let apart = self.learned_decoder.take();
                let apart = apart.map(|bytes| self.learned_weights(bytes, config));
                let apart = apart.transpose()?;
                let (learned, info) = learned(apart.as_ref().unwrap_or(&weights), &choice)?;
                let coded = CodedCodec::new(&weights, learned, threads.clone(), limits)?;
                (Family::Coded(coded), info)
            }
        };
        Ok(Codec {
            weights,
            family,
            threads,
            engine_info,
            limits: self.limits,
        })
    }

    /// The weights of a learned decoder that stand in a file of their own.
    fn learned_weights(&self, bytes: Vec<u8>, config: &CodedConfig) -> Result<Arc<Weights>, Error> {
        let storage = Storage::from_vec(bytes);
        let weights = Weights::from_storage(storage, None, &self.limits.weights)?;
        match weights.config() {
            Config::Coded(found) if found.decoder.is_some() && found.name == config.name => {
                Ok(Arc::new(weights))
            }
            found => Err(Error::Weights(WeightsError::OtherDecoder {
                found: found.name().map(str::to_owned),
                expected: config.name.clone(),
            })),
        }
    }
}

/// The family of FlexTok networks.
#[cfg(feature = "networks")]
fn network(
    weights: &Arc<Weights>,
    choice: &Choice,
    limits: Limits,
) -> Result<(Family, EngineInfo), Error> {
    let (engine, info) = choice.open(&super::device::FlexTok(weights))?;
    let threads = choice.threads.clone();
    let ids = super::ids::IdsCodec::new(Arc::clone(weights), engine, threads, limits)?;
    Ok((Family::Ids(Present::new(Box::new(ids), ())), info))
}

#[cfg(not(feature = "networks"))]
fn network(_: &Arc<Weights>, _: &Choice, _: Limits) -> Result<(Family, EngineInfo), Error> {
    Err(Error::Weights(ConfigError::NoNetworks.into()))
}

/// The learned decoder of a model that has one; without it decodes are plain.
#[cfg(feature = "learned")]
fn learned(
    weights: &Arc<Weights>,
    choice: &Choice,
) -> Result<(Option<Learned>, EngineInfo), Error> {
    let config = match weights.config() {
        Config::Coded(config) => config.decoder.as_ref(),
        Config::Network(_) => None,
    };
    let Some(config) = config else {
        return Ok((None, choice.without_network()?));
    };
    let (engine, info) = choice.open(&super::device::Learned(weights, config))?;
    Ok((Some(Present::new(engine, ())), info))
}

#[cfg(not(feature = "learned"))]
fn learned(_: &Arc<Weights>, choice: &Choice) -> Result<(Option<Learned>, EngineInfo), Error> {
    Ok((None, choice.without_network()?))
}
