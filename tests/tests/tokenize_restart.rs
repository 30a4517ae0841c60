//! A run that ends before its time goes on where it ended, whatever ended it, and its output is that of a run that did not.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use flextok_tests::collection::{part_file, tar};
use flextok_tests::{Run, command, finish, listing, read, tiny, workplace, write};

/// Pictures of a run: enough that it lasts while the journal is looked at.
const PICTURES: u32 = 160;

fn tokenize(directory: &Path, args: &[&str]) -> Command {
    let options = ["tokenize", "photos", "-k", "8", "--canvas", "64x64"];
    let mut command = command(directory, options.iter().chain(args));
    command.arg("--model").arg(tiny());
    command
}

fn run(directory: &Path, args: &[&str]) -> Run {
    finish(&mut tokenize(directory, args))
}

/// Half of the pictures in folders, half in a shard, and some that are broken.
fn photos(directory: &Path) {
    std::fs::create_dir(directory.join("photos")).expect("writable");
    let files: Vec<(String, Vec<u8>)> = (0..PICTURES)
        .map(|number| {
            let file = match number % 23 {
                7 => b"no picture".to_vec(),
                _ => part_file(number, "png"),
            };
            (format!("{number:03}.png"), file)
        })
        .collect();
    let (single, members) = files.split_at(files.len() / 2);
    for (name, file) in single {
        write(directory, &format!("photos/{name}"), file);
    }
    let members: Vec<_> = members
        .iter()
        .map(|(name, file)| (name.as_str(), file.as_slice()))
        .collect();
    write(directory, "photos/shard.tar", tar(&members));
}

fn lines(directory: &Path, journal: &str) -> usize {
    let text = std::fs::read(directory.join(journal)).unwrap_or_default();
    text.iter().filter(|&&byte| byte == b'\n').count()
}

/// Starts a run and kills it when its journal has this many lines.
fn killed(directory: &Path, output: &str, journal: &str, at: usize) {
    let mut command = tokenize(directory, &["-q", "-o", output]);
    let mut child: Child = command.stderr(Stdio::null()).spawn().expect("it starts");
    while lines(directory, journal) < at {
        let ended = child.try_wait().expect("it can be asked");
        assert!(ended.is_none(), "{output}: ended before {at} lines");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("it runs");
    let ended = child.wait().expect("it ends");
    assert!(!ended.success());
    assert!(
        directory.join(journal).exists(),
        "{output}: ended before it was killed"
    );
}

#[test]
fn a_run_that_was_killed_goes_on() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    for (whole, output, journal, files) in [
        (
            "whole.npy",
            "x.npy",
            "x.npy.journal.jsonl",
            &["npy", "jsonl", "failed.jsonl"][..],
        ),
        (
            "whole.parquet",
            "x.parquet",
            "x.parquet.journal.jsonl",
            &["parquet"],
        ),
    ] {
        let uninterrupted = run(directory, &["-q", "-o", whole]);
        assert_eq!(uninterrupted.code, Some(6), "{uninterrupted:?}");
        // Among the files, and in the shard.
        killed(directory, output, journal, 30);
        let kept = read(directory, journal);
        killed(directory, output, journal, 110);
        let second = read(directory, journal);
        let whole_lines = kept
            .iter()
            .rposition(|&byte| byte == b'\n')
            .unwrap_or_default();
        assert!(
            second.starts_with(&kept[..whole_lines]),
            "nothing is done twice"
        );
        // What is half written is dropped.
        for (name, bytes) in [
            (journal, &b"{\"item\":80,\"id\":\"ph"[..]),
            (&journal.replace("jsonl", "u16"), b"row"),
        ] {
            let file = OpenOptions::new().append(true).open(directory.join(name));
            file.and_then(|mut file| file.write_all(bytes))
                .expect("writable");
        }
        let last = run(directory, &["-v", "-o", output]);
        assert_eq!(
            last.code,
            Some(6),
            "the first failure is remembered: {last:?}"
        );
        assert!(last.stderr.contains("going on behind"), "{last:?}");
        for end in files {
            let name = |stem: &str| format!("{stem}.{end}");
            assert!(
                read(directory, &name("whole")) == read(directory, &name("x")),
                "{end}"
            );
        }
    }
    assert!(
        listing(directory)
            .iter()
            .all(|name| !name.contains("journal"))
    );
}

#[test]
fn shards_that_were_interrupted_are_those_of_a_whole_run() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    assert_eq!(run(directory, &["-q", "-o", "whole/"]).code, Some(6));
    killed(directory, "x/", "x/tokens.journal.jsonl", 100);
    assert_eq!(run(directory, &["-q", "-o", "x/"]).code, Some(6));
    let names = ["failed.jsonl", "shard.tar", "tokens-000000.tar"];
    assert_eq!(listing(&directory.join("x")), names);
    for name in names {
        assert!(
            read(&directory.join("whole"), name) == read(&directory.join("x"), name),
            "{name}"
        );
    }
}

