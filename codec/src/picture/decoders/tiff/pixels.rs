//! The pixels of a picture by what their samples mean.

use image::{DynamicImage, ImageBuffer, Pixel};

use super::color::{self, Light, Palette, YCbCr};
use super::fill::Source;
use super::layout::{Alpha, Compression, Layout, Meaning};
use super::samples::Index;
use super::{malformed, unsupported};
use crate::picture::decoders::Pixels;
use crate::picture::{LoadNote, PictureError};

/// Reads the pixels of a picture.
///
/// # Errors
/// Damaged or missing data, and limits.
pub(super) fn read(source: &Source, notes: &mut Vec<LoadNote>) -> Result<Pixels, PictureError> {
    let layout = source.layout;
    let channels = channels(layout);
    let count = channels.len();
    let (width, height) = (layout.width, layout.height);
    match layout.meaning {
        Meaning::Cmyk => {
            let mut samples = source.fill::<u8>(&channels, 0, notes)?;
            without_alpha(layout, &mut samples)?;
            Ok(Pixels::Cmyk {
                width,
                height,
                samples,
            })
        }
        Meaning::Palette => {
            let mut samples = palette(source, &channels, notes)?;
            finish(layout, &mut samples, count + 2);
            image(layout, samples, count + 2)
        }
        Meaning::YCbCr => {
            let mut samples = if layout.is_subsampled() {
                source.fill_subsampled()?
            } else {
                source.fill(&channels, 0, notes)?
            };
            // The decoder of JPEG makes red, green and blue.
            if layout.compression != Compression::Jpeg || layout.is_planar {
                let colors = YCbCr::new(&layout.directory)?;
                match layout.alpha {
                    Some(_) => colors.to_rgb::<4>(&mut samples),
                    None => colors.to_rgb::<3>(&mut samples),
                }
            }
            finish(layout, &mut samples, count);
            image(layout, samples, count)
        }
        _ if layout.is_float => {
            let mut samples = source.fill::<f32>(&channels, 0, notes)?;
            finish(layout, &mut samples, count);
            let size = (width, height);
            match count {
                3 => buffer(size, samples).map(DynamicImage::ImageRgb32F),
                _ => buffer(size, samples).map(DynamicImage::ImageRgba32F),
            }
            .map(Pixels::Image)
        }
        _ if layout.bits <= 8 => {
            let mut samples = source.fill::<u8>(&channels, 0, notes)?;
            finish(layout, &mut samples, count);
            image(layout, samples, count)
        }
        _ => {
            let mut samples = source.fill::<u16>(&channels, 0, notes)?;
            finish(layout, &mut samples, count);
            let size = (width, height);
            match count {
                1 => buffer(size, samples).map(DynamicImage::ImageLuma16),
                2 => buffer(size, samples).map(DynamicImage::ImageLumaA16),
                3 => buffer(size, samples).map(DynamicImage::ImageRgb16),
                _ => buffer(size, samples).map(DynamicImage::ImageRgba16),
            }
            .map(Pixels::Image)
        }
    }
}

/// Which samples of a pixel are kept, and in which order: the opacity last. Float greys become three equal colours.
fn channels(layout: &Layout) -> Vec<usize> {
    let mut channels: Vec<usize> = match layout.meaning {
        Meaning::Grey { .. } if layout.is_float => vec![0; 3],
        meaning => (0..meaning.samples()).collect(),
    };
    channels.extend(layout.alpha.map(|(at, _)| at));
    channels
}

/// Opacity and inverted greys, of pixels of this many samples.
fn finish<T: Light>(layout: &Layout, samples: &mut [T], channels: usize) {
    let alpha = layout.alpha.map(|(_, alpha)| alpha);
    match alpha {
        // A place in a palette is multiplied by nothing.
        Some(Alpha::Associated) if layout.meaning != Meaning::Palette => {
            color::divide(samples, channels);
        }
        Some(Alpha::Likely) => color::reveal(samples, channels),
        _ => {}
    }
    if layout.meaning
        == (Meaning::Grey {
            white_is_zero: true,
        })
    {
        color::invert(samples, channels, alpha.is_some());
    }
}

/// The colours of places in a palette, with an opacity where there is one.
fn palette(
    source: &Source,
    channels: &[usize],
    notes: &mut Vec<LoadNote>,
) -> Result<Vec<u8>, PictureError> {
    let layout = source.layout;
    let palette = Palette::new(&layout.directory, layout.bits)?;
    let colored = source.pixels().saturating_mul(channels.len() as u64 + 2);
    let indices = source.fill::<Index>(channels, colored, notes)?;
    palette.colors(&indices, layout.alpha.map(|_| layout.bits))
}

/// Four inks of each pixel, where an opacity has come with them: it must be full.
fn without_alpha(layout: &Layout, samples: &mut Vec<u8>) -> Result<(), PictureError> {
    if layout.alpha.is_none() {
        return Ok(());
    }
    let opaque = samples
        .chunks_exact(5)
        .all(|pixel| pixel.last() == Some(&u8::MAX));
    if !opaque {
        return Err(unsupported("transparent CMYK colours"));
    }
    let pixels = samples.len() / 5;
    for at in 0..pixels {
        samples.copy_within(5 * at..5 * at + 4, 4 * at);
    }
    samples.truncate(4 * pixels);
    Ok(())
}

fn image(layout: &Layout, samples: Vec<u8>, channels: usize) -> Result<Pixels, PictureError> {
    let size = (layout.width, layout.height);
    match channels {
        1 => buffer(size, samples).map(DynamicImage::ImageLuma8),
        2 => buffer(size, samples).map(DynamicImage::ImageLumaA8),
        3 => buffer(size, samples).map(DynamicImage::ImageRgb8),
        _ => buffer(size, samples).map(DynamicImage::ImageRgba8),
    }
    .map(Pixels::Image)
}

fn buffer<P: Pixel>(
    (width, height): (u32, u32),
    samples: Vec<P::Subpixel>,
) -> Result<ImageBuffer<P, Vec<P::Subpixel>>, PictureError> {
    ImageBuffer::from_raw(width, height, samples)
        .ok_or_else(|| malformed("its samples do not fill its pixels"))
}
