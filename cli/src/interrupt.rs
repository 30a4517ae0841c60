//! Ctrl-C and termination: temporary files are removed, then the program exits; a server shuts down gracefully first.
//!
//! A run holds its result in memory until it writes it, so an immediate stop leaves behind at most the
//! temporary files that are registered here.

use std::io;
use std::path::PathBuf;
#[cfg(unix)]
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(unix)]
use flextok::compute::inherited::is_ignored;
#[cfg(unix)]
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
#[cfg(unix)]
use signal_hook::iterator::Signals;

use crate::exit::Code;

static TEMPORARY: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// What the first interrupt does instead of ending the program.
#[cfg(feature = "serve")]
static INSTEAD: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

/// Installs the handler. If that fails, an interrupt still ends the program, without the clean-up.
pub(crate) fn install() {
    #[cfg(unix)]
    let _ = install_signals();
    #[cfg(not(unix))]
    let _ = ctrlc::set_handler(interrupted);
}

/// Waits for the signals that end programs in a thread of its own. Those that are ignored stay so: `nohup` and shells ask
/// for that.
#[cfg(unix)]
fn install_signals() -> io::Result<()> {
    let mut signals = Signals::new::<[i32; 0], i32>([])?;
    let handle = signals.handle();
    std::thread::Builder::new().spawn(move || signals.forever().for_each(|_| interrupted()))?;
    // Only now, since without the thread nothing would end the program.
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        if !is_ignored(signal) {
            handle.add_signal(signal)?;
        }
    }
    // With a handler, of whatever kind, writing beyond a limit on file sizes fails like a full disk.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    Ok(())
}

/// What an interrupt does.
fn interrupted() {
    #[cfg(feature = "serve")]
    if let Some(instead) = INSTEAD.lock().ok().and_then(|mut instead| instead.take()) {
        instead();
        return;
    }
    // Held until exit, so that no temporary file is created after the clean-up.
    let mut temporary = lock();
    remove(&mut temporary);
    std::process::exit(Code::Interrupted as i32);
}

/// Runs `instead` on the first interrupt; the next one ends the program as usual.
#[cfg(feature = "serve")]
pub(crate) fn first(instead: impl FnOnce() + Send + 'static) {
    if let Ok(mut action) = INSTEAD.lock() {
        *action = Some(Box::new(instead));
    }
}

/// Removes the registered temporary files.
pub(crate) fn clean_up() {
    remove(&mut lock());
}

/// Creates a temporary file that is removed on interruption until the guard is dropped. An interrupt waits until the
/// file is registered.
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
