//! Decoding while a file arrives: the same events and the same last picture whatever the pieces, at every cut and fault.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common::{picture, tiny_path};
use flextok::container::{Event, State, TokenFile};
use flextok::progressive::{ProgressiveOptions, ProgressiveReader, Refresh};
use flextok::{
    CancelToken, Codec, DecodeOptions, EncodeOptions, Error, ErrorKind, OptionName,
    ProgressiveDecoder, Size,
};
use proptest::prelude::*;

/// The small model on a small canvas, which decodes in milliseconds, and a file of 40 tokens with metadata: it has a check
/// after 32 tokens and one at the end, and two chunks.
fn tiny() -> (&'static Arc<Codec>, &'static [u8]) {
    static TINY: OnceLock<(Arc<Codec>, Vec<u8>)> = OnceLock::new();
    let (codec, bytes) = TINY.get_or_init(|| {
        let codec = Codec::builder().with_threads(1).open(tiny_path()).unwrap();
        let mut options = EncodeOptions::default()
            .with_tokens(40)
            .with_canvas(Size::new(32, 32).into());
        options.metadata.title = Some("while it arrives".to_owned());
        options.metadata.encoder = Some("a test".to_owned());
        let bytes = codec.encode(&picture(45, 32), &options).unwrap();
        (Arc::new(codec), bytes)
    });
    (codec, bytes)
}

fn cheap() -> DecodeOptions {
    DecodeOptions::default()
        .with_steps(1)
        .with_guidance(1.0, false)
}

fn options(refresh: Refresh) -> ProgressiveOptions {
    ProgressiveOptions::default()
        .with_refresh(refresh)
        .with_decode(cheap())
}

/// The result of feeding pieces: the events, the message of an error, the units and pixels of the last picture.
#[derive(Debug, PartialEq)]
struct Outcome {
    events: Vec<Event>,
    result: Result<State, String>,
    picture: Option<(u64, Vec<u8>)>,
}

fn in_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>, refresh: Refresh) -> Outcome {
    let (codec, _) = tiny();
    let mut decoder = ProgressiveDecoder::new(Arc::clone(codec), options(refresh)).unwrap();
    let mut events = Vec::new();
    for piece in pieces {
        let fed = decoder.feed(piece);
        events.extend(std::iter::from_fn(|| decoder.next_event()));
        if fed.is_err() {
            break;
        }
    }
    let result = decoder.finish();
    let picture = decoder.picture();
    if let Ok((_, last)) = &result {
        assert_eq!(Some(last), picture.as_ref());
    }
    Outcome {
        events,
        result: result.map(|(state, _)| state).map_err(|e| e.to_string()),
        picture: picture.map(|picture| (picture.units, picture.image.to_vec())),
    }
}

/// The picture that the codec decodes from all bytes at once.
fn at_once(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let decoded = tiny().0.decode(bytes, &cheap());
    decoded
        .map(|image| image.to_vec())
        .map_err(|e| e.to_string())
}

#[test]
fn single_bytes_123_bytes_and_all_at_once_give_the_same() {
    let (_, bytes) = tiny();
    let whole = in_pieces(std::iter::once(bytes), Refresh::PowersOfTwo);
    assert_eq!(whole.result, Ok(State::Complete));
    let file = TokenFile::parse(bytes).unwrap();
    let tokens = file.header().as_ids().unwrap().tokens;
    assert_eq!(
        whole.picture,
        at_once(bytes).ok().map(|image| (tokens.into(), image))
    );
    let count = |wanted: fn(&Event) -> bool| whole.events.iter().filter(|e| wanted(e)).count();
    assert_eq!(
        count(|e| matches!(e, Event::Payload { .. })),
        tokens as usize
    );
    assert_eq!(count(|e| matches!(e, Event::Metadata { .. })), 2);
    assert_eq!(whole.events.last(), Some(&Event::Complete));
    for refresh in [
        Refresh::PowersOfTwo,
        Refresh::Units(1),
        Refresh::Manual,
        Refresh::Interval(Duration::from_millis(1)),
    ] {
        for size in [1, 123, bytes.len()] {
            let found = in_pieces(bytes.chunks(size), refresh);
            assert_eq!(found, whole, "{refresh:?}, pieces of {size}");
        }
    }
}

