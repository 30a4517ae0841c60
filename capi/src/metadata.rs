//! The texts that a file has beside its picture.

use std::ffi::c_char;
use std::ptr;

use flextok::container::TokenFile;

use crate::buffer::Buffer;
use crate::codec::{CodecHandle, CodecState};
use crate::failure::{Failure, Outcome};
use crate::guard::{bytes, clear, need, put};
use crate::handle::with;
use crate::status::Status;

/// A text of a file.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// Title of the picture.
    Title = 0,
    /// When the picture was taken: RFC 3339, not checked.
    CaptureTime = 1,
    /// Name of the program that made the file.
    Encoder = 2,
    /// Name of the colour profile of the picture that was encoded.
    ColorProfile = 3,
}

/// Reads a text of a file; `which` is one of FLEXTOK_TEXT_TITLE and the like. `*text` receives it in UTF-8, with a zero byte
/// behind it, which `flextok_free` frees; null if the file has none, and after a failure. `*size`, unless it is null,
/// receives its bytes without that zero: there may be others in a text from a stranger.
///
/// # Safety
/// `codec` is null or a codec; `file` is null or points to `file_size` bytes; `text` is null or a place for a pointer; `size` is
/// null or a place for a size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_file_text(
    codec: *mut CodecHandle,
    file: *const u8,
    file_size: usize,
    which: u32,
    text: *mut *mut c_char,
    size: *mut usize,
) -> Status {
    let work = |state: &mut CodecState| {
        need(text, "text")?;
        // SAFETY: the caller's promise.
        let file = unsafe { bytes(file, file_size, "file") }?;
        let parsed = TokenFile::parse_with(file, &state.limits().container);
        let parsed = parsed.map_err(flextok::Error::from)?;
        let Some(found) = find(&parsed, which)? else {
            return Ok(());
        };
        let mut buffer = Buffer::new(found.len() + 1)?;
        buffer.as_mut()[..found.len()].copy_from_slice(found.as_bytes());
        // SAFETY: the caller's promises.
        unsafe {
            clear(size, found.len());
            put(text, buffer.into_raw().cast(), "text")
        }
    };
    // SAFETY: the caller's promises.
    unsafe {
        clear(text, ptr::null_mut());
        clear(size, 0);
        with(codec, work)
    }
}

fn find(file: &TokenFile, which: u32) -> Outcome<Option<&str>> {
    let metadata = file.metadata();
    let found = match which {
        _ if which == Text::Title as u32 => &metadata.title,
        _ if which == Text::CaptureTime as u32 => &metadata.capture_time,
        _ if which == Text::Encoder as u32 => &metadata.encoder,
        _ if which == Text::ColorProfile as u32 => &metadata.color_profile,
        _ => {
            return Err(Failure::usage(format!(
                "text {which}; allowed: FLEXTOK_TEXT_TITLE (0), _CAPTURE_TIME (1), _ENCODER (2), _COLOR_PROFILE (3)"
            )));
        }
    };
    Ok(found.as_deref())
}
