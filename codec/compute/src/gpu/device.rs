//! The devices of this machine: which there are, what they can do, and a client for one of them.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use cubecl::client::Client;

use super::engine::one_line;
use crate::{ComputeError, Element, Precision};

/// What kind of hardware a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceKind {
    /// A graphics card of its own.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU that a virtual machine passes on.
    Virtual,
    /// A processor that acts as a GPU: correct, but slower than the CPU engine.
    Software,
    /// Something else.
    Other,
}

impl DeviceKind {
    /// The kind in one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Software => "software",
            Self::Other => "other",
        }
    }
}

/// The runtime that reaches a device, and the device's number there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Location {
    #[cfg(feature = "gpu")]
    Graphics {
        backend: cubecl::wgpu::WgpuBackend,
        kind: cubecl::wgpu::WgpuDeviceKind,
    },
    #[cfg(feature = "cuda")]
    Cuda(usize),
    #[cfg(feature = "rocm")]
    Rocm(usize),
    /// A build with the kernels only.
    #[cfg(not(any(feature = "gpu", feature = "cuda", feature = "rocm")))]
    #[allow(dead_code)]
    None,
}

/// A device and what it can do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// Its number in the list of [`devices`].
    pub index: usize,
    /// Its name, as the driver gives it.
    pub name: String,
    /// The interface that reaches it: `vulkan`, `metal`, `dx12`, `cuda` or `rocm`.
    pub backend: &'static str,
    /// Name and version of the driver, empty if unknown.
    pub driver: String,
    /// What kind of hardware it is.
    pub kind: DeviceKind,
    /// Largest part of memory that a kernel can see as one, in bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer in bytes.
    pub max_buffer_bytes: u64,
    /// Memory that the units of a cube share, in bytes.
    pub shared_memory_bytes: u64,
    /// Whether it computes in half precision.
    pub f16: bool,
    /// Whether it computes in bf16.
    pub bf16: bool,
    /// Whether units can exchange values without going through shared memory.
    pub subgroups: bool,
    location: Location,
}

impl DeviceInfo {
    /// Whether it is a GPU rather than a program that acts as one.
    #[must_use]
    pub fn is_hardware(&self) -> bool {
        self.kind != DeviceKind::Software
    }

    /// The element type that an engine of this precision computes in here.
    ///
    /// # Errors
    /// [`ComputeError::Device`] if the device cannot compute in it.
    pub fn element(&self, precision: Precision) -> Result<Element, ComputeError> {
        match precision {
            Precision::Auto if self.f16 => Ok(Element::F16),
            Precision::Auto | Precision::F32 => Ok(Element::F32),
            Precision::F16 if self.f16 => Ok(Element::F16),
            Precision::F16 => Err(ComputeError::Device {
                device: self.name.clone(),
                reason: "it does not compute in half precision; use f32".to_owned(),
            }),
            Precision::BF16 if self.bf16 => Ok(Element::BF16),
            Precision::BF16 => Err(ComputeError::Device {
                device: self.name.clone(),
                reason: "it does not compute in bf16; use auto, f16 or f32".to_owned(),
            }),
            Precision::Int8 => Err(ComputeError::Device {
                device: self.name.clone(),
                reason: "int8 is for the CPU; use that, or auto".to_owned(),
            }),
        }
    }
}

/// The interfaces that this build looks for devices on.
#[must_use]
pub fn backends() -> Vec<&'static str> {
    let mut names = Vec::new();
    if cfg!(feature = "cuda") {
        names.push("cuda");
    }
    if cfg!(feature = "rocm") {
        names.push("rocm");
    }
    #[cfg(feature = "gpu")]
    names.extend(graphics::BACKENDS.iter().map(|(name, _, _)| *name));
    names
}

/// All devices of this machine that this build can use, GPUs before software. No device is opened.
#[must_use]
pub fn devices() -> Vec<DeviceInfo> {
    configure();
    let mut found = Vec::new();
    #[cfg(feature = "cuda")]
    found.extend(native::cuda());
    #[cfg(feature = "rocm")]
    found.extend(native::rocm());
    #[cfg(feature = "gpu")]
    found.extend(graphics::adapters());
    found.sort_by_key(|device: &DeviceInfo| !device.is_hardware());
    for (index, device) in found.iter_mut().enumerate() {
        device.index = index;
    }
    found
}

