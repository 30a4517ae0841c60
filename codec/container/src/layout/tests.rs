//! The formulas against a walk along the file, for many units and lengths.

use alloc::vec;
use alloc::vec::Vec;

use super::*;

/// What stands where, byte by byte as section 5 tells it: for each byte of the file whether it is header, payload or check.
fn walk(header: u64, unit: u64, payload: u64, metadata: bool) -> (Vec<char>, Vec<CheckPlace>) {
    let mut bytes = vec!['h'; header as usize];
    let mut places = Vec::new();
    let mut threshold = 64;
    for done in 1..=payload {
        bytes.push('p');
        if done == payload {
            break;
        }
        if done % unit != 0 || done < threshold {
            continue;
        }
        let check = match done {
            0..256 => Check::First,
            256..1024 => Check::Second,
            _ => Check::Long,
        };
        bytes.extend(vec!['c'; check.byte_len() as usize]);
        places.push(CheckPlace {
            payload: done,
            check,
        });
        while threshold <= done {
            threshold = match threshold {
                64 => 256,
                256 => 1024,
                1024 => 4096,
                later => later + 4096,
            };
        }
    }
    let check = match bytes.len() {
        _ if metadata => Check::Long,
        0..64 => Check::End,
        64..1023 => Check::Middle,
        _ => Check::Long,
    };
    bytes.extend(vec!['c'; check.byte_len() as usize]);
    places.push(CheckPlace { payload, check });
    (bytes, places)
}

fn compare(header: u64, unit: u64, payload: u64, metadata: bool, thorough: bool) {
    let layout = Layout::of_header(header, unit, payload, metadata);
    let (bytes, places) = walk(header, unit, payload, metadata);
    let context = (header, unit, payload, metadata);
    assert_eq!(
        layout.payload_section_end(),
        bytes.len() as u64,
        "{context:?}"
    );
    assert_eq!(layout.end_check(), places[places.len() - 1].check);
    let mut proven = 0;
    for place in &places {
        assert_eq!(layout.next_check(proven), Some(*place), "{context:?}");
        if thorough {
            (proven..place.payload)
                .for_each(|from| assert_eq!(layout.next_check(from), Some(*place)));
        }
        proven = place.payload;
    }
    assert_eq!(layout.next_check(payload), None);
    if !thorough {
        return;
    }
    assert_eq!(layout.payload_end(0), Some(header));
    assert_eq!(layout.payload_end(payload + 1), None);
    let (mut done, mut next) = (0, 0);
    for (offset, kind) in (1..).zip(&bytes) {
        if *kind == 'p' {
            done += 1;
            assert_eq!(layout.payload_end(done), Some(offset), "{context:?}");
        }
        // A check is whole at its last byte.
        let place = &places[next];
        let rest = &bytes[offset as usize..];
        if done == place.payload && *kind == 'c' && rest.first() != Some(&'c') {
            next = (next + 1).min(places.len() - 1);
            proven = place.payload;
        } else if done == 0 {
            proven = 0;
        }
        assert_eq!(layout.payload_within(offset), done);
        assert_eq!(layout.proven_within(offset), proven, "{context:?} {offset}");
    }
}

#[test]
fn formulas_agree_with_a_walk() {
    for header in [9, 12, 33] {
        for unit in [1, 2, 6, 64, 100, 512, 2050, 4096, 4098, 9000] {
            for units in [1, 2, 3, 5, 40] {
                for metadata in [false, true] {
                    let payload = unit * units;
                    let end = payload < 12_000;
                    compare(header, unit, payload, metadata, end);
                }
            }
        }
    }
}

#[test]
fn formulas_agree_with_a_walk_for_every_short_payload() {
    for payload in 1..1400 {
        for header in [9, 12] {
            compare(header, 1, payload, false, payload % 97 == 0);
        }
    }
    compare(12, 1, 20_000, false, true);
}

#[test]
fn the_greatest_that_holds_is_found() {
    for most in 0..40 {
        for limit in 0..50 {
            assert_eq!(greatest(most, |n| n <= limit), most.min(limit));
        }
    }
    assert_eq!(greatest(u64::MAX, |n| n < u64::MAX), u64::MAX - 1);
    assert_eq!(greatest(9, |_| false), 0);
}

/// Overhead without metadata of photos of up to 16 384 pixels a side.
#[test]
fn overhead_is_within_its_bounds() {
    use crate::{Coded, CodedCanvas, Header, Size, TablesName};
    let size = Size {
        width: 16_384,
        height: 16_384,
    };
    let canvas = CodedCanvas::Long(core::num::NonZeroU8::MAX);
    for bytes in (1..20_000).chain([99_999, 2_097_151, 2_097_152, 300_000_000, u32::MAX.into()]) {
        let coded = Coded {
            tables: TablesName::BUILTIN,
            canvas,
            bytes,
        };
        let file = Header::coded(size, coded)
            .unwrap()
            .layout()
            .payload_section_end();
        let most = match file {
            0..=64 => 12,
            65..=1024 => 16,
            _ => (file / 100).max(24),
        };
        assert!(file - bytes <= most, "{bytes}: {file}");
    }
}
