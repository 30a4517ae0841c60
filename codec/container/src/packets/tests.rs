//! Packets byte for byte, every order of arrival, and what contradicts or finds no room.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::*;

/// CRC-32C bit by bit, as the specification defines it.
fn plain(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |state, &byte| {
        (0..8).fold(state, |state, bit| {
            let out = (state ^ (u32::from(byte) >> bit)) & 1;
            (state >> 1) ^ (0x82f6_3b78 * out)
        })
    })
}

fn file(length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| ((i * 167 + 41) ^ (i >> 8)) as u8)
        .collect()
}

fn bytes(packet: &Packet<'_>) -> Vec<u8> {
    let mut buffer = vec![0; packet.byte_len() + 3];
    packet.write(&mut buffer).expect("room enough").to_vec()
}

fn split(file: &[u8], size: usize) -> Vec<Vec<u8>> {
    let packets = Packets::new(file, size).expect("possible");
    packets.map(|packet| bytes(&packet)).collect()
}

/// A packet of the file with the id `9f3c`.
fn packet(sequence: u16, last: bool, payload: &[u8]) -> Packet<'_> {
    Packet {
        id: FileId([0x9f, 0x3c]),
        sequence,
        last,
        wide: false,
        payload,
    }
}

#[test]
fn the_check_is_that_of_the_specification() {
    assert_eq!(plain(b"123456789"), 0xe306_9283);
    let mut sum = checks::packet();
    sum.update(b"1234");
    sum.update(b"56789");
    assert_eq!(sum.finalize(), 0xe306_9283);
}

/// No two bits of a packet of 340 bytes change the check alike, nor two pairs of them, and it sees any odd number: so that
/// up to five flipped bits never go unnoticed.
#[test]
fn five_flipped_bits_are_always_noticed() {
    assert_eq!(
        0x82f6_3b78_u32.count_ones() % 2,
        1,
        "with its own term, an even number"
    );
    let step = |state: &u32| Some((state >> 1) ^ (0x82f6_3b78 * (state & 1)));
    let single = core::iter::successors(Some(0x8000_0000_u32), step);
    let single: Vec<u32> = single.take(340 * 8).collect();
    let pairs = single
        .iter()
        .enumerate()
        .flat_map(|(index, a)| single[..index].iter().map(move |b| a ^ b));
    let mut changes: Vec<u32> = pairs.chain(single.iter().copied()).collect();
    let count = changes.len();
    changes.sort_unstable();
    changes.dedup();
    assert!(changes.len() == count && changes[0] != 0);
}

#[test]
fn a_packet_is_these_bytes() {
    let [first, second] = &split(b"flextok", 12)[..] else {
        panic!("two packets")
    };
    let id = plain(b"\x04\x00flextok").to_le_bytes();
    let sealed = |start: &[u8]| [start, &plain(start).to_le_bytes()].concat();
    assert_eq!(
        *first,
        sealed(&[0xf8, id[0], id[1], 0, b'f', b'l', b'e', b'x'])
    );
    assert_eq!(*second, sealed(&[0xf9, id[0], id[1], 1, b't', b'o', b'k']));

    // More than 256 packets: numbers of two bytes in each of them.
    let long = file(257 * 2);
    let packets = split(&long, 10);
    let [low, high, ..] = plain(&[&[1, 0], &long[..]].concat()).to_le_bytes();
    assert_eq!(packets.len(), 514);
    assert_eq!(packets[0], sealed(&[0xfa, low, high, 0, 0, long[0]]));
    assert_eq!(packets[513], sealed(&[0xfb, low, high, 1, 2, long[513]]));
    for (index, packet) in packets.iter().enumerate() {
        let parsed = Packet::parse(packet).expect("a packet");
        assert_eq!(usize::from(parsed.sequence()), index);
        assert_eq!(
            (parsed.id(), parsed.payload()),
            (FileId([low, high]), &long[index..=index])
        );
    }
}

