//! What a PNG file says beside its pixels, also in the chunks behind them (PNG, third edition, section 11.3).

use std::borrow::Cow;

use fdeflate::BoundedDecompressionError;

use super::{Chunk, walk};
use crate::picture::decoders::{Blocks, Calibration};
use crate::picture::{memory, metadata, xmp};

/// The prefix of an XMP packet in a JPEG segment, which legacy chunks keep.
const XMP_SEGMENT: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// The longest text of a legacy chunk, in bytes: two digits for each byte of a block.
const MOST_DIGITS: usize = 4 << 20;

/// The metadata of a file. Chunks with a wrong checksum are not there, except that a damaged profile is a profile that
/// cannot be read.
pub(in crate::picture::decoders) fn blocks(png: &[u8]) -> Blocks {
    let mut found = Found::default();
    for chunk in walk(png) {
        found.add(&chunk);
    }
    let Found {
        mut blocks,
        legacy_exif,
        legacy_xmp,
        chromaticities,
        gamma,
        srgb,
        ..
    } = found;
    blocks.exif = blocks.exif.or(legacy_exif);
    blocks.xmp = blocks.xmp.or(legacy_xmp);
    if !srgb && (chromaticities.is_some() || gamma.is_some()) {
        blocks.calibration = Some(Calibration {
            chromaticities,
            gamma,
        });
    }
    blocks
}

/// What the chunks so far have said; the first of each kind counts.
#[derive(Default)]
struct Found {
    blocks: Blocks,
    legacy_exif: Option<Vec<u8>>,
    legacy_xmp: Option<Vec<u8>>,
    chromaticities: Option<[[f64; 2]; 4]>,
    gamma: Option<f64>,
    srgb: bool,
    /// Whether the pixels have begun. Colours are described before them.
    pixels: bool,
}

impl Found {
    fn add(&mut self, chunk: &Chunk<'_>) {
        let body = chunk.body;
        let blocks = &mut self.blocks;
        match chunk.kind {
            b"IDAT" => self.pixels = true,
            b"iCCP" if !self.pixels && blocks.icc.is_none() => {
                let profile = chunk.is_intact().then(|| profile(body)).flatten();
                blocks.icc = Some(profile.unwrap_or_default());
            }
            b"cICP" | b"sRGB" | b"cHRM" | b"gAMA" if self.pixels || !chunk.is_intact() => {}
            b"cICP" => blocks.coding_points = blocks.coding_points.or(body.first_chunk().copied()),
            b"sRGB" => self.srgb = true,
            b"cHRM" => self.chromaticities = self.chromaticities.or_else(|| chromaticities(body)),
            b"gAMA" => self.gamma = self.gamma.or_else(|| gamma(body)),
            b"eXIf" if blocks.exif.is_none() && body.len() as u64 <= memory::METADATA => {
                blocks.exif = chunk.is_intact().then(|| body.to_vec());
            }
            b"tEXt" | b"zTXt" | b"iTXt" => {
                if let Some(text) = Text::of(chunk) {
                    self.add_text(&text, chunk);
                }
            }
            _ => {}
        }
    }

    fn add_text(&mut self, text: &Text<'_>, chunk: &Chunk<'_>) {
        match text.keyword {
            b"Title" if self.blocks.title.is_none() => {
                self.blocks.title = chunk.is_intact().then(|| text.title()).flatten();
            }
            b"XML:com.adobe.xmp" if self.blocks.xmp.is_none() => {
                let packet = text.bytes(xmp::MOST_BYTES).filter(|_| chunk.is_intact());
                self.blocks.xmp = packet.map(Cow::into_owned);
            }
            b"Raw profile type exif" | b"Raw profile type APP1" | b"Raw profile type xmp" => {
                let digits = text.bytes(MOST_DIGITS).filter(|_| chunk.is_intact());
                let Some(block) = digits.and_then(|digits| from_digits(&digits)) else {
                    return;
                };
                if let Some(packet) = block.strip_prefix(XMP_SEGMENT) {
                    self.legacy_xmp.get_or_insert_with(|| packet.to_vec());
                } else if text.keyword.ends_with(b"xmp") {
                    self.legacy_xmp.get_or_insert(block);
                } else {
                    self.legacy_exif.get_or_insert(block);
                }
            }
            _ => {}
        }
    }
}

/// A text chunk (section 11.3.3).
struct Text<'a> {
    keyword: &'a [u8],
    compressed: bool,
    utf8: bool,
    stored: &'a [u8],
}

