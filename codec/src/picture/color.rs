//! Pixels of any colour profile to sRGB, which is what the codec works in and files hold.

use std::sync::Arc;

use image::{DynamicImage, RgbImage};
use moxcms::{
    Chromaticity, CicpProfile, CmsError, ColorPrimaries, ColorProfile, DataColorSpace, Layout,
    MatrixCoefficients, ToneReprCurve, TransferCharacteristics, TransformExecutor,
    TransformOptions,
};

use super::decoders::{Blocks, Calibration, Pixels};
use super::{LoadNote, PictureError, PictureFormat, memory};

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
/// How far chromaticities may be from those of sRGB, and an exponent from 2.2, to mean sRGB: files give few digits.
const SAME: f64 = 0.003;
const SAME_EXPONENT: f64 = 0.03;

/// Describes the colours of a file: by its coding points, which come first, by its ICC profile, or by its calibration.
///
/// # Errors
/// [`PictureError::Malformed`] for PQ and HLG, whose highlights have no place in sRGB.
pub(super) fn described(format: PictureFormat, blocks: &Blocks) -> Result<Described, PictureError> {
    let (described, transfer) = if let Some([primaries, transfer]) = blocks.coding_points {
        (by_points(primaries, transfer), Some(transfer))
    } else if let Some(icc) = &blocks.icc {
        match ColorProfile::new_from_slice(icc) {
            Ok(profile) => {
                let points = profile.cicp;
                let transfer = points.map(|points| points.transfer_characteristics as u8);
                (Described::By(Box::new(profile)), transfer)
            }
            Err(_) => (Described::Damaged, None),
        }
    } else if let Some(calibration) = &blocks.calibration {
        (by_calibration(calibration), None)
    } else {
        (Described::Not, None)
    };
    let range = match transfer.map(TransferCharacteristics::try_from) {
        Some(Ok(TransferCharacteristics::Smpte2084)) => "PQ",
        Some(Ok(TransferCharacteristics::Hlg)) => "HLG",
        _ => return Ok(described),
    };
    Err(high_dynamic_range(format.name(), range))
}

/// The refusal of PQ or HLG.
pub(super) fn high_dynamic_range(format: &'static str, range: &str) -> PictureError {
    PictureError::Malformed {
        format,
        detail: format!("its colours are {range}, high dynamic range; convert it to sRGB first"),
    }
}

/// ITU-T H.273. The points are damaged where they name nothing, and nothing where they say that they do not.
fn by_points(primaries: u8, transfer: u8) -> Described {
    const UNSPECIFIED: u8 = 2;
    if primaries == UNSPECIFIED || transfer == UNSPECIFIED {
        return Described::Not;
    }
    let (Ok(color_primaries), Ok(transfer_characteristics)) =
        (primaries.try_into(), transfer.try_into())
    else {
        return Described::Damaged;
    };
    let mut profile = srgb(Layout::Rgb);
    let points = CicpProfile {
        color_primaries,
        transfer_characteristics,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    };
    profile.cicp = None;
    // What it returns does not tell whether it knows the points; what it leaves does.
    profile.update_rgb_colorimetry_from_cicp(points);
    let curve = ToneReprCurve::try_from(transfer_characteristics);
    if profile.cicp.is_some() && curve.is_ok() {
        Described::By(Box::new(profile))
    } else {
        Described::Damaged
    }
}

