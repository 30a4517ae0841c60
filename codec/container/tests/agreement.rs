//! The two readers against each other: this crate and `format-spec/reader/flxt.py`, which shares no
//! code with it, must say the same of every vector, of every prefix of each valid one, and of
//! mutated files.
//!
//! It needs `python3`, which a machine that only builds the crate may lack; so it runs when asked:
//! `cargo test --release -p flextok-container --test agreement -- --ignored`. How many mutated files
//! it makes is in `FLEXTOK_MUTATIONS` (20 000 if that is not set).

mod report;

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Command, Stdio};
use std::thread;

use flextok_container::layout::CHECKPOINT_LAYERS;
use flextok_container::{Header, Limits, TokenFile};
use report::{files, lines, report, specification};
use serde_json::Value;

/// Says of `count` files, which `make` gives by their number, what both readers say; fails where it
/// differs. Returns how many files were read, and how many refused.
fn compare(count: usize, make: impl Fn(usize) -> Vec<u8> + Sync) -> (usize, usize) {
    let mut python = Command::new("python3")
        .arg(specification("reader/flxt.py"))
        .arg("--outcomes")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let input = python.stdin.take().expect("a pipe");
    let output = BufReader::new(python.stdout.take().expect("a pipe"));
    let (mut read, mut refused) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut input = BufWriter::new(input);
            for index in 0..count {
                let bytes = make(index);
                let length = u32::try_from(bytes.len()).expect("a small file");
                // A reader that ended early shows below, by the line that is missing.
                let sent = input.write_all(&length.to_le_bytes());
                if sent.and_then(|()| input.write_all(&bytes)).is_err() {
                    return;
                }
            }
        });
        let mut said = output.lines();
        for index in 0..count {
            let line = said
                .next()
                .unwrap_or_else(|| panic!("no line for file {index}"));
            let theirs: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
            let bytes = make(index);
            let ours = report(&TokenFile::parse(&bytes));
            assert_eq!(ours, theirs, "file {index}: {bytes:02x?}");
            match ours.get("error") {
                None => read += 1,
                Some(_) => refused += 1,
            }
        }
        assert!(said.next().is_none(), "more lines than files");
    });
    assert!(python.wait().expect("it ends").success());
    (read, refused)
}

/// Every vector's bytes.
fn vectors() -> Vec<Vec<u8>> {
    let lines = lines().into_iter().map(|(_, _, bytes)| bytes);
    let files = files("valid").into_iter().chain(files("invalid"));
    lines.chain(files.map(|(_, bytes, _)| bytes)).collect()
}

#[test]
#[ignore = "needs python3; .ci/run spec runs it"]
fn readers_agree_on_all_vectors() {
    let vectors = vectors();
    assert!(vectors.len() >= 170, "{} vectors", vectors.len());
    compare(vectors.len(), |index| vectors[index].clone());
}

#[test]
#[ignore = "needs python3; .ci/run spec runs it"]
fn readers_agree_on_every_prefix() {
    let valid = files("valid").into_iter().map(|(_, bytes, _)| bytes);
    let lines = lines()
        .into_iter()
        .filter(|(_, outcome, _)| !outcome.starts_with("error"));
    let whole: Vec<Vec<u8>> = valid.chain(lines.map(|(_, _, bytes)| bytes)).collect();
    let prefixes: Vec<&[u8]> = whole
        .iter()
        .flat_map(|bytes| (0..=bytes.len()).map(|length| &bytes[..length]))
        .collect();
    let (read, refused) = compare(prefixes.len(), |index| prefixes[index].to_vec());
    assert!(
        read > 4000 && refused > 1000,
        "{read} read, {refused} refused"
    );
}

/// Too large to stand among the vectors: chunks up to the limit, and the first byte beyond it.
#[test]
#[ignore = "needs python3; .ci/run spec runs it"]
fn readers_agree_at_the_limit_of_metadata() {
    let Some((_, start, _)) = files("valid")
        .into_iter()
        .find(|(name, ..)| name == "metadata-empty-text")
    else {
        panic!("the vector is there");
    };
    let chunk = |tag: u8, length: usize| {
        let mut chunk = vec![tag];
        chunk.extend(u16::try_from(length).expect("a length").to_le_bytes());
        chunk.resize(3 + length, 0x20);
        let crc = crc32(&chunk);
        chunk.extend(crc);
        chunk
    };
    // 21 bytes of header, one token, its checkpoint; then 15 full chunks and one that fills the limit.
    let mut head = start[..27].to_vec();
    (0..15).for_each(|_| head.extend(chunk(50, 65_535)));
    let rest = Limits::default().max_file_bytes() - Limits::default().tokens * 2 - 28 - 16;
    let rest = usize::try_from(rest).expect("1 MiB") + 27 - head.len() - 7;
    let last = |length| [head.clone(), chunk(0x40 | 50, length)].concat();
    let (full, over) = (last(rest), last(rest + 1));
    let cut = over[..head.len() + 3].to_vec();
    let shorter = over[..head.len() + 2].to_vec();
    let made = [full, over, cut, shorter];
    assert_eq!(compare(made.len(), |index| made[index].clone()), (2, 2));
}