impl<'a> Text<'a> {
    fn of(chunk: &Chunk<'a>) -> Option<Self> {
        let (keyword, rest) = split(chunk.body)?;
        let (compressed, utf8, stored) = match (chunk.kind, rest) {
            (b"tEXt", stored) => (false, false, stored),
            // The method of compression is always 0.
            (b"zTXt", [0, stored @ ..]) => (true, false, stored),
            (b"iTXt", [flag @ 0..=1, 0, rest @ ..]) => {
                let (_language, rest) = split(rest)?;
                let (_translated, stored) = split(rest)?;
                (*flag == 1, true, stored)
            }
            _ => return None,
        };
        Some(Self {
            keyword,
            compressed,
            utf8,
            stored,
        })
    }

    /// The text, unless it is damaged or longer than `most` bytes.
    fn bytes(&self, most: usize) -> Option<Cow<'a, [u8]>> {
        let bytes = match self.compressed {
            false => Cow::Borrowed(self.stored),
            true => Cow::Owned(inflate(self.stored, most).ok()?),
        };
        (bytes.len() <= most).then_some(bytes)
    }

    fn title(&self) -> Option<String> {
        let most = 4 * metadata::MAX_CHARS;
        let mut bytes = match self.compressed {
            false => Cow::Borrowed(self.stored),
            // Of a long one the beginning.
            true => Cow::Owned(inflate(self.stored, most).unwrap_or_else(|part| part)),
        };
        if self.utf8 {
            if self.compressed {
                // The last letter may be cut.
                let cut = std::str::from_utf8(&bytes)
                    .err()
                    .filter(|e| e.error_len().is_none());
                if let Some(error) = cut {
                    bytes.to_mut().truncate(error.valid_up_to());
                }
            }
            return metadata::clean(std::str::from_utf8(&bytes).ok()?);
        }
        let latin1: String = bytes
            .iter()
            .take(most)
            .map(|&byte| char::from(byte))
            .collect();
        metadata::clean(&latin1)
    }
}

/// What is before and behind the first zero.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == 0)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

/// Decompresses at most `most` bytes. The error is the beginning of a longer text, and empty where the data are damaged.
fn inflate(stored: &[u8], most: usize) -> Result<Vec<u8>, Vec<u8>> {
    fdeflate::decompress_to_vec_bounded(stored, most).map_err(|error| match error {
        BoundedDecompressionError::OutputTooLarge { partial_output } => partial_output,
        BoundedDecompressionError::DecompressionError { .. } => Vec::new(),
    })
}

/// The profile in an `iCCP` chunk (section 11.3.2.3).
fn profile(body: &[u8]) -> Option<Vec<u8>> {
    let (_name, rest) = split(body)?;
    let stored = rest.strip_prefix(&[0])?;
    inflate(stored, memory::METADATA as usize).ok()
}

/// Sections 11.3.2.1 and 11.3.2.2: the numbers are times 100000.
fn number(bytes: &[u8; 4]) -> f64 {
    f64::from(u32::from_be_bytes(*bytes)) / 1e5
}

fn chromaticities(body: &[u8]) -> Option<[[f64; 2]; 4]> {
    let (points, _) = body.as_chunks::<8>();
    let points: &[[u8; 8]; 4] = points.first_chunk()?;
    Some(points.map(|point| {
        let [x0, x1, x2, x3, y0, y1, y2, y3] = point;
        [number(&[x0, x1, x2, x3]), number(&[y0, y1, y2, y3])]
    }))
}

fn gamma(body: &[u8]) -> Option<f64> {
    let gamma = number(body.first_chunk()?);
    (gamma > 0.0).then_some(gamma)
}

/// The bytes of a legacy text: name, length, and hexadecimal digits, on lines.
fn from_digits(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let (_name, rest) = text.trim_start().split_once('\n')?;
    let (length, digits) = rest.trim_start().split_once('\n')?;
    let length: usize = length.trim().parse().ok()?;
    let mut digits = digits
        .bytes()
        .filter_map(|digit| char::from(digit).to_digit(16));
    let mut block = Vec::new();
    while let (Some(high), Some(low)) = (digits.next(), digits.next()) {
        block.push((high << 4 | low) as u8);
        if block.len() == length {
            return Some(block);
        }
    }
    None
}

#[cfg(test)]
#[path = "blocks_tests.rs"]
mod tests;
