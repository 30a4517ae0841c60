//! Samples of any depth out of the bytes of a row.

use half::f16;

use super::directory::Order;

/// A sample as it is kept.
pub(super) trait Sample: Copy + Default {
    /// From a whole number of 0 to `max`.
    fn from_uint(value: u64, max: u64) -> Self;
    /// From a float, 1 for white.
    fn from_float(value: f64) -> Self;
}

impl Sample for u8 {
    fn from_uint(value: u64, max: u64) -> Self {
        scale(value, max, 0xff) as Self
    }

    fn from_float(value: f64) -> Self {
        (value.clamp(0.0, 1.0) * 255.0).round() as Self
    }
}

impl Sample for u16 {
    fn from_uint(value: u64, max: u64) -> Self {
        scale(value, max, 0xffff) as Self
    }

    fn from_float(value: f64) -> Self {
        (value.clamp(0.0, 1.0) * 65_535.0).round() as Self
    }
}

impl Sample for f32 {
    fn from_uint(value: u64, max: u64) -> Self {
        (value as f64 / max as f64) as Self
    }

    fn from_float(value: f64) -> Self {
        value as Self
    }
}

/// A whole number as it is: a place in a palette.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Index(pub(super) u16);

impl Sample for Index {
    fn from_uint(value: u64, _: u64) -> Self {
        Self(value as u16)
    }

    fn from_float(_: f64) -> Self {
        Self(0)
    }
}

/// The largest number of this many bits, 1 to 64.
pub(super) fn max_of(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

/// To the nearest of `0..=to`.
fn scale(value: u64, max: u64, to: u64) -> u64 {
    if max == to {
        return value;
    }
    if max <= 0xffff_ffff {
        return (value * to + max / 2) / max;
    }
    let (value, max, to) = (u128::from(value), u128::from(max), u128::from(to));
    ((value * to + max / 2) / max) as u64
}

/// How the samples of a row are packed.
pub(super) struct Packing<T> {
    bits: u32,
    is_float: bool,
    order: Order,
    /// The sample of each number of at most eight bits.
    table: Vec<T>,
}

impl<T: Sample> Packing<T> {
    /// Samples of 1 to 64 bits. Those of whole bytes are in this order; others begin with their highest bit.
    pub(super) fn new(bits: u32, is_float: bool, order: Order) -> Self {
        let max = max_of(bits);
        let table = if bits <= 8 && !is_float {
            (0..=max).map(|value| T::from_uint(value, max)).collect()
        } else {
            Vec::new()
        };
        Self {
            bits,
            is_float,
            order,
            table,
        }
    }

    /// Puts the samples of a row into `samples`, which has room for them.
    pub(super) fn unpack(&self, row: &[u8], samples: &mut Vec<T>) {
        samples.clear();
        let from_table = |value: u8| self.table.get(usize::from(value)).copied();
        match self.bits {
            8 => samples.extend(row.iter().map(|byte| from_table(*byte).unwrap_or_default())),
            bits @ (1 | 2 | 4) => {
                let mask = (1_u8 << bits) - 1;
                samples.extend(row.iter().flat_map(|byte| {
                    let places = (0..8 / bits).rev();
                    places
                        .map(move |at| (byte >> (at * bits)) & mask)
                        .map(|value| from_table(value).unwrap_or_default())
                }));
            }
            // As below, but the most common of them.
            16 if !self.is_float => {
                let number = match self.order {
                    Order::Little => u16::from_le_bytes,
                    Order::Big => u16::from_be_bytes,
                };
                let numbers = row.as_chunks::<2>().0.iter();
                samples.extend(numbers.map(|bytes| T::from_uint(number(*bytes).into(), 0xffff)));
            }
            bits if bits.is_multiple_of(8) => {
                let numbers = row.chunks_exact(bits as usize / 8);
                samples.extend(numbers.map(|bytes| self.sample(self.order.uint(bytes))));
            }
            bits => {
                let numbers = 0..row.len() * 8 / bits as usize;
                samples.extend(numbers.map(|at| self.sample(packed(row, at, bits))));
            }
        }
    }

    fn sample(&self, value: u64) -> T {
        if !self.is_float {
            return T::from_uint(value, max_of(self.bits));
        }
        T::from_float(match self.bits {
            16 => f16::from_bits(value as u16).to_f64(),
            32 => f32::from_bits(value as u32).into(),
            _ => f64::from_bits(value),
        })
    }
}

/// A number of this many bits among others of as many, from the highest bit of the first byte on.
fn packed(row: &[u8], at: usize, bits: u32) -> u64 {
    let first = at * bits as usize;
    let end = first + bits as usize;
    let bytes = row.get(first / 8..end.div_ceil(8)).unwrap_or_default();
    let all = bytes
        .iter()
        .fold(0_u128, |all, byte| (all << 8) | u128::from(*byte));
    let surplus = end.next_multiple_of(8) - end;
    ((all >> surplus) as u64) & max_of(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked<T: Sample>(bits: u32, is_float: bool, order: Order, row: &[u8]) -> Vec<T> {
        let mut samples = Vec::new();
        Packing::new(bits, is_float, order).unpack(row, &mut samples);
        samples
    }

    #[test]
    fn whole_numbers_of_any_depth() {
        use Order::{Big, Little};
        let u8s = |bits, row: &[u8]| unpacked::<u8>(bits, false, Little, row);
        let u16s = |bits, order, row: &[u8]| unpacked::<u16>(bits, false, order, row);
        assert_eq!(u8s(1, &[0b1010_0000]), [255, 0, 255, 0, 0, 0, 0, 0]);
        assert_eq!(u8s(2, &[0b0001_1011]), [0, 85, 170, 255]);
        assert_eq!(u8s(4, &[0x1f]), [17, 255]);
        assert_eq!(u8s(3, &[0b1110_0011, 0b1000_0000]), [255, 0, 255, 0, 0]);
        assert_eq!(u8s(16, &[0, 0x80]), [128]);
        assert_eq!(u16s(16, Little, &[1, 2]), [0x201]);
        assert_eq!(u16s(16, Big, &[1, 2]), [0x102]);
        // Twelve bits begin with the highest whatever the order: 0xfff and 0x800, of 4095.
        assert_eq!(u16s(12, Little, &[0xff, 0xf8, 0]), [65_535, 32_776]);
        assert_eq!(u16s(32, Big, &[0x80, 0, 0, 0]), [32_768]);
        assert_eq!(u16s(64, Little, &[255; 8]), [65_535]);
        assert_eq!(u16s(63, Little, &[255; 8]), [65_535]);
        assert_eq!(u16s(24, Little, &[0, 0, 0xff]), [65_279]);
    }

    #[test]
    fn floats_of_three_sizes() {
        let half = unpacked::<f32>(16, true, Order::Big, &[0x38, 0]);
        let single = unpacked::<f32>(32, true, Order::Little, &0.25_f32.to_le_bytes());
        let double = unpacked::<f32>(64, true, Order::Big, &(-3.5_f64).to_be_bytes());
        assert_eq!([half[0], single[0], double[0]], [0.5, 0.25, -3.5]);
        assert_eq!(u8::from_float(f64::NAN), 0);
        assert_eq!(u16::from_float(2.0), 65_535);
    }
}
