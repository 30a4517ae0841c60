//! The blocks of metadata in the fields of a directory (TIFF 6.0; ICC.1, annex B; XMP, part 3; EXIF 2.32).

use image::metadata::Orientation;

use super::pages::Choice;
use super::tag;
use crate::picture::decoders::Blocks;
use crate::picture::{PictureError, memory};

/// Most characters of a date.
const MAX_DATE: usize = 64;

/// The metadata of a picture. What is damaged is absent.
///
/// # Errors
/// [`PictureError::OutOfMemory`].
pub(super) fn blocks(choice: &Choice) -> Result<Blocks, PictureError> {
    let Choice {
        picture,
        above,
        first,
        ..
    } = choice;
    let near = [Some(picture), above.as_ref()];
    let bytes = |tag| -> Result<Option<Vec<u8>>, PictureError> {
        let mut found = near.iter().flatten().filter_map(|directory| {
            let bytes = directory.find(tag).ok().flatten()?.raw()?;
            (bytes.len() as u64 <= memory::METADATA && !bytes.is_empty()).then_some(bytes)
        });
        let Some(bytes) = found.next() else {
            return Ok(None);
        };
        let mut copy = memory::with_capacity(bytes.len())?;
        copy.extend_from_slice(bytes);
        Ok(Some(copy))
    };
    let orientation = near.iter().flatten().find_map(|directory| {
        let number = directory.number(tag::ORIENTATION).ok().flatten()?;
        Orientation::from_exif(u8::try_from(number).ok()?)
    });
    let exif = [Some(picture), above.as_ref(), Some(first)];
    Ok(Blocks {
        icc: bytes(tag::ICC)?,
        xmp: bytes(tag::XMP)?,
        exif: exif.into_iter().flatten().find_map(exif_of),
        orientation,
        ..Blocks::default()
    })
}

/// The fields of EXIF that are read, as a file of their own: the real one may be large.
fn exif_of(directory: &super::directory::Directory) -> Option<Vec<u8>> {
    let at = directory.number(tag::EXIF).ok().flatten()?;
    let (exif, _) = directory.file.directory(at).ok()?;
    let text = |tag| {
        let text = exif.find(tag).ok().flatten()?.raw()?;
        (text.len() <= MAX_DATE).then_some((tag, text))
    };
    let texts = [tag::DATE_TIME_ORIGINAL, tag::OFFSET_TIME_ORIGINAL].map(text);
    let texts: Vec<(u16, &[u8])> = texts.into_iter().flatten().collect();
    if texts.is_empty() {
        return None;
    }
    const LONG: u16 = 4;
    const ASCII: u16 = 2;
    // A directory with the place of the one of EXIF, that one, then what does not fit into its fields.
    let start = 8 + 18;
    let mut values_at = start + 2 + 12 * texts.len() as u32 + 4;
    let mut file = b"MM\0*\0\0\0\x08\0\x01".to_vec();
    let field = |file: &mut Vec<u8>, tag: u16, kind: u16, count: u32| {
        file.extend(tag.to_be_bytes());
        file.extend(kind.to_be_bytes());
        file.extend(count.to_be_bytes());
    };
    field(&mut file, tag::EXIF, LONG, 1);
    file.extend(start.to_be_bytes());
    file.extend([0; 4]);
    file.extend((texts.len() as u16).to_be_bytes());
    let mut values = Vec::new();
    for (tag, text) in texts {
        // Long enough that it has a place of its own.
        let mut text = text.to_vec();
        text.resize(text.len().max(5), 0);
        field(&mut file, tag, ASCII, text.len() as u32);
        file.extend(values_at.to_be_bytes());
        values_at += text.len() as u32;
        values.extend(text);
    }
    file.extend([0; 4]);
    file.extend(values);
    Some(file)
}
