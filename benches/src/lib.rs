//! Shared set-up of the benches: the stages that are timed, and pictures to time them on.

mod stages;

use std::time::Instant;

pub use stages::{Stages, synthetic_picture};

/// Median time of `reps` runs in milliseconds, after one that is not counted.
pub fn median_ms(reps: usize, work: &mut dyn FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..reps)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[(reps - 1) / 2] + times[reps / 2]) / 2.0
}
