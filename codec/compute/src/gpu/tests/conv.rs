//! Convolutions of all kinds against the CPU engine.

use proptest::prelude::*;

use super::{engine, half_engine, values};
use crate::backend::ConvKind;
pub(super) use crate::cpu::tests::conv::group_norm;
use crate::cpu::tests::conv::{FINISHES, Finish};
use crate::gpu::{GpuEngine, GpuOptions, Precision, devices};
use crate::{Backend, ComputeError, CpuEngine, DType, Element, Storage, Weight};

/// Fails unless each value is within `tolerance` of the expected one, relative to the largest expected magnitude, which
/// is not zero.
#[track_caller]
pub(super) fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}: sizes differ");
    let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    assert!(largest > 0.0, "{what}: nothing to compare with");
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs() / largest;
        assert!(
            error <= tolerance,
            "{what}: {found} instead of {expected} at {index}, off by {error:.1e} of {largest}"
        );
    }
}

/// A tensor of the given values in the engine's precision for activations.
pub(super) fn activations<B: Backend>(engine: &B, values: &[f32], shape: &[usize]) -> B::Tensor {
    let full = engine.upload(values, shape).unwrap();
    let mut out = engine.zeros(shape).unwrap();
    let rows = shape.iter().take(shape.len() - 1).product();
    engine.copy_rows(&full, 0, &mut out, 0, rows).unwrap();
    out
}

fn stored(values: &[f32], shape: &[usize], dtype: DType) -> Weight {
    let bytes: Vec<u8> = match dtype {
        DType::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        DType::F16 => {
            let halves = values.iter().map(|&v| half::f16::from_f32(v));
            halves.flat_map(half::f16::to_le_bytes).collect()
        }
        DType::BF16 => {
            let halves = values.iter().map(|&v| half::bf16::from_f32(v));
            halves.flat_map(half::bf16::to_le_bytes).collect()
        }
    };
    let range = 0..bytes.len();
    Weight::new(Storage::from_vec(bytes), range, dtype, shape.to_vec()).unwrap()
}

/// One convolution with everything that can go with it.
#[derive(Debug, Clone, Copy)]
struct Case {
    image: [usize; 3],
    outputs: usize,
    kernel: usize,
    kind: ConvKind,
    dtype: DType,
    biased: bool,
    normed: bool,
    finish: Finish,
}

impl Case {
    fn new(image: [usize; 3], outputs: usize, kernel: usize, kind: ConvKind) -> Self {
        Self {
            image,
            outputs,
            kernel,
            kind,
            dtype: DType::F32,
            biased: true,
            normed: false,
            finish: Finish::Store,
        }
    }

    fn run<B: Backend>(&self, engine: &B) -> Vec<f32> {
        let [height, width, channels] = self.image;
        let shape = [self.outputs, channels, self.kernel, self.kernel];
        let weight = stored(&values(2, shape.iter().product()), &shape, self.dtype);
        let bias = stored(&values(3, self.outputs), &[self.outputs], DType::F32);
        let bias = self.biased.then_some(&bias);
        let weights = engine.conv_weights(&weight, bias, self.kind).unwrap();
        let size = [height, width].map(|size| self.kind.output_size(size, self.kernel));
        let size = [size[0], size[1], self.outputs];
        let count = size.iter().product();
        let groups = if channels.is_multiple_of(4) { 4 } else { 1 };
        let norm = self.normed.then(|| group_norm(channels, groups));
        let x = activations(engine, &values(1, height * width * channels), &self.image);
        let mut out = activations(engine, &values(4, count), &size);
        let gates = activations(engine, &values(5, 2 * self.outputs), &[1, 2 * self.outputs]);
        let epilogue = self.finish.epilogue(&gates, self.outputs);
        engine
            .conv(&x, norm.as_ref(), &weights, epilogue, &mut out)
            .unwrap();
        engine.download(&out).unwrap()
    }

    /// With f32, what differs is the order of sums.
    fn check(&self, gpu: &GpuEngine) {
        let cpu = CpuEngine::new(2).unwrap();
        let tolerance = match gpu.element() {
            Element::F32 => 2e-5,
            Element::F16 | Element::BF16 => 4e-3,
        };
        let what = format!("{self:?}");
        assert_close(&what, &self.run(gpu), &self.run(&cpu), tolerance);
    }
}

/// All sizes and channels of a kind of convolution, everything else taking turns.
fn check_kind(
    kind: ConvKind,
    kernel: usize,
    channels: &[(usize, usize)],
    sizes: &[(usize, usize)],
) {
    let mut turn = 0;
    for &(inputs, outputs) in channels {
        for &(height, width) in sizes {
            turn += 1;
            let case = Case {
                dtype: [DType::F32, DType::F16, DType::BF16][turn % 3],
                biased: turn % 2 == 0,
                normed: turn % 5 < 2 && height * width > 1,
                finish: FINISHES[turn % 4],
                ..Case::new([height, width, inputs], outputs, kernel, kind)
            };
            case.check(engine());
        }
    }
}

const CHANNELS: [(usize, usize); 8] = [
    (1, 1),
    (3, 16),
    (16, 3),
    (20, 33),
    (4, 130),
    (32, 32),
    (128, 64),
    (130, 17),
];

