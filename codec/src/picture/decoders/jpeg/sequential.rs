//! Scans of sequential frames (ITU-T T.81, section F.2): each has all coefficients of its components.

use super::entropy::Blocks;
use super::frame::Plane;
use super::huffman::{Bits, Damage, Huffman};
use super::transform::{self, Block, PLACES};

/// A component in a sequential scan.
pub(super) struct Part<'a> {
    pub(super) dc: &'a Huffman,
    pub(super) ac: &'a Huffman,
    /// From [`transform::scales`].
    pub(super) scales: [f32; 64],
    pub(super) plane: &'a mut Plane,
    /// DC of the block before.
    pub(super) before: i32,
}

/// Decodes blocks to samples.
pub(super) struct Sequential<'a> {
    pub(super) parts: Vec<Part<'a>>,
}

impl Blocks for Sequential<'_> {
    #[inline]
    fn block(&mut self, bits: &mut Bits<'_>, part: usize, x: u32, y: u32) -> Result<(), Damage> {
        let part = self.parts.get_mut(part).ok_or(Damage::Index)?;
        bits.refill();
        let category = part.dc.symbol(bits)?;
        part.before = part.before.wrapping_add(bits.signed(category.into()));
        let dc = part.before as f32 * part.scales[0];
        let mut block = [[0.0; 8]; 8];
        let samples = if coefficients(bits, part.ac, &part.scales, &mut block)? {
            block[0][0] = dc;
            transform::samples(&block)
        } else {
            transform::flat(dc)
        };
        part.plane.store(x, y, &samples);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Damage> {
        for part in &mut self.parts {
            part.before = 0;
        }
        Ok(())
    }
}

/// Whether there is a coefficient besides DC.
#[inline]
fn coefficients(
    bits: &mut Bits<'_>,
    codes: &Huffman,
    scales: &[f32; 64],
    block: &mut Block,
) -> Result<bool, Damage> {
    let mut at = 1;
    while at < 64 {
        bits.refill();
        let symbol = codes.symbol(bits)?;
        let (run, category) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        match (run, category) {
            (0, 0) => break,
            (15, 0) => {
                at += 16;
                if at > 64 {
                    return Err(Damage::Index);
                }
            }
            (_, 0) => return Err(Damage::Code),
            _ => {
                at += run;
                let place = usize::from(*PLACES.get(at).ok_or(Damage::Index)?);
                let value = bits.signed(category) as f32;
                block.as_flattened_mut()[place & 63] = value * scales[at & 63];
                at += 1;
            }
        }
    }
    Ok(at > 1)
}
