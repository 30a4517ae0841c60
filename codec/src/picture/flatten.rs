//! Every pixel type to 8-bit RGB: alpha over a background, deep samples rounded once.

use flextok_plain::resample::{Plain, Rows};
use image::{DynamicImage, ImageBuffer, Pixel, RgbImage, RgbaImage};

use super::{PictureError, memory};

/// [`try_flatten`] without a limit.
pub(super) fn flatten(image: &DynamicImage, background: [u8; 3]) -> RgbImage {
    let mut out = RgbImage::new(image.width(), image.height());
    let flat = Flat { image, background };
    for (y, target) in rows_of(&mut out) {
        flat.convert(y, target);
    }
    out
}

/// `image` as 8-bit RGB; transparent parts show `background`.
///
/// Grey becomes three equal channels. Deep samples are composited at their own depth and rounded to
/// 8 bits once, to nearest. Float samples are clamped to \[0, 1\], NaN counts as 0. The copy and the image together
/// may take `max_memory` bytes.
///
/// # Errors
/// [`PictureError::TooMuchMemory`], [`PictureError::OutOfMemory`].
pub fn try_flatten(
    image: &DynamicImage,
    background: [u8; 3],
    max_memory: u64,
) -> Result<RgbImage, PictureError> {
    let copy = u64::from(image.width()) * u64::from(image.height()) * 3;
    memory::check(
        copy.saturating_add(image.as_bytes().len() as u64),
        max_memory,
    )?;
    memory::probe(copy)?;
    Ok(flatten(image, background))
}

/// [`try_flatten`] for an image that is not needed afterwards: 8-bit RGB is moved, not copied.
///
/// # Errors
/// [`PictureError::TooMuchMemory`], [`PictureError::OutOfMemory`].
pub fn try_into_rgb(
    image: DynamicImage,
    background: [u8; 3],
    max_memory: u64,
) -> Result<RgbImage, PictureError> {
    let check = memory::check(image.as_bytes().len() as u64, max_memory);
    match image {
        DynamicImage::ImageRgb8(rgb) => check.map(|()| rgb),
        DynamicImage::ImageRgba8(rgba) => check.map(|()| in_place(rgba, background)),
        other => try_flatten(&other, background, max_memory),
    }
}

/// Three bytes of each four, moved to the front of their own memory.
fn in_place(rgba: RgbaImage, background: [u8; 3]) -> RgbImage {
    let (width, height) = rgba.dimensions();
    let mut samples = rgba.into_raw();
    let pixels = samples.len() / 4;
    for i in 0..pixels {
        let pixel = [0, 1, 2, 3].map(|c| samples[4 * i + c]);
        samples[3 * i..3 * i + 3].copy_from_slice(&rgba8(pixel, background));
    }
    samples.truncate(3 * pixels);
    samples.shrink_to_fit();
    RgbImage::from_raw(width, height, samples).unwrap_or_default()
}

fn rows_of(picture: &mut RgbImage) -> impl Iterator<Item = (usize, &mut [u8])> {
    let stride = picture.width() as usize * 3;
    picture.chunks_exact_mut(stride.max(1)).enumerate()
}

/// An image whose rows are [flattened](flatten) when they are needed.
pub(super) struct Flat<'a> {
    pub(super) image: &'a DynamicImage,
    pub(super) background: [u8; 3],
}

/// The rows of a picture.
pub(super) fn plain_rows(picture: &RgbImage) -> Plain<'_> {
    Plain {
        samples: picture.as_raw(),
        stride: 3 * picture.width() as usize,
    }
}

fn row_of(picture: &RgbImage, y: usize) -> &[u8] {
    let Plain { samples, stride } = plain_rows(picture);
    &samples[y * stride..][..stride]
}

impl Rows for Flat<'_> {
    fn row<'a>(&'a self, y: usize, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        if let DynamicImage::ImageRgb8(rgb) = self.image {
            return row_of(rgb, y);
        }
        scratch.resize(self.image.width() as usize * 3, 0);
        self.convert(y, scratch);
        scratch
    }
}

