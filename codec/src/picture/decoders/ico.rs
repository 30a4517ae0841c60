//! Windows icons and cursors: the largest of the pictures in them, which is a PNG file or a bitmap with a mask.

use std::io::Cursor;

use image::codecs::ico::IcoDecoder;
use image::{DynamicImage, ImageDecoder, ImageError};

use super::stored::check_size;
use super::{Blocks, LoadOptions, PictureError, PictureFormat, Pixels, Stored, png};
use crate::picture::{memory, one_line};

const FORMAT: PictureFormat = PictureFormat::Ico;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Bytes of the header of the file, and of an entry.
const HEADER: usize = 6;
const ENTRY: usize = 16;
/// Bytes of the usual header of a bitmap.
const BITMAP_HEADER: usize = 40;

/// A picture of the file, by its entry.
struct Entry<'a> {
    size: (u32, u32),
    /// Bits of a pixel, as far as they are known.
    bits: u16,
    offset: u32,
    length: u32,
    /// Absent where the file ends before it.
    bytes: Option<&'a [u8]>,
}

/// Whether a file is a cursor. Its first bytes alone could be those of a TGA picture.
pub(in crate::picture) fn is_cursor(file: &[u8]) -> bool {
    let entry = |index: usize| file.get(HEADER + index * ENTRY..)?.first_chunk::<ENTRY>();
    let count = usize::from(u16_at(file, 4).unwrap_or(0));
    let start = HEADER + count * ENTRY;
    file.starts_with(&[0, 0, 2, 0])
        && count > 0
        && (0..count).all(|index| {
            entry(index).is_some_and(|entry| {
                let offset = u32_at(entry, 12).unwrap_or(0);
                entry[3] == 0 && usize::try_from(offset).is_ok_and(|offset| offset >= start)
            })
        })
}

/// Decodes the largest picture, of equally large ones the one with the most bits.
pub(super) fn decode(file: &[u8], options: &LoadOptions) -> Result<Stored, PictureError> {
    memory::check(file.len() as u64, options.max_memory)?;
    let count = usize::from(u16_at(file, 4).unwrap_or(0));
    let entries = file
        .get(HEADER..)
        .unwrap_or_default()
        .as_chunks::<ENTRY>()
        .0;
    if entries.len() < count {
        return Err(truncated(format!(
            "it has {} of {count} entries",
            entries.len()
        )));
    }
    let mut best: Option<Entry> = None;
    for entry in entries.iter().take(count) {
        let entry = Entry::new(file, entry);
        let rank = |entry: &Entry| {
            let (width, height) = entry.size;
            (u64::from(width) * u64::from(height), entry.bits)
        };
        if best.as_ref().is_none_or(|best| rank(&entry) > rank(best)) {
            best = Some(entry);
        }
    }
    let best = best.ok_or_else(|| malformed("it has no entries"))?;
    let Some(bytes) = best.bytes else {
        return Err(truncated(format!(
            "a picture has {} bytes at {}, the file has {}",
            best.length,
            best.offset,
            file.len()
        )));
    };
    if bytes.starts_with(PNG) {
        return as_png(bytes, file.len(), options);
    }
    let (width, height) = best.size;
    check_size(width, height, FORMAT, options)?;
    bitmap(bytes, best.size, file.len(), options)
}

impl<'a> Entry<'a> {
    fn new(file: &'a [u8], entry: &[u8; ENTRY]) -> Self {
        let length = u32_at(entry, 8).unwrap_or(0);
        let offset = u32_at(entry, 12).unwrap_or(0);
        let part = || {
            let start = usize::try_from(offset).ok()?;
            file.get(start..start.checked_add(usize::try_from(length).ok()?)?)
        };
        let side = |side: u8| match side {
            0 => 256,
            side => u32::from(side),
        };
        let bytes = part();
        // The picture knows its size better than the entry, which has a byte for it; of a cursor the entry has the place
        // that it points with instead of the bits.
        let known = bytes.and_then(facts);
        let (size, bits) = known.unwrap_or(((side(entry[0]), side(entry[1])), 0));
        Self {
            size,
            bits,
            offset,
            length,
            bytes,
        }
    }
}

/// The size and the bits of a picture by its own header.
fn facts(bytes: &[u8]) -> Option<((u32, u32), u16)> {
    if bytes.starts_with(PNG) {
        let depth = u16::from(*bytes.get(24)?);
        let channels = match bytes.get(25)? {
            2 => 3,
            4 => 2,
            6 => 4,
            _ => 1,
        };
        return Some((png::size(bytes)?, depth * channels));
    }
    // The height is that of the picture and its mask together. Negative ones are refused by the decoder.
    let (width, height, bits) = match u32_at(bytes, 0)? {
        12 => (u16_at(bytes, 4)?.into(), u16_at(bytes, 6)?.into(), 10),
        _ => (u32_at(bytes, 4)?, u32_at(bytes, 8)?, 14),
    };
    let height = (height as i32).unsigned_abs() / 2;
    Some((
        ((width as i32).unsigned_abs(), height),
        u16_at(bytes, bits)?,
    ))
}