/// Whether this machine can have a GPU at all, found out without asking a driver: a driver takes long to start, and some
/// talk on the error stream.
#[must_use]
pub fn may_have_hardware() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    // Drivers of all vendors make one of these for each GPU; the last is that of a Windows host.
    let folder = std::path::Path::new("/dev");
    let is_there = |name: &str| folder.join(name).exists();
    let renders = std::fs::read_dir(folder.join("dri"))
        .into_iter()
        .flatten()
        .flatten();
    let mut names = renders.map(|entry| entry.file_name());
    names.any(|name| name.to_string_lossy().starts_with("renderD"))
        || ["nvidiactl", "kfd", "dxg", "mali0", "kgsl-3d0"]
            .into_iter()
            .any(is_there)
}

/// Keeps the drivers of graphics interfaces from writing to the error stream, where they have a setting for it. Call it at
/// a program's start: it does nothing once there is a second thread.
pub fn quiet_drivers() {
    // Mesa's layer for choosing among GPUs looks for a display server, and complains where there is none.
    #[cfg(target_os = "linux")]
    if std::env::var_os("NODEVICE_SELECT").is_none() && threads() == Some(1) {
        // SAFETY: this is the process's only thread, so nothing reads the environment meanwhile.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var("NODEVICE_SELECT", "1");
        }
    }
}

/// Number of threads of this process.
#[cfg(target_os = "linux")]
fn threads() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}

/// Gives the runtime its own defaults, before it looks for a file of settings in the working directory and its parents,
/// or in the environment: those could make it write files or to the standard output, or choose kernels by timing.
fn configure() {
    use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
    // It fails where the program that uses this library has settings of its own, which then count.
    CubeClRuntimeConfig::try_set(CubeClRuntimeConfig::default());
}

/// A client for a device; the first call opens it, later calls share it.
pub(super) fn client(info: &DeviceInfo) -> Result<Client, ComputeError> {
    static CLIENTS: OnceLock<Mutex<HashMap<Location, Client>>> = OnceLock::new();
    let mut clients = CLIENTS
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = clients.get(&info.location) {
        return Ok(client.clone());
    }
    let client = open(&info.location).map_err(|reason| ComputeError::Device {
        device: info.name.clone(),
        reason: one_line(&reason),
    })?;
    clients.insert(info.location.clone(), client.clone());
    Ok(client)
}

fn open(location: &Location) -> Result<Client, String> {
    match location {
        #[cfg(feature = "gpu")]
        Location::Graphics { backend, kind } => graphics::open(*backend, kind.clone()),
        #[cfg(feature = "cuda")]
        Location::Cuda(index) => native::open(cubecl::Device::cuda(*index)),
        #[cfg(feature = "rocm")]
        Location::Rocm(index) => native::open(cubecl::Device::rocm(*index)),
        #[cfg(not(any(feature = "gpu", feature = "cuda", feature = "rocm")))]
        Location::None => Err("this build has no runtime for it".to_owned()),
    }
}

/// Devices that graphics interfaces reach.
#[cfg(feature = "gpu")]
mod graphics {
    use cubecl::client::Client;
    use cubecl::wgpu::wgpu::{self, Backend, DeviceType, Features};
    use cubecl::wgpu::{
        AutoGraphicsApi, RuntimeOptions, WgpuBackend, WgpuDevice, WgpuDeviceKind, try_init_setup,
    };

    use super::{DeviceInfo, DeviceKind, Location};

    /// The interfaces that are searched, best first. OpenGL is not among them: it reaches no device that these do not, and
    /// searching it makes drivers write to the error stream.
    pub(super) const BACKENDS: [(&str, Backend, WgpuBackend); 3] = [
        ("vulkan", Backend::Vulkan, WgpuBackend::Vulkan),
        ("metal", Backend::Metal, WgpuBackend::Metal),
        ("dx12", Backend::Dx12, WgpuBackend::Dx12),
    ];

