//! From bytes to coefficients to pictures.

use alloc::vec::Vec;

use flextok_container::{CodedCanvas, Fingerprint, TablesName, TokenFile};
use flextok_tokens::{Band, Decoder, Grid, Tables};

use crate::canvas::{grid_of, memory, pixels_of};
use crate::lot::{LappedTransform, Source};
use crate::resample::{Kernel, resampled};
use crate::{Error, Size};

/// Fingerprint of the tables that files name by number 1.
const BUILTIN: [u8; 4] = [0x1d, 0xfb, 0x3c, 0x26];

/// Bounds on what a file may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bounds on the file's structure.
    pub container: flextok_container::Limits,
    /// Most pixels of a picture (default 2^27).
    pub pixels: u64,
    /// Most bytes of memory for the canvas, beside the file and the picture (default 1 GiB).
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            container: flextok_container::Limits::default(),
            pixels: 1 << 27,
            memory: 1 << 30,
        }
    }
}

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// `[height, width, 3]` samples in sRGB.
    pub rgb: Vec<u8>,
    /// Size in pixels: that of the original.
    pub size: Size,
}

/// The plain picture of a file, whole or cut.
///
/// # Errors
/// [`Error`]; a cut file is none once a byte of its payload is there.
pub fn decode(tables: &Tables, file: &[u8], limits: &Limits) -> Result<Picture, Error> {
    let file = TokenFile::parse_with(file, &limits.container)?;
    decode_file(tables, &file, limits)
}

/// [`decode`] of a file that has been parsed.
///
/// # Errors
/// As [`decode`].
pub fn decode_file(tables: &Tables, file: &TokenFile, limits: &Limits) -> Result<Picture, Error> {
    let header = file.header();
    let coded = header.as_coded().ok_or(Error::TokenIds)?;
    let expected = name_of(tables);
    if coded.tables != expected {
        let found = coded.tables;
        return Err(Error::OtherTables { found, expected });
    }
    if file.payload().is_empty() {
        let total = header.payload_bytes();
        return Err(Error::NoPayload { total });
    }
    let (size, grid) = (header.size(), grid_of(header.size(), coded.canvas)?);
    check("number of pixels", size.area(), limits.pixels)?;
    check("memory for the canvas", memory(grid), limits.memory)?;
    let rgb = canvas_of(tables, grid, file.payload())?;
    let rgb = fitted(rgb, grid, size, coded.canvas)?;
    Ok(Picture { rgb, size })
}

fn check(what: &'static str, actual: u64, allowed: u64) -> Result<(), Error> {
    if actual > allowed {
        return Err(Error::Limit {
            what,
            actual,
            allowed,
        });
    }
    Ok(())
}

/// What files name tables by.
#[must_use]
pub fn name_of(tables: &Tables) -> TablesName {
    match tables.fingerprint() {
        BUILTIN => TablesName::BUILTIN,
        other => TablesName::Model(Fingerprint(other)),
    }
}

/// All digits that the bytes determine.
///
/// # Errors
/// [`Error::Coefficients`] if memory is exhausted.
pub fn digits(tables: &Tables, grid: Grid, payload: &[u8]) -> Result<Decoder, Error> {
    let mut decoder = Decoder::new(tables, grid)?;
    decoder.feed(payload)?;
    Ok(decoder)
}

/// The canvas that the bytes determine, `[height, width, 3]` samples from 0 to 255.
///
/// # Errors
/// [`Error::Coefficients`] or [`Error::OutOfMemory`] if memory is exhausted.
pub fn canvas_of(tables: &Tables, grid: Grid, payload: &[u8]) -> Result<Vec<u8>, Error> {
    let decoder = digits(tables, grid, payload)?;
    let transform = LappedTransform::new(grid.rows(), grid.columns());
    transform.to_rgb(&Digits::new(&decoder, grid))
}

/// The canvas in the picture's size: without what was repeated to fill the last blocks, or resampled (Catmull-Rom with
/// antialiasing, which the model was made with).
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn fitted(rgb: Vec<u8>, grid: Grid, size: Size, canvas: CodedCanvas) -> Result<Vec<u8>, Error> {
    let own = pixels_of(grid);
    match canvas {
        _ if own == size => Ok(rgb),
        CodedCanvas::Own => Ok(cropped(rgb, own, size)),
        CodedCanvas::Long(_) => resampled(&rgb, own, size, Kernel::CatmullRom),
    }
}

/// The upper left part, moved to the front of its own memory.
fn cropped(mut samples: Vec<u8>, from: Size, to: Size) -> Vec<u8> {
    let [from, row] = [from, to].map(|size| 3 * size.width as usize);
    for y in 0..to.height as usize {
        samples.copy_within(y * from..y * from + row, y * row);
    }
    samples.truncate(row * to.height as usize);
    samples
}

/// The coefficients that a decoder has so far, for [`LappedTransform`].
#[derive(Debug, Clone, Copy)]
pub struct Digits<'a> {
    decoder: &'a Decoder,
    columns: usize,
}

impl<'a> Digits<'a> {
    /// Those of a decoder for this grid.
    #[must_use]
    pub fn new(decoder: &'a Decoder, grid: Grid) -> Self {
        Self {
            decoder,
            columns: grid.columns(),
        }
    }

    fn band(&self, colour: usize, (u, v): (usize, usize), row: usize, values: &mut [f32]) {
        if let Some(band) = Band::new(colour, u, v) {
            self.decoder.read(band, row * self.columns, values);
        }
    }
}

impl Source for Digits<'_> {
    fn read(&self, colour: usize, row: usize, values: &mut [f32]) {
        for (index, values) in values.chunks_exact_mut(self.columns).enumerate() {
            self.band(colour, (index % 32, index / 32), row, values);
        }
    }

    fn read_means(&self, colour: usize, row: usize, values: &mut [f32]) {
        self.band(colour, (0, 0), row, values);
    }
}