impl Flat<'_> {
    /// Row `y`, into as many bytes as it has.
    fn convert(&self, y: usize, target: &mut [u8]) {
        let background = self.background;
        match self.image {
            DynamicImage::ImageRgb8(rgb) => target.copy_from_slice(row_of(rgb, y)),
            DynamicImage::ImageLuma8(grey) => map(grey, y, target, |p: [u8; 1]| [p[0]; 3]),
            DynamicImage::ImageLumaA8(grey) => map(grey, y, target, |p: [u8; 2]| {
                background.map(|under| over8(p[0], p[1], under))
            }),
            DynamicImage::ImageRgba8(rgba) => map(rgba, y, target, |p| rgba8(p, background)),
            DynamicImage::ImageLuma16(grey) => {
                map(grey, y, target, |p: [u16; 1]| [round16(p[0]); 3]);
            }
            DynamicImage::ImageLumaA16(grey) => map(grey, y, target, |p: [u16; 2]| {
                background.map(|under| over16(p[0], p[1], under))
            }),
            DynamicImage::ImageRgb16(rgb) => map(rgb, y, target, |p: [u16; 3]| p.map(round16)),
            DynamicImage::ImageRgba16(rgba) => map(rgba, y, target, |[r, g, b, a]: [u16; 4]| {
                zip3([r, g, b], background, |sample, under| {
                    over16(sample, a, under)
                })
            }),
            DynamicImage::ImageRgb32F(rgb) => map(rgb, y, target, |p: [f32; 3]| {
                p.map(|sample| over_f32(sample, 1.0, 0))
            }),
            DynamicImage::ImageRgba32F(rgba) => map(rgba, y, target, |[r, g, b, a]: [f32; 4]| {
                zip3([r, g, b], background, |sample, under| {
                    over_f32(sample, a, under)
                })
            }),
            // The enum is open: a pixel type added later has the crate's own conversion.
            other => {
                let row = other.crop_imm(0, y as u32, other.width(), 1).to_rgb8();
                target.copy_from_slice(row.as_raw());
            }
        }
    }
}

/// Row `y` of `image`, pixel by pixel.
fn map<P, const N: usize>(
    image: &ImageBuffer<P, Vec<P::Subpixel>>,
    y: usize,
    target: &mut [u8],
    convert: impl Fn([P::Subpixel; N]) -> [u8; 3],
) where
    P: Pixel,
{
    let (pixels, _) = image.as_raw().as_chunks::<N>();
    let width = image.width() as usize;
    let (targets, _) = target.as_chunks_mut::<3>();
    for (target, pixel) in targets.iter_mut().zip(&pixels[y * width..][..width]) {
        *target = convert(*pixel);
    }
}

fn rgba8([r, g, b, a]: [u8; 4], background: [u8; 3]) -> [u8; 3] {
    zip3([r, g, b], background, |sample, under| {
        over8(sample, a, under)
    })
}

fn zip3<T: Copy>(samples: [T; 3], under: [u8; 3], mix: impl Fn(T, u8) -> u8) -> [u8; 3] {
    std::array::from_fn(|i| mix(samples[i], under[i]))
}

/// round((sample·alpha + under·(255 − alpha)) / 255)
fn over8(sample: u8, alpha: u8, under: u8) -> u8 {
    let (sample, alpha, under) = (u32::from(sample), u32::from(alpha), u32::from(under));
    ((sample * alpha + under * (255 - alpha) + 127) / 255) as u8
}

/// 16 to 8 bits: 65535 = 255 · 257, so the nearest 8-bit value is round(sample / 257).
fn round16(sample: u16) -> u8 {
    ((u32::from(sample) + 128) / 257) as u8
}

/// Composited at 16 bits and rounded to 8 in the same division.
fn over16(sample: u16, alpha: u16, under: u8) -> u8 {
    const WHOLE: u64 = 65_535 * 257;
    let (sample, alpha) = (u64::from(sample), u64::from(alpha));
    let under = u64::from(under) * 257;
    ((sample * alpha + under * (65_535 - alpha) + WHOLE / 2) / WHOLE) as u8
}

fn over_f32(sample: f32, alpha: f32, under: u8) -> u8 {
    let unit = |v: f32| if v.is_nan() { 0.0 } else { v.clamp(0.0, 1.0) };
    let (sample, alpha) = (unit(sample), unit(alpha));
    (sample * alpha * 255.0 + f32::from(under) * (1.0 - alpha)).round() as u8
}

#[cfg(test)]
mod tests {
    use image::{GrayAlphaImage, GrayImage, Luma, LumaA, Rgb, Rgba};