#[test]
fn a_connection_that_fails_at_any_byte_leaves_what_a_decode_of_the_bytes_gives() {
    let (_, bytes) = tiny();
    for len in 0..=bytes.len() {
        let cut = &bytes[..len];
        let found = in_pieces(cut.chunks(50), Refresh::Units(32));
        match TokenFile::parse(cut) {
            Ok(file) if file.layers() > 0 => {
                assert_eq!(found.result, Ok(file.state()), "{len}");
                let expected = (file.layers().into(), at_once(cut).unwrap());
                assert_eq!(found.picture, Some(expected), "{len}");
            }
            _ => {
                assert_eq!(
                    found.result.unwrap_err(),
                    at_once(cut).unwrap_err(),
                    "{len}"
                );
                assert_eq!(found.picture, None, "{len}");
            }
        }
    }
}

#[test]
fn after_a_fault_what_came_before_it_is_shown() {
    let (_, bytes) = tiny();
    let layout = TokenFile::parse(bytes).unwrap().header().layout();
    let layers = layout.payload_bytes() / 2;
    for at in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 0x41;
        let found = in_pieces(damaged.chunks(7), Refresh::Units(4));
        assert_eq!(found.result, Err(at_once(&damaged).unwrap_err()), "{at}");
        // The tokens that a check before the damage covers.
        let mut reader = flextok::container::Reader::new();
        let error = reader.feed(&damaged).unwrap_err();
        let sound = reader.proven_bytes() / 2;
        assert_eq!(
            found.picture.as_ref().map_or(0, |&(units, _)| units),
            sound,
            "{at}: {error}"
        );
        if sound > 0 {
            let cut = &bytes[..layout.payload_end(2 * sound).unwrap() as usize];
            assert_eq!(found.picture.unwrap().1, at_once(cut).unwrap(), "{at}");
        }
        let end = layout.payload_section_end();
        assert!(sound < layers || at as u64 >= end, "{at}");
    }
}

#[test]
fn a_picture_of_tokens_that_turn_out_damaged_is_withdrawn() {
    let (codec, bytes) = tiny();
    let layout = TokenFile::parse(bytes).unwrap().header().layout();
    let end = |token: u64| layout.payload_end(2 * token).unwrap() as usize;
    let mut damaged = bytes.to_vec();
    // An id behind the check after 32 tokens; the next check is behind token 40.
    damaged[end(33) - 2] ^= 1;
    for (first, sound) in [(end(34), 32), (end(39), 32)] {
        let options = options(Refresh::Units(1));
        let mut decoder = ProgressiveDecoder::new(Arc::clone(codec), options).unwrap();
        let mut pictures = decoder.pictures();
        decoder.feed(&damaged[..first]).unwrap();
        assert!(pictures.wait().unwrap().unwrap().units > sound);
        decoder.feed(&damaged[first..]).unwrap_err();
        assert_eq!(pictures.wait().unwrap().unwrap().units, sound);
        decoder.finish().unwrap_err();
        assert_eq!(decoder.picture().unwrap().units, sound);
    }
    // The same before the first checkpoint, and while the decode is under way: nothing is left to show.
    damaged[end(1) - 2] ^= 1;
    let (go, steps) = (Arc::default(), Arc::default());
    let options = options(Refresh::PowersOfTwo).with_decode(slow(&go, &steps));
    let mut decoder = ProgressiveDecoder::new(Arc::clone(codec), options).unwrap();
    decoder.feed(&damaged[..end(1)]).unwrap();
    while steps.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    decoder.feed(&damaged[end(1)..]).unwrap_err();
    go.store(true, Ordering::SeqCst);
    decoder.finish().unwrap_err();
    assert_eq!(steps.load(Ordering::SeqCst), 1, "it stops there");
    assert!(decoder.picture().is_none());
    assert!(decoder.pictures().wait().unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any pieces, any prefix, any damage: the outcome is that of single bytes.
    #[test]
    fn pieces_do_not_matter(
        cuts in prop::collection::vec(0_usize..160, 0..12),
        len in 0_usize..170,
        damage in prop::option::of((0_usize..160, 1_u8..=255)),
    ) {
        let mut bytes = tiny().1.to_vec();
        if let Some((at, flip)) = damage
            && let Some(byte) = bytes.get_mut(at)
        {
            *byte ^= flip;
        }
        bytes.truncate(len);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        let found = in_pieces(pieces, Refresh::PowersOfTwo);
        prop_assert_eq!(found, in_pieces(bytes.chunks(1), Refresh::Manual));
    }
}

#[test]
fn a_file_of_another_model_is_refused_as_soon_as_its_header_is_there() {
    let codec = Arc::new(Codec::builder().with_threads(1).embedded().unwrap());
    let (tiny, bytes) = tiny();
    let mut decoder = ProgressiveDecoder::new(codec, ProgressiveOptions::default()).unwrap();
    let header = TokenFile::parse(bytes)
        .unwrap()
        .header()
        .layout()
        .header_bytes() as usize;
    decoder.feed(&bytes[..header - 1]).unwrap();
    for _ in 0..2 {
        let error = decoder.feed(&bytes[header - 1..header]).unwrap_err();
        assert!(matches!(error, Error::WrongModel { expected, .. } if expected == tiny.name()));
    }
    assert!(matches!(decoder.next_event(), Some(Event::Header(_))));
    let error = decoder.finish().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Model);
    assert!(decoder.picture().is_none());
}

