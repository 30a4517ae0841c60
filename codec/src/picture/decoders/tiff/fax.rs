//! Rows of black and white as facsimile machines send them: ITU-T T.4 in one and two dimensions, T.6, and the modified
//! Huffman rows of TIFF. The tables of codes are those of the crate `fax`; its decoders keep going after damage.

use std::convert::Infallible;
use std::iter::{Chain, Copied, Map, RepeatN};
use std::slice::Iter;

use fax::maps::{Mode, black, mode, white};
use fax::{BitReader, ByteReader};

use super::layout::Compression;

type Next = fn(u8) -> Result<u8, Infallible>;
/// The data, and zeros that let the last code be looked at as a whole.
type Bytes<'a> = Map<Chain<Copied<Iter<'a, u8>>, RepeatN<u8>>, Next>;

/// The rows of a strip or tile.
pub(super) struct Fax<'a> {
    bits: ByteReader<Bytes<'a>>,
    width: u32,
    /// Where the colour changes in the row above, white before the first place; never twice at one place.
    above: Vec<u32>,
    row: Vec<u32>,
    compression: Compression,
}

/// The data contradict their format, or end too early.
pub(super) struct Damaged;

impl<'a> Fax<'a> {
    pub(super) fn new(
        data: &'a [u8],
        width: u32,
        compression: Compression,
        is_reversed: bool,
    ) -> Self {
        let next: Next = if is_reversed {
            |byte| Ok(byte.reverse_bits())
        } else {
            Ok
        };
        let bytes = data.iter().copied().chain(std::iter::repeat_n(0, 2));
        let Ok(bits) = ByteReader::new(bytes.map(next));
        Self {
            bits,
            width,
            above: Vec::new(),
            row: Vec::new(),
            compression,
        }
    }

    /// The next row, 1 for black, the first pixel in the highest bit.
    pub(super) fn read(&mut self, target: &mut [u8]) -> Result<(), Damaged> {
        std::mem::swap(&mut self.above, &mut self.row);
        self.row.clear();
        match self.compression {
            Compression::Huffman => {
                let rest = self.bits.bits_to_byte_boundary();
                self.skip(rest);
                self.runs()?;
            }
            Compression::Group3 { two_dimensional } => {
                let starts = self.end_of_line()?;
                // The bit after each end of line says what follows.
                let differs = two_dimensional && starts && self.bit()? == 0;
                if differs {
                    self.differences()?
                } else {
                    self.runs()?
                }
            }
            _ => self.differences()?,
        }
        self.paint(target);
        Ok(())
    }

    fn skip(&mut self, bits: u8) {
        let Ok(()) = self.bits.consume(bits);
    }

    fn bit(&mut self) -> Result<u16, Damaged> {
        let bit = self.bits.peek(1).ok_or(Damaged)?;
        self.skip(1);
        Ok(bit)
    }

    /// Skips an end of line and the zeros before it, if it is there.
    fn end_of_line(&mut self) -> Result<bool, Damaged> {
        if self.bits.peek(11) != Some(0) {
            return Ok(false);
        }
        while self.bit()? == 0 {}
        Ok(true)
    }

    /// The length of a run: codes of 64 and more, then one below.
    fn run(&mut self, is_black: bool) -> Result<u32, Damaged> {
        let mut length: u32 = 0;
        loop {
            let code = if is_black {
                black::decode(&mut self.bits)
            } else {
                white::decode(&mut self.bits)
            };
            let code = u32::from(code.ok_or(Damaged)?);
            length = length.saturating_add(code);
            if code < 64 {
                return Ok(length);
            }
        }
    }

    /// The colour changes here. A run of no pixels takes back the change before it.
    fn change(&mut self, at: u32) -> Result<(), Damaged> {
        if at > self.width {
            return Err(Damaged);
        }
        if self.row.last() == Some(&at) {
            self.row.pop();
        } else {
            self.row.push(at);
        }
        Ok(())
    }

    /// T.4, section 4.1.
    fn runs(&mut self) -> Result<(), Damaged> {
        let (mut at, mut is_black) = (0_u32, false);
        while at < self.width {
            at = at.saturating_add(self.run(is_black)?);
            self.change(at)?;
            is_black = !is_black;
        }
        Ok(())
    }

    /// T.4, section 4.2, and T.6: the row as it differs from the one above.
    fn differences(&mut self) -> Result<(), Damaged> {
        // The first change may be before the first pixel.
        let mut at: Option<u32> = None;
        let mut is_black = false;
        let mut near = 0;
        while at.unwrap_or(0) < self.width {
            let (b1, b2) = self.changes_above(at, is_black, &mut near);
            let here = at.unwrap_or(0);
            match mode::decode(&mut self.bits).ok_or(Damaged)? {
                Mode::Pass => at = Some(b2),
                Mode::Horizontal => {
                    let middle = here.saturating_add(self.run(is_black)?);
                    let end = middle.saturating_add(self.run(!is_black)?);
                    self.change(middle)?;
                    self.change(end)?;
                    at = Some(end);
                }
                Mode::Vertical(by) => {
                    let to = b1.checked_add_signed(by.into()).ok_or(Damaged)?;
                    if to < here {
                        return Err(Damaged);
                    }
                    self.change(to)?;
                    is_black = !is_black;
                    at = Some(to);
                }
                Mode::Extension | Mode::EOF => return Err(Damaged),
            }
        }
        Ok(())
    }

