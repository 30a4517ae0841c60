//! The boxes of a JPEG XL file (ISO/IEC 18181-2): the codestream in one or several parts, and metadata.

use std::borrow::Cow;
use std::io::Read;

use brotli_decompressor::Decompressor;

use super::NAME;
use crate::picture::{PictureError, memory, xmp};

/// The first bytes of a codestream without boxes.
const BARE: &[u8] = &[0xff, 0x0a];
/// Bytes that are compressed at once.
const BUFFER: usize = 4096;

/// What is in a file.
#[derive(Debug)]
pub(super) struct Boxes<'a> {
    pub(super) codestream: Cow<'a, [u8]>,
    pub(super) exif: Option<Vec<u8>>,
    pub(super) xmp: Option<Vec<u8>>,
}

/// Reads the boxes of a file.
///
/// # Errors
/// [`PictureError::Truncated`] where a box or a part of the codestream is not there, [`PictureError::Malformed`],
/// [`PictureError::OutOfMemory`].
pub(super) fn read(file: &[u8]) -> Result<Boxes<'_>, PictureError> {
    if file.starts_with(BARE) {
        return Ok(Boxes {
            codestream: Cow::Borrowed(file),
            exif: None,
            xmp: None,
        });
    }
    let mut parts = Parts::default();
    let (mut exif, mut xmp) = (None, None);
    let mut rest = file;
    while !rest.is_empty() {
        let (kind, body) = next(&mut rest).map_err(|damage| damage.error(file.len()))?;
        match &kind {
            b"jxlc" => parts.whole = parts.whole.or(Some(body)),
            b"jxlp" => parts.add(body)?,
            b"Exif" if exif.is_none() => exif = exif_of(body),
            b"xml " if xmp.is_none() => xmp = limited(body, xmp::MOST_BYTES as u64),
            b"brob" => match body.split_first_chunk::<4>() {
                Some((b"Exif", packed)) if exif.is_none() => {
                    exif = unpack(packed, memory::METADATA).and_then(|body| exif_of(&body));
                }
                Some((b"xml ", packed)) if xmp.is_none() => {
                    xmp = unpack(packed, xmp::MOST_BYTES as u64);
                }
                _ => {}
            },
            _ => {}
        }
    }
    Ok(Boxes {
        codestream: parts.join()?,
        exif,
        xmp,
    })
}

enum Damage {
    Beyond,
    Length,
}

impl Damage {
    fn error(self, length: usize) -> PictureError {
        match self {
            Self::Beyond => truncated(format!("a box goes beyond its {length} bytes")),
            Self::Length => malformed("a box is shorter than its header"),
        }
    }
}

fn truncated(detail: String) -> PictureError {
    PictureError::Truncated {
        format: NAME,
        detail,
    }
}

fn malformed(detail: &str) -> PictureError {
    PictureError::Malformed {
        format: NAME,
        detail: detail.to_owned(),
    }
}

/// The kind and the body of the next box.
fn next<'a>(rest: &mut &'a [u8]) -> Result<([u8; 4], &'a [u8]), Damage> {
    let (length, after) = rest.split_first_chunk::<4>().ok_or(Damage::Beyond)?;
    let (kind, mut after) = after.split_first_chunk::<4>().ok_or(Damage::Beyond)?;
    let length = match u32::from_be_bytes(*length) {
        // The last box goes to the end of the file.
        0 => after.len(),
        1 => {
            let (length, body) = after.split_first_chunk::<8>().ok_or(Damage::Beyond)?;
            after = body;
            let length = u64::from_be_bytes(*length).checked_sub(16);
            usize::try_from(length.ok_or(Damage::Length)?).map_err(|_| Damage::Beyond)?
        }
        length => usize::try_from(length.checked_sub(8).ok_or(Damage::Length)?)
            .map_err(|_| Damage::Beyond)?,
    };
    let (body, next) = after.split_at_checked(length).ok_or(Damage::Beyond)?;
    *rest = next;
    Ok((*kind, body))
}

/// The codestream, whole or in numbered parts.
#[derive(Default)]
struct Parts<'a> {
    whole: Option<&'a [u8]>,
    parts: Vec<&'a [u8]>,
    ended: bool,
}

impl<'a> Parts<'a> {
    fn add(&mut self, body: &'a [u8]) -> Result<(), PictureError> {
        const LAST: u32 = 1 << 31;
        let (number, part) = body
            .split_first_chunk::<4>()
            .ok_or_else(|| malformed("a part of its codestream has no number"))?;
        let number = u32::from_be_bytes(*number);
        if self.ended || (number & !LAST) as usize != self.parts.len() {
            return Err(malformed("the parts of its codestream are out of order"));
        }
        self.ended = number & LAST != 0;
        self.parts.push(part);
        Ok(())
    }

