//! Every kernel against the CPU engine, on sizes that are not multiples of any tile.

mod attention;
mod conv;
mod elementwise;
mod engine;
mod group_norm;
mod lapped;
mod linear;
mod norm;

use std::sync::OnceLock;

use super::{GpuEngine, GpuOptions, Precision, devices};
use crate::CpuEngine;
use crate::cpu::tests::values;

/// An engine on the first device, which has to be there: a test that cannot run fails.
fn open(options: &GpuOptions) -> GpuEngine {
    let devices = devices();
    let device = devices
        .first()
        .expect("a Vulkan driver, such as Mesa's lavapipe");
    GpuEngine::open(device, options).expect("an engine")
}

/// The engine that most tests run on, in single precision.
fn engine() -> &'static GpuEngine {
    static ENGINE: OnceLock<GpuEngine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        open(&GpuOptions {
            precision: Precision::F32,
            ..GpuOptions::default()
        })
    })
}

/// An engine in half precision.
fn half_engine() -> &'static GpuEngine {
    static ENGINE: OnceLock<GpuEngine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        open(&GpuOptions {
            precision: Precision::F16,
            ..GpuOptions::default()
        })
    })
}

/// What the results are compared with.
fn cpu() -> &'static CpuEngine {
    static ENGINE: OnceLock<CpuEngine> = OnceLock::new();
    ENGINE.get_or_init(|| CpuEngine::new(1).expect("an engine"))
}

/// Panics unless all values are within `tolerance` of those expected, and at least one of these is not zero.
#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    assert!(
        expected.is_empty() || expected.iter().any(|&value| value != 0.0),
        "nothing to compare with"
    );
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let allowed = tolerance * expected.abs().max(1.0);
        assert!(
            (found - expected).abs() <= allowed,
            "{found} instead of {expected} at {index}"
        );
    }
}

/// Fails unless each value is within `tolerance` of the expected one.
#[track_caller]
fn assert_near(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}: sizes differ");
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(
            error <= tolerance,
            "{what}: {found} instead of {expected} at {index}, off by {error:.1e}"
        );
    }
}
