//! Ctrl-C and termination: other programs that were started are ended, temporary files are removed, then the program
//! exits; a server shuts down gracefully first.
//!
//! A run holds its result in memory until it writes it, so an immediate stop leaves behind at most the
//! temporary files and the processes that are registered here.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::exit::Code;
use crate::platform;

static TEMPORARY: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static CHILDREN: Mutex<Vec<Arc<Mutex<Child>>>> = Mutex::new(Vec::new());

/// What the first interrupt does instead of ending the program.
#[cfg(feature = "serve")]
static INSTEAD: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

/// Installs the handler. If that fails, an interrupt still ends the program, without the clean-up.
pub(crate) fn install() {
    let _ = platform::watch(interrupted);
}

/// What an interrupt does.
fn interrupted() {
    #[cfg(feature = "serve")]
    if let Some(instead) = INSTEAD.lock().ok().and_then(|mut instead| instead.take()) {
        instead();
        return;
    }
    // Held until exit, so that no process is started and no temporary file created after the clean-up.
    let children = lock(&CHILDREN);
    let mut temporary = lock(&TEMPORARY);
    end(&children);
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

/// Ends the registered processes and removes the registered temporary files.
pub(crate) fn clean_up() {
    end(&lock(&CHILDREN));
    remove(&mut lock(&TEMPORARY));
}

/// Creates a temporary file that is removed on interruption until the guard is dropped. An interrupt waits until the
/// file is registered.
pub(crate) fn guarded(
    make: impl FnOnce() -> io::Result<tempfile::NamedTempFile>,
) -> io::Result<(tempfile::NamedTempFile, Guard)> {
    registered(make, tempfile::NamedTempFile::path)
}

/// Creates a temporary directory that is removed on interruption, with all that is in it, until the guard is dropped.
pub(crate) fn guarded_folder() -> io::Result<(tempfile::TempDir, Guard)> {
    let make = || tempfile::Builder::new().prefix("flextok-").tempdir();
    registered(make, tempfile::TempDir::path)
}

fn registered<T>(
    make: impl FnOnce() -> io::Result<T>,
    path: impl FnOnce(&T) -> &Path,
) -> io::Result<(T, Guard)> {
    let mut temporary = lock(&TEMPORARY);
    let made = make()?;
    let path = path(&made).to_owned();
    temporary.push(path.clone());
    Ok((made, Guard(path)))
}

/// See [`guarded`].
#[derive(Debug)]
pub(crate) struct Guard(PathBuf);

impl Drop for Guard {
    fn drop(&mut self) {
        lock(&TEMPORARY).retain(|path| *path != self.0);
    }
}

/// Another program that runs; an interrupt ends it, and so does dropping this.
#[derive(Debug)]
pub(crate) struct Process(Arc<Mutex<Child>>);

impl Process {
    /// Starts a program. An interrupt waits until it is registered.
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let mut children = lock(&CHILDREN);
        let child = Arc::new(Mutex::new(command.spawn()?));
        children.push(Arc::clone(&child));
        Ok(Self(child))
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&self) -> io::Result<Option<ExitStatus>> {
        lock(&self.0).try_wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        lock(&CHILDREN).retain(|child| !Arc::ptr_eq(child, &self.0));
        end(std::slice::from_ref(&self.0));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends processes that still run, and leaves none of them behind for the system to keep.
fn end(children: &[Arc<Mutex<Child>>]) {
    for child in children {
        let mut child = lock(child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn remove(temporary: &mut Vec<PathBuf>) {
    for path in temporary.drain(..) {
        let _ = if path.is_dir() {
            std::fs::remove_dir_all(path)
        } else {
            std::fs::remove_file(path)
        };
    }
}
