//! Huffman codes (ITU-T T.81, annex C) and the bits of entropy-coded data (section F.2.2).

use super::segments::marker_at;

/// Codes up to this length are looked up at once, in bits.
const SHORT: u32 = 9;
/// Bits that are at hand after [`Bits::refill`]: a code and what follows it have at most 16 each.
const AT_HAND: u32 = 32;

/// What is wrong with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// Bits that are no code of the table, or one without a meaning.
    Code,
    /// A coefficient behind the last of its block or band.
    Index,
    /// A run of blocks goes beyond the last block.
    Run,
}

/// A Huffman table.
pub(super) struct Huffman {
    /// By the first bits: the length of the code times 256, and the symbol; 0 for longer codes.
    short: [u16; 1 << SHORT],
    /// By length: the first value of 16 bits that belongs to a longer code.
    limits: [u32; 17],
    /// By length: what is added to a code for the index of its symbol.
    offsets: [i32; 17],
    symbols: [u8; 256],
}

impl Huffman {
    /// The table with `counts[i]` codes of `i + 1` bits; `None` where there are more codes than bits can tell apart, or
    /// another number of symbols.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let total: usize = counts.iter().copied().map(usize::from).sum();
        let mut table = Self {
            short: [0; 1 << SHORT],
            limits: [0; 17],
            offsets: [0; 17],
            symbols: [0; 256],
        };
        table
            .symbols
            .get_mut(..total)?
            .copy_from_slice(symbols.get(..total)?);
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, &count) in (1_u32..).zip(counts) {
            let count = usize::from(count);
            let offset = index as i32 - code as i32;
            for &symbol in symbols.get(index..index + count)? {
                if code >> length != 0 {
                    return None;
                }
                if length <= SHORT {
                    let spare = SHORT - length;
                    let from = (code << spare) as usize;
                    let entry = (length as u16) << 8 | u16::from(symbol);
                    table.short.get_mut(from..from + (1 << spare))?.fill(entry);
                }
                code += 1;
            }
            index += count;
            *table.offsets.get_mut(length as usize)? = offset;
            *table.limits.get_mut(length as usize)? = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// Whether all symbols are at most this.
    pub(super) fn is_within(&self, most: u8) -> bool {
        self.symbols.iter().all(|&symbol| symbol <= most)
    }

    /// The next symbol. The bits must be at hand.
    #[inline]
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Result<u8, Damage> {
        let entry = self.short[(bits.buffer >> (64 - SHORT)) as usize];
        if entry == 0 {
            return self.long(bits);
        }
        bits.skip(u32::from(entry >> 8));
        Ok(entry as u8)
    }

    #[cold]
    fn long(&self, bits: &mut Bits<'_>) -> Result<u8, Damage> {
        let next = (bits.buffer >> 48) as u32;
        let rows = (0_u32..).zip(self.limits.iter().zip(&self.offsets));
        for (length, (&limit, &offset)) in rows.skip(SHORT as usize + 1) {
            if next < limit {
                bits.skip(length);
                let index = (next >> (16 - length)) as i32 + offset;
                let symbol = usize::try_from(index)
                    .ok()
                    .and_then(|index| self.symbols.get(index));
                return symbol.copied().ok_or(Damage::Code);
            }
        }
        Err(Damage::Code)
    }
}

/// The bits of entropy-coded data up to the next marker, and zeros behind them.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte that is not in the buffer.
    at: usize,
    /// The next bits, the first one on top. Below `count` stand bits that come again, or zeros.
    buffer: u64,
    count: u32,
    /// How many of the last bits of `count` are not in the file.
    invented: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            buffer: 0,
            count: 0,
            invented: 0,
        }
    }

    /// Goes on behind a restart marker, or where else entropy-coded data begin.
    pub(super) fn restart(&mut self, at: usize) {
        *self = Self::new(self.bytes, at);
    }

    /// Whether bits were used that are not in the file.
    #[inline]
    pub(super) fn is_overdrawn(&self) -> bool {
        self.count < self.invented
    }

    /// Has 32 bits at hand.
    #[inline]
    pub(super) fn refill(&mut self) {
        if self.count >= AT_HAND {
            return;
        }
        if let Some(next) = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<8>())
        {
            let next = u64::from_be_bytes(*next);
            if !has_ff(next) {
                self.buffer |= next >> self.count;
                self.at += ((63 - self.count) >> 3) as usize;
                self.count |= 56;
                return;
            }
        }
        self.refill_bytewise();
    }

    fn refill_bytewise(&mut self) {
        while self.count <= 56 {
            let Some(byte) = self.next_byte() else {
                let missing = (64 - self.count) & !7;
                self.count += missing;
                self.invented += missing;
                return;
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next byte without its stuffed zero; `None` at a marker and at the end.
    fn next_byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        if byte != 0xff {
            self.at += 1;
            return Some(byte);
        }
        if self.bytes.get(self.at + 1) != Some(&0) {
            return None;
        }
        self.at += 2;
        Some(byte)
    }

    #[inline]
    fn skip(&mut self, count: u32) {
        self.buffer <<= count;
        self.count = self.count.wrapping_sub(count);
    }

    /// The next bits as a number without sign, at most 16 that are at hand.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        // In two steps, because a shift by 64 is none.
        let value = (self.buffer >> 1 >> (63 - count)) as u32;
        self.skip(count);
        value
    }

    /// One bit, at hand or not.
    #[inline]
    pub(super) fn bit(&mut self) -> bool {
        self.refill();
        self.take(1) != 0
    }

    /// The next bits, at most 16 that are at hand, as a value of that category (section F.2.2.1).
    #[inline]
    pub(super) fn signed(&mut self, category: u32) -> i32 {
        let negative = !((self.buffer as i64) >> 63) as i32;
        let value = self.take(category) as i32;
        value + (negative & ((-1 << category) + 1))
    }

    /// Goes to the marker behind the data, and counts the whole bytes before it that nobody has used. Bytes of ones are
    /// padding: some encoders end with one where no bit is left to pad.
    pub(super) fn finish(&mut self) -> u64 {
        let mut in_buffer = self.count.saturating_sub(self.invented);
        self.buffer <<= in_buffer % 8;
        in_buffer -= in_buffer % 8;
        let (mut surplus, mut all_ones) = (0, true);
        while in_buffer > 0 {
            all_ones &= self.buffer >> 56 == 0xff;
            self.buffer <<= 8;
            in_buffer -= 8;
            surplus += 1;
        }
        (self.count, self.invented) = (0, 0);
        loop {
            while let Some(byte) = self.next_byte() {
                surplus += 1;
                all_ones &= byte == 0xff;
            }
            // A marker that is none, or the end.
            match marker_at(self.bytes, self.at) {
                Some(0) => {
                    self.at += 1;
                    surplus += 1;
                }
                _ => break,
            }
        }
        if all_ones { 0 } else { surplus }
    }

    /// Where the data go on; after [`finish`](Self::finish) at a marker or the end.
    pub(super) fn position(&self) -> usize {
        self.at
    }
}

