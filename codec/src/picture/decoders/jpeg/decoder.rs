//! A JPEG stream from its first segment to its last: tables, frame, scans, and what is missing at the end.

use super::blocks::Told;
use super::entropy::Scan;
use super::frame::{Coefficients, Frame, Plane};
use super::huffman::Huffman;
use super::progressive::{AcFirst, AcRefine, Band, Dc, DcPart};
use super::segments::{EOI, SOS, ScanHeader, Segment, Segments, Tables};
use super::sequential::{Part, Sequential};
use super::{malformed, transform, truncated};
use crate::picture::decoders::stored::check_size;
use crate::picture::{LoadOptions, PictureError, PictureFormat, memory};

/// Most scans of a progressive file. Encoders make some ten; each costs a walk over the picture, however few its bytes.
const MAX_SCANS: usize = 100;
/// Marks coefficients that no scan has had.
const UNSEEN: u8 = u8::MAX;

/// A stream that is being decoded.
pub(super) struct Decoder<'a> {
    bytes: &'a [u8],
    tables: Tables,
    pub(super) told: Told<'a>,
    picture: Option<Picture>,
    /// Scans so far.
    scans: usize,
    /// Bytes that belong to no block and no segment.
    pub(super) surplus: u64,
}

/// The frame, and what the scans have made of it.
pub(super) struct Picture {
    pub(super) frame: Frame,
    pub(super) planes: Vec<Plane>,
    /// Of progressive frames until their end.
    coefficients: Vec<Coefficients>,
    /// Per component the factors of its first scan; `None` before it.
    scales: Vec<Option<[f32; 64]>>,
    /// Per component and coefficient: how many bits are missing.
    missing: Vec<[u8; 64]>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            tables: Tables::default(),
            told: Told::default(),
            picture: None,
            scans: 0,
            surplus: 0,
        }
    }

    /// Takes in the tables of another stream.
    pub(super) fn read_tables(&mut self, stream: &[u8]) -> Result<(), PictureError> {
        let mut segments = Segments::new(stream);
        while let Some(segment) = segments.next()? {
            if segment.marker == EOI {
                break;
            }
            self.tables.read(&segment)?;
        }
        Ok(())
    }

    /// Decodes the stream. `held` bytes of memory are taken already, and a stream that is `inside` another file need not
    /// have an end marker.
    pub(super) fn decode(
        &mut self,
        held: u64,
        inside: bool,
        options: &LoadOptions,
    ) -> Result<Picture, PictureError> {
        let mut segments = Segments::new(self.bytes);
        loop {
            let Some(segment) = segments.next()? else {
                if inside && self.picture.as_ref().is_some_and(Picture::is_whole) {
                    break;
                }
                return Err(truncated(format!(
                    "no end-of-image marker in {} bytes",
                    self.bytes.len()
                )));
            };
            match segment.marker {
                EOI => break,
                SOS => segments.at = self.scan(segment.body, segments.at)?,
                // All kinds of frames, without the tables that stand among their numbers.
                0xc0..=0xcf | 0xde | 0xf7 if !matches!(segment.marker, 0xc4 | 0xc8 | 0xcc) => {
                    self.start(&segment, segments, held, options)?;
                }
                _ => {
                    self.tables.read(&segment)?;
                    self.told.read(&segment);
                }
            }
        }
        self.surplus += segments.surplus;
        let picture = self
            .picture
            .take()
            .ok_or_else(|| malformed("it has no frame"))?;
        if self.scans == 0 {
            return Err(truncated("it ends before its first scan"));
        }
        if let Some(place) = picture.scales.iter().position(Option::is_none) {
            return Err(truncated(format!(
                "its component {} of {} is in none of its {} scans",
                place + 1,
                picture.scales.len(),
                self.scans
            )));
        }
        picture.finish()
    }

    /// Checks the frame before memory is taken for it.
    fn start(
        &mut self,
        segment: &Segment<'_>,
        behind: Segments<'_>,
        held: u64,
        options: &LoadOptions,
    ) -> Result<(), PictureError> {
        if self.picture.is_some() {
            return Err(malformed("it has more than one frame"));
        }
        let frame = Frame::read(segment, || behind.lines())?;
        check_size(frame.width, frame.height, PictureFormat::Jpeg, options)?;
        let needed = held.saturating_add(frame.memory());
        memory::check(needed, options.max_memory)?;
        let (least, left) = (frame.least_bytes(), self.bytes.len() - behind.at);
        if least > left as u64 {
            return Err(truncated(format!(
                "its {}x{} pixels need at least {least} more bytes; it has {left}",
                frame.width, frame.height
            )));
        }
        self.picture = Some(Picture::new(frame)?);
        Ok(())
    }

    /// Decodes the scan whose data begin at `at`. Gives where they end.
    fn scan(&mut self, body: &[u8], at: usize) -> Result<usize, PictureError> {
        let picture = self.picture.as_mut();
        let picture = picture.ok_or_else(|| malformed("it has a scan before its frame"))?;
        self.scans += 1;
        if self.scans > MAX_SCANS {
            return Err(malformed(format!("it has more than {MAX_SCANS} scans")));
        }
        let ids: Vec<u8> = picture
            .frame
            .components
            .iter()
            .map(|part| part.id)
            .collect();
        let header = ScanHeader::read(body, &ids)?;
        for &(place, ..) in &header.parts {
            picture.set_scales(place, &self.tables)?;
        }
        let (end, surplus) = if picture.frame.progressive {
            picture.note_bits(&header, self.scans)?;
            picture.progressive_scan(&header, &self.tables, self.scans, self.bytes, at)?
        } else {
            picture.sequential_scan(&header, &self.tables, self.scans, self.bytes, at)?
        };
        self.surplus += surplus;
        Ok(end)
    }
}

