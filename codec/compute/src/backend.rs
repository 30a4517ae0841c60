//! The operations that the FlexTok network is written in: one trait, implemented by each engine.
//!
//! The operations are coarse, so that an engine can fuse what belongs together. All tensors are f32 and row-major;
//! sequences are `[rows, channels]`, images are channels-last `[height, width, channels]`, and latents have the number
//! of images as first dimension. Sequences of several images, or of several passes over one image, are packed into the
//! rows of one tensor. An operation writes into a tensor that its caller has allocated, so that a loop over steps
//! allocates nothing. The caller guarantees shapes: an operation panics if they do not match, which is a bug in the
//! network code and never depends on data.
//!
//! Every operation returns a `Result`: it may need memory to work in, or a device may refuse it. After an error the
//! contents of the tensors that the operation writes to are undefined.

mod parameters;

use std::ops::Range;

pub(crate) use parameters::LinearParts;
pub use parameters::{
    ApgParameters, AttentionSpec, CONV_ALIGNMENT, ConvEpilogue, ConvKind, Epilogue, GroupNorm,
    Mask, Modulation, ModulationVector, Sequence,
};

use crate::{ComputeError, Precision, Quantizer, Weight};

/// An engine: memory for tensors and the operations on them.
///
/// # Errors
/// Each operation fails with [`ComputeError::OutOfMemory`] where the memory that it works in cannot be allocated, and on
/// a device with [`ComputeError::DeviceMemory`], or with [`ComputeError::Device`] where its driver refuses the launch.
pub trait Backend: Send + Sync {
    /// A tensor of f32 in the engine's memory.
    type Tensor: Send + Sync;
    /// The weights of a linear layer, prepared for the engine.
    type Linear: Send + Sync;
    /// The weights of a convolution, prepared for the engine.
    type Conv: Send + Sync;

    /// Element type of weights and activations; never [`Precision::Auto`].
    fn precision(&self) -> Precision;

    /// Runs a whole computation in the engine's context; for an engine with a thread pool, inside that pool.
    fn run<R: Send>(&self, computation: impl FnOnce() -> R + Send) -> R;

    /// A tensor of zeros.
    ///
    /// # Errors
    /// [`ComputeError::OutOfMemory`].
    fn zeros(&self, shape: &[usize]) -> Result<Self::Tensor, ComputeError>;

    /// A tensor of zeros that is f32 even on an engine whose activations have a lower precision: for latents, whose
    /// errors would add up over the steps.
    ///
    /// # Errors
    /// [`ComputeError::OutOfMemory`].
    fn zeros_full(&self, shape: &[usize]) -> Result<Self::Tensor, ComputeError> {
        self.zeros(shape)
    }

    /// A tensor with the given values, in f32 on every engine.
    ///
    /// # Errors
    /// [`ComputeError::OutOfMemory`].
    fn upload(&self, values: &[f32], shape: &[usize]) -> Result<Self::Tensor, ComputeError>;

    /// The values of a tensor.
    ///
    /// # Errors
    /// An engine whose operations run asynchronously reports here the errors that its driver found after their launch.
    fn download(&self, tensor: &Self::Tensor) -> Result<Vec<f32>, ComputeError>;

    /// Changes a tensor's shape and leaves its contents undefined; memory that is large enough is reused.
    ///
    /// # Errors
    /// [`ComputeError::OutOfMemory`].
    fn reshape(&self, tensor: &mut Self::Tensor, shape: &[usize]) -> Result<(), ComputeError>;

