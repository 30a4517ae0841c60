//! Convolutions of all kinds against a direct sum over the taps.

use super::{assert_close, engines, f32_weight, silu, untouched, upload, values, weight};
use crate::backend::{CONV_ALIGNMENT, ConvEpilogue, ConvKind, GroupNorm, ModulationVector};
use crate::{Backend, ComputeError, CpuEngine, DType};

/// Sizes of an image, `[H, W, C]`.
type Image = [usize; 3];

/// The pixel that a tap sees along one axis; `None` for a zero of the border.
fn source(kind: ConvKind, kernel: usize, size: usize, out: usize, tap: usize) -> Option<usize> {
    let (out, tap, size) = (out as isize, tap as isize, size as isize);
    let place = match kind {
        ConvKind::Same => out + tap - kernel as isize / 2,
        ConvKind::HalveAsymmetric => 2 * out + tap,
        ConvKind::HalveSymmetric => 2 * out + tap - 1,
        ConvKind::DoubleNearest => {
            let place = out + tap - 1;
            let inside = (0..2 * size).contains(&place);
            return inside.then_some(place as usize / 2);
        }
        ConvKind::StridedReflect { stride, pad } => {
            let place = out * stride as isize + tap - pad as isize;
            let place = if place < 0 { -place } else { place };
            if place < size {
                place
            } else {
                2 * (size - 1) - place
            }
        }
    };
    (0..size).contains(&place).then_some(place as usize)
}

/// The convolution as network.md writes it; `weight` is `[outputs, C, kernel, kernel]`.
pub(super) fn plain(
    x: &[f64],
    [height, width, channels]: Image,
    weight: &[f32],
    (kernel, outputs): (usize, usize),
    kind: ConvKind,
) -> (Vec<f64>, Image) {
    let size = [height, width].map(|size| kind.output_size(size, kernel));
    let mut out = vec![0.0; size[0] * size[1] * outputs];
    for (pixel, out) in out.chunks_exact_mut(outputs).enumerate() {
        let (y, x_out) = (pixel / size[1], pixel % size[1]);
        for tap in 0..kernel * kernel {
            let row = source(kind, kernel, height, y, tap / kernel);
            let column = source(kind, kernel, width, x_out, tap % kernel);
            let Some((row, column)) = row.zip(column) else {
                continue;
            };
            let pixel = &x[(row * width + column) * channels..][..channels];
            for (output, out) in out.iter_mut().enumerate() {
                let taps = &weight[output * channels * kernel * kernel + tap..];
                let taps = taps.iter().step_by(kernel * kernel);
                *out += pixel
                    .iter()
                    .zip(taps)
                    .map(|(x, &w)| x * f64::from(w))
                    .sum::<f64>();
            }
        }
    }
    (out, [size[0], size[1], outputs])
}

/// A group norm in f64.
pub(super) fn plain_norm(x: &[f32], norm: &GroupNorm) -> Vec<f64> {
    let channels = norm.gamma.len();
    let of = channels / norm.groups;
    let mut out: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
    for group in 0..norm.groups {
        let members = |index: &usize| index % channels / of == group;
        let count = (x.len() / norm.groups) as f64;
        let sum: f64 = (0..x.len()).filter(members).map(|i| f64::from(x[i])).sum();
        let mean = sum / count;
        let squares: f64 = (0..x.len())
            .filter(members)
            .map(|i| (f64::from(x[i]) - mean).powi(2))
            .sum();
        let scale = 1.0 / (squares / count + f64::from(norm.eps)).sqrt();
        for index in (0..x.len()).filter(members) {
            let channel = index % channels;
            out[index] = (out[index] - mean) * scale * f64::from(norm.gamma[channel])
                + f64::from(norm.beta[channel]);
        }
    }
    out
}

/// A group norm with parameters of its own for each channel.
pub(crate) fn group_norm(channels: usize, groups: usize) -> GroupNorm {
    GroupNorm {
        gamma: values(41, channels).iter().map(|v| 1.0 + 0.5 * v).collect(),
        beta: values(42, channels),
        groups,
        eps: 1e-6,
    }
}