/// PNG, sections 11.3.2.1 and 11.3.2.2. What is not given is that of sRGB.
fn by_calibration(calibration: &Calibration) -> Described {
    const SRGB: [[f64; 2]; 4] = [[0.3127, 0.3290], [0.64, 0.33], [0.30, 0.60], [0.15, 0.06]];
    let points = calibration.chromaticities.unwrap_or(SRGB);
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= SAME;
    let usual = points
        .as_flattened()
        .iter()
        .zip(SRGB.as_flattened())
        .all(near);
    let exponent = calibration.gamma.map(|gamma| 1.0 / gamma);
    let usual_curve = exponent.is_none_or(|exponent| (exponent - 2.2).abs() <= SAME_EXPONENT);
    if usual && usual_curve {
        return Described::Not;
    }
    let mut profile = srgb(Layout::Rgb);
    let [white, red, green, blue] = points.map(|[x, y]| Chromaticity::new(x as f32, y as f32));
    // A colour that has no place in the diagram, or three on a line, make no matrix.
    let area = {
        let [_, [rx, ry], [gx, gy], [bx, by]] = points;
        (gx - rx) * (by - ry) - (bx - rx) * (gy - ry)
    };
    if points.iter().any(|[_, y]| *y <= 0.0) || area.abs() < 1e-3 {
        return Described::Damaged;
    }
    profile.update_rgb_colorimetry(white.to_xyyb(), ColorPrimaries { red, green, blue });
    if let Some(exponent) = exponent {
        if !exponent.is_finite() {
            return Described::Damaged;
        }
        let curve = ToneReprCurve::Parametric(vec![exponent as f32]);
        profile.red_trc = Some(curve.clone());
        profile.green_trc = Some(curve.clone());
        profile.blue_trc = Some(curve);
    }
    Described::By(Box::new(profile))
}

/// The pixels in sRGB, and whether they were converted. Notes tell why they were not.
///
/// # Errors
/// [`PictureError::OutOfMemory`].
pub(super) fn to_srgb(
    pixels: Pixels,
    described: &Described,
    notes: &mut Vec<LoadNote>,
) -> Result<(DynamicImage, bool), PictureError> {
    let profile = match described {
        Described::By(profile) => Some(profile),
        Described::Not => None,
        Described::Damaged => {
            notes.push(LoadNote::ProfileDamaged);
            None
        }
    };
    let (image, done) = match pixels {
        Pixels::Cmyk {
            width,
            height,
            samples,
        } => from_cmyk((width, height), samples, profile.map(|profile| &**profile))?,
        Pixels::Image(mut image) => match profile {
            Some(profile) => {
                let done = convert(&mut image, profile)?;
                (image, done)
            }
            None => (image, Done::NotNeeded),
        },
    };
    match done {
        Done::Damaged => notes.push(LoadNote::ProfileDamaged),
        Done::Unsupported => notes.push(LoadNote::ProfileUnsupported),
        Done::Converted | Done::NotNeeded => {}
    }
    Ok((image, done == Done::Converted))
}

/// What became of the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    NotNeeded,
    Converted,
    Damaged,
    Unsupported,
}

/// Converts the pixels in place.
fn convert(image: &mut DynamicImage, profile: &ColorProfile) -> Result<Done, PictureError> {
    use DynamicImage as D;
    use Layout::{Gray, GrayAlpha, Rgb, Rgba};
    let curve;
    let mut profile = profile;
    let space = if image.color().has_color() {
        DataColorSpace::Rgb
    } else {
        // Grey photos with a profile of colours are common: their curve is that of the greys.
        if profile.color_space == DataColorSpace::Rgb && profile.red_trc.is_some() {
            curve = grey_of(profile);
            profile = &curve;
        } else if profile.pcs == DataColorSpace::Lab
            && let Some(by_light) = grey_by_light(profile)
        {
            curve = by_light;
            profile = &curve;
        }
        DataColorSpace::Gray
    };
    if profile.color_space != space {
        return Ok(Done::Unsupported);
    }
    if is_srgb(profile, space) {
        return Ok(Done::NotNeeded);
    }
    let width = image.width() as usize;
    match image {
        D::ImageRgb8(image) => in_8_bits(profile, Rgb, width, image),
        D::ImageRgba8(image) => in_8_bits(profile, Rgba, width, image),
        D::ImageLuma8(image) => in_8_bits(profile, Gray, width, image),
        D::ImageLumaA8(image) => in_8_bits(profile, GrayAlpha, width, image),
        D::ImageRgb16(image) => in_16_bits(profile, Rgb, width, image),
        D::ImageRgba16(image) => in_16_bits(profile, Rgba, width, image),
        D::ImageLuma16(image) => in_16_bits(profile, Gray, width, image),
        D::ImageLumaA16(image) => in_16_bits(profile, GrayAlpha, width, image),
        D::ImageRgb32F(image) => in_floats(profile, Rgb, width, image),
        D::ImageRgba32F(image) => in_floats(profile, Rgba, width, image),
        _ => Ok(Done::Unsupported),
    }
}

