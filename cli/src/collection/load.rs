//! Pictures loaded on all cores, together within the memory that one picture may take.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use flextok::picture::{LoadOptions, LoadedPicture, PictureError, load};

use crate::context::Context;
use crate::exit::CliError;
use crate::{input, message, values};

/// A picture that is to be loaded.
#[derive(Debug)]
pub(crate) enum Input {
    File(PathBuf),
    /// A member of a shard: its name in errors, and its data.
    Member {
        name: String,
        bytes: Vec<u8>,
    },
}

impl Input {
    /// The memory that it takes before it is loaded.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::File(_) => 0,
            Self::Member { bytes, .. } => bytes.len(),
        }
    }

    /// Its name in errors.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => message::name(path),
            Self::Member { name, .. } => name.clone(),
        }
    }

    fn load(&self, options: &LoadOptions) -> Result<LoadedPicture, PictureError> {
        match self {
            Self::File(path) => load::open(path, options),
            Self::Member { name, bytes } => load::decode_named(bytes, name, options),
        }
    }
}

/// What loads. Its threads are its own: one of the codec's that waits for others while it holds a picture would begin with
/// the next picture.
#[derive(Debug)]
pub(crate) struct Loader<'a> {
    context: &'a Context,
    workers: usize,
    /// What one of as many pictures as there are workers may take.
    share: LoadOptions,
    /// How much more memory is taken than for loading.
    factor: u64,
    /// Pictures of which there is something to be said.
    noted: AtomicU64,
}

/// What came of an attempt within less than all memory.
enum Tried<T> {
    Done(Result<T, CliError>),
    /// As much memory would do, or all if it is not known.
    Needs(u64),
}

impl<'a> Loader<'a> {
    /// Loads as many pictures at once as there are workers. What is made of each takes up to `factor` times the memory that
    /// loading took.
    pub(crate) fn new(context: &'a Context, workers: usize, factor: u64) -> Self {
        let full = context.loading;
        let workers = workers.max(1);
        let factor = factor.max(1);
        let memory = full.max_memory / workers as u64 / factor;
        let share = LoadOptions {
            max_memory: memory,
            max_bytes: full.max_bytes.min(memory),
            ..full
        };
        Self {
            context,
            workers,
            share,
            factor,
            noted: AtomicU64::new(0),
        }
    }

    /// Loads each input and finishes what was loaded, on the thread that loaded it. What does not fit into its share of the
    /// memory follows when all others are done: as many at once as fit, or one alone.
    pub(crate) fn each<T: Send>(
        &self,
        inputs: &[Input],
        finish: impl Fn(usize, LoadedPicture) -> Result<T, CliError> + Sync,
    ) -> Vec<Result<T, CliError>> {
        let full = &self.context.loading;
        let attempt = |index: usize, options: &LoadOptions| match inputs[index].load(options) {
            Ok(picture) => {
                self.note(&inputs[index], &picture);
                Tried::Done(finish(index, picture))
            }
            Err(error) => match needs(&error, options, full) {
                Some(bytes) => Tried::Needs(bytes),
                None => Tried::Done(Err(input::picture_error(inputs[index].name(), error))),
            },
        };
        let mut done: Vec<Option<Result<T, CliError>>> = inputs.iter().map(|_| None).collect();
        let all: Vec<usize> = (0..inputs.len()).collect();
        let mut put = |tried: Vec<(usize, Tried<T>)>| {
            let mut larger = Vec::new();
            for (index, tried) in tried {
                match tried {
                    Tried::Done(result) => done[index] = Some(result),
                    Tried::Needs(bytes) => larger.push((index, bytes)),
                }
            }
            larger
        };
        let larger = put(self.work(&all, |index| attempt(index, &self.share)));
        let (groups, mut alone) = groups(larger, full.max_memory / self.factor);
        for group in groups {
            let indices: Vec<usize> = group.iter().map(|&(index, _)| index).collect();
            let tried = self.work(&indices, |index| {
                let found = group.iter().find(|(of, _)| *of == index);
                let max_memory = found.map_or(0, |(_, bytes)| *bytes);
                attempt(
                    index,
                    &LoadOptions {
                        max_memory,
                        ..*full
                    },
                )
            });
            alone.extend(put(tried).into_iter().map(|(index, _)| index));
        }
        for index in alone {
            put(vec![(index, attempt(index, full))]);
        }
        let results = done.into_iter().zip(inputs).map(|(result, input)| {
            // There is one of each: what is alone is not put off.
            result.unwrap_or_else(|| Err(CliError::usage(input.name(), "was not loaded")))
        });
        results.collect()
    }

