//! Which canvases a model can work on, and how many latents and patches they have.

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

/// The grids of a canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PatchGrid {
    /// Latents.
    pub latents: Size,
    /// Patches that the encoder sees.
    pub encoder: Size,
    /// Patches that the decoder sees.
    pub decoder: Size,
}

impl ModelConfig {
    /// Number of different tokens: the product of the FSQ levels, at most 65 536.
    #[must_use]
    pub fn codebook_size(&self) -> u32 {
        self.fsq_levels
            .iter()
            .fold(1, |product: u32, &levels| product.saturating_mul(levels))
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

    /// The grids of a canvas, whose size is in pixels.
    ///
    /// # Errors
    /// [`CanvasError`] if a side is no multiple of [`Self::canvas_multiple`] or larger than [`Self::max_canvas`].
    pub fn patch_grid(&self, canvas: Size) -> Result<PatchGrid, CanvasError> {
        let Size { width, height } = canvas;
        let multiple = self.canvas_multiple();
        let (max_width, max_height) = self.max_canvas().into();
        let fits = |side: u32| side > 0 && side.checked_rem(multiple) == Some(0);
        if !fits(width) || !fits(height) {
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
        let grid = |patch: usize| {
            let pixels = to_u32(patch.saturating_mul(self.vae.factor()));
            let count = |side: u32| side.checked_div(pixels).unwrap_or(0);
            Size::new(count(width), count(height))
        };
        Ok(PatchGrid {
            latents: grid(1),
            encoder: grid(self.encoder.patch_size),
            decoder: grid(self.decoder.patch_size),
        })
    }

    /// Checks that the model can work on a canvas, whose size is in pixels.
    ///
    /// # Errors
    /// Those of [`Self::patch_grid`].
    pub fn check_canvas(&self, canvas: Size) -> Result<(), CanvasError> {
        self.patch_grid(canvas).map(|_| ())
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
