//! Looks of a coded payload: the reference's pictures, tiles, drafts, weights in a file of their own, refusals.
#![cfg(feature = "embedded-model")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::{nano_path, picture};
use flextok::container::{Coded, CodedCanvas, Header, TablesName, TokenFile};
use flextok::progressive::{ProgressiveOptions, ProgressiveReader};
use flextok::{
    CancelToken, CanvasChoice, Codec, DecodeOptions, EncodeOptions, Error, ErrorKind, LimitKind,
    Limits, Look, OptionName, ProgressiveDecoder, Size,
};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

fn codec() -> Codec {
    Codec::builder().with_threads(2).embedded().unwrap()
}

fn look(look: Look) -> DecodeOptions {
    DecodeOptions::default().with_look(look)
}

fn data(name: &str) -> Vec<u8> {
    std::fs::read(format!(
        "{}/../tests/data/{name}",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap()
}

#[test]
fn pictures_of_a_file_are_those_of_the_reference() {
    let (streams, pictures) = (
        data("builtin.golden.safetensors"),
        data("learned.golden.safetensors"),
    );
    let streams = SafeTensors::deserialize(&streams).unwrap();
    let pictures = SafeTensors::deserialize(&pictures).unwrap();
    let stream = streams.tensor("1.stream").unwrap().data()[..200].to_vec();
    let coded = Coded {
        tables: TablesName::BUILTIN,
        canvas: CodedCanvas::Own,
        bytes: 200,
    };
    let header = Header::coded(Size::new(224, 160), coded).unwrap();
    let file = TokenFile::new(header, stream, Default::default()).unwrap();
    for (name, look_of) in [
        ("plain", Look::Plain),
        ("faithful", Look::FAITHFUL),
        ("sharp", Look::SHARP),
    ] {
        let expected = pictures.tensor(name).unwrap();
        let expected = expected.data().as_chunks::<4>().0;
        let canvas = codec().decode_canvas(&file, &look(look_of)).unwrap();
        assert_eq!(canvas.size, Size::new(224, 160));
        let worst = canvas
            .planes()
            .unwrap()
            .iter()
            .zip(expected)
            .fold(0.0_f32, |worst, (found, expected)| {
                worst.max((found - f32::from_le_bytes(*expected)).abs())
            });
        assert!(worst < 1e-3, "{name}: {worst}");
    }
}

#[test]
fn tiles_and_threads_do_not_show() {
    let encode = EncodeOptions::default()
        .with_bytes(700)
        .with_canvas(CanvasChoice::Own);
    let file = codec().encode(&picture(1700, 70), &encode).unwrap();
    let tall = codec().encode(&picture(50, 1500), &encode).unwrap();
    let run = |threads, memory: u64| {
        let mut limits = Limits::default();
        limits.tile_memory = memory;
        let builder = Codec::builder().with_threads(threads).with_limits(limits);
        let codec = builder.embedded().unwrap();
        let tiles = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&tiles);
        let options = look(Look::SHARP)
            .with_progress(move |progress| seen.store(progress.total, Ordering::Relaxed));
        let wide = codec.decode(&file, &options).unwrap();
        let count = tiles.load(Ordering::Relaxed);
        let tall = codec.decode(&tall, &look(Look::FAITHFUL)).unwrap();
        (count, wide.into_raw(), tall.into_raw())
    };
    let (one, wide, tall) = run(2, 256 << 20);
    assert_eq!(one, 1);
    for (threads, memory) in [(1, 256 << 20), (2, 9_000_000), (3, 6_000_000)] {
        let (tiles, wide_again, tall_again) = run(threads, memory);
        assert!(memory == 256 << 20 || tiles > 1, "{tiles} tiles");
        assert!(
            wide_again == wide && tall_again == tall,
            "{threads} threads, {tiles} tiles"
        );
    }
}

#[test]
fn memory_for_no_tile_is_refused() {
    let mut limits = Limits::default();
    limits.tile_memory = 1000;
    let small = Codec::builder().with_limits(limits).embedded().unwrap();
    let file = small.encode(&picture(60, 40), &EncodeOptions::default());
    let file = file.unwrap();
    let refused = small.decode(&file, &look(Look::FAITHFUL)).unwrap_err();
    assert_eq!(refused.limit(), Some(LimitKind::TileMemory));
    assert!(small.decode(&file, &look(Look::Plain)).is_ok());
}

#[test]
fn looks_differ_and_the_default_is_between() {
    let codec = codec();
    let file = codec.encode(&picture(200, 150), &EncodeOptions::default());
    let file = file.unwrap();
    let decode = |options: &DecodeOptions| codec.decode(&file, options).unwrap().into_raw();
    let looks = [Look::Plain, Look::FAITHFUL, Look::default(), Look::SHARP];
    let pictures = looks.map(|of| decode(&look(of)));
    for (index, one) in pictures.iter().enumerate() {
        assert!(pictures[..index].iter().all(|other| other != one));
    }
    assert_eq!(decode(&DecodeOptions::default()), pictures[2]);
    assert_eq!(codec.look(&DecodeOptions::default()), Look::default());
}

#[test]
fn looks_are_refused_where_there_are_none() {
    let network = Codec::builder().with_threads(2).open(nano_path()).unwrap();
    let photo = picture(40, 30);
    let options = EncodeOptions::default().with_tokens(1);
    let file = network.encode(&photo, &options).unwrap();
    for refused in [Look::Plain, Look::SHARP] {
        let refused = network.decode(&file, &look(refused)).unwrap_err();
        assert!(
            matches!(refused, Error::OptionOfOthers { option, .. } if option == OptionName::Look)
        );
    }
    let file = codec().encode(&photo, &EncodeOptions::default()).unwrap();
    for impossible in [-0.1, 1.1, f32::NAN] {
        let refused = codec().decode(&file, &look(Look::Learned(impossible)));
        let refused = refused.unwrap_err();
        assert!(matches!(refused, Error::Option { option, .. } if option == OptionName::Look));
    }
}

#[test]
fn a_decode_can_be_cancelled_between_tiles() {
    let encode = EncodeOptions::default()
        .with_bytes(300)
        .with_canvas(CanvasChoice::Own);
    let mut limits = Limits::default();
    limits.tile_memory = 9_000_000;
    let codec = Codec::builder().with_limits(limits).embedded().unwrap();
    let file = codec.encode(&picture(1700, 70), &encode).unwrap();
    let cancel = CancelToken::new();
    let switch = cancel.clone();
    let options = look(Look::SHARP)
        .with_cancel(cancel)
        .with_progress(move |_| switch.cancel());
    let cancelled = codec.decode(&file, &options).err();
    assert!(
        matches!(cancelled, Some(Error::Cancelled { done: 1, total }) if total > 1),
        "{cancelled:?}"
    );
}

/// A part of the embedded model as a file of its own.
fn part(prefix: &str, config: impl Fn(&str) -> String) -> Vec<u8> {
    let bytes = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../models/builtin.safetensors"
    ));
    let bytes = bytes.unwrap();
    let whole = SafeTensors::deserialize(&bytes).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let text = &metadata.metadata().as_ref().unwrap()["config"];
    let tensors: Vec<(String, TensorView<'_>)> = whole
        .tensors()
        .into_iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .collect();
    let metadata = [("config".to_owned(), config(text))].into_iter().collect();
    safetensors::serialize(tensors, Some(metadata)).unwrap()
}

