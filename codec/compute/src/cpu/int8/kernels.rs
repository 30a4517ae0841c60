//! Kernels on words of four bytes: those of a panel are signed and have 7 bits, those of rows are unsigned.

use super::super::microkernel::Kernels;

/// The environment variable that forbids them, to compare.
const FORBIDDEN: &str = "FLEXTOK_NO_INT8";

/// The kernels that this processor has, the fastest last.
pub(in super::super) fn instructions() -> Vec<Kernels> {
    if std::env::var_os(FORBIDDEN).is_some_and(|value| !value.is_empty()) {
        return Vec::new();
    }
    #[cfg(target_arch = "x86_64")]
    {
        let has = [
            (is_x86_feature_detected!("avx2"), avx2::ALL),
            (is_x86_feature_detected!("avxvnni"), avx_vnni::ALL),
            (
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni"),
                avx512_vnni::ALL,
            ),
        ];
        has.into_iter()
            .filter_map(|(has, kernels)| has.then_some(kernels))
            .collect()
    }
    #[cfg(not(target_arch = "x86_64"))]
    Vec::new()
}

#[cfg(target_arch = "x86_64")]
mod vectors {
    //! Vectors of 256 bits in memory.

    use std::arch::x86_64::{
        __m256i, _mm256_cmpgt_epi32, _mm256_loadu_si256, _mm256_maskload_epi32,
        _mm256_maskstore_epi32, _mm256_set1_epi32, _mm256_setr_epi32, _mm256_storeu_si256,
    };

    /// Words of a vector register, and sums.
    pub(super) const LANES: usize = 8;
    /// Vectors of a full panel: of 16 registers six rows take 15.
    pub(super) const VECTORS: usize = 2;

    /// # Safety
    /// A vector at `at` is readable.
    #[allow(unsafe_code)]
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn load(at: *const f32) -> __m256i {
        // SAFETY: the caller vouches for it.
        unsafe { _mm256_loadu_si256(at.cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn broadcast(word: f32) -> __m256i {
        _mm256_set1_epi32(word.to_bits() as i32)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn mask(lanes: usize) -> __m256i {
        let indices = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes as i32), indices)
    }

    /// # Safety
    /// `lanes` words at `at` are readable.
    #[allow(unsafe_code)]
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn load_masked(at: *const f32, lanes: usize) -> __m256i {
        // SAFETY: the mask keeps to what the caller vouches for.
        unsafe { _mm256_maskload_epi32(at.cast(), mask(lanes)) }
    }

    /// # Safety
    /// `lanes` words at `at` are writable.
    #[allow(unsafe_code)]
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn store_masked(at: *mut f32, lanes: usize, sums: __m256i) {
        // SAFETY: all lanes, or those of the mask, are what the caller vouches for.
        unsafe {
            if lanes == LANES {
                // A masked store takes some processors tens of cycles.
                _mm256_storeu_si256(at.cast(), sums);
            } else {
                _mm256_maskstore_epi32(at.cast(), mask(lanes), sums);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    //! AVX2: two products in 16 bits, four in 32.

    use std::arch::x86_64::{
        __m256i, _mm256_add_epi32 as add, _mm256_madd_epi16, _mm256_maddubs_epi16,
        _mm256_set1_epi16, _mm256_setzero_si256 as zero,
    };

    use super::super::super::microkernel::{Kernel, Kernels};
    use super::super::super::words::kernels_of_words;
    use super::vectors::{LANES, VECTORS, broadcast, load, load_masked, store_masked};

    #[inline]
    #[target_feature(enable = "avx2")]
    fn dot(sum: __m256i, x: __m256i, weights: __m256i) -> __m256i {
        // At most 2 · 255 · 63, so that nothing saturates.
        let pairs = _mm256_maddubs_epi16(x, weights);
        add(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }

    kernels_of_words!("avx2", [rows::<1>(), rows::<2>()]);
}

#[cfg(target_arch = "x86_64")]
mod avx_vnni {
    //! AVX-VNNI: four products and sums in one instruction.

    use std::arch::x86_64::{
        _mm256_add_epi32 as add, _mm256_dpbusd_avx_epi32 as dot, _mm256_setzero_si256 as zero,
    };

    use super::super::super::microkernel::{Kernel, Kernels};
    use super::super::super::words::kernels_of_words;
    use super::vectors::{LANES, VECTORS, broadcast, load, load_masked, store_masked};

    kernels_of_words!("avx2,avxvnni", [rows::<1>(), rows::<2>()]);
}

#[cfg(target_arch = "x86_64")]
mod avx512_vnni {
    //! AVX512-VNNI: four products and sums in one instruction.

    use std::arch::x86_64::{
        __m512i, _mm512_add_epi32 as add, _mm512_dpbusd_epi32 as dot, _mm512_loadu_si512,
        _mm512_mask_storeu_epi32, _mm512_maskz_loadu_epi32, _mm512_set1_epi32,
        _mm512_setzero_si512 as zero,
    };

    use super::super::super::microkernel::{Kernel, Kernels};
    use super::super::super::words::kernels_of_words;

    /// Words of a vector register, and sums.
    const LANES: usize = 16;
    /// Vectors of a full panel: of 32 registers six rows take 29.
    const VECTORS: usize = 4;

    /// # Safety
    /// A vector at `at` is readable.
    #[allow(unsafe_code)]
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load(at: *const f32) -> __m512i {
        // SAFETY: the caller vouches for it.
        unsafe { _mm512_loadu_si512(at.cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn broadcast(word: f32) -> __m512i {
        _mm512_set1_epi32(word.to_bits() as i32)
    }

    #[inline]
    fn mask(lanes: usize) -> u16 {
        ((1u32 << lanes) - 1) as u16
    }

    /// # Safety
    /// `lanes` words at `at` are readable.
    #[allow(unsafe_code)]
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load_masked(at: *const f32, lanes: usize) -> __m512i {
        // SAFETY: the mask keeps to what the caller vouches for.
        unsafe { _mm512_maskz_loadu_epi32(mask(lanes), at.cast()) }
    }

    /// # Safety
    /// `lanes` words at `at` are writable.
    #[allow(unsafe_code)]
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn store_masked(at: *mut f32, lanes: usize, sums: __m512i) {
        // SAFETY: the mask keeps to what the caller vouches for.
        unsafe { _mm512_mask_storeu_epi32(at.cast(), mask(lanes), sums) }
    }

    kernels_of_words!(
        "avx512f,avx512vnni",
        [rows::<1>(), rows::<2>(), rows::<3>(), rows::<4>()]
    );
}
