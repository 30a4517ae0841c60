//! What differs from system to system: replacing files, what makes two names one file, the spelling of names, signals,
//! descriptors and terminals.
//!
//! `unix` and `windows` have the same functions; the rest of the program has no `cfg` of a system. Only `tokenset`, which
//! is fuzzed without the program, has one of its own. What a process inherits is read in `flextok::compute::inherited`,
//! since that takes `unsafe`.

pub(crate) mod terminal;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

#[cfg(not(any(unix, windows)))]
compile_error!("the program flextok runs on Unix and on Windows; use the library `flextok`");

pub(crate) use system::{
    Identity, SPELLINGS_ARE_ONE, descriptor, is_at, path_of, replace, watch, with_slashes,
};

/// A descriptor that a path stands for, such as `/dev/fd/3` or `/proc/self/fd/3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(windows, expect(dead_code, reason = "no path stands for one there"))]
pub(crate) enum Descriptor {
    /// Of this process.
    Own(i32),
    /// Of another one.
    Foreign,
}
