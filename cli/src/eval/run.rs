//! The run over a set: each picture by each codec at each budget, measured, kept, and put together as results.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flextok::Codec;
use flextok::image::RgbImage;
use rayon::prelude::*;

use super::again::Again;
use super::bootstrap;
use super::export::{Export, ORIGINAL};
use super::halting;
use super::journal::{Finished, Journal};
use super::meter::Meter;
use super::own::{self, OwnFile};
use super::plan::{OWN, Plan};
use super::results::{
    Failure, Figures, Halting, Mean, Measurement, Picture, Results, Uncertainty, Unit,
};
use super::rivals::{self, Fitted, Installed};
use super::seeds;
use super::set::{self, Subject};
use crate::context::Context;
use crate::exit::CliError;
use crate::message;

/// Memory that the figures of a decode take at their worst, in bytes a pixel: SSIMULACRA 2's planes and both pictures.
const BYTES_A_PIXEL: u64 = 200;

/// A run, with what it has found so far.
pub(crate) struct Evaluation<'a> {
    plan: &'a Plan,
    meter: &'a Meter,
    context: &'a Context,
    journal: Option<Journal>,
    export: Option<Export>,
    again: Again<'a>,
    finished: Vec<Finished>,
    failures: Vec<Failure>,
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(
        (plan, meter, context): (&'a Plan, &'a Meter, &'a Context),
        pictures: &'a [PathBuf],
        journal: Option<Journal>,
        export: Option<Export>,
    ) -> Self {
        Self {
            plan,
            meter,
            context,
            journal,
            export,
            again: Again::new(plan, context, pictures),
            finished: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Measures a picture, unless that was done before. A failure is kept for the results too.
    pub(crate) fn picture(&mut self, path: &Path) -> Result<(), CliError> {
        let done = self.known(path).and_then(|known| match known {
            Some(known) => Ok(known),
            None => self.measure(path),
        });
        match done {
            Ok(done) => {
                self.finished.push(done);
                Ok(())
            }
            Err(error) => {
                self.failures.push(Failure {
                    picture: message::name(path),
                    error: error.to_string(),
                });
                Err(error)
            }
        }
    }

    /// What an earlier run found out about a picture; what it did not export is exported.
    fn known(&self, path: &Path) -> Result<Option<Finished>, CliError> {
        let Some(journal) = &self.journal else {
            return Ok(None);
        };
        let name = message::name(path);
        let checksum = set::checksum(path, self.context)?;
        let Some(known) = journal.finished(&name, checksum).cloned() else {
            return Ok(None);
        };
        let of_this_run = |m: &Measurement| {
            let codec = self.plan.codecs.iter().any(|codec| codec.name == m.codec);
            codec && m.picture == name && self.plan.budgets.contains(&m.budget)
        };
        if !known.measurements.iter().all(of_this_run) {
            let problem = "its line in the results of --results is not one of this run; remove it";
            return Err(CliError::usage(name, problem));
        }
        if let Some(export) = &self.export {
            if !export.has(ORIGINAL, &name) {
                export.save(ORIGINAL, &name, &self.again.original(&name)?)?;
            }
            for measured in &known.measurements {
                let kind = Export::kind(&measured.codec, measured.budget);
                if !export.has(&kind, &name) {
                    export.save(&kind, &name, &self.again.decoded(measured)?)?;
                }
            }
        }
        Ok(Some(known))
    }

    fn measure(&mut self, path: &Path) -> Result<Finished, CliError> {
        let plan = self.plan;
        let subject = Subject::load(path, plan, self.context)?;
        self.export(&subject, ORIGINAL, &subject.original)?;
        let failed = |error| plan.model.error(&subject.name, error);
        let files = own::files(plan, &subject).map_err(failed)?;
        let mut measurements = self.own(&subject, &files)?;
        for installed in &plan.rivals {
            measurements.extend(self.rival(&subject, installed, &files)?);
        }
        let halt = plan.until.map(|until| halting::halt(plan, &subject, until));
        let finished = Finished {
            picture: Picture {
                name: subject.name.clone(),
                width: subject.size().width,
                height: subject.size().height,
            },
            crc32: subject.crc32,
            measurements,
            halt: halt.transpose().map_err(failed)?,
            uncertainty: self.uncertainty(&subject, &files)?,
        };
        if let Some(journal) = &mut self.journal {
            journal.add(&finished)?;
        }
        finished.reread().map_err(|error| CliError::Read {
            name: subject.name,
            source: error.into(),
        })
    }

    /// Measures the files of this program's own codec.
    fn own(&self, subject: &Subject, files: &[OwnFile]) -> Result<Vec<Measurement>, CliError> {
        let plan = self.plan;
        let options = plan.decode(subject);
        let mut measurements = Vec::with_capacity(files.len());
        // Some at a time, which bounds the memory of their decodes.
        for files in files.chunks(Codec::IMAGES_PER_PASS) {
            let decodes = own::decodes(&plan.model.codec, files, &options);
            let decodes = decodes.map_err(|error| plan.model.error(&subject.name, error))?;
            let pairs: Vec<_> = files.iter().zip(&decodes).collect();
            measurements.extend(self.each(subject, &pairs, |(file, decode)| {
                self.export(subject, &Export::kind(OWN, file.budget), &decode.picture)?;
                Ok(Measurement {
                    codec: OWN.to_owned(),
                    picture: subject.name.clone(),
                    budget: file.budget,
                    bytes: file.bytes.len() as u64,
                    settings: String::new(),
                    encode_seconds: file.time.as_secs_f64(),
                    decode_seconds: decode.time.as_secs_f64(),
                    figures: self.figures(subject, &decode.picture)?,
                })
            })?);
        }
        Ok(measurements)
    }

    /// What different noise changes, for each file.
    fn uncertainty(
        &self,
        subject: &Subject,
        files: &[OwnFile],
    ) -> Result<Vec<Uncertainty>, CliError> {
        let Some(seeds) = self.plan.seeds else {
            return Ok(Vec::new());
        };
        let lpips = self.meter.lpips.as_ref();
        let each = files.iter().map(|file| {
            seeds::uncertainty((self.plan, self.context), (subject, file), (seeds, lpips))
        });
        each.collect()
    }

    /// Measures the best files of another codec. Where budgets are tokens, it may have the bytes of flextok's file.
    fn rival(
        &self,
        subject: &Subject,
        installed: &Installed,
        own: &[OwnFile],
    ) -> Result<Vec<Measurement>, CliError> {
        let plan = self.plan;
        let bytes = |budget: &u32| match plan.unit {
            Unit::Bytes => Some(u64::from(*budget)),
            Unit::Tokens => own
                .iter()
                .find(|file| file.budget == *budget)
                .map(|file| file.bytes.len() as u64),
        };
        let budgets: Vec<Option<u64>> = plan.budgets.iter().map(bytes).collect();
        let (original, together) = (&subject.original, self.together(subject));
        let best = rivals::best(installed, original, &budgets, plan.threads(), together);
        if let Some(failure) = best.failure {
            self.context
                .note(&format!("{}: {failure}", installed.rival.name()));
        }
        let fitted = plan.budgets.iter().zip(best.files);
        let fitted: Vec<(u32, Fitted)> = fitted
            .filter_map(|(budget, file)| Some((*budget, file?)))
            .collect();
        self.each(subject, &fitted, |(budget, file)| {
            self.measure_rival(subject, installed, *budget, file)
        })
    }

    fn measure_rival(
        &self,
        subject: &Subject,
        installed: &Installed,
        budget: u32,
        file: &Fitted,
    ) -> Result<Measurement, CliError> {
        let (size, threads) = (subject.size(), self.plan.threads());
        let decoded = installed.decode(&file.file, file.recipe, size, threads);
        let (picture, time): (RgbImage, Duration) = decoded.map_err(|source| CliError::Rival {
            name: subject.name.clone(),
            source,
        })?;
        let codec = installed.rival.name();
        self.export(subject, &Export::kind(codec, budget), &picture)?;
        Ok(Measurement {
            codec: codec.to_owned(),
            picture: subject.name.clone(),
            budget,
            bytes: file.file.len() as u64,
            settings: file.recipe.to_string(),
            encode_seconds: file.time.as_secs_f64(),
            decode_seconds: time.as_secs_f64(),
            figures: self.figures(subject, &picture)?,
        })
    }

    /// Works on all cores, or on one thing after the other where the picture is too large for that.
    fn each<T: Sync, R: Send>(
        &self,
        subject: &Subject,
        items: &[T],
        work: impl Fn(&T) -> Result<R, CliError> + Send + Sync,
    ) -> Result<Vec<R>, CliError> {
        if !self.together(subject) {
            return items.iter().map(work).collect();
        }
        let each = || items.par_iter().with_max_len(1);
        self.plan.threads().install(|| each().map(work).collect())
    }

    /// Whether memory does for a thing on each thread.
    fn together(&self, subject: &Subject) -> bool {
        let threads = self.plan.threads().count() as u64;
        let each = subject.size().area().saturating_mul(BYTES_A_PIXEL);
        each.saturating_mul(threads) <= self.context.loading.max_memory
    }

    fn figures(&self, subject: &Subject, decode: &RgbImage) -> Result<Figures, CliError> {
        let figures = self.meter.figures(&subject.original, decode);
        figures.map_err(|source| CliError::Compare {
            name: subject.name.clone(),
            source,
        })
    }

    fn export(&self, subject: &Subject, kind: &str, picture: &RgbImage) -> Result<(), CliError> {
        match &self.export {
            Some(export) => export.save(kind, &subject.name, picture),
            None => Ok(()),
        }
    }

    /// All that was found, with means over the pictures, and what makes its pictures again.
    pub(crate) fn results(self, command: String) -> (Results, Again<'a>) {
        let plan = self.plan;
        let mut results = Results {
            program: concat!("flextok ", env!("CARGO_PKG_VERSION")).to_owned(),
            model: plan.model_name(),
            command,
            unit: plan.unit,
            budgets: plan.budgets.clone(),
            codecs: plan.codecs.clone(),
            pictures: Vec::new(),
            measurements: Vec::new(),
            means: Vec::new(),
            uncertainty: Vec::new(),
            halting: plan.until.map(|until| Halting {
                metric: until.metric.name().to_owned(),
                target: until.value,
                pictures: Vec::new(),
            }),
            failures: self.failures,
        };
        for finished in self.finished {
            results.pictures.push(finished.picture);
            results.measurements.extend(finished.measurements);
            results.uncertainty.extend(finished.uncertainty);
            if let Some(halting) = &mut results.halting {
                halting.pictures.extend(finished.halt);
            }
        }
        results.means = plan.threads().install(|| means(&results));
        (results, self.again)
    }
}

/// A figure of a measurement by its name in the results.
type Named = (&'static str, fn(&Measurement) -> Option<f64>);

/// All figures that have means.
const FIGURES: [Named; 9] = [
    ("bytes", |m| Some(m.bytes as f64)),
    ("psnr", |m| m.figures.psnr),
    ("ssim_gaussian11", |m| Some(m.figures.ssim_gaussian11)),
    ("ssim_uniform7", |m| Some(m.figures.ssim_uniform7)),
    ("mae", |m| Some(m.figures.mae)),
    ("ssimulacra2", |m| m.figures.ssimulacra2),
    ("lpips", |m| m.figures.lpips),
    ("encode_seconds", |m| Some(m.encode_seconds)),
    ("decode_seconds", |m| Some(m.decode_seconds)),
];

/// The mean of each figure that every picture has, by budget and codec.
fn means(results: &Results) -> Vec<Mean> {
    let count = results.pictures.len();
    let each = results.budgets.par_iter().flat_map_iter(|budget| {
        let codecs = results.codecs.iter();
        codecs.map(move |codec| (*budget, codec.name.as_str()))
    });
    let means = each.flat_map_iter(|(budget, codec)| {
        let of = |m: &&Measurement| m.codec == codec && m.budget == budget;
        let measured: Vec<_> = results.measurements.iter().filter(of).collect();
        FIGURES.iter().filter_map(move |(figure, value)| {
            let values: Option<Vec<f64>> = measured.iter().map(|m| value(m)).collect();
            let values = values.filter(|values| values.len() == count)?;
            let found = bootstrap::interval(&values)?;
            Some(Mean {
                codec: codec.to_owned(),
                budget,
                figure: (*figure).to_owned(),
                mean: found.mean,
                low: found.low,
                high: found.high,
                count,
            })
        })
    });
    means.collect()
}
