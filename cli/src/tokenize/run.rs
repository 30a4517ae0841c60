//! The work: one thread has pictures loaded, ahead by a few, and another puts those that are ready through the network.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use flextok::{Codec, EncodeOptions, Prepared, Size};

use super::entry::Entry;
use super::failure;
use super::journal::{Done, Journal};
use super::progress::Progress;
use crate::collection::{Collection, Input, Kind, Loader, Sample, Samples, Step};
use crate::context::{Context, Model};
use crate::exit::CliError;

/// Most bytes of members of shards that are loaded together, but for the last of them.
const MEMBERS: usize = 64 << 20;
/// Most bytes of prepared pictures that are handed over together.
const PREPARED: u64 = 32 << 20;
/// Chunks that are ready while one is worked on.
const AHEAD: usize = 1;

pub(super) struct Run<'a> {
    pub(super) context: &'a Context,
    pub(super) model: &'a Model,
    pub(super) options: &'a EncodeOptions,
    pub(super) collection: &'a Collection,
    /// Pixels that pictures are prepared to.
    pub(super) canvas: Size,
}

/// A picture that is ready for the network, or that will not be; or the end of a shard.
struct Ready {
    item: usize,
    id: String,
    what: What,
}

enum What {
    Picture(Prepared),
    Failed(CliError),
    End(Option<CliError>),
}

/// Pictures that were loaded together.
type Chunk = Result<Vec<Ready>, CliError>;

impl Run<'_> {
    /// Works on all that the journal does not have.
    pub(super) fn run(
        &self,
        journal: &mut Journal,
        mut progress: Progress<'_>,
    ) -> Result<(), CliError> {
        let loader = Loader::new(self.context, self.model.codec.threads().count(), 1);
        let place = journal.done.place.clone();
        let samples = Samples::new(self.collection, self.context.limits.image_bytes, place);
        thread::scope(|scope| {
            let (sender, receiver) = sync_channel(AHEAD);
            let loader = &loader;
            let load = move || self.load(samples, loader, &sender);
            let spawned = thread::Builder::new().spawn_scoped(scope, load);
            spawned.map_err(|source| CliError::Read {
                name: "pictures".to_owned(),
                source,
            })?;
            self.tokenize(&receiver, journal, &mut progress)
        })?;
        loader.sum_up();
        progress.end(&journal.done);
        Ok(())
    }

    /// Loads pictures until there are no more, or nobody wants them.
    fn load(&self, mut samples: Samples<'_>, loader: &Loader<'_>, sender: &SyncSender<Chunk>) {
        loop {
            let chunk = self.chunk(&mut samples, loader);
            let is_last = chunk.as_ref().map_or(true, Vec::is_empty);
            if sender.send(chunk).is_err() || is_last {
                return;
            }
        }
    }

    /// The next pictures; none at the end.
    fn chunk(&self, samples: &mut Samples<'_>, loader: &Loader<'_>) -> Chunk {
        let most = self.pictures_of_chunk();
        let (mut inputs, mut others, mut bytes) = (Vec::new(), Vec::new(), 0);
        while others.len() < most && bytes < MEMBERS {
            let Some(Sample { item, id, step }) = samples.next()? else {
                break;
            };
            let what = match step {
                Step::Load(input) => {
                    bytes += input.bytes();
                    inputs.push(input);
                    None
                }
                Step::Failed(error) => Some(What::Failed(error)),
                Step::End(error) => Some(What::End(error)),
            };
            others.push((item, id, what));
        }
        let mut loaded = self.prepare(&inputs, loader).into_iter();
        let ready = others.into_iter().filter_map(|(item, id, what)| {
            let what = what.or_else(|| loaded.next())?;
            Some(Ready { item, id, what })
        });
        Ok(ready.collect())
    }

    fn prepare(&self, inputs: &[Input], loader: &Loader<'_>) -> Vec<What> {
        let codec = &self.model.codec;
        let loaded = loader.each(inputs, |index, picture| {
            let prepared = codec.prepare(&picture.image, self.options);
            prepared.map_err(|error| self.model.error(&inputs[index].name(), error))
        });
        let what = |loaded: Result<_, _>| loaded.map_or_else(What::Failed, What::Picture);
        loaded.into_iter().map(what).collect()
    }

    /// As many as keep all cores at work, within bounds of memory.
    fn pictures_of_chunk(&self) -> usize {
        let cores = self.model.codec.threads().count();
        let wanted = Codec::IMAGES_PER_PASS * (cores / 4).max(4);
        let fitting = PREPARED / self.canvas.area().saturating_mul(3).max(1);
        let fitting = usize::try_from(fitting).unwrap_or(usize::MAX);
        wanted.min(fitting.max(Codec::IMAGES_PER_PASS))
    }

    /// Makes tokens of what is ready, and adds it to the journal.
    fn tokenize(
        &self,
        receiver: &Receiver<Chunk>,
        journal: &mut Journal,
        progress: &mut Progress<'_>,
    ) -> Result<(), CliError> {
        loop {
            let start = Instant::now();
            let chunk = match receiver.recv() {
                Ok(chunk) => chunk?,
                // The other thread has ended with a chunk of none.
                Err(_) => return Ok(()),
            };
            progress.wait(start.elapsed());
            if chunk.is_empty() {
                return Ok(());
            }
            let mut chunk = chunk.into_iter().peekable();
            while chunk.peek().is_some() {
                self.pass(&mut chunk, journal)?;
                progress.update(&journal.done);
            }
        }
    }

    /// One pass through the network, and all that failed before its last picture.
    fn pass(
        &self,
        chunk: &mut impl Iterator<Item = Ready>,
        journal: &mut Journal,
    ) -> Result<(), CliError> {
        let (mut entries, mut prepared) = (Vec::new(), Vec::new());
        for Ready { item, id, what } in chunk {
            let entry = match what {
                What::Picture(picture) => {
                    let Size { width, height } = picture.size();
                    prepared.push(picture);
                    let item = item as u32;
                    Entry::Row {
                        item,
                        id,
                        width,
                        height,
                    }
                }
                What::Failed(error) => self.failed(item, id, &error, false),
                What::End(Some(error)) => self.failed(item, id, &error, true),
                What::End(None) => {
                    let (item, end) = (item as u32, true);
                    Entry::End { item, end }
                }
            };
            entries.push(entry);
            if prepared.len() == Codec::IMAGES_PER_PASS {
                break;
            }
        }
        let tokens = self.model.codec.tokenize_prepared(&prepared, None);
        let tokens = tokens.map_err(|error| self.model.error(&self.model.name, error))?;
        journal.add(&entries, &tokens.concat())?;
        for entry in &entries {
            self.count(entry, &mut journal.done);
        }
        Ok(())
    }

    fn failed(&self, item: usize, id: String, error: &CliError, end: bool) -> Entry {
        self.context.fail(error);
        failure(item, id, error, end)
    }

    fn count(&self, entry: &Entry, done: &mut Done) {
        let file = self.collection.items.get(done.place.item);
        done.count(entry, file.is_some_and(|file| file.kind == Kind::Shard));
    }
}
