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