    /// The shape of a tensor.
    fn shape<'a>(&self, tensor: &'a Self::Tensor) -> &'a [usize];

    /// Prepares linear layers `y = x Wᵀ + b` on the same input, whose outputs are concatenated.
    ///
    /// # Errors
    /// [`ComputeError::WeightShape`] unless each weight is `[out, in]` with one common `in` and each bias is `[out]`.
    fn linear_weights(
        &self,
        parts: &[(&Weight, Option<&Weight>)],
    ) -> Result<Self::Linear, ComputeError>;

    /// [`Backend::linear_weights`] for layers that are little of the work and much of the error: in single precision where
    /// the engine's precision leaves that open.
    ///
    /// # Errors
    /// As [`Backend::linear_weights`].
    fn precise_linear_weights(
        &self,
        parts: &[(&Weight, Option<&Weight>)],
    ) -> Result<Self::Linear, ComputeError> {
        self.linear_weights(parts)
    }

    /// [`Backend::linear_weights`] for layers that are much of the work and little of the error: in 8-bit integers where the
    /// engine's precision is [`Precision::Int8`].
    ///
    /// # Errors
    /// As [`Backend::linear_weights`].
    fn coarse_linear_weights(
        &self,
        parts: &[(&Weight, Option<&Weight>)],
    ) -> Result<Self::Linear, ComputeError> {
        self.linear_weights(parts)
    }

    /// Prepares a convolution with a weight of `[out, in, kernel, kernel]` and a bias of `[out]`.
    ///
    /// # Errors
    /// [`ComputeError::WeightShape`] if the shapes differ from these, or the kernel of a doubling convolution is not
    /// 3×3.
    fn conv_weights(
        &self,
        weight: &Weight,
        bias: Option<&Weight>,
        kind: ConvKind,
    ) -> Result<Self::Conv, ComputeError>;

    /// Copies `count` rows of `source`, starting with row `from`, to rows `to..` of `target`.
    fn copy_rows(
        &self,
        source: &Self::Tensor,
        from: usize,
        target: &mut Self::Tensor,
        to: usize,
        count: usize,
    ) -> Result<(), ComputeError>;

    /// Copies the columns from `first` on of all rows of `source` to `target`, which has as many rows.
    fn copy_columns(
        &self,
        source: &Self::Tensor,
        first: usize,
        target: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Applies a linear layer to the given rows of `x`; row r of `x` gives row r of `out`.
    fn linear(
        &self,
        x: &Self::Tensor,
        rows: Range<usize>,
        weights: &Self::Linear,
        epilogue: Epilogue<'_, Self::Tensor>,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// `out = SiLU(x W₀ᵀ + b₀) ⊙ (x W₁ᵀ + b₁)` on the given rows, for weights prepared from two parts of equal size.
    fn swiglu(
        &self,
        x: &Self::Tensor,
        rows: Range<usize>,
        weights: &Self::Linear,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Layer norm without affine parameters, then `·(1 + scale) + shift` where a modulation is given.
    fn norm_modulate(
        &self,
        x: &Self::Tensor,
        rows: Range<usize>,
        eps: f32,
        modulation: Option<Modulation<'_, Self::Tensor>>,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Softmax attention; `qkv` is `[rows, 3·D]` with queries, keys and values side by side, `out` is `[rows, D]`.
    fn attention(
        &self,
        qkv: &Self::Tensor,
        spec: &AttentionSpec<'_, Self::Tensor>,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Cuts `[B, H, W, C]` latents, times `factor`, into rows of `patch²·C` values in (row, column, channel) order, image
    /// by image.
    fn patchify(
        &self,
        latents: &Self::Tensor,
        patch: usize,
        factor: f32,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// The inverse of [`Backend::patchify`] with factor 1.
    fn unpatchify(
        &self,
        patches: &Self::Tensor,
        patch: usize,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Convolution of `x`, normed and put through SiLU first where `norm` is given, then the epilogue.
    fn conv(
        &self,
        x: &Self::Tensor,
        norm: Option<&GroupNorm>,
        weights: &Self::Conv,
        epilogue: ConvEpilogue<'_, Self::Tensor>,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Group norm without an activation.
    fn group_norm(
        &self,
        x: &Self::Tensor,
        norm: &GroupNorm,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Transposed convolution of `[h, w, C]` latents with stride `stride`, cropped by `pad` on each side. `weights` maps
    /// `C` channels to `kernel²·channels` values in (row, column, channel) order; `out` is `[H, W, channels]`.
    fn lapped_synthesis(
        &self,
        latents: &Self::Tensor,
        weights: &Self::Linear,
        kernel: usize,
        stride: usize,
        pad: usize,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// `x *= factor`.
    fn scale(&self, x: &mut Self::Tensor, factor: f32) -> Result<(), ComputeError>;

    /// `x -= dt·v`, an Euler step of the flow towards t = 0.
    fn euler_step(
        &self,
        x: &mut Self::Tensor,
        velocity: &Self::Tensor,
        dt: f32,
    ) -> Result<(), ComputeError>;

    /// Converts predicted clean latents to the velocity `(x − clean) / t`, in place. `clean` may hold several
    /// predictions for all of `x`, one after another.
    fn clean_to_velocity(
        &self,
        x: &Self::Tensor,
        t: f32,
        clean: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Classifier-free guidance: `u + scale·(c − u)`. `predictions` holds c of all images, then u of all images.
    fn guide_cfg(
        &self,
        predictions: &Self::Tensor,
        scale: f32,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// Adaptive projected guidance of `[B, …]` images, independently for each. `predictions` holds the conditional
    /// velocities of all images, then the unconditional ones; `running` is the state carried from step to step.
    fn guide_apg(
        &self,
        predictions: &Self::Tensor,
        parameters: ApgParameters,
        running: &mut Self::Tensor,
        out: &mut Self::Tensor,
    ) -> Result<(), ComputeError>;

    /// FSQ (network.md section 4): the codebook index of each row of `[rows, levels]`.
    ///
    /// # Errors
    /// Those of [`Backend::download`].
    fn quantize(
        &self,
        latents: &Self::Tensor,
        quantizer: &Quantizer,
    ) -> Result<Vec<u16>, ComputeError>;
}
