//! Metadata in the application segments of a JPEG stream, and what they say of its colours.

use super::segments::Segment;
use crate::picture::decoders::Blocks;
use crate::picture::{PictureError, memory};

/// What application segments have told so far.
#[derive(Default)]
pub(super) struct Told<'a> {
    /// Whether it is a JFIF file (ITU-T T.871): three components are YCbCr.
    pub(super) jfif: bool,
    /// The transform that Adobe's marker names (ITU-T T.872, section 6.5.3): 0 none, 1 YCbCr, 2 YCCK.
    pub(super) adobe: Option<u8>,
    exif: Option<&'a [u8]>,
    xmp: Option<&'a [u8]>,
    /// Number, count and bytes of the parts of an ICC profile (ICC.1, annex B.4).
    icc: Vec<(u8, u8, &'a [u8])>,
}

impl<'a> Told<'a> {
    /// Takes in an application segment. One that is damaged tells nothing.
    pub(super) fn read(&mut self, segment: &Segment<'a>) {
        let body = segment.body;
        match segment.marker {
            0xe0 if body.starts_with(b"JFIF\0") => self.jfif = true,
            0xe1 => {
                if body.starts_with(b"Exif\0\0") {
                    self.exif.get_or_insert(body);
                } else if let Some(packet) = body.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                    self.xmp.get_or_insert(packet);
                }
            }
            0xe2 => {
                if let Some([number, count, part @ ..]) = body.strip_prefix(b"ICC_PROFILE\0") {
                    self.icc.push((*number, *count, part));
                }
            }
            0xee if body.starts_with(b"Adobe") => {
                self.adobe = body.get(11).copied().or(self.adobe);
            }
            _ => {}
        }
    }

    /// The metadata for the rest of the library.
    pub(super) fn blocks(mut self) -> Result<Blocks, PictureError> {
        let copy = |bytes: Option<&[u8]>| bytes.map(|bytes| joined(&[bytes])).transpose();
        Ok(Blocks {
            icc: self.profile().map(|parts| joined(&parts)).transpose()?,
            exif: copy(self.exif)?,
            xmp: copy(self.xmp)?,
            ..Blocks::default()
        })
    }

    /// The parts of the profile, if all are there once.
    fn profile(&mut self) -> Option<Vec<&'a [u8]>> {
        self.icc.sort_by_key(|&(number, ..)| number);
        let count = usize::from(self.icc.first()?.1);
        let length: u64 = self.icc.iter().map(|(.., part)| part.len() as u64).sum();
        let in_order = (1..)
            .zip(&self.icc)
            .all(|(due, &(number, of, _))| (usize::from(number), usize::from(of)) == (due, count));
        let whole = in_order && self.icc.len() == count && length <= memory::METADATA;
        whole.then(|| self.icc.iter().map(|&(.., part)| part).collect())
    }
}

fn joined(parts: &[&[u8]]) -> Result<Vec<u8>, PictureError> {
    let mut bytes = memory::with_capacity(parts.iter().map(|part| part.len()).sum())?;
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_packet_counts_and_extensions_do_not() {
        let mut told = Told::default();
        for body in [
            &b"http://ns.adobe.com/xmp/extension/\0x"[..],
            b"http://ns.adobe.com/xap/1.0/\0<x/>",
            b"http://ns.adobe.com/xap/1.0/\0<y/>",
        ] {
            told.read(&Segment { marker: 0xe1, body });
        }
        assert_eq!(told.xmp, Some(&b"<x/>"[..]));
    }
}
