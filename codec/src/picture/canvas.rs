//! The float picture the network sees: pixels of three samples in \[-1, 1\].

use image::RgbImage;

use super::{PictureError, memory};
use crate::Size;

/// A float image of shape \[height, width, 3\]: rows from the top, pixels of red, green and blue,
/// nominal range \[-1, 1\].
#[derive(Debug, Clone, PartialEq)]
pub struct Canvas {
    /// Size in pixels.
    pub size: Size,
    /// `height * width * 3` samples, pixel by pixel.
    pub data: Vec<f32>,
}

impl Canvas {
    /// A canvas of given samples, `[height, width, 3]`.
    ///
    /// # Errors
    /// [`PictureError::ZeroSide`] and [`PictureError::CanvasSamples`] if the shape is impossible.
    pub fn new(size: Size, data: Vec<f32>) -> Result<Self, PictureError> {
        let Size { width, height } = size;
        if size.area() == 0 {
            return Err(PictureError::ZeroSide { width, height });
        }
        let expected = size.area().saturating_mul(3);
        if expected != data.len() as u64 {
            return Err(PictureError::CanvasSamples {
                width,
                height,
                expected,
                got: data.len(),
            });
        }
        Ok(Self { size, data })
    }

    /// The samples of an RGB picture as the published pre-processing makes them, in f32:
    /// `(v / 255 − 0.5) / 0.5`.
    ///
    /// # Errors
    /// [`PictureError::OutOfMemory`].
    pub fn from_rgb(picture: &RgbImage) -> Result<Self, PictureError> {
        let table: [f32; 256] = std::array::from_fn(|v| (v as f32 / 255.0 - 0.5) / 0.5);
        let samples = picture.as_raw();
        let mut data = memory::with_capacity(samples.len())?;
        data.extend(samples.iter().map(|&v| table[usize::from(v)]));
        Ok(Self {
            size: picture.dimensions().into(),
            data,
        })
    }

    /// The picture in 8 bits: `(y + 1) / 2` clamped to \[0, 1\], times 255, rounded to nearest; NaN
    /// becomes 0. Samples missing in `data` (its fields are public) are black.
    ///
    /// # Errors
    /// [`PictureError::OutOfMemory`].
    pub fn to_rgb(&self) -> Result<RgbImage, PictureError> {
        let Size { width, height } = self.size;
        let mut samples = memory::zeroed(self.size.area().saturating_mul(3))?;
        for (target, sample) in samples.iter_mut().zip(&self.data) {
            *target = (((sample + 1.0) / 2.0).clamp(0.0, 1.0) * 255.0).round() as u8;
        }
        Ok(RgbImage::from_raw(width, height, samples).unwrap_or_default())
    }

    /// The samples plane by plane, `[3, height, width]`, as arrays of other programs have them.
    ///
    /// # Errors
    /// [`PictureError::OutOfMemory`].
    pub fn planes(&self) -> Result<Vec<f32>, PictureError> {
        let plane = |channel| self.data.iter().skip(channel).step_by(3).copied();
        let mut planes = memory::with_capacity(self.data.len())?;
        planes.extend((0..3).flat_map(plane));
        Ok(planes)
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::picture::{fixtures, resize};

    #[test]
    fn order_and_range() {
        let picture = RgbImage::from_fn(2, 1, |x, _| Rgb([x as u8 * 255, 51, 204]));
        let canvas = Canvas::from_rgb(&picture).expect("memory");
        assert_eq!(canvas.size, Size::new(2, 1));
        let close = |got: &[f32], want: [f32; 6]| {
            assert_eq!(got.len(), 6);
            for (got, want) in got.iter().zip(want) {
                assert!((got - want).abs() < 1e-6, "{got} {want}");
            }
        };
        close(&canvas.data, [-1.0, -0.6, 0.6, 1.0, -0.6, 0.6]);
        close(
            &canvas.planes().expect("memory"),
            [-1.0, 1.0, -0.6, -0.6, 0.6, 0.6],
        );
    }

    #[test]
    fn equals_the_published_normalisation_bit_for_bit() {
        // CRC32 of the f32 dump `astronaut.out_normalised` of the reference implementation.
        let picture = resize(
            &fixtures::photo("astronaut.png"),
            Size::new(256, 256),
            &crate::Threads::new(1).expect("a thread"),
        )
        .expect("memory");
        let canvas = Canvas::from_rgb(&picture).expect("memory");
        let planes = canvas.planes().expect("memory");
        let bytes: Vec<u8> = planes.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(crc32fast::hash(&bytes), 0xfd95_c4c7);
    }

    #[test]
    fn every_value_survives_the_round_trip() {
        let picture = RgbImage::from_fn(256, 1, |x, _| Rgb([x as u8, 255 - x as u8, 7]));
        let canvas = Canvas::from_rgb(&picture).expect("memory");
        assert_eq!(canvas.to_rgb().expect("memory"), picture);
    }

    #[test]
    fn out_of_range_samples_are_clamped() {
        let data = vec![-3.0, f32::NAN, f32::INFINITY];
        let canvas = Canvas::new(Size::new(1, 1), data).expect("three samples for one pixel");
        assert_eq!(
            canvas.to_rgb().expect("memory").get_pixel(0, 0).0,
            [0, 0, 255]
        );
    }

    #[test]
    fn wrong_shapes_are_refused() {
        assert!(matches!(
            Canvas::new(Size::new(0, 4), vec![]),
            Err(PictureError::ZeroSide { .. })
        ));
        let error = Canvas::new(Size::new(2, 2), vec![0.0; 11]).expect_err("11 samples");
        assert_eq!(error.to_string(), "a canvas of 2x2 has 12 samples, not 11");
        assert!(Canvas::new(Size::new(u32::MAX, u32::MAX), vec![]).is_err());
        let broken = Canvas {
            size: Size::new(2, 2),
            data: vec![1.0; 3],
        };
        assert_eq!(
            broken.to_rgb().expect("memory").into_raw()[..4],
            [255, 255, 255, 0]
        );
    }
}
