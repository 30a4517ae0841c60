//! Kernels of instructions that multiply the numbers in 32-bit words: pairs of bf16, or four bytes.

/// The kernels of a module that has
///
/// - LANES, the words of a vector register, and as many sums; VECTORS, the vectors of a full panel;
/// - `load` of a vector from a pointer, `broadcast` of a word in the bits of a float, `dot(sum, x, weights)`, `zero`, `add`;
/// - `load_masked(from, lanes)` and `store_masked(to, lanes, sums)`, of the first lanes.
///
/// `$features` are what all of these need.
macro_rules! kernels_of_words {
    ($features:literal, $vectors:expr) => {
        /// Rows of a full kernel: with a panel's row and a word of activations it takes all registers but one or three.
        const ROWS: usize = 6;

        pub(super) const ALL: Kernels = Kernels {
            lanes: LANES,
            vectors: VECTORS,
            rows: ROWS,
            select: |vectors, rows| KERNELS[vectors][rows],
        };

        /// By number of vectors and rows, each less one.
        const KERNELS: [[Kernel; ROWS]; VECTORS] = $vectors;

        const fn rows<const V: usize>() -> [Kernel; ROWS] {
            [
                kernel::<V, 1>,
                kernel::<V, 2>,
                kernel::<V, 3>,
                kernel::<V, 4>,
                kernel::<V, 5>,
                kernel::<V, 6>,
            ]
        }

        /// `R` rows by `V` vectors of sums over `k` words, in the terms of `gemm`: the panel is `lhs`, the rows are `rhs`.
        ///
        /// # Safety
        /// As the kernels of `gemm`, of which `alpha_status` is 0 or 1 and the scales are 1; the processor has the
        /// instructions.
        #[allow(unsafe_code)]
        #[allow(clippy::too_many_arguments)] // It has the signature of gemm's.
        unsafe fn kernel<const V: usize, const R: usize>(
            width: usize,
            _rows: usize,
            k: usize,
            out: *mut f32,
            panel: *const f32,
            x: *const f32,
            out_stride: isize,
            _out_step: isize,
            stride: isize,
            _x_step: isize,
            x_stride: isize,
            _alpha: f32,
            _beta: f32,
            accumulate: u8,
            _conj_out: bool,
            _conj_panel: bool,
            _conj_x: bool,
            _next: *const f32,
        ) {
            // SAFETY: the caller vouches for the processor and for all of these places.
            unsafe {
                sums::<V, R>(
                    (width, k, accumulate == 1),
                    (out, out_stride),
                    (panel, stride),
                    (x, x_stride),
                );
            }
        }

        /// # Safety
        /// As for [`kernel`].
        #[allow(unsafe_code)]
        #[target_feature(enable = $features)]
        unsafe fn sums<const V: usize, const R: usize>(
            (width, k, accumulate): (usize, usize, bool),
            (out, out_stride): (*mut f32, isize),
            (panel, stride): (*const f32, isize),
            (x, x_stride): (*const f32, isize),
        ) {
            let mut sums = [[zero(); V]; R];
            for word in 0..k as isize {
                let mut weights = [zero(); V];
                for (vector, weights) in weights.iter_mut().enumerate() {
                    // SAFETY: whole vectors of each row of the panel are readable.
                    let loaded = unsafe { load(panel.offset(word * stride).add(vector * LANES)) };
                    *weights = loaded;
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: `k` words of each row are readable.
                    let x = unsafe { x.offset(row as isize * x_stride + word).read() };
                    let x = broadcast(x);
                    for (sum, &weights) in sums.iter_mut().zip(&weights) {
                        *sum = dot(*sum, x, weights);
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                for (vector, &sum) in sums.iter().enumerate() {
                    // The last vector may have fewer outputs than lanes.
                    let lanes = width.saturating_sub(vector * LANES).min(LANES);
                    // SAFETY: the outputs of each row, which the mask keeps to, are writable, and initialised to be added
                    // to.
                    unsafe {
                        let at = out.offset(row as isize * out_stride).add(vector * LANES);
                        let sum = if accumulate {
                            add(sum, load_masked(at, lanes))
                        } else {
                            sum
                        };
                        store_masked(at, lanes, sum);
                    }
                }
            }
        }
    };
}

pub(super) use kernels_of_words;
