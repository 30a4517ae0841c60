//! Outputs under bad conditions: existing files, full disks, closed pipes, unusual paths.

use flextok_tests::{arg, encode, encode_ids, listing, nano, photo, read, run, workplace, write};

#[test]
fn nothing_is_overwritten_without_force() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("chelsea.png");
    let photo = arg(&photo);
    encode_ids(directory, "chelsea.png");
    run(directory, ["tokens", "a.flxt", "-o", "ids.npy"]).ok();
    write(directory, "precious.png", "precious");
    write(directory, "precious.flxt", "precious");
    for args in [
        &["encode", photo, "-o", "precious.flxt"][..],
        &["decode", "a.flxt", "-o", "precious.png"],
        &["truncate", "a.flxt", "--bytes", "60", "-o", "precious.flxt"],
        &["preview", "a.flxt", "-o", "precious.png"],
        &[
            "pack",
            "ids.npy",
            "--width",
            "1",
            "--height",
            "1",
            "-o",
            "precious.flxt",
        ],
    ] {
        run(directory, args).fails(7, &["precious.", "exists", "--force"]);
        for name in ["precious.png", "precious.flxt"] {
            assert_eq!(read(directory, name), b"precious");
        }
    }
    run(
        directory,
        [
            "decode",
            "a.flxt",
            "-o",
            "precious.png",
            "--force",
            "--model",
            arg(&nano()),
        ],
    )
    .ok();
    let replaced = read(directory, "precious.png");
    assert!(replaced.starts_with(b"\x89PNG"));
    assert_eq!(
        listing(directory),
        ["a.flxt", "ids.npy", "precious.flxt", "precious.png"]
    );
    // The default output of such a name would be the input.
    std::fs::copy(directory.join("a.flxt"), directory.join("odd.png")).expect("copied");
    run(directory, ["decode", "odd.png", "--force"]).fails(2, &["odd.png", "-o"]);
}

#[test]
fn pictures_of_others_are_replaced_only_by_name() {
    let place = workplace();
    let directory = place.path();
    encode(directory, "chelsea.png");
    let decode = |args: &[&str]| run(directory, ["decode", "a.flxt"].iter().chain(args));
    std::fs::copy(directory.join("a.flxt"), directory.join("b.flxt")).expect("copied");
    decode(&[]).ok();
    let own = read(directory, "a.png");
    decode(&[]).fails(7, &["a.png", "exists"]);
    decode(&["--force"]).ok();
    assert!(read(directory, "a.png") == own);
    for foreign in [
        &std::fs::read(photo("chelsea.png")).expect("there")[..],
        b"",
        &own[..40],
        &[&own[..8], &own[10..]].concat(),
    ] {
        write(directory, "a.png", foreign);
        decode(&["--force"]).fails(7, &["a.png", "not written by flextok", "-o"]);
        run(directory, ["decode", "a.flxt", "b.flxt", "--force"])
            .fails_in_part(7, &["a.png: was not written by flextok", "1 of 2 files"]);
        assert!(read(directory, "a.png") == foreign);
        decode(&["a.png", "--force"]).ok();
        assert!(read(directory, "a.png") == own);
    }
    for name in ["b.jxl", "b.gif", "b.HEIC"] {
        run(directory, ["decode", "b.flxt", name, "--force"]).fails(2, &[name, "cannot write"]);
    }
    write(directory, "a.png", "x");
    decode(&["-o", "a.png", "--force"]).ok();
    assert!(read(directory, "a.png") == own);
}