    /// The adapters of all interfaces.
    pub(super) fn adapters() -> Vec<DeviceInfo> {
        let mut found = Vec::new();
        for (name, backend, pinned) in BACKENDS {
            let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
                backends: backend.into(),
                ..wgpu::InstanceDescriptor::new_without_display_handle()
            });
            let adapters = cubecl::future::block_on(instance.enumerate_adapters(backend.into()));
            // Each kind is counted on its own, in the order of enumeration.
            let mut counts = [0usize; 5];
            for adapter in adapters {
                let info = adapter.get_info();
                let (kind, slot, location): (_, _, fn(usize) -> WgpuDeviceKind) = match info
                    .device_type
                {
                    DeviceType::DiscreteGpu => {
                        (DeviceKind::Discrete, 0, WgpuDeviceKind::DiscreteGpu)
                    }
                    DeviceType::IntegratedGpu => {
                        (DeviceKind::Integrated, 1, WgpuDeviceKind::IntegratedGpu)
                    }
                    DeviceType::VirtualGpu => (DeviceKind::Virtual, 2, WgpuDeviceKind::VirtualGpu),
                    DeviceType::Cpu => (DeviceKind::Software, 3, |_| WgpuDeviceKind::Cpu),
                    DeviceType::Other => (DeviceKind::Other, 4, WgpuDeviceKind::Other),
                };
                let location = location(counts[slot]);
                counts[slot] += 1;
                // Software adapters have no number, so that only the first can be opened.
                if kind == DeviceKind::Software && counts[slot] > 1 {
                    continue;
                }
                let (limits, features) = (adapter.limits(), adapter.features());
                found.push(DeviceInfo {
                    index: 0,
                    name: info.name,
                    backend: name,
                    driver: [info.driver, info.driver_info].join(" ").trim().to_owned(),
                    kind,
                    max_binding_bytes: limits.max_storage_buffer_binding_size,
                    max_buffer_bytes: limits.max_buffer_size,
                    shared_memory_bytes: limits.max_compute_workgroup_storage_size.into(),
                    f16: features.contains(Features::SHADER_F16),
                    // The shading language has no such type.
                    bf16: false,
                    subgroups: features.contains(Features::SUBGROUP)
                        && kind != DeviceKind::Software,
                    location: Location::Graphics {
                        backend: pinned,
                        kind: location,
                    },
                });
            }
        }
        found
    }

    pub(super) fn open(backend: WgpuBackend, kind: WgpuDeviceKind) -> Result<Client, String> {
        let device = WgpuDevice::new(kind).on(backend);
        let options = RuntimeOptions::try_default().map_err(|error| error.to_string())?;
        try_init_setup::<AutoGraphicsApi>(&device, options).map_err(|error| error.to_string())?;
        Ok(cubecl::Device::Wgpu(device).client())
    }
}

/// Devices of the runtimes that vendors make for computing.
#[cfg(any(feature = "cuda", feature = "rocm"))]
mod native {
    use cubecl::client::Client;
    use cubecl::device::DeviceUnavailable;
    use cubecl::ir::features::Plane;
    use cubecl::prelude::Scalar;

    use super::{DeviceInfo, DeviceKind, Location};

    #[cfg(feature = "cuda")]
    pub(super) fn cuda() -> Vec<DeviceInfo> {
        (0..)
            .map_while(|index| info("cuda", cubecl::Device::cuda(index), Location::Cuda(index)))
            .collect()
    }

    #[cfg(feature = "rocm")]
    pub(super) fn rocm() -> Vec<DeviceInfo> {
        (0..)
            .map_while(|index| info("rocm", cubecl::Device::rocm(index), Location::Rocm(index)))
            .collect()
    }

    /// These runtimes report nothing about a device that has not been opened.
    fn info(
        backend: &'static str,
        device: Result<cubecl::Device, DeviceUnavailable>,
        location: Location,
    ) -> Option<DeviceInfo> {
        let client = device.ok()?.client();
        let properties = client.properties();
        Some(DeviceInfo {
            index: 0,
            name: properties.identity.name.clone(),
            backend,
            driver: String::new(),
            kind: DeviceKind::Discrete,
            max_binding_bytes: properties.memory.max_page_size,
            max_buffer_bytes: properties
                .memory
                .max_memory()
                .unwrap_or(properties.memory.max_page_size),
            shared_memory_bytes: properties.hardware.max_shared_memory_size as u64,
            f16: properties.supports_type(half::f16::elem_type_native()),
            bf16: properties.supports_type(half::bf16::elem_type_native()),
            subgroups: properties.features.plane.contains(Plane::Ops),
            location,
        })
    }

    pub(super) fn open(
        device: Result<cubecl::Device, DeviceUnavailable>,
    ) -> Result<Client, String> {
        Ok(device.map_err(|error| error.to_string())?.client())
    }
}
