//! The embedded model through the one door: budgets, cuts at any byte, options, limits, targets.
#![cfg(feature = "embedded-model")]

mod common;

use std::num::NonZeroU8;
use std::sync::Arc;

use common::{nano_path, picture};
use flextok::container::{CodedCanvas, KeepMetadata, TokenFile};
use flextok::{
    CanvasChoice, Codec, DecodeOptions, EncodeOptions, Error, LimitKind, Limits, Look, OptionName,
    Size,
};

fn codec() -> Codec {
    Codec::builder().with_threads(2).embedded().unwrap()
}

#[test]
fn files_have_at_most_the_bytes_requested_and_use_them() {
    let (codec, photo) = (codec(), picture(400, 300));
    for bytes in [32, 64, 100, 500, 1024, 5000] {
        let options = EncodeOptions::default().with_bytes(bytes);
        let file = codec.encode(&photo, &options).unwrap();
        assert!(
            (bytes - 1..=bytes).contains(&(file.len() as u64)),
            "{bytes}"
        );
        let overhead = bytes - TokenFile::parse(&file).unwrap().payload().len() as u64;
        let most = match bytes {
            0..=64 => 12,
            65..=1024 => 16,
            _ => 24.max(bytes / 100),
        };
        assert!(overhead <= most, "{bytes}: {overhead}");
    }
    let default = codec.encode(&photo, &EncodeOptions::default()).unwrap();
    assert!(default.len() <= 1024 && default.len() > 1000);
    let none = codec.encode(&photo, &EncodeOptions::default().with_bytes(11));
    assert!(matches!(none, Err(Error::Container(_))));
}

#[test]
fn every_prefix_decodes_as_the_file_cut_to_it() {
    let codec = codec();
    let options = EncodeOptions::default().with_bytes(150);
    let bytes = codec.encode(&picture(90, 70), &options).unwrap();
    let whole = TokenFile::parse(&bytes).unwrap();
    let keep = DecodeOptions::default().with_keep_canvas(true);
    for length in 0..=bytes.len() {
        let decoded = codec.decode(&bytes[..length], &keep);
        let Ok(prefix) = TokenFile::parse(&bytes[..length]) else {
            assert!(matches!(decoded, Err(Error::Container(_))), "{length}");
            continue;
        };
        let have = prefix.payload().len() as u64;
        if have == 0 {
            assert!(matches!(decoded, Err(Error::NoPayload { .. })), "{length}");
            continue;
        }
        let cut = whole.cut(have, KeepMetadata::Yes).unwrap();
        let of_cut = codec.decode_file(&cut, &keep).unwrap();
        assert!(decoded.unwrap() == of_cut, "{length}");
    }
}

#[test]
fn plain_pictures_need_no_codec() {
    use flextok::plain;

    let codec = codec();
    let tables = codec.tables().unwrap();
    for (width, height) in [(400, 300), (31, 700), (5, 3)] {
        let options = EncodeOptions::default().with_bytes(700);
        let file = codec.encode(&picture(width, height), &options).unwrap();
        let look = DecodeOptions::default().with_look(Look::Plain);
        for bytes in [14, 60, 333, file.len()] {
            let cut = &file[..bytes.min(file.len())];
            let decoded = plain::decode(tables, cut, &plain::Limits::default()).unwrap();
            let expected = codec.decode(cut, &look).unwrap();
            assert_eq!(expected.dimensions(), decoded.size.into());
            assert!(
                expected.into_raw() == decoded.rgb,
                "{width}x{height} {bytes}"
            );
        }
    }
    let refuse = |file: &[u8], limits| plain::decode(tables, file, &limits).unwrap_err();
    let file = codec
        .encode(&picture(400, 300), &EncodeOptions::default())
        .unwrap();
    let small = plain::Limits {
        pixels: 119_999,
        ..Default::default()
    };
    assert!(matches!(
        refuse(&file, small),
        plain::Error::Limit {
            actual: 120_000,
            ..
        }
    ));
    let small = plain::Limits {
        memory: 1 << 20,
        ..Default::default()
    };
    assert!(matches!(refuse(&file, small), plain::Error::Limit { .. }));
    let none = refuse(&file[..12], plain::Limits::default());
    assert!(
        matches!(
            none,
            plain::Error::NoPayload { .. } | plain::Error::Container(_)
        ),
        "{none}"
    );
    let nano = Codec::open(nano_path()).unwrap();
    let ids = nano
        .encode(&picture(64, 64), &EncodeOptions::default())
        .unwrap();
    assert_eq!(
        refuse(&ids, plain::Limits::default()),
        plain::Error::TokenIds
    );
}

