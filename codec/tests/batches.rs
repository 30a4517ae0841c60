//! A batch gives the bytes that its items give alone, in their order, whatever stands beside them.

mod common;

use std::sync::{Arc, Mutex};

use common::{MODELS, picture, tiny_path};
use flextok::image::DynamicImage;
use flextok::{CancelToken, Codec, DecodeOptions, EncodeOptions, Error, ErrorKind, Size};

/// Few guided steps, so that both passes run.
fn guided(apg: bool) -> DecodeOptions {
    DecodeOptions::default()
        .with_steps(2)
        .with_guidance(2.0, apg)
}

/// Pictures of several sizes, more than go through the network together.
fn pictures() -> Vec<DynamicImage> {
    let sizes = [(301, 199), (64, 64), (70_000, 1), (90, 120), (1, 1)];
    let count = Codec::IMAGES_PER_PASS + 2;
    let sizes = sizes.into_iter().cycle().take(count).enumerate();
    sizes
        .map(|(index, (width, height))| picture(width + index as u32, height))
        .collect()
}

#[test]
fn files_and_tokens_of_a_batch_are_those_of_each_picture() {
    for (name, open) in MODELS {
        let codec = open(Codec::builder().with_threads(2));
        let pictures = pictures();
        let mut sampled = EncodeOptions::default().with_tokens(9).with_crop(true);
        sampled.posterior_seed = Some(5);
        let bytes = EncodeOptions::default().with_bytes(61);
        let counts = codec.tokenize_batch(&pictures, &bytes).unwrap();
        // A side beyond 2¹⁶ takes a longer header, which leaves room for fewer tokens.
        assert!(counts[2].len() < counts[1].len());
        for options in [bytes, sampled] {
            let files = codec.encode_batch(&pictures, &options).unwrap();
            let ids = codec.tokenize_batch(&pictures, &options).unwrap();
            assert_eq!((files.len(), ids.len()), (pictures.len(), pictures.len()));
            for (index, picture) in pictures.iter().enumerate() {
                let file = codec.encode(picture, &options).unwrap();
                assert!(files[index] == file, "{name}: file {index}");
                let tokens = codec.tokenize(picture, &options).unwrap();
                assert_eq!(ids[index], tokens, "{name}: tokens {index}");
            }
        }
        let none: [DynamicImage; 0] = [];
        let files = codec.encode_batch(&none, &EncodeOptions::default());
        assert!(files.unwrap().is_empty());
    }
}

#[test]
fn tokens_of_prepared_pictures_are_those_of_the_pictures() {
    for (name, open) in MODELS {
        let codec = open(Codec::builder().with_threads(2));
        let multiple = codec.config().unwrap().canvas_multiple();
        let Size { width, height } = codec.config().unwrap().canvas;
        let small = Size::new(width - multiple, height);
        let mut sampled = EncodeOptions::default().with_tokens(9).with_crop(true);
        sampled.posterior_seed = Some(5);
        for options in [
            sampled,
            EncodeOptions::default().with_bytes(61),
            EncodeOptions::default().with_canvas(small.into()),
        ] {
            let pictures = pictures();
            let prepared = pictures.iter().map(|one| codec.prepare(one, &options));
            let prepared: Vec<_> = prepared.collect::<Result<_, _>>().unwrap();
            let ids = codec.tokenize_prepared(&prepared, options.posterior_seed);
            for ((picture, prepared), ids) in pictures.iter().zip(&prepared).zip(ids.unwrap()) {
                assert_eq!(ids, codec.tokenize(picture, &options).unwrap(), "{name}");
                assert_eq!(ids.len(), prepared.tokens() as usize);
                let file = codec.encode_file(picture, &options).unwrap();
                assert_eq!(prepared.size(), file.header().size(), "{name}");
            }
        }
        // Of several canvases at once, in any order.
        let both = [None, Some(small), None].map(|canvas| {
            let mut options = EncodeOptions::default();
            options.canvas = canvas.map_or(options.canvas, Into::into);
            codec.prepare(&picture(50, 40), &options).unwrap()
        });
        assert_eq!(both[1].canvas(), small);
        let ids = codec.tokenize_prepared(&both, None).unwrap();
        assert!(ids[0] == ids[2] && ids[0] != ids[1]);
        let options = EncodeOptions::default().with_tokens(100_000);
        let refused = codec.prepare(&picture(5, 4), &options).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Usage);
    }
}

