//! Devices, limits, and results that no network gives.

use super::{engine, open, values};
use crate::backend::Epilogue;
use crate::gpu::{GpuOptions, Precision, devices};
use crate::{Backend, ComputeError, Quantizer, Weight};

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn devices_have_a_name_and_numbers_in_their_order() {
    let devices = devices();
    assert!(!devices.is_empty());
    for (index, device) in devices.iter().enumerate() {
        assert_eq!(device.index, index);
        assert!(!device.name.is_empty() && device.max_binding_bytes > 0);
    }
    // GPUs come first.
    assert!(devices.is_sorted_by_key(|device| !device.is_hardware()));
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn values_that_are_no_numbers_are_an_error_that_names_the_device() {
    for (bad, what) in [
        (vec![1.0, f32::NAN], "NaN at index 1"),
        (vec![f32::INFINITY], "inf at index 0"),
        (vec![0.0; 5], "nothing but zeros"),
    ] {
        let tensor = engine().upload(&bad, &[bad.len()]).unwrap();
        match engine().download(&tensor) {
            Err(error @ ComputeError::WrongResult { .. }) => {
                let message = error.to_string();
                assert!(message.contains(what), "{message}");
                assert!(message.contains(&engine().device().name), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    for bad in [f32::NAN, f32::NEG_INFINITY] {
        let tensor = engine().upload(&[0.5, bad], &[2, 1]).unwrap();
        let result = engine().quantize(&tensor, &Quantizer::fsq(&[8]));
        assert!(
            matches!(result, Err(ComputeError::WrongResult { .. })),
            "{result:?}"
        );
    }
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn memory_beyond_the_limit_is_refused_and_freed_memory_counts_again() {
    let limited = open(&GpuOptions {
        precision: Precision::F32,
        memory_limit: Some(4096),
        self_test: false,
        ..GpuOptions::default()
    });
    let first = limited.zeros(&[512]).unwrap();
    match limited.zeros(&[513]) {
        Err(
            error @ ComputeError::DeviceMemoryLimit {
                needed, allowed, ..
            },
        ) => {
            assert_eq!((needed, allowed), (4 * 1025, 4096));
            assert!(error.to_string().contains(&limited.device().name));
        }
        other => panic!("{other:?}"),
    }
    drop(first);
    assert!(limited.zeros(&[1024]).is_ok());
    assert_eq!(limited.memory_used(), 0);
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn an_operation_that_runs_out_of_memory_returns_the_error_and_the_next_one_runs() {
    let limited = open(&GpuOptions {
        precision: Precision::F32,
        memory_limit: Some(40_000),
        self_test: false,
        ..GpuOptions::default()
    });
    let weight = Weight::from_f32(&values(1, 64 * 64), &[64, 64]).unwrap();
    let weights = limited.linear_weights(&[(&weight, None)]).unwrap();
    let x = limited.upload(&values(2, 40 * 64), &[40, 64]).unwrap();
    let mut out = limited.upload(&values(3, 40 * 64), &[40, 64]).unwrap();
    // Its products need memory of their own.
    let error = limited.linear(&x, 0..40, &weights, Epilogue::Residual, &mut out);
    assert!(
        matches!(
            error,
            Err(ComputeError::DeviceMemoryLimit {
                allowed: 40_000,
                ..
            })
        ),
        "{error:?}"
    );
    limited
        .linear(&x, 0..40, &weights, Epilogue::Store, &mut out)
        .unwrap();
    assert!(limited.download(&out).is_ok());
}

#[test]
#[ignore = "needs a device: .ci/run gpu"]
fn a_buffer_that_the_device_refuses_is_an_error_at_the_download() {
    // Larger than any binding of the device, but within the engine's own limit.
    let count = (engine().device().max_binding_bytes / 4 + 1) as usize;
    match engine().zeros(&[count]) {
        Err(ComputeError::DeviceMemory {
            needed, allowed, ..
        }) => assert!(needed > allowed),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        engine().zeros(&[usize::MAX, 2]),
        Err(ComputeError::OutOfMemory { .. })
    ));
}