#[test]
fn a_file_takes_as_few_packets_as_its_size_allows() {
    for (length, size, count, last) in [
        (1, 9, 1, 9),
        (256, 9, 256, 9),
        (512, 10, 256, 10),
        (513, 11, 171, 11),
        (132, 140, 1, 140),
        (133, 140, 2, 9),
        (256 * 192, 200, 256, 200),
        (256 * 192 + 1, 200, 258, 75),
        (40, 65_535, 1, 48),
    ] {
        let file = file(length);
        let packets = Packets::new(&file, size).expect("possible");
        assert_eq!(
            (packets.total(), packets.len()),
            (count, count as usize),
            "{length} by {size}"
        );
        let sizes: Vec<usize> = packets.clone().map(|packet| packet.byte_len()).collect();
        assert_eq!(sizes.last(), Some(&last), "{length} by {size}");
        assert!(sizes.iter().rev().skip(1).all(|&other| other == size));
        assert_eq!(
            packets.total_bytes(),
            sizes.iter().map(|&size| size as u64).sum()
        );
        assert_eq!(packets.packet(u16::try_from(count).expect("few")), None);
    }
}

#[test]
fn what_cannot_be_split_is_refused_with_what_can() {
    assert_eq!(Packets::new(&[], 100).err(), Some(SplitError::Empty));
    let most = file(65_536);
    for (length, size, minimum) in [
        (1, 0, 9),
        (1, 8, 9),
        (1, 65_536, 9),
        (256, 8, 9),
        (257, 9, 10),
        (65_536, 9, 10),
    ] {
        let error = Packets::new(&most[..length], size).err();
        assert_eq!(error, Some(SplitError::Size { size, minimum }));
        let packets = Packets::new(&most[..length], minimum.into()).expect("the least");
        assert!(packets.total() <= MAX_PACKETS);
    }
    assert_eq!(Packets::minimum_size(65_536 + 1), Some(11));
    let longest = 65_536 * 65_526;
    assert_eq!(Packets::minimum_size(longest), Some(65_535));
    assert_eq!(Packets::minimum_size(longest + 1), None);
    assert_eq!(Packets::minimum_size(u64::MAX), None);
}

#[test]
fn every_flipped_bit_and_every_other_length_is_noticed() {
    for good in [&split(&file(300), 40)[3], &split(&file(600), 10)[299]] {
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Packet::parse(&bad).is_err(), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(Packet::parse(&good[..length]).is_err(), "{length} bytes");
        }
        assert!(Packet::parse(&[&good[..], &[0]].concat()).is_err());
    }
}

#[test]
fn what_is_not_a_packet_says_why() {
    let error = |bytes: &[u8]| Packet::parse(bytes).expect_err("not a packet");
    let short = |length, minimum| PacketError::TooShort { length, minimum };
    assert_eq!(error(&[]), short(0, 9));
    assert_eq!(error(&[0xf8; 8]), short(8, 9));
    assert_eq!(error(&[0xfa; 9]), short(9, 10));
    assert_eq!(
        error(&[0xf6, 0xdc]),
        PacketError::NotAPacket { found: 0xf6 }
    );
    assert_eq!(
        error(&vec![0xf9; 65_536]),
        PacketError::TooLong { length: 65_536 }
    );
    let computed = plain(&[0xf9, 0, 0, 0, 0]);
    assert_eq!(
        error(&[0xf9, 0, 0, 0, 0, 1, 0, 0, 0]),
        PacketError::Check {
            stored: 1,
            computed
        }
    );
    let mut buffer = [0; 8];
    let needed = packet(0, true, b"x").write(&mut buffer);
    assert_eq!(
        needed,
        Err(PacketError::Buffer {
            needed: 9,
            available: 8
        })
    );
    assert_eq!(buffer, [0; 8]);
}

/// Orders of `left` after `begun`, each given to `check`.
fn orders(begun: &mut Vec<usize>, left: &mut Vec<usize>, check: &mut impl FnMut(&[usize])) {
    check(begun);
    for index in 0..left.len() {
        begun.push(left.remove(index));
        orders(begun, left, check);
        left.insert(index, begun.pop().expect("pushed above"));
    }
}

