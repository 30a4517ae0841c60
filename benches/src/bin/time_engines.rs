//! Times a model's stages on the CPU engine and on a device in turn, counts the device's launches and bytes of a decoder
//! step, and prints both as tables.
//!
//! Usage: `time_engines [MODEL [DEVICE [REPS]]]`; `tests/data/nano.safetensors`, the first device and 5 runs by default

use std::path::{Path, PathBuf};

use flextok::compute::gpu::{GpuEngine, GpuOptions, Precision, devices, quiet_drivers};
use flextok::compute::{Backend, CpuEngine};
use flextok::{Codec, DecodeOptions, Device};
use flextok_benches::{Stages, median_ms};

const THREADS: usize = 2;
/// Tokens of the guided step.
const TOKENS: usize = 16;

/// A stage's name and its times in milliseconds, one for each engine.
type Rows = Vec<(String, Vec<f64>)>;

fn main() {
    quiet_drivers();
    let mut arguments = std::env::args().skip(1);
    let nano = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/nano.safetensors");
    let path = arguments.next().map_or_else(nano, PathBuf::from);
    let number = |text: Option<String>, default: usize| {
        text.map_or(default, |text| text.parse().expect("a number"))
    };
    let index = number(arguments.next(), 0);
    let reps = number(arguments.next(), 5).max(1);
    let devices = devices();
    let Some(device) = devices.get(index) else {
        eprintln!("device {index} does not exist");
        std::process::exit(2);
    };
    let mut names = vec![format!("CPU, {THREADS} threads, f32")];
    let mut rows = Rows::new();
    let cpu = CpuEngine::new(THREADS).expect("an engine");
    let builder = Codec::builder()
        .with_threads(THREADS)
        .with_precision(Precision::F32);
    time(&Stages::on(cpu, &path, builder), reps, &mut rows);
    let mut counts = Vec::new();
    for (precision, element) in [(Precision::F32, 4), (Precision::F16, 2)] {
        if precision == Precision::F16 && !device.f16 {
            continue;
        }
        let mut options = GpuOptions::default();
        options.precision = precision;
        let gpu = GpuEngine::open(device, &options).expect("an engine");
        let builder = Codec::builder()
            .with_device(Device::GpuIndex(index))
            .with_precision(precision);
        let stages = Stages::on(gpu, &path, builder);
        names.push(format!("{}, {precision:?}", device.name));
        time(&stages, reps, &mut rows);
        for guided in [false, true] {
            counts.push(count(&stages, guided, element));
        }
    }
    print(&path, &names, &rows);
    println!(
        "\n| decoder step of {TOKENS} tokens | launches | MB moved | MB at least |\n|---|---|---|---|"
    );
    for (what, launches, moved, least) in counts {
        println!("| {what} | {launches} | {moved:.1} | {least:.1} |");
    }
}

fn print(path: &Path, names: &[String], rows: &Rows) {
    let model = path.file_name().unwrap_or_default().to_string_lossy();
    println!("| {model}, ms | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
    for (stage, times) in rows {
        let times: Vec<String> = times.iter().map(|time| format!("{time:.1}")).collect();
        println!("| {stage} | {} |", times.join(" | "));
    }
}

/// Adds one engine's times to the rows.
fn time<B: Backend>(stages: &Stages<B>, reps: usize, rows: &mut Rows) {
    let mut add = |stage: &str, time: f64| match rows.iter_mut().find(|(name, _)| name == stage) {
        Some((_, times)) => times.push(time),
        None => rows.push((stage.to_owned(), vec![time])),
    };
    add("VAE encode", median_ms(reps, &mut || stages.vae_encode()));
    add(
        "tokenize, 256 tokens",
        median_ms(reps, &mut || stages.tokenize()),
    );
    for (name, tokens, guided) in [
        ("decoder step, 256 tokens", 256, false),
        ("decoder step, 16 tokens", TOKENS, false),
        ("guided decoder step, 16 tokens", TOKENS, true),
    ] {
        stages.with_decoder_steps(tokens, guided, |steps| {
            add(name, median_ms(reps, &mut || steps(1)));
        });
    }
    add("VAE decode", median_ms(reps, &mut || stages.vae_decode()));
    let options = DecodeOptions::default().with_steps(8);
    let decode = median_ms(reps, &mut || stages.decode(TOKENS, &options));
    add("decode of 16 tokens, 8 steps", decode);
}

/// Launches and megabytes of a step, and the megabytes that any engine moves: each weight once, the latents in and out.
fn count(stages: &Stages<GpuEngine>, guided: bool, element: u64) -> (String, u64, f64, f64) {
    let mut result = (0, 0);
    let mut latents = 0;
    stages.with_decoder_steps(TOKENS, guided, |steps| {
        steps(1);
        let before = stages.backend().counters();
        steps(1);
        let after = stages.backend().counters();
        assert_eq!(before.buffers, after.buffers, "a step that takes memory");
        result = (after.launches - before.launches, after.bytes - before.bytes);
        latents = after.downloaded - before.downloaded;
    });
    let passes = if guided { "both passes" } else { "one pass" };
    let half = if element == 2 { "f16" } else { "f32" };
    let read = latents / if guided { 2 } else { 1 };
    let least = stages.step_weight_bytes(element) + latents + read;
    let mega = |bytes: u64| bytes as f64 / 1e6;
    (
        format!("{passes}, {half}"),
        result.0,
        mega(result.1),
        mega(least),
    )
}