#[test]
fn inputs_are_not_overwritten_by_something_else_even_with_force() {
    let place = workplace();
    let directory = place.path();
    encode_ids(directory, "chelsea.png");
    run(directory, ["tokens", "a.flxt", "-o", "ids.npy"]).ok();
    // Names that do not tell, as cameras and downloads have them.
    for (from, to) in [
        ("a.flxt", "tokens.png"),
        ("ids.npy", "ids"),
        ("a.flxt", "t.npy"),
    ] {
        std::fs::copy(directory.join(from), directory.join(to)).expect("copied");
    }
    std::fs::copy(photo("chelsea.png"), directory.join("photo")).expect("copied");
    std::fs::hard_link(directory.join("photo"), directory.join("linked")).expect("linked");
    let size = ["--width", "1", "--height", "1"];
    for (args, name) in [
        (&["encode", "photo", "-o", "photo"][..], "photo"),
        (&["encode", "photo", "-o", "linked"], "linked"),
        (
            &[
                "pack", "ids", "-o", "./ids", size[0], size[1], size[2], size[3],
            ],
            "ids",
        ),
        (&["decode", "tokens.png", "-o", "tokens.png"], "tokens.png"),
        (&["preview", "tokens.png", "-o", "tokens.png"], "tokens.png"),
        (&["tokens", "t.npy", "-o", "t.npy"], "t.npy"),
        (
            &["decode", "a.flxt", "--noise", "ids.npy", "-o", "ids.npy"],
            "ids.npy",
        ),
    ] {
        let before = read(directory, name);
        run(directory, args.iter().chain(&["--force"])).fails(2, &[name, "the input itself"]);
        assert!(read(directory, name) == before, "{args:?}");
    }
}

#[test]
fn a_failed_run_with_force_leaves_the_old_file() {
    let place = workplace();
    let directory = place.path();
    write(directory, "old.png", "old");
    write(directory, "bad.flxt", "bad");
    run(
        directory,
        ["decode", "bad.flxt", "-o", "old.png", "--force"],
    )
    .fails(3, &["bad.flxt"]);
    assert_eq!(read(directory, "old.png"), b"old");
    assert_eq!(listing(directory), ["bad.flxt", "old.png"]);
}

#[test]
fn paths_where_no_file_can_be() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("chelsea.png");
    std::fs::create_dir(directory.join("folder")).expect("writable");
    run(directory, ["encode", arg(&photo), "-o", "no/such/a.flxt"]).fails(7, &["no/such/a.flxt"]);
    run(
        directory,
        ["preview", arg(&photo), "-o", "folder", "--force"],
    )
    .fails(7, &["folder"]);
    assert_eq!(listing(directory), ["folder"]);
}

#[cfg(unix)]
mod unix {
    use std::process::{Command, Stdio};

    use flextok_tests::{command, finish, program};

    use super::*;

    #[test]
    fn special_files_are_written_as_they_are() {
        let place = workplace();
        let directory = place.path();
        let photo = photo("chelsea.png");
        run(directory, ["encode", arg(&photo), "-o", "/dev/null"]).ok();
        let direct = run(directory, ["encode", arg(&photo), "-o", "/dev/stdout"])
            .ok()
            .stdout;
        let dash = run(directory, ["encode", arg(&photo), "-o", "-"])
            .ok()
            .stdout;
        assert!(direct == dash && dash.len() == 1024);
        assert!(listing(directory).is_empty());
    }

