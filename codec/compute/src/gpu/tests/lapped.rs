//! The lapped synthesis against the CPU engine.

use proptest::prelude::*;

use super::conv::{activations, assert_close};
use super::{engine, half_engine, values};
use crate::backend::{ConvEpilogue, ConvKind};
use crate::gpu::{GpuEngine, GpuOptions, Precision, devices};
use crate::{Backend, CpuEngine, Element, Weight};

/// Latents `[h, w, C]` to `channels` by kernel, stride and pad.
#[derive(Debug, Clone, Copy)]
struct Case {
    latents: [usize; 3],
    channels: usize,
    kernel: usize,
    stride: usize,
    pad: usize,
}

impl Case {
    fn run<B: Backend>(&self, engine: &B) -> Vec<f32> {
        let Self {
            latents: [height, width, inputs],
            channels,
            kernel,
            stride,
            pad,
        } = *self;
        let outputs = kernel * kernel * channels;
        let weight = Weight::from_f32(&values(2, outputs * inputs), &[outputs, inputs]).unwrap();
        let weights = engine.linear_weights(&[(&weight, None)]).unwrap();
        let latents = engine
            .upload(&values(1, height * width * inputs), &self.latents)
            .unwrap();
        let size = [height, width].map(|size| (size - 1) * stride + kernel - 2 * pad);
        let mut out = engine.zeros(&[size[0], size[1], channels]).unwrap();
        engine
            .lapped_synthesis(&latents, &weights, kernel, stride, pad, &mut out)
            .unwrap();
        engine.download(&out).unwrap()
    }

    fn check(&self, gpu: &GpuEngine) {
        let cpu = CpuEngine::new(1).unwrap();
        let tolerance = match gpu.element() {
            Element::F32 => 1e-5,
            Element::F16 | Element::BF16 => 3e-3,
        };
        assert_close(
            &format!("{self:?}"),
            &self.run(gpu),
            &self.run(&cpu),
            tolerance,
        );
    }
}

const WINDOWS: [(usize, usize, usize); 5] =
    [(16, 8, 4), (4, 2, 1), (7, 3, 2), (4, 4, 0), (3, 1, 1)];

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn awkward_sizes_are_right() {
    for (height, width) in [(1, 1), (1, 4), (3, 2), (5, 7)] {
        for (kernel, stride, pad) in WINDOWS {
            let latents = [height, width, 16];
            Case {
                latents,
                channels: 3,
                kernel,
                stride,
                pad,
            }
            .check(engine());
        }
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn half_precision_is_right() {
    let latents = [5, 7, 16];
    Case {
        latents,
        channels: 3,
        kernel: 16,
        stride: 8,
        pad: 4,
    }
    .check(half_engine());
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn blocks_larger_than_a_buffer_are_taken_in_bands() {
    let case = Case {
        latents: [11, 6, 16],
        channels: 3,
        kernel: 16,
        stride: 8,
        pad: 4,
    };
    let overlapping = Case {
        kernel: 7,
        stride: 3,
        pad: 2,
        ..case
    };
    // Rows of 18 432 and 3528 bytes of blocks; weights of 49 152 bytes have to fit too.
    for (case, limit) in [(case, 60_000), (case, 100_000), (overlapping, 16_000)] {
        let options = GpuOptions {
            precision: Precision::F32,
            self_test: false,
            buffer_limit: Some(limit),
            ..GpuOptions::default()
        };
        let gpu = GpuEngine::open(devices().first().unwrap(), &options).unwrap();
        case.check(&gpu);
    }
}

/// Away from the border, whose windows see reflected pixels, an orthogonal transform and its transpose undo each other.
#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn what_was_analysed_is_synthesised_again() {
    let gpu = engine();
    // Daubechies' filters of four taps.
    let root = 3f32.sqrt();
    let low = [1.0 + root, 3.0 + root, 3.0 - root, 1.0 - root].map(|tap| tap / 32f32.sqrt());
    let filters = [low, [low[3], -low[2], low[1], -low[0]]];
    let mut analysis = Vec::new();
    let mut synthesis = vec![0.0; 16 * 4];
    for output in 0..4 {
        for tap in 0..16 {
            let value = filters[output / 2][tap / 4] * filters[output % 2][tap % 4];
            analysis.push(value);
            synthesis[tap * 4 + output] = value;
        }
    }
    let kind = ConvKind::StridedReflect { stride: 2, pad: 1 };
    let analysis = Weight::from_f32(&analysis, &[4, 1, 4, 4]).unwrap();
    let analysis = gpu.conv_weights(&analysis, None, kind).unwrap();
    let synthesis = Weight::from_f32(&synthesis, &[16, 4]).unwrap();
    let synthesis = gpu.linear_weights(&[(&synthesis, None)]).unwrap();
    let (height, width) = (14, 10);
    let image = values(3, height * width);
    let x = activations(gpu, &image, &[height, width, 1]);
    let mut latents = gpu.zeros(&[height / 2, width / 2, 4]).unwrap();
    gpu.conv(&x, None, &analysis, ConvEpilogue::Store, &mut latents)
        .unwrap();
    let mut out = gpu.zeros(&[height, width, 1]).unwrap();
    gpu.lapped_synthesis(&latents, &synthesis, 4, 2, 1, &mut out)
        .unwrap();
    let inside = |all: &[f32]| -> Vec<f32> {
        let rows = all.chunks_exact(width).take(height - 3).skip(3);
        rows.flat_map(|row| row[3..width - 3].to_vec()).collect()
    };
    let found = gpu.download(&out).unwrap();
    assert_close("round trip", &inside(&found), &inside(&image), 1e-5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    #[ignore = "needs a device: .ci/run gpu"]
    fn any_size_is_right(
        latents in (1usize..9, 1usize..9, 1usize..20),
        channels in 1usize..5,
        (kernel, stride, pad) in prop::sample::select(WINDOWS.to_vec()),
    ) {
        let latents = [latents.0, latents.1, latents.2];
        Case { latents, channels, kernel, stride, pad }.check(engine());
    }
}
