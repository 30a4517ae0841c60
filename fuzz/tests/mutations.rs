//! The committed corpus with small random changes through every check: what fuzzing does, without
//! its guidance, but on any toolchain and the same each time. `FLEXTOK_MUTATIONS` is the number of
//! changed copies of each seed.

use std::fs;
use std::path::Path;

use flextok_fuzz::{
    arguments, collections, config, container, lpips, npy, options, packets, picture, sets, tokens,
    weights,
};

/// Numbers without a pattern (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end.max(1)
    }
}

fn mutate(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(6) {
            _ if bytes.is_empty() => bytes.push(random.below(256) as u8),
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'9', b'['][random.below(7)],
            2 => bytes.truncate(at),
            3 => bytes.insert(at, random.below(256) as u8),
            4 => drop(bytes.drain(at..(at + 1 + random.below(8)).min(bytes.len()))),
            _ => {
                let piece = seed[random.below(seed.len())..].iter().take(16);
                let piece: Vec<u8> = piece.copied().collect();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

fn run(target: &str, check: fn(&[u8])) {
    let count = std::env::var("FLEXTOK_MUTATIONS").map_or(200, |text| {
        text.parse().expect("FLEXTOK_MUTATIONS is a number")
    });
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let entries = fs::read_dir(&corpus).expect("a committed corpus");
    let mut seeds: Vec<_> = entries.map(|e| e.expect("an entry").path()).collect();
    seeds.sort();
    for (index, path) in seeds.iter().enumerate() {
        let seed = fs::read(path).expect("a file");
        let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ index as u64);
        for _ in 0..count {
            let bytes = mutate(&seed, &mut random);
            let checked = std::panic::catch_unwind(|| check(&bytes));
            assert!(checked.is_ok(), "{target}, of {path:?}: {bytes:02x?}");
        }
    }
}

macro_rules! targets {
    ($($name:ident: $check:path;)*) => { $(
        #[test]
        fn $name() {
            run(stringify!($name), $check);
        }
    )* };
}

targets! {
    container_parse: container::parse;
    container_roundtrip: container::roundtrip;
    container_chunks: container::chunks;
    container_truncate: container::truncate;
    container_packets: packets::packets;
    weights_file: weights::file;
    lpips_weights: lpips::file;
    config_text: config::text;
    picture_file: picture::file;
    picture_metadata: picture::metadata;
    npy_file: npy::file;
    codec_options: options::both;
    option_values: arguments::values;
    tokens: tokens::stream;
    tar_archive: collections::archive;
    journal_lines: collections::journal;
    token_rows: sets::rows;
    token_table: sets::table;
    token_shard: sets::shard;
}
