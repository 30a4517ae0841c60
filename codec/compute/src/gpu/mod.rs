//! The GPU engine: the operations of the network as CubeCL kernels, one file per family, on any device that CubeCL runs on.
//!
//! Tensors stay on the device between one upload and one download. Which kernel runs, and with which launch geometry,
//! follows from shapes and the device's properties alone, never from timing, so that a device gives the same bytes on
//! each run. An operation that cannot be launched returns its error. Launches are asynchronous: what the driver finds wrong
//! later is returned by the next download.

mod attention;
mod conv;
mod device;
mod elementwise;
mod engine;
mod fsq;
mod group_norm;
mod guidance;
mod lapped;
mod linear;
mod memory;
mod norm;
mod patches;
mod self_test;
mod tensor;
#[cfg(all(test, feature = "gpu"))]
mod tests;

use std::ops::Range;

pub use conv::GpuConv;
pub use device::{DeviceInfo, DeviceKind, backends, devices, may_have_hardware, quiet_drivers};
pub use engine::{Counters, GpuEngine, GpuOptions};
pub use linear::GpuLinear;
pub use tensor::GpuTensor;

pub use crate::Precision;
use crate::backend::{
    ApgParameters, AttentionSpec, Backend, ConvEpilogue, ConvKind, Epilogue, GroupNorm, Modulation,
};
use crate::{ComputeError, Quantizer, Weight};

/// The cases of the self-test, each beside its kernels. The first ones are those that the inputs of others pass through.
fn self_test_cases<B: Backend>() -> Vec<self_test::Case<B>> {
    vec![
        elementwise::self_test,
        norm::self_test,
        linear::self_test,
        attention::self_test,
        patches::self_test,
        guidance::self_test,
        fsq::self_test,
        group_norm::self_test,
        conv::self_test,
        lapped::self_test,
    ]
}

impl Backend for GpuEngine {
    type Tensor = GpuTensor;
    type Linear = GpuLinear;
    type Conv = GpuConv;

    fn precision(&self) -> Precision {
        self.element().into()
    }

    fn run<R: Send>(&self, computation: impl FnOnce() -> R + Send) -> R {
        computation()
    }

    fn zeros(&self, shape: &[usize]) -> Result<GpuTensor, ComputeError> {
        let tensor = self.allocate(shape, self.element())?;
        elementwise::fill_zero(self, &tensor);
        Ok(tensor)
    }

    fn zeros_full(&self, shape: &[usize]) -> Result<GpuTensor, ComputeError> {
        let tensor = self.allocate(shape, tensor::Element::F32)?;
        elementwise::fill_zero(self, &tensor);
        Ok(tensor)
    }

    fn upload(&self, values: &[f32], shape: &[usize]) -> Result<GpuTensor, ComputeError> {
        self.upload_f32(values, shape)
    }

    fn download(&self, tensor: &GpuTensor) -> Result<Vec<f32>, ComputeError> {
        self.read(tensor)
    }

    fn reshape(&self, tensor: &mut GpuTensor, shape: &[usize]) -> Result<(), ComputeError> {
        let elements = tensor::element_count(shape)?;
        if elements * tensor.element.size() <= tensor.bytes() {
            tensor.shape.clear();
            tensor.shape.extend_from_slice(shape);
        } else {
            *tensor = self.allocate(shape, tensor.element)?;
        }
        Ok(())
    }

