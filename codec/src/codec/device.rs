//! Where a codec computes: the requested device, the available ones, and the engine that is chosen.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use flextok_compute::{Backend, ComputeError, CpuEngine, Precision, Threads};

use super::coded::{LearnedEngine, LearnedOn};
use super::ids::{Engine, NetworkOn};
use crate::config::LearnedDecoderConfig;
use crate::error::{Error, OptionName};
use crate::weights::Weights;

/// Where to compute.
///
/// ```
/// use flextok::Device;
/// assert_eq!("gpu:1".parse(), Ok(Device::GpuIndex(1)));
/// assert_eq!(Device::default(), Device::Cpu);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Device {
    /// The CPU engine.
    #[default]
    Cpu,
    /// The first working GPU, never a software emulation; the CPU engine if there is none.
    Auto,
    /// The first device in the list, a GPU or a software emulation; an error if there is none.
    Gpu,
    /// The device with this number in the list; an error if there is none.
    GpuIndex(usize),
}

/// The text is not `auto`, `cpu`, `gpu` or `gpu:N`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a device; allowed: auto, cpu, gpu, gpu:N with N from the list of devices")]
pub struct ParseDeviceError(String);

impl FromStr for Device {
    type Err = ParseDeviceError;

    fn from_str(text: &str) -> Result<Self, ParseDeviceError> {
        let wrong = || ParseDeviceError(text.to_owned());
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu),
            _ => {
                let index = text.strip_prefix("gpu:").ok_or_else(wrong)?;
                let is_number = !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit());
                let index = index.parse().ok().filter(|_| is_number);
                Ok(Self::GpuIndex(index.ok_or_else(wrong)?))
            }
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => formatter.write_str("cpu"),
            Self::Auto => formatter.write_str("auto"),
            Self::Gpu => formatter.write_str("gpu"),
            Self::GpuIndex(index) => write!(formatter, "gpu:{index}"),
        }
    }
}

/// The engine of a codec.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineInfo {
    /// `cpu`, or the interface that reaches the device: `vulkan`, `metal`, `dx12`, `cuda` or `rocm`.
    pub backend: &'static str,
    /// Name of the device, or the number of threads.
    pub name: String,
    /// Element type of weights and activations when encoding; never [`Precision::Auto`].
    pub precision: Precision,
    /// Element type of weights and activations when decoding; never [`Precision::Auto`].
    pub decode_precision: Precision,
    /// Why [`Device::Auto`] fell back to this engine, if it did.
    pub fallback: Option<String>,
}

impl EngineInfo {
    /// The element types in words: `f32`, or `f32, bf16 to decode`, or of another [`Precision`].
    #[must_use]
    pub fn precisions(&self) -> String {
        match (self.precision, self.decode_precision) {
            (encode, decode) if encode == decode => encode.to_string(),
            (encode, decode) => format!("{encode}, {decode} to decode"),
        }
    }
}

/// The settings of an engine.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) device: Device,
    pub(super) precision: Precision,
    pub(super) threads: Threads,
    /// Most bytes of a device's memory; used by builds with GPU support only.
    #[cfg_attr(not(feature = "cube"), allow(dead_code))]
    pub(super) device_memory: u64,
}

/// What a network runs on.
pub(super) struct Engines<B> {
    /// The engine for encoding, and for decoding if there is no other for that.
    pub(super) encoding: B,
    /// One of another precision on the same device, whose tensors are the same.
    decoding: Option<B>,
}

impl<B> Engines<B> {
    /// One engine for both.
    fn one(engine: B) -> Self {
        Self {
            encoding: engine,
            decoding: None,
        }
    }

    /// The one for decoding.
    pub(super) fn decoding(&self) -> &B {
        self.decoding.as_ref().unwrap_or(&self.encoding)
    }
}

/// A network that can be put on any engine.
pub(super) trait Network {
    /// The network on some engine.
    type On;

    /// Puts it on this one.
    fn on<B: Backend + 'static>(&self, engines: Engines<B>) -> Result<Self::On, Error>;

    /// Whether it is products that a CPU engine has other element types for.
    fn has_products(&self) -> bool;

