//! `flextok packets`: losses, doubles, damage and disorder between split and join.

use std::fs;
use std::path::Path;

use flextok::{Codec, DecodeOptions, Look};
use flextok_tests::{Run, encode, listing, pipe, read, run, workplace, write};

/// Bytes of a packet of SMS, LoRa and Iridium SBD to and from a mobile, and of the shortest packets that carry a picture each.
const LINKS: [usize; 5] = [140, 200, 270, 340, 21];

/// Numbers without a pattern (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (2..=items.len()).rev() {
            items.swap(end - 1, self.below(end));
        }
    }
}

/// The packets of `a.flxt` as lines.
fn lines(directory: &Path, size: usize, more: &[&str]) -> Vec<String> {
    let size = size.to_string();
    let args = ["packets", "split", "a.flxt", "--hex", "--size", &size];
    let split = run(directory, args.iter().chain(more)).ok();
    split.text().lines().map(str::to_owned).collect()
}

fn join(directory: &Path, lines: &[String], more: &[&str]) -> Run {
    let args = ["packets", "join", "-", "--hex", "-o", "b.flxt", "--force"];
    let input = lines.join("\n");
    pipe(directory, args.iter().chain(more), input.as_bytes())
}

#[test]
fn a_third_lost_in_any_order_gives_the_start_byte_for_byte() {
    let place = workplace();
    let directory = place.path();
    let file = encode(directory, "coffee.png");
    let codec = Codec::embedded().expect("the embedded model");
    let options = DecodeOptions::default().with_look(Look::Plain);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut lengths = Vec::new();
    for size in LINKS {
        let sent = lines(directory, size, &[]);
        assert_eq!(sent.len(), file.len().div_ceil(size - 8));
        assert!(sent.iter().all(|line| line.len() <= size * 2));
        for _ in 0..12 {
            let arrives: Vec<bool> = sent.iter().map(|_| random.below(10) >= 3).collect();
            let there = sent.iter().zip(&arrives).filter(|(_, arrives)| **arrives);
            let mut there: Vec<String> = there.map(|(line, _)| line.clone()).collect();
            random.shuffle(&mut there);
            let missing = arrives.iter().position(|arrives| !arrives);
            let joined = join(directory, &there, &[]);
            if missing == Some(0) {
                joined.fails(3, &["standard input: "]);
                continue;
            }
            assert_eq!(joined.code, Some(0), "{joined:?}");
            assert_eq!(joined.stderr.is_empty(), missing.is_none(), "{joined:?}");
            let end = missing.map_or(file.len(), |missing| missing * (size - 8));
            let start = read(directory, "b.flxt");
            assert!(
                start == file[..end],
                "{size}: {} bytes of {end}",
                start.len()
            );
            let picture = codec.decode(&start, &options).expect("it decodes");
            assert_eq!(picture.dimensions(), (600, 400));
            lengths.push(end);
        }
    }
    lengths.sort_unstable();
    lengths.dedup();
    assert!(lengths.len() > 10, "{lengths:?}");
}