/// Whether one of the eight bytes is 0xff.
fn has_ff(bytes: u64) -> bool {
    const LOW: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    (!bytes).wrapping_sub(LOW) & bytes & HIGH != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_every_length_are_found() {
        // One code of each length, 0, 10, 110 and so on; the last one has two.
        let mut counts = [1; 16];
        counts[15] = 2;
        let symbols: Vec<u8> = (0..17).collect();
        let table = Huffman::new(&counts, &symbols).expect("a complete code");
        for (symbol, ones) in (0..17_u8).zip(0..17_usize) {
            // The code in four bytes, ones as 0xfe so that no marker comes about.
            let bits: u32 = if ones == 0 { 0 } else { !(u32::MAX >> ones) };
            let bytes: Vec<u8> = bits.to_be_bytes().into_iter().chain([0; 8]).collect();
            let stuffed: Vec<u8> = bytes
                .iter()
                .flat_map(|&byte| [Some(byte), (byte == 0xff).then_some(0)])
                .flatten()
                .collect();
            let mut bits = Bits::new(&stuffed, 0);
            bits.refill();
            assert_eq!(table.symbol(&mut bits), Ok(symbol));
            let next = u32::from(ones < 16);
            assert_eq!(bits.take(16), 0, "{symbol}: {next}");
        }
        assert!(table.is_within(16) && !table.is_within(15));
    }

    #[test]
    fn impossible_tables_are_refused() {
        let counts = |pairs: &[(usize, u8)]| {
            let mut counts = [0; 16];
            pairs.iter().for_each(|&(at, count)| counts[at] = count);
            counts
        };
        assert!(
            Huffman::new(&counts(&[(0, 3)]), &[1, 2, 3]).is_none(),
            "three codes of a bit"
        );
        assert!(
            Huffman::new(&counts(&[(0, 2), (3, 1)]), &[1, 2, 3]).is_none(),
            "one too many"
        );
        assert!(
            Huffman::new(&counts(&[(1, 2)]), &[1]).is_none(),
            "a symbol too few"
        );
        assert!(
            Huffman::new(&counts(&[(14, 255), (15, 255)]), &[0; 510]).is_none(),
            "too many"
        );
        let table = Huffman::new(&counts(&[(0, 1)]), &[7]).expect("a code");
        let mut bits = Bits::new(&[0x40, 0, 0, 0], 0);
        bits.refill();
        assert_eq!(table.symbol(&mut bits), Ok(7));
        assert_eq!(table.symbol(&mut bits), Err(Damage::Code));
    }

    #[test]
    fn bits_end_at_markers_and_are_counted() {
        let bytes = [
            0xa5, 0xff, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xff, 0xff, 0xd9, 0,
        ];
        let mut bits = Bits::new(&bytes, 0);
        bits.refill();
        assert_eq!((bits.take(4), bits.take(4), bits.take(9)), (0xa, 5, 0x1fe));
        assert!(!bits.is_overdrawn());
        // The rest of a byte does not count, and 2 to 9 do.
        assert_eq!((bits.finish(), bits.position()), (8, 12));
        bits.restart(11);
        bits.refill();
        assert_eq!((bits.take(8), bits.is_overdrawn()), (9, false));
        assert_eq!((bits.take(1), bits.is_overdrawn()), (0, true));
        assert_eq!(bits.finish(), 0);
    }

    #[test]
    fn values_of_a_category() {
        let mut bits = Bits::new(&[0b0101_1000, 0b0000_0111, 0, 0], 0);
        bits.refill();
        let values = [1, 1, 2, 4, 0, 6].map(|category| bits.signed(category));
        assert_eq!(values, [-1, 1, -2, 8, 0, -62]);
    }
}
