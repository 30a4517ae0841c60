//! The rows of a strip or tile out of its compressed bytes, one after the other.

use flate2::{Decompress, FlushDecompress, Status};
use weezl::decode::{Configuration, Decoder};
use weezl::{BitOrder, LzwStatus};

use super::fax::{Damaged, Fax};
use super::layout::{Compression, Layout};

/// How many bytes with reversed bits are turned at a time.
const TURNED: usize = 256;
/// How far the end of compressed data is looked for after the last row.
const MOST_SURPLUS: usize = 1 << 16;

/// The decoders that are kept from strip to strip.
pub(super) struct Unpacker {
    compression: Compression,
    is_reversed: bool,
    lzw: Option<Decoder>,
    deflate: Option<Decompress>,
}

/// A strip or tile that is being unpacked. Errors say what is wrong with its data.
pub(super) struct Rows<'a, 'u> {
    data: Input<'a>,
    codec: Codec<'a, 'u>,
}

enum Codec<'a, 'u> {
    Copy,
    Lzw(&'u mut Decoder),
    Deflate(&'u mut Decompress),
    PackBits(Run),
    Fax(Fax<'a>),
}

/// What is left of a run of bytes.
enum Run {
    Literal(usize),
    Repeated(u8, usize),
}

const EARLY: &str = "its data end early";

impl Unpacker {
    pub(super) fn new(layout: &Layout) -> Self {
        let lzw = || {
            Configuration::with_tiff_size_switch(BitOrder::Msb, 8)
                .with_yield_on_full_buffer(true)
                .build()
        };
        let compression = layout.compression;
        Self {
            compression,
            is_reversed: layout.is_reversed,
            lzw: (compression == Compression::Lzw).then(lzw),
            deflate: (compression == Compression::Deflate).then(|| Decompress::new(true)),
        }
    }

    /// Begins with the data of a strip or tile of this width.
    pub(super) fn start<'a>(
        &mut self,
        data: &'a [u8],
        width: u32,
    ) -> Result<Rows<'a, '_>, &'static str> {
        let mut input = Input {
            rest: data,
            is_reversed: self.is_reversed,
            turned: [0; TURNED],
        };
        let codec = match self.compression {
            Compression::Lzw => {
                // Codes in the other order of bits begin with that of 256.
                if let [0, second, ..] = *input.next()
                    && second & 1 == 1
                {
                    return Err(
                        "it uses LZW as before TIFF 6.0, which is not supported; save it again",
                    );
                }
                let decoder = self.lzw.as_mut().ok_or(EARLY)?;
                decoder.reset();
                Codec::Lzw(decoder)
            }
            Compression::Deflate => {
                let decoder = self.deflate.as_mut().ok_or(EARLY)?;
                decoder.reset(true);
                Codec::Deflate(decoder)
            }
            Compression::PackBits => Codec::PackBits(Run::Literal(0)),
            Compression::None | Compression::Jpeg => Codec::Copy,
            fax => Codec::Fax(Fax::new(data, width, fax, self.is_reversed)),
        };
        Ok(Rows { data: input, codec })
    }
}

impl Rows<'_, '_> {
    /// Fills `row` with the next bytes.
    pub(super) fn read(&mut self, row: &mut [u8]) -> Result<(), &'static str> {
        match &mut self.codec {
            Codec::Copy => self.data.copy(row),
            Codec::Lzw(decoder) => lzw(decoder, &mut self.data, row),
            Codec::Deflate(decoder) => match deflate(decoder, &mut self.data, row)? {
                filled if filled == row.len() => Ok(()),
                _ => Err(EARLY),
            },
            Codec::PackBits(run) => pack_bits(run, &mut self.data, row),
            Codec::Fax(fax) => fax
                .read(row)
                .map_err(|Damaged| "its fax data are damaged or end early"),
        }
    }

    /// Checks what follows the last row: the sum of the data, where there is one.
    pub(super) fn finish(mut self) -> Result<(), &'static str> {
        let Codec::Deflate(decoder) = &mut self.codec else {
            return Ok(());
        };
        let mut surplus = [0; 256];
        for _ in 0..MOST_SURPLUS / surplus.len() {
            if deflate(decoder, &mut self.data, &mut surplus)? < surplus.len() {
                break;
            }
        }
        Ok(())
    }
}

