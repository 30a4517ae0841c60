//! Random command lines: whatever they request, the program answers with one of its documented exit codes, one line of
//! error, and no file that is not whole.

use flextok_tests::{encode, encode_ids, listing, run, workplace};

/// Numbers without a pattern (xorshift64*).
struct Random(u64);

impl Random {
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        from[number as usize % from.len()]
    }
}

// Nothing here takes much work: few steps, small pictures.
const COMMANDS: &[&str] = &[
    "encode",
    "decode",
    "detokenize",
    "truncate",
    "info",
    "verify",
    "preview",
    "compare",
    "model",
    "tokenize",
    "tokens",
    "pack",
    "packets split",
    "packets join",
    "completions",
    "man",
    "nonsense",
];
const FILES: &[&str] = &[
    "a.flxt",
    "b.flxt",
    "a.png",
    "ids.npy",
    "ids.parquet",
    "ids.tar",
    "bad",
    "missing",
    "",
    ".",
    "/",
    "/dev/null",
    "-",
    "é\u{202e}",
    "a b",
];
const OPTIONS: &[&str] = &[
    "-o",
    "-k",
    "--tokens",
    "--bytes",
    "--canvas",
    "--cut-at",
    "--salvage",
    "--background",
    "--crop",
    "--json",
    "--seed",
    "--guidance",
    "--noise",
    "--keep-canvas",
    "--width",
    "--height",
    "--grid",
    "--columns",
    "--cell",
    "--format",
    "--resume",
    "--complete",
    "--model",
    "--no-mmap",
    "--threads",
    "--quiet",
    "-v",
    "--max-pixels",
    "--max-steps",
    "--max-memory",
    "--max-input-bytes",
    "--max-canvas-pixels",
    "--max-payload",
    "--device",
    "--precision",
    "--size",
    "--hex",
    "--id",
    "--repeat-first",
    "--list",
    "--shard",
    "--resume",
    "--help",
    "--version",
    "--",
    "---",
    "-x",
    "-",
];
const VALUES: &[&str] = &[
    "0",
    "1",
    "2",
    "16",
    "257",
    "-1",
    "18446744073709551616",
    "1e9",
    "nan",
    "inf",
    "-inf",
    "32x32",
    "1/2",
    "own",
    "0x0",
    "4294967295x4294967295",
    "white",
    "#12345",
    "a.flxt",
    "x.png",
    "x.flxt",
    "x.npy",
    "no/such/x.png",
    "cpu",
    "gpu:999",
    "bash",
    "",
    " ",
    "\n",
    "=",
    "🙂",
];

#[test]
fn no_command_line_breaks_the_program() {
    let place = workplace();
    let directory = place.path();
    encode_ids(directory, "chelsea.png");
    run(directory, ["tokens", "a.flxt", "-o", "ids.npy"]).ok();
    std::fs::rename(directory.join("a.flxt"), directory.join("b.flxt")).expect("it is there");
    encode(directory, "chelsea.png");
    run(
        directory,
        ["decode", "a.flxt", "-o", "a.png", "--keep-canvas"],
    )
    .ok();
    flextok_tests::write(directory, "bad", "bad");
    flextok_tests::write(directory, "ids.parquet", "PAR1 bad PAR1");
    flextok_tests::write(directory, "ids.tar", "bad");
    let before = listing(directory);
    let inputs: Vec<_> = before
        .iter()
        .map(|name| flextok_tests::read(directory, name))
        .collect();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for _ in 0..400 {
        let mut args: Vec<&str> = random.pick(COMMANDS).split(' ').collect();
        args.push(random.pick(FILES));
        for _ in 0..random
            .pick(&["0", "1", "2", "3", "4", "6"])
            .parse()
            .expect("a number")
        {
            args.push(random.pick(OPTIONS));
            args.push(random.pick(if args.len().is_multiple_of(3) {
                FILES
            } else {
                VALUES
            }));
        }
        let result = run(directory, &args);
        let code = result.code.unwrap_or(-1);
        assert!((0..=8).contains(&code) && code != 1, "{args:?}: {result:?}");
        if code != 0 {
            let lines: Vec<_> = result.stderr.lines().collect();
            // These have a line for each of their files, and a summary.
            let takes_several = [
                "encode",
                "decode",
                "detokenize",
                "info",
                "pack",
                "tokenize",
                "tokens",
                "verify",
            ]
            .contains(&args[0]);
            let most = if takes_several { args.len() } else { 1 };
            assert!((1..=most).contains(&lines.len()), "{args:?}: {result:?}");
            let named = lines.iter().all(|line| line.starts_with("flextok: "));
            assert!(named, "{args:?}: {result:?}");
        }
        for (name, bytes) in before.iter().zip(&inputs) {
            assert!(
                flextok_tests::read(directory, name) == *bytes,
                "{args:?} changed {name}"
            );
        }
        for name in listing(directory) {
            // A failure of one input does not undo the others.
            let several = ["encode", "decode", "detokenize", "pack"];
            let may_be_new = code == 0 || several.contains(&args[0]);
            assert!(
                !name.ends_with(".tmp") && (may_be_new || before.contains(&name)),
                "{args:?} left {name}"
            );
            let path = directory.join(&name);
            if path.is_dir() {
                std::fs::remove_dir_all(path).expect("it is there");
            } else if !before.contains(&name) {
                std::fs::remove_file(path).expect("it is there");
            }
        }
    }
}
