//! Pixels of callers: rows of bytes with a stride, checked against the size that the caller names.

use flextok::image::{DynamicImage, RgbImage, RgbaImage};

use crate::buffer::Buffer;
use crate::status::{Failure, Outcome};

/// Three bytes a pixel: red, green, blue, in sRGB.
pub const FLEXTOK_RGB: u32 = 3;
/// Four bytes a pixel: red, green, blue, in sRGB, and alpha, not multiplied into them.
pub const FLEXTOK_RGBA: u32 = 4;

/// A decoded picture, whose pixels `flextok_free` frees.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Image {
    /// The pixels, row by row.
    pub pixels: *mut u8,
    /// Bytes of them all.
    pub size: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Pixels of a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `FLEXTOK_RGB` or `FLEXTOK_RGBA`.
    pub format: u32,
}

/// How pixels lie in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    width: usize,
    height: usize,
    stride: usize,
    channels: usize,
}

impl Shape {
    /// Checks that `size` bytes hold such pixels. A stride of 0 is that of rows without gaps.
    pub(crate) fn new(
        (width, height): (u32, u32),
        stride: usize,
        format: u32,
        size: usize,
    ) -> Outcome<Self> {
        let shape = Self::of((width, height), stride, format)?;
        let needed = shape.bytes()?;
        if size < needed {
            return Err(Failure::usage(format!(
                "{size} bytes of pixels; {width}x{height} pixels with a stride of {} need {needed}",
                shape.stride
            )));
        }
        Ok(shape)
    }

    /// A shape whose memory is yet to be taken.
    pub(crate) fn of((width, height): (u32, u32), stride: usize, format: u32) -> Outcome<Self> {
        let channels = match format {
            FLEXTOK_RGB => 3,
            FLEXTOK_RGBA => 4,
            _ => {
                return Err(Failure::usage(format!(
                    "format {format}; allowed: {FLEXTOK_RGB} (RGB), {FLEXTOK_RGBA} (RGBA)"
                )));
            }
        };
        let too_large = || Failure::usage(format!("{width}x{height} pixels are more than fit"));
        let [width, height] = [width, height].map(|side| side as usize);
        let row = width.checked_mul(channels).ok_or_else(too_large)?;
        let stride = if stride == 0 { row } else { stride };
        if stride < row {
            return Err(Failure::usage(format!(
                "a stride of {stride} bytes; a row needs {row}, or 0 for no gaps"
            )));
        }
        Ok(Self {
            width,
            height,
            stride,
            channels,
        })
    }

    /// Bytes from the first to behind the last pixel.
    pub(crate) fn bytes(&self) -> Outcome<usize> {
        let rows = self.height.saturating_sub(1).checked_mul(self.stride);
        let last = if self.height == 0 { 0 } else { self.row() };
        let all = rows.and_then(|rows| rows.checked_add(last));
        all.filter(|&all| all <= isize::MAX as usize)
            .ok_or_else(|| {
                let (height, stride) = (self.height, self.stride);
                Failure::usage(format!(
                    "{height} rows with a stride of {stride} are more than fit"
                ))
            })
    }

    fn row(&self) -> usize {
        self.width * self.channels
    }

    /// A copy of the pixels as a picture.
    pub(crate) fn read(&self, pixels: &[u8]) -> Outcome<DynamicImage> {
        let size = self.row().saturating_mul(self.height);
        let mut packed = Vec::new();
        let reserved = packed.try_reserve_exact(size);
        reserved.map_err(|_| Failure::memory(size))?;
        if size > 0 {
            for row in pixels.chunks(self.stride).take(self.height) {
                packed.extend_from_slice(row.get(..self.row()).unwrap_or(row));
            }
        }
        let (width, height) = (self.width as u32, self.height as u32);
        let picture = match self.channels {
            3 => RgbImage::from_raw(width, height, packed).map(DynamicImage::from),
            _ => RgbaImage::from_raw(width, height, packed).map(DynamicImage::from),
        };
        picture.ok_or_else(|| Failure::usage("the pixels do not make a picture"))
    }

    /// Writes a picture of this size; alpha is opaque.
    pub(crate) fn write(&self, picture: &RgbImage, pixels: &mut [u8]) {
        let (rows, _) = picture.as_raw().as_chunks::<3>();
        for (to, from) in pixels
            .chunks_mut(self.stride.max(1))
            .zip(rows.chunks(self.width.max(1)))
        {
            for (to, from) in to.chunks_exact_mut(self.channels).zip(from) {
                to[..3].copy_from_slice(from);
                if let Some(alpha) = to.get_mut(3) {
                    *alpha = u8::MAX;
                }
            }
        }
    }
}

/// A picture in memory of its own.
pub(crate) fn allocate(picture: &RgbImage, format: u32) -> Outcome<Image> {
    let (width, height) = picture.dimensions();
    let shape = Shape::of((width, height), 0, format)?;
    let size = shape.bytes()?;
    let mut buffer = Buffer::new(size)?;
    shape.write(picture, buffer.as_mut());
    Ok(Image {
        pixels: buffer.into_raw(),
        size,
        stride: shape.stride,
        width,
        height,
        format,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_and_sizes_are_checked() {
        let of = |size, stride, format, bytes| Shape::new(size, stride, format, bytes).is_ok();
        assert!(of((3, 2), 0, FLEXTOK_RGB, 18));
        assert!(of((3, 2), 10, FLEXTOK_RGB, 19));
        for (size, stride, format, bytes) in [
            ((3, 2), 0, FLEXTOK_RGB, 17),
            ((3, 2), 8, FLEXTOK_RGB, 100),
            ((3, 2), 10, FLEXTOK_RGB, 18),
            ((3, 2), 0, 5, 100),
            ((u32::MAX, u32::MAX), 0, FLEXTOK_RGBA, usize::MAX),
            ((1, u32::MAX), usize::MAX / 2, FLEXTOK_RGBA, usize::MAX),
        ] {
            assert!(!of(size, stride, format, bytes), "{size:?} {stride}");
        }
    }

    #[test]
    fn rows_keep_to_their_stride() {
        let shape = Shape::new((2, 2), 8, FLEXTOK_RGB, 14).unwrap();
        let pixels: Vec<u8> = (0..14).collect();
        let picture = shape.read(&pixels).unwrap().into_rgb8();
        assert_eq!(
            picture.as_raw().as_slice(),
            [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13]
        );
        let mut back = [99; 14];
        shape.write(&picture, &mut back);
        assert_eq!(back, [0, 1, 2, 3, 4, 5, 99, 99, 8, 9, 10, 11, 12, 13]);
        let mut opaque = [0; 16];
        let shape = Shape::new((2, 2), 0, FLEXTOK_RGBA, 16).unwrap();
        shape.write(&picture, &mut opaque);
        assert_eq!(opaque[..8], [0, 1, 2, 255, 3, 4, 5, 255]);
    }
}