    use super::*;

    fn pixel(image: impl Into<DynamicImage>, background: [u8; 3]) -> [u8; 3] {
        flatten(&image.into(), background).get_pixel(0, 0).0
    }

    fn one<P: Pixel>(p: P) -> ImageBuffer<P, Vec<P::Subpixel>> {
        ImageBuffer::from_pixel(1, 1, p)
    }

    #[test]
    fn eight_bit_types() {
        let white = [255; 3];
        assert_eq!(pixel(one(Rgb([1u8, 2, 3])), white), [1, 2, 3]);
        assert_eq!(pixel(GrayImage::from_pixel(1, 1, Luma([9])), white), [9; 3]);
        let clear = RgbaImage::from_pixel(1, 1, Rgba([7, 8, 9, 0]));
        assert_eq!(pixel(clear, [10, 20, 30]), [10, 20, 30]);
        let half = RgbaImage::from_pixel(1, 1, Rgba([0, 100, 255, 128]));
        // 255·127/255 = 127; (100·128 + 255·127)/255 = 177.196; 255
        assert_eq!(pixel(half, white), [127, 177, 255]);
        let grey = GrayAlphaImage::from_pixel(1, 1, LumaA([0, 51]));
        assert_eq!(pixel(grey, [255, 0, 10]), [204, 0, 8]);
    }

    #[test]
    fn opaque_and_clear_are_exact_for_every_value() {
        for v in 0..=255u8 {
            assert_eq!(over8(v, 255, 13), v);
            assert_eq!(over8(13, 0, v), v);
            let deep = u16::from(v) * 257;
            assert_eq!(round16(deep), v);
            assert_eq!(over16(deep, 65_535, 13), v);
            assert_eq!(over16(deep, 0, v), v);
            assert_eq!(over_f32(f32::from(v) / 255.0, 1.0, 13), v);
        }
    }

    #[test]
    fn deep_samples_are_rounded_once() {
        // 128.4996 of 255 rounds down, 128.5004 up.
        assert_eq!(round16(33_024), 128);
        assert_eq!(round16(33_025), 129);
        let half = one(Rgba([65_535u16, 0, 33_025, 32_768]));
        // 32768/65535·255 = 127.502; the third is (33025/65535·255)/2 = 64.25
        assert_eq!(pixel(half, [0; 3]), [128, 0, 64]);
        // Rounding alpha and sample to 8 bits first would give 1 · 128/255 → 1.
        assert_eq!(over16(140, 32_000, 0), 0);
        assert_eq!(pixel(one(Luma([65_535u16])), [0; 3]), [255; 3]);
        assert_eq!(pixel(one(LumaA([0u16, 13_107])), [255; 3]), [204; 3]);
    }

    #[test]
    fn what_a_copy_takes_is_bounded() {
        let image = DynamicImage::from(GrayImage::new(10, 10));
        assert!(try_flatten(&image, [0; 3], 400).is_ok());
        let error = try_into_rgb(image, [0; 3], 399).expect_err("one byte less");
        assert!(matches!(
            error,
            PictureError::TooMuchMemory {
                needed: 400,
                max: 399
            }
        ));
        let moved = DynamicImage::from(RgbaImage::new(10, 10));
        assert!(try_into_rgb(moved.clone(), [0; 3], 400).is_ok());
        assert!(try_into_rgb(moved, [0; 3], 399).is_err());
    }

    #[test]
    fn floats_are_clamped() {
        assert_eq!(pixel(one(Rgb([-1.0f32, 0.5, 2.0])), [9; 3]), [0, 128, 255]);
        let odd = one(Rgba([f32::NAN, f32::INFINITY, 0.25, 2.0]));
        assert_eq!(pixel(odd, [9; 3]), [0, 255, 64]);
        assert_eq!(pixel(one(Rgba([1.0f32, 1.0, 1.0, 0.2])), [0; 3]), [51; 3]);
    }

    #[test]
    fn moving_equals_copying() {
        let image = DynamicImage::from(RgbaImage::from_fn(5, 3, |x, y| {
            Rgba([x as u8 * 40, y as u8 * 80, 7, (x * y) as u8 * 30])
        }));
        assert_eq!(
            try_into_rgb(image.clone(), [1, 2, 3], u64::MAX).unwrap(),
            flatten(&image, [1, 2, 3])
        );
    }
}
