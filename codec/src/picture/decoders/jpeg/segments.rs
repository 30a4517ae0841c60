//! The marker segments of a JPEG stream (ITU-T T.81, annex B): where they are, and the tables and headers in them.

use super::huffman::Huffman;
use super::{malformed, truncated};
use crate::picture::PictureError;

/// Start of image.
pub(super) const SOI: u8 = 0xd8;
/// End of image.
pub(super) const EOI: u8 = 0xd9;
/// Start of scan.
pub(super) const SOS: u8 = 0xda;
/// Define number of lines.
const DNL: u8 = 0xdc;

/// From the order in the file to that of rows (figure A.6).
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Walks over marker segments.
#[derive(Clone, Copy)]
pub(super) struct Segments<'a> {
    pub(super) bytes: &'a [u8],
    /// Where to look for the next marker.
    pub(super) at: usize,
    /// Bytes before markers that belong to nothing.
    pub(super) surplus: u64,
}

/// A marker with the parameters behind it.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    /// Without the length.
    pub(super) body: &'a [u8],
}

impl<'a> Segments<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            surplus: 0,
        }
    }

    /// The next segment, whatever stands before it; markers without parameters are left out, but for the end of the image.
    /// `None` where the bytes end.
    ///
    /// # Errors
    /// A length that is too small, or goes beyond the bytes.
    pub(super) fn next(&mut self) -> Result<Option<Segment<'a>>, PictureError> {
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(skipped) = rest.iter().position(|&byte| byte == 0xff) else {
                return Ok(None);
            };
            self.at += skipped;
            self.surplus += skipped as u64;
            let Some(marker) = marker_at(self.bytes, self.at) else {
                return Ok(None);
            };
            self.at = behind_marker(self.bytes, self.at);
            match marker {
                0x00 => self.surplus += 2,
                // A temporary marker, restart markers, a stray start.
                0x01 | 0xd0..=0xd7 | SOI => {}
                EOI => return Ok(Some(Segment { marker, body: &[] })),
                _ => return self.with_body(marker).map(Some),
            }
        }
    }

    fn with_body(&mut self, marker: u8) -> Result<Segment<'a>, PictureError> {
        let length = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<2>());
        let length = length.map(|&length| usize::from(u16::from_be_bytes(length)));
        if length.is_some_and(|length| length < 2) {
            return Err(malformed(format!(
                "its segment {marker:02x} has no room for its length"
            )));
        }
        let end = length.map(|length| self.at + length);
        let body = end.and_then(|end| self.bytes.get(self.at + 2..end));
        let (Some(end), Some(body)) = (end, body) else {
            return Err(truncated(format!(
                "its segment {marker:02x} goes beyond its {} bytes",
                self.bytes.len()
            )));
        };
        self.at = end;
        Ok(Segment { marker, body })
    }

    /// The number of lines that stands behind the first scan, for a frame whose header leaves it open (section B.2.5).
    pub(super) fn lines(mut self) -> Result<Option<u16>, PictureError> {
        let mut scans = 0;
        while let Some(segment) = self.next()? {
            match segment.marker {
                DNL => {
                    return Ok(segment
                        .body
                        .first_chunk()
                        .map(|&lines| u16::from_be_bytes(lines)));
                }
                SOS if scans > 0 => break,
                SOS => scans += 1,
                EOI => break,
                _ => {}
            }
        }
        Ok(None)
    }
}

/// The code of the marker that begins here, perhaps after fill bytes.
pub(super) fn marker_at(bytes: &[u8], at: usize) -> Option<u8> {
    let (0xff, rest) = bytes.get(at..)?.split_first()? else {
        return None;
    };
    rest.iter().copied().find(|&byte| byte != 0xff)
}

/// Where the marker that begins here has ended.
pub(super) fn behind_marker(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let fill = rest.iter().take_while(|&&byte| byte == 0xff).count();
    at + fill + 1
}

/// What the segments before a scan have set.
#[derive(Default)]
pub(super) struct Tables {
    /// Steps of quantisation in the order of the file.
    pub(super) steps: [Option<[u16; 64]>; 4],
    pub(super) dc: [Option<Box<Huffman>>; 4],
    pub(super) ac: [Option<Box<Huffman>>; 4],
    /// Units between restart markers; 0 for none.
    pub(super) restart_interval: u16,
}