    /// The next change above to the colour that is not the present one, and the one after it. `near` is where to look.
    fn changes_above(&self, at: Option<u32>, is_black: bool, near: &mut usize) -> (u32, u32) {
        let is_after = |change: &u32| at.is_none_or(|at| *change > at);
        while *near > 0 && self.above.get(*near - 1).is_some_and(is_after) {
            *near -= 1;
        }
        while self
            .above
            .get(*near)
            .is_some_and(|change| !is_after(change))
        {
            *near += 1;
        }
        // Every second change is to black, the first one too.
        let first = *near + usize::from(near.is_multiple_of(2) == is_black);
        let change = |index: usize| self.above.get(index).copied().unwrap_or(self.width);
        (change(first), change(first + 1))
    }

    fn paint(&self, target: &mut [u8]) {
        target.fill(0);
        for run in self.row.chunks(2) {
            let (start, end) = match *run {
                [start, end] => (start, end),
                [start] => (start, self.width),
                _ => continue,
            };
            let (first, last) = (start as usize / 8, end as usize / 8);
            let (head, tail) = (0xff_u8 >> (start % 8), !(0xff_u8 >> (end % 8)));
            if first == last {
                if let Some(byte) = target.get_mut(first) {
                    *byte |= head & tail;
                }
                continue;
            }
            if let Some(byte) = target.get_mut(first) {
                *byte |= head;
            }
            if let Some(bytes) = target.get_mut(first + 1..last) {
                bytes.fill(0xff);
            }
            if let Some(byte) = target.get_mut(last) {
                *byte |= tail;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bits of a text of zeros and ones.
    fn bytes(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|byte| *byte != b' ').collect();
        let byte = |bits: &[u8]| {
            let bit = |(at, bit): (usize, &u8)| (bit - b'0') << (7 - at);
            bits.iter().enumerate().map(bit).sum()
        };
        bits.chunks(8).map(byte).collect()
    }

    fn rows<const N: usize>(
        bits: &str,
        width: u32,
        compression: Compression,
    ) -> Option<[String; N]> {
        let data = bytes(bits);
        let mut fax = Fax::new(&data, width, compression, false);
        let mut row = vec![0; width.div_ceil(8) as usize];
        let mut found = [const { String::new() }; N];
        for text in &mut found {
            fax.read(&mut row).ok()?;
            *text = row.iter().map(|byte| format!("{byte:08b}")).collect();
            text.truncate(width as usize);
        }
        Some(found)
    }

    #[test]
    fn rows_of_runs() {
        // 3 white, 2 black, 5 white; no white, 10 black. Each from a byte on.
        let found = rows(
            "1000 11 1100 000000 00110101 0000100",
            10,
            Compression::Huffman,
        );
        assert_eq!(found.unwrap(), ["0001100000", "1111111111"]);
        // The same after ends of lines, one with fill bits.
        let one = Compression::Group3 {
            two_dimensional: false,
        };
        let lines = "000000000001 1000 11 1100 0000000000000001 00110101 0000100";
        assert_eq!(rows(lines, 10, one).unwrap(), ["0001100000", "1111111111"]);
        // 70 white pixels are 64 and 6.
        let found = rows("11011 1110 00110101", 70, one).map(|[row]| row);
        assert_eq!(found.unwrap(), "0".repeat(70));
    }

    #[test]
    fn rows_that_differ_from_the_one_above() {
        // 3 white and 2 black, the rest as above; then both edges one to the left; then nothing black.
        let found = rows("001 1000 11 1 010 010 1 0001 1", 10, Compression::Group4);
        assert_eq!(found.unwrap(), ["0001100000", "0011000000", "0000000000"]);
        let two = Compression::Group3 {
            two_dimensional: true,
        };
        let lines = "000000000001 1 1000 11 1100 000000000001 0 010 010 1";
        assert_eq!(rows(lines, 10, two).unwrap(), ["0001100000", "0011000000"]);
    }

    #[test]
    fn damage_is_not_painted_over() {
        for bits in [
            // a run beyond the row, the end of the block, an extension, nothing
            "001 10100 11",
            "000000000001 000000000001",
            "0000001 111",
            "",
        ] {
            assert_eq!(rows::<1>(bits, 5, Compression::Group4), None, "{bits}");
        }
        assert_eq!(rows::<1>("10100", 5, Compression::Huffman), None);
    }
}