#[test]
fn limits_and_options_are_checked_before_anything_is_decoded() {
    let (codec, bytes) = tiny();
    for decode in [
        cheap().with_steps(0),
        cheap().with_tokens(0),
        cheap().with_guidance(f32::NAN, true),
    ] {
        let options = ProgressiveOptions::default().with_decode(decode);
        let error = ProgressiveDecoder::new(Arc::clone(codec), options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
    for time in [0.0, -1.0, 1.1, f32::NAN] {
        let options = ProgressiveOptions::default().with_warm_start(time);
        let error = ProgressiveReader::new(Arc::clone(codec), options).unwrap_err();
        let option = OptionName::WarmStart;
        assert!(matches!(error, Error::Option { option: found, .. } if found == option));
    }
    let mut limits = flextok::Limits::default();
    limits.pixels = 45 * 32 - 1;
    let strict = Codec::builder()
        .with_threads(1)
        .with_limits(limits)
        .open(tiny_path())
        .unwrap();
    let mut decoder = ProgressiveDecoder::new(Arc::new(strict), options(Refresh::Manual)).unwrap();
    let error = decoder.feed(&bytes[..30]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
}

#[test]
fn jobs_follow_the_policy_and_can_be_run_on_any_thread() {
    let (codec, bytes) = tiny();
    let options = options(Refresh::Units(5)).with_decode(cheap().with_tokens(12));
    let mut reader = ProgressiveReader::new(Arc::clone(codec), options).unwrap();
    let mut jobs = Vec::new();
    for byte in bytes.chunks(1) {
        reader.feed(byte).unwrap();
        jobs.extend(reader.next_job(Duration::ZERO));
    }
    assert_eq!(reader.end().unwrap(), State::Complete);
    assert!(reader.next_job(Duration::ZERO).is_none());
    let units: Vec<u64> = jobs.iter().map(|job| job.units()).collect();
    assert_eq!(units, [5, 10, 12]);
    assert!(
        jobs.iter()
            .map(|job| job.is_last())
            .eq([false, false, true])
    );
    let runs: Vec<_> = jobs
        .into_iter()
        .map(|job| std::thread::spawn(move || job.run(None).unwrap()))
        .collect();
    for (run, units) in runs.into_iter().zip(units) {
        let fewer = cheap().with_tokens(units as u32);
        let expected = codec.decode(bytes, &fewer).unwrap();
        assert_eq!(run.join().unwrap().image, expected);
    }
}

#[test]
fn a_picture_can_be_requested_at_any_moment() {
    let (codec, bytes) = tiny();
    let mut decoder = ProgressiveDecoder::new(Arc::clone(codec), options(Refresh::Manual)).unwrap();
    let mut pictures = decoder.pictures();
    let layout = TokenFile::parse(bytes).unwrap().header().layout();
    let (first, rest) = bytes.split_at(layout.payload_end(6).unwrap() as usize);
    assert!(!decoder.request());
    decoder.feed(first).unwrap();
    assert!(pictures.try_next().is_none());
    assert!(decoder.request());
    let shown = pictures.wait().unwrap().unwrap();
    assert_eq!(
        (shown.units, shown.image.to_vec()),
        (3, at_once(first).unwrap())
    );
    assert!(pictures.wait_for(Duration::ZERO).unwrap().is_none());
    decoder.feed(rest).unwrap();
    decoder.end().unwrap();
    assert_eq!(
        pictures.wait().unwrap().unwrap().units,
        layout.payload_bytes() / 2
    );
    assert!(pictures.wait().unwrap().is_none(), "nothing more can come");
    let error = decoder.feed(b"more").unwrap_err();
    assert!(matches!(error, Error::FedAfterEnd { bytes: 4 }));
}

/// Options whose decodes stop in each step until `go` is set, and count the steps.
fn slow(go: &Arc<AtomicBool>, steps: &Arc<AtomicU32>) -> DecodeOptions {
    let (go, steps) = (Arc::clone(go), Arc::clone(steps));
    cheap().with_steps(4).with_progress(move |_| {
        steps.fetch_add(1, Ordering::SeqCst);
        while !go.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
    })
}

#[test]
fn feeding_never_waits_and_obsolete_decodes_are_cancelled() {
    let (codec, bytes) = tiny();
    let (go, steps) = (Arc::default(), Arc::default());
    let options = options(Refresh::PowersOfTwo).with_decode(slow(&go, &steps));
    let mut decoder = ProgressiveDecoder::new(Arc::clone(codec), options).unwrap();
    let layout = TokenFile::parse(bytes).unwrap().header().layout();
    let end = |token: u64| layout.payload_end(2 * token).unwrap() as usize;
    decoder.feed(&bytes[..end(1)]).unwrap();
    while steps.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    // The first decode is blocked in its first step; all of these return regardless.
    for layer in 1..16 {
        decoder.feed(&bytes[end(layer)..end(layer + 1)]).unwrap();
    }
    assert!(decoder.picture().is_none());
    go.store(true, Ordering::SeqCst);
    let mut pictures = decoder.pictures();
    let first = pictures.wait().unwrap().unwrap();
    // One step of the decode of one token, which was cancelled, and four of sixteen tokens; the snapshots between are skipped.
    assert_eq!((first.units, steps.load(Ordering::SeqCst)), (16, 5));
    decoder.feed(&bytes[end(16)..]).unwrap();
    let (state, last) = decoder.finish().unwrap();
    assert_eq!(
        (state, last.units),
        (State::Complete, layout.payload_bytes() / 2)
    );
}

#[test]
fn repeated_requests_still_give_the_picture() {
    let (codec, bytes) = tiny();
    let (go, steps) = (Arc::default(), Arc::default());
    let manual = options(Refresh::Manual).with_decode(slow(&go, &steps));
    let mut decoder = ProgressiveDecoder::new(Arc::clone(codec), manual).unwrap();
    decoder.feed(bytes).unwrap();
    while steps.load(Ordering::SeqCst) == 0 {
        assert!(decoder.request());
    }
    for _ in 0..100 {
        assert!(decoder.request());
    }
    go.store(true, Ordering::SeqCst);
    let mut pictures = decoder.pictures();
    let shown = pictures.wait().unwrap().unwrap();
    assert!(decoder.request());
    let (_, last) = decoder.finish().unwrap();
    assert!(Arc::ptr_eq(&shown, &last));
    assert_eq!(steps.load(Ordering::SeqCst), 4, "one decode");
}

#[test]
fn a_cancelled_decode_does_not_delay_the_next() {
    let (codec, bytes) = tiny();
    let (go, steps) = (Arc::default(), Arc::default());
    // Longer than any test may run.
    let interval = Refresh::Interval(Duration::from_secs(1 << 20));
    let options = options(interval).with_decode(slow(&go, &steps));
    let mut decoder = ProgressiveDecoder::new(Arc::clone(codec), options).unwrap();
    let layout = TokenFile::parse(bytes).unwrap().header().layout();
    let end = |token: u64| layout.payload_end(2 * token).unwrap() as usize;
    decoder.feed(&bytes[..end(4)]).unwrap();
    while steps.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    decoder.feed(&bytes[end(4)..end(8)]).unwrap();
    go.store(true, Ordering::SeqCst);
    assert_eq!(decoder.pictures().wait().unwrap().unwrap().units, 8);
}

#[test]
fn a_panic_of_a_callback_reaches_every_caller() {
    let (codec, bytes) = tiny();
    let decode = cheap().with_progress(|_| panic!("a callback's panic"));
    let options = options(Refresh::Manual).with_decode(decode);
    let mut decoder = ProgressiveDecoder::new(Arc::clone(codec), options).unwrap();
    let mut pictures = decoder.pictures();
    decoder.feed(bytes).unwrap();
    let is_panic = |error: &Error| match error {
        Error::Panicked => true,
        Error::Background(error) => matches!(**error, Error::Panicked),
        _ => false,
    };
    assert!(is_panic(&pictures.wait().unwrap_err()));
    let finish = std::panic::AssertUnwindSafe(|| decoder.finish());
    assert!(std::panic::catch_unwind(finish).is_err());
    assert!(is_panic(&decoder.finish().unwrap_err()));
    assert!(decoder.picture().is_none());
}

#[test]
fn a_feed_that_outruns_every_decode_starves_none() {
    let (codec, bytes) = tiny();
    let layout = TokenFile::parse(bytes).unwrap().header().layout();
    let wanted = Arc::new(AtomicU32::new(0));
    let fed = Arc::new(AtomicU32::new(0));
    // The first step of each decode requests twice the tokens and waits until they have been fed.
    let (target, available) = (Arc::clone(&wanted), Arc::clone(&fed));
    let decode = cheap().with_steps(3).with_progress(move |progress| {
        if progress.step == 1 {
            let target = target.fetch_add(1, Ordering::SeqCst) + 1;
            while available.load(Ordering::SeqCst) < target.min(5) {
                std::thread::yield_now();
            }
        }
    });
    let options = options(Refresh::PowersOfTwo).with_decode(decode);
    let mut decoder = ProgressiveDecoder::new(Arc::clone(codec), options).unwrap();
    let mut shown = Vec::new();
    let mut pictures = decoder.pictures();
    let mut at = 0;
    for round in 0..=5_u32 {
        while wanted.load(Ordering::SeqCst) < round {
            std::thread::yield_now();
        }
        let end = layout.payload_end(2 << round).unwrap() as usize;
        decoder.feed(&bytes[at..end]).unwrap();
        at = end;
        fed.store(round, Ordering::SeqCst);
        shown.extend(pictures.try_next().map(|picture| picture.units));
    }
    decoder.end().unwrap();
    while let Some(picture) = pictures.wait().unwrap() {
        shown.push(picture.units);
    }
    // 1 is cancelled for 2, which is spared although 4 is there; 4 or a later one is cancelled for its successor, and so on.
    assert!(shown.contains(&2), "{shown:?}");
    assert!(shown.len() >= 3 && shown.is_sorted(), "{shown:?}");
}

#[test]
fn the_callers_token_ends_all_decoding() {
    let (codec, bytes) = tiny();
    let cancel = CancelToken::new();
    let switch = cancel.clone();
    let decode = cheap().with_steps(5).with_cancel(cancel);
    let decode = decode.with_progress(move |progress| {
        if progress.step == 2 {
            switch.cancel();
        }
    });
    let options = options(Refresh::Manual).with_decode(decode);
    let mut decoder = ProgressiveDecoder::new(Arc::clone(codec), options).unwrap();
    decoder.feed(bytes).unwrap();
    let error = decoder.finish().unwrap_err();
    let Error::Background(error) = error else {
        panic!("{error}")
    };
    assert!(matches!(*error, Error::Cancelled { done: 2, total: 5 }));
    let waited = decoder.pictures().wait().unwrap_err();
    assert_eq!(waited.kind(), ErrorKind::Cancelled);
}

#[test]
fn dropping_cancels_the_decode_and_ends_the_waiting() {
    let (codec, bytes) = tiny();
    let steps = Arc::<AtomicU32>::default();
    let count = Arc::clone(&steps);
    let decode = cheap().with_steps(1000).with_progress(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let options = options(Refresh::Manual).with_decode(decode);
    let mut decoder = ProgressiveDecoder::new(Arc::clone(codec), options).unwrap();
    let mut pictures = decoder.pictures();
    decoder.feed(bytes).unwrap();
    let waiting = std::thread::spawn(move || pictures.wait());
    while steps.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    drop(decoder);
    let done = steps.load(Ordering::SeqCst);
    assert!(done < 1000, "{done} steps");
    assert!(waiting.join().unwrap().unwrap().is_none());
    std::thread::yield_now();
    assert_eq!(steps.load(Ordering::SeqCst), done, "its thread has ended");
}

#[test]
fn an_interval_needs_no_further_bytes() {
    let (codec, bytes) = tiny();
    let refresh = Refresh::Interval(Duration::from_millis(20));
    let mut decoder = ProgressiveDecoder::new(Arc::clone(codec), options(refresh)).unwrap();
    let mut pictures = decoder.pictures();
    let layout = TokenFile::parse(bytes).unwrap().header().layout();
    let end = |token: u64| layout.payload_end(2 * token).unwrap() as usize;
    decoder.feed(&bytes[..end(2)]).unwrap();
    assert_eq!(pictures.wait().unwrap().unwrap().units, 2);
    for layer in 2..9 {
        decoder.feed(&bytes[end(layer)..end(layer + 1)]).unwrap();
    }
    let mut shown = 0;
    while shown < 9 {
        shown = pictures.wait().unwrap().unwrap().units;
    }
    assert_eq!(shown, 9);
}

#[test]
fn warm_starts_change_the_pictures_between_but_not_the_last() {
    let (codec, bytes) = tiny();
    let mut shown = Vec::new();
    for time in [None, Some(0.5), Some(1.0)] {
        let steps = Arc::<AtomicU32>::default();
        let count = Arc::clone(&steps);
        let decode = cheap().with_steps(4).with_progress(move |progress| {
            count.store(progress.total, Ordering::SeqCst);
        });
        let mut options = options(Refresh::Units(8)).with_decode(decode);
        options.warm_start = time;
        let mut reader = ProgressiveReader::new(Arc::clone(codec), options).unwrap();
        let (mut last, mut images) = (None, Vec::new());
        for piece in bytes.chunks(16) {
            reader.feed(piece).unwrap();
            if let Some(job) = reader.next_job(Duration::ZERO) {
                let picture = job.run(last.as_ref()).unwrap();
                let warm = time.is_some() && last.is_some() && !job.is_last();
                let expected = if warm {
                    (4.0 * time.unwrap()) as u32
                } else {
                    4
                };
                assert_eq!(steps.load(Ordering::SeqCst), expected);
                images.push(picture.image.clone());
                last = Some(picture);
            }
        }
        shown.push(images);
    }
    let [cold, warm, whole] = &shown[..] else {
        unreachable!()
    };
    assert_eq!((cold[0] == warm[0], cold[1] == warm[1]), (true, false));
    assert_eq!(cold.last(), warm.last());
    assert_eq!(cold, whole, "a start at t = 1 is one from noise");
}
