//! The samples of a picture, put together from its strips or tiles.

use super::directory::Order;
use super::layout::{Compression, Layout, Predictor};
use super::samples::{Packing, Sample};
use super::strips::Strips;
use super::unpack::Unpacker;
use super::{jpeg, malformed, predictor};
use crate::picture::{LoadNote, LoadOptions, PictureError, memory};

/// A picture whose samples can be read.
pub(super) struct Source<'a, 'o> {
    pub(super) layout: &'o Layout<'a>,
    pub(super) strips: &'o Strips<'a>,
    /// Bytes of memory that are taken already.
    pub(super) held: u64,
    pub(super) options: &'o LoadOptions,
}

/// A strip or tile.
pub(super) struct Part<'a> {
    name: &'static str,
    index: u64,
    pub(super) bytes: &'a [u8],
    /// The sample that it has of each pixel, if only one.
    plane: Option<usize>,
    /// Where it is in the picture.
    x: u32,
    y: u32,
    /// Rows of pixels, for a tile also those below the picture.
    pub(super) rows: u32,
}

impl Part<'_> {
    /// The error that its data are not as they should be.
    pub(super) fn failed(&self, detail: &str) -> PictureError {
        malformed(format!("{} {}: {detail}", self.name, self.index))
    }
}

impl<'a> Source<'a, '_> {
    pub(super) fn pixels(&self) -> u64 {
        u64::from(self.layout.width) * u64::from(self.layout.height)
    }

    /// The strips or tiles that have something of these samples.
    fn parts(&self, channels: &[usize]) -> impl Iterator<Item = Result<Part<'a>, PictureError>> {
        let strips = self.strips;
        let planes: Vec<Option<usize>> = if self.layout.is_planar {
            let used = (0..self.layout.samples).filter(|plane| channels.contains(plane));
            used.map(Some).collect()
        } else {
            vec![None]
        };
        let places =
            (0..strips.down).flat_map(|down| (0..strips.across).map(move |across| (down, across)));
        planes.into_iter().flat_map(move |plane| {
            places.clone().map(move |(down, across)| {
                let index = strips.index(plane.unwrap_or(0) as u32, down, across);
                Ok(Part {
                    name: strips.name(),
                    index,
                    bytes: strips.bytes(index)?,
                    plane,
                    x: across * strips.width,
                    y: down * strips.height,
                    rows: strips.height_of(down),
                })
            })
        })
    }

    /// Room for so many samples of each pixel, and the bytes that are then taken. `more` will be taken besides.
    fn room<T: Sample>(&self, channels: usize, more: u64) -> Result<(Vec<T>, u64), PictureError> {
        let count = self.pixels().saturating_mul(channels as u64);
        let bytes = count.saturating_mul(size_of::<T>() as u64);
        let held = self.held.saturating_add(bytes);
        memory::check(held.saturating_add(more), self.options.max_memory)?;
        let count = usize::try_from(count).map_err(|_| PictureError::OutOfMemory { bytes })?;
        let mut samples = memory::with_capacity(count)?;
        samples.resize(count, T::default());
        Ok((samples, held))
    }

    /// These samples of each pixel. `more` bytes of memory will be taken besides.
    pub(super) fn fill<T: Sample>(
        &self,
        channels: &[usize],
        more: u64,
        notes: &mut Vec<LoadNote>,
    ) -> Result<Vec<T>, PictureError> {
        let row_samples = self.strips.row_bytes.saturating_mul(8) / u64::from(self.layout.bits);
        let row_memory = row_samples.saturating_mul(size_of::<T>() as u64);
        let row_memory = row_memory.saturating_add(self.strips.row_bytes.saturating_mul(2));
        let more = more.saturating_add(row_memory);
        let (mut samples, held) = self.room::<T>(channels.len(), more)?;
        let mut row = Row::<T>::new(self.layout, self.strips.row_bytes, row_samples)?;
        let mut unpacker = Unpacker::new(self.layout);
        for part in self.parts(channels) {
            let part = part?;
            if self.layout.compression == Compression::Jpeg {
                let strip = jpeg::decode(self, &part, held.saturating_add(more), notes)?;
                let length = strip.width as usize * usize::from(strip.components);
                for (y, packed) in strip.samples.chunks_exact(length.max(1)).enumerate() {
                    row.packing.unpack(packed, &mut row.samples);
                    self.place(&part, y as u32, channels, &row.samples, &mut samples);
                }
                continue;
            }
            let failed = |detail: &str| part.failed(detail);
            let mut packed = unpacker
                .start(part.bytes, self.strips.width)
                .map_err(failed)?;
            for y in 0..part.rows {
                packed.read(&mut row.packed).map_err(failed)?;
                if part.y.saturating_add(y) < self.layout.height {
                    row.unpack();
                    self.place(&part, y, channels, &row.samples, &mut samples);
                }
            }
            packed.finish().map_err(failed)?;
        }
        Ok(samples)
    }

    /// Puts a row of a strip into the picture, as far as it is inside.
    fn place<T: Sample>(
        &self,
        part: &Part,
        y: u32,
        channels: &[usize],
        row: &[T],
        picture: &mut [T],
    ) {
        let layout = self.layout;
        let y = part.y.saturating_add(y);
        if y >= layout.height {
            return;
        }
        let width = layout.width.saturating_sub(part.x).min(self.strips.width) as usize;
        let first = y as usize * layout.width as usize + part.x as usize;
        let range = first * channels.len()..(first + width) * channels.len();
        let Some(target) = picture.get_mut(range) else {
            return;
        };
        if let Some(plane) = part.plane {
            for (at, _) in channels.iter().enumerate().filter(|(_, of)| **of == plane) {
                let samples = target.iter_mut().skip(at).step_by(channels.len());
                for (sample, from) in samples.zip(row) {
                    *sample = *from;
                }
            }
            return;
        }
        if channels.iter().copied().eq(0..layout.samples) {
            if let Some(row) = row.get(..target.len()) {
                target.copy_from_slice(row);
            }
            return;
        }
        let pixels = target.chunks_exact_mut(channels.len());
        for (pixel, from) in pixels.zip(row.chunks_exact(layout.samples)) {
            for (sample, channel) in pixel.iter_mut().zip(channels) {
                *sample = from.get(*channel).copied().unwrap_or_default();
            }
        }
    }

    /// Luminance and its differences where several pixels share those (TIFF 6.0, section 21). Each pixel gets the ones
    /// of its unit, as other readers do it.
    pub(super) fn fill_subsampled(&self) -> Result<Vec<u8>, PictureError> {
        let (layout, strips) = (self.layout, self.strips);
        let [across, down] = layout.subsampling.map(|factor| factor as usize);
        let (mut samples, _) = self.room::<u8>(3, strips.row_bytes)?;
        let mut units = memory::zeroed(strips.row_bytes)?;
        let mut unpacker = Unpacker::new(layout);
        for part in self.parts(&[]) {
            let part = part?;
            let failed = |detail: &str| part.failed(detail);
            let mut packed = unpacker.start(part.bytes, strips.width).map_err(failed)?;
            for first in (0..part.rows).step_by(down) {
                packed.read(&mut units).map_err(failed)?;
                let lights = across * down;
                for (unit, samples_of) in units.chunks_exact(lights + 2).enumerate() {
                    let (light, differences) = samples_of.split_at(lights);
                    for (at, light) in light.iter().enumerate() {
                        let x = part.x as usize + unit * across + at % across;
                        let y = part.y as usize + first as usize + at / across;
                        let is_inside = unit * across + at % across < strips.width as usize
                            && x < layout.width as usize
                            && y < layout.height as usize;
                        let pixel = 3 * (y * layout.width as usize + x);
                        let target = is_inside.then(|| samples.get_mut(pixel..pixel + 3));
                        if let Some(Some(target)) = target {
                            target.copy_from_slice(&[*light, differences[0], differences[1]]);
                        }
                    }
                }
            }
            packed.finish().map_err(failed)?;
        }
        Ok(samples)
    }
}

