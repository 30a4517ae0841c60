//! The CPU engine: f32, with products of f32 or of bf16, on all cores; the same results for any number of threads.
//!
//! Weights are packed into panels once, in their stored element type or in that of the products; every product is a microkernel over a panel and a
//! block of rows (the module `microkernel`), fused with what comes after it. Scratch memory is used again, so that a loop over
//! steps allocates nothing after its first round.

mod attention;
mod bf16;
mod buffer;
mod context;
mod conv;
mod elementwise;
mod int8;
mod lapped;
mod layer;
mod linear;
mod math;
mod microkernel;
mod norm;
mod outputs;
mod packed;
mod products;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;
#[cfg(test)]
pub(crate) mod tests;
mod threads;
mod winograd;
#[cfg(target_arch = "x86_64")]
mod words;

use std::ops::Range;

pub use buffer::CpuTensor;
use buffer::Pool;
use context::Context;
pub use context::vectorized;
pub use conv::PackedConv;
use int8::{Int8, Int8Linear};
pub use layer::PackedLayer;
use microkernel::Kernels;
use packed::PackedLinear;
use products::Products;
use pulp::Arch;
pub use threads::Threads;

use crate::backend::{
    ApgParameters, AttentionSpec, Backend, ConvEpilogue, ConvKind, Epilogue, GroupNorm, Modulation,
};
use crate::memory::with_capacity;
use crate::{ComputeError, Precision, Quantizer, Weight};

/// The engine: a thread pool, the kernels that fit the processor, and scratch memory.
pub struct CpuEngine {
    threads: Threads,
    kernels: Kernels,
    /// Of linear layers and attention.
    products: Products,
    /// Of coarse linear layers, if these differ.
    int8: Option<Int8>,
    arch: Arch,
    pool: Pool,
}

impl CpuEngine {
    /// An engine on threads of its own; see [`Threads::new`].
    ///
    /// # Errors
    /// As [`Threads::new`].
    pub fn new(threads: usize) -> Result<Self, ComputeError> {
        Ok(Self::on(Threads::new(threads)?))
    }

    /// An engine on threads that other work may share, with products of f32.
    #[must_use]
    pub fn on(threads: Threads) -> Self {
        let kernels = Kernels::detect();
        Self::with_products(threads, kernels, Products::single(kernels))
    }

    /// An engine whose linear layers and attention multiply bf16: both operands are rounded, sums and all else stay in
    /// f32. The results are the same on all processors, those
    /// with AVX512-BF16 and those without.
    #[must_use]
    pub fn with_bf16(threads: Threads) -> Self {
        let kernels = Kernels::detect();
        Self::with_products(threads, kernels, Products::bf16(kernels))
    }

    /// As [`CpuEngine::with_bf16`], but [coarse](Backend::coarse_linear_weights) linear layers of up to 2^17 inputs
    /// multiply 8-bit integers: weights
    /// in 127 steps of a scale for each output, activations in 255 of one for each row. The results are the same on all
    /// processors.
    #[must_use]
    pub fn with_int8(threads: Threads) -> Self {
        let engine = Self::with_bf16(threads);
        Self {
            int8: Some(Int8::detect(engine.kernels)),
            ..engine
        }
    }

    fn with_products(threads: Threads, kernels: Kernels, products: Products) -> Self {
        Self {
            pool: Pool::new(threads.count()),
            threads,
            kernels,
            products,
            int8: None,
            arch: Arch::new(),
        }
    }

    /// Number of threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.count()
    }

    fn context(&self) -> Context<'_> {
        let threads = self.threads.count();
        Context {
            kernels: self.kernels,
            products: self.products,
            arch: self.arch,
            pool: &self.pool,
            threads,
        }
    }
}

impl std::fmt::Debug for CpuEngine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CpuEngine")
            .field("threads", &self.threads())
            .finish_non_exhaustive()
    }
}

impl Backend for CpuEngine {
    type Tensor = CpuTensor;
    type Linear = PackedLayer;
    type Conv = PackedConv;

    fn precision(&self) -> Precision {
        match self.int8 {
            Some(_) => Precision::Int8,
            None => self.products.precision(),
        }
    }

