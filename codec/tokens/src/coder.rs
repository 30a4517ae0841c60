//! The binary range coder. Probabilities are those of a one, in 1/65536.

use alloc::vec::Vec;

use crate::statistics::{Cell, Statistics, is_zero};

/// Signs and magnitudes: both values are equally likely.
pub(crate) const EVEN: u32 = 1 << 15;
/// A range below this gets another byte.
const LEAST_RANGE: u64 = 1 << 24;
const WHOLE_RANGE: u64 = 1 << 32;

/// Writes bits.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    /// The bytes before the window of four; a carry may still reach them.
    bytes: Vec<u8>,
    /// The low end of the interval, in the window; a carry is a bit above that.
    low: u64,
    range: u64,
}

/// The interval that the bits so far have left, seen from the window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    /// Bytes before the window.
    pub(crate) bytes: usize,
    /// The low end, without carry.
    low: u32,
    /// The width; never a whole window behind the first bit.
    range: u32,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            low: 0,
            range: WHOLE_RANGE,
        }
    }

    /// Bytes that went out of the window.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes one bit.
    #[inline]
    pub(crate) fn put(&mut self, bit: bool, p_one: u32) {
        let ones = (self.range >> 16) * u64::from(p_one);
        // Both outcomes are computed, since the bit is what no processor can predict.
        self.low += if bit { 0 } else { ones };
        self.range = if bit { ones } else { self.range - ones };
        while self.range < LEAST_RANGE {
            self.shift();
        }
    }

    /// Writes the zeros of coefficients that are and stay zero, up to the first with another magnitude, and counts them;
    /// their number.
    // Nearly all digits of a small file: a branch that is nearly always right waits for less than what computes both.
    #[inline(always)]
    pub(crate) fn zeros(
        &mut self,
        statistics: &mut Statistics,
        cells: &[Cell],
        magnitudes: &[u32],
    ) -> usize {
        let (mut low, mut range) = (self.low, self.range);
        let mut done = 0;
        for (&cell, &magnitude) in cells.iter().zip(magnitudes) {
            if magnitude != 0 {
                break;
            }
            let ones = (range >> 16) * u64::from(statistics.probability(cell));
            low += ones;
            range -= ones;
            statistics.count(cell, false);
            done += 1;
            if range < LEAST_RANGE {
                (self.low, self.range) = (low, range);
                while self.range < LEAST_RANGE {
                    self.shift();
                }
                (low, range) = (self.low, self.range);
            }
        }
        (self.low, self.range) = (low, range);
        done
    }

    #[inline]
    fn shift(&mut self) {
        self.carry();
        self.bytes.push((self.low >> 24) as u8);
        self.low = self.low << 8 & (WHOLE_RANGE - 1);
        self.range <<= 8;
    }

    /// Takes the carry out of the window.
    #[inline]
    fn carry(&mut self) {
        if self.low >= WHOLE_RANGE {
            self.low -= WHOLE_RANGE;
            for byte in self.bytes.iter_mut().rev() {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    break;
                }
            }
        }
    }

    /// Writes a magnitude in Exp-Golomb: a zero for each bit below its first one, a one unless there were `most_zeros`,
    /// then these bits.
    pub(crate) fn magnitude(&mut self, magnitude: u32, most_zeros: u32) {
        let below = magnitude.ilog2();
        for _ in 0..below {
            self.put(false, EVEN);
        }
        if below < most_zeros {
            self.put(true, EVEN);
        }
        for bit in (0..below).rev() {
            self.put(magnitude >> bit & 1 == 1, EVEN);
        }
    }

    pub(crate) fn interval(&self) -> Interval {
        Interval {
            bytes: self.bytes.len(),
            low: self.low as u32,
            range: self.range as u32,
        }
    }

    /// The shortest bytes all of whose continuations lie in the interval.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.range == WHOLE_RANGE {
            return self.bytes;
        }
        let end = self.low + self.range;
        // One unit of the window is never too much.
        let kept = (1..4).find(|kept| {
            let unit = 1_u64 << (32 - 8 * kept);
            self.low.next_multiple_of(unit) + unit <= end
        });
        let kept = kept.unwrap_or(4);
        self.low = self.low.next_multiple_of(1 << (32 - 8 * kept));
        self.carry();
        let window = (self.low as u32).to_be_bytes();
        self.bytes.extend_from_slice(&window[..kept]);
        self.bytes
    }
}

