//! `flextok eval`: runs that are interrupted and go on, and other codecs by their programs.

use flextok::picture::{LoadOptions, load, save};
use flextok_tests::eval::{close, measured, set, small, timeless};
use flextok_tests::{command, finish, photo, read, run, workplace, write};
use serde_json::Value;

#[test]
fn what_is_finished_is_not_measured_again() {
    let place = workplace();
    let directory = place.path();
    set(directory);
    let eval = |more: &[&str]| {
        let args = ["eval", "set", "--bytes", "64,256", "--json"];
        run(directory, args.iter().chain(more))
    };
    let whole = timeless(&eval(&[]).ok());
    let kept = ["--results", "r.jsonl", "--export", "out"];
    assert_eq!(timeless(&eval(&kept).ok()), whole);
    let lines = read(directory, "r.jsonl");
    // The times of a picture that is not measured again are those of the file.
    let again = eval(&kept).ok().json();
    let text = String::from_utf8(lines.clone()).expect("text");
    let line = text
        .lines()
        .nth(2)
        .expect("a header and a line for each picture");
    let second: Value = serde_json::from_str(line).expect("JSON");
    let one = measured(&again, "set/chelsea.png", "flextok", 256);
    assert_eq!(*one, second["measurements"][1]);
    assert!(read(directory, "r.jsonl") == lines);
    // Half of the last line, as an interrupt may leave it; and a decode that is missing.
    write(directory, "r.jsonl", &lines[..lines.len() - 300]);
    let decode = read(directory, "out/flextok-64/chelsea.png");
    std::fs::remove_file(directory.join("out/flextok-64/chelsea.png")).expect("there");
    assert_eq!(timeless(&eval(&kept).ok()), whole);
    assert!(read(directory, "out/flextok-64/chelsea.png") == decode);
    assert_eq!(
        read(directory, "r.jsonl")
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count(),
        4
    );
    // Another picture under a known name is measured; other settings are refused.
    small(&directory.join("set"), "coffee.png", (60, 40));
    let changed = eval(&["--results", "r.jsonl"]).ok().json();
    assert_eq!(changed["pictures"][2]["width"], 60);
    let other = ["--results", "r.jsonl", "--look", "plain"];
    eval(&other).fails(
        2,
        &["r.jsonl: line 1: ", "look is null there and \"plain\" now"],
    );
    eval(&["--results", "set/coffee.png"]).fails(2, &["set/coffee.png: line 1: is not that"]);
    // Exports of other pictures are not overwritten.
    let refused = eval(&["--export", "out"]);
    assert_eq!(refused.code, Some(7), "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("out/original/coffee.png: already exists"),
        "{refused:?}"
    );
    eval(&["--export", "out", "--force"]).ok();
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_keeps_what_is_finished() {
    let place = workplace();
    let directory = place.path();
    set(directory);
    // Behind the small ones, enough work to be interrupted in.
    for name in ["x", "y", "z"] {
        let copy = directory.join(format!("set/{name}.jpg"));
        std::fs::copy(photo("seeding.jpg"), copy).expect("writable");
    }
    let args = ["eval", "set", "--results", "r.jsonl", "--json"];
    let mut child = command(directory, args)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    let lines = || {
        let bytes = std::fs::read(directory.join("r.jsonl")).unwrap_or_default();
        bytes.iter().filter(|&&byte| byte == b'\n').count()
    };
    while lines() < 3 {
        assert!(
            child.try_wait().expect("a child").is_none(),
            "it ended early"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut kill = std::process::Command::new("kill");
    let killed = kill.arg(child.id().to_string()).status();
    assert!(killed.expect("kill is there").success());
    assert_eq!(child.wait().expect("a child").code(), Some(130));
    let kept = lines();
    assert!((3..7).contains(&kept), "{kept} lines");
    let resumed = run(directory, args).ok();
    assert_eq!(lines(), 7);
    let fresh = run(directory, ["eval", "set", "--json"]).ok();
    assert_eq!(timeless(&resumed), timeless(&fresh));
}

#[test]
fn a_codec_that_is_not_installed_is_said() {
    let place = workplace();
    let directory = place.path();
    set(directory);
    let args = [
        "eval",
        "set/coffee.png",
        "--bytes",
        "64",
        "--against",
        "jxl,webp",
    ];
    let mut command = command(directory, args);
    let run = finish(command.env("PATH", directory).arg("--json"));
    assert_eq!(run.code, Some(0), "{run:?}");
    for mention in [
        "note: webp is not measured: cwebp: not installed",
        "package libjxl-tools",
    ] {
        assert!(run.stderr.contains(mention), "{run:?}");
    }
    let codecs = &run.json()["codecs"];
    assert_eq!(codecs[0]["missing"], Value::Null);
    assert_eq!(codecs[1]["name"], "webp");
    assert!(
        codecs[2]["missing"]
            .as_str()
            .expect("why")
            .starts_with("cjxl: not installed")
    );
    assert_eq!(run.json()["measurements"].as_array().map(Vec::len), Some(1));
}

/// Whether a program is there. In CI all of them are.
fn installed(program: &str) -> bool {
    let there = std::process::Command::new(program)
        .arg("-version")
        .output()
        .is_ok();
    if !there {
        assert!(
            std::env::var_os("CI").is_none(),
            "{program} is not installed"
        );
        eprintln!("skipped: {program} is not installed");
    }
    there
}

#[test]
fn other_codecs_get_their_best_file_that_fits() {
    let place = workplace();
    let directory = place.path();
    small(directory, "chelsea.png", (180, 120));
    let against = [
        ("webp", "cwebp", 400),
        ("avif", "avifenc", 600),
        ("jpeg", "cjpeg", 1000),
        ("jxl", "cjxl", 400),
        ("jpeg2000", "opj_compress", 400),
    ];
    for (codec, program, budget) in against {
        if !installed(program) {
            continue;
        }
        let bytes = budget.to_string();
        let args = [
            "eval",
            "chelsea.png",
            "--json",
            "--export",
            "out",
            "--force",
        ];
        let rest = ["--bytes", &bytes, "--against", codec];
        let results = run(directory, args.iter().chain(&rest)).ok().json();
        let version = results["codecs"][1]["version"].as_str().expect("a version");
        assert!(
            version.starts_with(program) && version.contains('.'),
            "{version}"
        );
        let found = measured(&results, "chelsea.png", codec, budget);
        let size = found["bytes"].as_u64().expect("a number");
        assert!(
            size <= budget.into() && size > u64::from(budget) / 2,
            "{found}"
        );
        assert!(
            found["settings"].as_str().expect("text").contains(" at "),
            "{found}"
        );
        let decode = format!("out/{codec}-{budget}/chelsea.png");
        let compared = run(directory, ["compare", "chelsea.png", &decode, "--json"]).ok();
        assert_eq!(found["figures"]["psnr"], compared.json()["psnr"]);
        close(&found["figures"]["psnr"], 24.0, 4.0);
    }
}

#[test]
fn a_rival_is_as_good_as_the_same_programs_by_hand() {
    let place = workplace();
    let directory = place.path();
    if !installed("cjpeg") {
        return;
    }
    small(directory, "chelsea.png", (180, 120));
    let args = [
        "eval",
        "chelsea.png",
        "--json",
        "--bytes",
        "3000",
        "--against",
        "jpeg",
    ];
    let results = run(directory, args).ok().json();
    let found = measured(&results, "chelsea.png", "jpeg", 3000);
    let reached = found["figures"]["psnr"].as_f64().expect("a number");
    let picture = load::open(directory.join("chelsea.png"), &LoadOptions::default());
    let picture = picture.expect("a picture").image.into_rgb8();
    let bytes = save::encode(&picture, save::SaveFormat::Pnm).expect("memory");
    write(directory, "in.ppm", bytes);
    let tool = |program: &str, args: &[&str]| {
        let status = std::process::Command::new(program)
            .args(args)
            .current_dir(directory)
            .status();
        assert!(status.expect("installed").success(), "{program} {args:?}");
    };
    let mut best = None;
    for quality in 0..=100 {
        let quality = quality.to_string();
        let options = [
            "-quality",
            &quality,
            "-optimize",
            "-progressive",
            "-sample",
            "2x2",
        ];
        tool(
            "cjpeg",
            &[&options[..], &["-outfile", "a.jpg", "in.ppm"]].concat(),
        );
        if read(directory, "a.jpg").len() <= 3000 {
            tool("djpeg", &["-pnm", "-outfile", "a.ppm", "a.jpg"]);
            let compared = run(directory, ["compare", "in.ppm", "a.ppm", "--json"])
                .ok()
                .json();
            let psnr = compared["psnr"].as_f64().expect("a number");
            best = Some(best.map_or(psnr, |best: f64| best.max(psnr)));
        }
    }
    let best = best.expect("a file that fits");
    // In the picture's own size; a shrinking may be better still.
    assert!(
        reached >= best - 1e-9,
        "{reached} by {}, {best} by hand",
        found["settings"]
    );
    if found["settings"]
        .as_str()
        .expect("text")
        .ends_with("at 100 %")
    {
        assert_eq!(reached, best);
    }
}