    fn join(self) -> Result<Cow<'a, [u8]>, PictureError> {
        if let Some(whole) = self.whole {
            return Ok(Cow::Borrowed(whole));
        }
        if !self.ended {
            return Err(truncated(
                "the end of its codestream is not there".to_owned(),
            ));
        }
        let length = self.parts.iter().map(|part| part.len()).sum();
        let mut joined = memory::with_capacity(length)?;
        for part in self.parts {
            joined.extend_from_slice(part);
        }
        Ok(Cow::Owned(joined))
    }
}

fn limited(body: &[u8], most: u64) -> Option<Vec<u8>> {
    (body.len() as u64 <= most).then(|| body.to_vec())
}

/// The TIFF structure behind its offset in the box.
fn exif_of(body: &[u8]) -> Option<Vec<u8>> {
    let (offset, block) = body.split_first_chunk::<4>()?;
    let offset = usize::try_from(u32::from_be_bytes(*offset)).ok()?;
    limited(block.get(offset..)?, memory::METADATA)
}

/// A compressed box, unless it is damaged or longer than `most` bytes.
fn unpack(packed: &[u8], most: u64) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let mut reader = Decompressor::new(packed, BUFFER).take(most + 1);
    reader.read_to_end(&mut body).ok()?;
    (body.len() as u64 <= most).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let length = (8 + body.len() as u32).to_be_bytes();
        [&length, &kind[..], body].concat()
    }

    #[test]
    fn one_codestream_or_parts_and_metadata() {
        let start = [
            boxed(b"JXL ", &[0x0d, 0x0a, 0x87, 0x0a]),
            boxed(b"ftyp", b"jxl \0\0\0\0jxl "),
        ]
        .concat();
        let whole = [start.clone(), boxed(b"jxlc", b"stream")].concat();
        assert_eq!(*read(&whole).unwrap().codestream, *b"stream");
        assert_eq!(
            *read(b"\xff\x0astream").unwrap().codestream,
            *b"\xff\x0astream"
        );
        let mut long = [start.clone(), b"\0\0\0\x01jxlc".to_vec()].concat();
        long.extend(22_u64.to_be_bytes());
        long.extend(b"stream");
        assert_eq!(*read(&long).unwrap().codestream, *b"stream");
        let parts = [
            start,
            boxed(b"jxlp", b"\0\0\0\0str"),
            boxed(b"Exif", b"\0\0\0\x02..MM\0*"),
            boxed(b"jxlp", b"\x80\0\0\x01eam"),
            b"\0\0\0\0xml <x/>".to_vec(),
        ]
        .concat();
        let boxes = read(&parts).unwrap();
        assert_eq!(*boxes.codestream, *b"stream");
        assert_eq!(boxes.exif.as_deref(), Some(&b"MM\0*"[..]));
        assert_eq!(boxes.xmp.as_deref(), Some(&b"<x/>"[..]));
        for cut in 32..parts.len() {
            match read(&parts[..cut]) {
                Err(PictureError::Truncated { .. }) => {}
                // The last box has no length, and the one before it is whole.
                Ok(_) if cut >= parts.len() - 12 => {}
                other => panic!("{cut}: {other:?}"),
            }
        }
        let wrong = [
            boxed(b"jxlp", b"\x80\0\0\x01str"),
            boxed(b"jxlp", b"str"),
            b"\0\0\0\x07jxlcabc".to_vec(),
            [
                boxed(b"jxlp", b"\x80\0\0\0a"),
                boxed(b"jxlp", b"\0\0\0\x01b"),
            ]
            .concat(),
        ];
        for boxes in wrong {
            assert!(matches!(read(&boxes), Err(PictureError::Malformed { .. })));
        }
    }

    #[test]
    fn compressed_metadata_is_unpacked_within_bounds() {
        // By the program `brotli`: "\0\0\0\0MM\0*", and 2 MiB of spaces.
        let exif = b"\x8b\x03\x80\0\0\0\0MM\0*\x03";
        let file = [
            boxed(b"brob", &[b"Exif", &exif[..]].concat()),
            boxed(b"jxlc", b"s"),
        ]
        .concat();
        assert_eq!(read(&file).unwrap().exif.as_deref(), Some(&b"MM\0*"[..]));
        for (name, packed) in [(b"xml ", &b"damaged"[..]), (b"Exif", &exif[..5])] {
            let file = [
                boxed(b"brob", &[name, packed].concat()),
                boxed(b"jxlc", b"s"),
            ]
            .concat();
            let boxes = read(&file).unwrap();
            assert!(boxes.exif.is_none() && boxes.xmp.is_none());
        }
    }
}