impl Interval {
    /// How many of the first bytes of `stream`, whose window at this place is settled, are needed so that all their
    /// continuations lie in the interval: one to four more than went out of the window.
    pub(crate) fn bytes_needed(self, stream: &[u8]) -> usize {
        let window = core::array::from_fn(|k| stream.get(self.bytes + k).copied().unwrap_or(0));
        let window = u32::from_be_bytes(window);
        // The stream lies in the interval, so that the difference is right whatever a carry did to the window.
        let above = window.wrapping_sub(self.low);
        let more = (1..4).find(|&more| {
            let rest = u32::MAX >> (8 * more);
            let start = above.checked_sub(window & rest);
            start.is_some_and(|start| u64::from(start) + u64::from(rest) < u64::from(self.range))
        });
        self.bytes + more.unwrap_or(4)
    }
}

/// Reads bits as far as the bytes that are there determine them, whatever comes behind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoder {
    /// The window of the stream, from the low end of the interval; bytes that are not there count as zeros.
    code: u64,
    range: u64,
    /// How much more the window could be: 256^(bytes of it that are not there) − 1.
    open: u64,
    /// The next byte of the data.
    pub(crate) at: usize,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self {
            code: 0,
            range: WHOLE_RANGE,
            open: WHOLE_RANGE - 1,
            at: 0,
        }
    }

    /// Takes bytes into the window that were not there before.
    pub(crate) fn fill(&mut self, data: &[u8]) {
        while self.open > 0
            && let Some(&byte) = data.get(self.at)
        {
            self.open >>= 8;
            self.code += u64::from(byte) * (self.open + 1);
            self.at += 1;
        }
    }

    /// Reads one bit, or nothing where the bytes do not determine it; after that, only a copy from before is of use.
    #[inline]
    pub(crate) fn get(&mut self, data: &[u8], p_one: u32) -> Option<bool> {
        let ones = (self.range >> 16) * u64::from(p_one);
        let bit = self.code < ones;
        if bit != (self.code + self.open < ones) {
            return None;
        }
        self.code -= if bit { 0 } else { ones };
        self.range = if bit { ones } else { self.range - ones };
        while self.range < LEAST_RANGE {
            self.shift(data);
        }
        Some(bit)
    }

    #[inline]
    fn shift(&mut self, data: &[u8]) {
        self.range <<= 8;
        self.code <<= 8;
        if let Some(&byte) = data.get(self.at) {
            self.code |= u64::from(byte);
            self.at += 1;
        } else {
            self.open = self.open << 8 | 255;
        }
    }

    /// Reads the zeros of coefficients that are and stay zero, as far as the bytes determine them, and counts them; their
    /// number.
    // As in the encoder, a branch that is nearly always right.
    #[inline(always)]
    pub(crate) fn zeros(
        &mut self,
        data: &[u8],
        statistics: &mut Statistics,
        cells: &[Cell],
    ) -> usize {
        let (mut code, mut range) = (self.code, self.range);
        let mut done = 0;
        for &cell in cells {
            let ones = (range >> 16) * u64::from(statistics.probability(cell));
            // Missing bytes could only make the code larger, which is a zero too.
            if !is_zero(cell) || code < ones {
                break;
            }
            code -= ones;
            range -= ones;
            statistics.count(cell, false);
            done += 1;
            if range < LEAST_RANGE {
                (self.code, self.range) = (code, range);
                while self.range < LEAST_RANGE {
                    self.shift(data);
                }
                (code, range) = (self.code, self.range);
            }
        }
        (self.code, self.range) = (code, range);
        done
    }

    /// Reads a magnitude, as [`Encoder::magnitude`] writes it; it is below 2^(`most_zeros` + 1).
    pub(crate) fn magnitude(&mut self, data: &[u8], most_zeros: u32) -> Option<u32> {
        let mut below = 0;
        while below < most_zeros && !self.get(data, EVEN)? {
            below += 1;
        }
        let mut magnitude = 1;
        for _ in 0..below {
            magnitude = magnitude << 1 | u32::from(self.get(data, EVEN)?);
        }
        Some(magnitude)
    }
}
