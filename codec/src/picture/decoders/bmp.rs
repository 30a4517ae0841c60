//! What the header of a BMP file says of its colours (BITMAPV4HEADER and BITMAPV5HEADER of the Windows GDI), and whether its
//! packed pixels have their end mark.

use super::{Blocks, Calibration};
use crate::picture::memory;

/// Where the second header begins.
const HEADER: usize = 14;
/// Its lengths from which on it tells of colours, and has a profile.
const V4: u32 = 108;
const V5: u32 = 124;

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// The profile or the calibration. Everything else that a file may say means sRGB, or cannot be followed.
pub(super) fn blocks(bmp: &[u8]) -> Blocks {
    let mut blocks = Blocks::default();
    let length = number(bmp, HEADER).unwrap_or(0);
    if length < V4 {
        return blocks;
    }
    match number(bmp, HEADER + 56).map(u32::to_be_bytes).as_ref() {
        Some([0, 0, 0, 0]) => blocks.calibration = calibration(bmp),
        // A profile that is not there is one that cannot be read.
        Some(b"MBED") if length >= V5 => blocks.icc = Some(profile(bmp).unwrap_or_default()),
        _ => {}
    }
    blocks
}

/// Three colours with 30 binary digits behind the point, and three exponents with 16. Files that do not know them have zeros.
fn calibration(bmp: &[u8]) -> Option<Calibration> {
    let color = |at: usize| {
        let [x, y, z] = [0, 4, 8].map(|part| number(bmp, HEADER + at + part).map(f64::from));
        let (x, y, z) = (x?, y?, z?);
        let sum = x + y + z;
        (sum > 0.0).then(|| [x / sum, y / sum])
    };
    // White has no place in the header; all readers take it as that of sRGB.
    const WHITE: [f64; 2] = [0.3127, 0.3290];
    let chromaticities = match [60, 72, 84].map(color) {
        [Some(red), Some(green), Some(blue)] => Some([WHITE, red, green, blue]),
        _ => None,
    };
    // The exponents of the three are equal in files that have any; green is most of the light.
    let exponent = number(bmp, HEADER + 100).map(|exponent| f64::from(exponent) / 65536.0);
    let gamma = exponent
        .filter(|&exponent| exponent > 0.0)
        .map(|exponent| 1.0 / exponent);
    (chromaticities.is_some() || gamma.is_some()).then_some(Calibration {
        chromaticities,
        gamma,
    })
}

fn profile(bmp: &[u8]) -> Option<Vec<u8>> {
    let start = usize::try_from(number(bmp, HEADER + 112)?).ok()?;
    let length = usize::try_from(number(bmp, HEADER + 116)?).ok()?;
    let profile = bmp.get(HEADER + start..)?.get(..length)?;
    (length as u64 <= memory::METADATA).then(|| profile.to_vec())
}

/// Whether packed pixels lack their end mark. Those that are not packed have none.
pub(super) fn lacks_end(bmp: &[u8]) -> bool {
    let four_bits = match number(bmp, HEADER + 16) {
        Some(1) => false,
        Some(2) => true,
        _ => return false,
    };
    let start = number(bmp, 10).and_then(|at| usize::try_from(at).ok());
    let mut rest = start.and_then(|at| bmp.get(at..)).unwrap_or_default();
    while let Some(([count, code], after)) = rest.split_first_chunk::<2>() {
        let skipped = match (count, code) {
            (0, 1) => return false,
            (0, 2) => 2,
            (0, 3..) => {
                let pixels = usize::from(*code);
                let bytes = if four_bits {
                    pixels.div_ceil(2)
                } else {
                    pixels
                };
                bytes.next_multiple_of(2)
            }
            _ => 0,
        };
        rest = after.get(skipped..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The headers of a file whose fields from the kind of its colours on are these.
    fn headers(length: u32, fields: &[u32]) -> Vec<u8> {
        let mut bmp = vec![0; HEADER + length as usize];
        bmp[HEADER..HEADER + 4].copy_from_slice(&length.to_le_bytes());
        for (at, field) in fields.iter().enumerate() {
            let at = HEADER + 56 + 4 * at;
            bmp[at..at + 4].copy_from_slice(&field.to_le_bytes());
        }
        bmp
    }

    #[test]
    fn calibrations_and_profiles() {
        let parts = |share: f64| (share * f64::from(1 << 30)) as u32;
        let colors = [0.64, 0.33, 0.03, 0.21, 0.71, 0.08, 0.15, 0.06, 0.79].map(parts);
        let fields = [&[0], &colors[..], &[144_179; 3]].concat();
        let found = blocks(&headers(V4, &fields)).calibration.unwrap();
        let expected = [[0.3127, 0.329], [0.64, 0.33], [0.21, 0.71], [0.15, 0.06]];
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-6;
        let points = found.chromaticities.unwrap();
        assert!(
            points
                .as_flattened()
                .iter()
                .zip(expected.as_flattened())
                .all(near)
        );
        assert!((found.gamma.unwrap() - 1.0 / 2.2).abs() < 1e-5);
        assert!(blocks(&headers(V4, &[0])).calibration.is_none());
        for kind in [*b"sRGB", *b"Win ", *b"LINK"] {
            let mut fields = fields.clone();
            fields[0] = u32::from_be_bytes(kind);
            let found = blocks(&headers(V5, &fields));
            assert!(found.calibration.is_none() && found.icc.is_none());
        }
        let embedded = u32::from_be_bytes(*b"MBED");
        let mut fields = [0; 17];
        (fields[0], fields[14], fields[15]) = (embedded, V5, 4);
        let bmp = [headers(V5, &fields), b"icc!".to_vec()].concat();
        assert_eq!(blocks(&bmp).icc.unwrap(), b"icc!");
        assert_eq!(blocks(&bmp[..bmp.len() - 1]).icc, Some(Vec::new()));
        for cut in 0..bmp.len() {
            blocks(&bmp[..cut]);
        }
    }

    #[test]
    fn packed_pixels_end_with_a_mark() {
        for (packing, pixels) in [
            (1, &[3, 7, 0, 3, 0, 1, 0, 1, 0, 0, 0, 2, 0, 1, 0, 1][..]),
            (2, &[3, 7, 0, 5, 0, 1, 0, 1, 0, 0, 0, 1]),
        ] {
            let mut bmp = headers(40, &[]);
            bmp[10] = bmp.len() as u8;
            bmp[HEADER + 16] = packing;
            bmp.extend(pixels);
            assert!(!lacks_end(&bmp));
            for cut in 0..bmp.len() {
                let part = &bmp[..cut];
                assert_eq!(lacks_end(part), cut > HEADER + 19, "{cut}");
            }
        }
        assert!(!lacks_end(&headers(40, &[])));
    }
}
