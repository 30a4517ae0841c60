//! How far a run has come, and how fast: a bar for people, lines for logs, a summary at the end.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::journal::Done;
use crate::collection::Collection;
use crate::context::Context;
use crate::values;

/// How often a log gets a line.
const LINE: Duration = Duration::from_secs(10);

pub(super) struct Progress<'a> {
    context: &'a Context,
    bar: ProgressBar,
    files: usize,
    /// Whether each file is a picture, so that their number is known.
    only_pictures: bool,
    before: Done,
    start: Instant,
    line: Instant,
    /// How long the network had nothing to do.
    waited: Duration,
}

impl<'a> Progress<'a> {
    pub(super) fn new(context: &'a Context, collection: &Collection, before: &Done) -> Self {
        let (files, now) = (collection.items.len(), Instant::now());
        let only_pictures = !collection.has_shards();
        let bar = context.collection(only_pictures.then_some(files as u64));
        let done = count(before);
        if done > 0 {
            let pictures = values::count(done, "picture");
            context.detail(|| format!("going on behind {pictures} of an earlier run"));
        }
        let progress = Self {
            context,
            bar,
            files,
            only_pictures,
            before: before.clone(),
            start: now,
            line: now,
            waited: Duration::ZERO,
        };
        progress.show(before);
        progress
    }

    /// Shows what has been done by now.
    pub(super) fn update(&mut self, done: &Done) {
        self.show(done);
        if self.context.logs_progress() && self.line.elapsed() >= LINE {
            self.line = Instant::now();
            self.context.detail(|| {
                let file = (done.place.item + 1).min(self.files);
                let failed = match done.failed {
                    0 => String::new(),
                    failed => format!("; {failed} failed"),
                };
                format!(
                    "{}, file {file} of {}{failed}",
                    self.words(done),
                    self.files
                )
            });
        }
    }

    /// Counts time in which no picture was ready.
    pub(super) fn wait(&mut self, time: Duration) {
        self.waited += time;
    }

    fn show(&self, done: &Done) {
        self.bar.set_position(done.place.item as u64);
        let words = self.words(done);
        self.bar.set_message(match self.only_pictures {
            true => words,
            false => {
                let file = (done.place.item + 1).min(self.files);
                format!("{words}, file {file} of {}", self.files)
            }
        });
    }

    /// Pictures, their rate, and the time that is left.
    fn words(&self, done: &Done) -> String {
        let pictures = values::count(count(done), "picture");
        let elapsed = self.start.elapsed().as_secs_f64();
        let mut words = format!("tokenizing: {pictures}, {}", self.rate(done));
        let files = done.place.item - self.before.place.item;
        if files > 0 && elapsed >= 1.0 {
            let left = self.files.saturating_sub(done.place.item) as f64 / files as f64;
            words.push_str(&format!(", about {} left", clock(elapsed * left)));
        }
        words
    }

    /// Pictures of this run a second.
    fn rate(&self, done: &Done) -> String {
        let pictures = (count(done) - count(&self.before)) as f64;
        let seconds = self.start.elapsed().as_secs_f64().max(1e-3);
        format!("{:.1} pictures/s", pictures / seconds)
    }

    /// Ends with what became of all pictures.
    pub(super) fn end(self, done: &Done) {
        self.bar.finish_and_clear();
        let seconds = self.start.elapsed().as_secs_f64();
        self.context.detail(|| {
            let share = 100.0 * self.waited.as_secs_f64() / seconds.max(1e-3);
            format!("the network waited for pictures {share:.0} % of the time")
        });
        self.context.summary(done.failed > 0, || {
            let all = count(done);
            let pictures = values::count(all, "picture");
            let pictures = match done.failed {
                0 => pictures,
                _ => format!("{} of {pictures}", done.rows),
            };
            let before = match count(&self.before) {
                0 => String::new(),
                before => format!(", {} of them now", all - before),
            };
            let failed = match done.failed {
                0 => String::new(),
                failed => format!("; {failed} failed"),
            };
            let rate = self.rate(done);
            format!("tokenized {pictures}{before}, in {seconds:.1} s, {rate}{failed}")
        });
    }
}

/// Pictures, with tokens or failed.
fn count(done: &Done) -> u64 {
    done.rows + done.failed
}

/// Seconds as people read them.
fn clock(seconds: f64) -> String {
    let seconds = seconds.min(1e9) as u64;
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{rest:02}"),
        _ => format!("{hours}:{minutes:02}:{rest:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_on_a_clock() {
        for (seconds, text) in [
            (0.0, "0:00"),
            (59.9, "0:59"),
            (61.0, "1:01"),
            (3725.0, "1:02:05"),
        ] {
            assert_eq!(clock(seconds), text);
        }
        assert!(clock(f64::INFINITY).ends_with(":40"));
    }
}
