//! What is said to people at a terminal, and to nobody else.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use flextok_tests::{arg, encode, listing, photo, program, run, workplace};

/// What a terminal shows of a run; `None` where there is no `script` to make one.
fn shown(directory: &Path, args: &[&str]) -> Option<String> {
    let mut command = Command::new("script");
    let words: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
    let line = format!("'{}' {}", arg(program()), words.join(" "));
    command.args(["-qec", &line, "/dev/null"]);
    let output = match command.current_dir(directory).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: no terminal can be made here: {error}");
            return None;
        }
    };
    assert!(output.status.success(), "{args:?}: {output:?}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn one_line_says_what_was_written() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("chelsea.png");
    let photo = arg(&photo);
    encode(directory, "chelsea.png");
    for (args, line) in [
        (
            &["encode", photo, "b.flxt"][..],
            "b.flxt: 1024 bytes, 451×300\r\n",
        ),
        (
            &["truncate", "a.flxt", "-b", "60", "-o", "a\u{202e}.flxt"],
            "a\\u{202e}.flxt: 60 bytes, 451×300\r\n",
        ),
        (&["encode", photo, "q.flxt", "-q"], ""),
        (
            &["packets", "split", "a.flxt", "--size", "140", "-o", "sent"],
            "sent: 8 packets, 1088 bytes, file ID\r\n",
        ),
        (
            &["packets", "join", "sent", "-o", "j.flxt"],
            "j.flxt: 1024 bytes, complete, file ID\r\n",
        ),
        (&["decode", "a.flxt", "q.png", "--quiet"], ""),
    ] {
        let Some(text) = shown(directory, args) else {
            return;
        };
        // The id is that of the file's bytes.
        match line.strip_suffix("ID\r\n") {
            Some(start) => assert!(text.starts_with(start), "{text}"),
            None => assert_eq!(text, line),
        }
    }
    let args = ["encode", photo, "t.flxt", "--target-psnr", "20"];
    let text = shown(directory, &args).unwrap_or_default();
    let facts: Vec<&str> = text.trim_end().split(", ").collect();
    let [bytes, "451×300", quality] = facts[..] else {
        panic!("{text:?}")
    };
    assert!(
        bytes.starts_with("t.flxt: ") && bytes.ends_with(" bytes"),
        "{text}"
    );
    let reached = quality
        .strip_suffix(" dB")
        .and_then(|number| number.parse::<f64>().ok());
    assert!(
        reached.is_some_and(|reached| (20.0..21.0).contains(&reached)),
        "{text}"
    );
    let text = shown(directory, &["decode", "a.flxt", "c.png"]).unwrap_or_default();
    let size = flextok_tests::read(directory, "c.png").len();
    assert_eq!(text, format!("c.png: {size} bytes, 451×300\r\n"));
    // Standard error that is no terminal gets nothing.
    run(directory, ["decode", "a.flxt", "d.png"]).ok();
}

#[test]
fn several_inputs_have_a_bar_and_a_summary() {
    let place = workplace();
    let directory = place.path();
    for name in ["chelsea.png", "coffee.png"] {
        std::fs::copy(photo(name), directory.join(name)).expect("copied");
    }
    let args = ["encode", "chelsea.png", "coffee.png", "-o", "out/"];
    let Some(text) = shown(directory, &args) else {
        return;
    };
    assert!(text.contains("encoding") && text.contains("/2"), "{text:?}");
    let summary = "flextok: encoded 2 files, 2048 bytes written\r\n";
    assert!(text.ends_with(summary), "{text:?}");
    assert_eq!(
        listing(&directory.join("out")),
        ["chelsea.flxt", "coffee.flxt"]
    );
    let args = [&args[..], &["--force", "--quiet"]].concat();
    assert_eq!(shown(directory, &args).as_deref(), Some(""));
}
