//! The orthonormal colours, a line of pixels at a time.

use super::BLOCK;

/// Colour components.
pub(super) const COLOURS: usize = 3;

/// Rows of the transform: sum, red − blue, 2·green − red − blue, each over its norm √3, √2, √6.
const COLOUR: [[f32; COLOURS]; COLOURS] = [
    [0.577_350_26, 0.577_350_26, 0.577_350_26],
    [0.707_106_77, 0.0, -0.707_106_77],
    [-0.408_248_3, 0.816_496_6, -0.408_248_3],
];

/// Line `i` of 32 in all colours, `[3][32][width]`.
#[inline(always)]
fn line(lines: &mut [f32], i: usize, width: usize) -> [&mut [f32]; COLOURS] {
    let (first, rest) = lines.split_at_mut(BLOCK * width);
    let (second, third) = rest.split_at_mut(BLOCK * width);
    [first, second, third].map(|lines| &mut lines[i * width..][..width])
}

/// Writes the colours of a line of a picture, `[width][3]` samples, to line `i` of `lines`.
#[inline(always)]
pub(super) fn of_rgb(pixels: &[u8], lines: &mut [f32], i: usize) {
    let (pixels, _) = pixels.as_chunks::<COLOURS>();
    let [first, second, third] = line(lines, i, pixels.len());
    for (((pixel, first), second), third) in pixels.iter().zip(first).zip(second).zip(third) {
        let [r, g, b] = pixel.map(|sample| f32::from(sample) - 127.5);
        let [sum, red, green] = COLOUR;
        *first = sum[0] * r + sum[1] * g + sum[2] * b;
        *second = red[0] * r + red[1] * g + red[2] * b;
        *third = green[0] * r + green[1] * g + green[2] * b;
    }
}

/// The inverse of [`of_rgb`]: samples from 0 to 255, not clamped, as `convert` makes them.
#[inline(always)]
pub(super) fn to_rgb<T>(lines: &mut [f32], i: usize, pixels: &mut [T], convert: impl Fn(f32) -> T) {
    let (pixels, _) = pixels.as_chunks_mut::<COLOURS>();
    let [first, second, third] = line(lines, i, pixels.len());
    for (((pixel, first), second), third) in pixels.iter_mut().zip(first).zip(second).zip(third) {
        for (c, sample) in pixel.iter_mut().enumerate() {
            let [sum, red, green] = COLOUR.map(|weights| weights[c]);
            *sample = convert(sum * *first + red * *second + green * *third + 127.5);
        }
    }
}
