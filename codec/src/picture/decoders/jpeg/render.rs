//! Planes to pixels: components with fewer samples brought to the full size, and the colours of JPEG to RGB.

use super::frame::{Component, Frame, Plane};
use crate::picture::{PictureError, memory};

/// What is made of the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colors {
    AsStored,
    /// Luma and two of colour to RGB (ITU-T T.871, section 7).
    YcbcrToRgb,
    /// Four inks, stored inverted.
    InvertedInks,
    /// Three inks as luma and colour, and black; stored inverted.
    YcckToInks,
}

/// The pixels in rows, the samples of a pixel together.
pub(super) fn pixels(
    frame: &Frame,
    planes: &[Plane],
    colors: Colors,
) -> Result<Vec<u8>, PictureError> {
    let (width, count) = (frame.width as usize, planes.len());
    let bytes = u64::from(frame.width) * u64::from(frame.height) * count as u64;
    let mut pixels = memory::zeroed(bytes)?;
    let mut rows = Vec::new();
    for _ in planes {
        rows.push((memory::zeroed(width as u64)?, Vec::new()));
    }
    for (y, row) in (0..).zip(pixels.chunks_exact_mut(width * count)) {
        let sources = frame.components.iter().zip(planes);
        for ((component, plane), (full, sums)) in sources.zip(&mut rows) {
            full_size(frame, component, plane, y, full, sums);
        }
        let mut samples = rows.iter().map(|(full, _)| full.as_slice());
        let mut next = || samples.next().unwrap_or_default();
        match (count, colors) {
            (1, _) => row.copy_from_slice(next()),
            (2, _) => interleave(row, [next(), next()]),
            (3, Colors::YcbcrToRgb) => to_rgb(row, [next(), next(), next()]),
            (3, _) => interleave(row, [next(), next(), next()]),
            (_, colors) => {
                let [a, b, c, black] = [next(), next(), next(), next()];
                interleave(row, [a, b, c, black]);
                to_inks(row, colors);
            }
        }
    }
    Ok(pixels)
}

fn interleave<const N: usize>(row: &mut [u8], samples: [&[u8]; N]) {
    for (channel, samples) in samples.into_iter().enumerate() {
        for (pixel, &sample) in row.as_chunks_mut::<N>().0.iter_mut().zip(samples) {
            pixel[channel] = sample;
        }
    }
}

/// Pixels that are converted together, so that the compiler can use vectors.
const TOGETHER: usize = 16;

fn to_rgb(row: &mut [u8], [luma, blue, red]: [&[u8]; 3]) {
    let (pixels, rest) = row.as_chunks_mut::<{ 3 * TOGETHER }>();
    let (luma, luma_rest) = luma.as_chunks::<TOGETHER>();
    let (blue, blue_rest) = blue.as_chunks::<TOGETHER>();
    let (red, red_rest) = red.as_chunks::<TOGETHER>();
    for (((pixels, y), cb), cr) in pixels.iter_mut().zip(luma).zip(blue).zip(red) {
        let mut channels = [[0; TOGETHER]; 3];
        for i in 0..TOGETHER {
            let [r, g, b] = rgb(y[i], cb[i], cr[i]);
            (channels[0][i], channels[1][i], channels[2][i]) = (r, g, b);
        }
        let [reds, greens, blues] = channels;
        for (i, pixel) in pixels.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            *pixel = [reds[i], greens[i], blues[i]];
        }
    }
    let rest = rest.as_chunks_mut::<3>().0.iter_mut();
    for (((pixel, &y), &cb), &cr) in rest.zip(luma_rest).zip(blue_rest).zip(red_rest) {
        *pixel = rgb(y, cb, cr);
    }
}

/// In whole numbers of 16 bits, as far as they go: 1.402 is 1 + 0.402, 1.772 is 2 - 0.228, and 0.714 is 1 - 0.286.
#[inline]
fn rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let y = i16::from(y);
    let (cb, cr) = (i16::from(cb) - 128, i16::from(cr) - 128);
    // Half of 2^16 times the factor; twice the value gives a bit more, for rounding.
    let times = |value: i16, factor: i16| {
        let twice = (i32::from(value * 2) * i32::from(factor)) >> 16;
        (twice as i16 + 1) >> 1
    };
    let green = (i32::from(cr) * 18_734 - i32::from(cb) * 22_554 + (1 << 15)) >> 16;
    [
        y + cr + times(cr, 26_345),
        y - cr + green as i16,
        y + 2 * cb + times(cb, -14_942),
    ]
    .map(|value| value.clamp(0, 255) as u8)
}

