//! Where everything stands in a file: the formulas of section 5 of the specification.
//!
//! All functions are pure, need no memory, and none overflows: a [`Layout`] is made of a valid header only.
//!
//! ```
//! use flextok_container::{CodedCanvas, Coded, Header, Size, TablesName};
//!
//! let coded = Coded { tables: TablesName::BUILTIN, canvas: CodedCanvas::Own, bytes: 300 };
//! let layout = Header::coded(Size { width: 640, height: 480 }, coded)?.layout();
//! assert_eq!(layout.payload_end(64), Some(12 + 64)); // the header has 12 bytes
//! assert_eq!(layout.payload_end(300), Some(12 + 64 + 1 + 192 + 1 + 44)); // two checks before
//! assert_eq!(layout.payload_section_end(), 314 + 2);
//! # Ok::<(), flextok_container::Error>(())
//! ```

use crate::checks::Check;

/// The first checks within a payload come after this many payload bytes; then one every [`CHECK_STRIDE`].
pub const CHECK_POSITIONS: [u64; 3] = [64, 256, 1024];

/// After these, every multiple of this many payload bytes has a check.
pub const CHECK_STRIDE: u64 = 4096;

/// Bytes of the longest header.
pub const MAX_HEADER_BYTES: u64 = 33;

/// Bytes of the shortest header.
pub const MIN_HEADER_BYTES: u64 = 9;

/// Bytes of a token of a payload of ids.
pub const TOKEN_BYTES: u64 = 2;

/// Bytes of a metadata chunk beside its content: type, length, CRC-8, CRC-32.
pub const CHUNK_FRAME_BYTES: u64 = 8;

/// The largest file that ends with a CRC-8, and the largest that ends with a CRC-16, in bytes.
const SHORT_FILES: [(Check, u64); 2] = [(Check::End, 64), (Check::Middle, 1024)];

/// A check and its place, counted in bytes of payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckPlace {
    /// Bytes of payload before it.
    pub payload: u64,
    /// Its kind.
    pub check: Check,
}

/// Offsets of a file of a given header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    header_bytes: u64,
    /// Bytes that cannot be parted: 1, or those of a layer.
    unit: u64,
    payload: u64,
    metadata: bool,
}

impl Layout {
    /// The layout of numbers that a valid header vouches for.
    pub(crate) fn of_header(header_bytes: u64, unit: u64, payload: u64, metadata: bool) -> Self {
        Self {
            header_bytes,
            unit: unit.max(1),
            payload,
            metadata,
        }
    }

    /// Bytes of the header.
    #[must_use]
    pub fn header_bytes(&self) -> u64 {
        self.header_bytes
    }