/// A config without its learned decoder.
fn without_decoder(text: &str) -> String {
    let mut config: serde_json::Value = serde_json::from_str(text).unwrap();
    config.as_object_mut().unwrap().remove("decoder");
    config.to_string()
}

#[test]
fn tables_and_learned_decoder_may_come_apart() {
    let tables = part("tables.", without_decoder);
    assert!(tables.len() < 100_000, "{} bytes", tables.len());
    let learned = part("decoder.", str::to_owned);
    let alone = Codec::from_bytes(tables.clone()).unwrap();
    assert!(!alone.has_learned_decoder());
    let both = Codec::builder().with_learned_decoder(learned);
    let both = both.from_bytes(tables.clone()).unwrap();
    assert!(both.has_learned_decoder());

    let options = EncodeOptions::default().with_bytes(300);
    let file = alone.encode(&picture(90, 60), &options).unwrap();
    assert_eq!(file, codec().encode(&picture(90, 60), &options).unwrap());
    let plain = alone.decode(&file, &DecodeOptions::default()).unwrap();
    assert_eq!(plain, codec().decode(&file, &look(Look::Plain)).unwrap());
    let refused = alone.decode(&file, &look(Look::SHARP)).unwrap_err();
    assert!(matches!(refused, Error::Option { option, .. } if option == OptionName::Look));
    let sharp = both.decode(&file, &look(Look::SHARP)).unwrap();
    assert_eq!(sharp, codec().decode(&file, &look(Look::SHARP)).unwrap());

    let other = part("decoder.", |text| {
        let mut config: serde_json::Value = serde_json::from_str(text).unwrap();
        config["name"] = "other".into();
        config.to_string()
    });
    for wrong in [other, tables.clone(), b"nothing".to_vec()] {
        let refused = Codec::builder().with_learned_decoder(wrong);
        let refused = refused.from_bytes(tables.clone()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Model, "{refused}");
    }
}

#[test]
fn drafts_come_before_pictures_with_a_look() {
    let codec = Arc::new(codec());
    let options = EncodeOptions::default().with_bytes(200);
    let bytes = codec.encode(&picture(96, 64), &options).unwrap();
    let last = codec.decode(&bytes, &DecodeOptions::default()).unwrap();

    let mut reader = ProgressiveReader::new(Arc::clone(&codec), Default::default()).unwrap();
    reader.feed(&bytes).unwrap();
    let job = reader.next_job(Duration::ZERO).unwrap();
    let draft = job.draft().unwrap().run(None).unwrap();
    assert_eq!(draft.look, Some(Look::Plain));
    assert_eq!(
        draft.image,
        codec.decode(&bytes, &look(Look::Plain)).unwrap()
    );
    let found = job.run(None).unwrap();
    assert_eq!((found.look, &found.image), (Some(Look::default()), &last));

    let plain = ProgressiveOptions::default().with_decode(look(Look::Plain));
    let mut reader = ProgressiveReader::new(Arc::clone(&codec), plain).unwrap();
    reader.feed(&bytes).unwrap();
    assert!(reader.next_job(Duration::ZERO).unwrap().draft().is_none());

    let mut decoder = ProgressiveDecoder::new(codec, Default::default()).unwrap();
    let mut pictures = decoder.pictures();
    decoder.feed(&bytes).unwrap();
    let first = pictures.wait().unwrap().unwrap();
    let (_, whole) = decoder.finish().unwrap();
    assert_eq!((whole.look, &whole.image), (Some(Look::default()), &last));
    // The draft may have been replaced before anyone looked.
    assert!(first.units == whole.units && (first.image == draft.image || first == whole));
}
