//! The same inputs give the same bytes: for any number of threads, for a file and its prefixes, and again.

mod common;

use common::{MODELS, nano_path, picture, tiny_path};
use flextok::container::{CanvasGrid, KeepMetadata, TokenFile};
use flextok::{Codec, DecodeOptions, EncodeOptions, Size};

/// Few guided steps, so that both passes run.
fn guided() -> DecodeOptions {
    DecodeOptions::default()
        .with_steps(2)
        .with_guidance(2.0, true)
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    for (name, open) in MODELS {
        let picture = picture(301, 199);
        let run = |threads: usize| {
            let codec = open(Codec::builder().with_threads(threads));
            let file = codec.encode(&picture, &EncodeOptions::default()).unwrap();
            let decoded = codec.decode(&file[..60], &guided()).unwrap();
            assert_eq!(decoded.dimensions(), (301, 199));
            (file, decoded.into_raw())
        };
        let alone = run(1);
        for threads in [2, 3] {
            let (file, decoded) = run(threads);
            assert_eq!(file, alone.0, "{name}: files of {threads} threads");
            assert!(decoded == alone.1, "{name}: pictures of {threads} threads");
        }
    }
}

#[test]
fn a_prefix_decodes_like_the_whole_file_cut_to_it() {
    for (name, open) in MODELS {
        let codec = open(Codec::builder().with_threads(2));
        let file = codec
            .encode(&picture(90, 120), &EncodeOptions::default())
            .unwrap();
        let whole = TokenFile::parse(&file).unwrap();
        let first = whole.header().layout().payload_end(2).unwrap() as usize;
        for bytes in [
            first,
            first + 1,
            40,
            41,
            60,
            163,
            file.len() - 1,
            file.len(),
        ] {
            let prefix = TokenFile::parse(&file[..bytes]).unwrap();
            let cut = whole
                .cut_layers(prefix.layers(), KeepMetadata::Yes)
                .unwrap();
            let cut = cut.to_bytes().unwrap();
            let options = guided().with_keep_canvas(true);
            let from_prefix = codec.decode(&file[..bytes], &options).unwrap();
            let from_cut = codec.decode(&cut, &options).unwrap();
            assert!(from_prefix == from_cut, "{name}: {bytes} bytes");
            let fewer = options.with_tokens(prefix.layers());
            let from_whole = codec.decode(&file, &fewer).unwrap();
            assert!(
                from_prefix == from_whole,
                "{name}: {} tokens",
                prefix.layers()
            );
        }
    }
}

#[test]
fn fewer_tokens_are_the_beginning_of_more() {
    for (name, open) in MODELS {
        let codec = open(Codec::builder().with_threads(2));
        let picture = picture(256, 256);
        let all = codec.tokenize(&picture, &EncodeOptions::default()).unwrap();
        assert_eq!(all.len(), codec.max_tokens().unwrap() as usize);
        for tokens in [1, 2, 17, 255] {
            let options = EncodeOptions::default().with_tokens(tokens);
            let some = codec.tokenize(&picture, &options).unwrap();
            assert_eq!(some, all[..tokens as usize], "{name}: {tokens} tokens");
        }
    }
}

#[test]
fn tokens_of_a_file_are_those_that_tokenize_gives() {
    for (name, open) in MODELS {
        let codec = open(Codec::builder().with_threads(2));
        let picture = picture(256, 256);
        let options = EncodeOptions::default().with_tokens(20);
        let ids = codec.tokenize(&picture, &options).unwrap();
        let bytes = codec.encode(&picture, &options).unwrap();
        let file = codec.encode_file(&picture, &options).unwrap();
        assert_eq!(TokenFile::parse(&bytes).unwrap(), file, "{name}");
        assert_eq!(file.ids(), ids, "{name}");
        let packed = codec
            .pack(
                &[&ids],
                Size::new(256, 256),
                None,
                CanvasGrid::SINGLE,
                Default::default(),
            )
            .unwrap();
        assert_eq!(packed, file, "{name}: packed");
        let from_ids = codec.detokenize(&ids, &guided()).unwrap();
        let from_file = codec.decode_file(&file, &guided()).unwrap();
        assert!(from_ids == from_file, "{name}: pictures");
        assert_eq!(
            Size::from(from_ids.dimensions()),
            codec.config().unwrap().canvas
        );
    }
}

#[test]
fn a_codec_can_be_used_again_and_by_several_threads() {
    let codec = Codec::builder().with_threads(2).open(nano_path()).unwrap();
    let ids = [9, 8, 7, 6];
    let first = codec.detokenize(&ids, &guided()).unwrap();
    // Other sizes in between leave other contents in the memory that is used again.
    codec.detokenize(&[1; 200], &guided()).unwrap();
    let canvas = codec.detokenize_canvas(&ids, None, &guided()).unwrap();
    assert!(canvas.to_rgb().unwrap() == first);
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| codec.detokenize(&ids, &guided()).unwrap()))
            .collect();
        for run in runs {
            assert!(run.join().unwrap() == first);
        }
    });
}

#[test]
fn seeds_and_noise_choose_the_picture() {
    let codec = Codec::builder().with_threads(2).open(tiny_path()).unwrap();
    let ids = [9, 8, 7, 6];
    let zero = codec.detokenize(&ids, &guided()).unwrap();
    assert!(codec.detokenize(&ids, &guided().with_seed(0)).unwrap() == zero);
    let other = codec.detokenize(&ids, &guided().with_seed(1)).unwrap();
    assert!(other != zero);
    let mut given = guided();
    given.noise = Some(flextok::standard_normal(1, 0, 16 * 32 * 32));
    assert!(codec.detokenize(&ids, &given).unwrap() == other);
}

#[test]
fn mapped_and_read_weights_are_the_same() {
    let run = |mmap: bool| {
        let builder = Codec::builder().with_threads(2).with_mmap(mmap);
        let codec = builder.open(tiny_path()).unwrap();
        assert_eq!(codec.weights().is_mapped(), mmap);
        codec
            .encode(&picture(64, 64), &EncodeOptions::default())
            .unwrap()
    };
    assert_eq!(run(true), run(false));
}
