//! Samples to colours in their own memory: palettes, luminance and its differences, and colours multiplied by opacity.

use super::directory::Directory;
use super::samples::{Index, Sample, max_of};
use super::{malformed, tag};
use crate::picture::{PictureError, memory};

/// The colours of a palette (TIFF 6.0, section 5).
pub(super) struct Palette {
    colors: Vec<[u8; 3]>,
}

impl Palette {
    /// The palette of a directory for indices of this many bits, at most 16.
    pub(super) fn new(directory: &Directory, bits: u32) -> Result<Self, PictureError> {
        let field = directory.find(tag::COLOR_MAP)?;
        let field = field.ok_or_else(|| malformed("it has no ColorMap"))?;
        let count = 1_usize << bits;
        if field.len() < 3 * count {
            return Err(malformed(format!(
                "its ColorMap has {} of {} numbers",
                field.len(),
                3 * count
            )));
        }
        let number = |at| field.uint(at).filter(|number| *number <= 0xffff);
        let mut is_deep = false;
        for at in 0..3 * count {
            is_deep |= number(at).ok_or_else(|| field.odd())? > 0xff;
        }
        // Some writers fill in eight bits only. The others differ in whether white is 0xffff or 0xff00.
        let shift = if is_deep { 8 } else { 0 };
        let mut colors = memory::with_capacity(count)?;
        colors.extend((0..count).map(|index| {
            [0, 1, 2].map(|part| (number(part * count + index).unwrap_or(0) >> shift) as u8)
        }));
        Ok(Self { colors })
    }

    /// The colours of indices, which may each have an opacity beside them.
    pub(super) fn colors(
        &self,
        indices: &[Index],
        alpha_bits: Option<u32>,
    ) -> Result<Vec<u8>, PictureError> {
        let color = |index: &Index| self.colors.get(usize::from(index.0)).copied();
        let Some(bits) = alpha_bits else {
            let mut samples = memory::with_capacity(indices.len() * 3)?;
            for index in indices {
                samples.extend(color(index).unwrap_or_default());
            }
            return Ok(samples);
        };
        let mut samples = memory::with_capacity(indices.len() * 2)?;
        for pixel in indices.as_chunks::<2>().0 {
            samples.extend(color(&pixel[0]).unwrap_or_default());
            samples.push(u8::from_uint(pixel[1].0.into(), max_of(bits)));
        }
        Ok(samples)
    }
}

/// Luminance and its differences to blue and red (TIFF 6.0, section 21).
#[derive(Debug, Clone, Copy)]
pub(super) struct YCbCr {
    /// The share of red, green and blue in luminance.
    shares: [f32; 3],
    /// What stands for black and white in each sample.
    reference: [[f32; 2]; 3],
}

impl YCbCr {
    pub(super) fn new(directory: &Directory) -> Result<Self, PictureError> {
        let numbers = |tag, usual: &[f64]| {
            let Some(field) = directory.find(tag)? else {
                return Ok(usual.to_vec());
            };
            let ratio = |at| field.ratio(at).ok_or_else(|| field.odd());
            (0..usual.len()).map(ratio).collect::<Result<Vec<_>, _>>()
        };
        let shares = numbers(tag::COEFFICIENTS, &[0.299, 0.587, 0.114])?;
        let reference = numbers(
            tag::REFERENCE_BLACK_WHITE,
            &[0.0, 255.0, 128.0, 255.0, 128.0, 255.0],
        )?;
        let narrow = |at: usize| shares.get(at).map_or(0.0, |share| *share as f32);
        let pair = |at: usize| {
            let value = |at: usize| reference.get(at).map_or(0.0, |value| *value as f32);
            [value(2 * at), value(2 * at + 1)]
        };
        let colors = Self {
            shares: [0, 1, 2].map(narrow),
            reference: [0, 1, 2].map(pair),
        };
        if colors.shares[1] <= 0.0 || colors.reference.iter().any(|[black, white]| black >= white) {
            return Err(malformed("its YCbCr colours have no green, or no white"));
        }
        Ok(colors)
    }

    /// Makes red, green and blue of the first three of each `N` samples.
    pub(super) fn to_rgb<const N: usize>(self, samples: &mut [u8]) {
        let [red, green, blue] = self.shares;
        let [y, cb, cr] = self.reference.map(|[black, white]| (black, white - black));
        let level = |sample: u8, (black, range): (f32, f32), white: f32| {
            (f32::from(sample) - black) * white / range
        };
        for pixel in samples.as_chunks_mut::<N>().0 {
            let Some(colors) = pixel.first_chunk_mut::<3>() else {
                return;
            };
            let y = level(colors[0], y, 255.0);
            let r = y + level(colors[2], cr, 127.0) * (2.0 - 2.0 * red);
            let b = y + level(colors[1], cb, 127.0) * (2.0 - 2.0 * blue);
            let g = (y - red * r - blue * b) / green;
            *colors = [r, g, b].map(|light| light.round().clamp(0.0, 255.0) as u8);
        }
    }
}

