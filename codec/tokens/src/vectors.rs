//! Loops for the processor's widest vectors.

use pulp::Arch;

/// A closure in the form that is compiled into its caller. The traits of closures have adapters between their kinds that
/// are compiled on their own.
struct Inlined<F>(F);

impl<R, F: FnMut() -> R> pulp::NullaryFnOnce for Inlined<F> {
    type Output = R;

    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}

/// Runs `work`, a closure that is `#[inline(always)]` as all that it calls, compiled for the widest vectors of the processor.
#[inline(always)]
pub fn vectorized<R>(work: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Inlined(work))
}
