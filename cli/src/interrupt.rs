//! Signals. Ctrl-C and termination: the temporary file goes, then the program. A mapped file that lost its end: the
//! same, with an error.
//!
//! A run holds its result in memory until it writes it, so that stopping at once leaves nothing
//! behind but at most the temporary file that is registered here.

use std::io;
#[cfg(unix)]
use std::io::Read;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
#[cfg(unix)]
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(unix)]
use signal_hook::consts::{SIGBUS, SIGXFSZ};

use crate::exit::Code;
#[cfg(unix)]
use crate::output;

static TEMPORARY: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Installs the handler. Without one the program ends all the same, only less tidily.
pub(crate) fn install() {
    let _ = ctrlc::set_handler(|| {
        // Held to the end, so that no temporary file comes after the clean-up.
        let mut temporary = lock();
        remove(&mut temporary);
        std::process::exit(Code::Interrupted as i32);
    });
    // With a handler, of whatever kind, writing beyond a limit on file sizes fails like a full disk.
    #[cfg(unix)]
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    #[cfg(unix)]
    let _ = watch_maps();
}

/// Turns the signal that reading beyond the end of a mapped file raises into an error.
///
/// A handler cannot print. It wakes a thread that can; until that has ended the program, the read fails again and again.
#[cfg(unix)]
fn watch_maps() -> io::Result<()> {
    let (mut wake, signalled) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGBUS, signalled)?;
    std::thread::Builder::new().spawn(move || {
        if wake.read_exact(&mut [0]).is_err() {
            return;
        }
        remove(&mut lock());
        output::complain(
            "flextok: the weights file was truncated or became unreadable while it was in use; \
             leave it alone, or use --no-mmap\n",
        );
        std::process::exit(Code::Model as i32);
    })?;
    Ok(())
}

/// Removes the registered temporary file.
pub(crate) fn clean_up() {
    remove(&mut lock());
}

/// Makes a temporary file that must not outlive the program, until the guard is dropped. An interrupt waits until the
/// file is known.
pub(crate) fn guarded(
    make: impl FnOnce() -> io::Result<tempfile::NamedTempFile>,
) -> io::Result<(tempfile::NamedTempFile, Guard)> {
    let mut temporary = lock();
    let file = make()?;
    *temporary = Some(file.path().to_owned());
    Ok((file, Guard(())))
}

/// See [`guarded`].
pub(crate) struct Guard(());

impl Drop for Guard {
    fn drop(&mut self) {
        *lock() = None;
    }
}

fn lock() -> MutexGuard<'static, Option<PathBuf>> {
    TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(temporary: &mut Option<PathBuf>) {
    if let Some(path) = temporary.take() {
        let _ = std::fs::remove_file(path);
    }
}
