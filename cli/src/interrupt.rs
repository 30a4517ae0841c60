//! Ctrl-C and termination: the temporary file goes, then the program.
//!
//! A run holds its result in memory until it writes it, so that stopping at once leaves nothing
//! behind but at most the temporary file that is registered here.

use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

#[cfg(unix)]
use signal_hook::consts::SIGXFSZ;

use crate::exit::Code;

static TEMPORARY: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Installs the handler. Without one the program ends all the same, only less tidily.
pub(crate) fn install() {
    let _ = ctrlc::set_handler(|| {
        clean_up();
        std::process::exit(Code::Interrupted as i32);
    });
    // With a handler, of whatever kind, writing beyond a limit on file sizes fails like a full disk.
    #[cfg(unix)]
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// Removes the registered temporary file.
pub(crate) fn clean_up() {
    let path = TEMPORARY
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(path) = path {
        let _ = std::fs::remove_file(path);
    }
}

/// Names a temporary file that must not outlive the program, until the guard is dropped.
pub(crate) fn guard(path: &Path) -> Guard {
    set(Some(path.to_owned()));
    Guard(())
}

/// See [`guard`].
pub(crate) struct Guard(());

impl Drop for Guard {
    fn drop(&mut self) {
        set(None);
    }
}

fn set(path: Option<PathBuf>) {
    *TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner) = path;
}
