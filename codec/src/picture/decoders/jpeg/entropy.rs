//! The entropy-coded data of a scan: blocks are counted against what the frame demands, and restart markers must stand
//! where they are due. Decoders that do not look fill what is missing with grey.

use super::frame::Frame;
use super::huffman::{Bits, Damage};
use super::segments::{behind_marker, marker_at};
use super::{malformed, truncated};
use crate::picture::PictureError;

/// Decodes the blocks of one scan.
pub(super) trait Blocks {
    /// The block at `x` and `y` of the component that is `part` of the scan.
    fn block(&mut self, bits: &mut Bits<'_>, part: usize, x: u32, y: u32) -> Result<(), Damage>;

    /// At a restart marker and at the end: forgets what came before.
    fn restart(&mut self) -> Result<(), Damage>;
}

/// Which blocks a scan has.
pub(super) struct Scan<'a> {
    pub(super) frame: &'a Frame,
    /// Its place among the scans, from 1.
    pub(super) number: usize,
    /// Which components of the frame it has.
    pub(super) components: Vec<usize>,
    /// Units between restart markers; 0 for none.
    pub(super) restart_interval: u16,
}

impl Scan<'_> {
    /// Units in a row and in a column: blocks where there is one component (section A.2).
    fn units(&self) -> (u32, u32) {
        let alone = match self.components.as_slice() {
            [only] => self.frame.components.get(*only),
            _ => None,
        };
        alone.map_or(
            (self.frame.units_across, self.frame.units_down),
            |component| (component.blocks_across, component.blocks_down),
        )
    }

    /// Blocks of a unit in a row and in a column, per component.
    fn factors(&self) -> Vec<(u32, u32)> {
        if let [_] = self.components.as_slice() {
            return vec![(1, 1)];
        }
        let parts = self
            .components
            .iter()
            .filter_map(|&place| self.frame.components.get(place));
        parts.map(|part| (part.across, part.down)).collect()
    }

    /// Decodes the data that begin at `at`. Gives where they end, and how many bytes of them belong to no block.
    ///
    /// # Errors
    /// [`PictureError::Truncated`] if blocks are missing before the next marker, [`PictureError::Malformed`] if what
    /// stands there are no blocks.
    pub(super) fn decode(
        &self,
        bytes: &[u8],
        at: usize,
        blocks: &mut impl Blocks,
    ) -> Result<(usize, u64), PictureError> {
        let mut bits = Bits::new(bytes, at);
        let factors = self.factors();
        let (across, down) = self.units();
        let interval = u32::from(self.restart_interval);
        let (mut left, mut due, mut surplus) = (interval, 0, 0);
        for y in 0..down {
            for x in 0..across {
                if left == 0 && interval > 0 {
                    let ended = blocks.restart();
                    ended.map_err(|damage| self.damaged(damage, (x, y)))?;
                    surplus += self.restart(bytes, &mut bits, due, (x, y))?;
                    due = (due + 1) % 8;
                    left = interval;
                }
                left = left.wrapping_sub(1);
                let done = unit(&mut bits, &factors, (x, y), blocks);
                if bits.is_overdrawn() {
                    return Err(self.cut_off(bytes, &mut bits, (x, y)));
                }
                done.map_err(|damage| self.damaged(damage, (x, y)))?;
            }
        }
        let ended = blocks.restart();
        ended.map_err(|damage| self.damaged(damage, (0, down)))?;
        surplus += bits.finish();
        Ok((bits.position(), surplus))
    }

    /// Goes behind the restart marker that is due before a unit. Gives the bytes before it that belong to no block.
    fn restart(
        &self,
        bytes: &[u8],
        bits: &mut Bits<'_>,
        due: u8,
        unit: (u32, u32),
    ) -> Result<u64, PictureError> {
        let surplus = bits.finish();
        match marker_at(bytes, bits.position()) {
            Some(marker) if marker == 0xd0 | due => {
                bits.restart(behind_marker(bytes, bits.position()));
                Ok(surplus)
            }
            Some(marker @ 0xd0..=0xd7) => Err(malformed(format!(
                "its scan {} has restart marker {} where {} is due, after {}",
                self.number,
                marker & 7,
                due,
                self.progress(unit)
            ))),
            _ => Err(self.cut_off(bytes, bits, unit)),
        }
    }

    /// The error of a scan that has no data for a unit.
    fn cut_off(&self, bytes: &[u8], bits: &mut Bits<'_>, unit: (u32, u32)) -> PictureError {
        bits.finish();
        let (number, progress) = (self.number, self.progress(unit));
        match marker_at(bytes, bits.position()) {
            Some(marker @ 0xd0..=0xd7) => malformed(format!(
                "its scan {number} has restart marker {} where none is due, after {progress}",
                marker & 7
            )),
            Some(_) => truncated(format!("its scan {number} ends after {progress}")),
            None => truncated(format!(
                "its {} bytes end in scan {number}, after {progress}",
                bytes.len()
            )),
        }
    }

    fn damaged(&self, damage: Damage, unit: (u32, u32)) -> PictureError {
        let what = match damage {
            Damage::Code => "has bits that are no code",
            Damage::Index => "has a coefficient beyond the last",
            Damage::Run => "has more blocks than its frame",
        };
        malformed(format!(
            "its scan {} {what}, after {}",
            self.number,
            self.progress(unit)
        ))
    }

    /// How many blocks stand before a unit, of how many.
    fn progress(&self, (x, y): (u32, u32)) -> String {
        let (across, down) = self.units();
        let blocks: u64 = self.factors().iter().map(|&(x, y)| u64::from(x * y)).sum();
        let before = u64::from(y) * u64::from(across) + u64::from(x);
        let all = u64::from(down) * u64::from(across);
        format!("{} of {} blocks", before * blocks, all * blocks)
    }
}

#[inline]
fn unit(
    bits: &mut Bits<'_>,
    factors: &[(u32, u32)],
    (x, y): (u32, u32),
    blocks: &mut impl Blocks,
) -> Result<(), Damage> {
    for (part, &(across, down)) in factors.iter().enumerate() {
        for v in 0..down {
            for h in 0..across {
                blocks.block(bits, part, x * across + h, y * down + v)?;
            }
        }
    }
    Ok(())
}