/// Bytes of which some have been used.
struct Input<'a> {
    rest: &'a [u8],
    is_reversed: bool,
    turned: [u8; TURNED],
}

impl Input<'_> {
    /// Some of the next bytes; none at the end.
    fn next(&mut self) -> &[u8] {
        if !self.is_reversed {
            return self.rest;
        }
        let length = self.rest.len().min(TURNED);
        for (turned, byte) in self.turned.iter_mut().zip(self.rest) {
            *turned = byte.reverse_bits();
        }
        &self.turned[..length]
    }

    fn advance(&mut self, by: usize) {
        self.rest = self.rest.get(by..).unwrap_or_default();
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(if self.is_reversed {
            byte.reverse_bits()
        } else {
            *byte
        })
    }

    fn copy(&mut self, target: &mut [u8]) -> Result<(), &'static str> {
        let (bytes, rest) = self.rest.split_at_checked(target.len()).ok_or(EARLY)?;
        target.copy_from_slice(bytes);
        if self.is_reversed {
            for byte in target {
                *byte = byte.reverse_bits();
            }
        }
        self.rest = rest;
        Ok(())
    }
}

fn lzw(decoder: &mut Decoder, data: &mut Input, row: &mut [u8]) -> Result<(), &'static str> {
    // Codes that the decoder holds take no input, and give no output if they only clear its table.
    const MOST_IDLE: usize = 16;
    let (mut filled, mut idle) = (0, 0);
    while let Some(target) = row.get_mut(filled..).filter(|target| !target.is_empty()) {
        let result = decoder.decode_bytes(data.next(), target);
        data.advance(result.consumed_in);
        filled += result.consumed_out;
        match result.status {
            Ok(LzwStatus::Ok | LzwStatus::NoProgress) => {}
            // The end code may stand right after the last byte.
            Ok(LzwStatus::Done) if filled == row.len() => {}
            Ok(_) => return Err(EARLY),
            Err(_) => return Err("its LZW data are damaged"),
        }
        if result.consumed_in == 0 && result.consumed_out == 0 {
            idle += 1;
            if idle > MOST_IDLE {
                return Err(EARLY);
            }
        } else {
            idle = 0;
        }
    }
    Ok(())
}

/// How many bytes of `row` could be filled before the data ended as they should.
fn deflate(
    decoder: &mut Decompress,
    data: &mut Input,
    row: &mut [u8],
) -> Result<usize, &'static str> {
    let mut filled = 0;
    while let Some(target) = row.get_mut(filled..).filter(|target| !target.is_empty()) {
        let before = (decoder.total_in(), decoder.total_out());
        let status = decoder
            .decompress(data.next(), target, FlushDecompress::None)
            .map_err(|_| "its Deflate data are damaged")?;
        let used = decoder.total_in() - before.0;
        let made = decoder.total_out() - before.1;
        data.advance(used as usize);
        filled += made as usize;
        if status == Status::StreamEnd {
            break;
        }
        if used == 0 && made == 0 {
            return Err(EARLY);
        }
    }
    Ok(filled)
}

/// TIFF 6.0, section 9.
fn pack_bits(run: &mut Run, data: &mut Input, row: &mut [u8]) -> Result<(), &'static str> {
    let mut rest = row;
    while !rest.is_empty() {
        match run {
            Run::Literal(0) | Run::Repeated(_, 0) => {
                *run = match data.byte().ok_or(EARLY)? {
                    length @ 0..=127 => Run::Literal(usize::from(length) + 1),
                    128 => Run::Literal(0),
                    length => Run::Repeated(data.byte().ok_or(EARLY)?, 257 - usize::from(length)),
                };
            }
            Run::Literal(left) => {
                let (target, after) = rest.split_at_mut((*left).min(rest.len()));
                data.copy(target)?;
                *left -= target.len();
                rest = after;
            }
            Run::Repeated(byte, left) => {
                let (target, after) = rest.split_at_mut((*left).min(rest.len()));
                target.fill(*byte);
                *left -= target.len();
                rest = after;
            }
        }
    }
    Ok(())
}