#[test]
fn any_number_of_threads_gives_the_same() {
    let run = |threads| {
        let codec = Codec::builder().with_threads(threads).embedded().unwrap();
        let options = EncodeOptions::default().with_bytes(3000);
        let bytes = codec.encode(&picture(700, 500), &options).unwrap();
        let decoded = codec.decode(&bytes, &DecodeOptions::default()).unwrap();
        (bytes, decoded.into_raw())
    };
    let alone = run(1);
    assert!(run(2) == alone && run(5) == alone);
}

#[test]
fn canvases_can_be_chosen() {
    let (codec, photo) = (codec(), picture(400, 300));
    let canvas_of = |options: EncodeOptions| {
        let file = codec.encode_file(&photo, &options).unwrap();
        file.header().as_coded().unwrap().canvas
    };
    let bytes = EncodeOptions::default().with_bytes(2000);
    let long = |blocks| NonZeroU8::new(blocks).unwrap();
    let five = bytes.clone().with_canvas(CanvasChoice::Blocks(long(5)));
    assert_eq!(canvas_of(five), CodedCanvas::Long(long(5)));
    let own = EncodeOptions::default().with_bytes(60);
    let own = own.with_canvas(CanvasChoice::Own);
    assert_eq!(canvas_of(own), CodedCanvas::Own);
    assert_eq!(canvas_of(bytes.clone()), CodedCanvas::Own);
    // √(290 · 53 · 4/3) / 32 = 4.5 for a cut to 64 bytes.
    assert_eq!(canvas_of(bytes.with_cut_at(64)), CodedCanvas::Long(long(4)));
}

#[test]
fn options_of_networks_are_refused_by_name() {
    let (codec, photo) = (codec(), picture(40, 30));
    let mut posterior = EncodeOptions::default();
    posterior.posterior_seed = Some(1);
    for (options, name) in [
        (EncodeOptions::default().with_tokens(3), OptionName::Tokens),
        (EncodeOptions::default().with_crop(true), OptionName::Crop),
        (
            EncodeOptions::default().with_canvas(Size::new(64, 64).into()),
            OptionName::Canvas,
        ),
        (posterior, OptionName::Posterior),
    ] {
        let refused = codec.encode(&photo, &options).unwrap_err();
        assert!(matches!(
            refused,
            Error::Option { option, .. } | Error::OptionOfOthers { option, .. } if option == name
        ));
    }
    let file = codec.encode(&photo, &EncodeOptions::default()).unwrap();
    let mut noise = DecodeOptions::default();
    noise.noise = Some(vec![0.0]);
    for (options, name) in [
        (DecodeOptions::default().with_tokens(3), OptionName::Tokens),
        (DecodeOptions::default().with_steps(3), OptionName::Steps),
        (DecodeOptions::default().with_seed(3), OptionName::Seed),
        (
            DecodeOptions::default().with_guidance(2.0, true),
            OptionName::Guidance,
        ),
        (noise, OptionName::Noise),
    ] {
        let refused = codec.decode(&file, &options).unwrap_err();
        assert!(matches!(
            refused,
            Error::Option { option, .. } | Error::OptionOfOthers { option, .. } if option == name
        ));
    }
    assert!(matches!(
        codec.tokenize(&photo, &EncodeOptions::default()),
        Err(Error::NoTokenIds { .. })
    ));
}

