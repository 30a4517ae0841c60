//! Memory that was freed, and that the C library would keep for later.

/// Gives it back to the system where that is glibc's: after many small buffers, and before large ones that would be beside
/// them. It takes milliseconds. Elsewhere nothing happens.
pub fn release_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: it may be called at any time from any thread, and changes only memory that is not in use.
        #[allow(unsafe_code)]
        let _ = unsafe { libc::malloc_trim(0) };
    }
}

/// Has the system take back each piece of memory of 8 MiB and more as soon as it is freed, where the C library is glibc: it
/// would keep pieces of up to 32 MiB, which adds up to a hundred megabytes beside large canvases. For programs, since the
/// allocator belongs to the whole process: a library leaves it alone.
pub fn return_large_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const LARGE: i32 = 8 << 20;
        // SAFETY: it sets a number of the allocator, which is documented for use at any time.
        #[allow(unsafe_code)]
        let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
    }
}
