//! Tokens of whole collections: pictures are loaded on all cores while others go through the network, what is finished goes
//! into a journal, and at the end the journal becomes the output.

pub(crate) mod entry;
mod journal;
mod lines;
mod npy;
mod parquet;
mod progress;
mod run;
mod shards;
mod target;

use std::process::ExitCode;

use entry::Entry;
use flextok::{EncodeOptions, Prepared};
use journal::Journal;
use progress::Progress;
use run::Run;
pub(crate) use target::{Format, Target};

use crate::batch::NewFolder;
use crate::collection::Collection;
use crate::context::{Context, Model};
use crate::exit::CliError;
use crate::settings::Settings;

/// What is to be done.
pub(crate) struct Job<'a> {
    pub(crate) collection: &'a Collection,
    pub(crate) target: &'a Target,
    pub(crate) options: &'a EncodeOptions,
    /// What has to be the same when an interrupted run goes on, beside what follows from these.
    pub(crate) settings: Settings,
}

/// Makes the tokens of a collection, or the rest of them. The exit code is that of the first picture that failed.
pub(crate) fn tokenize(
    job: Job<'_>,
    model: &Model,
    context: &Context,
) -> Result<ExitCode, CliError> {
    let (collection, target) = (job.collection, job.target);
    let paths = target.journal();
    target.check(collection)?;
    if !paths.exist() {
        target.refuse_existing(collection)?;
    }
    let probe = probe(&job, model)?;
    let settings = settings(&job, model, &probe);
    let tokens = probe.tokens() as usize;
    let folder = (target.format == Format::Shards).then(|| NewFolder::make(&target.path));
    let folder = folder.transpose()?.flatten();
    let mut journal = Journal::open(paths, &settings, (collection, tokens), context)?;
    if !journal.done.publishing {
        target.refuse_existing(collection)?;
    }
    let progress = Progress::new(context, collection, &journal.done);
    let run = Run {
        context,
        model,
        options: job.options,
        collection,
        canvas: probe.canvas(),
    };
    run.run(&mut journal, progress)?;
    journal.publish()?;
    match target.format {
        Format::Npy => npy::write(target, &journal, tokens)?,
        Format::Parquet => parquet::write(target, &journal, &settings)?,
        Format::Shards => {
            shards::write(target, &journal, (collection, context))?;
        }
    }
    let first = journal.done.first;
    if journal.done.failed == 0 {
        target.remove_failures()?;
    }
    journal.remove()?;
    drop(folder);
    Ok(first.map_or(ExitCode::SUCCESS, ExitCode::from))
}

/// The smallest picture, prepared: what would be refused of every picture is refused here.
fn probe(job: &Job<'_>, model: &Model) -> Result<Prepared, CliError> {
    let pixel = flextok::image::DynamicImage::new_rgb8(1, 1);
    let prepared = model.codec.prepare(&pixel, job.options);
    prepared.map_err(|error| CliError::codec(&model.name, error))
}

/// What tells this run from others.
fn settings(job: &Job<'_>, model: &Model, probe: &Prepared) -> Settings {
    let mut settings = job.settings.clone();
    let mut set = |key: &str, value: serde_json::Value| settings.insert(key.to_owned(), value);
    set("model", model.codec.name().to_string().into());
    set(
        "precision",
        model.codec.engine().precision.to_string().into(),
    );
    set("tokens", probe.tokens().into());
    let canvas = probe.canvas();
    set(
        "canvas",
        format!("{}x{}", canvas.width, canvas.height).into(),
    );
    set("format", job.target.format.name().into());
    set("inputs", job.collection.items.len().into());
    set("names", format!("{:08x}", job.collection.crc32()).into());
    settings
}

/// A picture that failed, for people and programs.
fn failure(item: usize, id: String, error: &CliError, end: bool) -> Entry {
    Entry::Failed {
        item: item as u32,
        id: shortened(id),
        error: crate::message::one_line(&error.to_string()),
        code: error.code() as u8,
        end,
    }
}

/// An id of which no more is kept than an id may have.
fn shortened(mut id: String) -> String {
    if id.len() > crate::collection::MAX_ID {
        id.truncate(id.floor_char_boundary(crate::collection::MAX_ID - '…'.len_utf8()));
        id.push('…');
    }
    id
}
