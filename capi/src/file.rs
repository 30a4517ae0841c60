//! Files without decoding them: what they are, and cutting them.

use flextok::container::{Header, KeepMetadata, Limits, Payload, Scanner, TablesName, TokenFile};

use crate::guard::{bytes, bytes_mut, put, status_of};
use crate::status::{Failure, Status};

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
/// do, from its first 33 bytes.
///
/// # Safety
/// `file` points to `file_size` bytes; `info` points to a place for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_file_info(
    file: *const u8,
    file_size: usize,
    info: *mut FileInfo,
) -> Status {
    status_of(|| {
        // SAFETY: the caller's promise.
        let mut rest = unsafe { bytes(file, file_size, "file") }?;
        let mut scanner = Scanner::new();
        while scanner.next(&mut rest).map_err(failed)?.is_some() {}
        let header = scanner.finish().map_err(failed)?;
        // SAFETY: the caller's promise.
        unsafe { put(info, describe(&header, &scanner), "info") }
    })
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
/// less.
///
/// # Safety
/// `file` points to `file_size` bytes; `cut` points to `capacity` bytes, other ones; `cut_size` points to a place for a size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flextok_truncate(
    file: *const u8,
    file_size: usize,
    bytes_wanted: u64,
    cut: *mut u8,
    capacity: usize,
    cut_size: *mut usize,
) -> Status {
    status_of(|| {
        // SAFETY: the caller's promises.
        let (file, cut) = unsafe {
            (
                bytes(file, file_size, "file")?,
                bytes_mut(cut, capacity, "cut")?,
            )
        };
        let file = TokenFile::parse_with(file, &Limits::default()).map_err(failed)?;
        let shorter = file.fit(bytes_wanted, KeepMetadata::No).map_err(failed)?;
        let shorter = shorter.to_bytes().map_err(failed)?;
        let Some(place) = cut.get_mut(..shorter.len()) else {
            return Err(Failure::usage(format!(
                "a place of {capacity} bytes; the cut has {}",
                shorter.len()
            )));
        };
        place.copy_from_slice(&shorter);
        // SAFETY: the caller's promise.
        unsafe { put(cut_size, shorter.len(), "cut_size") }
    })
}

fn failed(error: flextok::container::Error) -> Failure {
    flextok::Error::from(error).into()
}