/// Every order of every choice of five packets, each given twice: the start of the file up to the first one missing.
#[test]
fn any_packets_in_any_order_make_the_start_of_the_file() {
    for length in [50, 41] {
        let file = file(length);
        let packets = split(&file, 18);
        let mut count = 0;
        orders(&mut Vec::new(), &mut (0..5).collect(), &mut |order| {
            // As long as the file, so that the last packet waits where others belong.
            let (mut buffer, mut map) = (vec![0xaa; length], [0xff; 1]);
            let mut joiner = Joiner::new(&mut buffer, &mut map);
            let mut there = [false; 5];
            for &index in order.iter().chain(order) {
                let packet = Packet::parse(&packets[index]).expect("whole");
                let double = core::mem::replace(&mut there[index], true);
                let expected = if double { Added::Double } else { Added::New };
                assert_eq!(joiner.add(&packet), Ok(expected), "{order:?}");
                let missing = there.iter().position(|there| !there);
                let end = missing.map_or(length, |missing| missing * 10);
                assert_eq!(joiner.prefix(), &file[..end], "{order:?}");
                assert_eq!(
                    joiner.first_missing(),
                    missing.map(|missing| missing as u32)
                );
            }
            assert_eq!(joiner.packets() as usize, order.len());
            assert_eq!(joiner.total(), order.contains(&4).then_some(5));
            let end = joiner.prefix().len();
            assert_eq!(joiner.finish(), Ok(&file[..end]));
            count += 1;
        });
        assert_eq!(count, 326);
    }
}

#[test]
fn contradictions_leave_what_came_first() {
    use JoinError::{Content, Length, Order, OtherFile};
    let (ten, nine) = ([7; 10], [7; 9]);
    let other = FileId([0, 1]);
    let foreign = Packet {
        id: other,
        ..packet(0, false, &ten)
    };
    let expected = FileId([0x9f, 0x3c]);
    let length = |sequence, found, expected| Length {
        sequence,
        found,
        expected,
    };
    let order = |sequence, other| Order { sequence, other };
    // Packets that fit together, then one that does not.
    for (first, wrong, error) in [
        (
            vec![packet(1, false, &ten)],
            foreign,
            OtherFile {
                found: other,
                expected,
            },
        ),
        (
            vec![packet(1, false, &ten)],
            packet(0, false, &nine),
            length(0, 9, 10),
        ),
        (
            vec![packet(1, false, &nine)],
            packet(3, true, &ten),
            length(3, 10, 9),
        ),
        (
            vec![packet(3, true, &ten)],
            packet(0, false, &nine),
            length(0, 9, 10),
        ),
        (
            vec![packet(0, true, &ten)],
            packet(1, false, &ten),
            order(1, 0),
        ),
        (
            vec![packet(2, true, &ten)],
            packet(2, false, &ten),
            order(2, 2),
        ),
        (
            vec![packet(2, true, &ten)],
            packet(3, true, &ten),
            order(3, 2),
        ),
        (
            vec![packet(2, false, &ten)],
            packet(2, true, &ten),
            order(2, 2),
        ),
        (
            vec![packet(5, false, &ten)],
            packet(4, true, &ten),
            order(4, 5),
        ),
        (
            vec![packet(1, false, &ten)],
            packet(1, false, &[8; 10]),
            Content { sequence: 1 },
        ),
        (
            vec![packet(1, true, &ten)],
            packet(1, true, &nine),
            Content { sequence: 1 },
        ),
        (
            vec![packet(0, false, &ten), packet(1, true, &nine)],
            packet(1, true, &[8; 9]),
            Content { sequence: 1 },
        ),
    ] {
        let (mut buffer, mut map) = ([0; 100], [0; 1]);
        let mut joiner = Joiner::new(&mut buffer, &mut map);
        for packet in &first {
            assert_eq!(joiner.add(packet), Ok(Added::New));
        }
        let before = (joiner.prefix().to_vec(), joiner.packets(), joiner.total());
        assert_eq!(joiner.add(&wrong), Err(error));
        let after = (joiner.prefix().to_vec(), joiner.packets(), joiner.total());
        assert_eq!(before, after, "{error}");
        for packet in &first {
            assert_eq!(joiner.add(packet), Ok(Added::Double), "{error}");
        }
    }
}

#[test]
fn a_given_id_refuses_all_others_from_the_first_on() {
    let (mut buffer, mut map) = ([0; 10], [0; 1]);
    let mut joiner = Joiner::with_id(&mut buffer, &mut map, FileId([1, 2]));
    let found = FileId([0x9f, 0x3c]);
    let error = JoinError::OtherFile {
        found,
        expected: FileId([1, 2]),
    };
    assert_eq!(joiner.add(&packet(0, true, b"x")), Err(error));
    assert_eq!(joiner.id(), Some(FileId([1, 2])));
    assert_eq!(joiner.finish(), Ok(&[][..]));
}