#[test]
#[ignore = "needs python3; .ci/run spec runs it"]
fn readers_agree_on_mutations() {
    let count = std::env::var("FLEXTOK_MUTATIONS").unwrap_or_else(|_| "20000".to_owned());
    let count = count.parse().expect("FLEXTOK_MUTATIONS is a number");
    // Twice the valid ones: much that is done to an invalid file changes nothing.
    let valid = files("valid").into_iter().map(|(_, bytes, _)| bytes);
    let vectors: Vec<Vec<u8>> = vectors().into_iter().chain(valid).collect();
    let (read, refused) = compare(count, |index| mutated(&vectors, index as u64));
    println!("{count} mutated files: {read} read, {refused} refused, alike by both");
    assert!(
        read > count / 10 && refused > count / 10,
        "{read} read, {refused} refused"
    );
}

/// SplitMix64: one number after another from a seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % (bound.max(1) as u64)) as usize
    }

    fn byte(&mut self) -> u8 {
        let edges = [
            0, 1, 2, 4, 8, 0x0f, 0x10, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xfe, 0xff,
        ];
        match self.below(2) {
            0 => edges[self.below(edges.len())],
            _ => self.next() as u8,
        }
    }
}

/// The mutated file of a number: a vector after one to four changes, in three of four cases with its
/// checksums made right again, in a quarter of them cut after that.
fn mutated(vectors: &[Vec<u8>], index: u64) -> Vec<u8> {
    let mut numbers = Numbers(index.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mut bytes = vectors[numbers.below(vectors.len())].clone();
    let changes = numbers.below(4);
    for _ in 0..=numbers.below(changes + 1) {
        // Early bytes decide most.
        let reach = match numbers.below(3) {
            0 => 32,
            1 => 64,
            _ => usize::MAX,
        };
        let at = numbers.below(bytes.len().min(reach));
        change(&mut bytes, at, vectors, &mut numbers);
    }
    if numbers.below(4) > 0 {
        reseal(&mut bytes);
        if numbers.below(4) == 0 {
            bytes.truncate(numbers.below(bytes.len() + 1));
        }
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, at: usize, vectors: &[Vec<u8>], numbers: &mut Numbers) {
    let length = bytes.len();
    let end = (at + 1 + numbers.below(8)).min(length);
    match numbers.below(9) {
        0 | 1 if length > 0 => bytes[at] ^= 1 << numbers.below(8),
        2 | 3 if length > 0 => bytes[at] = numbers.byte(),
        4 => bytes.insert(at, numbers.byte()),
        5 if at < end => drop(bytes.drain(at..end)),
        6 if at < end => {
            let again = bytes[at..end].to_vec();
            drop(bytes.splice(at..at, again));
        }
        7 => {
            let other = &vectors[numbers.below(vectors.len())];
            let from = numbers.below(other.len()).min(other.len());
            bytes.truncate(at);
            bytes.extend(&other[from..]);
        }
        8 if numbers.below(4) == 0 => bytes.truncate(at),
        _ => (0..=numbers.below(12)).for_each(|_| bytes.push(numbers.byte())),
    }
}

fn crc32(bytes: &[u8]) -> [u8; 4] {
    // Bit by bit, so that the crate's own checksums are not what makes its files right.
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    (!crc).to_le_bytes()
}

/// Puts the CRC32 of `bytes[start..at]` at `at`, as far as that is there.
fn seal(bytes: &mut [u8], start: usize, at: usize) -> Option<()> {
    let crc = crc32(bytes.get(start..at)?);
    bytes.get_mut(at..at + 4)?.copy_from_slice(&crc);
    Some(())
}

/// Makes the checksums of a file right, as far as its header and lengths tell where they stand.
fn reseal(bytes: &mut [u8]) -> Option<()> {
    let flags = *bytes.get(5)?;
    let extra = [1, 2, 4].iter().enumerate();
    let extra: usize = extra
        .map(|(bit, size)| usize::from(flags >> bit & 1) * size)
        .sum();
    seal(bytes, 0, 17 + extra)?;
    let header = Header::parse(bytes).ok()?;
    let canvases = usize::try_from(header.canvases()).ok()?;
    let mut at = 21 + extra;
    let mut before = 0;
    let last = [header.tokens()];
    for &layer in CHECKPOINT_LAYERS
        .iter()
        .filter(|layer| **layer < last[0])
        .chain(&last)
    {
        at += 2 * canvases * usize::from(layer - before);
        seal(bytes, 0, at)?;
        at += 4;
        before = layer;
    }
    while header.has_metadata() {
        let length = bytes.get(at + 1..at + 3)?;
        let end = at + 3 + usize::from(u16::from_le_bytes([length[0], length[1]]));
        seal(bytes, at, end)?;
        at = end + 4;
    }
    Some(())
}
