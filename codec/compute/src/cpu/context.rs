//! What every operation needs of the engine, and how its loops are compiled for the processor's vectors.

use pulp::Arch;

use super::buffer::Pool;
use super::microkernel::Kernels;
use super::products::Products;

/// What operations need of the engine.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// Kernels of f32, for convolutions.
    pub(super) kernels: Kernels,
    /// Those of linear layers and attention.
    pub(super) products: Products,
    pub(super) arch: Arch,
    pub(super) pool: &'a Pool,
    pub(super) threads: usize,
}

/// A closure in the form that is compiled into its caller, for the caller's instruction set. The traits of closures have
/// adapters between their kinds that are compiled on their own, so that each kind needs its own form.
struct Shared<F>(F);
struct Exclusive<F>(F);

impl<R, F: Fn() -> R> pulp::NullaryFnOnce for Shared<F> {
    type Output = R;

    #[inline(always)]
    fn call(self) -> R {
        (self.0)()
    }
}

impl<R, F: FnMut() -> R> pulp::NullaryFnOnce for Exclusive<F> {
    type Output = R;

    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}

impl Context<'_> {
    /// Runs `work`, a closure that is `#[inline(always)]` and changes nothing that it captures, compiled for the widest
    /// vectors of the processor.
    #[inline(always)]
    pub(super) fn vectorized<R>(self, work: impl Fn() -> R) -> R {
        self.arch.dispatch(Shared(work))
    }

    /// [`Context::vectorized`] for a closure that changes what it captures.
    #[inline(always)]
    pub(super) fn vectorized_mut<R>(self, work: impl FnMut() -> R) -> R {
        self.arch.dispatch(Exclusive(work))
    }
}

/// Runs `work`, a closure that is `#[inline(always)]`, compiled for the widest vectors of the processor. Functions that it
/// calls have to be `#[inline(always)]` too, or they are compiled without.
#[inline(always)]
pub fn vectorized<R>(work: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Exclusive(work))
}
