//! Separable resampling in fixed point, bit-identical to the one of the Python Imaging Library.
//!
//! Two passes over 8-bit samples with an 8-bit picture in between. The kernel is stretched by the
//! scale when shrinking (built-in antialiasing). Only the wanted window of the output is computed,
//! so that a crop of a huge enlargement costs no more than the crop. Rows are spread over
//! threads, where the build has them; each is computed alone, so the result does not depend on them.

use alloc::vec::Vec;
use core::convert::Infallible;

use flextok_tokens::vectorized;

use crate::memory::zeros;
use crate::{Error, Size, parallel};

/// Fraction bits of the weights: 8-bit samples and 2 bits of overshoot leave 22 of 32.
const PRECISION: u32 = 32 - 8 - 2;
const HALF: i32 = 1 << (PRECISION - 1);
/// Samples accumulated at once in the vertical pass, few enough for the first-level cache.
const BLOCK: usize = 512;
/// Bytes of the rows between the passes that are held at a time, if they are enough for one row of the output.
const BAND: usize = 16 << 20;
/// Rows per task, so that thin strips do not drown in scheduling.
const MIN_ROWS: usize = 8;
/// Rows that the horizontal pass works on at once: one vector of 512 bits of sums, two of 256, four of 128.
const LANES: usize = 16;
/// Pixels of these rows that are held side by side, if they are enough for one of the output: they fit a second-level
/// cache.
const SPAN: usize = 8 << 10;

/// The interpolation kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// The triangle, normative for pre-processing.
    Triangle,
    /// The cubic through the samples with a = −1/2 (Catmull-Rom).
    CatmullRom,
    /// The sinc windowed to three lobes.
    Lanczos3,
}

impl Kernel {
    fn support(self) -> f64 {
        match self {
            Self::Triangle => 1.0,
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
            Self::CatmullRom if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::CatmullRom => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Lanczos3 => sinc(x) * sinc(x / 3.0),
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * core::f64::consts::PI;
    libm::sin(x) / x
}

/// One axis of a resampling: the input length, the length of the whole output, and the part of
/// that output that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Samples of the input.
    pub input: u32,
    /// Samples of the whole output.
    pub output: u64,
    /// First wanted sample of the output.
    pub first: u64,
    /// Number of wanted samples.
    pub count: u32,
}

impl Span {
    /// The whole output.
    pub fn whole(input: u32, output: u32) -> Self {
        Self {
            input,
            output: u64::from(output),
            first: 0,
            count: output,
        }
    }

