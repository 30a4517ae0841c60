//! What a directory says of its samples: size, depth, meaning, and how they are packed (TIFF 6.0, parts 1 to 3).

use super::directory::{Directory, Field};
use super::tag::{self, compression, photometric};
use super::{malformed, unsupported};
use crate::picture::PictureError;

/// How strips and tiles are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    /// CCITT modified Huffman: rows of runs, each from a byte on.
    Huffman,
    /// ITU-T T.4.
    Group3 {
        two_dimensional: bool,
    },
    /// ITU-T T.6.
    Group4,
    Lzw,
    Deflate,
    PackBits,
    Jpeg,
}

/// What was done to the samples before they were compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    /// Each sample is the difference to the one left of it.
    Horizontal,
    /// As that, of the bytes of floats, in order of their weight.
    Float,
}

/// What the samples of a pixel mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Grey { white_is_zero: bool },
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
}

impl Meaning {
    /// Samples of a pixel without the extra ones.
    pub(super) fn samples(self) -> usize {
        match self {
            Self::Grey { .. } | Self::Palette => 1,
            Self::Rgb | Self::YCbCr => 3,
            Self::Cmyk => 4,
        }
    }
}

/// What the sample of a pixel's opacity is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alpha {
    /// The others are multiplied by it.
    Associated,
    Unassociated,
    /// Nothing says what the only extra sample is.
    Likely,
}

/// What is known of a picture before its data are read.
#[derive(Debug, Clone)]
pub(super) struct Layout<'a> {
    pub(super) directory: Directory<'a>,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bits of a sample, 1 to 64.
    pub(super) bits: u32,
    /// Samples of a pixel, with those that are not used.
    pub(super) samples: usize,
    pub(super) is_float: bool,
    pub(super) meaning: Meaning,
    /// Which sample is the opacity.
    pub(super) alpha: Option<(usize, Alpha)>,
    pub(super) compression: Compression,
    pub(super) predictor: Predictor,
    /// Each sample has strips or tiles of its own.
    pub(super) is_planar: bool,
    /// The first pixel of a byte has its lowest bits.
    pub(super) is_reversed: bool,
    /// Pixels of a sample of Cb and Cr, across and down.
    pub(super) subsampling: [u32; 2],
}

impl<'a> Layout<'a> {
    /// Reads a directory.
    ///
    /// # Errors
    /// It contradicts itself, or has a feature that is not read, by name.
    pub(super) fn new(directory: Directory<'a>) -> Result<Self, PictureError> {
        let side = |tag, name| {
            let side = directory.required(tag, name)?;
            u32::try_from(side).map_err(|_| malformed(format!("its {name} is {side}")))
        };
        let width = side(tag::WIDTH, "ImageWidth")?;
        let height = side(tag::HEIGHT, "ImageLength")?;
        let compression = compression_of(&directory)?;
        let bits = bits(&directory)?;
        let meaning = meaning(&directory, compression)?;
        let samples = match directory.number(tag::SAMPLES)? {
            Some(samples @ 1..=0xffff) => samples as usize,
            Some(samples) => return Err(malformed(format!("it has {samples} samples per pixel"))),
            None => meaning.samples(),
        };
        let is_planar = match directory.number(tag::PLANAR)?.unwrap_or(1) {
            1 => false,
            2 => samples > 1,
            planar => return Err(malformed(format!("its PlanarConfiguration is {planar}"))),
        };
        let is_reversed = match directory.number(tag::FILL_ORDER)?.unwrap_or(1) {
            1 => false,
            2 => true,
            order => return Err(malformed(format!("its FillOrder is {order}"))),
        };
        let layout = Self {
            directory,
            width,
            height,
            bits,
            samples,
            is_float: is_float(&directory, bits)?,
            meaning,
            alpha: alpha(&directory, meaning, samples)?,
            compression,
            predictor: predictor(&directory, compression)?,
            is_planar,
            is_reversed,
            subsampling: match meaning {
                Meaning::YCbCr => subsampling(&directory)?,
                _ => [1, 1],
            },
        };
        layout.check()?;
        Ok(layout)
    }

