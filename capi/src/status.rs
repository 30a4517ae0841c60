//! What a function returns: whether it succeeded, or what a caller can do about it.

use core::ffi::{CStr, c_char};

/// What became of a call.
/// cbindgen:rename-all=prefix:FLEXTOK_
// The names are those in C, which stand alone there. Numbers never change; new ones may come.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum Status {
    /// All went well.
    OK = 0,
    /// The push decoder has nothing to show yet: feed it more bytes.
    NEED_MORE = 1,
    /// An argument is impossible: change the call.
    USAGE = 2,
    /// The file is not one of flextok's, or damaged: get it again.
    CORRUPT = 3,
    /// The model is missing, unusable, or not the one that made the file: set another.
    MODEL = 4,
    /// A limit was exceeded: raise it if the input is trusted.
    LIMIT = 5,
    /// The file needs a newer version of this library.
    UNSUPPORTED = 6,
    /// The operating system refused.
    IO = 7,
    /// A GPU is missing or fails.
    DEVICE = 8,
    /// There is not enough memory, or no more threads.
    RESOURCES = 9,
    /// The progress callback asked to stop.
    CANCELLED = 10,
    /// The handle is in use by another call: give each thread a handle of its own.
    BUSY = 11,
    /// A defect of this library: report it.
    INTERNAL = 70,
}

/// What a status means, in a few words: a text that is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn flextok_status_text(status: i32) -> *const c_char {
    const TEXTS: [(Status, &CStr); 13] = [
        (Status::OK, c"ok"),
        (Status::NEED_MORE, c"more bytes are needed"),
        (Status::USAGE, c"impossible argument"),
        (Status::CORRUPT, c"corrupt file"),
        (Status::MODEL, c"unusable or wrong model"),
        (Status::LIMIT, c"limit exceeded"),
        (Status::UNSUPPORTED, c"file of a newer version"),
        (Status::IO, c"input or output failed"),
        (Status::DEVICE, c"no usable device"),
        (Status::RESOURCES, c"out of memory or threads"),
        (Status::CANCELLED, c"cancelled"),
        (Status::BUSY, c"handle in use"),
        (Status::INTERNAL, c"defect of the library"),
    ];
    let found = TEXTS.iter().find(|(known, _)| *known as i32 == status);
    found.map_or(c"unknown status", |(_, text)| *text).as_ptr()
}