/// The epilogues by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    Store,
    Silu,
    Add,
    GatedAdd,
}

pub(crate) const FINISHES: [Finish; 4] =
    [Finish::Store, Finish::Silu, Finish::Add, Finish::GatedAdd];

impl Finish {
    /// The epilogue, its gates those of `gates`, `[1, 2·outputs]`, behind another vector.
    pub(crate) fn epilogue<T>(self, gates: &T, outputs: usize) -> ConvEpilogue<'_, T> {
        match self {
            Self::Store => ConvEpilogue::Store,
            Self::Silu => ConvEpilogue::Silu,
            Self::Add => ConvEpilogue::Add,
            Self::GatedAdd => ConvEpilogue::GatedAdd(ModulationVector {
                table: gates,
                row: 0,
                split: usize::MAX,
                first: outputs,
                second: outputs,
            }),
        }
    }
}

/// One convolution with everything that can go with it.
struct Case {
    image: Image,
    outputs: usize,
    kernel: usize,
    kind: ConvKind,
    dtype: DType,
    biased: bool,
    normed: bool,
    finish: Finish,
}

impl Case {
    fn check(&self, engine: &CpuEngine) {
        let Self {
            image,
            outputs,
            kernel,
            kind,
            ..
        } = *self;
        let [height, width, channels] = image;
        let what = format!(
            "{image:?} to {outputs} by {kernel}×{kernel} {kind:?} {:?}, bias {}, norm {}, {:?}",
            self.dtype, self.biased, self.normed, self.finish
        );
        let shape = [outputs, channels, kernel, kernel];
        let (stored, numbers) = weight(&values(2, shape.iter().product()), &shape, self.dtype);
        let bias = values(3, outputs);
        let stored_bias = f32_weight(&bias, &[outputs]);
        let packed = engine
            .conv_weights(&stored, self.biased.then_some(&stored_bias), kind)
            .unwrap();
        let x = values(1, height * width * channels);
        let norm = self
            .normed
            .then(|| group_norm(channels, if channels % 4 == 0 { 4 } else { 1 }));
        let input: Vec<f64> = match &norm {
            Some(norm) => plain_norm(&x, norm).into_iter().map(silu).collect(),
            None => x.iter().map(|&v| f64::from(v)).collect(),
        };
        let (mut expected, size) = plain(&input, image, &numbers, (kernel, outputs), kind);
        let other = values(4, expected.len());
        let gates = values(5, 2 * outputs);
        for (index, value) in expected.iter_mut().enumerate() {
            if self.biased {
                *value += f64::from(bias[index % outputs]);
            }
            match self.finish {
                Finish::Store => {}
                Finish::Silu => *value = silu(*value),
                Finish::Add => *value += f64::from(other[index]),
                Finish::GatedAdd => {
                    *value *= f64::from(gates[outputs + index % outputs]);
                    *value += f64::from(other[index]);
                }
            }
        }
        let mut out = match self.finish {
            Finish::Add | Finish::GatedAdd => upload(engine, &other, &size),
            Finish::Store | Finish::Silu => untouched(engine, &size),
        };
        let table = upload(engine, &gates, &[1, 2 * outputs]);
        let epilogue = self.finish.epilogue(&table, outputs);
        let x = upload(engine, &x, &image);
        engine
            .conv(&x, norm.as_ref(), &packed, epilogue, &mut out)
            .unwrap();
        assert_close(&what, out.values(), &expected, 2e-5);
    }
}

const SIZES: [(usize, usize); 5] = [(1, 1), (3, 5), (17, 9), (2, 6), (8, 8)];