    /// Both axes of a scaling of a whole picture.
    #[must_use]
    pub fn both(from: Size, to: Size) -> (Self, Self) {
        (
            Self::whole(from.width, to.width),
            Self::whole(from.height, to.height),
        )
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
}

fn fixed(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION);
    (scaled + 0.5f64.copysign(scaled)) as i32
}

#[inline(always)]
fn clip(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// A whole picture of `[height, width, 3]` samples at another size. The pass that leaves the smaller picture goes first.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn resampled(samples: &[u8], from: Size, to: Size, kernel: Kernel) -> Result<Vec<u8>, Error> {
    let stride = 3 * from.width as usize;
    let rows = Plain { samples, stride };
    let (x, y) = Span::both(from, to);
    if Size::new(to.width, from.height).area() <= Size::new(from.width, to.height).area() {
        rows_first(&rows, kernel, x, y)
    } else {
        columns_first(&rows, kernel, x, y)
    }
}

/// Resamples horizontally, then vertically: the normative order. Of the rows in between only those are held that a band
/// of the output needs.
pub fn rows_first(source: &impl Rows, kernel: Kernel, x: Span, y: Span) -> Result<Vec<u8>, Error> {
    if is_empty(x) || is_empty(y) {
        return Ok(Vec::new());
    }
    let across = (!x.is_identity()).then(|| Weights::new(kernel, x));
    let narrow =
        |first: usize, target: &mut [u8]| horizontal(source, first, across.as_ref(), x, target);
    let stride = x.count as usize * 3;
    let mut out = zeros(stride * y.count as usize)?;
    if y.is_identity() {
        narrow(0, &mut out);
        return Ok(out);
    }
    let down = Weights::new(kernel, y);
    let most = (BAND / stride).max(1);
    let mut held = Vec::new();
    let mut rows = 0..0;
    let mut rest = &mut out[..];
    for windows in bands(&down.windows, most) {
        let needed = used(windows);
        // Neighbouring bands share rows.
        let kept = needed.start.clamp(rows.start, rows.end)..rows.end;
        held.copy_within((kept.start - rows.start) * stride.., 0);
        let kept_bytes = kept.len() * stride;
        let bytes = needed.len() * stride;
        held.truncate(kept_bytes);
        let more = bytes.saturating_sub(held.len());
        held.try_reserve_exact(more)
            .map_err(|_| Error::OutOfMemory {
                bytes: bytes as u64,
            })?;
        held.resize(bytes, 0);
        narrow(needed.start + kept.len(), &mut held[kept_bytes..]);
        let (target, after) = rest.split_at_mut(windows.len() * stride);
        vertically(&held, stride, needed.start, &down, windows, target);
        rows = needed;
        rest = after;
    }
    Ok(out)
}

/// Resamples the whole picture vertically, then horizontally: less memory for long upright
/// pictures.
pub fn columns_first(
    source: &Plain<'_>,
    kernel: Kernel,
    x: Span,
    y: Span,
) -> Result<Vec<u8>, Error> {
    if is_empty(x) || is_empty(y) {
        return Ok(Vec::new());
    }
    let down = Weights::new(kernel, y);
    let stride = x.input as usize * 3;
    let mut tall = zeros(stride * y.count as usize)?;
    vertically(source.samples, stride, 0, &down, &down.windows, &mut tall);
    let mut out = zeros(x.count as usize * 3 * y.count as usize)?;
    let across = Weights::new(kernel, x);
    let tall = Plain {
        samples: &tall,
        stride,
    };
    horizontal(&tall, 0, Some(&across), x, &mut out);
    Ok(out)
}

fn is_empty(span: Span) -> bool {
    span.input == 0 || span.output == 0 || span.count == 0
}

/// The windows in runs that need at most this many input rows each, or one window that needs more.
fn bands(windows: &[Window], most: usize) -> impl Iterator<Item = &[Window]> {
    let mut rest = windows;
    core::iter::from_fn(move || {
        let first = rest.first()?.start;
        let fitting = rest
            .iter()
            .take_while(|window| window.start + window.len <= first + most);
        let (band, after) = rest.split_at(fitting.count().max(1));
        rest = after;
        Some(band)
    })
}

/// The input samples that the windows use.
fn used(windows: &[Window]) -> core::ops::Range<usize> {
    let start = windows.iter().map(|w| w.start).min().unwrap_or(0);
    let end = windows.iter().map(|w| w.start + w.len).max();
    start..end.unwrap_or(start)
}

/// Rows of 8-bit RGB, wherever they come from.
pub trait Rows: Sync {
    /// Row `y`, in `scratch` where it has to be made.
    fn row<'a>(&'a self, y: usize, scratch: &'a mut Vec<u8>) -> &'a [u8];
}

/// Rows one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Plain<'p> {
    /// `[rows][stride]`
    pub samples: &'p [u8],
    /// Samples of a row, three for each pixel.
    pub stride: usize,
}

impl Rows for Plain<'_> {
    fn row<'a>(&'a self, y: usize, _scratch: &'a mut Vec<u8>) -> &'a [u8] {
        &self.samples[y * self.stride..][..self.stride]
    }
}

/// One sample of each of some rows.
type Lane = [u8; LANES];

/// What a thread works in.
#[derive(Default)]
struct Buffers {
    /// A row of the source that had to be made.
    scratch: Vec<u8>,
    /// A part of some rows, side by side: `[pixels][3]`.
    columns: Vec<Lane>,
}

