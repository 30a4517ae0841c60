//! Progress reports and cancellation of decodes.

mod common;

use std::sync::{Arc, Mutex};

use common::{MODELS, tiny_path};
use flextok::{CancelToken, Codec, DecodeOptions, Error, ErrorKind};

/// Reports as (step, total).
type Reports = Arc<Mutex<Vec<(u32, u32)>>>;

/// Options that note each report.
fn noted(options: DecodeOptions) -> (DecodeOptions, Reports) {
    let reports = Reports::default();
    let sink = Arc::clone(&reports);
    let options = options.with_progress(move |progress| {
        sink.lock().unwrap().push((progress.step, progress.total));
    });
    (options, reports)
}

#[test]
fn every_step_is_reported_once() {
    for (name, open) in MODELS {
        let codec = open(Codec::builder().with_threads(2));
        for (steps, apg) in [(1, false), (4, true), (3, false)] {
            let options = DecodeOptions::default()
                .with_steps(steps)
                .with_guidance(2.0, apg);
            let (options, reports) = noted(options);
            codec.detokenize(&[1, 2, 3], &options).unwrap();
            let expected: Vec<_> = (1..=steps).map(|step| (step, steps)).collect();
            assert_eq!(*reports.lock().unwrap(), expected, "{name}");
        }
    }
}

#[test]
fn steps_default_to_the_models_own() {
    for (name, open) in MODELS {
        let codec = open(Codec::builder().with_threads(2));
        let (options, reports) = noted(DecodeOptions::default());
        codec.detokenize(&[1, 2, 3], &options).unwrap();
        let steps = codec.config().unwrap().sampling.steps;
        assert_eq!(
            reports.lock().unwrap().last(),
            Some(&(steps, steps)),
            "{name}"
        );
    }
}

#[test]
fn a_cancelled_decode_ends_after_its_step() {
    for (name, open) in MODELS {
        let codec = open(Codec::builder().with_threads(2));
        let cancel = CancelToken::new();
        let switch = cancel.clone();
        let (mut options, reports) = noted(DecodeOptions::default().with_steps(6));
        let note = options.progress.take().unwrap();
        let options = options.with_cancel(cancel).with_progress(move |progress| {
            note(progress);
            if progress.step == 2 {
                switch.cancel();
            }
        });
        let error = codec.detokenize(&[1, 2, 3], &options).unwrap_err();
        let (done, total) = (2, 6);
        assert!(
            matches!(error, Error::Cancelled { done: d, total: t } if (d, t) == (done, total)),
            "{name}: {error}"
        );
        assert_eq!(*reports.lock().unwrap(), [(1, 6), (2, 6)], "{name}");
        // The codec is not harmed.
        codec
            .detokenize(&[1, 2, 3], &DecodeOptions::default().with_steps(1))
            .unwrap();
    }
}

#[test]
fn a_decode_that_was_cancelled_before_it_began_does_no_step() {
    let codec = Codec::builder().with_threads(2).open(tiny_path()).unwrap();
    let cancel = CancelToken::new();
    cancel.cancel();
    let (options, reports) = noted(DecodeOptions::default().with_steps(3).with_cancel(cancel));
    let error = codec.detokenize(&[1, 2, 3], &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(reports.lock().unwrap().is_empty());
}

#[test]
fn a_cancelled_last_step_gives_no_picture() {
    let codec = Codec::builder().with_threads(2).open(tiny_path()).unwrap();
    let cancel = CancelToken::new();
    let switch = cancel.clone();
    let options = DecodeOptions::default().with_steps(1).with_cancel(cancel);
    let options = options.with_progress(move |_| switch.cancel());
    let error = codec.detokenize(&[1, 2, 3], &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}
