//! Properties of packets over arbitrary bytes: a file that is split and what arrives of it, and packets that no splitter made.

use flextok_container::packets::{
    Added, JoinError, Joiner, MAX_PACKET_BYTES, Packet, Packets, map_bytes,
};

/// What is split is joined up to the first packet that did not arrive, whatever was lost, doubled or flipped; packets of any
/// fields with right checks never break a joiner, and what it has joined stays.
pub fn packets(data: &[u8]) {
    any_packet(data);
    made_up(data);
    let Some((&[low, high, count], rest)) = data.split_first_chunk() else {
        return;
    };
    let size = u16::from_le_bytes([low, high]);
    let (fates, file) = rest.split_at(rest.len().min(count.into()));
    let packets = match Packets::new(file, size.into()) {
        Ok(packets) => packets,
        Err(error) => {
            crate::one_line(&error);
            let least = Packets::minimum_size(file.len() as u64).expect("a short file");
            assert!(file.is_empty() || size < least);
            return;
        }
    };
    arrivals(file, packets, fates);
}

fn any_packet(data: &[u8]) {
    match Packet::parse(data) {
        Ok(packet) => {
            assert_eq!(written(&packet), data);
            assert!(!packet.payload().is_empty() && data.len() <= MAX_PACKET_BYTES.into());
        }
        Err(error) => crate::one_line(&error),
    }
}

fn written(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0xaa; packet.byte_len()];
    packet.write(&mut bytes).expect("room enough").to_vec()
}

/// Each byte of `fates` sends a packet: which one, and how it arrives.
fn arrivals(file: &[u8], packets: Packets<'_>, fates: &[u8]) {
    let all: Vec<Vec<u8>> = packets.clone().map(|packet| written(&packet)).collect();
    assert_eq!(all.len(), packets.total() as usize);
    let bytes: usize = all.iter().map(Vec::len).sum();
    assert_eq!(bytes as u64, packets.total_bytes());
    let payload = packets.packet(0).expect("a packet").payload().len();
    let mut there = vec![false; all.len()];
    let (mut buffer, mut map) = (vec![0; file.len()], vec![0; map_bytes(packets.total())]);
    let mut joiner = Joiner::new(&mut buffer, &mut map);
    for fate in fates {
        let index = usize::from(fate >> 2) % all.len();
        let mut sent = all[index].clone();
        let at = usize::from(*fate) * 7 % sent.len();
        match fate & 3 {
            0 => sent[at] ^= 1 << (fate >> 5),
            1 => sent.truncate(at),
            _ => {}
        }
        match Packet::parse(&sent) {
            Ok(packet) => {
                let double = std::mem::replace(&mut there[index], true);
                let expected = if double { Added::Double } else { Added::New };
                assert_eq!(joiner.add(&packet), Ok(expected));
            }
            Err(error) => {
                assert!(fate & 3 < 2);
                crate::one_line(&error);
            }
        }
    }
    let missing = there.iter().position(|there| !there);
    let end = missing.map_or(file.len(), |missing| missing * payload);
    assert_eq!(
        joiner.first_missing(),
        missing.map(|missing| missing as u32)
    );
    assert_eq!(joiner.prefix(), &file[..end]);
    assert_eq!(joiner.finish(), Ok(&file[..end]));
}

/// Packets of right checks, each of a length byte and so many bytes of kind, id, number and part, in a small buffer.
fn made_up(data: &[u8]) {
    let (mut buffer, mut map) = ([0; 64], [0; 2]);
    let mut joiner = Joiner::new(&mut buffer, &mut map);
    let mut rest = data;
    let mut joined = Vec::new();
    while let Some((&length, after)) = rest.split_first() {
        let (body, after) = after.split_at(after.len().min(usize::from(length % 32)));
        rest = after;
        let mut bytes = body.to_vec();
        if let Some(kind) = bytes.first_mut() {
            *kind = 0xf8 | (*kind & 3);
        }
        // All are of one file, so that they meet.
        bytes.iter_mut().skip(1).take(2).for_each(|byte| *byte &= 1);
        bytes.extend(crc32c(&bytes).to_le_bytes());
        let Ok(packet) = Packet::parse(&bytes) else {
            continue;
        };
        let before = (joiner.packets(), joiner.total(), joiner.first_missing());
        match joiner.add(&packet) {
            Ok(Added::New) => {
                assert!(joiner.packets() == before.0 + 1 || joiner.packets() == before.0)
            }
            Ok(_) => assert!(joiner.packets() <= before.0),
            Err(error) => {
                crate::one_line(&error);
                assert_eq!(
                    before,
                    (joiner.packets(), joiner.total(), joiner.first_missing())
                );
            }
        }
        assert!(joiner.prefix().starts_with(&joined));
        joined = joiner.prefix().to_vec();
        assert!(
            joiner
                .first_missing()
                .is_none_or(|missing| missing <= joiner.packets())
        );
    }
    match joiner.finish() {
        Ok(file) => assert_eq!(file, joined),
        Err(error) => assert!(matches!(error, JoinError::Mixed { .. })),
    }
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |state, &byte| {
        (0..8).fold(state ^ u32::from(byte), |state, _| {
            (state >> 1) ^ (0x82f6_3b78 * (state & 1))
        })
    })
}
