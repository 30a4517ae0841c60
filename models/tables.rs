//! The tensors of [`TABLES`](crate::TABLES), found by the compiler: a program without an allocator can have them too. All are
//! little-endian whole numbers, `DC_STEPS` of 64 bits, the others of 32.

use crate::TABLES_BYTES;

/// `tables.ac_size`, `[3, 32, 32]`.
pub static AC_SIZE: &[u8] = tensor("\"tables.ac_size\"");
/// `tables.dc_steps`, `[3, 90]`.
pub static DC_STEPS: &[u8] = tensor("\"tables.dc_steps\"");
/// `tables.dc_top`, `[3]`.
pub static DC_TOP: &[u8] = tensor("\"tables.dc_top\"");
/// `tables.mean_size`, `[3]`.
pub static MEAN_SIZE: &[u8] = tensor("\"tables.mean_size\"");
/// `tables.order`, `[144, 24]`.
pub static ORDER: &[u8] = tensor("\"tables.order\"");
/// `tables.p_one`, `[3, 72]`.
pub static P_ONE: &[u8] = tensor("\"tables.p_one\"");
/// `tables.weights`, `[3, 6]`.
pub static WEIGHTS: &[u8] = tensor("\"tables.weights\"");

/// The bytes of a tensor, by its name in quotes.
const fn tensor(name: &str) -> &'static [u8] {
    let file = TABLES_BYTES;
    let name_at = find(file, name.as_bytes(), 8);
    let offsets = find(file, b"\"data_offsets\":[", name_at);
    let (start, after) = number(file, offsets);
    let (end, _) = number(file, after + 1);
    let (a, b) = (file[0], file[1]);
    // The header has fewer than 65 536 bytes, or the first search would not have ended within the file.
    let data = 8 + u16::from_le_bytes([a, b]) as usize;
    let (_, tensor) = file.split_at(data + start);
    tensor.split_at(end - start).0
}

/// The place behind the first `wanted` from `at` on. There is one, or this does not compile.
const fn find(bytes: &[u8], wanted: &[u8], mut at: usize) -> usize {
    loop {
        let mut same = 0;
        while same < wanted.len() && bytes[at + same] == wanted[same] {
            same += 1;
        }
        if same == wanted.len() {
            return at + same;
        }
        at += 1;
    }
}

/// The decimal number at `at`, and the place behind it.
const fn number(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let mut value = 0;
    while bytes[at].is_ascii_digit() {
        value = 10 * value + (bytes[at] - b'0') as usize;
        at += 1;
    }
    (value, at)
}
