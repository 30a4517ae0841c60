//! Kernels on pairs of bf16, by the instruction that multiplies and adds them, where that is faster than f32.
//!
//! Both give the same bits, so that which one is taken changes nothing but the time. Processors differ widely: in LLVM's
//! models Cooper Lake starts two of the instruction per cycle and Sapphire Rapids one in two cycles, where both start two
//! multiply-adds of f32 with half as many products.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::buffer::Buffer;
use super::microkernel::{Kernels, Panel, RowBlock, multiply};

/// The environment variable that forbids the instruction, to compare.
const FORBIDDEN: &str = "FLEXTOK_NO_BF16";

/// Kernels on pairs of bf16, if this processor has them and is not slower with them than with those of f32, `single`.
pub(super) fn kernels(single: Kernels) -> Option<Kernels> {
    static CHOSEN: OnceLock<bool> = OnceLock::new();
    let pairs = instruction()?;
    let is_chosen = *CHOSEN.get_or_init(|| !is_slower(pairs, single));
    is_chosen.then_some(pairs)
}

/// Kernels on pairs of bf16, if this processor has them and adds in the order that [`super::products`] relies on.
pub(super) fn instruction() -> Option<Kernels> {
    if std::env::var_os(FORBIDDEN).is_some_and(|value| !value.is_empty()) {
        return None;
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16") {
        let kernels = avx512::ALL;
        static IN_ORDER: OnceLock<bool> = OnceLock::new();
        let is_usable = *IN_ORDER.get_or_init(|| avx512::adds_in_order(kernels));
        return is_usable.then_some(kernels);
    }
    None
}

/// Whether `pairs` take clearly longer than kernels of f32 for the same products. Up to a tenth they win elsewhere: their
/// weights take half the memory, and need no conversion.
fn is_slower(pairs: Kernels, single: Kernels) -> bool {
    // As much as fits in the second-level cache of all of them: 3 million products take about 50 µs.
    const NUMBERS: usize = 512;
    const ROWS: usize = 96;
    const RUNS: usize = 4;
    let time = |kernels: Kernels, k: usize| -> Option<Duration> {
        let width = kernels.panel_width();
        let panel = Buffer::zeros(k * width).ok()?;
        let x = Buffer::zeros(ROWS * k).ok()?;
        let mut out = Buffer::zeros(ROWS * width).ok()?;
        let operand = Panel {
            values: panel.as_ptr(),
            stride: width,
            k,
            width,
        };
        let block = RowBlock {
            x: x.as_ptr(),
            x_stride: k,
            out: out.as_mut_ptr(),
            out_stride: width,
            count: ROWS,
            accumulate: false,
        };
        let runs = (0..RUNS).map(|_| {
            let start = Instant::now();
            // SAFETY: the panel has `k` rows of `width` floats; there are ROWS rows of `k` floats, and as many of sums.
            #[allow(unsafe_code)]
            unsafe {
                multiply(kernels, operand, block);
            }
            start.elapsed()
        });
        // The shortest: others were interrupted, or ran before the processor was at its speed.
        runs.min().map(|shortest| shortest / width as u32)
    };
    match (time(pairs, NUMBERS / 2), time(single, NUMBERS)) {
        (Some(pairs), Some(single)) => 10 * pairs > 11 * single,
        _ => false,
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    //! AVX512-BF16: 32 products and sums for each instruction.

    use std::arch::x86_64::{
        __m512, __m512bh, _mm512_add_ps as add, _mm512_dpbf16_ps, _mm512_loadu_ps,
        _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps as zero,
    };
    use std::mem::transmute;

    use super::super::microkernel::{Kernel, Kernels, Panel, RowBlock, multiply};
    use super::super::products::{widened, word};
    use super::super::words::kernels_of_words;

    /// Words of a vector register, and sums.
    const LANES: usize = 16;
    /// Vectors of a full panel: of 32 registers six rows take 29.
    const VECTORS: usize = 4;

    /// # Safety
    /// A vector at `at` is readable.
    #[allow(unsafe_code)]
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load(at: *const f32) -> __m512 {
        // SAFETY: the caller vouches for it.
        unsafe { _mm512_loadu_ps(at) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn broadcast(word: f32) -> __m512 {
        _mm512_set1_ps(word)
    }

    #[allow(unsafe_code)]
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn dot(sum: __m512, x: __m512, weights: __m512) -> __m512 {
        // SAFETY: any bits are vectors of bf16.
        let [x, weights] = unsafe { [x, weights].map(|v| transmute::<__m512, __m512bh>(v)) };
        _mm512_dpbf16_ps(sum, x, weights)
    }

    #[inline]
    fn mask(lanes: usize) -> u16 {
        ((1u32 << lanes) - 1) as u16
    }

    /// # Safety
    /// `lanes` floats at `at` are readable.
    #[allow(unsafe_code)]
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load_masked(at: *const f32, lanes: usize) -> __m512 {
        // SAFETY: the mask keeps to what the caller vouches for.
        unsafe { _mm512_maskz_loadu_ps(mask(lanes), at) }
    }

    /// # Safety
    /// `lanes` floats at `at` are writable.
    #[allow(unsafe_code)]
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn store_masked(at: *mut f32, lanes: usize, sums: __m512) {
        // SAFETY: the mask keeps to what the caller vouches for.
        unsafe { _mm512_mask_storeu_ps(at, mask(lanes), sums) }
    }

    kernels_of_words!(
        "avx512f,avx512bf16",
        [rows::<1>(), rows::<2>(), rows::<3>(), rows::<4>()]
    );

    /// Whether the sums of kernels on pairs are those that kernels of f32 make of the same numbers in the same order.
    pub(super) fn adds_in_order(kernels: Kernels) -> bool {
        // Sums that need 24 bits and more, so that another order or rounding shows in some column.
        const K: usize = 64;
        const WIDTH: usize = LANES * VECTORS;
        let number = |index: usize| {
            let mixed = (index as u32 + 1).wrapping_mul(0x9e37_79b9);
            f32::from_bits(
                (110 + (mixed >> 28)) << 23 | mixed & 0x8070_0000 | mixed >> 7 & 0x000f_0000,
            )
        };
        let pair = |index: usize| f32::from_bits(word([number(2 * index), number(2 * index + 1)]));
        let panel: [f32; K * WIDTH] = std::array::from_fn(pair);
        let row: [f32; K] = std::array::from_fn(|index| pair(index + 77));
        let mut sums = [[0.0; WIDTH]; ROWS];
        let operand = Panel {
            values: panel.as_ptr(),
            stride: WIDTH,
            k: K,
            width: WIDTH,
        };
        // The same row again and again, for the kernel that does most of the work.
        let block = RowBlock {
            x: row.as_ptr(),
            x_stride: 0,
            out: sums.as_flattened_mut().as_mut_ptr(),
            out_stride: WIDTH,
            count: ROWS,
            accumulate: false,
        };
        // SAFETY: the panel has K rows of WIDTH words, the row K words, and there are ROWS times WIDTH sums.
        #[allow(unsafe_code)]
        unsafe {
            multiply(kernels, operand, block);
        }
        (0..WIDTH).all(|column| {
            let sum = row.iter().zip(panel.iter().skip(column).step_by(WIDTH));
            let sum = sum.fold(0.0f32, |sum, (x, weight)| {
                let (x, weight) = (widened(x.to_bits()), widened(weight.to_bits()));
                x[1].mul_add(weight[1], x[0].mul_add(weight[0], sum))
            });
            let is_same = |sums: &[f32; WIDTH]| sums[column].to_bits() == sum.to_bits();
            sums.iter().all(is_same)
        })
    }
}