fn options() -> TransformOptions {
    TransformOptions {
        prefer_fixed_point: false,
        ..TransformOptions::default()
    }
}

/// The profile to convert to: sRGB, or its curve for grey.
fn srgb(layout: Layout) -> ColorProfile {
    let srgb = ColorProfile::new_srgb();
    if matches!(layout, Layout::Gray | Layout::GrayAlpha) {
        return grey_of(&srgb);
    }
    srgb
}

/// The greys of a profile of colours.
fn grey_of(profile: &ColorProfile) -> ColorProfile {
    let mut grey = ColorProfile::new_srgb();
    grey.color_space = DataColorSpace::Gray;
    grey.gray_trc = profile.red_trc.clone();
    grey
}

/// The greys of a profile whose curve gives lightness (ICC.1, section 8.3.4): with a curve that gives light.
fn grey_by_light(profile: &ColorProfile) -> Option<ColorProfile> {
    const STEPS: u16 = 4095;
    let lightness = profile.gray_trc.as_ref()?.make_linear_evaluator().ok()?;
    let light = |step: u16| {
        let lightness = lightness.evaluate_value(f32::from(step) / f32::from(STEPS)) * 100.0;
        // CIE 1976 L*.
        let light = if lightness > 8.0 {
            ((lightness + 16.0) / 116.0).powi(3)
        } else {
            lightness * (27.0 / 24_389.0)
        };
        (light.clamp(0.0, 1.0) * 65_535.0).round() as u16
    };
    let mut grey = srgb(Layout::Gray);
    grey.gray_trc = Some(ToneReprCurve::Lut((0..=STEPS).map(light).collect()));
    Some(grey)
}

fn in_8_bits(
    profile: &ColorProfile,
    layout: Layout,
    width: usize,
    samples: &mut [u8],
) -> Result<Done, PictureError> {
    let transform = profile.create_transform_8bit(layout, &srgb(layout), layout, options());
    rows(transform, width * layout.channels(), samples)
}

fn in_16_bits(
    profile: &ColorProfile,
    layout: Layout,
    width: usize,
    samples: &mut [u16],
) -> Result<Done, PictureError> {
    let transform = profile.create_transform_16bit(layout, &srgb(layout), layout, options());
    rows(transform, width * layout.channels(), samples)
}

fn in_floats(
    profile: &ColorProfile,
    layout: Layout,
    width: usize,
    samples: &mut [f32],
) -> Result<Done, PictureError> {
    let transform = profile.create_transform_f32(layout, &srgb(layout), layout, options());
    rows(transform, width * layout.channels(), samples)
}

type Transform<T> = Result<Arc<dyn TransformExecutor<T> + Send + Sync>, CmsError>;

/// Transforms one row after the other.
fn rows<T: Copy + Default>(
    transform: Transform<T>,
    row: usize,
    samples: &mut [T],
) -> Result<Done, PictureError> {
    let Ok(transform) = transform else {
        return Ok(Done::Damaged);
    };
    let mut source = memory::with_capacity(row)?;
    for target in samples.chunks_exact_mut(row.max(1)) {
        source.clear();
        source.extend_from_slice(target);
        if transform.transform(&source, target).is_err() {
            return Ok(Done::Damaged);
        }
    }
    Ok(Done::Converted)
}