#[test]
fn doubles_damage_and_disorder_in_a_directory() {
    let place = workplace();
    let directory = place.path();
    let file = encode(directory, "chelsea.png");
    let args = ["packets", "split", "a.flxt", "--size", "200", "-o", "sent"];
    run(directory, args.iter().chain(&["--repeat-first", "2"])).ok();
    let sent = directory.join("sent");
    let names = listing(&sent);
    assert_eq!(names.len(), 8);
    let all: Vec<Vec<u8>> = names.iter().map(|name| read(&sent, name)).collect();
    assert_eq!(all[6..], all[..2], "the first two again");
    assert!(all.iter().all(|packet| packet.len() <= 200));
    let id = names[0].split('-').next().expect("an id").to_owned();
    assert!(
        names
            .iter()
            .enumerate()
            .all(|(i, name)| *name == format!("{id}-{i:03}.pkt"))
    );

    let join = ["packets", "join", "sent", "-o", "b.flxt", "--force"];
    run(directory, join).ok();
    assert_eq!(read(directory, "b.flxt"), file);

    // The first copy of packet 0 and the only one of packet 4 are damaged; what is in the way is no packet.
    for (index, bit) in [(0, 900), (4, 3)] {
        let mut bad = all[index].clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        write(&sent, &names[index], bad);
    }
    write(&sent, "readme.txt", "no packet");
    write(&sent, ".hidden", "not even looked at");
    write(&sent, "empty", "");
    fs::create_dir(sent.join("directory")).expect("a directory");
    let joined = run(directory, join);
    assert_eq!(joined.code, Some(0));
    for words in [
        "5 of 6 packets",
        "packet 4,",
        "768 bytes",
        "4 damaged",
        "1 double",
    ] {
        assert!(joined.stderr.contains(words), "{words}: {}", joined.stderr);
    }
    assert_eq!(read(directory, "b.flxt"), &file[..768]);
    let quiet = run(directory, join.iter().chain(&["--quiet"]));
    quiet.ok();

    // Single files, in another order.
    let mut files: Vec<String> = names[1..4]
        .iter()
        .map(|name| format!("sent/{name}"))
        .collect();
    files.push(format!("sent/{}", names[6]));
    let args = ["packets", "join", "-o", "c.flxt", "--json"].map(str::to_owned);
    let report = run(directory, args.iter().chain(&files));
    assert_eq!(report.code, Some(0));
    let report = report.json();
    for (key, value) in [
        ("id", id.into()),
        ("complete", false.into()),
        ("bytes", 768.into()),
        ("packets", 4.into()),
        ("packets_total", serde_json::Value::Null),
        ("first_missing", 4.into()),
        ("damaged", 0.into()),
        ("doubles", 0.into()),
        ("contradicting", 0.into()),
        ("other_files", serde_json::json!([])),
        ("output", "c.flxt".into()),
    ] {
        assert_eq!(report[key], value, "{key}");
    }
    assert_eq!(read(directory, "c.flxt"), &file[..768]);
}

#[test]
fn every_flipped_bit_of_a_packet_costs_this_packet_only() {
    let place = workplace();
    let directory = place.path();
    let file = encode(directory, "chelsea.png");
    let mut sent = lines(directory, 340, &[]);
    let good = sent[2].clone();
    let mut damaged = 0;
    for bit in (0..good.len() * 4).step_by(97) {
        let mut digits = good.clone().into_bytes();
        let digit = char::from(digits[bit / 4]).to_digit(16).expect("a digit");
        let digit = char::from_digit(digit ^ (1 << (bit % 4)), 16).expect("a digit");
        digits[bit / 4] = digit as u8;
        sent[2] = String::from_utf8(digits).expect("digits");
        let joined = join(directory, &sent, &[]);
        assert_eq!(joined.code, Some(0));
        assert!(joined.stderr.contains("1 damaged"), "{}", joined.stderr);
        assert_eq!(read(directory, "b.flxt"), &file[..664]);
        damaged += 1;
    }
    assert!(damaged > 25);
}

#[test]
fn lines_may_come_from_any_tool() {
    let place = workplace();
    let directory = place.path();
    let file = encode(directory, "chelsea.png");
    let mut sent = lines(directory, 140, &["--repeat-first", "1"]);
    assert_eq!((sent.len(), &sent[0]), (9, &sent[8]));
    sent.remove(0);
    sent.reverse();
    let mut text: String = sent
        .iter()
        .map(|line| format!("  {} \r\n\n", line.to_uppercase()))
        .collect();
    run(
        directory,
        [
            "packets",
            "split",
            "a.flxt",
            "--hex",
            "--size",
            "140",
            "-o",
            "lines.txt",
        ],
    )
    .ok();
    assert_eq!(
        read(directory, "lines.txt").len(),
        (file.len() + 8 * 8) * 2 + 8
    );
    let args = ["packets", "join", "--hex", "-o", "-"];
    let joined = pipe(directory, args.iter().chain(&["-"]), text.as_bytes()).ok();
    assert_eq!(joined.stdout, file);
    let joined = run(directory, args.iter().chain(&["lines.txt"])).ok();
    assert_eq!(joined.stdout, file);

    // Digits that are none, half a byte, and a line without an end.
    text.push_str("f8zz\nf8a\né\n");
    text.push_str(&"f8".repeat(70_000));
    let joined = pipe(directory, args.iter().chain(&["-"]), text.as_bytes());
    assert_eq!((joined.code, &joined.stdout), (Some(0), &file));
    assert!(joined.stderr.contains("5 damaged"), "{}", joined.stderr);
}

