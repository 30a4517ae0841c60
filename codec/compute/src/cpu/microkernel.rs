//! The innermost loop of every matrix product: a panel of weights times a few rows of activations.
//!
//! The kernels are those of the `gemm` family, but for WebAssembly's, called directly so that panels can be packed once,
//! converted from f16 or bf16 on the way, and so that nothing is allocated per product. Each output element is one chain of
//! multiply-adds over ascending k, whatever the blocking: results depend neither on the number of rows nor of threads.

use gemm_common::microkernel::MicroKernelFn;

pub(super) type Kernel = MicroKernelFn<f32>;

/// The kernels of one instruction set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernels {
    /// Floats in a vector register.
    pub(super) lanes: usize,
    /// Vectors of a full panel.
    pub(super) vectors: usize,
    /// Rows of activations in a full kernel.
    pub(super) rows: usize,
    /// The kernel of so many vectors and rows, each less one.
    pub(super) select: fn(usize, usize) -> Kernel,
}

impl Kernels {
    /// The widest kernels that this processor runs.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx512f") {
                use gemm_f32::microkernel::avx512f::f32 as isa;
                let (vectors, rows) = (isa::MR_DIV_N, isa::NR);
                return Self {
                    lanes: 16,
                    vectors,
                    rows,
                    select: |m, n| isa::UKR[m][n],
                };
            }
            if std::is_x86_feature_detected!("fma") {
                use gemm_f32::microkernel::fma::f32 as isa;
                let (vectors, rows) = (isa::MR_DIV_N, isa::NR);
                return Self {
                    lanes: 8,
                    vectors,
                    rows,
                    select: |m, n| isa::UKR[m][n],
                };
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            if std::arch::is_aarch64_feature_detected!("neon") {
                use gemm_f32::microkernel::neon::f32 as isa;
                let (vectors, rows) = (isa::MR_DIV_N, isa::NR);
                return Self {
                    lanes: 4,
                    vectors,
                    rows,
                    select: |m, n| isa::UKR[m][n],
                };
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        {
            use super::simd128 as isa;
            return Self {
                lanes: isa::LANES,
                vectors: isa::VECTORS,
                rows: isa::ROWS,
                select: |m, n| isa::KERNELS[m][n],
            };
        }
        #[allow(unreachable_code)]
        Self::scalar()
    }

    /// Kernels that every processor runs.
    pub(crate) fn scalar() -> Self {
        use gemm_f32::microkernel::scalar::f32 as isa;
        let (vectors, rows) = (isa::MR_DIV_N, isa::NR);
        Self {
            lanes: 1,
            vectors,
            rows,
            select: |m, n| isa::UKR[m][n],
        }
    }

    /// Outputs of a full panel.
    pub(crate) fn panel_width(self) -> usize {
        self.lanes * self.vectors
    }
}

/// `count` rows of activations and the place where their products go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowBlock {
    /// First row; each has `k` floats in sequence.
    pub(crate) x: *const f32,
    /// Floats from one row to the next; rows may overlap.
    pub(crate) x_stride: usize,
    /// Where the first row's products go.
    pub(crate) out: *mut f32,
    /// Floats from one row's products to the next row's.
    pub(crate) out_stride: usize,
    /// Number of rows.
    pub(crate) count: usize,
    /// Whether products are added to what is there.
    pub(crate) accumulate: bool,
}

/// A `[k][stride]` array whose first `width` columns are outputs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panel {
    pub(crate) values: *const f32,
    pub(crate) stride: usize,
    pub(crate) k: usize,
    pub(crate) width: usize,
}

/// `out[r][c] (+)= Σ_k x[r][k] · panel[k][c]`.
///
/// # Safety
/// The panel's `k·stride` floats and, in each of its rows, `width` rounded up to whole vectors must be readable; `k`
/// floats of each row of `x` must be readable; `width` floats of each row of `out` must be writable, initialised if
/// `accumulate`, and overlap neither. `width` must not exceed the kernels' panel width.
#[allow(unsafe_code)]
pub(crate) unsafe fn multiply(kernels: Kernels, panel: Panel, block: RowBlock) {
    debug_assert!(panel.width <= kernels.panel_width() && panel.width > 0);
    let vectors = panel.width.div_ceil(kernels.lanes);
    let mut row = 0;
    while row < block.count {
        let rows = kernels.rows.min(block.count - row);
        let kernel = (kernels.select)(vectors - 1, rows - 1);
        // SAFETY: the caller vouches for the panel and all rows; this call touches `rows` of them from `row` on, which
        // are inside the block. The last pointer is a prefetch hint.
        unsafe {
            // In the column-major terms of `gemm` the panel is the left operand. Status 0 stores, 1 adds to the output;
            // only a status of 2 would scale it.
            kernel(
                panel.width,
                rows,
                panel.k,
                block.out.add(row * block.out_stride),
                panel.values,
                block.x.add(row * block.x_stride),
                block.out_stride as isize,
                1,
                panel.stride as isize,
                1,
                block.x_stride as isize,
                1.0,
                1.0,
                u8::from(block.accumulate),
                false,
                false,
                false,
                panel.values,
            );
        }
        row += rows;
    }
}

/// A pointer into memory that parallel tasks write disjoint parts of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedMut(*mut f32);

// SAFETY: the pointer is only an address; the functions that write through it state why their tasks' parts are disjoint.
#[allow(unsafe_code)]
unsafe impl Send for SharedMut {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for SharedMut {}

impl SharedMut {
    pub(crate) fn new(values: &mut [f32]) -> Self {
        Self(values.as_mut_ptr())
    }

    /// The address of element `index`.
    pub(crate) fn at(self, index: usize) -> *mut f32 {
        self.0.wrapping_add(index)
    }

    /// Elements `start..start + len` as a slice.
    ///
    /// # Safety
    /// They must be inside the memory that this was made from, which must be alive, and no other slice of them may exist.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn slice<'a>(self, start: usize, len: usize) -> &'a mut [f32] {
        // SAFETY: the caller vouches for bounds, lifetime and uniqueness.
        unsafe { std::slice::from_raw_parts_mut(self.at(start), len) }
    }
}
