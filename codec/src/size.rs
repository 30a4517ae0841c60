//! Width and height, by name: of pictures, canvases, latents and patches.

use std::fmt;

use serde::Serialize;

/// A width and a height: of a picture or a canvas in pixels; of a grid in latents, patches or canvases. Serialized as
/// `[width, height]`.
///
/// ```
/// use flextok::{Size, image};
///
/// let picture = image::RgbImage::new(320, 240);
/// let size = Size::from(picture.dimensions());
/// assert_eq!((size, size.area()), (Size::new(320, 240), 76_800));
/// assert_eq!(size.to_string(), "320x240");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "(u32, u32)")]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Size {
    /// `width` columns and `height` rows.
    #[must_use]
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Width times height.
    #[must_use]
    pub fn area(self) -> u64 {
        // Both factors have 32 bits.
        u64::from(self.width).saturating_mul(self.height.into())
    }
}

impl From<(u32, u32)> for Size {
    /// The dimensions as the `image` crate gives them.
    fn from((width, height): (u32, u32)) -> Self {
        Self { width, height }
    }
}

impl From<Size> for (u32, u32) {
    fn from(Size { width, height }: Size) -> Self {
        (width, height)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}x{}", self.width, self.height)
    }
}
