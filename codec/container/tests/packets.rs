//! Packets: the vectors of `format-spec/vectors/packets`, properties over arbitrary files, losses and damage, and the joiner
//! in Python, which shares no code with this crate.
//!
//! That one needs `python3`, so that it runs when asked: `cargo test --release -p flextok-container --test packets --
//! --ignored`. How many arrivals it makes is in `FLEXTOK_MUTATIONS` (2000 if that is not set).

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use flextok_container::packets::{
    Added, FileId, JoinError, Joiner, MAX_PACKETS, Packet, PacketError, Packets, map_bytes,
};
use flextok_container::{State, TokenFile};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

fn specification(path: &str) -> PathBuf {
    let crate_dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    crate_dir.join("../../format-spec").join(path)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes_of(digits: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
    (0..digits.len()).step_by(2).map(digit).collect()
}

fn split(file: &[u8], size: usize) -> Vec<Vec<u8>> {
    let packets = Packets::new(file, size).expect("possible");
    let written = |packet: Packet<'_>| {
        let mut buffer = vec![0; size];
        packet.write(&mut buffer).expect("room").to_vec()
    };
    packets.map(written).collect()
}

fn refusal(error: &PacketError) -> &'static str {
    match error {
        PacketError::NotAPacket { .. } => "not-a-packet",
        PacketError::TooShort { .. } => "too-short",
        PacketError::TooLong { .. } => "too-long",
        PacketError::Check { .. } => "check",
        other => panic!("{other}"),
    }
}

fn became(result: Result<Added, JoinError>) -> &'static str {
    match result {
        Ok(Added::New) => "new",
        Ok(Added::Double) => "double",
        Err(JoinError::Order { .. }) => "order",
        Err(JoinError::Length { .. }) => "length",
        Err(JoinError::Content { .. }) => "content",
        other => panic!("{other:?}"),
    }
}

/// What became of packets, and what they make of each file, as section 19 of the specification reports it.
fn report(arrived: &[Vec<u8>]) -> Value {
    let parsed: Vec<_> = arrived.iter().map(|bytes| Packet::parse(bytes)).collect();
    let mut outcomes = vec![Value::Null; arrived.len()];
    let mut files: BTreeMap<FileId, Vec<usize>> = BTreeMap::new();
    for (index, packet) in parsed.iter().enumerate() {
        match packet {
            Ok(packet) => files.entry(packet.id()).or_default().push(index),
            Err(error) => outcomes[index] = refusal(error).into(),
        }
    }
    let mut reports = serde_json::Map::new();
    for (id, indices) in files {
        let packets: Vec<Packet<'_>> = indices.iter().filter_map(|&i| parsed[i].ok()).collect();
        let end =
            |packet: &Packet<'_>| (usize::from(packet.sequence()) + 1) * packet.payload().len();
        // Room for any of them, whichever the length turns out to be.
        let most = packets.iter().map(|packet| packet.payload().len()).max();
        let numbers = packets
            .iter()
            .map(|packet| usize::from(packet.sequence()) + 1);
        let room = numbers.max().unwrap_or(0) * most.unwrap_or(0);
        assert!(packets.iter().all(|packet| end(packet) <= room));
        let (mut buffer, mut map) = (vec![0; room], vec![0; map_bytes(MAX_PACKETS)]);
        let mut joiner = Joiner::new(&mut buffer, &mut map);
        for (packet, index) in packets.iter().zip(indices) {
            let became = became(joiner.add(packet));
            let last = if packet.is_last() { " last" } else { "" };
            outcomes[index] = format!("{became} {id} {}{last}", packet.sequence()).into();
        }
        let (total, missing) = (joiner.total(), joiner.first_missing());
        let report = match joiner.finish() {
            Ok(file) => {
                json!({ "total": total, "first_missing": missing, "joined": hex(file) })
            }
            Err(JoinError::Mixed { .. }) => json!({ "error": "mixed" }),
            Err(error) => panic!("{error}"),
        };
        reports.insert(id.to_string(), report);
    }
    json!({ "outcomes": outcomes, "files": reports })
}

