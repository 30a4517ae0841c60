//! The end of a program whose mapped file was truncated in use: a line of text and an exit code instead of a bare signal.

use std::sync::OnceLock;

/// What the handler says and ends with.
static LAST_WORDS: OnceLock<(&'static str, i32)> = OnceLock::new();

/// Ends the process with `line` on standard error and the exit code `code` when it touches a mapped page whose file has
/// become shorter. Without this such a process ends by the signal `SIGBUS` and says nothing. For programs, since signals
/// belong to the whole process: a library leaves them alone. Only the first call counts; on other systems than Linux
/// nothing happens.
///
/// # Errors
/// If the system refuses the handler; the signal then ends the process as ever.
pub fn explain_map_faults(line: &'static str, code: i32) -> std::io::Result<()> {
    if LAST_WORDS.set((line, code)).is_err() {
        return Ok(());
    }
    #[cfg(target_os = "linux")]
    linux::install()?;
    Ok(())
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod linux {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::LAST_WORDS;

    /// Whether some thread is ending the process.
    static ENDING: AtomicBool = AtomicBool::new(false);

    pub(super) fn install() -> std::io::Result<()> {
        // SAFETY: a zeroed `sigaction` is a valid one without flags; the fields that matter are set below. The handler
        // has the signature that SA_SIGINFO requires and does only what is allowed in a handler.
        let done = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut())
        };
        match done {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }

    extern "C" fn handler(
        signal: libc::c_int,
        info: *mut libc::siginfo_t,
        _context: *mut libc::c_void,
    ) {
        // SAFETY: the kernel passes a valid `siginfo_t` to a handler with SA_SIGINFO. `write`, `_exit`, `pause`, `signal`
        // and `raise` may be called in a handler, and the text is static.
        unsafe {
            if (*info).si_code == libc::BUS_ADRERR
                && let Some((line, code)) = LAST_WORDS.get()
            {
                // Several threads may touch the pages at once: one speaks, the others wait for the end.
                while ENDING.swap(true, Ordering::Relaxed) {
                    libc::pause();
                }
                libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len());
                libc::_exit(*code);
            }
            // Sent by somebody, or a fault of the hardware: that has the default action.
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
}
