//! The whole codec on a photo, by the embedded model and by a small network: encoding and decoding with all that a file
//! holds and with little of it, in one run.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use flextok::image::DynamicImage;
use flextok::{CanvasChoice, Codec, CodecBuilder, DecodeOptions, EncodeOptions};

const THREADS: usize = 2;

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests")
        .join(path)
}

fn photo() -> DynamicImage {
    flextok::image::open(data("photos/coffee.png")).expect("the photo")
}

fn builder() -> CodecBuilder {
    Codec::builder().with_threads(THREADS)
}

/// Times an encode of the photo for each of the options.
fn encode(criterion: &mut Criterion, name: &str, codec: &Codec, cases: &[(&str, EncodeOptions)]) {
    let photo = photo();
    let mut group = criterion.benchmark_group(format!("encode a photo by {name}"));
    for (label, options) in cases {
        group.bench_function(*label, |bencher| {
            bencher.iter(|| codec.encode(black_box(&photo), options).expect("a file"));
        });
    }
    group.finish();
}

/// Times decodes of a whole file and of its first bytes.
fn decode(
    criterion: &mut Criterion,
    name: &str,
    codec: &Codec,
    file: &[u8],
    options: &DecodeOptions,
) {
    let mut group = criterion.benchmark_group(format!("decode a photo by {name}"));
    for (bytes, label) in [(file.len(), "whole file"), (60, "cut to 60 bytes")] {
        group.bench_function(label, |bencher| {
            let bytes = &file[..bytes];
            bencher.iter(|| codec.decode(black_box(bytes), options).expect("a picture"));
        });
    }
    group.finish();
}

fn embedded(criterion: &mut Criterion) {
    let codec = builder().embedded().expect("the embedded model");
    let name = "the embedded model";
    let bytes = |bytes| EncodeOptions::default().with_bytes(bytes);
    let own = bytes(16_384).with_canvas(CanvasChoice::Own);
    let cases = [
        ("256 bytes", bytes(256)),
        ("1024 bytes", bytes(1024)),
        ("16384 bytes", bytes(16_384)),
        ("16384 bytes, own canvas", own.clone()),
    ];
    encode(criterion, name, &codec, &cases);
    for (label, options) in [
        ("1024 bytes", bytes(1024)),
        ("16384 bytes, own canvas", own),
    ] {
        let file = codec.encode(&photo(), &options).expect("a file");
        let name = format!("{name}, {label}");
        decode(criterion, &name, &codec, &file, &DecodeOptions::default());
    }
    let photo = photo();
    criterion.bench_function("open the embedded model and encode 1024 bytes", |bencher| {
        bencher.iter(|| {
            let codec = builder().embedded().expect("the embedded model");
            codec
                .encode(black_box(&photo), &bytes(1024))
                .expect("a file")
        });
    });
}

fn nano(criterion: &mut Criterion) {
    let codec = builder()
        .open(data("data/nano.safetensors"))
        .expect("the small network");
    let all = EncodeOptions::default();
    let cases = [
        ("all tokens", all.clone()),
        ("16 tokens", all.clone().with_tokens(16)),
    ];
    encode(criterion, "nano", &codec, &cases);
    let file = codec.encode(&photo(), &all).expect("a file");
    for (steps, guidance) in [(1, 1.0), (8, 1.0), (8, 2.0)] {
        let options = DecodeOptions::default()
            .with_steps(steps)
            .with_guidance(guidance, false);
        let name = format!("nano in {steps} steps, guidance {guidance}");
        decode(criterion, &name, &codec, &file, &options);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = embedded, nano
}
criterion_main!(benches);
