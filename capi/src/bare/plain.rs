//! Plain pictures of files, by the tables of the built-in model alone: no handle, no threads, no standard library.

use flextok_container::TokenFile;
use flextok_plain::{Limits, Picture, decode_file, embedded_tables};

use super::border::{slice_of, slice_of_mut, status_of, unlimited};
use crate::shape::{Shape, Unfit};
use crate::status::Status;

/// Decodes a file of the built-in model, whole or cut, to its plain picture in `pixels_size` bytes at `pixels`, with `stride`
/// bytes from one row to the next (0: no gaps). `flextok_file_info` says the size beforehand. `memory` is the most bytes to take
/// for the canvas, about 24 for each of its pixels; 0 is 1 GiB. The only other bound is `pixels_size`: the picture is made beside
/// `pixels` first. After a failure the pixels are unchanged; too small a place fails before any work.
///
/// # Safety
/// `file` points to `file_size` bytes; `pixels` points to `pixels_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_plain_decode(
    file: *const u8,
    file_size: usize,
    memory: u64,
    pixels: *mut u8,
    pixels_size: usize,
    stride: usize,
    format: u32,
) -> Status {
    let work = || {
        // SAFETY: the caller's promises.
        let file = unsafe { slice_of(file, file_size) }?;
        let file = TokenFile::parse_with(file, &unlimited())?;
        let size = file.header().size();
        let shape = Shape::new((size.width, size.height), stride, format, pixels_size)?;
        let picture = picture_of(&file, memory)?;
        // SAFETY: the caller's promise.
        shape.write(&picture.rgb, unsafe { slice_of_mut(pixels, pixels_size) }?);
        Ok(())
    };
    status_of(work)
}

fn picture_of(file: &TokenFile, memory: u64) -> Result<Picture, Status> {
    let mut limits = Limits {
        pixels: u64::MAX,
        ..Limits::default()
    };
    if memory > 0 {
        limits.memory = memory;
    }
    Ok(decode_file(&embedded_tables()?, file, &limits)?)
}

impl From<flextok_plain::Error> for Status {
    fn from(error: flextok_plain::Error) -> Self {
        use flextok_plain::Error;
        match error {
            Error::Container(error) => error.into(),
            Error::TokenIds | Error::OtherTables { .. } => Self::MODEL,
            Error::NoPayload { .. } => Self::CORRUPT,
            Error::Limit { .. } => Self::LIMIT,
            _ => Self::RESOURCES,
        }
    }
}

impl From<Unfit> for Status {
    fn from(_: Unfit) -> Self {
        Self::USAGE
    }
}