#[test]
fn rows_and_lines_are_brought_to_agreement() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    run(directory, &["-q", "-o", "whole.npy"]);
    killed(directory, "x.npy", "x.npy.journal.jsonl", 60);
    // As after a power cut, which may lose the end of either file.
    let rows = OpenOptions::new()
        .write(true)
        .open(directory.join("x.npy.journal.u16"));
    rows.and_then(|file| file.set_len(16 * 20 + 5))
        .expect("writable");
    run(directory, &["-q", "-o", "x.npy"]);
    assert!(read(directory, "whole.npy") == read(directory, "x.npy"));
    assert!(read(directory, "whole.jsonl") == read(directory, "x.jsonl"));
}

#[test]
fn a_journal_of_another_run_is_refused() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    let journal = "x.npy.journal.jsonl";
    killed(directory, "x.npy", journal, 30);
    let before = read(directory, journal);
    run(directory, &["-o", "x.npy", "--crop"])
        .fails(2, &[journal, "crop is false there and true now"]);
    run(directory, &["-o", "x.npy", "--shard", "0/2"]).fails(2, &[journal, "other settings"]);
    write(directory, "photos/zzz.png", part_file(1, "png"));
    run(directory, &["-o", "x.npy"]).fails(2, &[journal, "inputs is 81 there and 82 now"]);
    std::fs::remove_file(directory.join("photos/zzz.png")).expect("it is there");
    // While another run has it.
    let held = File::open(directory.join(journal)).expect("it is there");
    held.lock().expect("nobody else has it");
    run(directory, &["-o", "x.npy"]).fails(7, &[journal, "a run that has not ended"]);
    drop(held);
    // Somebody else's output came meanwhile.
    write(directory, "x.npy", "theirs");
    run(directory, &["-o", "x.npy"]).fails(7, &["x.npy", "--force"]);
    assert!(read(directory, journal) == before);
    assert_eq!(read(directory, "x.npy"), b"theirs");
}

#[test]
fn an_interrupt_while_the_output_is_made_is_no_refusal() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    run(directory, &["-q", "-o", "whole.npy"]);
    // A journal whose last line says that the output was being made, beside one of its files.
    killed(directory, "x.npy", "x.npy.journal.jsonl", 150);
    let settings = read(directory, "x.npy.journal.jsonl");
    assert!(settings.starts_with(b"{\"flextok_tokenize\":1,"));
    run(directory, &["-q", "-o", "x.npy"]);
    let expected = read(directory, "whole.npy");
    assert!(read(directory, "x.npy") == expected);
    let (entries, rows) = journal_of(directory);
    let head = settings
        .split(|&byte| byte == b'\n')
        .next()
        .expect("a line");
    let text = [head, b"\n", entries.as_bytes(), b"{\"publish\":true}\n"].concat();
    write(directory, "x.npy.journal.jsonl", text);
    write(directory, "x.npy.journal.u16", rows);
    write(
        directory,
        "x.npy",
        "half of it was renamed, then came the power cut",
    );
    assert_eq!(run(directory, &["-q", "-o", "x.npy"]).code, Some(6));
    assert!(read(directory, "x.npy") == expected);
    assert!(read(directory, "x.failed.jsonl") == read(directory, "whole.failed.jsonl"));
}

/// The entries and rows of a finished run, as its journal had them.
fn journal_of(directory: &Path) -> (String, Vec<u8>) {
    let json = |name| String::from_utf8(read(directory, name)).expect("text");
    let (index, failed) = (json("whole.jsonl"), json("whole.failed.jsonl"));
    let values = |text: &str| -> Vec<serde_json::Value> {
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().expect("JSON")
    };
    let mut all: Vec<serde_json::Value> = values(&index);
    for mut line in values(&failed) {
        line["code"] = 6.into();
        all.push(line);
    }
    // The ids are in the order of work.
    all.sort_by_key(|line| line["id"].as_str().map(str::to_owned));
    let shard = PICTURES / 2;
    let mut text = String::new();
    for (number, line) in all.iter_mut().enumerate() {
        line["item"] = (number as u32).min(shard).into();
        text.push_str(&format!("{line}\n"));
    }
    text.push_str(&format!("{{\"item\":{shard},\"end\":true}}\n"));
    let array = read(directory, "whole.npy");
    (
        text,
        array[array.len() - 16 * values(&index).len()..].to_vec(),
    )
}