/// Inks that are stored, to those with 0 for none.
fn to_inks(row: &mut [u8], colors: Colors) {
    for pixel in row.as_chunks_mut::<4>().0 {
        let [a, b, c, black] = *pixel;
        *pixel = match colors {
            Colors::InvertedInks => pixel.map(|ink| 255 - ink),
            Colors::YcckToInks => {
                let [cyan, magenta, yellow] = rgb(a, b, c);
                [cyan, magenta, yellow, 255 - black]
            }
            Colors::AsStored | Colors::YcbcrToRgb => *pixel,
        };
    }
}

/// A row of a component in the full size. Between samples at half the distance lies a quarter of the farther one; others
/// are repeated.
fn full_size(
    frame: &Frame,
    component: &Component,
    plane: &Plane,
    y: u32,
    full: &mut [u8],
    sums: &mut Vec<u16>,
) {
    let row = |y: u32| {
        let row = plane.row(y.min(component.height.saturating_sub(1)));
        row.get(..component.width as usize).unwrap_or_default()
    };
    let ratio = |all: u32, part: u32| all.is_multiple_of(part).then_some(all / part);
    let across = ratio(frame.across, component.across);
    let down = ratio(frame.down, component.down);
    let at = y * component.down / frame.down;
    // The nearer row counts three times.
    let farther = if y.is_multiple_of(2) {
        at.saturating_sub(1)
    } else {
        at + 1
    };
    let narrow = component.width <= 2;
    match (across, down) {
        (Some(1), Some(1)) => copy(full, row(at)),
        (Some(1), Some(2)) => {
            let rounding = if y.is_multiple_of(2) { 1 } else { 2 };
            for ((full, &near), &far) in full.iter_mut().zip(row(at)).zip(row(farther)) {
                *full = ((u16::from(near) * 3 + u16::from(far) + rounding) >> 2) as u8;
            }
        }
        (Some(2), Some(1)) if !narrow => {
            sums.clear();
            sums.extend(row(at).iter().map(|&sample| u16::from(sample)));
            twice_as_wide::<2>(full, sums, [1, 2]);
        }
        (Some(2), Some(2)) if !narrow => {
            sums.clear();
            let pairs = row(at).iter().zip(row(farther));
            sums.extend(pairs.map(|(&near, &far)| u16::from(near) * 3 + u16::from(far)));
            twice_as_wide::<4>(full, sums, [8, 7]);
        }
        _ => {
            let samples = row(at);
            for (x, full) in (0..).zip(full) {
                let at: u32 = x * component.across / frame.across;
                *full = samples.get(at as usize).copied().unwrap_or_default();
            }
        }
    }
}

fn copy(full: &mut [u8], samples: &[u8]) {
    for (full, &sample) in full.iter_mut().zip(samples) {
        *full = sample;
    }
}

/// Two samples of each, left and right of it; `rounding` is added to them before bits are dropped.
fn twice_as_wide<const BITS: u32>(full: &mut [u8], samples: &[u16], rounding: [u16; 2]) {
    let between =
        |near: u16, far: u16, side: usize| ((near * 3 + far + rounding[side]) >> BITS) as u8;
    let (Some(&first), Some(&last)) = (samples.first(), samples.last()) else {
        return;
    };
    if let Some(left) = full.first_mut() {
        *left = between(first, first, 0);
    }
    // From here on pairs: the right one of a sample, the left one of the next.
    let (pairs, rest) = full.get_mut(1..).unwrap_or_default().as_chunks_mut::<2>();
    for (pair, &[near, next]) in pairs.iter_mut().zip(samples.array_windows::<2>()) {
        *pair = [between(near, next, 1), between(next, near, 0)];
    }
    if let [right] = rest {
        *right = between(last, last, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_those_of_the_definition() {
        for y in (0..=255).step_by(5) {
            for cb in 0..=255 {
                for cr in (0..=255).step_by(3) {
                    let [luma, blue, red] = [y, cb, cr].map(f64::from);
                    let (blue, red) = (blue - 128.0, red - 128.0);
                    let right = [
                        luma + 1.402 * red,
                        luma - 0.344_136_3 * blue - 0.714_136_3 * red,
                        luma + 1.772 * blue,
                    ];
                    for (found, right) in rgb(y, cb, cr).into_iter().zip(right) {
                        let error = (f64::from(found) - right.clamp(0.0, 255.0)).abs();
                        assert!(error < 0.51, "{y} {cb} {cr}: {found} {right}");
                    }
                }
            }
        }
    }

    #[test]
    fn samples_between_others_are_nearer_to_the_near_one() {
        let samples = [10, 50, 90];
        let expected = [10, 20, 40, 60, 80, 90];
        for width in 5..=6 {
            let mut full = vec![0; width];
            twice_as_wide::<2>(&mut full, &samples, [1, 2]);
            assert_eq!(full, expected[..width]);
            twice_as_wide::<4>(&mut full, &samples.map(|sample| sample * 4), [8, 7]);
            assert_eq!(full, expected[..width]);
        }
    }
}