#[test]
fn pictures_of_a_batch_are_those_of_each_file() {
    for (name, open) in MODELS {
        let codec = open(Codec::builder().with_threads(2));
        let multiple = codec.config().unwrap().canvas_multiple();
        let Size { width, height } = codec.config().unwrap().canvas;
        // Whole and cut files of the model's own and of another canvas, in turns.
        let own = codec.encode_batch(&pictures(), &EncodeOptions::default());
        let small =
            EncodeOptions::default().with_canvas(Size::new(width - multiple, height).into());
        let small = codec.encode_batch(&pictures()[..3], &small).unwrap();
        let mut files = own.unwrap();
        for (index, file) in small.into_iter().enumerate() {
            files.insert(2 * index + 1, file);
        }
        for (index, file) in files.iter_mut().enumerate() {
            file.truncate(40 + 53 * index);
        }
        for options in [guided(false), guided(true).with_keep_canvas(true)] {
            let batch = codec.decode_batch(&files, &options).unwrap();
            assert_eq!(batch.len(), files.len());
            for (index, (file, found)) in files.iter().zip(&batch).enumerate() {
                let alone = codec.decode(file, &options).unwrap();
                assert!(*found == alone, "{name}: picture {index}");
            }
        }
        let none: [&[u8]; 0] = [];
        assert!(codec.decode_batch(&none, &guided(true)).unwrap().is_empty());
    }
}

#[test]
fn any_number_of_threads_gives_the_same_batch() {
    for (name, open) in MODELS {
        let run = |threads: usize| {
            let codec = open(Codec::builder().with_threads(threads));
            let ids = codec
                .tokenize_batch(&pictures()[..3], &EncodeOptions::default())
                .unwrap();
            let cut: Vec<&[u16]> = ids
                .iter()
                .zip([3, 100, 256])
                .map(|(i, k)| &i[..k])
                .collect();
            let pictures = codec.detokenize_batch(&cut, &guided(true)).unwrap();
            let single = codec.detokenize(cut[1], &guided(true)).unwrap();
            assert!(pictures[1] == single, "{name}: {threads} threads");
            (ids, pictures)
        };
        let alone = run(1);
        assert!(run(3) == alone, "{name}");
    }
}

#[test]
fn errors_name_what_they_are_about() {
    let codec = Codec::builder().with_threads(2).open(tiny_path()).unwrap();
    let options = guided(false);
    let file = codec
        .encode(&picture(64, 64), &EncodeOptions::default())
        .unwrap();
    let of = |result: Result<_, Error>| match result {
        Err(Error::InBatch { index, error }) => (index, error.kind()),
        Err(other) => panic!("{other}"),
        Ok(()) => panic!("accepted"),
    };
    let decode = |files: &[&[u8]]| codec.decode_batch(files, &options).map(drop);
    assert_eq!(of(decode(&[&file, &file[..9]])), (1, ErrorKind::Corrupt));
    assert_eq!(of(decode(&[b"no", &file])).0, 0);
    let ids: [&[u16]; 3] = [&[1], &[2, 3], &[]];
    let detokenize = |ids: &[&[u16]]| codec.detokenize_batch(ids, &options).map(drop);
    assert_eq!(of(detokenize(&ids)), (2, ErrorKind::Usage));
    let empty = DynamicImage::new_rgb8(0, 3);
    let pictures = [picture(3, 3), empty];
    let encoded = codec.encode_batch(&pictures, &EncodeOptions::default());
    assert_eq!(of(encoded.map(drop)), (1, ErrorKind::Usage));

    // What is wrong for all is not about one.
    let far = DecodeOptions::default().with_steps(0);
    let error = codec.decode_batch(&[&file], &far).unwrap_err();
    assert!(matches!(error, Error::Option { .. }), "{error}");
    let odd = EncodeOptions::default().with_canvas(Size::new(13, 13).into());
    let error = codec.encode_batch(&[picture(3, 3)], &odd).unwrap_err();
    assert!(matches!(error, Error::Option { .. }), "{error}");
}

#[test]
fn progress_counts_the_steps_of_all_passes() {
    let codec = Codec::builder().with_threads(2).open(tiny_path()).unwrap();
    let ids = vec![vec![1u16, 2]; Codec::IMAGES_PER_PASS + 1];
    let seen: Arc<Mutex<Vec<(u32, u32)>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let cancel = CancelToken::new();
    let options = guided(true).with_cancel(cancel.clone());
    let options = options.with_progress(move |progress| {
        let mut seen = sink.lock().unwrap();
        seen.push((progress.step, progress.total));
        // In the first step of the second pass of the second run.
        if seen.len() == 7 {
            cancel.cancel();
        }
    });
    codec.detokenize_batch(&ids, &options).unwrap();
    assert_eq!(*seen.lock().unwrap(), [(1, 4), (2, 4), (3, 4), (4, 4)]);
    let error = codec.detokenize_batch(&ids, &options).unwrap_err();
    assert!(matches!(error, Error::Cancelled { done: 3, total: 4 }));
    let error = codec.detokenize_batch(&ids, &options).unwrap_err();
    assert!(matches!(error, Error::Cancelled { done: 0, total: 4 }));
    assert_eq!(seen.lock().unwrap().len(), 7);
}