    /// Works on several inputs at once, in no order.
    fn work<T: Send>(
        &self,
        indices: &[usize],
        work: impl Fn(usize) -> T + Sync,
    ) -> Vec<(usize, T)> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::with_capacity(indices.len()));
        let run = || {
            while let Some(&index) = indices.get(next.fetch_add(1, Ordering::Relaxed)) {
                let result = work(index);
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results.push((index, result));
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.workers.min(indices.len()) {
                // Those that cannot be started are not needed.
                let _ = thread::Builder::new().spawn_scoped(scope, run);
            }
            run();
        });
        results.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, input: &Input, picture: &LoadedPicture) {
        if !picture.notes.is_empty() {
            self.noted.fetch_add(1, Ordering::Relaxed);
        }
        for note in &picture.notes {
            self.context
                .detail(|| format!("note: {}: {note}", input.name()));
        }
    }

    /// Says how many pictures had notes: of a large collection nobody reads each.
    pub(crate) fn sum_up(&self) {
        let noted = self.noted.load(Ordering::Relaxed);
        if noted > 0 {
            let pictures = values::count(noted, "picture");
            let what = "not all was used, or not as it was stored (transparency, frames, damaged profiles ...)";
            self.context
                .note(&format!("of {pictures} {what}; -v says which"));
        }
    }
}

/// The memory that a picture needs which was refused under a limit lower than the one that counts.
fn needs(error: &PictureError, options: &LoadOptions, full: &LoadOptions) -> Option<u64> {
    match error {
        _ if options == full => None,
        PictureError::TooMuchMemory { needed, .. } => Some((*needed).min(full.max_memory)),
        PictureError::TooManyBytes { .. } if options.max_bytes < full.max_bytes => {
            Some(full.max_memory)
        }
        _ => None,
    }
}

/// Those that fit into memory together, and those that need all of it.
type Groups = (Vec<Vec<(usize, u64)>>, Vec<usize>);

fn groups(larger: Vec<(usize, u64)>, memory: u64) -> Groups {
    let (mut groups, mut alone) = (Vec::<Vec<(usize, u64)>>::new(), Vec::new());
    let mut left = 0;
    for (index, bytes) in larger {
        if bytes >= memory {
            alone.push(index);
        } else if let Some(group) = groups.last_mut().filter(|_| bytes <= left) {
            left -= bytes;
            group.push((index, bytes));
        } else {
            left = memory - bytes;
            groups.push(vec![(index, bytes)]);
        }
    }
    (groups, alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_more_is_loaded_in_groups_that_fit() {
        let larger = vec![(0, 40), (1, 50), (2, 30), (3, 100), (4, 70), (5, 999)];
        let (groups, alone) = groups(larger, 100);
        assert_eq!(groups, [vec![(0, 40), (1, 50)], vec![(2, 30), (4, 70)]]);
        assert_eq!(alone, [3, 5]);
    }

    #[test]
    fn a_refusal_under_all_limits_stands() {
        let full = LoadOptions::default();
        let share = LoadOptions {
            max_memory: 10,
            max_bytes: 10,
            ..full
        };
        let memory = PictureError::TooMuchMemory {
            needed: 50,
            max: 10,
        };
        let bytes = PictureError::TooManyBytes { max: 10 };
        assert_eq!(needs(&memory, &share, &full), Some(50));
        assert_eq!(needs(&memory, &full, &full), None);
        assert_eq!(needs(&bytes, &share, &full), Some(full.max_memory));
        let within = LoadOptions {
            max_memory: 50,
            ..full
        };
        assert_eq!(needs(&bytes, &within, &full), None);
        assert_eq!(needs(&PictureError::Empty, &share, &full), None);
    }
}
