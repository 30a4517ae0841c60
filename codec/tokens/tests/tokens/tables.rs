//! Tables that are wrong, and the name of the right ones.

use flextok_tokens::{Error, TableParts, Tables};

use crate::common;

/// Owned arrays of tables.
struct Parts {
    ac_size: Vec<i32>,
    dc_steps: Vec<i64>,
    order: Vec<i32>,
    p_one: Vec<i32>,
    weights: Vec<i32>,
}

impl Parts {
    fn sound() -> Self {
        let first = |size: i32| (144 - size) / 8;
        let gain = |size: i32, plane| {
            if plane < first(size) {
                -32_768
            } else {
                4 * size - 32 * plane
            }
        };
        Self {
            ac_size: vec![20; 3072],
            dc_steps: (0..270).map(|step| step % 90).collect(),
            order: (0..144)
                .flat_map(|size| (0..24).map(move |plane| gain(size, plane)))
                .collect(),
            p_one: vec![20_000; 216],
            weights: vec![100; 18],
        }
    }

    fn tables(&self) -> Result<Tables, Error> {
        Tables::new(&TableParts {
            ac_size: &self.ac_size,
            dc_steps: &self.dc_steps,
            dc_top: &[100; 3],
            mean_size: &[80; 3],
            order: &self.order,
            p_one: &self.p_one,
            weights: &self.weights,
        })
    }

    /// The error of tables after a change.
    fn error(change: impl FnOnce(&mut Self)) -> Option<Error> {
        let mut parts = Self::sound();
        assert!(parts.tables().is_ok());
        change(&mut parts);
        parts.tables().err()
    }
}

#[test]
fn lengths_and_values_are_checked() {
    let expected = |table, index, found, min, max| {
        Some(Error::TableValue {
            table,
            index,
            found,
            min,
            max,
        })
    };
    assert_eq!(
        Parts::error(|parts| parts.ac_size.truncate(3071)),
        Some(Error::TableLength {
            table: "ac_size",
            found: 3071,
            expected: 3072
        })
    );
    assert_eq!(
        Parts::error(|parts| parts.weights.push(1)),
        Some(Error::TableLength {
            table: "weights",
            found: 19,
            expected: 18
        })
    );
    assert_eq!(
        Parts::error(|parts| parts.ac_size[9] = 4097),
        expected("ac_size", 9, 4097, -4096, 4096)
    );
    assert_eq!(
        Parts::error(|parts| parts.weights[17] = i32::MIN),
        expected("weights", 17, i32::MIN.into(), -2048, 2048)
    );
    assert_eq!(
        Parts::error(|parts| parts.p_one[3] = 23),
        expected("p_one", 3, 23, 24, 65_512)
    );
    assert_eq!(
        Parts::error(|parts| parts.p_one[3] = 65_513),
        expected("p_one", 3, 65_513, 24, 65_512)
    );
    assert_eq!(
        Parts::error(|parts| parts.dc_steps[0] = -1),
        expected("dc_steps", 0, -1, 0, 1 << 30)
    );
    assert_eq!(
        Parts::error(|parts| parts.dc_steps[200] = 5),
        expected("dc_steps", 200, 5, 19, 1 << 30)
    );
    assert_eq!(
        Parts::error(|parts| parts.order[0] = 32_768),
        expected("order", 0, 32_768, -32_768, 32_767)
    );
}

#[test]
fn planes_start_at_the_first_without_a_gap_and_gains_do_not_rise() {
    // The first plane of row 100 is 5.
    let at = |plane: usize, gain: i32| Parts::error(|parts| parts.order[100 * 24 + plane] = gain);
    let wrong = |plane| {
        Some(Error::TableOrder {
            row: 100,
            plane,
            first: 5,
        })
    };
    assert_eq!(at(4, 500), wrong(4));
    assert_eq!(at(5, -32_768), wrong(5));
    assert_eq!(at(9, -32_768), wrong(10));
    assert_eq!(at(9, 400), wrong(9));
    assert_eq!(at(23, -32_768), None);
}

#[test]
fn the_name_is_that_of_the_definition() {
    // By the definition in format-spec/README.md, section 7, in Python.
    assert_eq!(common::tables().fingerprint(), FINGERPRINT);
    assert_ne!(
        Parts::sound().tables().map(|tables| tables.fingerprint()),
        Ok(FINGERPRINT)
    );
}

/// The embedded tables' name.
const FINGERPRINT: [u8; 4] = [0x1d, 0xfb, 0x3c, 0x26];