const SIZES: [(usize, usize); 5] = [(1, 1), (5, 7), (24, 40), (2, 6), (8, 8)];

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn same_size_is_right() {
    check_kind(ConvKind::Same, 3, &CHANNELS, &SIZES);
    check_kind(ConvKind::Same, 1, &CHANNELS, &SIZES);
    check_kind(ConvKind::Same, 5, &CHANNELS[..4], &SIZES);
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn halving_is_right() {
    // A single pixel and the one of padding do not hold a 3×3 kernel.
    check_kind(ConvKind::HalveAsymmetric, 3, &CHANNELS, &SIZES[1..]);
    check_kind(ConvKind::HalveAsymmetric, 3, &CHANNELS[2..4], &[(17, 9)]);
    check_kind(ConvKind::HalveSymmetric, 3, &CHANNELS, &SIZES);
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn doubling_is_right() {
    check_kind(ConvKind::DoubleNearest, 3, &CHANNELS, &SIZES);
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn strided_reflection_is_right() {
    let reflect = |stride, pad| ConvKind::StridedReflect { stride, pad };
    check_kind(reflect(2, 1), 4, &CHANNELS[..6], &SIZES[1..]);
    check_kind(reflect(3, 2), 7, &CHANNELS[..4], &[(5, 7), (24, 40)]);
    check_kind(
        reflect(8, 4),
        16,
        &[(3, 16), (3, 33)],
        &[(8, 8), (24, 40), (13, 29)],
    );
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn many_channels_are_right() {
    let case = Case::new([5, 7, 512], 512, 3, ConvKind::Same);
    Case {
        normed: true,
        finish: Finish::Add,
        ..case
    }
    .check(engine());
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn half_precision_is_right() {
    let reflect = ConvKind::StridedReflect { stride: 8, pad: 4 };
    for (kind, kernel, image, outputs) in [
        (ConvKind::Same, 3, [9, 7, 36], 70),
        (ConvKind::Same, 1, [9, 7, 36], 3),
        (ConvKind::HalveAsymmetric, 3, [9, 7, 36], 33),
        (ConvKind::DoubleNearest, 3, [9, 7, 36], 70),
        (reflect, 16, [24, 32, 3], 16),
    ] {
        for normed in [false, true] {
            let case = Case::new(image, outputs, kernel, kind);
            Case {
                normed,
                finish: Finish::Add,
                ..case
            }
            .check(half_engine());
        }
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn weights_larger_than_a_buffer_are_split() {
    let limited = |bytes| {
        let options = GpuOptions {
            precision: Precision::F32,
            self_test: false,
            buffer_limit: Some(bytes),
            ..GpuOptions::default()
        };
        GpuEngine::open(devices().first().unwrap(), &options).unwrap()
    };
    // 9·32 values for each of 150 outputs: parts of 64, 64 and 22, then of 16 but for the last.
    for (limit, launches) in [(100_000, 3), (20_000, 10)] {
        let gpu = limited(limit);
        let case = Case::new([4, 7, 32], 150, 3, ConvKind::Same);
        let case = Case {
            finish: Finish::Add,
            ..case
        };
        case.check(&gpu);
        // Of the launches, three fill tensors that the test makes, and three fill them again.
        assert_eq!(gpu.counters().launches, launches + 6, "with {limit} bytes");
        let doubling = Case {
            kind: ConvKind::DoubleNearest,
            ..case
        };
        Case {
            outputs: 70,
            image: [2, 3, 32],
            ..doubling
        }
        .check(&limited(limit));
    }
    let shape = [4, 128, 3, 3];
    let weight = stored(&values(2, 4 * 128 * 9), &shape, DType::F32);
    let refused = limited(4096).conv_weights(&weight, None, ConvKind::Same);
    assert!(matches!(refused, Err(ComputeError::DeviceMemory { .. })));
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn kernels_that_cannot_be_used_are_refused_as_on_the_cpu() {
    let cpu = CpuEngine::new(1).unwrap();
    let refused = |shape: &[usize], bias: Option<usize>, kind: ConvKind| {
        let weight = stored(&vec![0.5; shape.iter().product()], shape, DType::F32);
        let bias = bias.map(|size| stored(&vec![0.5; size], &[size], DType::F32));
        let bias = bias.as_ref();
        let here = engine().conv_weights(&weight, bias, kind).err();
        let there = cpu.conv_weights(&weight, bias, kind).err();
        let text = |error: Option<ComputeError>| error.map(|error| error.to_string());
        let (here, there) = (text(here), text(there));
        assert_eq!(here, there);
        here.is_some()
    };
    assert!(refused(&[4, 4, 3], None, ConvKind::Same));
    assert!(refused(&[4, 4, 3, 2], None, ConvKind::Same));
    assert!(refused(&[0, 4, 3, 3], None, ConvKind::Same));
    assert!(refused(&[4, 4, 3, 3], Some(3), ConvKind::Same));
    assert!(refused(&[4, 4, 5, 5], None, ConvKind::DoubleNearest));
    assert!(!refused(&[4, 4, 3, 3], Some(4), ConvKind::DoubleNearest));
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn equal_launches_give_equal_bytes() {
    let case = Case::new([13, 11, 64], 96, 3, ConvKind::Same);
    let case = Case {
        normed: true,
        finish: Finish::Add,
        ..case
    };
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(case.run(engine())), bits(case.run(engine())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    #[ignore = "needs a device: .ci/run gpu"]
    fn any_size_is_right(
        (height, width) in (2usize..20, 2usize..20),
        (inputs, outputs) in (1usize..70, 1usize..140),
        kind in prop::sample::select(vec![
            ConvKind::Same,
            ConvKind::HalveAsymmetric,
            ConvKind::HalveSymmetric,
            ConvKind::DoubleNearest,
            ConvKind::StridedReflect { stride: 1, pad: 1 },
        ]),
        (biased, normed) in any::<(bool, bool)>(),
        finish in prop::sample::select(FINISHES.to_vec()),
    ) {
        let case = Case::new([height, width, inputs], outputs, 3, kind);
        Case { biased, normed, finish, ..case }.check(engine());
    }
}