/// Packets of two files with one id, none of which contradicts another.
#[test]
fn a_mixture_is_noticed_when_it_is_complete() {
    let (mut buffer, mut map) = ([0; 10], [0; 1]);
    let mut joiner = Joiner::new(&mut buffer, &mut map);
    assert_eq!(joiner.add(&packet(0, false, b"abc")), Ok(Added::New));
    assert_eq!(joiner.add(&packet(1, true, b"d")), Ok(Added::New));
    let (found, expected) = (FileId::of(b"abcd", 3), FileId([0x9f, 0x3c]));
    assert_eq!(joiner.finish(), Err(JoinError::Mixed { found, expected }));
}

#[test]
fn buffers_that_are_too_short_join_the_start() {
    let file = file(50);
    let packets = split(&file, 18);
    let packets: Vec<Packet<'_>> = packets
        .iter()
        .map(|p| Packet::parse(p).expect("whole"))
        .collect();
    let orders = [
        [0, 1, 2, 3, 4],
        [4, 3, 2, 1, 0],
        [4, 0, 1, 2, 3],
        [3, 4, 0, 1, 2],
    ];
    // Room for so many bytes and so many packets; what of the file they hold.
    for (room, bits, kept) in [
        (0, 1, 0),
        (9, 1, 0),
        (10, 1, 1),
        (35, 1, 3),
        (49, 1, 4),
        (50, 0, 0),
        (50, 1, 5),
    ] {
        for order in orders {
            let (mut buffer, mut map) = (vec![0; room], vec![0; bits]);
            let mut joiner = Joiner::new(&mut buffer, &mut map);
            for index in order.into_iter().chain(order) {
                joiner.add(&packets[index]).expect("no contradiction");
            }
            assert_eq!(
                joiner.prefix(),
                &file[..kept * 10],
                "{room} {bits} {order:?}"
            );
            assert_eq!((joiner.packets() as usize, joiner.total()), (kept, Some(5)));
            assert_eq!(joiner.first_missing(), (kept < 5).then_some(kept as u32));
            // Of the last packet the length is known, though it was not kept.
            let wrong = Packet {
                payload: &file[..7],
                ..packets[4]
            };
            assert_eq!(joiner.add(&wrong), Err(JoinError::Content { sequence: 4 }));
        }
    }
    // The last packet found room at the end, until the length of the others told its place.
    let (mut buffer, mut map) = ([0; 30], [0; 1]);
    let mut joiner = Joiner::new(&mut buffer, &mut map);
    assert_eq!(joiner.add(&packets[4]), Ok(Added::New));
    assert_eq!(joiner.add(&packets[0]), Ok(Added::New));
    assert_eq!((joiner.packets(), joiner.total()), (1, Some(5)));
    assert_eq!(joiner.add(&packets[4]), Ok(Added::NoRoom));
}

#[test]
fn the_longest_file_that_numbers_reach() {
    let file = file(65_536);
    let packets = Packets::new(&file, 10).expect("possible");
    assert_eq!((packets.total(), packets.len()), (MAX_PACKETS, 65_536));
    let (mut buffer, mut map) = (vec![0; 65_536], vec![0; map_bytes(MAX_PACKETS)]);
    let mut joiner = Joiner::new(&mut buffer, &mut map);
    for sequence in (0..=u16::MAX).rev() {
        let packet = packets.packet(sequence).expect("so many");
        assert_eq!(joiner.add(&packet), Ok(Added::New));
    }
    assert_eq!(
        (joiner.total(), joiner.first_missing()),
        (Some(MAX_PACKETS), None)
    );
    assert_eq!(joiner.finish(), Ok(&file[..]));
}

#[test]
fn ids_are_four_digits() {
    assert_eq!("9F3c".parse(), Ok(FileId([0x9f, 0x3c])));
    assert_eq!(FileId([0, 0x0a]).to_string(), "000a");
    for text in ["", "9f3", "9f3c0", "+f3c", "9f3g", "éab", "0x9f"] {
        let length = text.chars().count();
        assert_eq!(
            text.parse::<FileId>(),
            Err(InvalidFileId { length }),
            "{text}"
        );
    }
}

#[test]
fn the_size_of_packets_is_in_the_id() {
    let file = file(100);
    let id = |size| Packets::new(&file, size).expect("possible").id();
    assert_ne!(id(40), id(41));
    // A single packet is the same at any size.
    assert_eq!(id(108), id(200));
    assert_eq!(id(40), FileId::of(&file, 32));
}