/// Name, packets and report of each vector.
fn vectors() -> Vec<(String, Vec<Vec<u8>>, Value)> {
    let entries = fs::read_dir(specification("vectors/packets")).expect("the vectors");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a vector");
        let report = fs::read_to_string(path.with_extension("json")).expect("its report");
        let name = path.file_stem().expect("a name").to_string_lossy();
        (
            name.into_owned(),
            text.lines().map(bytes_of).collect(),
            serde_json::from_str(&report).expect("JSON"),
        )
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn every_vector_has_its_report() {
    let vectors = vectors();
    assert!(vectors.len() >= 46, "{} vectors", vectors.len());
    let mut made = 0;
    for (name, packets, expected) in vectors {
        let found = report(&packets);
        assert_eq!(found["outcomes"], expected["outcomes"], "{name}");
        assert_eq!(found["files"], expected["files"], "{name}");
        if let Some(source) = expected.get("split") {
            let file = bytes_of(source["file"].as_str().expect("digits"));
            let size = source["size"].as_u64().expect("a number") as usize;
            assert_eq!(split(&file, size), packets, "{name}");
            made += 1;
        }
    }
    assert!(made >= 10, "{made} files are split");
}

#[test]
fn the_worked_example_is_what_the_text_says() {
    let text = fs::read_to_string(specification("README.md")).expect("specification");
    let file = fs::read(specification("examples/coded.flxt")).expect("an example");
    let packets = split(&file, 51);
    for row in packets.iter().flat_map(|packet| packet.chunks(16)) {
        let digits: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        let row = format!("\n{}\n", digits.join(" "));
        assert!(text.contains(&row), "{row:?} is not in the specification");
    }
    let (mut buffer, mut map) = ([0; 200], [0; 1]);
    let mut joiner = Joiner::new(&mut buffer, &mut map);
    for index in [2, 0] {
        let packet = Packet::parse(&packets[index]).expect("a packet");
        assert_eq!(joiner.add(&packet), Ok(Added::New));
    }
    let joined = TokenFile::parse(joiner.finish().expect("no mixture")).expect("a cut file");
    assert_eq!(
        joined.state(),
        State::Truncated {
            have: 32,
            total: 70
        }
    );
}

/// The table of links in the specification.
#[test]
fn packets_of_links_are_as_many_as_the_text_says() {
    let text = fs::read_to_string(specification("README.md")).expect("specification");
    for size in [140, 200, 270, 340] {
        let files = [vec![1; 512], vec![2; 1024]];
        let cells = files.map(|file| {
            let packets = Packets::new(&file, size).expect("possible");
            format!(
                "{} packets, {} bytes",
                packets.total(),
                packets.total_bytes()
            )
        });
        let row = format!("| {size} | {} | {} |", size - 8, cells.join(" | "));
        assert!(text.contains(&row), "{row} is not in the specification");
    }
}

/// What happens to a packet on its way.
#[derive(Clone, Debug)]
enum Fate {
    Arrives,
    Lost,
    Twice,
    Flipped(usize),
    Cut(usize),
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![
        5 => Just(Fate::Arrives),
        2 => Just(Fate::Lost),
        1 => Just(Fate::Twice),
        1 => any::<usize>().prop_map(Fate::Flipped),
        1 => any::<usize>().prop_map(Fate::Cut),
    ]
}

proptest! {
    /// Losses, doubles, damage and disorder: the joined file is the original up to the first packet of which no copy arrived.
    #[test]
    fn what_is_split_is_joined_whatever_is_lost(
        file in vec(any::<u8>(), 1..1500),
        size in prop_oneof![9..40_usize, 40..400_usize],
        fates in vec((fates(), any::<u32>()), 1600),
    ) {
        let least = Packets::minimum_size(file.len() as u64).expect("short");
        let size = size.max(least.into());
        let packets = split(&file, size);
        let payload = packets[0].len() - (if packets[0][0] & 2 == 2 { 9 } else { 8 });
        let mut there = vec![false; packets.len()];
        let mut arrived = Vec::new();
        for ((index, packet), (fate, when)) in packets.iter().enumerate().zip(fates) {
            prop_assert!(packet.len() <= size);
            let mut changed = packet.clone();
            match fate {
                Fate::Arrives => {}
                Fate::Lost => continue,
                Fate::Twice => arrived.push((when.wrapping_mul(3), packet.clone())),
                Fate::Flipped(bit) => changed[bit / 8 % packet.len()] ^= 1 << (bit % 8),
                Fate::Cut(length) => changed.truncate(length % packet.len()),
            }
            there[index] = changed == *packet;
            arrived.push((when, changed));
        }
        arrived.sort();
        let (mut buffer, mut map) = (vec![0; file.len()], vec![0; map_bytes(packets.len() as u32)]);
        let mut joiner = Joiner::new(&mut buffer, &mut map);
        for (_, bytes) in &arrived {
            if let Ok(packet) = Packet::parse(bytes) {
                prop_assert!(matches!(joiner.add(&packet), Ok(Added::New | Added::Double)));
            }
        }
        let missing = there.iter().position(|there| !there);
        let end = missing.map_or(file.len(), |missing| missing * payload);
        prop_assert_eq!(joiner.first_missing(), missing.map(|missing| missing as u32));
        prop_assert_eq!(joiner.packets() as usize, there.iter().filter(|there| **there).count());
        let total = there.last().expect("a packet").then_some(packets.len() as u32);
        prop_assert_eq!(joiner.total(), total);
        prop_assert_eq!(joiner.finish(), Ok(&file[..end]));
    }

    #[test]
    fn any_bytes_are_a_packet_or_an_error(bytes in vec(any::<u8>(), 0..60), kind in 0xf7..=0xfc_u8) {
        let bytes = [&[kind], &bytes[..]].concat();
        if let Ok(packet) = Packet::parse(&bytes) {
            let mut buffer = vec![0; packet.byte_len()];
            prop_assert_eq!(packet.write(&mut buffer), Ok(&bytes[..]));
        }
    }
}

/// SplitMix64: numbers below a bound, one after another from a seed.
fn numbers(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |bound| {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % (bound.max(1) as u64)) as usize
    }
}