    /// Number of its parameters.
    #[cfg_attr(not(feature = "cube"), allow(dead_code))]
    fn parameters(&self) -> u64;

    /// Whether a GPU is worth its start where the caller leaves the choice to the program.
    fn gains_from_gpu(&self) -> bool;
}

/// A FlexTok network.
pub(super) struct FlexTok<'a>(pub(super) &'a Arc<Weights>);

impl Network for FlexTok<'_> {
    type On = Box<dyn Engine>;

    fn on<B: Backend + 'static>(&self, engines: Engines<B>) -> Result<Self::On, Error> {
        Ok(Box::new(NetworkOn::new(engines, Arc::clone(self.0))?))
    }

    fn has_products(&self) -> bool {
        true
    }

    fn parameters(&self) -> u64 {
        self.0.parameters().total()
    }

    fn gains_from_gpu(&self) -> bool {
        true
    }
}

/// The learned decoder of a coded payload.
pub(super) struct Learned<'a>(
    pub(super) &'a Arc<Weights>,
    pub(super) &'a LearnedDecoderConfig,
);

impl Network for Learned<'_> {
    type On = Box<dyn LearnedEngine>;

    fn on<B: Backend + 'static>(&self, engines: Engines<B>) -> Result<Self::On, Error> {
        let (weights, config) = (Arc::clone(self.0), self.1.clone());
        Ok(Box::new(LearnedOn::new(engines.encoding, weights, config)))
    }

    fn has_products(&self) -> bool {
        // Its work is convolutions, which in f32 need a quarter of the products (Winograd).
        false
    }

    fn parameters(&self) -> u64 {
        self.0.parameters().total()
    }

    fn gains_from_gpu(&self) -> bool {
        // A processor is done before a GPU has compiled its kernels.
        false
    }
}

/// A network on an engine, and which engine that is.
type Opened<N> = (<N as Network>::On, EngineInfo);

impl Choice {
    /// The network on the engine that was chosen.
    pub(super) fn open<N: Network>(&self, network: &N) -> Result<Opened<N>, Error> {
        match self.device {
            Device::Auto if network.gains_from_gpu() => match self.automatic(network) {
                Ok(opened) => Ok(opened),
                Err(reason) => self.cpu(network, Some(reason)),
            },
            Device::Cpu | Device::Auto => self.cpu(network, None),
            Device::Gpu | Device::GpuIndex(_) => self.named(network),
        }
    }

    /// What a model computes on that has no network for an engine to run.
    pub(super) fn without_network(&self) -> Result<EngineInfo, Error> {
        let allowed = "cpu or auto, since this model has no network for a GPU";
        match (self.device, self.precision) {
            (Device::Gpu | Device::GpuIndex(_), _) => {
                Err(OptionName::Device.refuse(self.device, allowed))
            }
            (_, Precision::F16) => {
                Err(OptionName::Precision.refuse("f16", "f32, bf16, int8 or auto on the CPU"))
            }
            _ => Ok(EngineInfo {
                backend: "cpu",
                name: format!("{} threads", self.threads.count()),
                precision: Precision::F32,
                decode_precision: Precision::F32,
                fallback: None,
            }),
        }
    }

    fn cpu<N: Network>(&self, network: &N, fallback: Option<String>) -> Result<Opened<N>, Error> {
        if self.precision == Precision::F16 {
            let allowed = match fallback {
                Some(reason) => format!("f32, bf16, int8 or auto on the CPU, since {reason}"),
                None => "f32, bf16, int8 or auto on the CPU".to_owned(),
            };
            return Err(OptionName::Precision.refuse("f16", allowed));
        }
        let single = || CpuEngine::on(self.threads.clone());
        let bf16 = || CpuEngine::with_bf16(self.threads.clone());
        let int8 = || CpuEngine::with_int8(self.threads.clone());
        let engines = match self.precision {
            _ if !network.has_products() => Engines::one(single()),
            Precision::BF16 => Engines::one(bf16()),
            Precision::Int8 => Engines {
                encoding: single(),
                decoding: Some(int8()),
            },
            // By rule, not by what the processor has: a file decodes to the same picture everywhere.
            Precision::Auto => Engines {
                encoding: single(),
                decoding: Some(bf16()),
            },
            _ => Engines::one(single()),
        };
        let info = EngineInfo {
            backend: "cpu",
            name: format!("{} threads", self.threads.count()),
            precision: engines.encoding.precision(),
            decode_precision: engines.decoding().precision(),
            fallback,
        };
        Ok((network.on(engines)?, info))
    }

