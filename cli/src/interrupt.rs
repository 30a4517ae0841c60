//! Ctrl-C and termination: temporary files go, then the program; a server ends in its own time first.
//!
//! A run holds its result in memory until it writes it, so that stopping at once leaves nothing
//! behind but at most the temporary files that are registered here.

use std::io;
use std::path::PathBuf;
#[cfg(unix)]
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(unix)]
use signal_hook::consts::SIGXFSZ;

use crate::exit::Code;

static TEMPORARY: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// What the first interrupt does instead of ending the program.
#[cfg(feature = "serve")]
static INSTEAD: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

/// Installs the handler. Without one the program ends all the same, only less tidily.
pub(crate) fn install() {
    let _ = ctrlc::set_handler(|| {
        #[cfg(feature = "serve")]
        if let Some(instead) = INSTEAD.lock().ok().and_then(|mut instead| instead.take()) {
            instead();
            return;
        }
        // Held to the end, so that no temporary file comes after the clean-up.
        let mut temporary = lock();
        remove(&mut temporary);
        std::process::exit(Code::Interrupted as i32);
    });
    // With a handler, of whatever kind, writing beyond a limit on file sizes fails like a full disk.
    #[cfg(unix)]
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// Lets the first interrupt do this; another one ends the program as ever.
#[cfg(feature = "serve")]
pub(crate) fn first(instead: impl FnOnce() + Send + 'static) {
    if let Ok(mut place) = INSTEAD.lock() {
        *place = Some(Box::new(instead));
    }
}

/// Removes the registered temporary files.
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
    let path = file.path().to_owned();
    temporary.push(path.clone());
    Ok((file, Guard(path)))
}

/// See [`guarded`].
pub(crate) struct Guard(PathBuf);

impl Drop for Guard {
    fn drop(&mut self) {
        lock().retain(|path| *path != self.0);
    }
}

fn lock() -> MutexGuard<'static, Vec<PathBuf>> {
    TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(temporary: &mut Vec<PathBuf>) {
    for path in temporary.drain(..) {
        let _ = std::fs::remove_file(path);
    }
}
