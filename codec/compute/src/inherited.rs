//! What a process has from the one that started it: descriptors, open or closed, and signals to ignore. For programs; on
//! other systems than Unix nothing is inherited in these ways.

use std::fs::File;
use std::io;

/// A standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stream {
    /// Descriptor 0.
    Input,
    /// Descriptor 1.
    Output,
    /// Descriptor 2.
    Error,
}

impl Stream {
    /// Whether it was closed when the process started, as by `>&-` of a shell. Rust's runtime then opens `/dev/null` in
    /// its place, so that writing to it seems to succeed.
    #[must_use]
    pub fn was_closed(self) -> bool {
        #[cfg(unix)]
        return unix::was_closed(self as u8);
        #[cfg(not(unix))]
        false
    }
}

/// A duplicate of a descriptor that the process inherited, which shares its position with it.
///
/// # Errors
/// If there is none of this number, if the process has opened it itself, or on systems without descriptors.
pub fn descriptor(number: i32) -> io::Result<File> {
    #[cfg(unix)]
    return unix::descriptor(number);
    #[cfg(not(unix))]
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!("descriptor {number}: this system has no descriptors"),
    ))
}

/// Whether a signal is ignored, as `nohup` and `trap ''` of a shell have it for the programs that they start.
#[must_use]
pub fn is_ignored(signal: i32) -> bool {
    #[cfg(unix)]
    return unix::is_ignored(signal);
    #[cfg(not(unix))]
    {
        let _ = signal;
        false
    }
}

#[cfg(unix)]
#[allow(unsafe_code)]
mod unix {
    use std::fs::File;
    use std::io;
    use std::os::fd::BorrowedFd;
    use std::sync::atomic::{AtomicU8, Ordering};

    /// One bit for each standard stream that was closed at the start.
    static CLOSED: AtomicU8 = AtomicU8::new(0);

    // SAFETY: the loader calls the functions of this section once, before `main`. This one needs nothing of Rust's
    // runtime: it asks the system about three descriptors and stores a number.
    #[used]
    #[cfg_attr(
        target_vendor = "apple",
        unsafe(link_section = "__DATA,__mod_init_func")
    )]
    #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
    static AT_START: extern "C" fn() = look;

    extern "C" fn look() {
        for stream in 0..3 {
            // SAFETY: F_GETFD takes no pointer, and any number may be asked about.
            if unsafe { libc::fcntl(stream, libc::F_GETFD) } == -1 {
                CLOSED.fetch_or(1 << stream, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn was_closed(stream: u8) -> bool {
        CLOSED.load(Ordering::Relaxed) & (1 << stream) != 0
    }

    pub(super) fn descriptor(number: i32) -> io::Result<File> {
        // SAFETY: as above.
        let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
        if flags == -1 {
            return Err(io::Error::last_os_error());
        }
        // What came from another program has survived its `exec`; the files of this process would not.
        if flags & libc::FD_CLOEXEC != 0 {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        // SAFETY: it is open, and nothing closes a descriptor that this process has not opened.
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        borrowed.try_clone_to_owned().map(File::from)
    }

    pub(super) fn is_ignored(signal: i32) -> bool {
        // SAFETY: a zeroed `sigaction` is a valid place for the present action, and no new one is set.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let asked = libc::sigaction(signal, std::ptr::null(), &raw mut action);
            asked == 0 && action.sa_sigaction == libc::SIG_IGN
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn only_inherited_descriptors_are_given() {
        assert!(descriptor(2).is_ok());
        let own = tempfile();
        assert!(descriptor(own.as_raw_fd()).is_err());
        assert!(descriptor(-1).is_err() && descriptor(1 << 20).is_err());
    }

    fn tempfile() -> File {
        File::open("/dev/null").expect("every Unix has it")
    }

    #[test]
    fn signals_are_not_ignored_by_default() {
        // Rust's runtime ignores SIGPIPE, and nothing here SIGTERM.
        assert!(is_ignored(libc::SIGPIPE) && !is_ignored(libc::SIGTERM));
        assert!(!is_ignored(1 << 20));
    }
}