impl Picture {
    fn new(frame: Frame) -> Result<Self, PictureError> {
        let count = frame.components.len();
        let mut picture = Self {
            frame,
            planes: Vec::new(),
            coefficients: Vec::new(),
            scales: vec![None; count],
            missing: vec![[UNSEEN; 64]; count],
        };
        for component in &picture.frame.components {
            if picture.frame.progressive {
                picture.coefficients.push(Coefficients::new(component)?);
            } else {
                picture.planes.push(Plane::new(component)?);
            }
        }
        Ok(picture)
    }

    /// Whether nothing can follow.
    fn is_whole(&self) -> bool {
        !self.frame.progressive && self.scales.iter().all(Option::is_some)
    }

    /// The quantisation table that a component has at its first scan holds for all.
    fn set_scales(&mut self, place: usize, tables: &Tables) -> Result<(), PictureError> {
        let (Some(component), Some(scales)) =
            (self.frame.components.get(place), self.scales.get_mut(place))
        else {
            return Ok(());
        };
        if scales.is_some() {
            if self.frame.progressive {
                return Ok(());
            }
            let number = place + 1;
            return Err(malformed(format!("its component {number} is in two scans")));
        }
        let steps = tables.steps.get(component.steps).and_then(Option::as_ref);
        let steps = steps.ok_or_else(|| malformed("a quantisation table of it is missing"))?;
        *scales = Some(transform::scales(steps));
        Ok(())
    }

    fn sequential_scan(
        &mut self,
        header: &ScanHeader,
        tables: &Tables,
        number: usize,
        bytes: &[u8],
        at: usize,
    ) -> Result<(usize, u64), PictureError> {
        let scan = scan(&self.frame, header, tables, number);
        let mut planes: Vec<Option<&mut Plane>> = self.planes.iter_mut().map(Some).collect();
        let mut parts = Vec::new();
        for &(place, dc, ac) in &header.parts {
            let plane = planes.get_mut(place).and_then(Option::take);
            let scales = self.scales.get(place).copied().flatten();
            let (Some(plane), Some(scales)) = (plane, scales) else {
                continue;
            };
            parts.push(Part {
                dc: code(&tables.dc, dc)?,
                ac: code(&tables.ac, ac)?,
                scales,
                plane,
                before: 0,
            });
        }
        scan.decode(bytes, at, &mut Sequential { parts })
    }

