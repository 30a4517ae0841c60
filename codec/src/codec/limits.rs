//! All bounds on what a codec accepts, checked before it allocates or computes.

use super::limit;
use crate::error::{Error, LimitKind};
use crate::weights::HeaderLimits;

/// Bounds on untrusted input. The defaults suit photographs; raise what your own data needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Most pixels of a picture that is encoded, or that a file declares (default 2²⁷).
    pub pixels: u64,
    /// Longest side of a picture in pixels (default 2²⁰, the format's own limit).
    pub side: u32,
    /// Most bytes of an image file (default 512 MiB).
    pub image_bytes: u64,
    /// Most memory in bytes that loading an image file may take at its peak: the file, the pixels, and what they are
    /// decoded and converted in (default 1 GiB). Resizing it to the canvas takes some tens of MiB more.
    pub image_memory: u64,
    /// Most pixels of a canvas (default 2²¹); attention grows with its square.
    pub canvas_pixels: u64,
    /// Most memory in bytes that the learned decoder of a coded payload takes for its work (default 256 MiB). Of a canvas that
    /// needs more it makes tiles; the picture is the same, byte for byte on the CPU.
    pub tile_memory: u64,
    /// Most Euler steps (default 1000).
    pub steps: u32,
    /// Bounds on token files.
    pub container: flextok_container::Limits,
    /// Bounds on the header of a weights file.
    pub weights: HeaderLimits,
    /// Most bytes of a weights file that is read rather than mapped (default 64 GiB).
    pub weights_bytes: u64,
    /// Most bytes of a GPU's memory for weights and tensors (default: no limit but the device's own).
    pub device_memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pixels: 1 << 27,
            side: 1 << 20,
            image_bytes: 512 << 20,
            image_memory: 1 << 30,
            canvas_pixels: 1 << 21,
            tile_memory: 256 << 20,
            steps: 1000,
            container: flextok_container::Limits::default(),
            weights: HeaderLimits::default(),
            weights_bytes: 64 << 30,
            device_memory: u64::MAX,
        }
    }
}

impl Limits {
    /// Checks the size of a picture in pixels, which may be larger than any that can be made.
    ///
    /// # Errors
    /// [`Error::Limit`] for a side or an area beyond these limits.
    pub fn check_size(&self, width: u64, height: u64) -> Result<(), Error> {
        limit(LimitKind::Side, width.max(height), self.side.into())?;
        limit(LimitKind::Pixels, width.saturating_mul(height), self.pixels)
    }

    /// The part of the limits that concerns image files.
    #[cfg(feature = "files")]
    #[must_use]
    pub fn load_options(&self) -> crate::picture::LoadOptions {
        crate::picture::LoadOptions {
            max_bytes: self.image_bytes,
            max_pixels: self.pixels,
            max_side: self.side,
            max_memory: self.image_memory,
            ..Default::default()
        }
    }
}
