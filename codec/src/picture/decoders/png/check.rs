//! Whether a PNG file is all there and undamaged. Its decoder stops at the last pixel, before the checksum of the pixels and
//! the end of the file, and takes what it finds there as right.

use fdeflate::{DecompressionError, Decompressor};

use super::{SIGNATURE, walk};
use crate::picture::{PictureError, PictureFormat};

/// The longest distance that compressed data refer back (PNG, section 10.1), in bytes.
const WINDOW: usize = 32 << 10;
/// Bytes that are decompressed at once.
const ROOM: usize = 64 << 10;

/// Refuses what a strict reader refuses: a file that ends before its end mark, wrong checksums of chunks that are needed,
/// pixels that end early or have a wrong checksum.
///
/// # Errors
/// [`PictureError::Truncated`], [`PictureError::Malformed`].
pub(in crate::picture::decoders) fn check(png: &[u8]) -> Result<(), PictureError> {
    let mut at = SIGNATURE.len();
    let mut pixels = Pixels::new(png);
    for chunk in walk(png) {
        at += 12 + chunk.body.len();
        if chunk.crc.is_none() {
            break;
        }
        // Chunks with a small first letter can be done without (section 5.4).
        let needed = chunk.kind[0] & 0x20 == 0;
        if needed && !chunk.is_intact() {
            let kind = String::from_utf8_lossy(chunk.kind);
            let kind = kind.escape_debug();
            return Err(malformed(format!(
                "the checksum of its chunk {kind} is wrong"
            )));
        }
        match chunk.kind {
            b"IDAT" => pixels.add(chunk.body)?,
            b"IEND" => return pixels.end(),
            _ => {}
        }
    }
    Err(truncated(match at < png.len() {
        true => format!("a chunk goes beyond its {} bytes", png.len()),
        false => format!("no end mark in {} bytes", png.len()),
    }))
}

fn malformed(detail: String) -> PictureError {
    PictureError::Malformed {
        format: PictureFormat::Png.name(),
        detail,
    }
}

fn truncated(detail: String) -> PictureError {
    PictureError::Truncated {
        format: PictureFormat::Png.name(),
        detail,
    }
}

/// The compressed pixels.
struct Pixels {
    decompressor: Decompressor,
    room: Vec<u8>,
    /// Bytes of `room` that are filled.
    filled: usize,
    total: u64,
    needed: u64,
}

impl Pixels {
    fn new(png: &[u8]) -> Self {
        Self {
            decompressor: Decompressor::new(),
            room: vec![0; WINDOW + ROOM],
            filled: 0,
            total: 0,
            needed: needed(png),
        }
    }

    /// Whether nothing more needs to be looked at. Data that go on behind the last pixel are ignored, as by all readers.
    fn is_over(&self) -> bool {
        self.decompressor.is_done() || self.total > self.needed
    }

