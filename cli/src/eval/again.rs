//! Pictures of an evaluation once more, after they were measured: originals, and decodes by codec and budget.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flextok::image::RgbImage;

use super::own::{self, OwnFile};
use super::plan::{OWN, Plan};
use super::report::Pictures;
use super::results::{Measurement, Results};
use super::rivals::{Installed, Recipe};
use super::set::Subject;
use crate::context::Context;
use crate::exit::CliError;
use crate::message;

/// Makes pictures of a set again, from what its measurements say.
pub(crate) struct Again<'a> {
    plan: &'a Plan,
    context: &'a Context,
    paths: BTreeMap<String, &'a Path>,
    /// The picture that was asked for last: callers go through all of one before the next.
    last: Mutex<Option<Arc<Opened>>>,
}

/// The pictures of a run's results.
pub(crate) struct Shown<'a> {
    pub(crate) again: Again<'a>,
    pub(crate) results: &'a Results,
}

impl Pictures for Shown<'_> {
    fn original(&self, picture: &str) -> Result<RgbImage, CliError> {
        self.again.original(picture)
    }

    fn decoded(
        &self,
        picture: &str,
        codec: &str,
        budget: u32,
    ) -> Result<Option<RgbImage>, CliError> {
        let wanted =
            |m: &&Measurement| m.picture == picture && m.codec == codec && m.budget == budget;
        let measured = self.results.measurements.iter().find(wanted);
        measured.map(|m| self.again.decoded(m)).transpose()
    }
}

struct Opened {
    subject: Subject,
    files: Vec<OwnFile>,
}

impl<'a> Again<'a> {
    pub(crate) fn new(plan: &'a Plan, context: &'a Context, pictures: &'a [PathBuf]) -> Self {
        let named = |path: &'a PathBuf| (message::name(path), path.as_path());
        Self {
            plan,
            context,
            paths: pictures.iter().map(named).collect(),
            last: Mutex::new(None),
        }
    }

    /// The original of a picture, as decodes are measured against it.
    pub(crate) fn original(&self, picture: &str) -> Result<RgbImage, CliError> {
        Ok(self.open(picture)?.subject.original.clone())
    }

    /// The decode that was measured.
    pub(crate) fn decoded(&self, measured: &Measurement) -> Result<RgbImage, CliError> {
        let opened = self.open(&measured.picture)?;
        let (plan, subject) = (self.plan, &opened.subject);
        if measured.codec == OWN {
            let file = opened
                .files
                .iter()
                .find(|file| file.budget == measured.budget);
            let file = file.ok_or_else(|| changed(measured))?;
            let options = plan.decode(subject);
            let decoded = plan.model.codec.decode_file(&file.file, &options);
            return decoded.map_err(|error| plan.model.error(&subject.name, error));
        }
        let rival = |installed: &&Installed| installed.rival.name() == measured.codec;
        let installed = plan.rivals.iter().find(rival);
        let installed = installed.ok_or_else(|| changed(measured))?;
        let recipe = Recipe::parse(installed.rival, &measured.settings);
        let recipe = recipe.ok_or_else(|| changed(measured))?;
        let (original, threads) = (&subject.original, plan.threads());
        let decoded = installed
            .bench(original, recipe, threads)
            .and_then(|bench| bench.encode(recipe.setting))
            .and_then(|made| installed.decode(&made.file, recipe, subject.size(), threads));
        let (picture, _) = decoded.map_err(|source| CliError::Rival {
            name: subject.name.clone(),
            source,
        })?;
        Ok(picture)
    }

    fn open(&self, picture: &str) -> Result<Arc<Opened>, CliError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = last.as_ref().filter(|last| last.subject.name == picture) {
            return Ok(Arc::clone(opened));
        }
        let path = self.paths.get(picture);
        let path = path.ok_or_else(|| CliError::usage(picture, "is not one of the inputs"))?;
        let subject = Subject::load(path, self.plan, self.context)?;
        let files = own::files(self.plan, &subject);
        let files = files.map_err(|error| self.plan.model.error(picture, error))?;
        let opened = Arc::new(Opened { subject, files });
        *last = Some(Arc::clone(&opened));
        Ok(opened)
    }
}

/// The error for a measurement that cannot be repeated.
fn changed(measured: &Measurement) -> CliError {
    let (codec, budget) = (&measured.codec, measured.budget);
    let problem = format!("its decode by {codec} at {budget} cannot be made again");
    CliError::usage(&measured.picture, problem)
}