/// A PNG picture through its own decoder. The rest of the file takes memory, too.
fn as_png(bytes: &[u8], file: usize, options: &LoadOptions) -> Result<Stored, PictureError> {
    let rest = (file - bytes.len()) as u64;
    let inner = LoadOptions {
        max_memory: options.max_memory.saturating_sub(rest),
        ..*options
    };
    super::decode(bytes, PictureFormat::Png, &inner).map_err(|error| match error {
        PictureError::TooMuchMemory { needed, .. } => PictureError::TooMuchMemory {
            needed: needed.saturating_add(rest),
            max: options.max_memory,
        },
        error => error,
    })
}

/// A bitmap through the decoder of a file that has nothing else.
fn bitmap(
    bytes: &[u8],
    (width, height): (u32, u32),
    file: usize,
    options: &LoadOptions,
) -> Result<Stored, PictureError> {
    let pixels = u64::from(width) * u64::from(height);
    let taken = pixels.saturating_mul(4).saturating_add(bytes.len() as u64);
    memory::check(taken.saturating_add(file as u64), options.max_memory)?;
    memory::probe(taken)?;
    let mut copy = memory::with_capacity(HEADER + ENTRY + bytes.len())?;
    let side = |side: u32| u8::try_from(side).unwrap_or(0);
    copy.extend([
        0,
        0,
        1,
        0,
        1,
        0,
        side(width),
        side(height),
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
    copy.extend((bytes.len() as u32).to_le_bytes());
    copy.extend(((HEADER + ENTRY) as u32).to_le_bytes());
    copy.extend_from_slice(bytes);
    if let Some(bitmap) = copy.get_mut(HEADER + ENTRY..) {
        // What such data leave out is not told from what they have.
        if matches!(u32_at(bitmap, 16), Some(1 | 2)) && bitmap.first() != Some(&12) {
            return Err(malformed("it uses runs of pixels, which is not supported"));
        }
        settle_opacity(bitmap, pixels);
    }
    let decoder = IcoDecoder::new(Cursor::new(copy)).map_err(failed)?;
    if decoder.dimensions() != (width, height) {
        return Err(malformed("the sizes of its picture contradict each other"));
    }
    let image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    Ok(Stored {
        pixels: Pixels::Image(image),
        blocks: Blocks::default(),
        notes: Vec::new(),
    })
}

/// Of pixels with 32 bits either their opacity counts or, where that is nowhere above zero, the mask: as in Windows.
fn settle_opacity(bitmap: &mut [u8], pixels: u64) {
    const PLAIN: u32 = 0;
    let is_plain = u32_at(bitmap, 0) == Some(BITMAP_HEADER as u32)
        && u16_at(bitmap, 14) == Some(32)
        && u32_at(bitmap, 16) == Some(PLAIN)
        && u32_at(bitmap, 32) == Some(0);
    let length = usize::try_from(pixels.saturating_mul(4)).ok();
    let Some(length) = length.filter(|_| is_plain) else {
        return;
    };
    let Some((colors, mask)) = bitmap
        .get_mut(BITMAP_HEADER..)
        .and_then(|rest| rest.split_at_mut_checked(length))
    else {
        return;
    };
    let colors = colors.as_chunks_mut::<4>().0;
    if colors.iter().any(|pixel| pixel[3] != 0) {
        mask.fill(0);
    } else {
        for pixel in colors {
            pixel[3] = u8::MAX;
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

fn failed(error: ImageError) -> PictureError {
    let early = match &error {
        ImageError::IoError(error) => error.kind() == std::io::ErrorKind::UnexpectedEof,
        _ => false,
    };
    let detail = one_line(&error.to_string());
    if early {
        truncated(detail)
    } else {
        malformed(detail)
    }
}

fn malformed(detail: impl Into<String>) -> PictureError {
    PictureError::Malformed {
        format: FORMAT.name(),
        detail: detail.into(),
    }
}

fn truncated(detail: impl Into<String>) -> PictureError {
    PictureError::Truncated {
        format: FORMAT.name(),
        detail: detail.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{PictureErrorKind, fixtures, load};

    /// A file of pictures with the sides and bits that its entries claim.
    fn file(kind: u8, pictures: &[([u8; 2], u16, Vec<u8>)]) -> Vec<u8> {
        let mut file = vec![0, 0, kind, 0, pictures.len() as u8, 0];
        let mut at = HEADER + ENTRY * pictures.len();
        for ([width, height], bits, bytes) in pictures {
            file.extend([*width, *height, 0, 0, 1, 0]);
            file.extend(bits.to_le_bytes());
            file.extend((bytes.len() as u32).to_le_bytes());
            file.extend((at as u32).to_le_bytes());
            at += bytes.len();
        }
        for (.., bytes) in pictures {
            file.extend(bytes);
        }
        file
    }

    /// A bitmap of 2x1 pixels.
    fn bitmap(bits: u16, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; BITMAP_HEADER];
        bytes[0] = 40;
        bytes[4] = 2;
        bytes[8] = 2;
        bytes[12] = 1;
        bytes[14] = bits as u8;
        if bits < 8 {
            bytes[32] = 2;
        }
        bytes.extend(rest);
        bytes
    }

    fn pixels(file: &[u8]) -> Vec<u8> {
        let loaded = load::decode_bytes(file, &LoadOptions::default()).expect("a picture");
        loaded.image.to_rgba8().into_raw()
    }

    #[test]
    fn bitmaps_have_a_mask_or_an_opacity() {
        const MASK: [u8; 4] = [0b0100_0000, 0, 0, 0];
        let of = |kind, bits, parts: &[&[u8]]| {
            pixels(&file(
                kind,
                &[([2, 1], bits, bitmap(bits, &parts.concat()))],
            ))
        };
        // Blue, green, red; rows of four bytes; the second pixel is masked.
        let right = [3, 2, 1, 255, 6, 5, 4, 0];
        let rows: &[u8] = &[1, 2, 3, 4, 5, 6, 0, 0];
        assert_eq!(of(1, 24, &[rows, &MASK]), right);
        assert_eq!(of(2, 24, &[rows, &MASK]), right);
        let palette: &[u8] = &[1, 2, 3, 0, 4, 5, 6, 0];
        let row: &[u8] = &[0b0100_0000, 0, 0, 0];
        assert_eq!(of(1, 1, &[palette, row, &MASK]), right);
        let row: &[u8] = &[0x01, 0, 0, 0];
        assert_eq!(of(1, 4, &[palette, row, &MASK]), right);
        assert_eq!(of(1, 24, &[rows])[7], 255, "without a mask");
        // An opacity goes before the mask, unless it is zero throughout.
        let opacity: &[u8] = &[1, 2, 3, 9, 4, 5, 6, 8];
        assert_eq!(of(1, 32, &[opacity, &MASK]), [3, 2, 1, 9, 6, 5, 4, 8]);
        let none: &[u8] = &[1, 2, 3, 0, 4, 5, 6, 0];
        assert_eq!(of(1, 32, &[none, &MASK]), right);
    }

    #[test]
    fn the_largest_picture_of_any_kind_is_chosen() {
        let small = bitmap(24, &[1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0]);
        for name in ["grey16.png", "grey_alpha.png", "bilevel.png", "profile.png"] {
            let png = fixtures::bytes(name);
            let whole = file(1, &[([2, 1], 24, small.clone()), ([0, 0], 8, png.clone())]);
            let options = LoadOptions::default();
            let alone = load::decode_bytes(&png, &options).expect("a picture");
            let inside = load::decode_bytes(&whole, &options).expect("a picture");
            assert_eq!(inside.image, alone.image, "{name}");
            assert_eq!(inside.color_profile, alone.color_profile, "{name}");
        }
        let deep = bitmap(32, &[1, 2, 3, 4, 5, 6, 7, 8]);
        let flat = ([2, 1], 32, small);
        assert_eq!(pixels(&file(1, &[flat, ([2, 1], 1, deep)]))[3], 4);
    }

    #[test]
    fn missing_parts_are_refused() {
        let plain = bitmap(24, &[1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0]);
        let whole = file(1, &[([2, 1], 24, plain)]);
        for cut in 6..whole.len() {
            let error = load::decode_bytes(&whole[..cut], &LoadOptions::default());
            let error = error.err().unwrap_or_else(|| panic!("cut to {cut}"));
            assert!(matches!(error, PictureError::Truncated { .. }), "{error}");
        }
        let mut runs = whole.clone();
        runs[HEADER + ENTRY + 16] = 1;
        let error = load::decode_bytes(&runs, &LoadOptions::default()).unwrap_err();
        assert_eq!(error.kind(), PictureErrorKind::Unreadable);
        assert!(error.to_string().contains("runs of pixels"), "{error}");
        let few = LoadOptions {
            max_memory: whole.len() as u64 + 59,
            ..LoadOptions::default()
        };
        let error = load::decode_bytes(&whole, &few).unwrap_err();
        assert_eq!(error.kind(), PictureErrorKind::Limit, "{error}");
    }

    #[test]
    fn a_picture_of_tga_is_no_cursor() {
        let mut tga = vec![0; 18 + 12];
        tga[2] = 2;
        tga[12] = 2;
        tga[14] = 2;
        tga[16] = 24;
        assert!(!is_cursor(&tga));
        assert!(!is_cursor(&[0, 0, 2, 0, 1, 0]));
    }
}
