//! Pixels of any colour profile to sRGB, which is what the codec works in and files hold.

use std::sync::Arc;

use image::{DynamicImage, ImageFormat};
use moxcms::{
    CicpProfile, CmsError, ColorProfile, DataColorSpace, Layout, TransferCharacteristics,
    TransformExecutor, TransformOptions,
};

use super::{PictureError, memory, png};

/// What became of the colour description in an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColorConversion {
    /// The pixels are as stored: sRGB, or there is no description, or conversion was not wanted.
    None,
    /// The pixels were converted to sRGB.
    Converted,
    /// The profile is damaged; the pixels are taken as sRGB.
    Damaged,
    /// The profile is of a kind that is not converted: of CMYK, or for samples in floats; the pixels are taken as sRGB.
    Unsupported,
}

/// What an image file says of its colours.
pub(super) enum Described {
    /// Nothing.
    Not,
    By(Box<ColorProfile>),
    /// In a way that cannot be read.
    Damaged,
}

/// Steps along each channel that tell whether a profile is sRGB.
const PROBES: usize = 9;

/// Describes the colours of a file: the coding points of a PNG, which come first, or its ICC profile.
///
/// # Errors
/// [`PictureError::Malformed`] for PQ and HLG, whose highlights have no place in sRGB.
pub(super) fn described(
    (format, name): (ImageFormat, &'static str),
    bytes: &[u8],
    icc: Option<&[u8]>,
) -> Result<Described, PictureError> {
    let points = (format == ImageFormat::Png)
        .then(|| png::coding_points(bytes))
        .flatten();
    let unknown = || PictureError::Malformed {
        format: name,
        detail: "its coding points (cICP) are not known; convert it to sRGB first".to_owned(),
    };
    let profile = match points {
        Some([primaries, transfer]) => ColorProfile::new_from_cicp(CicpProfile {
            color_primaries: primaries.try_into().map_err(|_| unknown())?,
            transfer_characteristics: transfer.try_into().map_err(|_| unknown())?,
            matrix_coefficients: moxcms::MatrixCoefficients::Identity,
            full_range: true,
        }),
        None => match icc.map(ColorProfile::new_from_slice) {
            Some(Ok(profile)) => profile,
            Some(Err(_)) => return Ok(Described::Damaged),
            None => return Ok(Described::Not),
        },
    };
    let hdr = match profile.cicp.map(|points| points.transfer_characteristics) {
        Some(TransferCharacteristics::Smpte2084) => "PQ",
        Some(TransferCharacteristics::Hlg) => "HLG",
        _ => return Ok(Described::By(Box::new(profile))),
    };
    Err(PictureError::Malformed {
        format: name,
        detail: format!("its colours are {hdr}, high dynamic range; convert it to sRGB first"),
    })
}

/// Converts the pixels in place.
///
/// # Errors
/// [`PictureError::OutOfMemory`].
pub(super) fn to_srgb(
    image: &mut DynamicImage,
    described: &Described,
) -> Result<ColorConversion, PictureError> {
    let profile = match described {
        Described::Not => return Ok(ColorConversion::None),
        Described::By(profile) => profile,
        Described::Damaged => return Ok(ColorConversion::Damaged),
    };
    let space = if image.color().has_color() {
        DataColorSpace::Rgb
    } else {
        DataColorSpace::Gray
    };
    if profile.color_space != space {
        return Ok(ColorConversion::Unsupported);
    }
    if is_srgb(profile, space) {
        return Ok(ColorConversion::None);
    }
    use DynamicImage as D;
    use Layout::{Gray, GrayAlpha, Rgb, Rgba};
    let width = image.width() as usize;
    let converted = match image {
        D::ImageRgb8(image) => in_8_bits(profile, Rgb, width, image),
        D::ImageRgba8(image) => in_8_bits(profile, Rgba, width, image),
        D::ImageLuma8(image) => in_8_bits(profile, Gray, width, image),
        D::ImageLumaA8(image) => in_8_bits(profile, GrayAlpha, width, image),
        D::ImageRgb16(image) => in_16_bits(profile, Rgb, width, image),
        D::ImageRgba16(image) => in_16_bits(profile, Rgba, width, image),
        D::ImageLuma16(image) => in_16_bits(profile, Gray, width, image),
        D::ImageLumaA16(image) => in_16_bits(profile, GrayAlpha, width, image),
        _ => return Ok(ColorConversion::Unsupported),
    }?;
    Ok(if converted {
        ColorConversion::Converted
    } else {
        ColorConversion::Damaged
    })
}

fn options() -> TransformOptions {
    TransformOptions {
        prefer_fixed_point: false,
        ..TransformOptions::default()
    }
}

/// The profile to convert to: sRGB, or its curve for grey.
fn srgb(layout: Layout) -> ColorProfile {
    let mut srgb = ColorProfile::new_srgb();
    if matches!(layout, Layout::Gray | Layout::GrayAlpha) {
        srgb.color_space = DataColorSpace::Gray;
        srgb.gray_trc = srgb.red_trc.clone();
    }
    srgb
}

fn in_8_bits(
    profile: &ColorProfile,
    layout: Layout,
    width: usize,
    samples: &mut [u8],
) -> Result<bool, PictureError> {
    let transform = profile.create_transform_8bit(layout, &srgb(layout), layout, options());
    rows(transform, width * layout.channels(), samples)
}

fn in_16_bits(
    profile: &ColorProfile,
    layout: Layout,
    width: usize,
    samples: &mut [u16],
) -> Result<bool, PictureError> {
    let transform = profile.create_transform_16bit(layout, &srgb(layout), layout, options());
    rows(transform, width * layout.channels(), samples)
}

/// Transforms one row after the other. Returns false where there is no transform, or where it refuses them.
fn rows<T: Copy + Default>(
    transform: Result<Arc<dyn TransformExecutor<T> + Send + Sync>, CmsError>,
    row: usize,
    samples: &mut [T],
) -> Result<bool, PictureError> {
    let Ok(transform) = transform else {
        return Ok(false);
    };
    let mut source = memory::with_capacity(row)?;
    for target in samples.chunks_exact_mut(row.max(1)) {
        source.clear();
        source.extend_from_slice(target);
        if transform.transform(&source, target).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a profile changes no colour by more than rounding: most photos carry one of sRGB itself.
fn is_srgb(profile: &ColorProfile, space: DataColorSpace) -> bool {
    let level = |step: usize| (step * 255 / (PROBES - 1)) as u8;
    let (layout, probes): (_, Vec<u8>) = if space == DataColorSpace::Gray {
        (Layout::Gray, (0..=255).collect())
    } else {
        let colors = (0..PROBES.pow(3))
            .flat_map(|at| [at % PROBES, at / PROBES % PROBES, at / PROBES / PROBES].map(level));
        (Layout::Rgb, colors.collect())
    };
    let mut converted = probes.clone();
    let done = in_8_bits(
        profile,
        layout,
        probes.len() / layout.channels(),
        &mut converted,
    );
    matches!(done, Ok(true))
        && probes
            .iter()
            .zip(&converted)
            .all(|(a, b)| a.abs_diff(*b) <= 1)
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    fn converted(profile: ColorProfile, color: [u8; 3]) -> (ColorConversion, [u8; 3]) {
        let mut image = DynamicImage::ImageRgb8(RgbImage::from_pixel(3, 2, Rgb(color)));
        let done = to_srgb(&mut image, &Described::By(Box::new(profile))).unwrap();
        (done, image.to_rgb8().get_pixel(2, 1).0)
    }

    #[test]
    fn colors_of_wide_gamuts_become_those_of_srgb() {
        // By the matrices of the standards, in f64.
        for (profile, color, expected) in [
            (
                ColorProfile::new_display_p3(),
                [200, 100, 50],
                [215, 93, 31],
            ),
            (
                ColorProfile::new_display_p3(),
                [128, 128, 128],
                [128, 128, 128],
            ),
            (
                ColorProfile::new_adobe_rgb(),
                [200, 100, 50],
                [227, 100, 42],
            ),
        ] {
            let (done, found) = converted(profile, color);
            assert_eq!(done, ColorConversion::Converted);
            let close = found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1);
            assert!(close, "{color:?}: {found:?}, not {expected:?}");
        }
    }

    #[test]
    fn srgb_is_left_as_it_is() {
        let (done, color) = converted(ColorProfile::new_srgb(), [1, 2, 3]);
        assert_eq!((done, color), (ColorConversion::None, [1, 2, 3]));
    }

    #[test]
    fn other_kinds_of_profiles_are_told() {
        let mut grey = ColorProfile::new_srgb();
        grey.color_space = DataColorSpace::Gray;
        assert_eq!(
            converted(grey, [5; 3]),
            (ColorConversion::Unsupported, [5; 3])
        );
        let mut image = DynamicImage::new_rgb8(1, 1);
        let damaged = to_srgb(&mut image, &Described::Damaged).unwrap();
        assert_eq!(damaged, ColorConversion::Damaged);
    }
}