/// All sizes and channels of a kind of convolution, everything else taking turns.
fn check_kind(kind: ConvKind, kernel: usize, channels: &[(usize, usize)]) {
    let [engine, portable] = engines(2);
    let mut turn = 0;
    for &(inputs, outputs) in channels {
        for (height, width) in SIZES {
            let image = [height, width, inputs];
            if let ConvKind::StridedReflect { pad, .. } = kind
                && pad >= height.min(width)
            {
                continue;
            }
            // A single pixel and the one of padding do not hold a 3×3 kernel.
            if kind == ConvKind::HalveAsymmetric && height.min(width) < 2 {
                continue;
            }
            turn += 1;
            let case = Case {
                image,
                outputs,
                kernel,
                kind,
                dtype: [DType::F32, DType::F16, DType::BF16][turn % 3],
                biased: turn % 2 == 0,
                normed: turn % 5 < 2 && height * width > 1,
                finish: FINISHES[turn % 4],
            };
            case.check(&engine);
            if turn % 3 == 0 {
                case.check(&portable);
            }
        }
    }
}

const CHANNELS: [(usize, usize); 10] = [
    (1, 1),
    (3, 16),
    (16, 3),
    (20, 33),
    (33, 20),
    (32, 32),
    (33, 64),
    (64, 33),
    (64, 64),
    (128, 48),
];

#[test]
fn same_size_3x3_is_right() {
    check_kind(ConvKind::Same, 3, &CHANNELS);
}

#[test]
fn same_size_1x1_and_5x5_are_right() {
    check_kind(ConvKind::Same, 1, &CHANNELS);
    check_kind(ConvKind::Same, 5, &CHANNELS[..4]);
}

#[test]
fn halving_is_right() {
    check_kind(ConvKind::HalveAsymmetric, 3, &CHANNELS[..7]);
    check_kind(ConvKind::HalveSymmetric, 3, &CHANNELS[..7]);
}

#[test]
fn doubling_is_right() {
    check_kind(ConvKind::DoubleNearest, 3, &CHANNELS);
}

#[test]
fn strided_reflection_is_right() {
    check_kind(
        ConvKind::StridedReflect { stride: 2, pad: 1 },
        4,
        &CHANNELS[..6],
    );
    check_kind(
        ConvKind::StridedReflect { stride: 3, pad: 2 },
        7,
        &CHANNELS[..4],
    );
    check_kind(
        ConvKind::StridedReflect { stride: 8, pad: 4 },
        16,
        &[(3, 16)],
    );
}

#[test]
fn large_images_of_many_tiles_are_right() {
    let [engine, _] = engines(3);
    for (image, outputs) in [([41, 67, 33], 40), ([64, 30, 32], 96), ([5, 200, 3], 32)] {
        for (normed, finish) in FINISHES.map(|finish| (finish != Finish::Silu, finish)) {
            let case = Case {
                image,
                outputs,
                kernel: 3,
                kind: ConvKind::Same,
                dtype: DType::F32,
                biased: true,
                normed: normed && image[2] != 3,
                finish,
            };
            case.check(&engine);
        }
    }
}

#[test]
fn an_impulse_shows_each_kernel_where_it_belongs() {
    for engine in engines(2) {
        let [height, width, inputs] = [7, 6, 33];
        let outputs = 34;
        let mut x = vec![0.0; height * width * inputs];
        x[(3 * width + 2) * inputs + 5] = 1.0;
        let shape = [outputs, inputs, 3, 3];
        let numbers = values(2, shape.iter().product());
        let packed = engine
            .conv_weights(&f32_weight(&numbers, &shape), None, ConvKind::Same)
            .unwrap();
        let mut out = untouched(&engine, &[height, width, outputs]);
        engine
            .conv(
                &upload(&engine, &x, &[height, width, inputs]),
                None,
                &packed,
                ConvEpilogue::Store,
                &mut out,
            )
            .unwrap();
        for (index, &value) in out.values().iter().enumerate() {
            let (pixel, output) = (index / outputs, index % outputs);
            // Output (y, x) sees the impulse through tap (3 − y + 1, 2 − x + 1).
            let taps = (
                4usize.checked_sub(pixel / width),
                3usize.checked_sub(pixel % width),
            );
            let expected = match taps {
                (Some(y), Some(x)) if y < 3 && x < 3 => {
                    numbers[((output * inputs + 5) * 3 + y) * 3 + x]
                }
                _ => 0.0,
            };
            assert!(
                (value - expected).abs() < 1e-6,
                "{value} for {expected} at {index}"
            );
        }
    }
}

