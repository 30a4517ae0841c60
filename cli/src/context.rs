//! What all commands share: the global options, the limits, the model, notes to the user.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use flextok::compute::ComputeError;
use flextok::picture::LoadOptions;
use flextok::weights::WeightsError;
use flextok::{Codec, Device, Error, ErrorKind, Limits, Precision, Threads};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::args::{GlobalArgs, LimitArgs};
use crate::exit::{CliError, report};
use crate::output::{self, Output};
use crate::platform::terminal;
use crate::{message, values};

/// The global options, ready to use.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) limits: Limits,
    /// How images are loaded, within these limits.
    pub(crate) loading: LoadOptions,
    pub(crate) force: bool,
    pub(crate) quiet: bool,
    /// Whether standard error is a terminal.
    terminal: bool,
    /// The progress bar over several inputs; lines on standard error appear above it.
    files: OnceLock<ProgressBar>,
    /// The notes so far.
    said: Mutex<HashSet<String>>,
    verbose: bool,
    pub(crate) model: Option<PathBuf>,
    pub(crate) threads: usize,
    device: Device,
    precision: Precision,
    mmap: bool,
}

/// A model with its name in errors.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) codec: Codec,
    pub(crate) name: String,
}

impl Context {
    pub(crate) fn new(args: GlobalArgs) -> Self {
        let limits = limits(&args.limits);
        let mut loading = limits.load_options();
        loading.color_management = !args.no_color_management;
        Self {
            limits,
            loading,
            force: args.force,
            quiet: args.quiet,
            terminal: terminal::shows_messages(),
            files: OnceLock::new(),
            said: Mutex::default(),
            verbose: args.verbose > 0,
            model: args.model,
            threads: args.threads.unwrap_or(0).into(),
            device: args.device,
            precision: args.precision,
            mmap: !args.no_mmap,
        }
    }

    /// Threads for work without a model.
    pub(crate) fn threads(&self) -> Result<Threads, CliError> {
        Threads::new(self.threads).map_err(|error| CliError::codec("--threads", error))
    }

    /// Opens the requested model, or the embedded one, on the requested device.
    pub(crate) fn model(&self) -> Result<Model, CliError> {
        let model = self.model_on(self.device)?;
        let engine = model.codec.engine();
        if let Some(reason) = &engine.fallback {
            self.detail(|| format!("computing on the CPU: {reason}"));
        }
        self.detail(|| {
            format!(
                "engine: {}, {}, {}",
                engine.backend,
                engine.name,
                engine.precisions()
            )
        });
        Ok(model)
    }

    /// Opens the model only to read its config, which needs no GPU.
    pub(crate) fn model_to_describe(&self) -> Result<Model, CliError> {
        self.model_on(Device::Cpu)
    }

    fn model_on(&self, device: Device) -> Result<Model, CliError> {
        let precision = match device {
            Device::Cpu if self.device != Device::Cpu => Precision::Auto,
            _ => self.precision,
        };
        let limits = self.limits.clone();
        let builder = Codec::builder()
            .with_threads(self.threads)
            .with_device(device)
            .with_precision(precision)
            .with_mmap(self.mmap)
            .with_limits(limits);
        let Some(path) = &self.model else {
            return embedded(builder);
        };
        let name = message::name(path);
        match builder.open(path) {
            Ok(codec) => Ok(Model { codec, name }),
            Err(error) => Err(model_error(&name, error)),
        }
    }

    /// A line on standard error unless `--quiet`; the same line only once, however often a file is read.
    pub(crate) fn note(&self, message: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.quiet && said.insert(message.to_owned()) {
            self.above(|| report(&format!("note: {message}")));
        }
    }

    /// A line on standard error with `--verbose`.
    pub(crate) fn detail(&self, message: impl FnOnce() -> String) {
        if self.verbose {
            self.above(|| report(&message()));
        }
    }

    /// The line about a file that was written, to people at a terminal; of several inputs the summary says it.
    pub(crate) fn wrote(&self, output: &Output, bytes: usize, facts: &[String]) {
        let facts = facts.iter().map(|fact| format!(", {fact}"));
        let (name, count) = (output.name(), values::count(bytes as u64, "byte"));
        self.result(&format!("{name}: {count}{}", facts.collect::<String>()));
    }

    /// The line of a result, to people at a terminal.
    pub(crate) fn result(&self, line: &str) {
        if self.terminal && !self.quiet && self.files.get().is_none() {
            output::complain(&format!("{}\n", message::one_line(line)));
        }
    }

    /// The line of an error of one of several inputs.
    pub(crate) fn fail(&self, error: &CliError) {
        self.above(|| error.report());
    }

    /// Text on standard output while other inputs may follow.
    pub(crate) fn print(&self, text: &str) -> Result<(), CliError> {
        self.above(|| output::print(text))
    }

    /// An indented JSON document on standard output while other inputs may follow.
    pub(crate) fn print_json(&self, value: &impl Serialize) -> Result<(), CliError> {
        self.above(|| output::print_json(value))
    }

