//! Separable resampling in fixed point, bit-identical to the one of the Python Imaging Library.
//!
//! Two passes over 8-bit samples with an 8-bit picture in between. The kernel is stretched by the
//! scale when shrinking (built-in antialiasing). Only the wanted window of the output is computed,
//! so that a crop of a huge enlargement costs no more than the crop. Rows are spread over the
//! threads of the current rayon pool; each is computed alone, so the result does not depend on them.

use image::RgbImage;
use rayon::prelude::*;

/// Fraction bits of the weights: 8-bit samples and 2 bits of overshoot leave 22 of 32.
const PRECISION: u32 = 32 - 8 - 2;
const HALF: i32 = 1 << (PRECISION - 1);
/// Samples accumulated at once in the vertical pass, few enough for the first-level cache.
const BLOCK: usize = 512;
/// Rows per task, so that thin strips do not drown in scheduling.
const MIN_ROWS: usize = 8;

/// The interpolation kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    /// The triangle, normative for pre-processing.
    Triangle,
    /// The cubic through the samples with a = −1/2 (Catmull-Rom).
    #[cfg(test)]
    CatmullRom,
    /// The sinc windowed to three lobes.
    Lanczos3,
}

impl Kernel {
    fn support(self) -> f64 {
        match self {
            Self::Triangle => 1.0,
            #[cfg(test)]
            Self::CatmullRom => 2.0,
            Self::Lanczos3 => 3.0,
        }
    }

    fn at(self, x: f64) -> f64 {
        let x = x.abs();
        if x >= self.support() {
            return 0.0;
        }
        match self {
            Self::Triangle => 1.0 - x,
            #[cfg(test)]
            Self::CatmullRom if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            #[cfg(test)]
            Self::CatmullRom => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Lanczos3 => sinc(x) * sinc(x / 3.0),
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * std::f64::consts::PI;
    x.sin() / x
}

/// One axis of a resampling: the input length, the length of the whole output, and the part of
/// that output that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Samples of the input.
    pub(super) input: u32,
    /// Samples of the whole output.
    pub(super) output: u64,
    /// First wanted sample of the output.
    pub(super) first: u64,
    /// Number of wanted samples.
    pub(super) count: u32,
}

impl Span {
    /// The whole output.
    pub(super) fn whole(input: u32, output: u32) -> Self {
        Self {
            input,
            output: u64::from(output),
            first: 0,
            count: output,
        }
    }

    fn is_identity(&self) -> bool {
        let input = u64::from(self.input);
        self.output == input && u64::from(self.count) == input
    }
}

/// The input samples of one output sample: `weights[at..at + len]` for `[start, start + len)`.
#[derive(Debug, Clone, Copy)]
struct Window {
    start: usize,
    len: usize,
    at: usize,
}

/// Windows and fixed-point weights of one axis.
struct Weights {
    windows: Vec<Window>,
    weights: Vec<i32>,
}

impl Weights {
    /// At most `2 · support · max(input, count)` weights and a few more: linear in the picture.
    fn new(kernel: Kernel, span: Span) -> Self {
        let scale = f64::from(span.input) / span.output as f64;
        let stretch = scale.max(1.0);
        let support = kernel.support() * stretch;
        let per_sample = 1.0 / stretch;
        let mut windows = Vec::with_capacity(span.count as usize);
        let mut weights = Vec::new();
        let mut exact = Vec::new();
        for i in 0..u64::from(span.count) {
            let centre = ((span.first + i) as f64 + 0.5) * scale;
            // Casts of floats truncate and saturate: a negative start becomes 0.
            let start = (centre - support + 0.5) as u32;
            let end = ((centre + support + 0.5) as u32).min(span.input);
            exact.clear();
            exact.extend(
                (start..end).map(|x| kernel.at((f64::from(x) - centre + 0.5) * per_sample)),
            );
            let sum: f64 = exact.iter().sum();
            let norm = if sum == 0.0 { 1.0 } else { sum };
            windows.push(Window {
                start: start as usize,
                len: exact.len(),
                at: weights.len(),
            });
            weights.extend(exact.iter().map(|w| fixed(w / norm)));
        }
        Self { windows, weights }
    }

    fn of(&self, window: &Window) -> &[i32] {
        &self.weights[window.at..window.at + window.len]
    }

    /// The input samples that are used at all.
    fn used(&self) -> std::ops::Range<usize> {
        let start = self.windows.iter().map(|w| w.start).min().unwrap_or(0);
        let end = self.windows.iter().map(|w| w.start + w.len).max();
        start..end.unwrap_or(start)
    }
}

fn fixed(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION);
    (scaled + 0.5f64.copysign(scaled)) as i32
}

