//! Pixels of callers as pictures, and pictures as pixels.

use std::ptr;

use flextok::image::RgbImage;
#[cfg(feature = "encode")]
use flextok::image::{DynamicImage, RgbaImage};

use crate::buffer::{Buffer, flextok_free};
#[cfg(feature = "encode")]
use crate::failure::Failure;
use crate::failure::Outcome;
use crate::shape::Shape;

/// A decoded picture, which `flextok_image_free` frees.
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
    /// FLEXTOK_FORMAT_RGB or FLEXTOK_FORMAT_RGBA.
    pub format: u32,
    /// For later versions; zero.
    pub reserved: u32,
}

impl Image {
    pub(crate) const EMPTY: Self = Self {
        pixels: ptr::null_mut(),
        size: 0,
        stride: 0,
        width: 0,
        height: 0,
        format: 0,
        reserved: 0,
    };
}

/// Frees the pixels of a picture and sets all of it to zero, so that a second time does no harm. Null is allowed.
///
/// # Safety
/// `image` is null, or points to a picture that this library filled or to zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_image_free(image: *mut Image) {
    // SAFETY: the caller's promises.
    unsafe {
        if let Some(image) = image.as_mut() {
            flextok_free(image.pixels.cast());
            *image = Image::EMPTY;
        }
    }
}

#[cfg(feature = "encode")]
impl Shape {
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
}

/// A picture in memory of its own.
pub(crate) fn allocate(picture: &RgbImage, format: u32) -> Outcome<Image> {
    let (width, height) = picture.dimensions();
    let shape = Shape::of((width, height), 0, format)?;
    let size = shape.bytes()?;
    let mut buffer = Buffer::new(size)?;
    shape.write(picture.as_raw(), buffer.as_mut());
    Ok(Image {
        pixels: buffer.into_raw(),
        size,
        stride: shape.stride,
        width,
        height,
        format,
        reserved: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Format;

    const RGB: u32 = Format::Rgb as u32;
    const RGBA: u32 = Format::Rgba as u32;

    #[test]
    fn rows_keep_to_their_stride() {
        let shape = Shape::new((2, 2), 8, RGB, 14).unwrap();
        let pixels: Vec<u8> = (0..14).collect();
        let picture = shape.read(&pixels).unwrap().into_rgb8();
        assert_eq!(
            picture.as_raw().as_slice(),
            [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13]
        );
        let mut back = [99; 14];
        shape.write(picture.as_raw(), &mut back);
        assert_eq!(back, [0, 1, 2, 3, 4, 5, 99, 99, 8, 9, 10, 11, 12, 13]);
        let mut opaque = [0; 16];
        let shape = Shape::new((2, 2), 0, RGBA, 16).unwrap();
        shape.write(picture.as_raw(), &mut opaque);
        assert_eq!(opaque[..8], [0, 1, 2, 255, 3, 4, 5, 255]);
    }
}
