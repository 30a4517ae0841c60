//! `flextok decode --samples`: several decodes of one file, from different noise, as their mean and a map of where they
//! differ.

use std::path::PathBuf;

use clap::Args;
use flextok::container::TokenFile;
use flextok::image::{DynamicImage, RgbImage};
use flextok::picture::save;
use flextok::uncertainty::Ensemble;
use flextok::{DecodeOptions, Size};

use crate::context::{Context, Model};
use crate::exit::CliError;
use crate::input::{Damage, Source};
use crate::links;
use crate::output::Output;
use crate::values;

/// What becomes of several decodes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several decodes, for FlexTok models")]
pub(crate) struct SamplesArgs {
    /// Decode N times (2 to 1024), from the noise of --seed and the N - 1 seeds that follow, and write
    /// --mean, --variance or both instead of OUT
    #[arg(long, value_name = "N", conflicts_with_all = ["output", "noise"],
        value_parser = values::whole::<u32>(2..=Ensemble::MAX_DECODES.into()))]
    samples: Option<u32>,

    /// Write the mean of the decodes to this picture
    #[arg(long, value_name = "OUT", requires = "samples")]
    mean: Option<PathBuf>,

    /// Write where the decodes differ to this picture: the standard deviation of each pixel in 8-bit
    /// steps, times 4, as grey
    #[arg(long, value_name = "OUT", requires = "samples")]
    variance: Option<PathBuf>,
}

/// Where the pictures go.
struct Outputs {
    mean: Option<Output>,
    variance: Option<Output>,
}

impl SamplesArgs {
    /// Number of decodes, where there are several.
    pub(crate) fn count(&self) -> Option<u32> {
        self.samples
    }

    /// Decodes the file that `inputs` name `count` times and writes what was asked for.
    pub(crate) fn run(
        &self,
        count: u32,
        inputs: &[PathBuf],
        options: DecodeOptions,
        damage: Damage,
        context: &Context,
    ) -> Result<(), CliError> {
        let [path] = inputs else {
            let problem = "takes one file, and no OUT: its pictures go to --mean and --variance";
            return Err(CliError::usage("--samples", problem));
        };
        let source = Source::new(path);
        let outputs = Outputs::new(self, &source, context)?;
        let first = options.seed.unwrap_or(0);
        if first.checked_add(u64::from(count) - 1).is_none() {
            let problem = format!("no {count} seeds follow {first}; give a smaller one");
            return Err(CliError::usage("--seed", problem));
        }
        let input = source.tokens_of(&context.limits, damage)?;
        let model = context.model()?;
        if model.codec.config().is_none() {
            let name = &model.name;
            let problem = format!(
                "{name} decodes without noise, so that all decodes are the same; give a FlexTok model with --model"
            );
            return Err(CliError::usage("--samples", problem));
        }
        let size = input.file.header().size();
        if !options.keep_canvas {
            outputs.check_size(size)?;
        }
        let ensemble = decode(count, &input.file, &options, &model, context)
            .map_err(|error| model.error(&source.name(), error))?;
        outputs.write(&ensemble, context)?;
        if let Some(note) = input.shortfall(&source.name()) {
            context.note(&note);
        }
        context.detail(|| {
            let (name, last) = (source.name(), first + u64::from(count) - 1);
            format!(
                "{name}: {count} decodes, seeds {first} to {last}, with {}",
                model.name
            )
        });
        Ok(())
    }
}

/// The decodes of seeds that follow each other, summed up.
fn decode(
    count: u32,
    file: &TokenFile,
    options: &DecodeOptions,
    model: &Model,
    context: &Context,
) -> Result<Ensemble, flextok::Error> {
    let first = options.seed.unwrap_or(0);
    let bar = context.progress(count, "decoding");
    let decode = |index: u32| {
        let options = options.clone().with_seed(first + u64::from(index));
        let picture = model.codec.decode_file(file, &options);
        bar.inc(1);
        picture
    };
    let sum = || {
        let picture = decode(0)?;
        let size = picture.dimensions().into();
        let mut ensemble = Ensemble::new(size, context.limits.image_memory)?;
        ensemble.add(&picture)?;
        for index in 1..count {
            ensemble.add(&decode(index)?)?;
        }
        Ok(ensemble)
    };
    let summed = sum();
    bar.finish_and_clear();
    summed
}

impl Outputs {
    fn new(args: &SamplesArgs, source: &Source, context: &Context) -> Result<Self, CliError> {
        let open = |path: &Option<PathBuf>| -> Result<Option<Output>, CliError> {
            let Some(path) = path else { return Ok(None) };
            let output = Output::new(path, context.force)?;
            output.picture_format("")?;
            output.keep(source)?;
            Ok(Some(output))
        };
        let outputs = Self {
            mean: open(&args.mean)?,
            variance: open(&args.variance)?,
        };
        match (&args.mean, &args.variance) {
            (None, None) => {
                let problem =
                    "says nothing of what to write; give --mean OUT, --variance OUT or both";
                Err(CliError::usage("--samples", problem))
            }
            (Some(mean), Some(variance))
                if links::real_path(mean) == links::real_path(variance) =>
            {
                let problem = "is the output of --mean too; choose another name";
                Err(CliError::usage(variance.display().to_string(), problem))
            }
            _ => Ok(outputs),
        }
    }

    /// Refuses, before it is computed, a picture that a format cannot hold.
    fn check_size(&self, size: Size) -> Result<(), CliError> {
        for output in self.mean.iter().chain(&self.variance) {
            let checked = output.picture_format("")?.check_size(size);
            checked.map_err(|error| CliError::codec(output.name(), error))?;
        }
        Ok(())
    }

    /// Writes both or neither.
    fn write(&self, ensemble: &Ensemble, context: &Context) -> Result<(), CliError> {
        let mut files: Vec<(&Output, Vec<u8>, Size)> = Vec::new();
        let mut add = |output, picture: Result<RgbImage, flextok::Error>| {
            encoded(output, picture).map(|(bytes, size)| files.push((output, bytes, size)))
        };
        if let Some(output) = &self.mean {
            add(output, ensemble.mean())?;
        }
        if let Some(output) = &self.variance {
            let map = ensemble.deviation_map();
            add(
                output,
                map.map(|map| DynamicImage::ImageLuma8(map).into_rgb8()),
            )?;
        }
        let prepared: Result<Vec<_>, _> = files
            .iter()
            .map(|(output, bytes, _)| output.prepare(bytes))
            .collect();
        for file in prepared? {
            file.publish()?;
        }
        for (output, bytes, size) in &files {
            context.wrote(output, bytes.len(), &[values::pixels(*size)]);
        }
        Ok(())
    }
}

/// A picture as a file of its output's format, and its size.
fn encoded(
    output: &Output,
    picture: Result<RgbImage, flextok::Error>,
) -> Result<(Vec<u8>, Size), CliError> {
    let format = output.picture_format("")?;
    let failed = |error| CliError::codec(output.name(), error);
    let picture = picture.map_err(failed)?;
    let bytes = save::encode(&picture, format);
    let bytes = bytes.map_err(|error| CliError::codec(output.name(), error))?;
    Ok((bytes, picture.dimensions().into()))
}
