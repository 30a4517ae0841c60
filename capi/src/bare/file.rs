//! Files without decoding them: what they are, and cutting them. Nothing is allocated.

use flextok_container::{Header, Payload, Scanner, TablesName, cut_within};

use super::border::{give, overlap, slice_of, slice_of_mut, status_of, unlimited};
use crate::status::Status;

/// What a file says about itself.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct FileInfo {
    /// Width in pixels of the picture that a decoder restores.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// 1: the payload is coded, as the built-in model's; 0: token ids of a FlexTok model.
    pub coded: u32,
    /// Number of the tables of a coded payload, 1 for the built-in model's; 0 where `model` names them, or the network.
    pub tables: u32,
    /// Fingerprint of the model, where `tables` is 0.
    pub model: [u8; 4],
    /// 1 if the file has its end, 0 if it is truncated, which is no fault.
    pub complete: u32,
    /// Bytes of payload that the header declares.
    pub payload_declared: u64,
    /// Bytes of payload that are there.
    pub payload: u64,
    /// Bytes of payload that a check proves.
    pub payload_proven: u64,
}

/// Reads what a file says about itself, and checks all of it: `FLEXTOK_CORRUPT` if it is damaged. A beginning of the file will
/// do, from its first 33 bytes. No limits apply: a file may claim any size up to 1048576 x 1048576 pixels, whose bytes do not fit
/// 32 bits.
///
/// # Safety
/// `file` points to `file_size` bytes; `info` points to a place for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_file_info(
    file: *const u8,
    file_size: usize,
    info: *mut FileInfo,
) -> Status {
    let work = || {
        // SAFETY: the caller's promise.
        let mut rest = unsafe { slice_of(file, file_size) }?;
        let mut scanner = Scanner::with_limits(unlimited());
        while scanner.next(&mut rest)?.is_some() {}
        let header = scanner.finish()?;
        // SAFETY: the caller's promise.
        unsafe { give(info, describe(&header, &scanner)) }
    };
    status_of(work)
}

fn describe(header: &Header, scanner: &Scanner) -> FileInfo {
    let (tables, model) = match header.payload() {
        Payload::Coded(coded) => match coded.tables {
            TablesName::Number(number) => (number.get().into(), [0; 4]),
            TablesName::Model(fingerprint) => (0, fingerprint.0),
        },
        Payload::Ids(ids) => (0, ids.model.0),
    };
    FileInfo {
        width: header.size().width,
        height: header.size().height,
        coded: header.as_coded().is_some().into(),
        tables,
        model,
        complete: scanner.is_complete().into(),
        payload_declared: header.payload_bytes(),
        payload: scanner.payload_bytes(),
        payload_proven: scanner.proven_bytes(),
    }
}

/// Cuts a file to at most `bytes` bytes, without its metadata, into `capacity` bytes at `cut`; `*cut_size` receives the size.
/// What results is a complete file of a coarser picture. `capacity` has to be as large as `bytes` or the file, whichever is
/// less. Nothing is written if the file is damaged, or nothing of it fits.
///
/// # Safety
/// `file` points to `file_size` bytes; `cut` points to `capacity` bytes; `cut_size` points to a place for a size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_truncate(
    file: *const u8,
    file_size: usize,
    bytes: u64,
    cut: *mut u8,
    capacity: usize,
    cut_size: *mut usize,
) -> Status {
    let work = || {
        if cut_size.is_null() || overlap((file, file_size), (cut, capacity)) {
            return Err(Status::USAGE);
        }
        // SAFETY: the caller's promises; they have no byte in common.
        let (file, cut) = unsafe { (slice_of(file, file_size)?, slice_of_mut(cut, capacity)?) };
        let written = cut_within(file, bytes, &unlimited(), cut)?.len();
        // SAFETY: the caller's promise.
        unsafe { give(cut_size, written) }
    };
    status_of(work)
}
