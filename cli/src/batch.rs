//! Several inputs of one command: where each result goes, one progress bar, a summary, the first failure's exit code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf, is_separator};
use std::process::ExitCode;

use crate::context::Context;
use crate::exit::{CliError, Code};
use crate::input::Source;
use crate::output::Output;
use crate::platform::{self, Descriptor, Identity};
use crate::{links, message, values};

/// What a command does with its inputs, in words.
#[derive(Debug)]
pub(crate) struct Task {
    /// What the progress bar says.
    pub(crate) doing: &'static str,
    /// What the summary says.
    pub(crate) done: &'static str,
}

/// An input, and where its result goes.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) source: Source,
    pub(crate) output: Output,
}

/// All inputs of a run; those whose output is impossible have failed already.
#[derive(Debug)]
pub(crate) struct Plan {
    jobs: Vec<Result<Job, CliError>>,
    folder: Option<NewFolder>,
}

/// Positional arguments as inputs and output: `IN OUT` if only the second has the name of an output, else all are inputs.
pub(crate) fn in_and_out<'a>(
    paths: &'a [PathBuf],
    given: Option<&'a Path>,
    is_output: impl Fn(&Path) -> bool,
) -> (&'a [PathBuf], Option<&'a Path>) {
    match (paths, given) {
        ([input, output], None) if is_output(output) && !is_output(input) => {
            (&paths[..1], Some(output))
        }
        _ => (paths, given),
    }
}

/// Whether a name has this extension, in upper or lower case.
pub(crate) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|own| own.eq_ignore_ascii_case(extension))
}

/// The inputs of a command that writes no files.
pub(crate) fn sources(paths: &[PathBuf]) -> Result<Vec<Result<Source, CliError>>, CliError> {
    let sources: Vec<Source> = paths.iter().map(|path| Source::new(path)).collect();
    let from_stdin = sources.iter().filter(|&source| *source == Source::Stdin);
    if from_stdin.count() > 1 {
        let problem = "it can be read only once; give - once";
        return Err(CliError::usage(Source::Stdin.name(), problem));
    }
    Ok(sources.into_iter().map(Ok).collect())
}

impl Plan {
    /// Decides on all outputs before any work: beside the inputs, or `given` with -o, which is a directory if there is
    /// one of this name or the name ends with a separator. Outputs that are not named have the `extension`; a directory as
    /// input has none and is refused with `code`. `check` is what else an output has to meet.
    ///
    /// Outputs that would be one file are refused. An output that is impossible for another reason fails its input only.
    pub(crate) fn new(
        paths: &[PathBuf],
        given: Option<&Path>,
        (extension, code): (&str, Code),
        context: &Context,
        check: impl Fn(&Output) -> Result<(), CliError>,
    ) -> Result<Self, CliError> {
        refuse_outputs(paths)?;
        let sources: Vec<Source> = paths.iter().map(|path| Source::new(path)).collect();
        let folder = given.filter(|path| is_folder(path));
        if let [_, _, ..] = &sources[..] {
            refuse_streams(&sources, given.filter(|_| folder.is_none()))?;
        }
        let names: Vec<Result<PathBuf, CliError>> = sources
            .iter()
            .map(|source| match (folder, given) {
                (Some(folder), _) => source.output_in(folder, extension, code),
                (None, Some(path)) => Ok(path.to_owned()),
                (None, None) => source.default_output(extension, code),
            })
            .collect();
        refuse_collisions(&sources, &names)?;
        let folder = folder.map(NewFolder::make).transpose()?.flatten();
        let inputs = Inputs::new(&sources);
        let jobs = sources.into_iter().zip(names).map(|(source, name)| {
            let output = Output::new(&name?, context.force)?;
            output.keep(&source)?;
            inputs.keep(&output)?;
            check(&output)?;
            Ok(Job { source, output })
        });
        Ok(Self {
            jobs: jobs.collect(),
            folder,
        })
    }

    /// Works on each input, after `prepare` if there is anything to do. `work` returns the bytes that it has written.
    pub(crate) fn run<M>(
        self,
        context: &Context,
        task: &Task,
        prepare: impl FnOnce() -> Result<M, CliError>,
        mut work: impl FnMut(&M, &Job) -> Result<u64, CliError>,
    ) -> Result<ExitCode, CliError> {
        let possible = self.jobs.iter().any(Result::is_ok);
        let prepared = possible.then(prepare).transpose()?;
        let code = each(context, task, self.jobs, |job| match &prepared {
            Some(prepared) => work(prepared, job),
            // There is no such job.
            None => Ok(0),
        });
        drop(self.folder);
        Ok(code)
    }
}

/// Works on each input; a failure does not stop the others. `work` returns the bytes that it has written.
pub(crate) fn each<J>(
    context: &Context,
    task: &Task,
    jobs: Vec<Result<J, CliError>>,
    mut work: impl FnMut(&J) -> Result<u64, CliError>,
) -> ExitCode {
    let count = jobs.len();
    let bar = (count > 1).then(|| context.files(count, task.doing));
    let (mut bytes, mut failures, mut first) = (0_u64, 0, None);
    for job in jobs {
        match job.and_then(|job| work(&job)) {
            Ok(written) => bytes = bytes.saturating_add(written),
            Err(error) => {
                context.fail(&error);
                failures += 1;
                first.get_or_insert(error.code());
            }
        }
        bar.iter().for_each(|bar| bar.inc(1));
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
        context.summary(failures > 0, || summary(task, count, failures, bytes));
    }
    first.map_or(ExitCode::SUCCESS, ExitCode::from)
}