    #[test]
    fn new_files_have_ordinary_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let place = workplace();
        let directory = place.path();
        encode(directory, "chelsea.png");
        write(directory, "ordinary", "");
        let mode = |name: &str| {
            let metadata = std::fs::metadata(directory.join(name)).expect("it is there");
            metadata.permissions().mode()
        };
        assert_eq!(mode("a.flxt"), mode("ordinary"));
    }

    #[test]
    fn links_stay_links_also_where_they_lead_nowhere() {
        let place = workplace();
        let directory = place.path();
        encode(directory, "chelsea.png");
        std::fs::create_dir(directory.join("far")).expect("writable");
        write(directory, "far/old.png", "old");
        for name in ["old.png", "new.png"] {
            let link = directory.join(format!("link-{name}"));
            std::os::unix::fs::symlink(format!("far/{name}"), &link).expect("links work");
            let link = arg(&link);
            run(directory, ["decode", "a.flxt", "-o", link]).fails(7, &[name, "--force"]);
            run(directory, ["decode", "a.flxt", "-o", link, "--force"]).ok();
            let is_link = std::fs::symlink_metadata(link)
                .expect("it is there")
                .is_symlink();
            assert!(is_link, "{name}");
            let written = read(directory, &format!("far/{name}"));
            assert!(written.starts_with(b"\x89PNG"), "{name}");
        }
    }

    #[test]
    fn full_devices_are_an_error() {
        if !std::path::Path::new("/dev/full").exists() {
            eprintln!("skipped: there is no /dev/full here");
            return;
        }
        let place = workplace();
        let directory = place.path();
        let photo = photo("chelsea.png");
        run(directory, ["encode", arg(&photo), "-o", "a.flxt"]).ok();
        run(directory, ["encode", arg(&photo), "-o", "/dev/full"]).fails(7, &["/dev/full"]);
        for args in [
            &["decode", "a.flxt", "-o", "-"][..],
            &["info", "a.flxt"],
            &["--help"],
        ] {
            let full = std::fs::File::options()
                .write(true)
                .open("/dev/full")
                .expect("writable");
            finish(command(directory, args).stdout(full)).fails(7, &["standard output"]);
        }
    }

    /// A limit on the size of files is a full disk that needs no administrator.
    #[test]
    fn a_disk_that_fills_up_leaves_nothing() {
        let place = workplace();
        let directory = place.path();
        encode(directory, "seeding.jpg");
        write(directory, "old.png", "old");
        for out in ["new.png", "old.png"] {
            let script = "ulimit -f 8; exec \"$0\" decode a.flxt -o \"$1\" --force";
            let mut shell = Command::new("sh");
            shell
                .args(["-c", script])
                .arg(program())
                .arg(out)
                .current_dir(directory);
            finish(shell.stdin(Stdio::null())).fails(7, &[out, "too large"]);
        }
        assert_eq!(listing(directory), ["a.flxt", "old.png"]);
        assert_eq!(read(directory, "old.png"), b"old");
    }

    #[test]
    fn a_small_tmpfs_that_fills_up_leaves_nothing() {
        let place = workplace();
        let disk = place.path().join("disk");
        std::fs::create_dir(&disk).expect("writable");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=16k", "none"])
            .arg(&disk);
        match mount.output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let reason = String::from_utf8_lossy(&output.stderr).into_owned();
                eprintln!("skipped: no tmpfs can be mounted here: {reason}");
                return;
            }
            Err(error) => {
                eprintln!("skipped: no tmpfs can be mounted here: {error}");
                return;
            }
        }
        run(
            &disk,
            ["encode", arg(&photo("seeding.jpg")), "-o", "a.flxt"],
        )
        .ok();
        let decoded = run(&disk, ["decode", "a.flxt", "-o", "a.png"]);
        let left = listing(&disk);
        let unmounted = Command::new("umount").arg(&disk).status();
        decoded.fails(7, &["a.png", "No space left"]);
        assert_eq!(left, ["a.flxt"]);
        assert!(unmounted.is_ok_and(|status| status.success()));
    }

    #[test]
    fn closed_pipes_are_no_panic() {
        let place = workplace();
        let directory = place.path();
        encode(directory, "seeding.jpg");
        for (args, code) in [
            (&["decode", "a.flxt", "-o", "-"][..], 7),
            (&["info", "a.flxt", "--json"], 0),
            (&["completions", "bash"], 0),
            (&["--help"], 0),
        ] {
            let mut child = command(directory, args)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("it starts");
            drop(child.stdout.take());
            let output = child.wait_with_output().expect("it ends");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
            assert!(
                !stderr.contains("panic") && stderr.lines().count() <= 1,
                "{stderr}"
            );
        }
    }

    #[test]
    fn an_interrupted_run_leaves_nothing() {
        let place = workplace();
        let directory = place.path();
        flextok_tests::encode_ids(directory, "chelsea.png");
        // Far longer than it takes to interrupt it.
        let model = flextok_tests::nano();
        let steps = ["--steps", "1000", "--model", arg(&model)];
        let args = ["decode", "a.flxt", "-o", "a.png"];
        let args = args.into_iter().chain(steps);
        let mut child = command(directory, args)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let pid = child.id().to_string();
        while !catches_interrupts(&pid) && child.try_wait().expect("it is ours").is_none() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let killed = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("kill runs");
        assert!(killed.success());
        assert_eq!(child.wait().expect("it ends").code(), Some(130));
        assert_eq!(listing(directory), ["a.flxt"]);
    }

    /// Whether the process has installed its handler, as the kernel tells where it does.
    fn catches_interrupts(pid: &str) -> bool {
        let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else {
            std::thread::sleep(std::time::Duration::from_secs(1));
            return true;
        };
        let mut caught = status
            .lines()
            .filter_map(|line| line.strip_prefix("SigCgt:"));
        let mask = caught
            .next()
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask & (1 << 14) != 0)
    }
}