fn clip(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Resamples horizontally, then vertically: the normative order.
pub(super) fn rows_first(picture: &RgbImage, kernel: Kernel, x: Span, y: Span) -> RgbImage {
    if is_empty(x) || is_empty(y) {
        return RgbImage::new(x.count, y.count);
    }
    let vertical = (!y.is_identity()).then(|| Weights::new(kernel, y));
    let rows = match &vertical {
        Some(weights) => weights.used(),
        None => 0..y.count as usize,
    };
    let stride = x.input as usize * 3;
    let used = &picture.as_raw()[rows.start * stride..rows.end * stride];
    let between;
    let narrow: &[u8] = if x.is_identity() {
        used
    } else {
        between = horizontal(used, stride, &Weights::new(kernel, x));
        &between
    };
    let samples = match vertical {
        Some(weights) => vertically(narrow, x.count as usize * 3, rows.start, &weights),
        None => narrow.to_vec(),
    };
    RgbImage::from_raw(x.count, y.count, samples).unwrap_or_else(|| RgbImage::new(x.count, y.count))
}

/// Resamples the whole picture vertically, then horizontally: less memory for long upright
/// pictures.
pub(super) fn columns_first(picture: &RgbImage, kernel: Kernel, x: Span, y: Span) -> RgbImage {
    if is_empty(x) || is_empty(y) {
        return RgbImage::new(x.count, y.count);
    }
    let stride = x.input as usize * 3;
    let tall = vertically(picture.as_raw(), stride, 0, &Weights::new(kernel, y));
    let samples = horizontal(&tall, stride, &Weights::new(kernel, x));
    RgbImage::from_raw(x.count, y.count, samples).unwrap_or_else(|| RgbImage::new(x.count, y.count))
}

fn is_empty(span: Span) -> bool {
    span.input == 0 || span.output == 0 || span.count == 0
}

/// `rows`, each of `stride` samples, resampled along the row.
fn horizontal(rows: &[u8], stride: usize, weights: &Weights) -> Vec<u8> {
    let width = weights.windows.len() * 3;
    let mut out = vec![0; rows.len() / stride * width];
    out.par_chunks_exact_mut(width)
        .zip(rows.par_chunks_exact(stride))
        .with_min_len(MIN_ROWS)
        .for_each(|(target, row)| {
            let (targets, _) = target.as_chunks_mut::<3>();
            let (row, _) = row.as_chunks::<3>();
            for (target, window) in targets.iter_mut().zip(&weights.windows) {
                let pixels = &row[window.start..window.start + window.len];
                let mut sum = [HALF; 3];
                for (pixel, weight) in pixels.iter().zip(weights.of(window)) {
                    for (sum, sample) in sum.iter_mut().zip(pixel) {
                        *sum += weight * i32::from(*sample);
                    }
                }
                *target = sum.map(clip);
            }
        });
    out
}

/// `rows`, each of `stride` samples and the first of them number `top` of the picture, resampled
/// across the rows.
fn vertically(rows: &[u8], stride: usize, top: usize, weights: &Weights) -> Vec<u8> {
    let mut out = vec![0; weights.windows.len() * stride];
    out.par_chunks_exact_mut(stride)
        .zip(&weights.windows)
        .with_min_len(MIN_ROWS)
        .for_each(|(target, window)| {
            let first = (window.start - top) * stride;
            let used = &rows[first..first + window.len * stride];
            sum_rows(target, used, weights.of(window));
        });
    out
}

/// The weighted sum of `rows`, each as long as `target`.
fn sum_rows(target: &mut [u8], rows: &[u8], weights: &[i32]) {
    let stride = target.len();
    for (block, target) in target.chunks_mut(BLOCK).enumerate() {
        let mut sums = [HALF; BLOCK];
        for (row, weight) in rows.chunks_exact(stride).zip(weights) {
            let samples = &row[block * BLOCK..];
            for (sum, sample) in sums.iter_mut().zip(&samples[..target.len()]) {
                *sum += weight * i32::from(*sample);
            }
        }
        for (target, sum) in target.iter_mut().zip(sums) {
            *target = clip(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_up_to_rounding() {
        for kernel in [Kernel::Triangle, Kernel::CatmullRom, Kernel::Lanczos3] {
            for (input, output) in [(1, 7), (7, 1), (451, 256), (170, 256), (20_000, 3), (3, 3)] {
                let weights = Weights::new(kernel, Span::whole(input, output));
                for window in &weights.windows {
                    assert!(window.len > 0 && window.start + window.len <= input as usize);
                    let sum: i64 = weights.of(window).iter().map(|w| i64::from(*w)).sum();
                    let off = (sum - (1 << PRECISION)).unsigned_abs();
                    assert!(
                        off <= window.len as u64,
                        "{kernel:?} {input} {output} {off}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_tables_stay_linear_in_the_picture() {
        let weights = Weights::new(Kernel::Triangle, Span::whole(20_000, 256));
        assert!(weights.weights.len() < 2 * 20_000 + 3 * 256);
        let weights = Weights::new(Kernel::Lanczos3, Span::whole(10, 20_000));
        assert!(weights.weights.len() <= 7 * 20_000);
    }

    #[test]
    fn kernels_pass_through_their_samples() {
        for kernel in [Kernel::Triangle, Kernel::CatmullRom, Kernel::Lanczos3] {
            assert_eq!(kernel.at(0.0), 1.0);
            for x in [1.0, -1.0, 2.0, 3.0, 9.0] {
                assert!(kernel.at(x).abs() < 1e-15, "{kernel:?} {x}");
            }
        }
        assert_eq!(Kernel::Triangle.at(-0.25), 0.75);
        assert_eq!(Kernel::CatmullRom.at(0.5), 0.5625);
        assert_eq!(Kernel::CatmullRom.at(-1.5), -0.0625);
    }
}
