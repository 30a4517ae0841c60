//! The whole codec with the embedded model on a photo: encoding and decoding with all tokens and with few, in one run.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use flextok::{Codec, DecodeOptions, EncodeOptions};

const THREADS: usize = 2;

fn codec(criterion: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/photos/coffee.png");
    let photo = flextok::image::open(path).expect("the photo");
    let codec = Codec::builder()
        .with_threads(THREADS)
        .embedded()
        .expect("the embedded model");
    let file = codec
        .encode(&photo, &EncodeOptions::default())
        .expect("a file");

    let mut group = criterion.benchmark_group("encode a photo");
    for (label, tokens) in [("all tokens", codec.max_tokens()), ("16 tokens", 16)] {
        let options = EncodeOptions::default().with_tokens(tokens);
        group.bench_function(label, |bencher| {
            bencher.iter(|| codec.encode(black_box(&photo), &options).expect("a file"));
        });
    }
    group.finish();

    let whole = (file.len(), "whole file");
    let cut = (60, "cut to 60 bytes");
    for (steps, guidance) in [(1, 1.0), (8, 1.0), (8, 2.0)] {
        let name = format!("decode a photo in {steps} steps, guidance {guidance}");
        let mut group = criterion.benchmark_group(name);
        let options = DecodeOptions::default()
            .with_steps(steps)
            .with_guidance(guidance, false);
        for (bytes, label) in [whole, cut] {
            group.bench_function(label, |bencher| {
                let bytes = &file[..bytes];
                bencher.iter(|| codec.decode(black_box(bytes), &options).expect("a picture"));
            });
        }
        group.finish();
    }

    let mut group = criterion.benchmark_group("open the embedded model");
    group.bench_function("and encode 16 tokens", |bencher| {
        let options = EncodeOptions::default().with_tokens(16);
        bencher.iter(|| {
            let codec = Codec::builder()
                .with_threads(THREADS)
                .embedded()
                .expect("the embedded model");
            codec.encode(black_box(&photo), &options).expect("a file")
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = codec
}
criterion_main!(benches);
