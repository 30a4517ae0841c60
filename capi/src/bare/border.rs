//! Raw pointers become slices and places in one module, and errors of the crates below become statuses.

use core::slice;

use flextok_container::packets::{JoinError, PacketError, SplitError};
use flextok_container::{Error, Limits};

use crate::status::Status;

/// Runs what a function does, and gives its status; a panic becomes one, where there is unwinding.
pub(crate) fn status_of(work: impl FnOnce() -> Result<(), Status>) -> Status {
    #[cfg(feature = "codec")]
    let work = || {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        caught.unwrap_or(Err(Status::INTERNAL))
    };
    match work() {
        Ok(()) => Status::OK,
        Err(status) => status,
    }
}

/// The bytes that a caller passes: null is allowed for none.
///
/// # Safety
/// `data` is null or points to `size` bytes that nothing changes during `'a`.
pub(crate) unsafe fn slice_of<'a>(data: *const u8, size: usize) -> Result<&'a [u8], Status> {
    if size == 0 {
        return Ok(&[]);
    }
    if data.is_null() || size > isize::MAX as usize {
        return Err(Status::USAGE);
    }
    // SAFETY: the caller's promise; it is not null and no longer than an allocation can be.
    Ok(unsafe { slice::from_raw_parts(data, size) })
}

/// The bytes that a caller lends to be written.
///
/// # Safety
/// `data` is null or points to `size` bytes, initialised or not, that nothing else uses during `'a`.
pub(crate) unsafe fn slice_of_mut<'a>(data: *mut u8, size: usize) -> Result<&'a mut [u8], Status> {
    if size == 0 {
        return Ok(&mut []);
    }
    if data.is_null() || size > isize::MAX as usize {
        return Err(Status::USAGE);
    }
    // SAFETY: the caller's promise. They are only written; any value is a valid byte.
    Ok(unsafe { slice::from_raw_parts_mut(data, size) })
}

/// Limits of functions without a handle: the file is in memory already, and nothing is taken for what it claims.
pub(crate) fn unlimited() -> Limits {
    let mut limits = Limits::default();
    limits.canvases = u64::MAX;
    limits.payload_bytes = u64::MAX;
    limits.metadata_bytes = u64::MAX;
    limits
}

/// Whether two ranges of bytes have one in common, so that they must not be lent together.
pub(crate) fn overlap(a: (*const u8, usize), b: (*const u8, usize)) -> bool {
    let ends = |(data, size): (*const u8, usize)| (data.addr(), data.addr().saturating_add(size));
    let ((a, a_end), (b, b_end)) = (ends(a), ends(b));
    a < b_end && b < a_end
}

/// Writes a result to the place that the caller gives.
///
/// # Safety
/// `place` is null or points to memory for a `T`, initialised or not, that nothing else uses during the call.
pub(crate) unsafe fn give<T>(place: *mut T, value: T) -> Result<(), Status> {
    if place.is_null() {
        return Err(Status::USAGE);
    }
    // SAFETY: the caller's promise; what was there is not dropped.
    unsafe { place.write(value) };
    Ok(())
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Limit { .. } => Self::LIMIT,
            Error::OutOfMemory { .. } => Self::RESOURCES,
            Error::UnsupportedVersion { .. } | Error::UnsupportedChunk { .. } => Self::UNSUPPORTED,
            Error::CannotCut { .. }
            | Error::CannotFit { .. }
            | Error::BufferTooShort { .. }
            | Error::InvalidHeader { .. } => Self::USAGE,
            _ => Self::CORRUPT,
        }
    }
}

impl From<SplitError> for Status {
    fn from(_: SplitError) -> Self {
        Self::USAGE
    }
}

impl From<PacketError> for Status {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::Buffer { .. } => Self::USAGE,
            _ => Self::CORRUPT,
        }
    }
}

impl From<JoinError> for Status {
    fn from(_: JoinError) -> Self {
        Self::CORRUPT
    }
}
