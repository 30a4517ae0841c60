//! The step loop of a decode allocates nothing after its first step: everything it needs is used again.
//!
//! This file holds a single test, because the counter sees the allocations of all threads of the process.

mod common;

use std::alloc::System;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::MODELS;
use flextok::{Codec, DecodeOptions};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const STEPS: usize = 8;

/// Allocations and reallocations of the process so far.
fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

/// Lists of ids of different lengths.
const IDS: [&[u16]; 3] = [&[5, 63_999, 1234, 77, 40_000], &[9], &[3; 100]];

/// The allocations of each step after the first one, of a guided decode of so many images.
fn per_step(codec: &Codec, apg: bool, images: usize) -> Vec<usize> {
    let seen: Arc<[AtomicUsize; STEPS]> = Arc::default();
    let counts = Arc::clone(&seen);
    let options = DecodeOptions::default()
        .with_steps(STEPS as u32)
        .with_guidance(3.0, apg)
        .with_progress(move |progress| {
            counts[progress.step as usize - 1].store(allocations(), Ordering::SeqCst);
        });
    codec.detokenize_batch(&IDS[..images], &options).unwrap();
    let totals: Vec<usize> = seen
        .iter()
        .map(|count| count.load(Ordering::SeqCst))
        .collect();
    assert!(
        totals.iter().all(|&total| total > 0),
        "a step was not reported"
    );
    totals.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn steps_after_the_first_allocate_nothing() {
    let before = allocations();
    drop(std::hint::black_box(vec![1u8; 1000]));
    assert!(allocations() > before, "allocations are not counted");
    for (name, open) in MODELS {
        for (apg, images) in [(false, 1), (true, 1), (true, 3)] {
            for threads in 1..=3 {
                let codec = open(Codec::builder().with_threads(threads));
                let counts = per_step(&codec, apg, images);
                assert_eq!(
                    counts,
                    [0; STEPS - 1],
                    "{name}, apg {apg}, {images} images, {threads} threads: allocations of steps 2 to {STEPS}"
                );
            }
        }
    }
}
