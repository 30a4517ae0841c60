//! Which canvases a model can work on, and the shape of their latents.

use super::{ModelConfig, PositionConfig, PositionScaling};
use crate::Size;

/// Most patches along one side of a canvas, however large the position tables are.
const MAX_PATCHES_PER_SIDE: usize = 256;

/// Why a model cannot work on a canvas. The text is what the model allows, for messages that name the canvas themselves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CanvasError {
    /// A side is zero or not a multiple of what a patch covers.
    #[error("multiples of {multiple} up to {max_width}x{max_height}")]
    Multiple {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// What both sides have to be multiples of.
        multiple: u32,
        /// Largest width in pixels.
        max_width: u32,
        /// Largest height in pixels.
        max_height: u32,
    },
    /// A side is beyond the model's position tables or this program's limit.
    #[error("multiples of {multiple} up to {max_width}x{max_height}")]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// What both sides have to be multiples of.
        multiple: u32,
        /// Largest width in pixels.
        max_width: u32,
        /// Largest height in pixels.
        max_height: u32,
    },
}

impl ModelConfig {
    /// Number of different tokens, at most 65 536.
    #[must_use]
    pub fn codebook_size(&self) -> u32 {
        self.quantizer.codebook_size()
    }

    /// What both sides of a canvas have to be multiples of, in pixels.
    #[must_use]
    pub fn canvas_multiple(&self) -> u32 {
        // Encoder and decoder cut the same latents into patches of their own sizes, and both have to come out even.
        let patch = lcm(self.encoder.patch_size, self.decoder.patch_size);
        to_u32(patch.saturating_mul(self.vae.factor()))
    }

    /// The largest canvas in pixels.
    #[must_use]
    pub fn max_canvas(&self) -> Size {
        let side = |axis: usize| {
            let multiple = self.canvas_multiple();
            let encoder = table_side(&self.encoder.positions, axis, self.encoder.patch_size);
            let decoder = table_side(&self.decoder.patch_positions, axis, self.decoder.patch_size);
            let pixels = to_u32(encoder.min(decoder).saturating_mul(self.vae.factor()));
            pixels.saturating_sub(pixels.checked_rem(multiple).unwrap_or(0))
        };
        Size::new(side(1), side(0))
    }

    /// The shape `[C, H, W]` of the latents of a canvas, whose size is in pixels.
    ///
    /// # Errors
    /// [`CanvasError`] if a side is not a multiple of [`Self::canvas_multiple`] or is larger than [`Self::max_canvas`].
    pub fn latent_shape(&self, canvas: Size) -> Result<[usize; 3], CanvasError> {
        let Size { width, height } = canvas;
        let multiple = self.canvas_multiple();
        let (max_width, max_height) = self.max_canvas().into();
        let is_multiple = |side: u32| side > 0 && side.checked_rem(multiple) == Some(0);
        if !is_multiple(width) || !is_multiple(height) {
            return Err(CanvasError::Multiple {
                width,
                height,
                multiple,
                max_width,
                max_height,
            });
        }
        if width > max_width || height > max_height {
            return Err(CanvasError::TooLarge {
                width,
                height,
                multiple,
                max_width,
                max_height,
            });
        }
        let latents = |side: u32| (side as usize).checked_div(self.vae.factor()).unwrap_or(0);
        Ok([self.vae.latent_channels(), latents(height), latents(width)])
    }

    /// Checks that the model can work on a canvas, whose size is in pixels.
    ///
    /// # Errors
    /// Those of [`Self::latent_shape`].
    pub fn check_canvas(&self, canvas: Size) -> Result<(), CanvasError> {
        self.latent_shape(canvas).map(|_| ())
    }

    /// The canvas closest to `pixels` squared that the position tables allow.
    pub(super) fn canvas_near(&self, pixels: u32) -> Size {
        let multiple = self.canvas_multiple();
        let max = self.max_canvas();
        let side = |max: u32| {
            let side = pixels.min(max);
            side.saturating_sub(side.checked_rem(multiple).unwrap_or(0))
                .max(multiple)
        };
        Size::new(side(max.width), side(max.height))
    }
}

/// Latents along `axis` (0: rows, 1: columns) that a position table has room for.
fn table_side(positions: &PositionConfig, axis: usize, patch: usize) -> usize {
    let count = match positions.scaling {
        PositionScaling::Crop => positions.max_sizes.get(axis).copied().unwrap_or(0),
        PositionScaling::Interpolate => MAX_PATCHES_PER_SIDE,
    };
    count.min(MAX_PATCHES_PER_SIDE).saturating_mul(patch)
}

fn lcm(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while let Some(rest) = x.checked_rem(y) {
        (x, y) = (y, rest);
    }
    a.checked_div(x).unwrap_or(0).saturating_mul(b)
}

fn to_u32(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
