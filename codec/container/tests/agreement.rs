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

use flextok_container::{Header, Limits, TokenFile};
use report::{files, report, specification};
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
    let files = files("valid").into_iter().chain(files("invalid"));
    files.map(|(_, bytes, _)| bytes).collect()
}

#[test]
#[ignore = "needs python3; .ci/run spec runs it"]
fn readers_agree_on_all_vectors() {
    let vectors = vectors();
    assert!(vectors.len() >= 190, "{} vectors", vectors.len());
    compare(vectors.len(), |index| vectors[index].clone());
}

#[test]
#[ignore = "needs python3; .ci/run spec runs it"]
fn readers_agree_on_every_prefix() {
    let valid = files("valid").into_iter().map(|(_, bytes, _)| bytes);
    let whole: Vec<Vec<u8>> = valid.collect();
    let prefixes: Vec<&[u8]> = whole
        .iter()
        .flat_map(|bytes| (0..=bytes.len()).map(|length| &bytes[..length]))
        .collect();
    let (read, refused) = compare(prefixes.len(), |index| prefixes[index].to_vec());
    assert!(
        read > 4000 && refused > 900,
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
    // 11 bytes of header, one of payload, its check; then 15 full chunks and one that fills the limit.
    let made = |last: usize| {
        let mut bytes = start[..16].to_vec();
        for (tag, length) in [(50, 65_535); 15].into_iter().chain([(0x40 | 50, last)]) {
            bytes.push(tag);
            bytes.extend(u16::try_from(length).expect("a length").to_le_bytes());
            bytes.resize(bytes.len() + 1 + length + 4, 0x20);
        }
        reseal(&mut bytes);
        bytes
    };
    let rest = Limits::default().metadata_bytes - 15 * (65_535 + 8) - 8;
    let rest = usize::try_from(rest).expect("1 MiB");
    let (full, over) = (made(rest), made(rest + 1));
    let head = over.len() - (rest + 1) - 8;
    let cut = over[..head + 4].to_vec();
    let shorter = over[..head + 3].to_vec();
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

/// A CRC bit by bit, so that the crate's own checks are not what makes its files right: most significant bit first, and for
/// CRC-32 least significant bit first.
fn crc(width: u32, polynomial: u32, parts: &[&[u8]]) -> Vec<u8> {
    let mask = u32::MAX >> (32 - width);
    let mut state = mask;
    for byte in parts.iter().copied().flatten() {
        for bit in 0..8 {
            if width == 32 {
                let out = (state ^ (u32::from(*byte) >> bit)) & 1;
                state = (state >> 1) ^ (0xedb8_8320 * out);
            } else {
                let out = (state >> (width - 1) ^ u32::from(byte >> (7 - bit))) & 1;
                state = ((state << 1) ^ (polynomial * out)) & mask;
            }
        }
    }
    let value = if width == 32 { !state } else { state };
    value.to_le_bytes()[..width as usize / 8].to_vec()
}

/// Puts a check of these parts of the file at `at`, as far as that is there; gives the offset behind it.
fn seal(
    bytes: &mut [u8],
    covered: &[u8],
    (width, polynomial): (u32, u32),
    at: usize,
) -> Option<usize> {
    let check = crc(width, polynomial, &[covered]);
    let place = bytes.get_mut(at..at + check.len())?;
    place.copy_from_slice(&check);
    Some(at + check.len())
}

/// Makes the checks of a file right, as far as its header and lengths tell where they stand: section 4 as it is told, not as
/// the crate computes it.
fn reseal(bytes: &mut [u8]) -> Option<()> {
    let kind = bytes.get(2)? & 0x7f;
    bytes[2] = kind
        | if kind.count_ones().is_multiple_of(2) {
            0x80
        } else {
            0
        };
    let ids = kind & 0x10 != 0;
    let (length, check) = if ids { (19, (32, 0)) } else { (9, (8, 0x1d)) };
    let length = length + usize::from(kind & 15);
    let body = length - if ids { 4 } else { 1 };
    let mut covered = bytes.get(..body)?.to_vec();
    seal(bytes, &covered.clone(), check, body)?;
    let header = Header::parse(bytes).ok()?;
    let unit = usize::try_from(header.unit()).ok()?;
    let total = usize::try_from(header.payload_bytes()).ok()?;
    let (mut at, mut threshold) = (length, 64);
    for done in 1..=total {
        covered.push(*bytes.get(at)?);
        at += 1;
        if done == total {
            let check = match at {
                _ if header.has_metadata() => (32, 0),
                0..64 => (8, 0x2d),
                64..1023 => (16, 0x1021),
                _ => (32, 0),
            };
            at = seal(bytes, &covered, check, at)?;
        } else if done % unit == 0 && done >= threshold {
            let check = match done {
                0..256 => (8, 0x2b),
                256..1024 => (8, 0x4d),
                _ => (32, 0),
            };
            at = seal(bytes, &covered, check, at)?;
            while threshold <= done {
                threshold = match threshold {
                    64 => 256,
                    256 => 1024,
                    later => later / 4096 * 4096 + 4096,
                };
            }
        }
    }
    while header.has_metadata() {
        let head = bytes.get(at..at + 3)?.to_vec();
        let start = seal(bytes, &head, (8, 0x1d), at + 3)?;
        let end = start + usize::from(u16::from_le_bytes([head[1], head[2]]));
        covered.extend(head);
        covered.extend(bytes.get(start..end)?);
        at = seal(bytes, &covered, (32, 0), end)?;
    }
    Some(())
}