/// Packets of the vectors in any order, some of them changed, and made right again: what contradicts is among them.
fn arrival(vectors: &[Vec<Vec<u8>>], number: u64) -> Vec<Vec<u8>> {
    let mut below = numbers(number);
    let vector = &vectors[below(vectors.len())];
    let mut arrived = Vec::new();
    for _ in 0..below(14) {
        let mut packet = vector[below(vector.len().min(20))].clone();
        if below(3) == 0 {
            let at = below(packet.len().min(12));
            match below(3) {
                0 => packet[at] ^= 1 << below(8),
                1 => packet.truncate(packet.len() - at),
                _ => packet.insert(at, below(256) as u8),
            }
            let end = packet.len().saturating_sub(4);
            if below(4) > 0 && end > 0 {
                let check = crc32c(&packet[..end]).to_le_bytes();
                packet[end..].copy_from_slice(&check);
            }
        }
        if !packet.is_empty() {
            arrived.push(packet);
        }
    }
    arrived
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |state, &byte| {
        (0..8).fold(state ^ u32::from(byte), |state, _| {
            (state >> 1) ^ (0x82f6_3b78 * (state & 1))
        })
    })
}

#[test]
#[ignore = "needs python3; .ci/run spec runs it"]
fn joiners_agree_on_random_arrivals() {
    let count = std::env::var("FLEXTOK_MUTATIONS").unwrap_or_else(|_| "2000".to_owned());
    let count: u64 = count.parse().expect("FLEXTOK_MUTATIONS is a number");
    let vectors: Vec<_> = vectors()
        .into_iter()
        .map(|(_, packets, _)| packets)
        .collect();
    let mut python = Command::new("python3")
        .arg(specification("reader/packets.py"))
        .arg("--outcomes")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let input = python.stdin.take().expect("a pipe");
    let output = BufReader::new(python.stdout.take().expect("a pipe"));
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut input = BufWriter::new(input);
            for number in 0..count {
                let lines: Vec<String> = arrival(&vectors, number).iter().map(|p| hex(p)).collect();
                let text = lines.join("\n");
                let length = u32::try_from(text.len()).expect("short").to_le_bytes();
                let sent = input.write_all(&length);
                if sent
                    .and_then(|()| input.write_all(text.as_bytes()))
                    .is_err()
                {
                    return;
                }
            }
        });
        let mut said = output.lines();
        for number in 0..count {
            let line = said.next().expect("a line for each").expect("text");
            let theirs: Value = serde_json::from_str(&line).expect("JSON");
            let arrived = arrival(&vectors, number);
            let ours = report(&arrived);
            assert_eq!(ours, theirs, "arrival {number}: {arrived:02x?}");
            for outcome in ours["outcomes"].as_array().expect("a list") {
                let word = outcome.as_str().and_then(|text| text.split(' ').next());
                *seen.entry(word.expect("a word").to_owned()).or_default() += 1;
            }
        }
        assert!(said.next().is_none(), "more lines than arrivals");
    });
    assert!(python.wait().expect("it ends").success());
    println!("{count} arrivals, alike by both: {seen:?}");
    assert!(
        seen.len() >= 8 && seen.values().all(|&count| count > 20),
        "{seen:?}"
    );
}
