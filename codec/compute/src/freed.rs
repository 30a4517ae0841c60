//! Memory that was freed and that the C library keeps for later.

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