#[test]
fn kernels_that_cannot_be_used_are_refused() {
    let [engine, _] = engines(1);
    let refused = |shape: &[usize], bias: Option<usize>, kind: ConvKind| {
        let stored = f32_weight(&vec![0.5; shape.iter().product()], shape);
        let bias = bias.map(|size| f32_weight(&vec![0.5; size], &[size]));
        let result = engine.conv_weights(&stored, bias.as_ref(), kind);
        matches!(result, Err(ComputeError::WeightShape { .. }))
    };
    assert!(refused(&[4, 4, 3], None, ConvKind::Same));
    assert!(refused(&[4, 4, 3, 2], None, ConvKind::Same));
    assert!(refused(&[0, 4, 3, 3], None, ConvKind::Same));
    assert!(refused(&[4, 4, 3, 3], Some(3), ConvKind::Same));
    assert!(refused(&[4, 4, 5, 5], None, ConvKind::DoubleNearest));
    assert!(!refused(&[4, 4, 3, 3], Some(4), ConvKind::DoubleNearest));
}

#[test]
fn crops_have_the_bits_of_the_whole() {
    let [height, width, channels] = [40, 52, 32];
    let [top, left, rows, columns] = [8, 12, 23, 30];
    assert!(top % CONV_ALIGNMENT == 0 && left % CONV_ALIGNMENT == 0);
    let crop = |values: &[f32], [top, left, rows, columns]: [usize; 4], width: usize| {
        let row = |y: usize| &values[((top + y) * width + left) * channels..][..columns * channels];
        (0..rows)
            .flat_map(row)
            .map(|v| v.to_bits())
            .collect::<Vec<_>>()
    };
    let x = values(1, height * width * channels);
    let part = crop(&x, [top, left, rows, columns], width);
    let part: Vec<f32> = part.into_iter().map(f32::from_bits).collect();
    let shape = [channels, channels, 3, 3];
    let weights = f32_weight(&values(2, shape.iter().product()), &shape);
    let convolve = |threads: usize, x: &[f32], image: Image| {
        let [engine, _] = engines(threads);
        let packed = engine.conv_weights(&weights, None, ConvKind::Same).unwrap();
        let mut out = untouched(&engine, &image);
        let x = upload(&engine, x, &image);
        engine
            .conv(&x, None, &packed, ConvEpilogue::Silu, &mut out)
            .unwrap();
        out.values().to_vec()
    };
    let whole = convolve(2, &x, [height, width, channels]);
    let part = convolve(1, &part, [rows, columns, channels]);
    let inner = [rows, columns].map(|side| side - 2 * CONV_ALIGNMENT);
    let border = CONV_ALIGNMENT;
    let found = crop(&part, [border, border, inner[0], inner[1]], columns);
    let expected = [top + border, left + border, inner[0], inner[1]];
    assert_eq!(found, crop(&whole, expected, width));
}

#[test]
fn errors_are_small_for_many_inputs() {
    let [engine, _] = engines(2);
    let image = [21, 18, 128];
    let (shape, largest) = ([64, 128, 3, 3], 0.06);
    // Outputs of order 1 of activations of order 1, as networks have them.
    let scaled: Vec<f32> = values(2, shape.iter().product())
        .iter()
        .map(|v| v * largest)
        .collect();
    let x = values(1, image.iter().product());
    let exact: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
    let (expected, size) = plain(&exact, image, &scaled, (3, shape[0]), ConvKind::Same);
    let packed = engine
        .conv_weights(&f32_weight(&scaled, &shape), None, ConvKind::Same)
        .unwrap();
    let mut out = untouched(&engine, &size);
    let x = upload(&engine, &x, &image);
    engine
        .conv(&x, None, &packed, ConvEpilogue::Store, &mut out)
        .unwrap();
    let worst = out
        .values()
        .iter()
        .zip(&expected)
        .map(|(&found, expected)| (f64::from(found) - expected).abs())
        .fold(0.0, f64::max);
    assert!(worst < 1e-5, "off by {worst:.1e}");
}