    /// The first GPU that works, or why there is none.
    #[cfg(feature = "cube")]
    fn automatic<N: Network>(&self, network: &N) -> Result<Opened<N>, String> {
        use flextok_compute::gpu;
        let none = || {
            format!(
                "no GPU was found; looked for {}",
                gpu::backends().join(", ")
            )
        };
        if !gpu::may_have_hardware() {
            return Err(none());
        }
        let mut reason = None;
        for device in gpu::devices().iter().filter(|device| device.is_hardware()) {
            match self.gpu(device, network) {
                Ok(opened) => return Ok(opened),
                Err(error) => reason = reason.or(Some(error.to_string())),
            }
        }
        Err(reason.unwrap_or_else(none))
    }

    #[cfg(not(feature = "cube"))]
    fn automatic<N: Network>(&self, _network: &N) -> Result<Opened<N>, String> {
        Err("this build has no GPU support".to_owned())
    }

    /// The device that was requested by name.
    #[cfg(feature = "cube")]
    fn named<N: Network>(&self, network: &N) -> Result<Opened<N>, Error> {
        use flextok_compute::gpu;
        let devices = gpu::devices();
        let index = match self.device {
            Device::GpuIndex(index) => index,
            _ => 0,
        };
        let Some(device) = devices.get(index) else {
            let names: Vec<String> = devices
                .iter()
                .map(|device| format!("gpu:{} ({})", device.index, device.name))
                .collect();
            return Err(Error::Compute(ComputeError::NoDevice {
                wanted: self.device.to_string(),
                looked_for: gpu::backends().join(", "),
                found: match names.is_empty() {
                    true => "nothing".to_owned(),
                    false => names.join(", "),
                },
            }));
        };
        self.gpu(device, network)
    }

    #[cfg(not(feature = "cube"))]
    fn named<N: Network>(&self, _network: &N) -> Result<Opened<N>, Error> {
        Err(Error::Compute(ComputeError::NoDevice {
            wanted: self.device.to_string(),
            looked_for: "nothing".to_owned(),
            found: "a build without GPU support".to_owned(),
        }))
    }

    #[cfg(feature = "cube")]
    fn gpu<N: Network>(
        &self,
        device: &flextok_compute::gpu::DeviceInfo,
        network: &N,
    ) -> Result<Opened<N>, Error> {
        use flextok_compute::gpu::{GpuEngine, GpuOptions};
        let mut options = GpuOptions::default();
        options.precision = self.precision;
        options.memory_limit = Some(self.device_memory);
        let element = device.element(self.precision)?.size() as u64;
        let needed = network.parameters().saturating_mul(element);
        if needed > self.device_memory {
            return Err(Error::Compute(ComputeError::DeviceMemoryLimit {
                device: device.name.clone(),
                what: "the model's weights".to_owned(),
                needed,
                allowed: self.device_memory,
            }));
        }
        let backend = GpuEngine::open(device, &options)?;
        let info = EngineInfo {
            backend: device.backend,
            name: device.name.clone(),
            precision: backend.precision(),
            decode_precision: backend.precision(),
            fallback: None,
        };
        Ok((network.on(Engines::one(backend))?, info))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for device in [Device::Cpu, Device::Auto, Device::Gpu, Device::GpuIndex(12)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        for text in [
            "",
            "GPU",
            "gpu:",
            "gpu:-1",
            "gpu:+1",
            "gpu: 1",
            "gpu:99999999999999999999",
            "cuda",
        ] {
            let error = text.parse::<Device>().unwrap_err().to_string();
            assert!(error.contains("auto, cpu, gpu, gpu:N"), "{error}");
        }
    }
}
