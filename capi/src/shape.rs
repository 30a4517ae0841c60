//! How pixels of callers lie in memory: rows of bytes with a stride, checked against the size that the caller names.

/// Why pixels are not a picture of the size that the caller names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("format {0}; allowed: FLEXTOK_FORMAT_RGB (3), FLEXTOK_FORMAT_RGBA (4)")]
    Format(u32),
    #[error("a stride of {stride} bytes; a row needs {row}, or 0 for no gaps")]
    Stride { stride: usize, row: usize },
    #[error("{width}x{height} pixels with a stride of {stride} are more than fit")]
    TooMany {
        width: usize,
        height: usize,
        stride: usize,
    },
    #[error(
        "{size} bytes of pixels; {width}x{height} pixels with a stride of {stride} need {needed}"
    )]
    TooFew {
        size: usize,
        width: usize,
        height: usize,
        stride: usize,
        needed: usize,
    },
}

/// How a pixel is stored, in sRGB.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Three bytes: red, green, blue.
    Rgb = 3,
    /// Four bytes: red, green, blue, alpha, which is not multiplied into them.
    Rgba = 4,
}

/// How pixels lie in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) stride: usize,
    pub(crate) channels: usize,
}

impl Shape {
    /// Checks that `size` bytes hold such pixels. A stride of 0 is that of rows without gaps.
    pub(crate) fn new(
        picture: (u32, u32),
        stride: usize,
        format: u32,
        size: usize,
    ) -> Result<Self, Unfit> {
        let shape = Self::of(picture, stride, format)?;
        let needed = shape.bytes()?;
        if size < needed {
            return Err(Unfit::TooFew {
                size,
                width: shape.width,
                height: shape.height,
                stride: shape.stride,
                needed,
            });
        }
        Ok(shape)
    }

    /// A shape whose memory is yet to be taken.
    pub(crate) fn of(
        (width, height): (u32, u32),
        stride: usize,
        format: u32,
    ) -> Result<Self, Unfit> {
        let channels = match format {
            _ if format == Format::Rgb as u32 => 3,
            _ if format == Format::Rgba as u32 => 4,
            _ => return Err(Unfit::Format(format)),
        };
        let [width, height] = [width, height].map(|side| side as usize);
        let row = width.checked_mul(channels).ok_or(Unfit::TooMany {
            width,
            height,
            stride,
        })?;
        let stride = if stride == 0 { row } else { stride };
        if stride < row {
            return Err(Unfit::Stride { stride, row });
        }
        Ok(Self {
            width,
            height,
            stride,
            channels,
        })
    }

    /// Bytes from the first to behind the last pixel.
    pub(crate) fn bytes(&self) -> Result<usize, Unfit> {
        let rows = self.height.saturating_sub(1).checked_mul(self.stride);
        let last = if self.height == 0 { 0 } else { self.row() };
        let all = rows.and_then(|rows| rows.checked_add(last));
        let fits = all.filter(|&all| all <= isize::MAX as usize);
        fits.ok_or(Unfit::TooMany {
            width: self.width,
            height: self.height,
            stride: self.stride,
        })
    }

    /// Bytes of the pixels of a row.
    pub(crate) fn row(&self) -> usize {
        self.width * self.channels
    }

    /// Writes a picture of this size, `[height, width, 3]` samples; alpha is opaque.
    pub(crate) fn write(&self, rgb: &[u8], pixels: &mut [u8]) {
        let (rows, _) = rgb.as_chunks::<3>();
        for (to, from) in pixels
            .chunks_mut(self.stride.max(1))
            .zip(rows.chunks(self.width.max(1)))
        {
            for (to, from) in to.chunks_exact_mut(self.channels).zip(from) {
                for (to, &from) in to.iter_mut().zip(from) {
                    *to = from;
                }
                if let Some(alpha) = to.get_mut(3) {
                    *alpha = u8::MAX;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RGB: u32 = Format::Rgb as u32;
    const RGBA: u32 = Format::Rgba as u32;

    #[test]
    fn strides_and_sizes_are_checked() {
        let of = |size, stride, format, bytes| Shape::new(size, stride, format, bytes).is_ok();
        assert!(of((3, 2), 0, RGB, 18));
        assert!(of((3, 2), 10, RGB, 19));
        for (size, stride, format, bytes) in [
            ((3, 2), 0, RGB, 17),
            ((3, 2), 8, RGB, 100),
            ((3, 2), 10, RGB, 18),
            ((3, 2), 0, 5, 100),
            ((u32::MAX, u32::MAX), 0, RGBA, usize::MAX),
            ((1, u32::MAX), usize::MAX / 2, RGBA, usize::MAX),
        ] {
            assert!(!of(size, stride, format, bytes), "{size:?} {stride}");
        }
    }
}
