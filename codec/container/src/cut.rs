//! Cutting a file in buffers of the caller, without memory of its own.

use crate::writer::Writer;
use crate::{Error, Header, Limits, Part, Scanner};

/// The largest complete file of what is there of `file` that has at most `most` bytes, without metadata; written to the start
/// of `out`. It has the bytes that the crate's `TokenFile::fit` gives.
///
/// All of `file` is checked before anything is written. A buffer of `most` bytes or of the file's size, whichever is less, is
/// always long enough.
///
/// ```
/// use flextok_container::{CodedCanvas, Coded, Header, Limits, Metadata, Size, TablesName, TokenFile, cut_within};
/// # let coded = Coded { tables: TablesName::BUILTIN, canvas: CodedCanvas::Own, bytes: 100 };
/// # let header = Header::coded(Size { width: 64, height: 48 }, coded)?;
/// # let file = TokenFile::new(header, vec![7; 100], Metadata::default())?.to_bytes()?;
/// let mut buffer = [0; 60];
/// let cut = cut_within(&file, 60, &Limits::default(), &mut buffer)?;
/// assert!(cut.len() <= 60 && TokenFile::parse(cut)?.is_complete());
/// # Ok::<(), flextok_container::Error>(())
/// ```
///
/// # Errors
/// Whatever the bytes contradict; [`Error::CannotFit`] and [`Error::NoPayload`] if nothing is left, [`Error::BufferTooShort`].
pub fn cut_within<'a>(
    file: &[u8],
    most: u64,
    limits: &Limits,
    out: &'a mut [u8],
) -> Result<&'a [u8], Error> {
    let mut scanner = Scanner::with_limits(*limits);
    let mut rest = file;
    while scanner.next(&mut rest)?.is_some() {}
    let header = scanner.finish()?;
    let have = header.whole_units(scanner.payload_bytes())?;
    let payload = header.payload_within(most, 0)?.min(have);
    let header = header.with_metadata(false).with_payload_bytes(payload)?;
    write_cut(file, limits, &header, Writer::begin(&header, out)?)
}

/// Copies the payload that `header` declares from a file that has it.
fn write_cut<'a>(
    file: &[u8],
    limits: &Limits,
    header: &Header,
    mut writer: Writer<'a>,
) -> Result<&'a [u8], Error> {
    let mut scanner = Scanner::with_limits(*limits);
    let mut rest = file;
    let mut missing = usize::try_from(header.payload_bytes()).unwrap_or(usize::MAX);
    while let Some(part) = scanner.next(&mut rest)? {
        if let Part::Payload(run) = part {
            let run = run.get(..missing).unwrap_or(run);
            missing = missing.saturating_sub(run.len());
            writer.payload(run);
        }
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::{
        Coded, CodedCanvas, Fingerprint, Ids, KeepMetadata, Metadata, Size, TablesName, TokenFile,
    };

    fn files() -> Vec<TokenFile> {
        let size = Size::new(640, 480);
        let coded = Coded {
            tables: TablesName::BUILTIN,
            canvas: CodedCanvas::Own,
            bytes: 5000,
        };
        let payload: Vec<u8> = (0..5000_u32).map(|k| (k * 37 % 251) as u8).collect();
        let metadata = Metadata {
            title: Some("Harbour at dawn".into()),
            ..Metadata::default()
        };
        let header = Header::coded(size, coded).unwrap();
        let mut ids = Ids::new(Fingerprint([7; 4]), 200, 64_000);
        ids.grid.columns = 3;
        let numbers: Vec<u16> = (0..600).map(|k| k * 11).collect();
        let ids = Header::ids(size, ids).unwrap();
        vec![
            TokenFile::new(header, payload, metadata).unwrap(),
            TokenFile::of_ids(ids, &numbers, Metadata::default()).unwrap(),
        ]
    }

    #[test]
    fn cuts_are_those_of_whole_files_in_memory() {
        for file in files() {
            let bytes = file.to_bytes().unwrap();
            for end in [bytes.len(), bytes.len() - 40, 900, 70, 30] {
                let there = &bytes[..end];
                for most in [10, 14, 33, 64, 100, 300, 1024, 1100, 4999, u64::MAX] {
                    let mut buffer = vec![0xaa; bytes.len().min(most as usize)];
                    let expected = TokenFile::parse(there)
                        .and_then(|file| file.fit(most, KeepMetadata::No)?.to_bytes());
                    let cut = cut_within(there, most, &Limits::default(), &mut buffer);
                    assert_eq!(cut.map(<[u8]>::to_vec), expected, "{end} {most}");
                }
            }
        }
    }

    #[test]
    fn short_buffers_and_damage_leave_the_buffer_alone() {
        let bytes = files()[0].to_bytes().unwrap();
        let mut buffer = [0xaa; 99];
        let short = cut_within(&bytes, 100, &Limits::default(), &mut buffer);
        let refused = Error::BufferTooShort {
            have: 99,
            needed: 100,
        };
        assert_eq!(short, Err(refused));
        for at in [3, 40, 3000, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let expected = TokenFile::parse(&damaged).unwrap_err();
            let cut = cut_within(&damaged, 50, &Limits::default(), &mut buffer);
            assert_eq!(cut, Err(expected));
        }
        assert_eq!(buffer, [0xaa; 99]);
    }
}
