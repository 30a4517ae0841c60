//! What a shell hands to the program: descriptors, closed streams, ignored signals, the width of the terminal; and what the
//! program hands to the shell: completions.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Child, Command, Stdio};

use flextok_tests::{
    Run, arg, command, encode, finish, photo, program, read, run, workplace, write,
};

/// Runs a line of `sh`, in which `flextok` is the program and `$photo` a photo.
fn shell(directory: &Path, line: &str) -> Run {
    let line = format!("flextok() {{ '{}' \"$@\"; }}; {line}", arg(program()));
    let mut command = Command::new("sh");
    command.args(["-c", &line]).current_dir(directory);
    command.env("photo", photo("chelsea.png"));
    finish(command.stdin(Stdio::null()))
}

#[test]
fn closed_streams_are_errors() {
    let place = workplace();
    let directory = place.path();
    encode(directory, "chelsea.png");
    for line in [
        "flextok encode \"$photo\" -o - >&-",
        "flextok encode \"$photo\" -o /dev/stdout >&-",
        "flextok info a.flxt >&-",
        "flextok --version >&-",
    ] {
        shell(directory, line).fails(7, &["standard output", "closed"]);
    }
    shell(directory, "flextok decode - -o x.png <&-").fails(7, &["standard input", "closed"]);
    // What is thrown away on purpose is written.
    shell(directory, "flextok encode \"$photo\" -o - >/dev/null").ok();
    shell(directory, "flextok encode \"$photo\" -o - 1<>/dev/null").ok();
}

#[test]
fn descriptors_are_written_to() {
    let place = workplace();
    let directory = place.path();
    let options = "encode \"$photo\" --bytes 100 -o";
    shell(directory, &format!("flextok {options} expected")).ok();
    let expected = read(directory, "expected");
    for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"] {
        write(directory, "log", "before ");
        let line = format!(
            "ln -sf /dev/fd/1 link; {{ flextok {options} {name}; printf ' after'; }} >>log"
        );
        shell(directory, &line).ok();
        let wanted = [b"before ", &expected[..], b" after"].concat();
        assert!(read(directory, "log") == wanted, "{name}");
    }
    for name in ["/dev/fd/5", "/proc/self/fd/5"] {
        let line = format!("exec 5>out; echo >&5; flextok {options} {name}; printf after >&5");
        shell(directory, &line).ok();
        assert!(read(directory, "out") == [b"\n", &expected[..], b"after"].concat());
    }
    shell(directory, &format!("flextok {options} /dev/fd/9")).fails(7, &["/dev/fd/9"]);
}

#[test]
fn outputs_are_not_read() {
    let place = workplace();
    for name in ["/dev/stdout", "/dev/fd/2", "/proc/self/fd/1"] {
        let line = format!("flextok encode \"$photo\" {name} | cat; flextok decode {name} | cat");
        let run = shell(place.path(), &line);
        let lines: Vec<&str> = run.stderr.lines().collect();
        let refused = |line: &&str| line.contains(name) && line.contains("name it with -o");
        assert!(lines.len() == 2 && lines.iter().all(refused), "{run:?}");
    }
}

#[test]
fn ignored_signals_stay_ignored() {
    let place = workplace();
    let directory = place.path();
    let program = arg(program());
    let ignored = |child: &Child| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let status = status.expect("it runs");
        let mask = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            u64::from_str_radix(line.expect("a mask").trim(), 16).expect("a number")
        };
        // A signal's bit is its number less one.
        [1, 2, 15].map(|signal| {
            let bit = 1 << (signal - 1);
            (mask("SigIgn:") & bit != 0, mask("SigCgt:") & bit != 0)
        })
    };
    let (yes, no) = ((true, false), (false, true));
    for (trap, expected) in [
        ("true", [no; 3]),
        ("trap '' HUP", [yes, no, no]),
        ("trap '' HUP INT TERM", [yes; 3]),
    ] {
        // It waits for its input, with the handlers installed once it has said that it read some.
        let line = format!("{trap}; exec '{program}' serve . --port 0");
        // Whoever runs this test may ignore some itself.
        let mut child = Command::new("env")
            .args(["--default-signal=HUP,INT,TERM", "sh", "-c", &line])
            .current_dir(directory)
            .stderr(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let mut first = [0];
        let stderr = child.stderr.as_mut().expect("it is piped");
        std::io::Read::read_exact(stderr, &mut first).expect("it tells its address");
        let found = ignored(&child);
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        assert_eq!(found, expected, "{trap}");
    }
}

#[test]
fn a_terminal_of_no_width_is_none() {
    let place = workplace();
    let help = |columns: Option<&str>| {
        let mut command = command(place.path(), ["encode", "--help"]);
        command.env_remove("COLUMNS");
        command.envs(columns.map(|columns| ("COLUMNS", columns)));
        finish(&mut command).ok().text().to_owned()
    };
    assert_eq!(help(Some("0")), help(None));
    assert_ne!(help(Some("60")), help(None));
}

#[test]
fn bash_completes_names_with_spaces() {
    let place = workplace();
    let directory = place.path();
    for name in ["my photo.png", "my other.png"] {
        write(directory, name, "");
    }
    std::fs::create_dir(directory.join("my folder")).expect("a directory");
    let script = run(directory, ["completions", "bash"]).ok();
    write(directory, "completion", &script.stdout);
    let words = |line: &str, previous: &str, current: &str| -> Option<Vec<String>> {
        let line = format!(
            "source ./completion; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); compopt() {{ :; }}; \
             _flextok flextok '{current}' {previous}; for word in \"${{COMPREPLY[@]}}\"; do echo \"$word\"; done"
        );
        let mut bash = Command::new("bash");
        let output = bash
            .args(["--norc", "-c", &line])
            .current_dir(directory)
            .output();
        let output = match output {
            Ok(output) => output,
            Err(error) => {
                eprintln!("skipped: no bash here: {error}");
                return None;
            }
        };
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{output:?}"
        );
        let text = String::from_utf8_lossy(&output.stdout);
        Some(text.lines().map(str::to_owned).collect())
    };
    for option in ["-o", "--output", "--model"] {
        let Some(mut found) = words(&format!("flextok encode {option} my"), option, "my") else {
            return;
        };
        found.sort();
        assert_eq!(
            found,
            ["my folder", "my other.png", "my photo.png"],
            "{option}"
        );
        assert_eq!(
            words(&format!("flextok encode {option} 'my p'"), option, "my p"),
            Some(vec!["my photo.png".to_owned()])
        );
    }
    // Names of inputs are left to bash itself, which quotes them.
    assert_eq!(words("flextok encode my", "encode", "my"), Some(Vec::new()));
    assert_eq!(words("flextok encode ''", "encode", ""), Some(Vec::new()));
    assert_eq!(
        words("flextok encode --by", "encode", "--by"),
        Some(vec!["--bytes".to_owned()])
    );
    assert_eq!(
        words("flextok decode --look pl", "--look", "pl"),
        Some(vec!["pl".to_owned()])
    );
    assert_eq!(
        words("flextok pack", "flextok", "pack"),
        Some(vec!["packets".to_owned(), "pack".to_owned()])
    );
}