    /// Refuses combinations that are not read.
    fn check(&self) -> Result<(), PictureError> {
        let Self { bits, samples, .. } = *self;
        let is_fax = matches!(
            self.compression,
            Compression::Huffman | Compression::Group3 { .. } | Compression::Group4
        );
        if is_fax && (bits, samples) != (1, 1) {
            return Err(malformed(format!(
                "fax data of {samples} samples of {bits} bits, not of one of one"
            )));
        }
        if self.compression == Compression::Jpeg && (bits != 8 || self.is_float) {
            return Err(unsupported(format!("JPEG data of {bits} bits")));
        }
        match self.predictor {
            Predictor::Horizontal if !matches!(bits, 8 | 16 | 32 | 64) => {
                return Err(unsupported(format!(
                    "differences of samples of {bits} bits"
                )));
            }
            Predictor::Float if !self.is_float => {
                return Err(malformed("differences of floats, but its samples are none"));
            }
            _ => {}
        }
        match self.meaning {
            Meaning::Palette if bits > 16 || self.is_float => {
                return Err(unsupported(format!(
                    "a palette with indices of {bits} bits"
                )));
            }
            Meaning::YCbCr if bits != 8 || self.is_float => {
                return Err(unsupported(format!("YCbCr colours of {bits} bits")));
            }
            _ => {}
        }
        if self.is_subsampled() {
            if self.is_planar {
                return Err(unsupported("subsampled colours in planes of their own"));
            }
            if samples != 3 {
                return Err(unsupported("subsampled colours with extra samples"));
            }
            if self.predictor != Predictor::None {
                return Err(unsupported("differences of subsampled colours"));
            }
        }
        Ok(())
    }

    /// Whether the samples come in units of several pixels.
    pub(super) fn is_subsampled(&self) -> bool {
        self.subsampling != [1, 1] && self.compression != Compression::Jpeg
    }
}

fn compression_of(directory: &Directory) -> Result<Compression, PictureError> {
    const TWO_DIMENSIONAL: u64 = 1;
    const UNCOMPRESSED: u64 = 2;
    let options = |tag| {
        let options = directory.number(tag)?.unwrap_or(0);
        if options & UNCOMPRESSED != 0 {
            return Err(unsupported("fax data with uncompressed parts"));
        }
        Ok(options)
    };
    let number = directory.number(tag::COMPRESSION)?.unwrap_or(1);
    Ok(match number {
        compression::NONE => Compression::None,
        compression::HUFFMAN => Compression::Huffman,
        compression::GROUP_3 => Compression::Group3 {
            two_dimensional: options(tag::T4_OPTIONS)? & TWO_DIMENSIONAL != 0,
        },
        compression::GROUP_4 => {
            options(tag::T6_OPTIONS)?;
            Compression::Group4
        }
        compression::LZW => Compression::Lzw,
        compression::JPEG => Compression::Jpeg,
        compression::DEFLATE | compression::OLD_DEFLATE => Compression::Deflate,
        compression::PACK_BITS => Compression::PackBits,
        number => {
            return Err(match compression::name(number) {
                Some(name) => unsupported(format!("{name} compression")),
                None => unsupported(format!("compression number {number}")),
            });
        }
    })
}

/// The one depth of all samples.
fn bits(directory: &Directory) -> Result<u32, PictureError> {
    let Some(field) = directory.find(tag::BITS)? else {
        return Ok(1);
    };
    let bits = same(&field, "different depths")?;
    match u32::try_from(bits) {
        Ok(bits @ 1..=64) => Ok(bits),
        _ => Err(malformed(format!("its samples have {bits} bits"))),
    }
}

/// The one value of a field that has it for each sample.
fn same(field: &Field, otherwise: &str) -> Result<u64, PictureError> {
    let value = field.uint(0).ok_or_else(|| field.odd())?;
    if field.uints().any(|other| other != Some(value)) {
        return Err(unsupported(format!("samples of {otherwise}")));
    }
    Ok(value)
}