/// Samples that can be inverted and divided.
pub(super) trait Light: Sample + PartialEq {
    fn inverted(self) -> Self;
    /// Without the opacity that it was multiplied by, at most white if it is a whole number.
    fn divided(self, alpha: Self) -> Self;
    const OPAQUE: Self;
}

impl Light for u8 {
    const OPAQUE: Self = Self::MAX;

    fn inverted(self) -> Self {
        !self
    }

    fn divided(self, alpha: Self) -> Self {
        let (light, alpha) = (u32::from(self), u32::from(alpha));
        match alpha {
            0 => 0,
            _ => ((light * 0xff + alpha / 2) / alpha).min(0xff) as Self,
        }
    }
}

impl Light for u16 {
    const OPAQUE: Self = Self::MAX;

    fn inverted(self) -> Self {
        !self
    }

    fn divided(self, alpha: Self) -> Self {
        let (light, alpha) = (u64::from(self), u64::from(alpha));
        match alpha {
            0 => 0,
            _ => ((light * 0xffff + alpha / 2) / alpha).min(0xffff) as Self,
        }
    }
}

impl Light for f32 {
    const OPAQUE: Self = 1.0;

    fn inverted(self) -> Self {
        1.0 - self
    }

    fn divided(self, alpha: Self) -> Self {
        if alpha > 0.0 { self / alpha } else { 0.0 }
    }
}

/// Divides the colours of pixels of this many samples by the last of them.
pub(super) fn divide<T: Light>(samples: &mut [T], channels: usize) {
    for pixel in samples.chunks_exact_mut(channels) {
        if let Some((alpha, colors)) = pixel.split_last_mut() {
            for color in colors {
                *color = color.divided(*alpha);
            }
        }
    }
}

/// Inverts all samples but the opacity.
pub(super) fn invert<T: Light>(samples: &mut [T], channels: usize, has_alpha: bool) {
    let colors = channels - usize::from(has_alpha);
    for pixel in samples.chunks_exact_mut(channels) {
        for color in pixel.iter_mut().take(colors) {
            *color = color.inverted();
        }
    }
}

/// Makes all pixels opaque if none is even in part: what nothing is said of is then no opacity.
pub(super) fn reveal<T: Light>(samples: &mut [T], channels: usize) {
    let pixels = || samples.chunks_exact(channels);
    if pixels().all(|pixel| pixel.last() == Some(&T::default())) {
        for pixel in samples.chunks_exact_mut(channels) {
            if let Some(alpha) = pixel.last_mut() {
                *alpha = T::OPAQUE;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opacity_is_divided_out_and_rounded() {
        let mut samples = [50, 100, 0, 128, 9, 9, 9, 0, 200, 1, 2, 100];
        divide::<u8>(&mut samples, 4);
        assert_eq!(samples, [100, 199, 0, 128, 0, 0, 0, 0, 255, 3, 5, 100]);
        let mut samples = [300_u16, 600, 65_535, 65_535];
        divide(&mut samples, 2);
        assert_eq!(samples, [32_768, 600, 65_535, 65_535]);
        let mut samples = [0.5, 0.25, 1.5, 0.0];
        divide::<f32>(&mut samples, 2);
        assert_eq!(samples, [2.0, 0.25, 0.0, 0.0]);
    }

    #[test]
    fn an_extra_sample_of_zeros_is_no_opacity() {
        let mut samples = [1_u8, 0, 2, 0];
        reveal(&mut samples, 2);
        assert_eq!(samples, [1, 255, 2, 255]);
        let mut samples = [1_u8, 0, 2, 1];
        reveal(&mut samples, 2);
        assert_eq!(samples, [1, 0, 2, 1]);
        invert(&mut samples, 2, true);
        assert_eq!(samples, [254, 0, 253, 1]);
    }

    #[test]
    fn luminance_and_differences_are_colors() {
        let usual = YCbCr {
            shares: [0.299, 0.587, 0.114],
            reference: [[0.0, 255.0], [128.0, 255.0], [128.0, 255.0]],
        };
        let mut samples = [76, 85, 255, 255, 128, 128, 29, 255, 107];
        usual.to_rgb::<3>(&mut samples);
        assert_eq!(samples, [254, 0, 0, 255, 255, 255, 0, 0, 254]);
        let video = YCbCr {
            reference: [[16.0, 235.0], [128.0, 240.0], [128.0, 240.0]],
            ..usual
        };
        let mut samples = [16, 128, 128, 7, 235, 128, 128, 9];
        video.to_rgb::<4>(&mut samples);
        assert_eq!(samples, [0, 0, 0, 7, 255, 255, 255, 9]);
    }
}