fn summary(task: &Task, count: usize, failures: usize, bytes: u64) -> String {
    let files = values::count(count as u64, "file");
    let files = match failures {
        0 => files,
        _ => format!("{} of {files}", count - failures),
    };
    let written = match bytes {
        0 => String::new(),
        _ => format!(", {} written", values::count(bytes, "byte")),
    };
    let failed = match failures {
        0 => String::new(),
        _ => format!("; {failures} failed"),
    };
    format!("{} {files}{written}{failed}", task.done)
}

/// Whether an output's name is that of a directory to put outputs into.
pub(crate) fn is_folder(path: &Path) -> bool {
    let last = path.as_os_str().as_encoded_bytes().last();
    path != Path::new("-") && path.is_dir() || last.is_some_and(|&byte| is_separator(byte.into()))
}

/// Refuses to read from standard output or error, which would wait for what the program writes itself.
fn refuse_outputs(paths: &[PathBuf]) -> Result<(), CliError> {
    let is_output =
        |path: &&PathBuf| matches!(platform::descriptor(path), Some(Descriptor::Own(1 | 2)));
    match paths.iter().find(is_output) {
        Some(path) => {
            let problem = "is no input; to write to it, name it with -o";
            Err(CliError::usage(message::name(path), problem))
        }
        None => Ok(()),
    }
}

/// Refuses what only a single input can have: a file as the output, and standard input.
fn refuse_streams(sources: &[Source], file: Option<&Path>) -> Result<(), CliError> {
    if let Some(path) = file {
        let problem =
            "is no directory, which several inputs need; end its name with / to create one";
        return Err(CliError::usage(message::name(path), problem));
    }
    if sources.contains(&Source::Stdin) {
        let problem = "has no name for an output beside other inputs; give - alone, or -o - for standard output";
        return Err(CliError::usage(Source::Stdin.name(), problem));
    }
    Ok(())
}

/// Refuses outputs that would be the same file.
fn refuse_collisions(
    sources: &[Source],
    names: &[Result<PathBuf, CliError>],
) -> Result<(), CliError> {
    let mut taken: BTreeMap<PathBuf, &Source> = BTreeMap::new();
    for (source, name) in sources.iter().zip(names) {
        let Ok(name) = name else { continue };
        if let Some(other) = taken.insert(links::real_path(name), source) {
            let (other, name) = (other.name(), message::name(name));
            let problem = format!(
                "its output {name} would be that of {other} too; give them in separate runs"
            );
            return Err(CliError::usage(source.name(), problem));
        }
    }
    Ok(())
}

/// The files that a run reads.
struct Inputs(BTreeSet<Identity>);

impl Inputs {
    fn new(sources: &[Source]) -> Self {
        let files = sources.iter().filter_map(|source| match source {
            Source::File(path) if sources.len() > 1 => Identity::of(path),
            _ => None,
        });
        Self(files.collect())
    }

    /// Refuses to overwrite another input, which may not have been read yet.
    fn keep(&self, output: &Output) -> Result<(), CliError> {
        match output.path().and_then(Identity::of) {
            Some(file) if self.0.contains(&file) => {
                let problem =
                    "the output would overwrite another input; choose a directory with -o";
                Err(CliError::usage(output.name(), problem))
            }
            _ => Ok(()),
        }
    }
}

/// A directory that was made for outputs; it goes again if none came into it.
#[derive(Debug)]
pub(crate) struct NewFolder(PathBuf);

impl NewFolder {
    /// `None` if there is one already.
    pub(crate) fn make(path: &Path) -> Result<Option<Self>, CliError> {
        if path.is_dir() {
            return Ok(None);
        }
        let made = fs::create_dir(path);
        made.map_err(|source| CliError::Write {
            name: message::name(path),
            source,
        })?;
        Ok(Some(Self(path.to_owned())))
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // This removes none that has something in it.
        let _ = fs::remove_dir(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_are_in_and_out_if_only_the_second_is_an_output() {
        let is_output = |path: &Path| has_extension(path, "flxt");
        for (paths, given, inputs, output) in [
            (&["a.jpg", "b.flxt"][..], None, 1, Some("b.flxt")),
            (&["-", "B.FLXT"], None, 1, Some("B.FLXT")),
            (&["a.jpg", "b.jpg"], None, 2, None),
            (&["a.flxt", "b.flxt"], None, 2, None),
            (&["a.jpg", "b.flxt"], Some("c"), 2, Some("c")),
            (&["a.jpg", "b.png", "c.flxt"], None, 3, None),
            (&["a.jpg"], None, 1, None),
        ] {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            let found = in_and_out(&paths, given.map(Path::new), is_output);
            assert_eq!((found.0.len(), found.1), (inputs, output.map(Path::new)));
        }
    }

    #[test]
    fn summaries_count() {
        const TASK: Task = Task {
            doing: "encoding",
            done: "encoded",
        };
        assert_eq!(
            summary(&TASK, 3, 0, 3072),
            "encoded 3 files, 3072 bytes written"
        );
        assert_eq!(
            summary(&TASK, 3, 1, 1),
            "encoded 2 of 3 files, 1 byte written; 1 failed"
        );
        assert_eq!(summary(&TASK, 2, 2, 0), "encoded 0 of 2 files; 2 failed");
    }
}