impl Tables {
    /// Takes in a segment if it has tables.
    pub(super) fn read(&mut self, segment: &Segment<'_>) -> Result<(), PictureError> {
        match segment.marker {
            0xc4 => self.read_codes(segment.body),
            0xdb => self.read_steps(segment.body),
            0xdd => {
                let interval = segment.body.first_chunk();
                let interval =
                    interval.ok_or_else(|| malformed("its restart interval is missing"))?;
                self.restart_interval = u16::from_be_bytes(*interval);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Section B.2.4.2.
    fn read_codes(&mut self, mut body: &[u8]) -> Result<(), PictureError> {
        let damaged = || malformed("a Huffman table of it is damaged");
        while let Some((&head, rest)) = body.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
            let total = counts.iter().copied().map(usize::from).sum();
            let (symbols, rest) = rest.split_at_checked(total).ok_or_else(damaged)?;
            let table = Huffman::new(counts, symbols).ok_or_else(damaged)?;
            let (tables, valid) = match head >> 4 {
                0 => (&mut self.dc, table.is_within(15)),
                1 => (&mut self.ac, true),
                _ => return Err(damaged()),
            };
            let place = tables.get_mut(usize::from(head & 15)).filter(|_| valid);
            *place.ok_or_else(damaged)? = Some(Box::new(table));
            body = rest;
        }
        Ok(())
    }

    /// Section B.2.4.1.
    fn read_steps(&mut self, mut body: &[u8]) -> Result<(), PictureError> {
        let damaged = || malformed("a quantisation table of it is damaged");
        while let Some((&head, rest)) = body.split_first() {
            let mut steps = [0; 64];
            body = match head >> 4 {
                0 => {
                    let (bytes, rest) = rest.split_first_chunk::<64>().ok_or_else(damaged)?;
                    steps = bytes.map(u16::from);
                    rest
                }
                1 => {
                    let (bytes, rest) = rest.split_first_chunk::<128>().ok_or_else(damaged)?;
                    for (step, pair) in steps.iter_mut().zip(bytes.as_chunks::<2>().0) {
                        *step = u16::from_be_bytes(*pair);
                    }
                    rest
                }
                _ => return Err(damaged()),
            };
            let place = self.steps.get_mut(usize::from(head & 15));
            *place.ok_or_else(damaged)? = Some(steps);
        }
        Ok(())
    }
}

/// A scan header (section B.2.3).
pub(super) struct ScanHeader {
    /// Per component: its place in the frame, and its tables for DC and AC.
    pub(super) parts: Vec<(usize, usize, usize)>,
    /// The band of coefficients, in the order of the file.
    pub(super) first: u8,
    pub(super) last: u8,
    /// Bits that were missing before the scan and are missing after it; no bits before it are 0.
    pub(super) high: u8,
    pub(super) low: u8,
}

impl ScanHeader {
    /// `components` are the identifiers in the frame.
    pub(super) fn read(body: &[u8], components: &[u8]) -> Result<Self, PictureError> {
        let damaged = || malformed("a scan header of it is damaged");
        let (&count, rest) = body.split_first().ok_or_else(damaged)?;
        let count = usize::from(count);
        let (named, rest) = rest.split_at_checked(2 * count).ok_or_else(damaged)?;
        let &[first, last, approximation] = rest else {
            return Err(damaged());
        };
        let mut parts: Vec<(usize, usize, usize)> = Vec::new();
        for &[name, tables] in named.as_chunks::<2>().0 {
            // Some files give several components the same name.
            let mut found = components.iter().enumerate().filter(|&(_, &id)| id == name);
            let found = found.find(|(place, _)| !parts.iter().any(|part| part.0 == *place));
            let (place, _) = found.ok_or_else(|| {
                malformed(format!(
                    "a scan of it has component {name}, which its frame has not"
                ))
            })?;
            parts.push((place, usize::from(tables >> 4), usize::from(tables & 15)));
        }
        if parts.is_empty() {
            return Err(damaged());
        }
        Ok(Self {
            parts,
            first,
            last,
            high: approximation >> 4,
            low: approximation & 15,
        })
    }
}
