//! The frame of a JPEG stream (ITU-T T.81, section B.2.2): its size, its components, and the memory for them.

use super::{malformed, segments::Segment};
use crate::picture::{PictureError, memory};

/// What the frame header says.
pub(super) struct Frame {
    pub(super) progressive: bool,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) components: Vec<Component>,
    /// Largest sampling factors.
    pub(super) across: u32,
    pub(super) down: u32,
    /// Units of all components, in a row and in a column.
    pub(super) units_across: u32,
    pub(super) units_down: u32,
}

/// A component of a frame.
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors, 1 to 4.
    pub(super) across: u32,
    pub(super) down: u32,
    /// The number of its quantisation table.
    pub(super) steps: usize,
    /// Samples.
    pub(super) width: u32,
    pub(super) height: u32,
    /// Blocks that samples of the picture lie in: those of a scan of this component alone.
    pub(super) blocks_across: u32,
    pub(super) blocks_down: u32,
    /// Blocks in a row and in a column of whole units.
    pub(super) stride: u32,
    pub(super) rows: u32,
}

impl Frame {
    /// `lines` tells the height where the header leaves it open.
    pub(super) fn read(
        segment: &Segment<'_>,
        lines: impl FnOnce() -> Result<Option<u16>, PictureError>,
    ) -> Result<Self, PictureError> {
        let progressive = check_coding(segment.marker)?;
        let damaged = || malformed("its frame header is damaged");
        let (&[precision, h0, h1, w0, w1, count], rest) =
            segment.body.split_first_chunk().ok_or_else(damaged)?;
        if precision != 8 {
            return Err(malformed(format!(
                "{precision} bits per sample are not supported; convert it to 8 bits"
            )));
        }
        let width = u32::from(u16::from_be_bytes([w0, w1]));
        let mut height = u32::from(u16::from_be_bytes([h0, h1]));
        if height == 0 {
            let told = lines()?.ok_or_else(|| malformed("it does not tell its height"))?;
            height = u32::from(told);
        }
        let (parts, []) = rest.as_chunks::<3>() else {
            return Err(damaged());
        };
        if parts.len() != usize::from(count) {
            return Err(damaged());
        }
        if !(1..=4).contains(&count) {
            return Err(malformed(format!("{count} components are not supported")));
        }
        let factors = parts
            .iter()
            .map(|&[_, factors, _]| (factors >> 4, factors & 15));
        for (across, down) in factors.clone() {
            if !(1..=4).contains(&across) || !(1..=4).contains(&down) {
                return Err(malformed(format!(
                    "its sampling factors are {across}x{down}"
                )));
            }
        }
        let across = factors.clone().map(|(across, _)| across).max().unwrap_or(1);
        let down = factors.map(|(_, down)| down).max().unwrap_or(1);
        let (across, down) = (u32::from(across), u32::from(down));
        let mut frame = Self {
            progressive,
            width,
            height,
            components: Vec::new(),
            across,
            down,
            units_across: width.div_ceil(8 * across),
            units_down: height.div_ceil(8 * down),
        };
        frame.components = parts.iter().map(|part| frame.component(part)).collect();
        Ok(frame)
    }

    fn component(&self, &[id, factors, steps]: &[u8; 3]) -> Component {
        let (across, down) = (u32::from(factors >> 4), u32::from(factors & 15));
        let width = (self.width * across).div_ceil(self.across);
        let height = (self.height * down).div_ceil(self.down);
        Component {
            id,
            across,
            down,
            steps: usize::from(steps),
            width,
            height,
            blocks_across: width.div_ceil(8),
            blocks_down: height.div_ceil(8),
            stride: self.units_across * across,
            rows: self.units_down * down,
        }
    }

    /// The samples of all components in whole units, one byte each; there are as many coefficients.
    fn samples(&self) -> u64 {
        self.components.iter().map(Component::samples).sum()
    }

    /// Bytes of memory that decoding takes at its peak: the planes, and beside them first the coefficients of a progressive
    /// frame, then the pixels.
    pub(super) fn memory(&self) -> u64 {
        let pixels = u64::from(self.width) * u64::from(self.height) * self.components.len() as u64;
        let coefficients = if self.progressive {
            2 * self.samples()
        } else {
            0
        };
        self.samples() + pixels.max(coefficients)
    }

    /// The fewest bytes that say something of every block: a bit of DC, and where scans have all coefficients, one of AC.
    pub(super) fn least_bytes(&self) -> u64 {
        let blocks = |part: &Component| u64::from(part.blocks_across) * u64::from(part.blocks_down);
        let blocks: u64 = self.components.iter().map(blocks).sum();
        blocks / if self.progressive { 8 } else { 4 }
    }
}

impl Component {
    fn samples(&self) -> u64 {
        u64::from(self.stride) * u64::from(self.rows) * 64
    }
}

/// Whether the kind of frame is progressive, or why it is not read.
fn check_coding(marker: u8) -> Result<bool, PictureError> {
    let refused = match marker {
        0xc0 | 0xc1 => return Ok(false),
        0xc2 => return Ok(true),
        0xc3 => "lossless coding is not supported; save it as PNG",
        0xf7 => "JPEG-LS is not supported; save it as PNG",
        0xc9 | 0xca => "arithmetic coding is not supported; jpegtran makes a copy without it",
        0xcb => "arithmetic and lossless coding are not supported; save it as PNG",
        _ => "hierarchical coding is not supported; save it as a progressive file",
    };
    Err(malformed(refused))
}

/// The samples of a component, in whole units.
pub(super) struct Plane {
    samples: Vec<u8>,
    /// Bytes of a row.
    stride: usize,
}

impl Plane {
    pub(super) fn new(component: &Component) -> Result<Self, PictureError> {
        Ok(Self {
            samples: memory::zeroed(component.samples())?,
            stride: component.stride as usize * 8,
        })
    }

    /// A row from the top, as long as it takes.
    pub(super) fn row(&self, y: u32) -> &[u8] {
        let start = y as usize * self.stride;
        self.samples
            .get(start..start + self.stride)
            .unwrap_or_default()
    }

    /// Stores a block that lies inside the plane.
    #[inline]
    pub(super) fn store(&mut self, x: u32, y: u32, block: &[[u8; 8]; 8]) {
        let start = y as usize * 8 * self.stride + x as usize * 8;
        let rows = self.samples.get_mut(start..).unwrap_or_default();
        for (row, samples) in rows.chunks_mut(self.stride).zip(block) {
            if let Some(row) = row.first_chunk_mut() {
                *row = *samples;
            }
        }
    }
}

/// The coefficients of a component of a progressive frame, of each block in the order of the file.
pub(super) struct Coefficients {
    blocks: Vec<[i16; 64]>,
    stride: usize,
}

impl Coefficients {
    pub(super) fn new(component: &Component) -> Result<Self, PictureError> {
        let count = component.stride as usize * component.rows as usize;
        let mut blocks = memory::with_capacity(count)?;
        blocks.resize(count, [0; 64]);
        Ok(Self {
            blocks,
            stride: component.stride as usize,
        })
    }

    /// A block that lies inside.
    #[inline]
    pub(super) fn block(&mut self, x: u32, y: u32) -> Option<&mut [i16; 64]> {
        self.blocks.get_mut(y as usize * self.stride + x as usize)
    }
}
