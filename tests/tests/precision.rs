//! The element type of networks on a CPU: f32 to encode and bf16 to decode, or int8, to the same bytes whatever the processor
//! and the number of threads.

use std::path::Path;

use flextok_tests::{arg, command, finish, photo, read, run, tiny, workplace};

const NO_BF16: &str = "FLEXTOK_NO_BF16";
const NO_INT8: &str = "FLEXTOK_NO_INT8";

/// Decodes `tiny.flxt`, without the instructions that these environment variables forbid.
fn decode(directory: &Path, options: &[&str], forbidden: &[&str]) -> Vec<u8> {
    let model = tiny();
    let args = [
        "decode",
        "tiny.flxt",
        "-o",
        "out.png",
        "-f",
        "--model",
        arg(&model),
        "--device",
        "cpu",
    ];
    let mut command = command(directory, [&args[..], options].concat());
    // Few steps: what is compared is the same in each.
    command.args(["--steps", "4"]);
    command.envs(forbidden.iter().map(|variable| (variable, "1")));
    finish(&mut command).ok();
    read(directory, "out.png")
}

/// Encodes a photo with the small published network.
fn encode(directory: &Path, out: &str, options: &[&str]) -> Vec<u8> {
    let (photo, model) = (photo("chelsea.png"), tiny());
    let args = [
        "encode",
        arg(&photo),
        "-k",
        "32",
        "-o",
        out,
        "--model",
        arg(&model),
        "--device",
        "cpu",
    ];
    run(directory, [&args[..], options].concat()).ok();
    read(directory, out)
}

#[test]
fn auto_encodes_in_f32_and_decodes_in_bf16() {
    let place = workplace();
    let directory = place.path();
    let file = encode(directory, "tiny.flxt", &[]);
    assert_eq!(encode(directory, "f32.flxt", &["--precision", "f32"]), file);
    let auto = decode(directory, &[], &[]);
    assert_eq!(decode(directory, &["--precision", "bf16"], &[]), auto);
    std::fs::copy(directory.join("out.png"), directory.join("bf16.png")).unwrap();
    assert_ne!(decode(directory, &["--precision", "f32"], &[]), auto);
    let report = run(directory, ["compare", "out.png", "bf16.png", "--json"]).ok();
    let psnr = report.json()["psnr"].as_f64().unwrap();
    assert!(psnr > 50.0, "{psnr} dB between f32 and bf16");
}

#[test]
fn bf16_gives_the_same_bytes_with_any_threads_and_instructions() {
    let place = workplace();
    let directory = place.path();
    let bf16 = ["--precision", "bf16"];
    let file = encode(directory, "tiny.flxt", &bf16);
    for threads in ["1", "3"] {
        let options = ["--precision", "bf16", "--threads", threads, "-f"];
        assert_eq!(
            encode(directory, "tiny.flxt", &options),
            file,
            "{threads} threads"
        );
    }
    let picture = decode(directory, &bf16, &[]);
    for (threads, forbidden) in [
        ("1", &[][..]),
        ("3", &[]),
        ("1", &[NO_BF16]),
        ("2", &[NO_BF16]),
    ] {
        let options = ["--precision", "bf16", "--threads", threads];
        assert!(
            decode(directory, &options, forbidden) == picture,
            "{threads} threads, {forbidden:?}"
        );
    }
}

#[test]
fn int8_decodes_close_to_f32_and_the_same_bytes_everywhere() {
    let place = workplace();
    let directory = place.path();
    let int8 = ["--precision", "int8"];
    // It is the decoder's alone.
    let file = encode(directory, "tiny.flxt", &int8);
    assert_eq!(encode(directory, "f32.flxt", &["--precision", "f32"]), file);
    let picture = decode(directory, &int8, &[]);
    std::fs::copy(directory.join("out.png"), directory.join("int8.png")).unwrap();
    for (threads, forbidden) in [
        ("1", &[][..]),
        ("3", &[]),
        ("2", &[NO_INT8]),
        ("3", &[NO_BF16]),
        ("3", &[NO_BF16, NO_INT8]),
    ] {
        let options = ["--precision", "int8", "--threads", threads];
        assert!(
            decode(directory, &options, forbidden) == picture,
            "{threads} threads, {forbidden:?}"
        );
    }
    assert_ne!(decode(directory, &["--precision", "bf16"], &[]), picture);
    decode(directory, &["--precision", "f32"], &[]);
    let report = run(directory, ["compare", "out.png", "int8.png", "--json"]).ok();
    let psnr = report.json()["psnr"].as_f64().unwrap();
    assert!(psnr > 45.0, "{psnr} dB between f32 and int8");
}

#[test]
fn the_report_of_the_engine_names_both_types() {
    let place = workplace();
    let (photo, model) = (photo("chelsea.png"), tiny());
    for (precision, expected) in [
        ("auto", "threads, f32, bf16 to decode"),
        ("f32", "threads, f32\n"),
        ("bf16", "threads, bf16\n"),
        ("int8", "threads, f32, int8 to decode"),
    ] {
        let args = [
            "encode",
            arg(&photo),
            "-k",
            "8",
            "-o",
            "a.flxt",
            "-f",
            "-v",
            "--device",
            "cpu",
        ];
        let choice = ["--model", arg(&model), "--precision", precision];
        let run = run(place.path(), [&args[..], &choice].concat());
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.stderr.contains(expected), "{precision}: {run:?}");
    }
}