#[test]
fn packets_of_several_files_are_told_apart() {
    let place = workplace();
    let directory = place.path();
    let coffee = encode(directory, "coffee.png");
    let first = lines(directory, 200, &[]);
    run(
        directory,
        [
            "encode",
            "--force",
            "-o",
            "a.flxt",
            flextok_tests::arg(&flextok_tests::photo("chelsea.png")),
        ],
    )
    .ok();
    let chelsea = read(directory, "a.flxt");
    let second = lines(directory, 200, &[]);
    let mixed: Vec<String> = first
        .iter()
        .zip(&second)
        .flat_map(|(a, b)| [a.clone(), b.clone()])
        .collect();
    let id = |line: &str| line[2..6].to_owned();
    let (one, two) = (id(&first[0]), id(&second[0]));
    join(directory, &mixed, &[]).fails(2, &[&one, &two, "--id", "2 files"]);
    for (id, file) in [(&one, &coffee), (&two, &chelsea)] {
        let joined = join(directory, &mixed, &["--id", id]);
        assert_eq!(joined.code, Some(0));
        assert!(
            joined.stderr.contains("6 of other files"),
            "{}",
            joined.stderr
        );
        assert_eq!(read(directory, "b.flxt"), *file);
    }
    let other = if one == "0000" || two == "0000" {
        "0001"
    } else {
        "0000"
    };
    join(directory, &mixed, &["--id", other]).fails(3, &[other, &one, &two]);
}

#[test]
fn what_cannot_be_split_or_joined_says_why() {
    let place = workplace();
    let directory = place.path();
    let file = encode(directory, "coffee.png");
    let split = |more: &[&str]| run(directory, ["packets", "split", "a.flxt"].iter().chain(more));
    split(&["--size", "8", "--hex"]).fails(2, &["from 9 to 65535"]);
    split(&["--size", "9", "-o", "x"]).fails(2, &["--size", "10 to 65535"]);
    split(&["--size", "140"]).fails(2, &["--output"]);
    split(&["--size", "140", "-o", "-"]).fails(2, &["--hex"]);
    split(&["--size", "140", "-o", "no/such"]).fails(7, &["no/such"]);
    split(&["--size", "140", "-o", "a.flxt"]).fails(7, &["a.flxt"]);
    split(&["--size", "140", "--hex", "-o", "a.flxt", "--force"]).fails(2, &["input itself"]);
    split(&["--size", "140B", "-o", "sent", "--quiet"]).ok();
    let packets = listing(&directory.join("sent"));
    let first = format!("sent/{}", packets[0]);
    let packet = read(directory, &first);
    for input in ["sent", &first] {
        let args = ["packets", "join", input, "-o", &first, "--force"];
        run(directory, args).fails(2, &[&first, "overwrite a packet"]);
        assert!(read(directory, &first) == packet);
    }
    fs::remove_dir_all(directory.join("sent")).expect("own files");
    write(directory, "bad.flxt", "not a file");
    let bad = run(
        directory,
        ["packets", "split", "bad.flxt", "--size", "99", "--hex"],
    );
    bad.fails(3, &["bad.flxt", "not a flextok file"]);
    assert_eq!(listing(directory), ["a.flxt", "bad.flxt"]);

    // A truncated file is sent as it is, with a note.
    write(directory, "cut.flxt", &file[..100]);
    let cut = run(
        directory,
        ["packets", "split", "cut.flxt", "--size", "60", "-o", "sent"],
    );
    assert!(
        cut.code == Some(0) && cut.stderr.contains("truncated"),
        "{cut:?}"
    );
    split(&["--size", "60", "-o", "sent"]).ok();
    let again = ["packets", "split", "cut.flxt", "--size", "60", "-o", "sent"];
    run(directory, again).fails(7, &["--force"]);

    let sent = lines(directory, 200, &[]);
    join(directory, &sent[1..], &[]).fails(3, &["packet 0", "5 other packets"]);
    join(directory, &[], &[]).fails(3, &["no packet arrived"]);
    join(directory, &["00".to_owned()], &[]).fails(3, &["no packet arrived", "1 damaged"]);
    join(directory, &sent, &["--id", "12"]).fails(2, &["4 hexadecimal digits"]);
    let join = |more: &[&str]| run(directory, ["packets", "join"].iter().chain(more));
    join(&["-", "-o", "b.flxt"]).fails(2, &["--hex"]);
    join(&["sent", "-o", "b.png"]).fails(2, &["png"]);
    join(&["missing", "-o", "b.flxt"]).fails(7, &["missing"]);
    join(&["sent", "-o", "a.flxt"]).fails(7, &["--force"]);
    join(&["sent", "-o", "-", "--json"]).fails(2, &["--json"]);
    assert!(!directory.join("b.flxt").exists());
}
