//! What the standard library would bring: memory from `malloc`, and an end for panics, which the container has none of.

use core::panic::PanicInfo;

/// The allocator of the C library.
#[cfg(feature = "plain")]
mod memory {
    use core::alloc::{GlobalAlloc, Layout};
    use core::ffi::c_void;

    // Also of C libraries that the crate `libc` does not know.
    unsafe extern "C" {
        fn malloc(size: usize) -> *mut c_void;
        fn calloc(count: usize, size: usize) -> *mut c_void;
        fn realloc(memory: *mut c_void, size: usize) -> *mut c_void;
        fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void;
        fn free(memory: *mut c_void);
    }

    /// What `malloc` aligns to at least: two words.
    const ALIGNED: usize = 2 * size_of::<usize>();

    struct Malloc;

    // SAFETY: the functions of the C library keep the promises of an allocator.
    unsafe impl GlobalAlloc for Malloc {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if layout.align() <= ALIGNED {
                // SAFETY: any size is allowed.
                unsafe { malloc(layout.size()) }.cast()
            } else {
                // A multiple of the alignment, as `aligned_alloc` wants it.
                let size = layout.pad_to_align().size();
                // SAFETY: a power of two and a multiple of it.
                unsafe { aligned_alloc(layout.align(), size) }.cast()
            }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            if layout.align() <= ALIGNED {
                // SAFETY: any size is allowed.
                return unsafe { calloc(layout.size(), 1) }.cast();
            }
            // SAFETY: the caller's promise.
            let memory = unsafe { self.alloc(layout) };
            if !memory.is_null() {
                // SAFETY: it has so many bytes.
                unsafe { memory.write_bytes(0, layout.size()) };
            }
            memory
        }

        unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            if layout.align() <= ALIGNED {
                // SAFETY: it came from `malloc` or `calloc`.
                return unsafe { realloc(memory.cast(), size) }.cast();
            }
            // SAFETY: the caller's promise: the size is not zero, and does not overflow when it is padded.
            let new =
                unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
            if !new.is_null() {
                // SAFETY: both have as many bytes as the smaller size.
                unsafe {
                    new.copy_from_nonoverlapping(memory, size.min(layout.size()));
                    self.dealloc(memory, layout);
                }
            }
            new
        }

        unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
            // SAFETY: it came from one of these functions.
            unsafe { free(memory.cast()) }
        }
    }

    #[global_allocator]
    static MALLOC: Malloc = Malloc;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn abort() -> !;
    }
    // SAFETY: it takes nothing and does not return.
    unsafe { abort() }
}
