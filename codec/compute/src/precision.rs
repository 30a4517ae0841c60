//! The choice of an element type.

/// Element type of weights and activations on a GPU. The CPU engine computes in single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Precision {
    /// Half precision on a GPU that has it, else single precision.
    #[default]
    Auto,
    /// Single precision.
    F32,
    /// Half precision; sums, norms, the softmax and the latents stay in single precision. An error where the engine has
    /// no half precision.
    F16,
}