fn is_float(directory: &Directory, bits: u32) -> Result<bool, PictureError> {
    let Some(field) = directory.find(tag::SAMPLE_FORMAT)? else {
        return Ok(false);
    };
    match same(&field, "different formats")? {
        // 4 says nothing.
        1 | 4 => Ok(false),
        2 => Err(unsupported("signed integers")),
        3 if matches!(bits, 16 | 32 | 64) => Ok(true),
        3 => Err(unsupported(format!("floats of {bits} bits"))),
        5 | 6 => Err(unsupported("complex samples")),
        format => Err(malformed(format!("its SampleFormat is {format}"))),
    }
}

fn meaning(directory: &Directory, compression: Compression) -> Result<Meaning, PictureError> {
    let number = match directory.number(tag::PHOTOMETRIC)? {
        Some(number) => number,
        // As other readers guess it.
        None => match (compression, directory.number(tag::SAMPLES)?) {
            (Compression::Huffman | Compression::Group3 { .. } | Compression::Group4, _) => 0,
            (_, None | Some(1 | 2)) => 1,
            _ => 2,
        },
    };
    Ok(match number {
        photometric::WHITE_IS_ZERO | photometric::BLACK_IS_ZERO => Meaning::Grey {
            white_is_zero: number == photometric::WHITE_IS_ZERO,
        },
        photometric::RGB => Meaning::Rgb,
        photometric::PALETTE => Meaning::Palette,
        photometric::SEPARATED => match directory.number(tag::INK_SET)?.unwrap_or(1) {
            1 => Meaning::Cmyk,
            _ => {
                return Err(unsupported(
                    "inks other than cyan, magenta, yellow and black",
                ));
            }
        },
        photometric::YCBCR => Meaning::YCbCr,
        number => {
            return Err(match photometric::name(number) {
                Some(name) => unsupported(name),
                None => unsupported(format!("photometric interpretation {number}")),
            });
        }
    })
}

/// Which sample is the opacity: the first that is said to be, or the only extra one if nothing is said of it, which is
/// what other readers make of it.
fn alpha(
    directory: &Directory,
    meaning: Meaning,
    samples: usize,
) -> Result<Option<(usize, Alpha)>, PictureError> {
    let colors = meaning.samples();
    let field = directory.find(tag::EXTRA_SAMPLES)?;
    let said = field.map_or(0, |field| field.len());
    let Some(extra) = samples.checked_sub(colors).filter(|extra| said <= *extra) else {
        return Err(malformed(format!(
            "{samples} samples per pixel, {said} of them extra, but its colours have {colors}"
        )));
    };
    for index in 0..said {
        match field.and_then(|field| field.uint(index)) {
            Some(1) => return Ok(Some((colors + index, Alpha::Associated))),
            Some(2) => return Ok(Some((colors + index, Alpha::Unassociated))),
            Some(_) => {}
            None => return Err(malformed("its ExtraSamples are no numbers")),
        }
    }
    // More inks are common, and no opacity.
    let likely = extra == 1 && meaning != Meaning::Cmyk;
    Ok(likely.then_some((colors, Alpha::Likely)))
}

/// Only these two compressions have predictors; other readers ignore the field elsewhere.
fn predictor(directory: &Directory, compression: Compression) -> Result<Predictor, PictureError> {
    if !matches!(compression, Compression::Lzw | Compression::Deflate) {
        return Ok(Predictor::None);
    }
    match directory.number(tag::PREDICTOR)?.unwrap_or(1) {
        1 => Ok(Predictor::None),
        2 => Ok(Predictor::Horizontal),
        3 => Ok(Predictor::Float),
        predictor => Err(unsupported(format!("predictor {predictor}"))),
    }
}

fn subsampling(directory: &Directory) -> Result<[u32; 2], PictureError> {
    let Some(field) = directory.find(tag::SUBSAMPLING)? else {
        return Ok([2, 2]);
    };
    let factor = |index| match field.uint(index) {
        Some(factor @ (1 | 2 | 4)) => Ok(factor as u32),
        _ => Err(malformed("its YCbCrSubSampling is not of 1, 2 and 4")),
    };
    Ok([factor(0)?, factor(1)?])
}