    fn run<R: Send>(&self, computation: impl FnOnce() -> R + Send) -> R {
        self.pool.run(|| self.threads.install(computation))
    }

    fn zeros(&self, shape: &[usize]) -> Result<CpuTensor, ComputeError> {
        CpuTensor::zeros(shape)
    }

    fn upload(&self, values: &[f32], shape: &[usize]) -> Result<CpuTensor, ComputeError> {
        let mut tensor = CpuTensor::zeros(shape)?;
        tensor.values_mut().copy_from_slice(values);
        Ok(tensor)
    }

    fn download(&self, tensor: &CpuTensor) -> Result<Vec<f32>, ComputeError> {
        let mut values = with_capacity(tensor.values().len())?;
        values.extend_from_slice(tensor.values());
        Ok(values)
    }

    fn reshape(&self, tensor: &mut CpuTensor, shape: &[usize]) -> Result<(), ComputeError> {
        tensor.reshape(shape)
    }

    fn shape<'a>(&self, tensor: &'a CpuTensor) -> &'a [usize] {
        tensor.shape()
    }

    fn linear_weights(
        &self,
        parts: &[(&Weight, Option<&Weight>)],
    ) -> Result<PackedLayer, ComputeError> {
        self.threads
            .install(|| PackedLinear::from_weights(self.products, parts))
            .map(PackedLayer::from)
    }

    fn precise_linear_weights(
        &self,
        parts: &[(&Weight, Option<&Weight>)],
    ) -> Result<PackedLayer, ComputeError> {
        let products = Products::single(self.kernels);
        self.threads
            .install(|| PackedLinear::from_weights(products, parts))
            .map(PackedLayer::from)
    }

    fn coarse_linear_weights(
        &self,
        parts: &[(&Weight, Option<&Weight>)],
    ) -> Result<PackedLayer, ComputeError> {
        let inputs = parts.first().and_then(|(weight, _)| weight.shape().last());
        let fits = inputs.is_none_or(|&k| k <= int8::MOST_INPUTS);
        let Some(int8) = self.int8.filter(|_| fits) else {
            return self.linear_weights(parts);
        };
        self.threads
            .install(|| Int8Linear::from_weights(int8, parts))
            .map(PackedLayer::from)
    }

    fn conv_weights(
        &self,
        weight: &Weight,
        bias: Option<&Weight>,
        kind: ConvKind,
    ) -> Result<PackedConv, ComputeError> {
        self.threads
            .install(|| PackedConv::new(self.context(), weight, bias, kind))
    }

    fn copy_rows(
        &self,
        source: &CpuTensor,
        from: usize,
        target: &mut CpuTensor,
        to: usize,
        count: usize,
    ) -> Result<(), ComputeError> {
        let columns = source.columns();
        assert_eq!(columns, target.columns(), "rows of another width");
        let source = &source.values()[from * columns..(from + count) * columns];
        target.values_mut()[to * columns..(to + count) * columns].copy_from_slice(source);
        Ok(())
    }

    fn copy_columns(
        &self,
        source: &CpuTensor,
        first: usize,
        target: &mut CpuTensor,
    ) -> Result<(), ComputeError> {
        let (from, to) = (source.columns(), target.columns());
        assert!(
            first + to <= from && source.rows() == target.rows(),
            "columns beyond their tensor"
        );
        let rows = source.values().chunks_exact(from);
        for (target, source) in target.values_mut().chunks_exact_mut(to).zip(rows) {
            target.copy_from_slice(&source[first..first + to]);
        }
        Ok(())
    }

    fn linear(
        &self,
        x: &CpuTensor,
        rows: Range<usize>,
        weights: &PackedLayer,
        epilogue: Epilogue<'_, CpuTensor>,
        out: &mut CpuTensor,
    ) -> Result<(), ComputeError> {
        self.threads
            .install(|| linear::linear(self.context(), x, rows, weights, &epilogue, out))
    }

    fn swiglu(
        &self,
        x: &CpuTensor,
        rows: Range<usize>,
        weights: &PackedLayer,
        out: &mut CpuTensor,
    ) -> Result<(), ComputeError> {
        self.threads
            .install(|| linear::swiglu(self.context(), x, rows, weights, out))
    }

    fn norm_modulate(
        &self,
        x: &CpuTensor,
        rows: Range<usize>,
        eps: f32,
        modulation: Option<Modulation<'_, CpuTensor>>,
        out: &mut CpuTensor,
    ) -> Result<(), ComputeError> {
        let modulation = modulation.as_ref();
        self.threads
            .install(|| norm::norm_modulate(self.context(), x, rows, eps, modulation, out));
        Ok(())
    }

    fn attention(
        &self,
        qkv: &CpuTensor,
        spec: &AttentionSpec<'_, CpuTensor>,
        out: &mut CpuTensor,
    ) -> Result<(), ComputeError> {
        self.threads
            .install(|| attention::attention(self.context(), qkv, spec, out))
    }

    fn patchify(
        &self,
        latents: &CpuTensor,
        patch: usize,
        factor: f32,
        out: &mut CpuTensor,
    ) -> Result<(), ComputeError> {
        elementwise::patchify(latents, patch, factor, out);
        Ok(())
    }

    fn unpatchify(
        &self,
        patches: &CpuTensor,
        patch: usize,
        out: &mut CpuTensor,
    ) -> Result<(), ComputeError> {
        elementwise::unpatchify(patches, patch, out);
        Ok(())
    }

    fn conv(
        &self,
        x: &CpuTensor,
        norm: Option<&GroupNorm>,
        weights: &PackedConv,
        epilogue: ConvEpilogue<'_, CpuTensor>,
        out: &mut CpuTensor,
    ) -> Result<(), ComputeError> {
        self.threads
            .install(|| conv::conv(self.context(), x, norm, weights, &epilogue, out))
    }

    fn group_norm(
        &self,
        x: &CpuTensor,
        norm: &GroupNorm,
        out: &mut CpuTensor,
    ) -> Result<(), ComputeError> {
        self.threads
            .install(|| norm::group_norm(self.context(), x, norm, out))
    }

    fn lapped_synthesis(
        &self,
        latents: &CpuTensor,
        weights: &PackedLayer,
        kernel: usize,
        stride: usize,
        pad: usize,
        out: &mut CpuTensor,
    ) -> Result<(), ComputeError> {
        let &[height, width, _] = latents.shape() else {
            panic!("latents are [H, W, C]")
        };
        let mut blocks = CpuTensor::zeros(&[height * width, weights.outputs().count()])?;
        self.linear(
            latents,
            0..height * width,
            weights,
            Epilogue::Store,
            &mut blocks,
        )?;
        let values = blocks.values();
        self.threads
            .install(|| lapped::overlap_add(values, (height, width), (kernel, stride, pad), out));
        Ok(())
    }

    fn scale(&self, x: &mut CpuTensor, factor: f32) -> Result<(), ComputeError> {
        x.values_mut().iter_mut().for_each(|value| *value *= factor);
        Ok(())
    }

    fn euler_step(
        &self,
        x: &mut CpuTensor,
        velocity: &CpuTensor,
        dt: f32,
    ) -> Result<(), ComputeError> {
        elementwise::euler_step(self.context(), x, velocity, dt);
        Ok(())
    }

    fn clean_to_velocity(
        &self,
        x: &CpuTensor,
        t: f32,
        clean: &mut CpuTensor,
    ) -> Result<(), ComputeError> {
        elementwise::clean_to_velocity(self.context(), x, t, clean);
        Ok(())
    }

    fn guide_cfg(
        &self,
        predictions: &CpuTensor,
        scale: f32,
        out: &mut CpuTensor,
    ) -> Result<(), ComputeError> {
        elementwise::guide_cfg(self.context(), predictions, scale, out);
        Ok(())
    }

    fn guide_apg(
        &self,
        predictions: &CpuTensor,
        parameters: ApgParameters,
        running: &mut CpuTensor,
        out: &mut CpuTensor,
    ) -> Result<(), ComputeError> {
        elementwise::guide_apg(predictions, parameters, running, out);
        Ok(())
    }

    fn quantize(
        &self,
        latents: &CpuTensor,
        quantizer: &Quantizer,
    ) -> Result<Vec<u16>, ComputeError> {
        Ok(quantizer.ids(latents.values()))
    }
}