    fn add(&mut self, mut data: &[u8]) -> Result<(), PictureError> {
        while !self.is_over() {
            let wrong = |error| {
                malformed(match error {
                    DecompressionError::WrongChecksum => {
                        "the checksum of its pixels is wrong".to_owned()
                    }
                    _ => "its compressed pixels are damaged".to_owned(),
                })
            };
            let read = self
                .decompressor
                .read(data, &mut self.room, self.filled, false);
            let (taken, made) = read.map_err(wrong)?;
            data = data.get(taken..).unwrap_or_default();
            self.filled += made;
            self.total += made as u64;
            if self.filled == self.room.len() {
                self.room.copy_within(ROOM.., 0);
                self.filled = WINDOW;
            } else if data.is_empty() {
                break;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), PictureError> {
        self.add(&[])?;
        if self.total < self.needed || !self.is_over() {
            return Err(truncated("its pixels end early".to_owned()));
        }
        Ok(())
    }
}

/// Bytes of the rows with their filters, before compression; 0 where the header is wrong, which the decoder reports.
fn needed(png: &[u8]) -> u64 {
    let header = walk(png).next().filter(|chunk| chunk.kind == b"IHDR");
    let Some(
        [
            w0,
            w1,
            w2,
            w3,
            h0,
            h1,
            h2,
            h3,
            depth,
            color,
            _,
            _,
            interlaced,
            ..,
        ],
    ) = header.map(|chunk| chunk.body)
    else {
        return 0;
    };
    let width = u32::from_be_bytes([*w0, *w1, *w2, *w3]);
    let height = u32::from_be_bytes([*h0, *h1, *h2, *h3]);
    let samples = match color {
        0 | 3 => 1,
        4 => 2,
        2 => 3,
        6 => 4,
        _ => return 0,
    };
    let bits = samples * u64::from(*depth);
    let rows = |width: u32, height: u32| match (width, height) {
        (0, _) | (_, 0) => 0,
        _ => {
            let row = (u64::from(width).saturating_mul(bits)).div_ceil(8) + 1;
            row.saturating_mul(u64::from(height))
        }
    };
    if *interlaced == 0 {
        return rows(width, height);
    }
    // The passes (section 8.2): the first column and row, and the steps to the next.
    const PASSES: [[u32; 4]; 7] = [
        [0, 0, 8, 8],
        [4, 0, 8, 8],
        [0, 4, 4, 8],
        [2, 0, 4, 4],
        [0, 2, 2, 4],
        [1, 0, 2, 2],
        [0, 1, 1, 2],
    ];
    let passes = PASSES.map(|[x, y, across, down]| {
        let width = width.saturating_sub(x).div_ceil(across);
        rows(width, height.saturating_sub(y).div_ceil(down))
    });
    passes.into_iter().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::decoders::png::{chunk, file};
    use crate::picture::fixtures;

    const NAMES: [&str; 8] = [
        "small.png",
        "one.png",
        "rgba16.png",
        "grey16.png",
        "bilevel.png",
        "palette.png",
        "animated.png",
        "orientation8.png",
    ];

    #[test]
    fn whole_files_pass_and_cut_ones_are_truncated() {
        for name in NAMES {
            let png = fixtures::bytes(name);
            check(&png).unwrap_or_else(|error| panic!("{name}: {error}"));
            for cut in SIGNATURE.len()..png.len() {
                let found = check(&png[..cut]);
                let cut_found = matches!(found, Err(PictureError::Truncated { .. }));
                assert!(cut_found, "{name} cut to {cut}: {found:?}");
            }
        }
    }

    /// A grey picture with these compressed pixels.
    fn with_pixels(height: u8, pixels: &[&[u8]]) -> Vec<u8> {
        let header = chunk(b"IHDR", &[0, 0, 0, 3, 0, 0, 0, height, 8, 0, 0, 0, 0]);
        let pixels = pixels.iter().map(|data| chunk(b"IDAT", data));
        let chunks = [header]
            .into_iter()
            .chain(pixels)
            .chain([chunk(b"IEND", b"")]);
        file(&chunks.collect::<Vec<_>>())
    }

    #[test]
    fn checksums_and_missing_pixels_are_found() {
        let rows = [0, 1, 2, 3, 0, 4, 5, 6];
        let good = fdeflate::compress_to_vec(&rows);
        for at in 0..good.len() {
            let (front, back) = good.split_at(at);
            check(&with_pixels(2, &[front, back])).unwrap();
            check(&with_pixels(2, &[front, b"", back, b"more"])).unwrap();
            let early = check(&with_pixels(2, &[front]));
            assert!(
                matches!(early, Err(PictureError::Truncated { .. })),
                "{at}: {early:?}"
            );
        }
        let early = check(&with_pixels(3, &[&good]));
        assert!(
            matches!(early, Err(PictureError::Truncated { .. })),
            "{early:?}"
        );
        // The checksum of the pixels, under a right one of the chunk.
        let mut wrong = good.clone();
        *wrong.last_mut().unwrap() ^= 1;
        let found = check(&with_pixels(2, &[&wrong])).unwrap_err();
        assert!(matches!(found, PictureError::Malformed { .. }), "{found}");
        // More rows than there are, also very many, are no damage.
        check(&with_pixels(1, &[&good])).unwrap();
        let bomb = fdeflate::compress_to_vec(&vec![0; 30 << 20]);
        check(&with_pixels(1, &[&bomb])).unwrap();
        let large: Vec<u8> = (0..3_000_000_u32).map(|n| ((n * n) >> 7) as u8).collect();
        check(&with_pixels(
            200,
            &[&fdeflate::compress_to_vec(&large[..800])],
        ))
        .unwrap();
    }

    #[test]
    fn every_flipped_bit_of_the_pixels_is_found() {
        let png = fixtures::bytes("small.png");
        let start = png.windows(4).position(|kind| kind == b"IDAT").unwrap();
        for at in start + 4..png.len() - 12 {
            let mut damaged = png.clone();
            damaged[at] ^= 1 << (at % 8);
            let found = check(&damaged);
            assert!(
                matches!(found, Err(PictureError::Malformed { .. })),
                "{at}: {found:?}"
            );
        }
    }
}