    /// Bytes of payload of the whole file.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.payload
    }

    /// The first check behind more than `payload` bytes of payload; none after the last one.
    #[must_use]
    pub fn next_check(&self, payload: u64) -> Option<CheckPlace> {
        if payload >= self.payload {
            return None;
        }
        let whole = self.whole_units(payload);
        let threshold = CHECK_POSITIONS.into_iter().find(|&place| place > whole);
        let threshold = threshold.unwrap_or_else(|| next_multiple(whole, CHECK_STRIDE));
        let place = self.round_up(threshold);
        if place >= self.payload {
            let check = self.end_check();
            return Some(CheckPlace {
                payload: self.payload,
                check,
            });
        }
        Some(CheckPlace {
            payload: place,
            check: inner_check(place),
        })
    }

    /// The check at the end of the payload.
    #[must_use]
    pub fn end_check(&self) -> Check {
        let before = self.end_of(self.payload);
        let short = SHORT_FILES.into_iter().find(|&(check, most)| {
            !self.metadata && before.saturating_add(check.byte_len()) <= most
        });
        short.map_or(Check::Long, |(check, _)| check)
    }

    /// Offset at which `payload` bytes of payload are there: the header, these bytes, and the checks between them. None
    /// beyond the last byte.
    #[must_use]
    pub fn payload_end(&self, payload: u64) -> Option<u64> {
        (payload <= self.payload).then(|| self.end_of(payload))
    }

    /// Offset of the end of the last check of the payload: the file's size without metadata.
    #[must_use]
    pub fn payload_section_end(&self) -> u64 {
        self.end_of(self.payload)
            .saturating_add(self.end_check().byte_len())
    }

    /// Bytes of payload among the first `bytes` of the file.
    #[must_use]
    pub fn payload_within(&self, bytes: u64) -> u64 {
        greatest(self.payload, |payload| self.end_of(payload) <= bytes)
    }

    /// Bytes of payload that are proven when the first `bytes` of the file are there and right.
    #[must_use]
    pub fn proven_within(&self, bytes: u64) -> u64 {
        if bytes >= self.payload_section_end() {
            return self.payload;
        }
        // A check that is there has its last byte before the end; one that is only begun counts for nothing.
        let place = greatest(self.payload, |payload| {
            payload < self.payload
                && self.end_of(payload).saturating_add(self.check_at(payload)) <= bytes
        });
        self.last_check_to(place)
    }

    /// Bytes of the check right behind `payload` bytes within the payload; 0 if there is none.
    fn check_at(&self, payload: u64) -> u64 {
        let at = self.checks_to(payload);
        at.saturating_sub(self.checks_to(payload.saturating_sub(1)))
    }

    /// The place of the last check within the payload that stands behind at most `payload` bytes; 0 if there is none.
    fn last_check_to(&self, payload: u64) -> u64 {
        let whole = self.whole_units(payload);
        let stride = whole.saturating_sub(whole.checked_rem(CHECK_STRIDE).unwrap_or(0));
        let places = CHECK_POSITIONS.into_iter().chain([stride]);
        let thresholds = places.filter(|&place| place > 0 && place <= whole);
        thresholds.fold(0, |last, place| last.max(self.round_up(place)))
    }

    fn end_of(&self, payload: u64) -> u64 {
        self.header_bytes
            .saturating_add(payload)
            .saturating_add(self.checks_to(payload.saturating_sub(1)))
    }

    /// Bytes of all checks within the payload that stand behind at most `payload` bytes.
    fn checks_to(&self, payload: u64) -> u64 {
        let whole = self.whole_units(payload);
        if self.unit > CHECK_STRIDE {
            // Each unit reaches over a multiple of the stride, so that a check stands after each.
            let checks = whole.checked_div(self.unit).unwrap_or(0);
            return checks.saturating_mul(Check::Long.byte_len());
        }
        // The first four can fall together; later ones are further apart than a unit is long.
        let mut bytes = 0_u64;
        let mut last = 0;
        for threshold in CHECK_POSITIONS.into_iter().chain([CHECK_STRIDE]) {
            let place = self.round_up(threshold);
            if place > whole {
                return bytes;
            }
            if place != last {
                bytes = bytes.saturating_add(inner_check(place).byte_len());
                last = place;
            }
        }
        let strides = whole.checked_div(CHECK_STRIDE).unwrap_or(0);
        let later = strides.saturating_sub(1);
        bytes.saturating_add(later.saturating_mul(Check::Long.byte_len()))
    }

    fn whole_units(&self, payload: u64) -> u64 {
        payload.saturating_sub(payload.checked_rem(self.unit).unwrap_or(0))
    }

    fn round_up(&self, payload: u64) -> u64 {
        payload
            .checked_next_multiple_of(self.unit)
            .unwrap_or(u64::MAX)
    }
}

/// The kind of a check within the payload: by its place, so that one that stands for several thresholds is the strongest.
fn inner_check(place: u64) -> Check {
    match place {
        0..256 => Check::First,
        256..1024 => Check::Second,
        _ => Check::Long,
    }
}

fn next_multiple(value: u64, step: u64) -> u64 {
    let below = value.checked_div(step).unwrap_or(0);
    below.saturating_add(1).saturating_mul(step)
}

/// The greatest number up to `most` for which `holds`, which holds for no number above one that it does not hold for; 0 if
/// it holds for none.
pub(crate) fn greatest(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low.midpoint(high).saturating_add((high ^ low) & 1);
        if holds(middle) {
            low = middle;
        } else {
            high = middle.saturating_sub(1);
        }
    }
    low
}

#[cfg(test)]
mod tests;
