//! aarch64 has NEON: what the other tests here compare with plain loops is its code.

use gemm_f32::microkernel::neon::f32 as neon;
use pulp::Arch;

use super::super::microkernel::Kernels;

#[test]
fn it_is_what_runs() {
    let arch = Arch::new();
    assert!(matches!(arch, Arch::Neon(_)), "{arch:?}");
    // Four floats in a register of 128 bits, where the portable kernels have one.
    let (own, portable) = (Kernels::detect(), Kernels::scalar());
    assert_eq!(own.panel_width(), 4 * neon::MR_DIV_N, "{own:?}");
    assert_ne!(own.panel_width(), portable.panel_width(), "{portable:?}");
}
