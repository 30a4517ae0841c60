//! Where a codec computes: the requested device, the available ones, and the engine that is chosen.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use flextok_compute::{Backend, ComputeError, CpuEngine, Element, Precision, Threads};

use super::ids::{Engine, NetworkOn};
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
    /// Element type of weights and activations.
    pub precision: Element,
    /// Why [`Device::Auto`] fell back to this engine, if it did.
    pub fallback: Option<String>,
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

type Opened = (Box<dyn Engine>, EngineInfo);

impl Choice {
    /// The engine that was chosen, with the network of `weights` on it.
    pub(super) fn open(&self, weights: &Arc<Weights>) -> Result<Opened, Error> {
        match self.device {
            Device::Cpu => self.cpu(weights, None),
            Device::Auto => match self.automatic(weights) {
                Ok(opened) => Ok(opened),
                Err(reason) => self.cpu(weights, Some(reason)),
            },
            Device::Gpu | Device::GpuIndex(_) => self.named(weights),
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
                Err(OptionName::Precision.refuse("f16", "f32 or auto on the CPU"))
            }
            _ => Ok(EngineInfo {
                backend: "cpu",
                name: format!("{} threads", self.threads.count()),
                precision: Element::F32,
                fallback: None,
            }),
        }
    }

    fn cpu(&self, weights: &Arc<Weights>, fallback: Option<String>) -> Result<Opened, Error> {
        if self.precision == Precision::F16 {
            let allowed = match fallback {
                Some(reason) => format!("f32 or auto on the CPU, since {reason}"),
                None => "f32 or auto on the CPU".to_owned(),
            };
            return Err(OptionName::Precision.refuse("f16", allowed));
        }
        let backend = CpuEngine::on(self.threads.clone());
        let info = EngineInfo {
            backend: "cpu",
            name: format!("{} threads", backend.threads()),
            precision: backend.element(),
            fallback,
        };
        let network = NetworkOn::new(backend, Arc::clone(weights))?;
        Ok((Box::new(network), info))
    }

    /// The first GPU that works, or why there is none.
    #[cfg(feature = "cube")]
    fn automatic(&self, weights: &Arc<Weights>) -> Result<Opened, String> {
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
            match self.gpu(device, weights) {
                Ok(opened) => return Ok(opened),
                Err(error) => reason = reason.or(Some(error.to_string())),
            }
        }
        Err(reason.unwrap_or_else(none))
    }

    #[cfg(not(feature = "cube"))]
    fn automatic(&self, _weights: &Arc<Weights>) -> Result<Opened, String> {
        Err("this build has no GPU support".to_owned())
    }

    /// The device that was requested by name.
    #[cfg(feature = "cube")]
    fn named(&self, weights: &Arc<Weights>) -> Result<Opened, Error> {
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
        self.gpu(device, weights)
    }

    #[cfg(not(feature = "cube"))]
    fn named(&self, _weights: &Arc<Weights>) -> Result<Opened, Error> {
        Err(Error::Compute(ComputeError::NoDevice {
            wanted: self.device.to_string(),
            looked_for: "nothing".to_owned(),
            found: "a build without GPU support".to_owned(),
        }))
    }

    #[cfg(feature = "cube")]
    fn gpu(
        &self,
        device: &flextok_compute::gpu::DeviceInfo,
        weights: &Arc<Weights>,
    ) -> Result<Opened, Error> {
        use flextok_compute::gpu::{GpuEngine, GpuOptions};
        let mut options = GpuOptions::default();
        options.precision = self.precision;
        options.memory_limit = Some(self.device_memory);
        let element = device.element(self.precision)?.size() as u64;
        let needed = weights.parameters().total().saturating_mul(element);
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
            precision: backend.element(),
            fallback: None,
        };
        let network = NetworkOn::new(backend, Arc::clone(weights))?;
        Ok((Box::new(network), info))
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