/// A row of a strip or tile.
struct Row<'a, T> {
    layout: &'a Layout<'a>,
    packed: Vec<u8>,
    scratch: Vec<u8>,
    packing: Packing<T>,
    samples: Vec<T>,
}

impl<'a, T: Sample> Row<'a, T> {
    fn new(layout: &'a Layout, bytes: u64, samples: u64) -> Result<Self, PictureError> {
        let length = usize::try_from(samples);
        let length = length.map_err(|_| PictureError::OutOfMemory { bytes: samples })?;
        let is_float = layout.predictor == Predictor::Float;
        let order = if is_float {
            Order::Big
        } else {
            layout.directory.file.order
        };
        Ok(Self {
            layout,
            packed: memory::zeroed(bytes)?,
            scratch: if is_float {
                memory::zeroed(bytes)?
            } else {
                Vec::new()
            },
            packing: Packing::new(layout.bits, layout.is_float, order),
            samples: memory::with_capacity(length)?,
        })
    }

    fn unpack(&mut self) {
        let layout = self.layout;
        let bytes = layout.bits as usize / 8;
        let stride = if layout.is_planar { 1 } else { layout.samples };
        match layout.predictor {
            Predictor::None => {}
            Predictor::Horizontal => {
                let order = layout.directory.file.order;
                predictor::horizontal(&mut self.packed, bytes, stride, order);
            }
            Predictor::Float => {
                predictor::float(&mut self.packed, bytes, stride, &mut self.scratch);
            }
        }
        self.packing.unpack(&self.packed, &mut self.samples);
    }
}