    fn shape<'a>(&self, tensor: &'a GpuTensor) -> &'a [usize] {
        &tensor.shape
    }

    fn linear_weights(
        &self,
        parts: &[(&Weight, Option<&Weight>)],
    ) -> Result<GpuLinear, ComputeError> {
        GpuLinear::new(self, parts)
    }

    fn conv_weights(
        &self,
        weight: &Weight,
        bias: Option<&Weight>,
        kind: ConvKind,
    ) -> Result<GpuConv, ComputeError> {
        GpuConv::new(self, weight, bias, kind)
    }

    fn copy_rows(
        &self,
        source: &GpuTensor,
        from: usize,
        target: &mut GpuTensor,
        to: usize,
        count: usize,
    ) -> Result<(), ComputeError> {
        elementwise::copy_rows(self, source, from, target, to, count);
        Ok(())
    }

    fn copy_columns(
        &self,
        source: &GpuTensor,
        first: usize,
        target: &mut GpuTensor,
    ) -> Result<(), ComputeError> {
        elementwise::copy_columns(self, source, first, target);
        Ok(())
    }

    fn linear(
        &self,
        x: &GpuTensor,
        rows: Range<usize>,
        weights: &GpuLinear,
        epilogue: Epilogue<'_, GpuTensor>,
        out: &mut GpuTensor,
    ) -> Result<(), ComputeError> {
        linear::linear(self, x, rows, weights, &epilogue, out)
    }

    fn swiglu(
        &self,
        x: &GpuTensor,
        rows: Range<usize>,
        weights: &GpuLinear,
        out: &mut GpuTensor,
    ) -> Result<(), ComputeError> {
        linear::swiglu(self, x, rows, weights, out)
    }

    fn norm_modulate(
        &self,
        x: &GpuTensor,
        rows: Range<usize>,
        eps: f32,
        modulation: Option<Modulation<'_, GpuTensor>>,
        out: &mut GpuTensor,
    ) -> Result<(), ComputeError> {
        norm::norm_modulate(self, x, rows, eps, modulation.as_ref(), out);
        Ok(())
    }

    fn attention(
        &self,
        qkv: &GpuTensor,
        spec: &AttentionSpec<'_, GpuTensor>,
        out: &mut GpuTensor,
    ) -> Result<(), ComputeError> {
        attention::attention(self, qkv, spec, out)
    }

    fn patchify(
        &self,
        latents: &GpuTensor,
        patch: usize,
        factor: f32,
        out: &mut GpuTensor,
    ) -> Result<(), ComputeError> {
        patches::patchify(self, latents, patch, factor, out);
        Ok(())
    }

    fn unpatchify(
        &self,
        patches: &GpuTensor,
        patch: usize,
        out: &mut GpuTensor,
    ) -> Result<(), ComputeError> {
        patches::unpatchify(self, patches, patch, out);
        Ok(())
    }

    fn conv(
        &self,
        x: &GpuTensor,
        norm: Option<&GroupNorm>,
        weights: &GpuConv,
        epilogue: ConvEpilogue<'_, GpuTensor>,
        out: &mut GpuTensor,
    ) -> Result<(), ComputeError> {
        conv::conv(self, x, norm, weights, &epilogue, out)
    }

    fn group_norm(
        &self,
        x: &GpuTensor,
        norm: &GroupNorm,
        out: &mut GpuTensor,
    ) -> Result<(), ComputeError> {
        group_norm::group_norm(self, x, norm, out)
    }

    fn lapped_synthesis(
        &self,
        latents: &GpuTensor,
        weights: &GpuLinear,
        kernel: usize,
        stride: usize,
        pad: usize,
        out: &mut GpuTensor,
    ) -> Result<(), ComputeError> {
        lapped::synthesis(self, latents, weights, (kernel, stride, pad), out)
    }

    fn scale(&self, x: &mut GpuTensor, factor: f32) -> Result<(), ComputeError> {
        elementwise::scale(self, x, factor);
        Ok(())
    }

    fn euler_step(
        &self,
        x: &mut GpuTensor,
        velocity: &GpuTensor,
        dt: f32,
    ) -> Result<(), ComputeError> {
        elementwise::euler_step(self, x, velocity, dt);
        Ok(())
    }

    fn clean_to_velocity(
        &self,
        x: &GpuTensor,
        t: f32,
        clean: &mut GpuTensor,
    ) -> Result<(), ComputeError> {
        elementwise::clean_to_velocity(self, x, t, clean);
        Ok(())
    }

    fn guide_cfg(
        &self,
        predictions: &GpuTensor,
        scale: f32,
        out: &mut GpuTensor,
    ) -> Result<(), ComputeError> {
        elementwise::guide_cfg(self, predictions, scale, out);
        Ok(())
    }

    fn guide_apg(
        &self,
        predictions: &GpuTensor,
        parameters: ApgParameters,
        running: &mut GpuTensor,
        out: &mut GpuTensor,
    ) -> Result<(), ComputeError> {
        guidance::guide_apg(self, predictions, parameters, running, out)
    }

    fn quantize(
        &self,
        latents: &GpuTensor,
        quantizer: &Quantizer,
    ) -> Result<Vec<u16>, ComputeError> {
        match quantizer {
            Quantizer::Fsq { levels } => fsq::quantize(self, latents, levels),
        }
    }
}