/// The rows of `source` from `first` on, resampled along the row, one for each row of `out`.
fn horizontal(
    source: &impl Rows,
    first: usize,
    weights: Option<&Weights>,
    x: Span,
    out: &mut [u8],
) {
    let stride = x.count as usize * 3;
    let Some(weights) = weights else {
        let rows = (stride, MIN_ROWS);
        never(parallel::chunks(
            out,
            rows,
            Vec::new,
            |scratch, y, target| {
                target.copy_from_slice(source.row(first + y, scratch));
                Ok(())
            },
        ));
        return;
    };
    let rows = (stride * LANES, 1);
    never(parallel::chunks(
        out,
        rows,
        Buffers::default,
        |buffers, group, targets| {
            let Buffers { scratch, columns } = buffers;
            let first = first + group * LANES;
            let mut done = 0;
            for windows in bands(&weights.windows, SPAN) {
                let used = used(windows);
                columns.resize(used.len() * 3, [0; LANES]);
                for lane in 0..targets.len() / stride {
                    let row = &source.row(first + lane, scratch)[3 * used.start..3 * used.end];
                    for (column, sample) in columns.iter_mut().zip(row) {
                        column[lane] = *sample;
                    }
                }
                let part = Part {
                    columns,
                    first: used.start,
                    windows,
                };
                vectorized(
                    #[inline(always)]
                    || part.resample(weights, &mut targets[3 * done..], stride),
                );
                done += windows.len();
            }
            Ok(())
        },
    ));
}

/// A part of some rows, side by side: sums over a row become sums of whole vectors.
struct Part<'a> {
    /// `[pixels][3]`
    columns: &'a [Lane],
    /// The pixel at which the part begins.
    first: usize,
    windows: &'a [Window],
}

impl Part<'_> {
    /// Writes the samples of the windows to the start of each row of `out`.
    #[inline(always)]
    fn resample(&self, weights: &Weights, out: &mut [u8], stride: usize) {
        let (pixels, _) = self.columns.as_chunks::<3>();
        for (x, window) in self.windows.iter().enumerate() {
            let mut sums = [[HALF; LANES]; 3];
            let used = &pixels[window.start - self.first..][..window.len];
            for (pixel, weight) in used.iter().zip(weights.of(window)) {
                for (sums, samples) in sums.iter_mut().zip(pixel) {
                    for lane in 0..LANES {
                        sums[lane] += weight * i32::from(samples[lane]);
                    }
                }
            }
            let clipped = sums.map(|sums| sums.map(clip));
            for (lane, row) in out.chunks_mut(stride).enumerate() {
                for (sample, samples) in row[3 * x..].iter_mut().zip(&clipped) {
                    *sample = samples[lane];
                }
            }
        }
    }
}

/// `rows`, each of `stride` samples and the first of them number `top` of the picture, resampled
/// across the rows: one row of `out` for each of the windows.
fn vertically(
    rows: &[u8],
    stride: usize,
    top: usize,
    weights: &Weights,
    windows: &[Window],
    out: &mut [u8],
) {
    let none = || ();
    never(parallel::chunks(
        out,
        (stride, MIN_ROWS),
        none,
        |(), row, target| {
            let Some(window) = windows.get(row) else {
                return Ok(());
            };
            let first = (window.start - top) * stride;
            let used = &rows[first..first + window.len * stride];
            vectorized(
                #[inline(always)]
                || sum_rows(target, used, weights.of(window)),
            );
            Ok(())
        },
    ));
}

/// The outcome of what cannot fail.
fn never(Ok(()): Result<(), Infallible>) {}

/// The weighted sum of `rows`, each as long as `target`.
#[inline(always)]
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
    use std::vec;

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
    fn bands_need_few_rows_and_change_nothing() {
        let noise = |i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8;
        let samples: Vec<u8> = (0..2 * 3 * 9000).map(noise).collect();
        let picture = Plain {
            samples: &samples,
            stride: 2 * 3,
        };
        let (x, y) = (Span::whole(2, 4000), Span::whole(9000, 700));
        let down = Weights::new(Kernel::Lanczos3, y);
        let rows = BAND / (4000 * 3);
        let found: Vec<_> = bands(&down.windows, rows).collect();
        assert!(found.len() > 3, "{}", found.len());
        assert_eq!(found.concat().len(), 700);
        assert!(found.iter().all(|band| used(band).len() <= rows));
        assert!(bands(&down.windows, 1).all(|band| band.len() == 1));

        let banded = rows_first(&picture, Kernel::Lanczos3, x, y).expect("memory");
        let mut wide = vec![0; 4000 * 3 * 9000];
        horizontal(
            &picture,
            0,
            Some(&Weights::new(Kernel::Lanczos3, x)),
            x,
            &mut wide,
        );
        let mut whole = vec![0; 4000 * 3 * 700];
        vertically(&wide, 4000 * 3, 0, &down, &down.windows, &mut whole);
        assert!(banded == whole);
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