    /// A JSON document on one line of standard output while other inputs may follow.
    pub(crate) fn print_json_line(&self, value: &impl Serialize) -> Result<(), CliError> {
        self.above(|| output::print_json_line(value))
    }

    /// What became of several inputs: to people, and wherever there was a failure.
    pub(crate) fn summary(&self, failed: bool, message: impl FnOnce() -> String) {
        if !self.quiet && (failed || self.verbose || self.terminal) {
            report(&message());
        }
    }

    /// Prints without disturbing the progress bar.
    fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        match self.files.get() {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// The progress bar over several inputs.
    pub(crate) fn files(&self, count: usize, what: &'static str) -> ProgressBar {
        let bar = self.progress(u32::try_from(count).unwrap_or(u32::MAX), what);
        self.files.get_or_init(|| bar).clone()
    }

    /// A line of progress over a collection, in words that change; with a bar where the number of files is known.
    pub(crate) fn collection(&self, files: Option<u64>) -> ProgressBar {
        let templates = ["{msg} {wide_bar} {pos}/{len}", "{spinner} {msg}"];
        self.bar_over_all(|| files, templates)
    }

    /// The progress bar over pictures, of which there may be an unknown number.
    pub(crate) fn pictures(
        &self,
        total: impl FnOnce() -> Option<u64>,
        what: &'static str,
    ) -> ProgressBar {
        let templates = [
            "{msg} {wide_bar} {pos}/{len} {per_sec} {eta}",
            "{msg} {spinner} {pos} {per_sec}",
        ];
        let bar = self.bar_over_all(total, templates);
        bar.set_message(what);
        bar
    }

    /// The bar above which all lines appear, in one of two forms: for a known or an unknown number of things.
    fn bar_over_all(
        &self,
        total: impl FnOnce() -> Option<u64>,
        [known, unknown]: [&str; 2],
    ) -> ProgressBar {
        if self.quiet || !self.terminal {
            return self.files.get_or_init(ProgressBar::hidden).clone();
        }
        let (bar, template) = match total() {
            Some(total) => (ProgressBar::new(total), known),
            None => (ProgressBar::new_spinner(), unknown),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        self.files.get_or_init(|| bar).clone()
    }

    /// Whether lines of progress go to a log: asked for, and nobody looks at a bar.
    pub(crate) fn logs_progress(&self) -> bool {
        self.verbose && !self.terminal
    }

    /// A progress bar of `total` steps: only on a terminal, not for a single step, and not beneath another.
    pub(crate) fn progress(&self, total: u32, what: &'static str) -> ProgressBar {
        if self.quiet || total < 2 || !self.terminal || self.files.get().is_some() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(total.into()).with_message(what);
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        bar
    }
}

impl Model {
    /// The error of an operation on `input`; errors about the model name the model instead.
    pub(crate) fn error(&self, input: &str, error: Error) -> CliError {
        match error {
            Error::WrongModel { .. } | Error::Codebook { .. } | Error::FileCanvas { .. } => {
                CliError::codec(input, error)
            }
            error if error.kind() == ErrorKind::Model => model_error(&self.name, error),
            error => CliError::codec(input, error),
        }
    }
}

#[cfg(feature = "embedded-model")]
fn embedded(builder: flextok::CodecBuilder) -> Result<Model, CliError> {
    let name = "embedded model".to_owned();
    match builder.embedded() {
        Ok(codec) => Ok(Model { codec, name }),
        Err(error) => Err(model_error(&name, error)),
    }
}

#[cfg(not(feature = "embedded-model"))]
fn embedded(_builder: flextok::CodecBuilder) -> Result<Model, CliError> {
    Err(CliError::NoModel)
}

fn model_error(name: &str, error: Error) -> CliError {
    match error {
        error if error.kind() == ErrorKind::Device => CliError::codec("--device", error),
        Error::Compute(ComputeError::Threads { .. }) => CliError::codec("--threads", error),
        // The library names the file within the directory, which is more precise.
        Error::Weights(WeightsError::Storage { path, source }) => CliError::Model {
            name: message::name(&path),
            source,
        },
        error => CliError::codec(name, error),
    }
}

fn limits(args: &LimitArgs) -> Limits {
    let mut limits = Limits::default();
    let raise = |limit: &mut u64, value: Option<u64>| *limit = value.unwrap_or(*limit);
    raise(&mut limits.pixels, args.max_pixels);
    raise(&mut limits.image_bytes, args.max_input_bytes);
    raise(&mut limits.container.payload_bytes, args.max_payload);
    raise(&mut limits.image_memory, args.max_memory);
    raise(&mut limits.tile_memory, args.max_tile_memory);
    raise(&mut limits.canvas_pixels, args.max_canvas_pixels);
    raise(&mut limits.device_memory, args.max_device_memory);
    limits.steps = args.max_steps.unwrap_or(limits.steps);
    limits
}