/// Four inks to three lights, in the memory of the inks: by the profile, or as light that each ink takes its share of.
fn from_cmyk(
    (width, height): (u32, u32),
    mut samples: Vec<u8>,
    profile: Option<&ColorProfile>,
) -> Result<(DynamicImage, Done), PictureError> {
    let of_inks = profile.filter(|profile| profile.color_space == DataColorSpace::Cmyk);
    let transform = of_inks.map(|profile| {
        profile.create_transform_8bit(Layout::Rgba, &srgb(Layout::Rgb), Layout::Rgb, options())
    });
    let mut done = match (&transform, profile) {
        (Some(Ok(_)), _) => Done::Converted,
        (Some(Err(_)), _) => Done::Damaged,
        (None, Some(_)) => Done::Unsupported,
        (None, None) => Done::NotNeeded,
    };
    let transform = transform.and_then(Result::ok);
    let width_bytes = width as usize * 3;
    let inks_bytes = width as usize * 4;
    let mut inks = memory::zeroed(inks_bytes as u64)?;
    for y in 0..height as usize {
        inks.copy_from_slice(&samples[y * inks_bytes..][..inks_bytes]);
        let target = &mut samples[y * width_bytes..][..width_bytes];
        if let Some(transform) = &transform {
            if transform.transform(&inks, target).is_ok() {
                continue;
            }
            done = Done::Damaged;
        }
        let (pixels, _) = inks.as_chunks::<4>();
        let (targets, _) = target.as_chunks_mut::<3>();
        for (target, [inks @ .., black]) in targets.iter_mut().zip(pixels) {
            *target = inks.map(|ink| {
                let light = (255 - u32::from(ink)) * (255 - u32::from(*black));
                ((light + 127) / 255) as u8
            });
        }
    }
    samples.truncate(height as usize * width_bytes);
    samples.shrink_to_fit();
    let image = RgbImage::from_raw(width, height, samples).unwrap_or_default();
    Ok((image.into(), done))
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
    matches!(done, Ok(Done::Converted))
        && probes
            .iter()
            .zip(&converted)
            .all(|(a, b)| a.abs_diff(*b) <= 1)
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    fn converted(profile: ColorProfile, color: [u8; 3]) -> (Done, [u8; 3]) {
        let mut image = DynamicImage::ImageRgb8(RgbImage::from_pixel(3, 2, Rgb(color)));
        let done = convert(&mut image, &profile).unwrap();
        (done, image.to_rgb8().get_pixel(2, 1).0)
    }

    fn close(found: [u8; 3], expected: [u8; 3]) {
        let close = found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1);
        assert!(close, "{found:?}, not {expected:?}");
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
            assert_eq!(done, Done::Converted);
            close(found, expected);
        }
    }

    #[test]
    fn srgb_is_left_as_it_is() {
        let (done, color) = converted(ColorProfile::new_srgb(), [1, 2, 3]);
        assert_eq!((done, color), (Done::NotNeeded, [1, 2, 3]));
    }

    #[test]
    fn other_kinds_of_profiles_are_told() {
        let mut grey = ColorProfile::new_srgb();
        grey.color_space = DataColorSpace::Gray;
        assert_eq!(converted(grey, [5; 3]), (Done::Unsupported, [5; 3]));
        let mut notes = Vec::new();
        let image = Pixels::Image(DynamicImage::new_rgb8(1, 1));
        let (_, converted) = to_srgb(image, &Described::Damaged, &mut notes).unwrap();
        assert_eq!((converted, notes), (false, vec![LoadNote::ProfileDamaged]));
    }

    #[test]
    fn greys_follow_the_curve_of_a_profile_of_colors() {
        let mut linear = ColorProfile::new_srgb();
        linear.red_trc = Some(ToneReprCurve::Parametric(vec![1.0]));
        let mut image = DynamicImage::ImageLuma8(image::GrayImage::from_pixel(2, 2, [55].into()));
        assert_eq!(convert(&mut image, &linear).unwrap(), Done::Converted);
        // 55/255 of the light: 1.055 (0.2157^(1/2.4)) - 0.055 = 0.5018.
        close(image.to_rgb8().get_pixel(1, 1).0, [128; 3]);
        let mut image = DynamicImage::ImageLuma8(image::GrayImage::from_pixel(2, 2, [55].into()));
        let done = convert(&mut image, &ColorProfile::new_srgb()).unwrap();
        assert_eq!(done, Done::NotNeeded);
    }

    #[test]
    fn greys_may_be_given_by_their_lightness() {
        let mut lightness = srgb(Layout::Gray);
        lightness.pcs = DataColorSpace::Lab;
        lightness.gray_trc = Some(ToneReprCurve::Parametric(vec![1.0]));
        let mut image = DynamicImage::ImageLuma8(image::GrayImage::from_pixel(2, 2, [128].into()));
        assert_eq!(convert(&mut image, &lightness).unwrap(), Done::Converted);
        // L* of 50.2 is 18.6 % of the light: 1.055 (0.186^(1/2.4)) - 0.055 = 0.468.
        close(image.to_rgb8().get_pixel(1, 1).0, [119; 3]);
    }

    #[test]
    fn calibrations_are_profiles_unless_they_say_srgb() {
        let with = |chromaticities, gamma| {
            by_calibration(&Calibration {
                chromaticities,
                gamma,
            })
        };
        let srgb = [[0.3127, 0.329], [0.64, 0.33], [0.3, 0.6], [0.15, 0.06]];
        assert!(matches!(with(Some(srgb), Some(0.45455)), Described::Not));
        assert!(matches!(with(None, Some(0.45455)), Described::Not));
        let line = [[0.3127, 0.329], [0.1, 0.1], [0.2, 0.2], [0.3, 0.3]];
        assert!(matches!(with(Some(line), None), Described::Damaged));
        assert!(matches!(with(None, Some(0.0)), Described::Damaged));
        let adobe = [[0.3127, 0.329], [0.64, 0.33], [0.21, 0.71], [0.15, 0.06]];
        for (described, color, expected) in [
            (
                with(Some(adobe), Some(0.45455)),
                [200, 100, 50],
                [227, 100, 42],
            ),
            (with(None, Some(1.0)), [55, 55, 55], [128, 128, 128]),
        ] {
            let Described::By(profile) = described else {
                panic!("no profile");
            };
            close(converted(*profile, color).1, expected);
        }
    }

    #[test]
    fn inks_follow_their_profile() {
        let icc = crate::picture::fixtures::bytes("soft-inks.icc");
        let profile = ColorProfile::new_from_slice(&icc).unwrap();
        // The right colours by LittleCMS; on a grid of three steps the interpolation matters.
        let right = [
            ([0, 0, 0, 0], [255, 255, 255]),
            ([0, 0, 0, 255], [19, 19, 19]),
            ([128, 64, 32, 16], [141, 189, 218]),
            ([10, 200, 100, 50], [204, 80, 139]),
            ([60, 60, 60, 0], [211, 204, 202]),
        ];
        let inks = right.map(|(inks, _)| inks).concat();
        let (image, done) = from_cmyk((5, 1), inks, Some(&profile)).unwrap();
        assert_eq!(done, Done::Converted);
        for (found, (inks, right)) in image.to_rgb8().pixels().zip(right) {
            let far = found.0.iter().zip(right).map(|(a, b)| a.abs_diff(b)).max();
            assert!(far <= Some(6), "{inks:?}: {found:?}, not {right:?}");
        }
    }

    #[test]
    fn coding_points_are_profiles_where_they_name_colors() {
        for (points, color, expected) in [
            ((1, 13), [200, 100, 50], [200, 100, 50]),
            ((12, 13), [200, 100, 50], [215, 93, 31]),
            ((1, 8), [55, 55, 55], [128, 128, 128]),
        ] {
            let Described::By(profile) = by_points(points.0, points.1) else {
                panic!("no profile of {points:?}");
            };
            close(converted(*profile, color).1, expected);
        }
        for (primaries, transfer) in [(2, 13), (1, 2)] {
            assert!(matches!(by_points(primaries, transfer), Described::Not));
        }
        for (primaries, transfer) in [(0, 13), (1, 3), (255, 255)] {
            assert!(matches!(by_points(primaries, transfer), Described::Damaged));
        }
    }

    #[test]
    fn inks_without_a_profile_take_their_share_of_the_light() {
        let samples = vec![0, 0, 0, 0, 255, 0, 0, 0, 0, 128, 0, 0, 0, 0, 0, 255];
        let (image, done) = from_cmyk((2, 2), samples, None).unwrap();
        assert_eq!(done, Done::NotNeeded);
        assert_eq!(
            image.to_rgb8().into_raw(),
            [255, 255, 255, 0, 255, 255, 255, 127, 255, 0, 0, 0]
        );
        let (_, done) = from_cmyk((1, 1), vec![0; 4], Some(&ColorProfile::new_srgb())).unwrap();
        assert_eq!(done, Done::Unsupported);
    }
}
