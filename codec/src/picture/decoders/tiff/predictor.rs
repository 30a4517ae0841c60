//! Differences back to samples (TIFF 6.0, section 14; TIFF Technical Note 3).

use super::directory::Order;

/// Undoes the differences of a row to the pixel left of each, `stride` samples of `bytes` each, modulo their size.
pub(super) fn horizontal(row: &mut [u8], bytes: usize, stride: usize, order: Order) {
    let step = bytes * stride;
    match (bytes, order) {
        (1, _) => add(row, step, |[a], [b]| [a.wrapping_add(b)]),
        (2, Order::Little) => add(row, step, |a, b| {
            u16::from_le_bytes(a)
                .wrapping_add(u16::from_le_bytes(b))
                .to_le_bytes()
        }),
        (2, Order::Big) => add(row, step, |a, b| {
            u16::from_be_bytes(a)
                .wrapping_add(u16::from_be_bytes(b))
                .to_be_bytes()
        }),
        (4, Order::Little) => add(row, step, |a, b| {
            u32::from_le_bytes(a)
                .wrapping_add(u32::from_le_bytes(b))
                .to_le_bytes()
        }),
        (4, Order::Big) => add(row, step, |a, b| {
            u32::from_be_bytes(a)
                .wrapping_add(u32::from_be_bytes(b))
                .to_be_bytes()
        }),
        (_, Order::Little) => add(row, step, |a, b| {
            u64::from_le_bytes(a)
                .wrapping_add(u64::from_le_bytes(b))
                .to_le_bytes()
        }),
        (_, Order::Big) => add(row, step, |a, b| {
            u64::from_be_bytes(a)
                .wrapping_add(u64::from_be_bytes(b))
                .to_be_bytes()
        }),
    }
}

/// Adds to each number the one `step` bytes before it.
fn add<const N: usize>(row: &mut [u8], step: usize, sum: impl Fn([u8; N], [u8; N]) -> [u8; N]) {
    let mut at = step;
    while at + N <= row.len() {
        let (before, rest) = row.split_at_mut(at);
        let left = before.get(at - step..).and_then(<[u8]>::first_chunk::<N>);
        let (Some(left), Some(here)) = (left, rest.first_chunk_mut::<N>()) else {
            return;
        };
        *here = sum(*here, *left);
        at += N;
    }
}

/// Undoes the differences of the bytes of floats: their highest bytes come first, then the next ones. The result is in
/// [`Order::Big`].
pub(super) fn float(row: &mut [u8], bytes: usize, stride: usize, scratch: &mut Vec<u8>) {
    add(row, stride, |[a], [b]| [a.wrapping_add(b)]);
    scratch.clear();
    scratch.extend_from_slice(row);
    let count = row.len() / bytes.max(1);
    for (at, number) in row.chunks_exact_mut(bytes.max(1)).enumerate() {
        let weights = scratch.iter().skip(at).step_by(count.max(1));
        for (byte, part) in number.iter_mut().zip(weights) {
            *byte = *part;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_wrap_in_both_orders() {
        let mut row = [1, 2, 255, 3];
        horizontal(&mut row, 1, 2, Order::Little);
        assert_eq!(row, [1, 2, 0, 5]);
        let mut row = [0xff, 0, 1, 0, 0, 1];
        horizontal(&mut row, 2, 1, Order::Little);
        assert_eq!(row, [0xff, 0, 0, 1, 0, 2]);
        let mut row = [0, 0xff, 0, 1, 1, 0];
        horizontal(&mut row, 2, 1, Order::Big);
        assert_eq!(row, [0, 0xff, 1, 0, 2, 0]);
        let mut row = [0, 0, 0, 1, 255, 255, 255, 255];
        horizontal(&mut row, 4, 1, Order::Big);
        assert_eq!(row[4..], [0; 4]);
        let mut row = [0; 15];
        row[0] = 7;
        horizontal(&mut row, 8, 1, Order::Little);
        assert_eq!(row[8..], [0; 7], "what is no number stays");
    }

    #[test]
    fn bytes_of_floats_are_put_together() {
        // 1.0 and 2.0 are 3f800000 and 40000000: highest bytes 3f 40, then 80 00, then zeros.
        let mut row = [0x3f, 1, 0x40, 0x80, 0, 0, 0, 0];
        float(&mut row, 4, 1, &mut Vec::new());
        assert_eq!(row, [0x3f, 0x80, 0, 0, 0x40, 0, 0, 0]);
    }
}