#[test]
fn payloads_beyond_the_limit_of_readers_are_not_written() {
    let photo = picture(400, 300);
    let mut limits = flextok::Limits::default();
    limits.container.payload_bytes = 500;
    let strict = Codec::builder().with_limits(limits).embedded().unwrap();
    let bytes = |bytes| EncodeOptions::default().with_bytes(bytes);
    let error = strict.encode(&photo, &bytes(5000)).unwrap_err();
    let Error::Limit {
        limit,
        actual,
        allowed,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(
        (limit, actual, allowed),
        (LimitKind::PayloadBytes, 501, 500)
    );
    let file = strict.encode(&photo, &bytes(510)).unwrap();
    assert!(strict.decode(&file, &DecodeOptions::default()).is_ok());
    // What the picture does not fill is no reason to refuse a budget.
    assert!(strict.encode(&picture(1, 1), &bytes(1 << 40)).is_ok());
}

#[test]
fn a_cut_is_no_larger_than_the_file() {
    let options = EncodeOptions::default().with_bytes(128).with_cut_at(4096);
    let refused = codec().encode(&picture(40, 30), &options).unwrap_err();
    assert!(matches!(refused, Error::Option { option, .. } if option == OptionName::CutAt));
}

#[test]
fn networks_refuse_options_of_coded_payloads() {
    let network = Codec::builder().with_threads(2).open(nano_path()).unwrap();
    let photo = picture(40, 30);
    for (options, name) in [
        (
            EncodeOptions::default().with_canvas(CanvasChoice::Own),
            OptionName::Canvas,
        ),
        (
            EncodeOptions::default().with_canvas(CanvasChoice::Blocks(NonZeroU8::MIN)),
            OptionName::Canvas,
        ),
        (EncodeOptions::default().with_cut_at(64), OptionName::CutAt),
    ] {
        let refused = network.encode(&photo, &options).unwrap_err();
        assert!(matches!(refused, Error::Option { option, .. } if option == name));
    }
    let file = codec().encode(&photo, &EncodeOptions::default()).unwrap();
    let refused = network.decode(&file, &DecodeOptions::default());
    assert!(matches!(refused, Err(Error::WrongModel { .. })));
}

#[test]
fn a_canvas_beyond_the_memory_is_refused() {
    let mut limits = Limits::default();
    limits.image_memory = 24 * 96 * 64 - 1;
    let small = Codec::builder().with_limits(limits).embedded().unwrap();
    let photo = picture(96, 64);
    let options = EncodeOptions::default().with_canvas(CanvasChoice::Own);
    let is_memory = |error: &Error| error.limit() == Some(LimitKind::ImageMemory);
    assert!(is_memory(&small.encode(&photo, &options).unwrap_err()));
    let file = codec().encode(&photo, &options).unwrap();
    let refused = small.decode(&file, &DecodeOptions::default()).unwrap_err();
    assert!(is_memory(&refused));
}

#[test]
fn pictures_come_while_a_file_arrives() {
    use flextok::progressive::{ProgressiveOptions, ProgressiveReader, Refresh};
    let codec = Arc::new(codec());
    let options = EncodeOptions::default().with_bytes(90);
    let bytes = codec.encode(&picture(64, 48), &options).unwrap();
    let refresh = ProgressiveOptions::default().with_refresh(Refresh::Units(20));
    let mut reader = ProgressiveReader::new(Arc::clone(&codec), refresh).unwrap();
    let mut shown = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        reader.feed(&[*byte]).unwrap();
        while let Some(job) = reader.next_job(std::time::Duration::ZERO) {
            let found = job.run(None).unwrap();
            let whole = codec.decode(&bytes[..=at], &DecodeOptions::default());
            assert!(found.image == whole.unwrap());
            shown.push(found.units);
        }
    }
    let payload = TokenFile::parse(&bytes).unwrap().payload().len() as u64;
    assert_eq!(shown, [20, 40, 60, payload]);
}

#[cfg(feature = "metrics")]
#[test]
fn targets_are_reached_with_few_bytes() {
    use flextok::metrics::Metric;
    use flextok::rate::{Search, Target};
    let (codec, photo) = (codec(), picture(320, 200));
    let original = photo.to_rgb8();
    let (encode, decode) = (EncodeOptions::default(), DecodeOptions::default());
    for (metric, value) in [
        (Metric::Psnr, 26.0),
        (Metric::Psnr, 38.0),
        (Metric::Ssim, 0.6),
    ] {
        let target = Target { metric, value };
        let (file, reached) = codec
            .encode_to(&photo, target, Search::Ladder, &encode, &decode)
            .unwrap();
        // PSNR is that of plain decodes, the others that of the look.
        let mut decode = decode.clone();
        decode.look = (metric == Metric::Psnr).then_some(flextok::Look::Plain);
        let decoded = codec.decode_file(&file, &decode).unwrap();
        let found = metric
            .measure(&original, &decoded, codec.threads())
            .unwrap();
        assert_eq!(found, reached.quality);
        assert!(found >= value, "{metric}: {found}");
        assert_eq!(reached.units, file.payload().len() as u64);
        // Fewer bytes do not do.
        let fewer = file.cut(reached.units * 9 / 10, KeepMetadata::No).unwrap();
        let decoded = codec.decode_file(&fewer, &decode).unwrap();
        let found = metric
            .measure(&original, &decoded, codec.threads())
            .unwrap();
        assert!(found < value, "{metric}: {found}");
    }
    let target = Target {
        metric: Metric::Psnr,
        value: 40.0,
    };
    let options = EncodeOptions::default().with_bytes(100);
    let missed = codec.encode_to(&photo, target, Search::Ladder, &options, &decode);
    assert!(matches!(
        missed,
        Err(Error::TargetNotReached { bytes: 70..=90, .. })
    ));
}
