//! Scans of progressive frames (ITU-T T.81, annex G): each has a band of coefficients of its components, or one more bit of
//! them.

use super::entropy::Blocks;
use super::frame::Coefficients;
use super::huffman::{Bits, Damage, Huffman};

/// A component in a scan of DC coefficients.
pub(super) struct DcPart<'a> {
    /// Not in scans that add a bit.
    pub(super) codes: Option<&'a Huffman>,
    pub(super) coefficients: &'a mut Coefficients,
    /// DC of the block before.
    pub(super) before: i32,
}

/// Decodes DC coefficients (section G.1.2.1).
pub(super) struct Dc<'a> {
    pub(super) parts: Vec<DcPart<'a>>,
    /// How many bits are still missing after the scan.
    pub(super) low: u8,
}

impl Blocks for Dc<'_> {
    #[inline]
    fn block(&mut self, bits: &mut Bits<'_>, part: usize, x: u32, y: u32) -> Result<(), Damage> {
        let part = self.parts.get_mut(part).ok_or(Damage::Index)?;
        let [dc, ..] = part.coefficients.block(x, y).ok_or(Damage::Index)?;
        if let Some(codes) = part.codes {
            bits.refill();
            let category = codes.symbol(bits)?;
            part.before = part.before.wrapping_add(bits.signed(category.into()));
            *dc = (part.before as i16) << self.low;
        } else if bits.bit() {
            *dc |= 1 << self.low;
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Damage> {
        for part in &mut self.parts {
            part.before = 0;
        }
        Ok(())
    }
}

/// A band of AC coefficients of one component.
pub(super) struct Band<'a> {
    pub(super) codes: &'a Huffman,
    pub(super) coefficients: &'a mut Coefficients,
    /// In the order of the file.
    pub(super) first: usize,
    pub(super) last: usize,
    /// How many bits are still missing after the scan.
    pub(super) low: u8,
    /// How many blocks from the next one on have no more codes.
    pub(super) run: u32,
}

impl Band<'_> {
    fn restart(&mut self) -> Result<(), Damage> {
        match self.run {
            0 => Ok(()),
            _ => Err(Damage::Run),
        }
    }

    /// The length of a run that ends with blocks, this one included.
    fn blocks(bits: &mut Bits<'_>, category: u8) -> u32 {
        (1 << category) + bits.take(category.into())
    }
}

/// Decodes the first bits of AC coefficients (section G.1.2.2).
pub(super) struct AcFirst<'a>(pub(super) Band<'a>);

impl Blocks for AcFirst<'_> {
    #[inline]
    fn block(&mut self, bits: &mut Bits<'_>, _part: usize, x: u32, y: u32) -> Result<(), Damage> {
        let band = &mut self.0;
        if band.run > 0 {
            band.run -= 1;
            return Ok(());
        }
        let block = band.coefficients.block(x, y).ok_or(Damage::Index)?;
        let mut at = band.first;
        while at <= band.last {
            bits.refill();
            let symbol = band.codes.symbol(bits)?;
            let (run, category) = (symbol >> 4, symbol & 15);
            if category == 0 && run < 15 {
                band.run = Band::blocks(bits, run) - 1;
                break;
            }
            at += usize::from(run);
            // A run of 16 zeros has no coefficient behind it, but ends within the band too.
            if at > band.last {
                return Err(Damage::Index);
            }
            if category > 0 {
                let value = bits.signed(category.into()) as i16;
                *block.get_mut(at).ok_or(Damage::Index)? = value << band.low;
            }
            at += 1;
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Damage> {
        self.0.restart()
    }
}

/// Adds a bit to AC coefficients (section G.1.2.3).
pub(super) struct AcRefine<'a>(pub(super) Band<'a>);

impl Blocks for AcRefine<'_> {
    fn block(&mut self, bits: &mut Bits<'_>, _part: usize, x: u32, y: u32) -> Result<(), Damage> {
        let band = &mut self.0;
        let block = band.coefficients.block(x, y).ok_or(Damage::Index)?;
        let mut rest = block.get_mut(band.first..=band.last).ok_or(Damage::Index)?;
        while band.run == 0 && !rest.is_empty() {
            bits.refill();
            let symbol = band.codes.symbol(bits)?;
            let (zeros, category) = (symbol >> 4, symbol & 15);
            let new = match category {
                0 if zeros < 15 => {
                    band.run = Band::blocks(bits, zeros);
                    break;
                }
                0 => 0,
                1 if bits.take(1) != 0 => 1 << band.low,
                1 => -1 << band.low,
                _ => return Err(Damage::Code),
            };
            let place = refine(bits, rest, Some(zeros), band.low).ok_or(Damage::Index)?;
            let (passed, behind) = rest.split_at_mut_checked(place + 1).ok_or(Damage::Index)?;
            if let Some(coefficient) = passed.last_mut() {
                *coefficient = new;
            }
            rest = behind;
        }
        if band.run > 0 {
            refine(bits, rest, None, band.low);
            band.run -= 1;
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Damage> {
        self.0.restart()
    }
}

/// Gives a bit to each coefficient that is not zero, up to the zero that comes after so many others: its place.
fn refine(bits: &mut Bits<'_>, rest: &mut [i16], zeros: Option<u8>, low: u8) -> Option<usize> {
    let mut left = zeros;
    for (place, coefficient) in rest.iter_mut().enumerate() {
        if *coefficient == 0 {
            match &mut left {
                Some(0) => return Some(place),
                Some(left) => *left -= 1,
                None => {}
            }
        } else if bits.bit() && *coefficient & (1 << low) == 0 {
            *coefficient = coefficient.wrapping_add(coefficient.signum() << low);
        }
    }
    None
}
