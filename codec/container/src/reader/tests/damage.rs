//! Damage: every flipped bit, changes at random, splices, announced lengths.

use alloc::vec;

use super::*;

/// What a flip must be: an error that names the place. Neither a complete file nor one that was merely cut.
fn check_flips(file: &TokenFile) {
    let bytes = file.to_bytes().unwrap();
    let layout = file.header().layout();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let at = bit as u64 / 8;
        match TokenFile::parse(&flipped) {
            Err(Error::Corrupt { range, proven, .. }) => {
                let parity = at == 2;
                assert!(range.contains(&at) || parity, "bit {bit}: {range:?}");
                assert_eq!(proven, layout.proven_within(at), "bit {bit}");
            }
            Err(Error::NotFlextok { offset, .. }) => assert_eq!(offset, at),
            other => panic!("bit {bit} of {}: {other:?}", bytes.len()),
        }
    }
}

#[test]
fn every_flipped_bit_of_a_complete_file_is_noticed() {
    samples().iter().for_each(check_flips);
}

/// Every length up to the first long checks, both kinds.
#[test]
fn every_flipped_bit_is_noticed_at_every_size() {
    let small = Size {
        width: 7,
        height: 100,
    };
    for bytes in (1..150).chain((150..1100).step_by(37)) {
        check_flips(&coded(bytes, small, Metadata::default()));
    }
    for tokens in (1..80).chain((80..600).step_by(53)) {
        check_flips(&ids(tokens, 1, 1, Metadata::default()));
    }
    for bytes in 1..80 {
        check_flips(&coded(bytes, small, metadata()));
    }
}

/// Changes at random read as complete about as often as the last check allows.
#[test]
fn random_changes_are_noticed_as_often_as_the_checks_promise() {
    // (payload bytes, tries, most that may pass): 2^-8, 2^-16, 2^-32, with a margin of more than four deviations.
    for (payload, tries, most) in [(40, 60_000, 320), (200, 60_000, 12), (1100, 3000, 0)] {
        let file = coded(payload, PHOTO, Metadata::default());
        let bytes = file.to_bytes().unwrap();
        let mut numbers = noise(payload as u32);
        let mut next = |below: usize| numbers.next().unwrap() as usize % below;
        let passed = (0..tries).filter(|_| {
            let mut changed = bytes.clone();
            for _ in 0..=next(6) {
                let at = next(bytes.len());
                changed[at] = next(256) as u8;
            }
            changed != bytes && TokenFile::parse(&changed).is_ok_and(|file| file.is_complete())
        });
        let passed = passed.count();
        assert!(passed <= most, "{passed} of {tries} at {payload} bytes");
    }
}

/// The start of one file and the end of another, joined anywhere: the checks cover all that precedes them.
#[test]
fn splices_are_noticed() {
    for (first, second) in [
        (coded(700, PHOTO, Metadata::default()), 1),
        (coded(4100, PHOTO, Metadata::default()), 9),
        (coded(700, PHOTO, metadata()), 77),
        (ids(300, 1, 1, metadata()), 5),
        (ids(300, 1, 1, Metadata::default()), 6),
    ]
    .map(|(file, change)| {
        // Another payload of the same shape.
        let bytes = file.payload().iter().enumerate();
        let payload = bytes.map(|(at, byte)| if at % 2 == 0 { byte ^ change } else { *byte });
        let payload = payload.collect();
        let other = TokenFile::new(*file.header(), payload, file.metadata().clone()).unwrap();
        (file.to_bytes().unwrap(), other.to_bytes().unwrap())
    }) {
        let header = TokenFile::parse(&first).unwrap().header().byte_len() as usize;
        for at in header + 1..first.len() {
            let spliced = [&first[..at], &second[at..]].concat();
            if spliced == first || spliced == second {
                continue;
            }
            let read = TokenFile::parse(&spliced);
            assert!(matches!(read, Err(Error::Corrupt { .. })), "at {at}");
        }
    }
    // Chunks do not pass from file to file either, nor does their order change.
    let (one, two) = (coded(64, PHOTO, metadata()), coded(65, PHOTO, metadata()));
    let (one, two) = (one.to_bytes().unwrap(), two.to_bytes().unwrap());
    let chunks = metadata().byte_len() as usize;
    let spliced = [&one[..one.len() - chunks], &two[two.len() - chunks..]].concat();
    let read = TokenFile::parse(&spliced);
    let Err(Error::Corrupt { region, proven, .. }) = read else {
        panic!("{read:?}");
    };
    assert_eq!((region, proven), (Region::Chunk { index: 0 }, 64));
    let start = one.len() - chunks;
    let dropped = [&one[..start], &one[start + 8 + 13..]].concat();
    assert!(TokenFile::parse(&dropped).is_err());
}

/// Each length that the first bytes can announce comes to an end, also the one that no fields can fill.
#[test]
fn every_announced_length_ends() {
    for kind in 0..=255 {
        for filler in [0, 1, 0x80, 0xff] {
            let mut bytes = vec![filler; 200];
            bytes[..3].copy_from_slice(&[0xf6, 0xdc, kind]);
            let read = TokenFile::parse(&bytes);
            assert!(read.is_err(), "{kind:#x} {filler:#x}: {read:?}");
        }
    }
    // Extent 15 of ids announces 34 bytes.
    let mut bytes = vec![0; 200];
    bytes[..3].copy_from_slice(&[0xf6, 0xdc, 0x1f]);
    let check = crc32fast::hash(&bytes[..30]);
    bytes[30..34].copy_from_slice(&check.to_le_bytes());
    let read = in_pieces(&bytes, 1);
    assert!(
        matches!(read, Err(Error::MalformedHeader { .. })),
        "{read:?}"
    );
}