    fn progressive_scan(
        &mut self,
        header: &ScanHeader,
        tables: &Tables,
        number: usize,
        bytes: &[u8],
        at: usize,
    ) -> Result<(usize, u64), PictureError> {
        let scan = scan(&self.frame, header, tables, number);
        let low = header.low;
        let mut all: Vec<Option<&mut Coefficients>> =
            self.coefficients.iter_mut().map(Some).collect();
        if header.first == 0 {
            let mut parts = Vec::new();
            for &(place, dc, _) in &header.parts {
                let codes = (header.high == 0).then(|| code(&tables.dc, dc));
                if let Some(coefficients) = all.get_mut(place).and_then(Option::take) {
                    parts.push(DcPart {
                        codes: codes.transpose()?,
                        coefficients,
                        before: 0,
                    });
                }
            }
            return scan.decode(bytes, at, &mut Dc { parts, low });
        }
        let only = header.parts.first().copied();
        let part = only.and_then(|(place, _, ac)| Some((all.get_mut(place)?.take()?, ac)));
        let (coefficients, ac) = part.ok_or_else(|| malformed("a scan of it is empty"))?;
        let band = Band {
            codes: code(&tables.ac, ac)?,
            coefficients,
            first: header.first.into(),
            last: header.last.into(),
            low,
            run: 0,
        };
        match header.high {
            0 => scan.decode(bytes, at, &mut AcFirst(band)),
            _ => scan.decode(bytes, at, &mut AcRefine(band)),
        }
    }

    /// Notes which bits a scan brings. Each must come once, from the highest down, and DC first (section G.1.1.1).
    fn note_bits(&mut self, header: &ScanHeader, number: usize) -> Result<(), PictureError> {
        let &ScanHeader {
            first,
            last,
            high,
            low,
            ..
        } = header;
        let out_of_order =
            || malformed(format!("its scan {number} is not one that can come there"));
        let band = match first {
            0 => last == 0,
            _ => first <= last && last < 64 && header.parts.len() == 1,
        };
        if !band || low > 13 || (high != 0 && high != low + 1) {
            return Err(out_of_order());
        }
        for &(place, ..) in &header.parts {
            let missing = self.missing.get_mut(place).ok_or_else(out_of_order)?;
            if first > 0 && missing[0] == UNSEEN {
                return Err(out_of_order());
            }
            for bits in missing
                .iter_mut()
                .take(usize::from(last) + 1)
                .skip(first.into())
            {
                let due = if high == 0 { UNSEEN } else { high };
                if *bits != due {
                    return Err(out_of_order());
                }
                *bits = low;
            }
        }
        Ok(())
    }

    /// Makes samples of coefficients, one component after the other.
    fn finish(mut self) -> Result<Self, PictureError> {
        let coefficients = std::mem::take(&mut self.coefficients);
        let parts = self
            .frame
            .components
            .iter()
            .zip(self.scales.iter().flatten());
        for ((component, scales), mut coefficients) in parts.zip(coefficients) {
            let mut plane = Plane::new(component)?;
            for y in 0..component.blocks_down {
                for x in 0..component.blocks_across {
                    if let Some(block) = coefficients.block(x, y) {
                        plane.store(x, y, &samples(block, scales));
                    }
                }
            }
            self.planes.push(plane);
        }
        Ok(self)
    }
}

/// The samples of a block of coefficients.
fn samples(block: &[i16; 64], scales: &[f32; 64]) -> [[u8; 8]; 8] {
    let [dc, rest @ ..] = block;
    if rest.iter().all(|&value| value == 0) {
        return transform::flat(f32::from(*dc) * scales[0]);
    }
    let mut scaled = [[0.0; 8]; 8];
    for ((&value, &scale), place) in block.iter().zip(scales).zip(transform::PLACES) {
        scaled.as_flattened_mut()[usize::from(place) & 63] = f32::from(value) * scale;
    }
    transform::samples(&scaled)
}

fn scan<'a>(frame: &'a Frame, header: &ScanHeader, tables: &Tables, number: usize) -> Scan<'a> {
    Scan {
        frame,
        number,
        components: header.parts.iter().map(|&(place, ..)| place).collect(),
        restart_interval: tables.restart_interval,
    }
}

fn code(tables: &[Option<Box<Huffman>>; 4], number: usize) -> Result<&Huffman, PictureError> {
    let table = tables.get(number).and_then(Option::as_deref);
    table.ok_or_else(|| malformed("a Huffman table of it is missing"))
}
